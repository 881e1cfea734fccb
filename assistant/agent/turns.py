"""One question of a conversation at a time, whoever answers: a thread, a process, another replica.

What keeps others out ends with the process that holds it, however that ends: an advisory lock of
the Postgres that keeps the conversations, or a locked file beside SQLite's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from assistant.errors import BusyError, StoreError

WAIT_S: Final = 120.0
"""How long a question waits for the one before it: longer than most answers take."""

RETRY_S: Final = 5.0
FOLDER: Final = "turns"
"""Of the data folder, with a file for each conversation that is being answered."""

_BEAT_S, _LONGEST_BEAT_S = 0.02, 0.25


class Wall(Protocol):
    """Keeps other processes out."""

    def take(self, key: str) -> bool:
        """Whether nobody else has this conversation, which is then held.

        Raises:
            StoreError: it cannot be found out.
        """

    def give(self, key: str) -> None:
        """Let go of it; never raises."""

    def close(self) -> None:
        """Let go of all."""


@dataclass
class _Place:
    lock: threading.Lock = field(default_factory=threading.Lock)
    users: int = 0


class Turns:
    """Turns at conversations.

    Args:
        wall: against other processes; None: there are none.
        wait_s: how long a turn is waited for.
    """

    def __init__(self, wall: Wall | None = None, *, wait_s: float = WAIT_S) -> None:
        self._wall, self.wait_s = wall, wait_s
        self._places: dict[str, _Place] = {}
        self._guard = threading.Lock()

    @contextmanager
    def alone(self, key: str, cancelled: threading.Event | None = None) -> Iterator[bool]:
        """While it is entered, nobody else has this conversation.

        Yields:
            False where `cancelled` was set before the turn came: it has not come then.

        Raises:
            BusyError: the turn did not come in time.
            StoreError: whether others have it cannot be found out.
        """
        until = time.monotonic() + self.wait_s
        with self._guard:
            place = self._places.setdefault(key, _Place())
            place.users += 1
        try:
            if not _waited(place.lock.acquire, until, cancelled, blocks=True):
                yield False
                return
            try:
                if not self._taken(key, until, cancelled):
                    yield False
                    return
                try:
                    yield True
                finally:
                    if self._wall is not None:
                        self._wall.give(key)
            finally:
                place.lock.release()
        finally:
            with self._guard:
                place.users -= 1
                if not place.users:
                    self._places.pop(key, None)

    def close(self) -> None:
        """Let go of all."""
        if self._wall is not None:
            self._wall.close()

    def _taken(self, key: str, until: float, cancelled: threading.Event | None) -> bool:
        wall = self._wall
        return wall is None or _waited(lambda **_: wall.take(key), until, cancelled)


def _waited(
    take: Callable[..., bool],
    until: float,
    cancelled: threading.Event | None,
    *,
    blocks: bool = False,
) -> bool:
    """Try until it works; False where it was cancelled."""
    beat = _BEAT_S
    while True:
        if take(timeout=beat) if blocks else take():
            return True
        if cancelled is not None and cancelled.is_set():
            return False
        if time.monotonic() > until:
            raise BusyError(
                "This conversation is being answered elsewhere; wait for that answer, then ask "
                "again.",
                RETRY_S,
            )
        if not blocks:
            time.sleep(beat)
        beat = min(1.5 * beat, _LONGEST_BEAT_S)


class FileWall:
    """Locked files, for processes on one machine.

    Args:
        folder: made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: dict[str, Any] = {}
        self._guard = threading.Lock()

    def take(self, key: str) -> bool:
        """See `Wall`."""
        from filelock import FileLock, Timeout

        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            # Whoever closes a generator may be another thread than began it.
            lock = FileLock(self._folder / f"{key}.lock", thread_local=False)
            lock.acquire(timeout=0)
        except Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"The folder {self._folder} cannot be written ({error}); allow it, or name another "
                "data folder with SIGHTDESK_DATA_DIR."
            ) from error
        with self._guard:
            self._held[key] = lock
        return True

    def give(self, key: str) -> None:
        """See `Wall`."""
        with self._guard:
            lock = self._held.pop(key, None)
        if lock is not None:
            # While it is held: who waits for it finds that the file is gone, and makes another.
            with suppress(OSError):
                (self._folder / f"{key}.lock").unlink()
            with suppress(OSError):
                lock.release()

    def close(self) -> None:
        """See `Wall`."""
        for key in list(self._held):
            self.give(key)


class PostgresWall:
    """Advisory locks of one connection, for replicas on one Postgres.

    They are the server's, and gone with the connection: at once where a process is killed. A
    connection that breaks loses them; the answers that run meanwhile are written all the same, and
    their conversations are open to others.

    Args:
        connect: makes a connection of psycopg that commits by itself.
    """

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None
        self._held: dict[str, Any] = {}
        self._guard = threading.Lock()

    def take(self, key: str) -> bool:
        """See `Wall`."""
        import psycopg

        with self._guard:
            for last in (False, True):
                try:
                    if self._connection is None:
                        self._connection = self._connect()
                    # Tried, not waited for: one connection is there for all conversations.
                    query = "SELECT pg_try_advisory_lock(%s) AS taken"
                    row = self._connection.execute(query, (_number(key),)).fetchone()
                    break
                except psycopg.Error as error:
                    # The server was started anew, perhaps.
                    self._drop()
                    if last:
                        raise StoreError(
                            "The Postgres server cannot be reached for the agent's conversations; "
                            "start it, or correct SIGHTDESK_DATABASE_URL."
                        ) from error
            taken = bool(row["taken"] if isinstance(row, dict) else row[0])
            if taken:
                self._held[key] = self._connection
            return taken

    def give(self, key: str) -> None:
        """See `Wall`."""
        import psycopg

        with self._guard:
            connection = self._held.pop(key, None)
            if connection is None or connection is not self._connection:
                return
            try:
                connection.execute("SELECT pg_advisory_unlock(%s)", (_number(key),))
            except psycopg.Error:
                self._drop()

    def close(self) -> None:
        """See `Wall`."""
        with self._guard:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):
                connection.close()


def _number(key: str) -> int:
    """The key of an advisory lock, 64 bits of a conversation's 256."""
    return int.from_bytes(bytes.fromhex(key[:16]), signed=True)
