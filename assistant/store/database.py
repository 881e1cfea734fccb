"""The connection to SQLite or Postgres: transactions, locks, and nothing of what is stored.

SQLite is kept in WAL mode, so that reading never waits for an answer that streams; a transaction
that writes takes the one write lock when it begins, since a lock taken later cannot be waited for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select, text
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session

from assistant.errors import StoreError
from assistant.settings import Settings
from assistant.store import migrations
from assistant.store.failures import explained
from assistant.store.models import IdentityRow

FILE = "sightdesk.db"
"""Name of the SQLite database in the data folder."""

WAIT_SECONDS = 5.0
"""How long a lock or a server is waited for."""

# Keys of Postgres' advisory locks; any numbers, the same in every process.
_MIGRATE, _PICTURES = 0x5167_0001, 0x5167_0002


class Database:
    """One database, migrated to the newest version; safe to use from several threads.

    Args:
        settings: `database_url`, else SQLite in `data_dir`.

    Raises:
        StoreError: it cannot be opened, or belongs to a newer program.
    """

    def __init__(self, settings: Settings) -> None:
        url, self.place = _where(settings)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        with explained(f"The data folder {settings.data_dir}"):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
        self.engine = _connect(url, self.place)
        self._writing = self.engine.execution_options(sightdesk_writes=True)
        try:
            self.identity = self._open()
        except BaseException:
            self.engine.dispose()
            raise

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A transaction that only reads."""
        with explained(self.place), Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self, *, pictures: bool = False) -> Iterator[Session]:
        """A transaction that is committed at the end, or rolled back where anything is raised.

        Args:
            pictures: it adds or removes pictures or their files; of those one runs at a time, so
                that no file goes while a row for it comes.
        """
        with explained(self.place), Session(self._writing) as session, session.begin():
            if not self.is_sqlite:
                session.execute(text(f"SET LOCAL lock_timeout = {int(WAIT_SECONDS * 1000)}"))
                if pictures:
                    session.execute(text(f"SELECT pg_advisory_xact_lock({_PICTURES})"))
            yield session

    def _open(self) -> str:
        """Migrate where needed; returns the database's identity."""
        with explained(self.place):
            if self.is_sqlite:
                self._use_wal()
            with self.engine.connect() as connection:
                if migrations.current(connection) == migrations.HEAD:
                    return _identity(connection)
            with self._writing.begin() as connection:
                if not self.is_sqlite:
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATE})"))
                migrations.upgrade(connection, self.place)
                return _identity(connection)

    def _use_wal(self) -> None:
        """The mode is a property of the file, and cannot be changed inside a transaction."""
        raw = self.engine.raw_connection()
        try:
            cursor = raw.cursor()
            if cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                cursor.execute("PRAGMA journal_mode = WAL")
        finally:
            raw.close()


def _identity(connection: Connection) -> str:
    found = connection.execute(select(IdentityRow.id)).scalar()
    if found is None:
        raise StoreError("The database has no identity; put a copy of it back.")
    return found


def _where(settings: Settings) -> tuple[URL, str]:
    """The URL, and what messages call the database, without a password."""
    if settings.database_url is None:
        path = settings.data_dir.absolute() / FILE
        return URL.create("sqlite", database=str(path)), f"The database {path}"
    try:
        url = make_url(settings.database_url)
    # The latter for a port that is no number.
    except (ArgumentError, ValueError) as error:
        raise StoreError(_expected("cannot be read as a URL")) from error
    if url.drivername not in ("postgresql", "postgres", "postgresql+psycopg"):
        raise StoreError(_expected(f"names {url.drivername}"))
    url = url.set(drivername="postgresql+psycopg")
    where = url.host or url.query.get("host") or "localhost"
    return url, f"The Postgres database {url.database or ''} on {where}"


def _expected(what: str) -> str:
    return (
        f"SIGHTDESK_DATABASE_URL {what}; give postgresql://user:password@host/name, or unset it to "
        f"use SQLite."
    )


def _connect(url: URL, place: str) -> Engine:
    try:
        if url.get_backend_name() == "sqlite":
            engine = create_engine(url, connect_args={"timeout": WAIT_SECONDS})
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", _begin_sqlite)
            return engine
        return create_engine(
            url,
            pool_pre_ping=True,
            connect_args={"connect_timeout": int(WAIT_SECONDS)},
        )
    except ModuleNotFoundError as error:
        raise StoreError(
            f"{place} needs the package psycopg; install it with pip install 'sightdesk[postgres]'."
        ) from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver begins no transaction by itself then: `_begin_sqlite` does, also before a SELECT.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    # In WAL mode a power cut may lose the last commits and never damages the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    # What is deleted is overwritten; not every build of SQLite does so by itself.
    connection.execute("PRAGMA secure_delete = ON")


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("sightdesk_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
