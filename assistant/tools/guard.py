"""How a tool's work is run: aside, for a limited time, with trouble told in a sentence.

A tool is a function of a `Call`, which carries what it says while it works and tells it to stop.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assistant.errors import SightdeskError
from assistant.tools.clean import KEPT_CHARS, as_line

if TYPE_CHECKING:
    from assistant.sources import Source

Result = tuple[str, dict[str, Any]]
"""What a tool gives: text for the model, and the artifact beside it."""

MOST_AT_ONCE: Final = 64
"""Tools at work at the same time in this process; those given up count until they are done."""

follower: contextvars.ContextVar[Callable[[Any], None] | None] = contextvars.ContextVar(
    "follower", default=None
)
"""Who is told what a tool says while it works, where it runs outside of a graph."""

_LOG = logging.getLogger(__name__)
_seats = threading.BoundedSemaphore(MOST_AT_ONCE)


@dataclass
class Call:
    """One use of a tool.

    Attributes:
        tool: its name.
        cancelled: set when nobody waits for it any more.
    """

    tool: str
    cancelled: threading.Event = field(default_factory=threading.Event)
    write: Callable[[Any], None] | None = None

    def say(self, words: str) -> None:
        """Pass words on to whoever follows the graph, as ``{"tool": name, "words": words}``."""
        if self.write is not None and not self.cancelled.is_set():
            self.write({"tool": self.tool, "words": words})


def result(text: str, *sources: Source, **more: Any) -> Result:
    """Text and its artifact, ``{"sources": […], …}``, both ready to be stored as JSON."""
    kept = [source.to_dict() for source in sources]
    for source in kept:
        source["text"] = source["text"][:KEPT_CHARS]
    return text, {"sources": kept, **more}


def trouble(text: str, kind: str) -> Result:
    """A sentence for the model; its artifact says of which kind the trouble was."""
    return result(text, trouble=kind)


class Job:
    """A tool's work in a thread of its own, which may be given up but not be killed.

    Its result, where there was trouble, is a sentence with ``trouble`` in the artifact: ``input``
    (a person can mend it), ``timeout``, ``busy`` or ``failed`` (the log has the trace).
    """

    def __init__(self, tool: str, work: Callable[[Call], Result], timeout_s: float) -> None:
        self.call = Call(tool, write=_writer())
        self._work, self._timeout_s = work, timeout_s
        self._result: Result | None = None
        self._error: BaseException | None = None

    def run(self) -> Result:
        """Do it and wait for it."""
        done = threading.Event()
        try:
            if not self._start(done.set):
                return self._busy()
            done.wait(self._timeout_s)
        finally:
            # Also where the caller is stopped: what is still at work ends at its next step.
            self.call.cancelled.set()
        return self._outcome()

    async def arun(self) -> Result:
        """The same without holding up the event loop."""
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def tell() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(done.set)

        try:
            if not self._start(tell):
                return self._busy()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), self._timeout_s)
        finally:
            self.call.cancelled.set()
        return self._outcome()

    def _start(self, tell: Callable[[], None]) -> bool:
        if not _seats.acquire(blocking=False):
            return False
        context = contextvars.copy_context()
        seat = threading.Lock()

        def leave() -> None:
            # Once: a start that is interrupted may have started it all the same.
            if seat.acquire(blocking=False):
                _seats.release()

        def work() -> None:
            try:
                self._result = context.run(self._work, self.call)
            except BaseException as error:
                self._error = error
            finally:
                leave()
                tell()

        try:
            threading.Thread(target=work, name=f"tool {self.call.tool}", daemon=True).start()
        except BaseException:
            leave()
            raise
        return True

    def _outcome(self) -> Result:
        from langgraph.errors import GraphBubbleUp

        tool, error = self.call.tool, self._error
        if self._result is not None:
            return self._result
        if error is None:
            return trouble(
                f"{tool} took longer than {self._timeout_s:g} seconds; go on without it.",
                "timeout",
            )
        if isinstance(error, SightdeskError):
            return trouble(as_line(str(error), 300), "input")
        if isinstance(error, GraphBubbleUp) or not isinstance(error, Exception):
            raise error  # the graph's own way to pause, or an interpreter that is to end
        _LOG.error("%s failed", tool, exc_info=error)
        return trouble(f"{tool} failed; go on without it.", "failed")

    def _busy(self) -> Result:
        return trouble(f"{self.call.tool} is busy; try again in a moment.", "busy")


def _writer() -> Callable[[Any], None] | None:
    """The stream writer of the graph that runs this; outside of one the `follower`, if any."""
    from langgraph.config import get_stream_writer

    try:
        return get_stream_writer()
    except (RuntimeError, KeyError, AttributeError):
        return follower.get()
