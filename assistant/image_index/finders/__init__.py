"""Finding pictures quickly: nearest vectors and noted words, on SQLite and on Postgres."""

from assistant.image_index.finders.base import Finder, Near, as_vectors
from assistant.image_index.finders.choice import finder_for

__all__ = ["Finder", "Near", "as_vectors", "finder_for"]
