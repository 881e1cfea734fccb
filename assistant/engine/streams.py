"""A stream of words: the model writes in a thread of its own, a reader takes what there is.

A slow reader does not hold the model up, and a reader that goes away stops it at the next token.
"""

from __future__ import annotations

import queue
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from assistant.engine.values import Answer

Write = Callable[[Callable[[str], None], threading.Event], Answer]
"""Writes an answer: is given where pieces of text go, and an event that asks it to stop."""


@dataclass
class _Desk:
    """What writer and reader share; the writer knows no more than this of its reader."""

    pieces: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue)
    cancelled: threading.Event = field(default_factory=threading.Event)
    answer: Answer | None = None
    failure: BaseException | None = None


def _run(write: Write, desk: _Desk) -> None:
    try:
        desk.answer = write(desk.pieces.put, desk.cancelled)
    except BaseException as error:  # handed to the reader, which raises it
        desk.failure = error
    finally:
        desk.pieces.put(None)


class Stream(Iterator[str]):
    """Pieces of whole words; ``answer`` is there once the stream has ended or was closed."""

    def __init__(self, write: Write) -> None:
        self._desk = _Desk()
        self._worker = threading.Thread(
            target=_run, args=(write, self._desk), name="sightdesk-write", daemon=True
        )
        self._worker.start()

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
        self._worker.join()
        if desk.failure is not None:
            failure, desk.failure = desk.failure, None
            raise failure
        raise StopIteration

    def close(self) -> None:
        """Stop the model at its next token and wait until it is free."""
        self._desk.cancelled.set()
        self._worker.join()

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
        self._give(text[: _last_boundary(text[: len(text) - self._held])])
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


def _last_boundary(text: str) -> int:
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
