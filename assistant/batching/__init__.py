"""One engine for many clients: a queue in front of it, and answers that are written together."""

from assistant.batching.load import Load
from assistant.batching.shared import SharedEngine
from assistant.engine.lock import client

__all__ = ["Load", "SharedEngine", "client"]
