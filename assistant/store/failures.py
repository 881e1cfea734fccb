"""Failures of the database and of the disk as one sentence for a person."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from assistant.errors import StoreError

_FULL = "{place} has no space left; free some on its disk, then try again."
_READ_ONLY = "{place} cannot be written; allow it, or name another folder with SIGHTDESK_DATA_DIR."
_BUSY = "{place} is in use by another program; close that one or wait, then try again."
_BROKEN = (
    "{place} is damaged or no Sightdesk database; put a copy of it back, or move it away to start "
    "with an empty one."
)
_DISK = "{place} cannot be read or written ({reason}); check its disk, then try again."
_UNREACHABLE = "{place} cannot be reached ({reason}); start it, or correct SIGHTDESK_DATABASE_URL."
_OTHER = "{place} did not take this ({reason}); nothing was changed: try again."

_SQLITE = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_CORRUPT: _BROKEN,
    sqlite3.SQLITE_NOTADB: _BROKEN,
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_IOERR: _DISK,
}
_ERRNO = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: _FULL,
    errno.EACCES: _READ_ONLY,
    errno.EPERM: _READ_ONLY,
    errno.EROFS: _READ_ONLY,
    errno.EEXIST: "{place} is a file and must be a folder; name a folder with SIGHTDESK_DATA_DIR.",
}
_ERRNO[errno.ENOTDIR] = _ERRNO[errno.EEXIST]

# https://www.postgresql.org/docs/16/errcodes-appendix.html: two characters are a class.
_POSTGRES = {"53100": _FULL, "55P03": _BUSY, "57014": _BUSY, "40": _BUSY, "53": _BUSY}
_POSTGRES |= {"25006": "{place} is read-only; give Sightdesk a server that it may write to."}


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn what the database or the disk raises inside into a `StoreError` about `place`."""
    try:
        yield
    # SQLite's own come from where a connection is set up, which SQLAlchemy does not wrap.
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise StoreError(_sentence(error, place)) from error


def _sentence(error: Exception, place: str) -> str:
    template = _OTHER
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig
    if isinstance(error, OSError):
        template = _ERRNO.get(error.errno or 0, _DISK)
    elif isinstance(error, PoolTimeout):
        template = _BUSY
    elif isinstance(cause, sqlite3.Error):
        # The low byte is the kind, the rest a detail: https://www.sqlite.org/rescode.html
        template = _SQLITE.get(getattr(cause, "sqlite_errorcode", 0) & 0xFF, _OTHER)
    elif cause is not error:
        template = _postgres(cause)
    return template.format(place=place, reason=_reason(cause))


def _postgres(cause: BaseException) -> str:
    state = getattr(cause, "sqlstate", None)
    if state is None or (state[:2] in ("08", "28", "3D", "57") and state not in _POSTGRES):
        # A connection that breaks or never was has no state; ours raise OperationalError for it.
        return _UNREACHABLE if type(cause).__name__ == "OperationalError" or state else _OTHER
    return _POSTGRES.get(state) or _POSTGRES.get(state[:2]) or _OTHER


def _reason(cause: BaseException) -> str:
    """The first line of what went wrong, without the full stop of a sentence inside another."""
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return " ".join(text.split("\n")[0].split())[:200].rstrip(".;")
