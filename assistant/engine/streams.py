"""A stream of words: the model writes in a thread of its own, a reader takes what there is.

A slow reader does not hold the model up, and a reader that goes away stops it at the next token.
Threads are used again: each has helpers of its own (OpenMP's), which take a while to come to life.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.engine.values import Answer

Write = Callable[[Callable[[str], None], threading.Event], Answer]
"""Writes an answer: is given where pieces of text go, and an event that asks it to stop."""

After = Callable[[Answer], None]
"""What may be done once the reader has the whole answer; it must not wait for anybody."""

WRITING, AFTER, IDLE = "sightdesk-write", "sightdesk-after", "sightdesk-idle"
"""Names of threads by what they do: those that are idle wait for the next stream."""

_KEPT = 2  # idle threads; only one at a time has the model
_LEAVE_S = 5.0

_log = logging.getLogger(__name__)


@dataclass
class Desk:
    """What writer and reader share; the writer knows no more than this of its reader.

    Attributes:
        pieces: of text, None behind the last.
        cancelled: set when the reader wants no more.
        done: set when nothing comes any more; answer or failure are there before.
    """

    pieces: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    cancelled: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    failure: BaseException | None = None


@dataclass(frozen=True)
class _Job:
    write: Write
    desk: Desk
    after: After | None


class _Writer(threading.Thread):
    """A thread that writes one answer after the other, most of the time none."""

    def __init__(self) -> None:
        super().__init__(name=IDLE, daemon=True)
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while (job := self.jobs.get()) is not None:
            desk = job.desk
            self.name = WRITING
            try:
                desk.answer = job.write(desk.pieces.put, desk.cancelled)
            except BaseException as error:  # handed to the reader, which raises it
                desk.failure = error
            self.name = IDLE if job.after is None else AFTER
            # Before the reader goes on, so that its next question finds this thread.
            staying = _put_back(self)
            desk.pieces.put(None)
            desk.done.set()
            if job.after is not None and desk.answer is not None and self.jobs.empty():
                self._afterwards(job.after, desk.answer)
            self.name = IDLE
            del job, desk  # the next one may be long in coming
            if not staying:
                return

    def _afterwards(self, after: After, answer: Answer) -> None:
        try:
            after(answer)
        except Exception:  # nobody waits for it, and the answer is complete
            _log.warning("What was to be done after an answer failed", exc_info=True)


_idle: list[_Writer] = []  # the last used last
_guard = threading.Lock()


def _put_back(writer: _Writer) -> bool:
    with _guard:
        if len(_idle) >= _KEPT:
            return False
        _idle.append(writer)
        return True


def _give(job: _Job) -> None:
    with _guard:
        writer = _idle.pop() if _idle else None
    (writer or _Writer()).jobs.put(job)


def _leave() -> None:
    """Let idle threads end while Python can still run them: they may be reading ahead."""
    with _guard:
        leaving, _idle[:] = list(_idle), []
    for writer in leaving:
        writer.jobs.put(None)
    for writer in leaving:
        writer.join(_LEAVE_S)


def _forget_threads() -> None:
    """In a forked process there are none of the parent's threads."""
    global _guard
    _guard = threading.Lock()
    _idle.clear()


atexit.register(_leave)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_threads)


class Stream(Iterator[str]):
    """Pieces of whole words; ``answer`` is there once the stream has ended or was closed.

    Args:
        after: is called with the answer when the reader has all of it, in the writer's thread. It
            may be left out where the thread has something else to do.
    """

    def __init__(self, write: Write, after: After | None = None) -> None:
        self._desk = Desk()
        _give(_Job(write, self._desk, after))

    @classmethod
    def at(cls, desk: Desk) -> Stream:
        """What somebody writes who has threads of his own."""
        stream = cls.__new__(cls)
        stream._desk = desk
        return stream

    @property
    def answer(self) -> Answer | None:
        """The whole answer and what it took, None while it is being written."""
        return self._desk.answer

    def __next__(self) -> str:
        desk = self._desk
        piece = None if desk.cancelled.is_set() else desk.pieces.get()
        if piece is not None:
            return piece
        desk.pieces.put(None)  # for whoever asks again
        desk.done.wait()
        if desk.failure is not None:
            failure, desk.failure = desk.failure, None
            raise failure
        raise StopIteration

    def close(self) -> None:
        """Stop the model at its next token and wait until it is free."""
        self._desk.cancelled.set()
        self._desk.done.wait()

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self._desk.cancelled.set()


class Words:
    """Turns tokens into pieces of text that end where words do, up to the first stop string.

    A piece ends behind white space, behind a character of a script that is written without spaces,
    or before the punctuation that ends a word, so that no reader sees half a word or character.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str], put: Callable[[str], None]) -> None:
        self._tokenizer, self._stop, self._put = tokenizer, stop, put
        self._ids: list[int] = []
        self._given = 0
        self._held = max((len(text) - 1 for text in stop), default=0)

    @property
    def text(self) -> str:
        """All text so far, cut at the first stop string."""
        whole: str = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        whole = whole.strip()
        for stop in self._stop:
            whole = whole.split(stop)[0]
        return whole

    def add(self, token: int) -> bool:
        """Take a token; False when a stop string is there."""
        self._ids.append(token)
        text = self._decoded()
        if any(stop in text for stop in self._stop):
            return False
        self._give(text[: last_boundary(text[: len(text) - self._held])])
        return True

    def end(self) -> None:
        """Give what is left."""
        self._give(self.text)

    def _decoded(self) -> str:
        text: str = self._tokenizer.decode(self._ids, skip_special_tokens=True)
        return text.lstrip()

    def _give(self, text: str) -> None:
        if len(text) > self._given:
            self._put(text[self._given :])
            self._given = len(text)


def last_boundary(text: str) -> int:
    """Where the last whole word ends, white space behind it included."""
    for place in range(len(text), 0, -1):
        character = text[place - 1]
        if character.isspace() or _unspaced(character):
            return place
        if place < len(text) and character.isalpha() and _ends_a_word(text[place]):
            return place
    return 0


def _ends_a_word(character: str) -> bool:
    """Punctuation that is no part of words, as the apostrophe and the hyphen may be."""
    return unicodedata.category(character)[0] == "P" and character not in "'’-_"


def _unspaced(character: str) -> bool:
    """Whether words of the character's script have no spaces between them (UAX #14, class ID)."""
    return unicodedata.category(character) == "Lo" and unicodedata.east_asian_width(character) in (
        "W",
        "F",
    )
