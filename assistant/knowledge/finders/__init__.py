"""Finding passages quickly: full text and vectors, on SQLite and on Postgres."""

from assistant.knowledge.finders.base import Entry, Finder, Vector, entry
from assistant.knowledge.finders.choice import finder_for

__all__ = ["Entry", "Finder", "Vector", "entry", "finder_for"]
