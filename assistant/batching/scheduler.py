"""The thread that writes all answers: who waits comes in, all go a step, who is done goes out."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import torch

from assistant.batching.load import Figures, Load
from assistant.batching.rows import Request, Row
from assistant.batching.steps import Steps
from assistant.batching.waiting import Waiting
from assistant.engine.decoding import read_ahead
from assistant.engine.holder import Holder
from assistant.errors import BusyError

THREAD: Final = "sightdesk-steps"

# Tokens that the rows together may come to hold; a longer one runs alone. 23 kB each, for the
# embedded base.
_ROOM: Final = 48 * 1024
_LOOK_S: Final = 0.05  # how often who goes away is looked for while others have the model
_AHEAD: Final = 16  # conversations whose next question may be read ahead
_LEAVE_S: Final = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Ahead:
    """An answered request, whose next question may be read up to its first word."""

    request: Request
    answer: str


class Scheduler:
    """Writes the answers of one engine, many at once.

    Args:
        engine: it holds the model, the adapters and the caches.
        batch_size: rows that run at once.
        queue_size: rows that wait at most.
    """

    def __init__(self, engine: Holder, batch_size: int, queue_size: int) -> None:
        self.figures = Figures()
        self._engine, self._batch_size = engine, batch_size
        self._steps = Steps(engine)
        self._waiting = Waiting(queue_size)
        self._running: list[Row] = []  # the oldest first
        self._ahead: deque[_Ahead] = deque(maxlen=_AHEAD)
        self._news = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = self._stopping = False
        self._holding = False  # whether the thread has the model

    def submit(self, requests: Sequence[Request], *, inner: bool = False) -> list[Row]:
        """Let requests wait for their turn, all or none.

        Args:
            inner: they are part of a call that was begun before the engine was closed.

        Raises:
            BusyError: the queue is full, or the engine is closed.
        """
        with self._news:
            if self._stopping or (self._closing and not inner):
                raise BusyError("The server is being stopped; ask again in a moment.", 5.0)
            if not self._waiting.has_room(requests[0].client):
                self.figures.refused += 1
                raise self._busy()
            rows = [Row(self._engine, request) for request in requests]
            for row in rows:
                self._waiting.put(row)
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name=THREAD, daemon=True)
                self._thread.start()
            self._news.notify()
        return rows

    def _busy(self) -> BusyError:
        seconds = self.figures.wait_s(len(self._waiting) + 1)
        return BusyError(
            f"Too many requests wait already; ask again in {seconds:.0f} seconds.", seconds
        )

    def load(self) -> Load:
        """What it does now and has done."""
        with self._news:
            now = Load(
                waiting=len(self._waiting),
                running=len(self._running),
                batch_size=self._batch_size,
                queue_size=self._waiting.size,
                closing=self._closing,
            )
        return self.figures.told(now)

    def take_no_more(self) -> None:
        """Refuse what comes, but for parts of calls that were begun before."""
        with self._news:
            self._closing = True
            self._ahead.clear()

    def _busy_now(self) -> bool:
        with self._news:
            return bool(self._running or len(self._waiting))

    def stop(self) -> None:
        """Cancel what runs, hand back what waits, and end the thread."""
        with self._news:
            self._closing = self._stopping = True
            self._news.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(_LEAVE_S)

    # --- in the thread

    def _run(self) -> None:
        with torch.inference_mode():
            while self._wait():
                try:
                    self._turn()
                except Exception as error:  # a bug; who waits for an answer must not wait forever
                    _log.exception("The answers of a step failed")
                    self._clear(error)
            self._leave()

    def _wait(self) -> bool:
        """Until there is something to do; False where nothing ever will be."""
        with self._news:
            while not (self._stopping or self._running or len(self._waiting) or self._ahead):
                self._steps.tidy()
                self._news.wait()
            return not self._stopping

    def _turn(self) -> None:
        self._reap()
        if not self._busy_now():
            self._give_model()  # the last of those that ran may have gone away
            if self._ahead:
                self._read_ahead(self._ahead.popleft())
            return
        if not self._take_model():
            return
        try:
            self._admit()
            self._step()
        finally:
            if not self._running or self._engine.lock.due:
                self._give_model()

    def _take_model(self) -> bool:
        """Wait for the model; False where nobody wants it any more."""
        lock = self._engine.lock
        while not self._holding:
            if lock.acquire(timeout=_LOOK_S, steps=True):
                self._holding = True
            else:
                self._reap()
                if self._stopping or not self._busy_now():
                    return False
        return True

    def _give_model(self) -> None:
        if self._holding:
            self._holding = False
            self._engine.lock.release()

    def _reap(self) -> None:
        """Let go of the rows whose readers have gone away."""
        with self._news:
            gone = self._waiting.drop(lambda row: row.cancelled)
        for row in [*gone, *(row for row in self._running if row.cancelled)]:
            self._cancel(row)

    def _out(self, row: Row) -> None:
        """Give a row's place to the next one; before its reader hears that it is over."""
        with self._news:
            self._running = [each for each in self._running if each is not row]
        self.figures.ended()

    def _cancel(self, row: Row) -> None:
        self._out(row)
        self.figures.cancelled += 1
        row.end("cancelled")

    def _fail(self, row: Row, error: BaseException) -> None:
        self._out(row)
        self.figures.failed += 1
        row.fail(error)  # handed to its reader, which raises it

    def _admit(self) -> None:
        """Let rows in that wait, as long as there are places."""
        while len(self._running) < self._batch_size:
            left = _ROOM - sum(row.room for row in self._running)
            if not self._running:
                left = _ROOM**2  # whatever it is, it runs alone
            with self._news:
                row = self._waiting.take(
                    Counter(each.client for each in self._running),
                    left,
                )
                if row is None:
                    return
                self._running = [*self._running, row]
            try:
                row.open(self._steps.reader)
            except Exception as error:
                self._fail(row, error)
            else:
                self.figures.prompt_tokens += len(row.pending)
                self.figures.reused_tokens += row.reused

    def _step(self) -> None:
        rows = self._running
        before = sum(row.written for row in rows)
        began = time.perf_counter()
        over = self._steps.take(rows)
        self.figures.step(len(rows), time.perf_counter() - began)
        self.figures.tokens += sum(row.written for row in rows) - before
        for row, error in over:
            if error is not None:
                self._fail(row, error)
            elif row.cancelled:
                self._cancel(row)
            else:
                self._end(row)

    def _end(self, row: Row) -> None:
        self._out(row)
        self.figures.answers += 1
        try:
            answer = row.end()
        except Exception as error:
            row.fail(error)
            return
        asked = row.request
        if asked.turns is not None and not self._closing:
            self._ahead.append(_Ahead(asked, answer.text))

    def _read_ahead(self, ahead: _Ahead) -> None:
        """Read what comes before the next question, unless somebody else wants the model now."""
        asked = ahead.request
        assert asked.turns is not None
        try:
            prompt = self._engine.prompts.ahead(asked.turns, asked.images, ahead.answer)
            if prompt is None or not self._engine.lock.acquire(blocking=False):
                return
            try:
                with self._engine.speaking([asked.adapter]):
                    read_ahead(
                        self._engine.model,
                        prompt,
                        prefixes=self._engine.prefixes,
                        scope=(asked.adapter.revision, asked.tenant),
                    )
            finally:
                self._engine.lock.release()
        except Exception:  # nobody waits for it, and the answer is complete
            _log.warning("What was to be read after an answer could not be", exc_info=True)

    def _clear(self, error: BaseException) -> None:
        for row in self._running:
            self._fail(row, error)
        self._give_model()

    def _leave(self) -> None:
        """The last of the thread: nobody may be left waiting."""
        for row in self._running:
            self._cancel(row)
        with self._news:
            left = self._waiting.drop(lambda _row: True)
        for row in left:
            row.fail(BusyError("The server was stopped before your turn; ask again.", 5.0))
        self._give_model()
