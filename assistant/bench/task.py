"""What every contender is given: the same photo, questions, lengths and tokens.

Texts are made so that they have an exact number of tokens with the words around them that the
chat template adds; all contenders that read text are given the very same token ids.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from assistant.engine import Engine, Turn
from assistant.images import LoadedImage

QUESTION: Final = "Describe the picture in detail."
OPENING: Final = "What is in this picture?"
FOLLOW_UPS: Final = ("What colour is it?", "Is it on a table?")

PREFILL: Final = 256
DECODE_PROMPT: Final = 64
DECODE: Final = 64
ANSWER: Final = 32
SHORT: Final = 12

_SENTENCE = (
    "the desk was asked about a parcel that had come late and a cup that was broken on its way "
    "so that the shop wrote back on the same day and sent a new one with a note for the customer"
)
_WORDS = tuple(_SENTENCE.split())
_FILLERS = (" a", ".", "a", "!")


@dataclass(frozen=True)
class Text:
    """A question without a picture, and the token ids of the whole prompt."""

    turn: Turn
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Task:
    """What is measured with.

    ``like_photo`` is a text as long as the prompt of a photo and `QUESTION`, for whoever cannot
    see.
    """

    path: Path
    photo: LoadedImage
    prefill: Text
    decode: Text
    like_photo: Text


def make_task(engine: Engine, path: Path, photo: LoadedImage) -> Task:
    """The task for a model: how long a text is depends on its tokenizer."""
    seen = engine.encode_anew([photo])
    asked = engine.prompt([Turn("user", QUESTION, (photo.id,))], seen, engine.resolve(None))
    return Task(
        path,
        photo,
        text_of(engine, PREFILL),
        text_of(engine, DECODE_PROMPT),
        text_of(engine, len(asked)),
    )


def text_of(engine: Engine, length: int) -> Text:
    """A text whose prompt has ``length`` tokens, or as many as can be had below that."""
    adapter = engine.resolve(None)

    def made(words: str) -> Text:
        turn = Turn("user", words)
        return Text(turn, tuple(engine.prompt([turn], (), adapter).ids))

    words, found = _WORDS[0], made(_WORDS[0])
    for number in range(1, length):
        longer = f"{words} {_WORDS[number % len(_WORDS)]}"
        text = made(longer)
        if len(text.ids) > length:
            break
        words, found = longer, text
    for _ in range(length - len(found.ids)):
        fitting = (made(words + filler) for filler in _FILLERS)
        text = min(fitting, key=lambda each: (len(each.ids) <= len(found.ids), len(each.ids)))
        if not len(found.ids) < len(text.ids) <= length:
            break
        words, found = text.turn.text, text
    return found


@contextmanager
def unending(model: Any) -> Iterator[None]:
    """While it is entered, no token ends an answer, so that all are equally long."""
    config = model.generation_config
    before, config.eos_token_id = config.eos_token_id, None
    try:
        yield
    finally:
        config.eos_token_id = before


def synchronise(device: torch.device) -> None:
    """Wait for what a device still computes; the clock would stop before it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def crowded(visit: Callable[[int], float], count: int) -> float:
    """Tokens a second in total of so many clients that begin together, each in its own thread.

    Args:
        visit: is given a client's number, and gives the tokens that were written for it.

    Raises:
        BaseException: what the first of them raised.
    """
    written: list[float] = []
    failures: list[BaseException] = []
    ready = threading.Barrier(count + 1)

    def run(number: int) -> None:
        ready.wait()
        try:
            written.append(visit(number))
        except BaseException as error:  # raised where all are waited for
            failures.append(error)

    visitors = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for visitor in visitors:
        visitor.start()
    ready.wait()
    began = time.perf_counter()
    for visitor in visitors:
        visitor.join()
    seconds = time.perf_counter() - began
    for failure in failures:
        raise failure
    return sum(written) / seconds
