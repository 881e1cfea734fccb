"""Blocking work behind an answer: in a thread of its own, stopped when the client goes away.

The engine, the agent and LangChain block; the server must not. `Following` runs an iterator in a
thread and hands what it yields to the event loop, and watches the connection meanwhile: when the
client has gone, the request's `Watch` closes what runs in the engine, whether the answer streams or
not. `events` puts such items into server-sent events, as OpenAI does.
"""

from __future__ import annotations

import asyncio
import contextvars
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from assistant.api.errors import told
from assistant.api.watch import GoneError, Watch, watching

T = TypeVar("T")

ALIVE_S: Final = 15.0
"""Seconds of silence after which a comment keeps proxies from hanging up."""

FIRST_S: Final = 10.0
"""Seconds that an answer's status waits for its first piece: trouble until then has a status."""

DONE: Final = b"data: [DONE]\n\n"
_ALIVE: Final = b": still here\n\n"
_HEADERS: Final = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


class Following(Generic[T]):
    """Work in a thread, followed from the event loop until it ends or its client goes.

    Args:
        work: gives the iterator; called in the thread.
        watch: what the work does in the engine.
    """

    def __init__(self, request: Request, work: Callable[[], Iterator[T]], watch: Watch) -> None:
        self._work, self._watch = work, watch
        self._loop = asyncio.get_running_loop()
        self._there = asyncio.Event()
        self._lock = threading.Lock()
        self._found: list[T] = []
        self._trouble: BaseException | None = None
        self._over = False
        self._woken = False
        context = contextvars.copy_context()
        thread = threading.Thread(target=context.run, args=(self._run,), name="answer", daemon=True)
        thread.start()
        self._leaving = asyncio.create_task(self._left(request))

    async def some(self, timeout_s: float | None = None) -> list[T] | None:
        """What has come since, as soon as there is any: nothing after the time, None at the end.

        Raises:
            Exception: what the work raised.
            GoneError: the client has gone.
        """
        if not self._there.is_set():
            try:
                async with asyncio.timeout(timeout_s):
                    await self._there.wait()
            except TimeoutError:
                return []
        with self._lock:
            found, self._found = self._found, []
            self._woken = False
            if not self._over:
                self._there.clear()
        if found:
            return found
        if self._trouble is not None:
            raise self._trouble
        return None if self._over else []

    def close(self) -> None:
        """Let go of it: what still runs is stopped."""
        self._leaving.cancel()
        self._watch.gone.set()
        if not self._over:
            # It waits for the engine to be free, which must not hold up the loop.
            threading.Thread(target=self._watch.cancel, name="leave", daemon=True).start()

    def _run(self) -> None:
        try:
            with watching(self._watch):
                items = self._work()
                try:
                    for item in items:
                        self._put(item)
                        if self._watch.gone.is_set():
                            break
                finally:
                    close = getattr(items, "close", None)
                    if close is not None:
                        close()
            self._end(None)
        except BaseException as error:  # handed to whoever follows, which raises it
            self._end(error)

    def _put(self, item: T) -> None:
        with self._lock:
            self._found.append(item)
            known, self._woken = self._woken, True
        if not known:
            self._wake()

    def _end(self, trouble: BaseException | None) -> None:
        with self._lock:
            if self._over:
                return
            self._over, self._trouble = True, trouble
        self._wake()

    def _wake(self) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._there.set)

    async def _left(self, request: Request) -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        self._watch.gone.set()
        threading.Thread(target=self._watch.cancel, name="leave", daemon=True).start()
        self._end(GoneError("The client has gone."))


async def gather(request: Request, work: Callable[[], Iterator[T]], watch: Watch) -> list[T]:
    """All that `work` yields; see `Following.some`."""
    following = Following(request, work, watch)
    found: list[T] = []
    try:
        while (some := await following.some()) is not None:
            found += some
        return found
    finally:
        following.close()


async def in_thread(request: Request, work: Callable[[], T], watch: Watch | None = None) -> T:
    """What `work` returns, run as `Following` runs its work."""
    (found,) = await gather(request, lambda: iter([work()]), watch or Watch())
    return found


async def events(
    request: Request,
    work: Callable[[], Iterator[Any]],
    watch: Watch,
    *,
    first: Callable[[], list[Any]] = list,
    end: Callable[[], None] | None = None,
) -> StreamingResponse:
    """What `work` yields as server-sent events of JSON, with ``[DONE]`` behind them.

    Trouble before the first item is raised, so that it has a status of HTTP; later trouble is an
    event with OpenAI's error in it, and no ``[DONE]``.

    Args:
        first: what is told before the first item.
        end: is called when the answer is over, however it ended.
    """
    following = Following(request, work, watch)

    def close() -> None:
        following.close()
        if end is not None:
            end()

    try:
        some = await following.some(FIRST_S)
    except BaseException:
        close()
        raise

    async def told_events() -> AsyncIterator[bytes]:
        nonlocal some
        yield b"".join(map(event, first()))
        try:
            while some is not None:
                yield b"".join(map(event, some)) or _ALIVE
                some = await following.some(ALIVE_S)
            yield DONE
        except GoneError:
            return
        except Exception as error:
            yield event(told(error).body())

    return _Events(told_events(), close)


class _Events(StreamingResponse):
    """Events that are closed however their sending ends, also where it never began."""

    def __init__(self, content: AsyncIterator[bytes], close: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=_HEADERS)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._close()


def event(value: Any) -> bytes:
    """One event; JSON has no raw line ends, so one line holds it."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode("utf-8", "replace")
