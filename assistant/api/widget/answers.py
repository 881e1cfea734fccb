"""Answers that go on while their reader's connection breaks or the page changes.

A question is named by the visitor's script, so that it may be sent again without being asked twice:
while its answer is written here, the second reader is told all of it from the start; where another
process writes it, or it is over, what the store has is told. An answer that nobody has read for
a while is stopped, as is one whose visitor says so.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import math
import threading
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final

from assistant.agent.events import (
    Done,
    Event,
    HandedOver,
    Sentence,
    ToolEnded,
    ToolStarted,
    Words,
)
from assistant.api.errors import ApiError
from assistant.api.watch import Watch, watching
from assistant.api.widget.threads import MESSAGE, Threads
from assistant.api.widget.tokens import Visitor
from assistant.batching import client
from assistant.errors import BusyError, ConflictError, SightdeskError, StoreError
from assistant.store import Exchange, NewExchange, State, Store
from assistant.telling import BY, Telling, past_of
from assistant.tools.gallery import without_folders

if TYPE_CHECKING:
    from assistant.api.service import Service

ALONE_S: Final = 20.0
"""An answer goes on for so long without a reader: the time of a page change or a short tunnel."""

KEEP_S: Final = 0.5
"""Between two writings of an answer that comes."""

LOOK_S: Final = 0.7
"""Between two looks at an answer that another process writes."""

DESCRIBE: Final = "What is in this picture?"
"""What is asked where a photo came without words."""

_WRONG: Final = "Something went wrong here; try again in a moment."
_BUSY: Final = ApiError(
    409, "The answer before this one is still being written.", code="still_answering"
)
_LOG = logging.getLogger(__name__)

Told = dict[str, Any]


class Answer:
    """One answer that is being written in a thread of its own, and what was told of it.

    Args:
        exchange: the question, as it is kept.
        ended: is called when the thread is done.
    """

    def __init__(
        self,
        service: Service,
        visitor: Visitor,
        own: str,
        exchange: Exchange,
        threads: Threads,
        ended: Callable[[Answer], None],
    ) -> None:
        self.visitor, self.own, self.exchange = visitor, own, exchange
        self._service, self._threads, self._ended = service, threads, ended
        self._told: list[Told] = []
        self._ending = self._over = False
        self._guard = threading.Lock()
        self._writing = threading.Lock()
        self._readers: dict[object, Callable[[], None]] = {}
        self._alone_since = time.monotonic()
        self._watch = Watch()
        self._telling = Telling()

    @property
    def message_id(self) -> str:
        """What the visitor's script called the question."""
        return str(self.exchange.details[MESSAGE])

    @property
    def ending(self) -> bool:
        """Whether nothing comes of it any more, though its thread may have something to finish."""
        return self._ending

    def start(self) -> None:
        """Begin."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name="answer", daemon=True).start()

    def stop(self) -> None:
        """End it now, with what was said so far."""
        self._end("stopped")
        self._watch.cancel()

    async def read(self) -> AsyncGenerator[Told, None]:
        """All that was told of it, and then what comes, until it is over."""
        loop, wake, me = asyncio.get_running_loop(), asyncio.Event(), object()

        def call() -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(wake.set)

        with self._guard:
            self._readers[me] = call
        try:
            place = 0
            while True:
                wake.clear()
                with self._guard:
                    new, over = self._told[place:], self._over
                for told in new:
                    yield told
                place += len(new)
                if over:
                    return
                if not new:
                    await wake.wait()
        finally:
            with self._guard:
                self._readers.pop(me, None)
                self._alone_since = time.monotonic()

    # --- the thread

    def _run(self) -> None:
        try:
            client.set(self.visitor.name)  # for fairness in the engine's queue
            # Visitors see the shop's products, not the folders that its owner has indexed.
            with watching(self._watch), without_folders():
                self._ask()
            self._end("done")
        except BusyError as error:
            self._take_back(error)
        except SightdeskError as error:
            _LOG.warning("An answer of the widget failed: %s", error)
            self._end("failed", str(error))
        except Exception:
            _LOG.exception("An answer of the widget failed")
            self._end("failed", _WRONG)
        finally:
            self._ended(self)

    def _ask(self) -> None:
        tenant, id = self.visitor.tenant, self.exchange.thread_id
        agent, store = self._service.agent(tenant), self._service.store
        kept = time.monotonic()
        events = agent.ask(
            id,
            self.exchange.question,
            self.exchange.used,
            message_id=self.exchange.id,
            past=lambda: past_of(store.thread(id, tenant=tenant).exchanges, self.exchange),
        )
        with closing(events):  # type: ignore[type-var]
            for event in events:
                with self._guard:
                    if self._ending:
                        return
                    self._telling.take(event)
                    self._tell(self._as_told(event))
                    alone = not self._readers and time.monotonic() - self._alone_since > ALONE_S
                if alone:
                    self._end("stopped")
                    return
                if time.monotonic() - kept > KEEP_S and not isinstance(event, Done):
                    self._keep("streaming")
                    kept = time.monotonic()

    def _as_told(self, event: Event) -> Told | None:
        if isinstance(event, ToolStarted):
            return {"type": "tool", "name": event.name}
        if isinstance(event, ToolEnded):
            return {"type": "tool_end", "name": event.name, "trouble": event.trouble}
        if isinstance(event, Words):
            return {"type": "words", "text": event.text}
        if isinstance(event, Sentence):
            cited = self._threads.citations(event.citations)
            return {"type": "sentence", "text": event.text, "citations": cited}
        if isinstance(event, HandedOver):
            return {"type": "handed_over", "ticket": event.ticket_id}
        return None  # the end is told once it is kept

    def _tell(self, *told: Told | None) -> None:
        """Under the guard."""
        self._told += [each for each in told if each is not None]
        for wake in self._readers.values():
            wake()

    def _end(self, state: State, error: str | None = None) -> None:
        """Keep the answer, then tell its end; only the first end counts."""
        with self._guard:
            if self._ending:
                return
            self._ending = True
        try:
            self._keep(state, error)
            last = done(self.own, self.exchange.id, self._threads)
        except StoreError as trouble:
            _LOG.warning("An answer of the widget could not be kept: %s", trouble)
            last = {"type": "error", "code": "unavailable", "message": _WRONG}
        with self._guard:
            self._over = True
            self._tell(last)

    def _take_back(self, error: BusyError) -> None:
        """Nothing was answered: the same question may be asked again as if it had not been."""
        with self._guard:
            if self._ending:
                return
            self._ending = True
        with suppress(StoreError):
            drop(self._service.store, self.visitor, self.exchange)
        wait = max(1, math.ceil(error.retry_after))
        last = {"type": "error", "code": "busy", "message": str(error), "retry_after": wait}
        with self._guard:
            self._over = True
            self._tell(last)

    def _keep(self, state: State, error: str | None = None) -> None:
        details = {
            **self.exchange.details,
            **self._telling.to_details(),
            "total": time.time() - self.exchange.created.timestamp(),
        }
        with self._writing:
            if state == "streaming" and self._ending:
                return  # the end may be written already
            self._service.store.set_answer(
                self.exchange.id,
                answer=self._telling.text,
                state=state,
                error=error,
                details=details,
                tenant=self.visitor.tenant,
            )


class Answers:
    """All answers that are being written in this process; one at a time in a conversation."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._running: dict[tuple[str, str], Answer] = {}
        self._guard = threading.Lock()

    def running(self, visitor: Visitor, own: str) -> Answer | None:
        """What is being written in a conversation."""
        with self._guard:
            return self._running.get((visitor.tenant, visitor.thread_id(own)))

    def ask(
        self,
        visitor: Visitor,
        own: str,
        message_id: str,
        text: str,
        images: Sequence[str],
        threads: Threads,
    ) -> Answer | Exchange:
        """Begin an answer; or, where the question was asked before, the answer to it.

        Raises:
            ApiError: another question of the conversation is being answered.
            BusyError: too many of others are.
            StoreError: it cannot be kept.
        """
        store, id, tenant = self._service.store, visitor.thread_id(own), visitor.tenant
        for _ in range(4):
            running = self.running(visitor, own)
            if running is not None and running.ending:
                running = None
            if running is not None and running.message_id == message_id:
                return running
            exchanges = list(threads.exchanges(own, make=True))
            known = next((e for e in exchanges if e.details.get(MESSAGE) == message_id), None)
            if known is not None and not _asked_anew(known, exchanges):
                return known
            if running is not None or any(e.state == "streaming" for e in exchanges):
                raise _BUSY
            if known is not None:
                drop(store, visitor, known)
                exchanges.remove(known)
            details = {"by": BY, MESSAGE: message_id, "origin": visitor.origin}
            new = NewExchange(text or DESCRIBE, text, tuple(images), details=details)
            last = exchanges[-1].position if exchanges else None
            self._service.take_seat()
            try:
                exchange = store.add_exchange(id, new, after=last, tenant=tenant)
            except BaseException as error:
                self._service.leave_seat()
                if isinstance(error, ConflictError):
                    continue  # a person answered, or the same question came twice
                raise
            answer = Answer(self._service, visitor, own, exchange, threads, self._forget)
            with self._guard:
                self._running[tenant, id] = answer
            answer.start()
            return answer
        raise _BUSY

    async def replay(
        self, exchange: Exchange, own: str, threads: Threads
    ) -> AsyncGenerator[Told, None]:
        """The end of an answer that this process does not write, once it is there."""
        while True:
            last = await asyncio.to_thread(done, own, exchange.id, threads)
            if last["type"] != "done" or last["message"]["state"] != "streaming":
                yield last
                return
            await asyncio.sleep(LOOK_S)

    def close(self) -> None:
        """Stop all."""
        with self._guard:
            running = list(self._running.values())
        for answer in running:
            answer.stop()

    def _forget(self, answer: Answer) -> None:
        self._service.leave_seat()
        with self._guard:
            key = (answer.visitor.tenant, answer.exchange.thread_id)
            if self._running.get(key) is answer:
                del self._running[key]


def done(own: str, exchange_id: str, threads: Threads) -> Told:
    """How an answer ended, as the store has it."""
    exchanges = threads.exchanges(own)
    exchange = next((each for each in exchanges if each.id == exchange_id), None)
    if exchange is None:
        return {"type": "error", "code": "gone", "message": "This question is not there any more."}
    ticket = threads.ticket(own, exchanges)
    return {"type": "done", "message": threads.message(exchange), "ticket": ticket}


def drop(store: Store, visitor: Visitor, exchange: Exchange) -> None:
    """Remove a question that is asked anew, but none of its photos."""
    tenant = visitor.tenant
    for id, name in zip(exchange.images, exchange.names, strict=False):
        store.put_image(store.load_image(id, tenant=tenant), name=name, tenant=tenant)
    store.truncate(exchange.thread_id, exchange.position, tenant=tenant)


def _asked_anew(known: Exchange, exchanges: Sequence[Exchange]) -> bool:
    """Whether a question that comes again is to be answered again: it was not, and is the last."""
    unanswered = known.state in ("failed", "stopped") or known.details.get("failed") is True
    return unanswered and exchanges[-1].id == known.id and not known.details.get("ticket")
