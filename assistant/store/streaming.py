"""Answers that stream though nobody writes them: the process was killed, or lost its database.

They become stopped, with what was written so far, when the store is opened and when the thread is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from assistant.errors import StoreError
from assistant.store.database import Database
from assistant.store.models import ExchangeRow
from assistant.store.room import now
from assistant.store.text import fold
from assistant.store.writers import has_ended

STREAMING_SECONDS = 600.0
"""An answer that was not written to for so long is written to no more."""

_LOG = logging.getLogger(__name__)


def has_stalled(state: str, updated: datetime, writer: str) -> bool:
    """Whether an answer streams though nobody writes it."""
    if state != "streaming":
        return False
    return now() - updated > timedelta(seconds=STREAMING_SECONDS) or has_ended(writer)


def stop_stalled(database: Database) -> None:
    """Stop all of any tenant."""
    columns = (ExchangeRow.id, ExchangeRow.state, ExchangeRow.updated, ExchangeRow.writer)
    with database.read() as session:
        rows = session.execute(select(*columns).where(ExchangeRow.state == "streaming")).all()
    stop(database, [row.id for row in rows if has_stalled(row.state, row.updated, row.writer)])


def stop(database: Database, ids: Iterable[str]) -> None:
    """Stop those that still stall; a database that cannot be written to now is told next time."""
    try:
        for id in ids:
            with database.write() as session:
                row = session.scalar(
                    select(ExchangeRow).where(ExchangeRow.id == id).with_for_update()
                )
                if row is not None and has_stalled(row.state, row.updated, row.writer):
                    row.state = "stopped"
                    row.folded = searchable(row.shown or row.question, row.answer)
    except StoreError as error:
        _LOG.warning("An answer that was cut off could not be marked as stopped: %s", error)


def searchable(question: str, answer: str) -> str:
    """What a search finds an exchange by."""
    return fold(f"{question}\n{answer}")
