"""Asking an OpenAI-compatible server: requests, streams, time limits, retries.

All traffic is in one thread with an event loop of its own, so that a question can be given up at
once, whatever it waits for: the connection is closed then, which is how such servers hear of it.
What failed before its first word is asked again, a few times, where that may help.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from concurrent.futures import Future, wait
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from assistant.closing import Closing
from assistant.errors import BusyError, SightdeskError
from assistant.remote.address import Address
from assistant.remote.completion import Completion
from assistant.remote.dialect import Dialect
from assistant.remote.troubles import LONGEST_WAIT, Passing, Troubles
from assistant.remote.wire import body_of, events

if TYPE_CHECKING:
    from assistant.batching.load import Load

CONNECT_S: Final = 5.0
IDLE_S: Final = 60.0
"""Between two signs of life of an answer that has begun."""

ANSWER_S: Final = 900.0
"""For an answer from its first word to its last."""

TRIES: Final = 4
FIRST_WAIT, MOST_WAIT = 0.5, 8.0
"""Seconds before the second try, and before a late one."""

MOST_WAITING: Final = 64
MOST_LEARNED: Final = 8
"""Fields that one question may find to be none of the server's."""

LONGEST_BODY: Final = 2**24

_BEAT_S: Final = 0.04  # between two looks at whether an answer is still wanted
_T = TypeVar("_T")


