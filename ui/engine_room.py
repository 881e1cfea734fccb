"""The one engine of the server: loaded once in the background, used by one session at a time.

It knows nothing of Streamlit. Loading has a thread of its own, so that a visitor who reloads the
page meanwhile neither ends it nor starts it anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assistant.engine import Engine

POLL_SECONDS = 0.2


@dataclass
class EngineRoom:
    """Holds the engine, how far its loading is, and the lock that every use takes."""

    message: str = "Starting"
    fraction: float | None = None
    """Share of the loading that is done, 0 to 1; None where it is not known."""

    _loading: Future[Engine] | None = None
    _starting: Lock = field(default_factory=Lock)
    _in_use: Lock = field(default_factory=Lock)

    def get(self, report: Callable[[str, float | None], None]) -> Engine:
        """The engine, loaded by the first who asks; a failed loading may be tried again.

        Args:
            report: called every `POLL_SECONDS` with what is being done and `fraction`; may raise
                to give up waiting, which does not end the loading.

        Raises:
            Exception: what the loading raised, a SightdeskError where a person can mend it.
        """
        with self._starting:
            if self._loading is None or (self._loading.done() and self._loading.exception()):
                self._loading = Future()
                self.message, self.fraction = "Starting", None
                # A daemon, so that Ctrl+C ends the server while it loads.
                Thread(target=self._load, args=(self._loading,), daemon=True).start()
            loading = self._loading
        while not loading.done():
            report(self.message, self.fraction)
            wait((loading,), POLL_SECONDS)
        return loading.result()

    @property
    def ready(self) -> bool:
        """Whether `get` returns at once."""
        loading = self._loading
        return loading is not None and loading.done() and loading.exception() is None

    @contextmanager
    def turn(self, waiting: Callable[[], object]) -> Iterator[None]:
        """Hold the engine; `waiting` is called every `POLL_SECONDS` while another has it."""
        while not self._in_use.acquire(timeout=POLL_SECONDS):
            waiting()
        try:
            yield
        finally:
            self._in_use.release()

    def _load(self, loading: Future[Engine]) -> None:
        try:
            # Seconds of imports, which a page that only waits should not pay for.
            from assistant.engine import Engine

            loading.set_result(Engine.load(progress=self._note))
        except BaseException as error:  # handed to the threads that wait, which raise it
            loading.set_exception(error)

    def _note(self, message: str, fraction: float | None) -> None:
        self.message, self.fraction = message, fraction
