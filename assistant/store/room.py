"""What every part of the store stands on: the database, the files, the settings."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from assistant.errors import MissingError, StoreError
from assistant.settings import Settings
from assistant.store.database import Database
from assistant.store.files import PictureFiles

_ROW_ID = re.compile(r"[0-9a-f]{32}")


class Room:
    """Base of the parts that `Store` is put together from."""

    def __init__(self, database: Database, files: PictureFiles, settings: Settings) -> None:
        self.database = database
        self.files = files
        self.settings = settings


def now() -> datetime:
    """The time in UTC."""
    return datetime.now(UTC)


def row_id(text: str, what: str = "conversation") -> str:
    """`text` where it can be the id of a thread or an exchange.

    Raises:
        StoreError: it cannot, so there is no such row.
    """
    if not _ROW_ID.fullmatch(text):
        raise gone(what)
    return text


def gone(what: str = "conversation") -> StoreError:
    """The error about a row that is not there, or is another tenant's, which looks the same."""
    return MissingError(f"This {what} is not there any more; choose another, or start a new one.")
