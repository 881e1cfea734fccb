"""Where threads are kept: SQLite in the data folder, or Postgres by the database's URL.

What is read back is data: messages, numbers, text. Nothing in a checkpoint can name code that
would be run, and none is ever pickled.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from assistant.agent.turns import FOLDER, FileWall, PostgresWall, Turns
from assistant.closing import Closing
from assistant.errors import StoreError
from assistant.settings import Settings

FILE: Final = "agent.sqlite3"
_WAIT_S: Final = 30.0
_CONNECTIONS: Final = 8
_SET_UP: Final = 0x5167_0005  # key of an advisory lock; any number, the same in every process


class Checkpoints(Closing):
    """A checkpointer of LangGraph and what has to be closed with it.

    Args:
        saver: keeps the threads.
        close: gives its connections back.
        turns: who may go on with a thread; by default whoever comes first in this process.
    """

    def __init__(
        self,
        saver: BaseCheckpointSaver[Any],
        close: Callable[[], None],
        turns: Turns | None = None,
    ) -> None:
        self.saver, self._close, self.turns = saver, close, turns or Turns()

    def close(self) -> None:
        """Give the connections back."""
        self.turns.close()
        self._close()

    def keep_last(self, thread_key: str) -> None:
        """Drop what led to the last state of a thread whose answer is complete."""
        if not isinstance(self.saver, _sqlite_saver()):
            try:
                self.saver.prune([thread_key])
            except NotImplementedError:  # another saver that somebody brought
                return
            return
        newest = (
            "SELECT MAX(checkpoint_id) FROM checkpoints WHERE thread_id = ?1 AND checkpoint_ns = ''"
        )
        with self.saver.cursor() as cursor:
            for table in ("writes", "checkpoints"):
                cursor.execute(
                    f"DELETE FROM {table} WHERE thread_id = ?1 AND checkpoint_id < ({newest})",
                    (thread_key,),
                )


def open_checkpointer(settings: Settings) -> Checkpoints:
    """Open, or make, the place where threads are kept.

    Raises:
        StoreError: it cannot be opened or reached.
    """
    # Only the types that LangGraph lists as safe are built from what is read.
    serde = JsonPlusSerializer(pickle_fallback=False, allowed_msgpack_modules=None)
    if settings.database_url is None:
        return _sqlite(settings, serde)
    return _postgres(settings.database_url, serde)


def thread_key(tenant: str, thread_id: str) -> str:
    """The name of a thread here: no tenant can spell that of another's."""
    return hashlib.sha256(f"{len(tenant)}:{tenant}:{thread_id}".encode()).hexdigest()


def _sqlite(settings: Settings, serde: JsonPlusSerializer) -> Checkpoints:
    path = settings.data_dir.absolute() / FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, check_same_thread=False, timeout=_WAIT_S)
        try:
            # Kept by the saver too; WAL is set here so that two processes starting agree on it.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            saver = _sqlite_saver()(connection, serde=serde)
            saver.setup()
        except BaseException:
            connection.close()
            raise
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"The conversations of the agent in {path} cannot be opened ({error}); make room, or "
            "put a copy of the file back."
        ) from error
    return Checkpoints(saver, connection.close, Turns(FileWall(path.parent / FOLDER)))


def _postgres(url: str, serde: JsonPlusSerializer) -> Checkpoints:
    try:
        import psycopg
        from langgraph.checkpoint.postgres import PostgresSaver
        from psycopg.rows import dict_row
        from psycopg_pool import ConnectionPool
    except ImportError as error:
        raise StoreError(
            "Conversations on a Postgres server need more packages; install them with pip install "
            "'sightdesk[postgres]'."
        ) from error
    try:
        # psycopg takes no names of SQLAlchemy's drivers.
        address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    except (ArgumentError, ValueError) as error:
        raise StoreError(
            "SIGHTDESK_DATABASE_URL cannot be read as a URL; give "
            "postgresql://user:password@host/name, or unset it to use SQLite."
        ) from error
    options: dict[str, Any] = {
        "autocommit": True, "prepare_threshold": 0, "row_factory": dict_row, "connect_timeout": 10,
    }  # fmt: skip

    def connect() -> Any:
        # A replica that is cut off from the server must not keep its conversations for hours.
        alive = {"keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
        return psycopg.connect(address, **(options | alive))

    try:
        with closing(connect()) as first, _set_up_alone(first):
            PostgresSaver(first, serde=serde).setup()
        pool: Any = ConnectionPool(
            address, min_size=1, max_size=_CONNECTIONS, kwargs=options, open=True
        )
    except psycopg.Error as error:
        raise StoreError(
            "The Postgres server cannot be reached for the agent's conversations; start it, or "
            "correct SIGHTDESK_DATABASE_URL."
        ) from error
    return Checkpoints(PostgresSaver(pool, serde=serde), pool.close, Turns(PostgresWall(connect)))


@contextmanager
def _set_up_alone(connection: Any) -> Iterator[None]:
    """While it is entered, no other replica makes the tables.

    The lock is tried again and again, and not waited for: an index that is made beside other work
    waits for every statement that runs, the one that waits for a lock among them.
    """
    until = time.monotonic() + _WAIT_S
    taken = f"SELECT pg_try_advisory_lock({_SET_UP}) AS taken"
    while not connection.execute(taken).fetchone()["taken"]:
        if time.monotonic() > until:
            raise StoreError(
                "Another process has been setting up the agent's conversations for "
                f"{_WAIT_S:.0f} s; see what it does, then start this again."
            )
        time.sleep(0.05)
    try:
        yield
    finally:
        connection.execute(f"SELECT pg_advisory_unlock({_SET_UP})")


def _sqlite_saver() -> Any:
    from langgraph.checkpoint.sqlite import SqliteSaver

    return SqliteSaver
