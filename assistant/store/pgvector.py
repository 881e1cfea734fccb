"""pgvector, the extension of Postgres that compares vectors."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from assistant.errors import StoreError
from assistant.store.database import Database

_EXTEND = 0x5167_0004  # key of an advisory lock; any number, the same in every process


def switch_on(database: Database, needed_by: str) -> None:
    """Switch pgvector on in a database; two processes at once do not disturb each other.

    Args:
        needed_by: what needs it, for the sentence.

    Raises:
        StoreError: the server has none, or this user may not.
    """
    try:
        with database.write() as session:
            session.execute(text(f"SELECT pg_advisory_xact_lock({_EXTEND})"))
            session.execute(text("CREATE EXTENSION IF NOT EXISTS vector"))
    except StoreError as error:
        raise StoreError(
            f"{database.place} has no pgvector, which {needed_by} needs; install it on the server "
            "and run CREATE EXTENSION vector as its administrator."
        ) from error


def literal(vector: Any) -> str:
    """A vector [d] as pgvector reads it."""
    return "[" + ",".join(f"{value:.8g}" for value in vector.tolist()) + "]"
