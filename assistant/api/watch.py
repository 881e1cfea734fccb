"""What one request does in the engine, so that it can be stopped when its client goes away.

    with watching(watch):
        …                                   # whatever asks the engine meanwhile is noted
    watch.cancel()                          # from any thread: streams end, nothing new begins

An agent asks the engine from threads of its own; they inherit the context in which they were
started, and with it the watch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from assistant.errors import SightdeskError

_current: ContextVar[Watch | None] = ContextVar("watch", default=None)


class GoneError(SightdeskError):
    """Nobody waits for the answer any more."""


@dataclass
class Watch:
    """The work of one request.

    Attributes:
        gone: set when nobody waits for it any more.
        begun: set when the engine has taken something on.
    """

    gone: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    _streams: list[Any] = field(default_factory=list)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def opened(self, make: Callable[[], Any]) -> Any:
        """A stream of the engine that is closed when the client goes.

        Raises:
            GoneError: it has gone already.
        """
        self.check()
        stream = make()
        with self._guard:
            self._streams.append(stream)
        self.begun.set()
        if self.gone.is_set():  # in this moment
            stream.close()
        return stream

    def check(self) -> None:
        """Raise `GoneError` where nobody waits any more."""
        if self.gone.is_set():
            raise GoneError("The client has gone.")

    def cancel(self) -> None:
        """Stop all of it; waits until the engine is free."""
        self.gone.set()
        with self._guard:
            streams = list(self._streams)
        for stream in streams:
            stream.close()

    def usage(self) -> dict[str, int]:
        """Tokens of all streams: read, of these from a cache, and written."""
        with self._guard:
            answers = [stream.answer for stream in self._streams]
        found = [answer for answer in answers if answer is not None]
        reused = sum(answer.reused for answer in found)
        return {
            "prompt": reused + sum(answer.computed for answer in found),
            "cached": reused,
            "completion": sum(answer.tokens for answer in found),
        }


@contextmanager
def watching(watch: Watch) -> Iterator[Watch]:
    """While it is entered, what asks the engine in this context belongs to `watch`."""
    token = _current.set(watch)
    try:
        yield watch
    finally:
        _current.reset(token)


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """While it is entered, what asks the engine in this context is stopped by what it gives."""
    with watching(Watch()) as watch:
        yield watch.cancel


class WatchedEngine:
    """An engine whose work belongs to the request that asks for it.

    Args:
        engine: an engine, or what has its methods.
        on_images: is told how many pictures are to be encoded.
    """

    def __init__(self, engine: Any, on_images: Callable[[int], None] | None = None) -> None:
        self._engine = engine
        self._on_images = on_images

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stream(self, *args: Any, **options: Any) -> Any:
        """As `Engine.stream`."""
        watch = _current.get()
        if watch is None:
            return self._engine.stream(*args, **options)
        return watch.opened(lambda: self._engine.stream(*args, **options))

    def generate(self, *args: Any, **options: Any) -> Any:
        """As `Engine.generate`."""
        _check()
        return self._engine.generate(*args, **options)

    def chances(self, *args: Any, **options: Any) -> Any:
        """As `Engine.chances`."""
        _check()
        return self._engine.chances(*args, **options)

    def encode_images(self, images: Any, *args: Any, **options: Any) -> Any:
        """As `Engine.encode_images`."""
        _check()
        if self._on_images is not None:
            self._on_images(len(images))
        return self._engine.encode_images(images, *args, **options)

    def encode_image(self, image: Any, *args: Any, **options: Any) -> Any:
        """As `Engine.encode_image`."""
        return self.encode_images([image], *args, **options)[0]


def _check() -> None:
    watch = _current.get()
    if watch is not None:
        watch.check()