class Client(Closing):
    """One server, asked from any thread.

    Args:
        address: of the server and the model.
        key: sent as a bearer token; empty: none.
        first_s: seconds to the first word of an answer.
        parallel: requests at a time.
        idle_s, answer_s, tries, first_wait: see the constants.
    """

    def __init__(
        self,
        address: Address,
        key: str = "",
        *,
        first_s: float = 120.0,
        parallel: int = 16,
        idle_s: float = IDLE_S,
        answer_s: float = ANSWER_S,
        tries: int = TRIES,
        first_wait: float | None = None,
    ) -> None:
        self.address, self.troubles, self.dialect = address, Troubles(address, key), Dialect()
        self._headers = {
            "User-Agent": "sightdesk",
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",  # little text, and no bombs
        }
        if key:
            self._headers["Authorization"] = f"Bearer {key}"
        self._first_s, self._idle_s, self._answer_s = first_s, idle_s, answer_s
        self._parallel, self._tries = parallel, tries
        self._first_wait = FIRST_WAIT if first_wait is None else first_wait
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._waiting = self._running = 0
        self._counts: Counter[str] = Counter()

    # --- from any thread

    def models(self) -> list[dict[str, Any]] | None:
        """What ``/models`` lists; None where the server has no such list.

        Raises:
            RemoteError: it is down, asks for a key, or is none.
        """
        return self._awaited(self._submit(self._listed()))

    def complete(self, body: dict[str, Any]) -> Completion:
        """An answer as a whole.

        Raises:
            InputError: the server refuses what it is asked.
            BusyError: it, or the queue in front of it, is full.
            RemoteError: it is down, or sends what cannot be read.
        """
        return self._awaited(self._submit(self._completed(body)))

    def complete_all(self, bodies: Sequence[dict[str, Any]]) -> list[Completion | SightdeskError]:
        """Answers to several, asked at once; what failed stands in its place."""
        futures = [self._submit(self._completed(body, queued=False)) for body in bodies]
        found: list[Completion | SightdeskError] = []
        for future in futures:
            try:
                found.append(self._awaited(future))
            except SightdeskError as error:
                found.append(error)
            except BaseException:
                for other in futures:
                    other.cancel()
                raise
        return found

    def stream(
        self, body: dict[str, Any], put: Callable[[str], bool], cancelled: threading.Event
    ) -> Completion:
        """An answer whose text goes to `put` as it comes, which says whether more is wanted.

        Returns:
            The whole; its ``finish`` is ``cancelled`` where the event was set meanwhile.

        Raises:
            SightdeskError: as `complete`.
        """
        told = Completion()
        future = self._submit(self._streamed(body, told, put))
        while not future.done():
            wait((future,), _BEAT_S)
            if cancelled.is_set() and not future.done():
                future.cancel()
                told.finish = "cancelled"
                return told
        return self._awaited(future)

    @property
    def busy(self) -> bool:
        """Whether anything is asked now."""
        return self._waiting + self._running > 0

    def figures(self) -> Load:
        """What waits and runs, and what has been."""
        from assistant.batching.load import Load

        counts: dict[str, Any] = dict(self._counts)
        return Load(
            waiting=self._waiting,
            running=self._running,
            batch_size=self._parallel,
            queue_size=MOST_WAITING,
            **counts,
        )

    def close(self) -> None:
        """Give up what runs, and close the connections."""
        with self._guard:
            loop, self._loop = self._loop, None
        if loop is None or self._pid != os.getpid() or not loop.is_running():
            return
        asyncio.run_coroutine_threadsafe(_cancel_all(), loop).result(CONNECT_S)
        loop.call_soon_threadsafe(loop.stop)

    # --- the thread

    def _submit(self, work: Coroutine[Any, Any, _T]) -> Future[_T]:
        with self._guard:
            # In a forked process the parent's thread is not there.
            if self._loop is None or self._pid != os.getpid():
                self._begin()
            assert self._loop is not None
            return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _begin(self) -> None:
        loop = asyncio.new_event_loop()
        self._loop, self._pid, self._waiting, self._running = loop, os.getpid(), 0, 0
        self._slots = asyncio.Semaphore(self._parallel)
        self._http = httpx.AsyncClient(
            base_url=f"{self.address.url}/",
            headers=self._headers,
            # A picture must not go to whom the server names.
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=self._parallel),
        )
        threading.Thread(target=_run, args=(loop, self._http), name="remote", daemon=True).start()

    @staticmethod
    def _awaited(future: Future[_T]) -> _T:
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    # --- in the thread

    async def _listed(self) -> list[dict[str, Any]] | None:
        async def once() -> list[dict[str, Any]] | None:
            async with self._answered("GET", "models", None) as response:
                if response.status_code in (404, 405, 501):
                    return None
                await self._check(response, None)
                found = await self._json(response)
            data = found.get("data") if isinstance(found, dict) else None
            if not isinstance(data, list):
                raise self.troubles.garbage()
            return [each for each in data if isinstance(each, dict)]

        return await self._tried(lambda: self._timely(once(), min(self._first_s, IDLE_S)))

    async def _completed(self, body: dict[str, Any], *, queued: bool = True) -> Completion:
        async def once() -> Completion:
            sent = self.dialect.put(body)
            async with self._answered("POST", "chat/completions", sent) as response:
                await self._check(response, sent)
                told = Completion()
                if not told.take_whole(await self._json(response)):
                    raise self.troubles.garbage()
                return told

        async with self._slot(queued=queued):
            return self._counted(
                await self._tried(lambda: self._timely(once(), self._first_s + self._idle_s))
            )

    async def _streamed(
        self, body: dict[str, Any], told: Completion, put: Callable[[str], bool]
    ) -> Completion:
        async def once() -> Completion:
            told.clear()
            sent = self.dialect.put({
                **body, "stream": True, "stream_options": {"include_usage": True},
            })  # fmt: skip
            try:
                # The limit is moved on while it comes.
                async with asyncio.timeout(self._first_s) as limit:
                    async with self._answered("POST", "chat/completions", sent) as response:
                        await self._check(response, sent)
                        await self._read(response, told, put, limit)
            except TimeoutError:
                if told.begun or told.lives:
                    raise self.troubles.stuck() from None
                raise self.troubles.silent(self._first_s) from None
            except Passing as passing:
                if told.begun:
                    raise self.troubles.broken_off() from passing
                raise
            return told

        async with self._slot():
            return self._counted(await self._tried(once))

    async def _read(
        self,
        response: httpx.Response,
        told: Completion,
        put: Callable[[str], bool],
        limit: asyncio.Timeout,
    ) -> None:
        if response.headers.get("content-type", "").startswith("application/json"):
            # It does not stream, and answers all the same.
            if not told.take_whole(await self._json(response)):
                raise self.troubles.garbage()
            put(told.text)
            return
        clock = asyncio.get_running_loop().time
        end = None
        async for data in events(response, self.troubles):
            if data == "[DONE]":
                told.ended = True
                break
            piece = told.take(data)
            if told.failure is not None:
                # In the stream's own words, after a status of 200.
                trouble = self.troubles.of_status(
                    self.troubles.said(told.failure), response.headers
                )
                raise trouble
            if piece is None:
                raise self.troubles.garbage()
            if told.lives:
                end = end or clock() + self._answer_s
                limit.reschedule(min(clock() + self._idle_s, end))
            if (piece and not put(piece)) or told.ended:
                return
        if not told.events:
            raise self.troubles.garbage()
        if not told.ended and not told.finish:
            raise Passing(self.troubles.broken_off())

    @asynccontextmanager
    async def _answered(
        self, method: str, path: str, body: dict[str, Any] | None
    ) -> AsyncIterator[httpx.Response]:
        """The head of a response; what goes wrong until the end of the block is explained."""
        try:
            async with self._http.stream(method, path, json=body) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise self.troubles.of_failure(error) from error

    async def _check(self, response: httpx.Response, sent: dict[str, Any] | None) -> None:
        if response.is_success:
            return
        refusal = self.troubles.refusal(response.status_code, await body_of(response, 2**16))
        trouble = self.troubles.of_status(refusal, response.headers)
        if sent is not None and self.dialect.learn(refusal, sent):
            known = trouble.error if isinstance(trouble, Passing) else trouble
            raise Passing(known, learned=True)
        raise trouble

    async def _json(self, response: httpx.Response) -> Any:
        data = await body_of(response, LONGEST_BODY)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise self.troubles.garbage() from error

    async def _timely(self, work: Awaitable[_T], seconds: float) -> _T:
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            raise self.troubles.silent(seconds) from None

    async def _tried(self, once: Callable[[], Awaitable[_T]]) -> _T:
        failures = learned = 0
        while True:
            try:
                return await once()
            except Passing as passing:
                if passing.learned and learned < MOST_LEARNED:
                    learned += 1
                    continue
                failures += 1
                pause = passing.wait
                if failures >= self._tries or (pause or 0.0) > LONGEST_WAIT:
                    raise passing.error from passing
                if pause is None:
                    whole = min(MOST_WAIT, self._first_wait * 2.0 ** (failures - 1))
                    pause = whole * random.uniform(0.5, 1.0)
                await asyncio.sleep(pause)

    def _counted(self, told: Completion) -> Completion:
        self._counts["tokens_total"] += told.written
        self._counts["prompt_tokens_total"] += told.prompt - told.cached
        self._counts["reused_tokens_total"] += told.cached
        return told

    @asynccontextmanager
    async def _slot(self, *, queued: bool = True) -> AsyncIterator[None]:
        if queued and self._waiting >= MOST_WAITING:
            self._counts["refused_total"] += 1
            raise BusyError("Too many questions wait for the model; ask again in a moment.", 2.0)
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        self._running += 1
        try:
            yield
            self._counts["answers_total"] += 1
        except asyncio.CancelledError:
            self._counts["cancelled_total"] += 1
            raise
        except Exception:
            self._counts["failed_total"] += 1
            raise
        finally:
            self._running -= 1
            self._slots.release()


async def _cancel_all() -> None:
    mine = asyncio.current_task()
    for task in [task for task in asyncio.all_tasks() if task is not mine]:
        task.cancel()
    await asyncio.sleep(0)


def _run(loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(http.aclose())
    finally:
        loop.close()
