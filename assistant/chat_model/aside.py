"""Writing aside of an event loop: a thread of its own writes, the loop takes what there is.

Each answer has a thread, since the loop's own few would be taken up by as many clients that wait
for their turn at the model. A task that is cancelled stops the model at its next token.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeVar

T = TypeVar("T")

_END: Final = object()


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class Leash:
    """Holds the streams of an engine that one answer has open, so that they can be stopped."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._streams: list[Any] = []
        self.cut = False

    def hold(self, stream: Any) -> None:
        """Take a stream; it is closed at once where the leash was cut."""
        with self._guard:
            self._streams = [stream]  # an answer has one open at a time
            late = self.cut
        if late:
            stream.close()

    def cut_off(self) -> None:
        """Stop what is being written and what will be; waits until the model is free."""
        with self._guard:
            self.cut = True
            streams, self._streams = self._streams, []
        for stream in streams:
            stream.close()


class Leashed:
    """An engine whose streams are on a leash; all else is the engine's own."""

    def __init__(self, engine: Any, leash: Leash) -> None:
        self._engine, self._leash = engine, leash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stream(self, *args: Any, **options: Any) -> Any:
        """See `Engine.stream`."""
        stream = self._engine.stream(*args, **options)
        self._leash.hold(stream)
        return stream


async def taken(write: Callable[[Leash], Iterator[T]]) -> AsyncIterator[T]:
    """What `write` yields, while the event loop does other things.

    Args:
        write: is called in a thread, with the context of the caller; it opens streams of an engine
            through `Leashed`.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[Any] = asyncio.Queue()
    leash = Leash()
    context = contextvars.copy_context()

    def put(piece: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    def work() -> None:
        try:
            for piece in write(leash):
                if leash.cut:
                    break
                put(piece)
        except BaseException as error:  # handed to the reader, which raises it
            put(_Failure(error))
        finally:
            put(_END)

    threading.Thread(target=context.run, args=(work,), name="sightdesk-aside", daemon=True).start()
    done = False
    try:
        while True:
            piece = await pieces.get()
            if piece is _END:
                done = True
                return
            if isinstance(piece, _Failure):
                done = True
                raise piece.error
            yield piece
    finally:
        if not done:
            # Closing waits for the token that is being computed; the loop does not.
            threading.Thread(target=leash.cut_off, name="sightdesk-cut", daemon=True).start()
