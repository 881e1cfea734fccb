"""Whose desk a client works at, and values that are still being made while it already asks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar
from uuid import uuid4

import anyio

if TYPE_CHECKING:
    from assistant.agent import Agent
    from assistant.settings import Settings
    from assistant.store import Store
    from assistant.tools import Desk

T = TypeVar("T")
THREADS: Final = 8
"""Calls of one client that may wait in a thread at a time."""
Report = Callable[[str, float | None], None]
"""Takes a message and the fraction that is done, 0 to 1, or None where that is not known."""


class Desks(Protocol):
    """Opens desks, and loads the model meanwhile; `assistant.api.service.Service` is one."""

    settings: Settings
    store: Store
    trouble: str | None
    """Why the model could not be loaded."""

    @property
    def ready(self) -> bool:
        """Whether the model is there."""

    def desk(self, tenant: str) -> Desk:
        """The desk of a tenant."""

    def agent(self, tenant: str) -> Agent:
        """The agent at it."""

    def seat(self) -> AbstractContextManager[None]:
        """Room for one answer of an agent.

        Raises:
            BusyError: there is none at the moment.
        """


@dataclass(frozen=True)
class Visit:
    """One client, from its first message to its last.

    Attributes:
        tenant: whose pictures, knowledge and conversations it sees.
        name: of the client, for fairness in the queue; unlike that of any other key.
        local: whether it runs on this machine as this user, and so may name files.
        folders: from which it may, beside those that it opens itself (its roots).
        text_only: whether it is told in words alone, without pictures and links beside them.
        thread: the conversation of tickets that belong to no other.
        threads: that its calls may hold at a time, waiting for the disk, the model or the agent.
    """

    tenant: str = ""
    name: str = ""
    local: bool = False
    folders: tuple[Path, ...] = ()
    text_only: bool = False
    thread: str = field(default_factory=lambda: f"mcp-{uuid4().hex}")
    threads: anyio.CapacityLimiter = field(
        default_factory=lambda: anyio.CapacityLimiter(THREADS), compare=False, repr=False
    )


class Later(Generic[T]):
    """A value that a thread of its own makes; where that failed, it is tried again when asked for.

    Args:
        make: makes it, and may report how far it is.
    """

    def __init__(self, make: Callable[[Report], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._future: Future[T] | None = None
        self.message, self.fraction = "", None

    message: str
    """What is being done."""
    fraction: float | None
    """How much of it, 0 to 1."""

    @classmethod
    def of(cls, value: T) -> Later[T]:
        """One that is there already."""
        later = cls(lambda _: value)
        later._future = Future()
        later._future.set_result(value)
        return later

    @property
    def ready(self) -> bool:
        """Whether it is there."""
        future = self._future
        return future is not None and future.done() and future.exception() is None

    @property
    def busy(self) -> bool:
        """Whether it is being made now."""
        future = self._future
        return future is not None and not future.done()

    def begin(self) -> Future[T]:
        """Let it be made, unless it is there or on the way."""
        with self._lock:
            known = self._future
            if known is not None and not (known.done() and known.exception() is not None):
                return known
            future: Future[T] = Future()
            future.set_running_or_notify_cancel()  # from here on no waiter can cancel it
            self._future = future
        threading.Thread(target=self._run, args=(future,), name="opening", daemon=True).start()
        return future

    def get(self) -> T:
        """The value, once it is there.

        Raises:
            Exception: what making it raised.
        """
        return self.begin().result()

    async def wait(self) -> T:
        """The same without holding up the event loop."""
        return await asyncio.shield(asyncio.wrap_future(self.begin()))

    def _run(self, future: Future[T]) -> None:
        def report(message: str, fraction: float | None) -> None:
            self.message, self.fraction = message, fraction

        try:
            future.set_result(self._make(report))
        except BaseException as error:
            future.set_exception(error)


def unwatched() -> AbstractContextManager[Callable[[], None]]:
    """Watches nothing."""
    return nullcontext(lambda: None)


@dataclass(frozen=True)
class Office:
    """What all calls share.

    Attributes:
        desks: opens the desks.
        watched: while it is entered, what this thread and those that it starts ask of the engine is
            noted; what it gives stops all of that.
    """

    desks: Later[Desks]
    watched: Callable[[], AbstractContextManager[Callable[[], None]]] = unwatched
