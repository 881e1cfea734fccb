"""Statements that every search makes, straight to the driver where that is SQLite.

On a million pictures SQLAlchemy would take as long over a statement as SQLite over its answer, and
there are four in each search.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import TextClause, text
from sqlalchemy.orm import Session

_DRIVER = "image_index_driver"
_KEYS = ("(SELECT value FROM json_each(:keys))", "(SELECT unnest(CAST(:keys AS bigint[])))")


def quick(session: Session, statement: str, values: Mapping[str, Any]) -> Sequence[Any]:
    """All rows of a statement, as tuples; times of SQLite are what `time_of` takes.

    Args:
        session: a transaction.
        statement: SQL with ``:name`` for a value, and ``{keys}`` for a list of numbers.
        values: by name; ``keys`` are numbers.
    """
    known: tuple[Any, bool] | None = session.info.get(_DRIVER)
    if known is None:
        opened = session.connection()
        is_sqlite = opened.dialect.name == "sqlite"
        known = (opened.connection.driver_connection if is_sqlite else opened, is_sqlite)
        session.info[_DRIVER] = known
    connection, is_sqlite = known
    if not is_sqlite:
        rows: Sequence[Any] = connection.execute(_text(statement), values).all()
        return rows
    if "keys" in values:
        values = {**values, "keys": json.dumps(values["keys"])}
    found: Sequence[Any] = connection.execute(_filled(statement, True), values).fetchall()
    return found


def time_of(value: Any) -> datetime | None:
    """A time, as SQLite's driver or Postgres' gives it."""
    if not isinstance(value, str):
        return value.astimezone(UTC) if isinstance(value, datetime) else None
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


@lru_cache(maxsize=64)
def _filled(statement: str, is_sqlite: bool) -> str:
    return statement.replace("{keys}", _KEYS[not is_sqlite])


@lru_cache(maxsize=64)
def _text(statement: str) -> TextClause:
    return text(_filled(statement, False))
