"""Questions as a server's requests, and its answers as the engine's."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from assistant.engine.streams import last_boundary
from assistant.engine.values import Answer, EncodedImage, Sampling, Turn
from assistant.errors import InputError
from assistant.remote.completion import Completion
from assistant.remote.pictures import HeldImage

MOST_STOPS: Final = 4
"""Stop strings that servers take; more are looked for here."""


def request(
    model: str,
    turns: Sequence[Turn],
    images: Sequence[EncodedImage],
    sampling: Sampling,
    **more: Any,
) -> dict[str, Any]:
    """The request that asks the last turn of a conversation.

    Args:
        more: further fields.

    Raises:
        InputError: there is no question; a picture is not there, or was encoded for another engine.
    """
    last = turns[-1] if turns else None
    if last is None or last.role == "assistant" or not last.text.strip():
        raise InputError("The question is empty; ask something about the picture.")
    known = {image.id: image for image in images}
    body: dict[str, Any] = {
        "model": model,
        "messages": [_message(turn, known) for turn in turns],
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
    }
    if sampling.temperature > 0:
        body["top_p"] = sampling.top_p
    if sampling.seed is not None:
        body["seed"] = sampling.seed
    if sampling.stop:
        body["stop"] = list(sampling.stop[:MOST_STOPS])
    return body | more


def _message(turn: Turn, known: Mapping[str, EncodedImage]) -> dict[str, Any]:
    # A tool's result belongs to a call in OpenAI's shape; here it is what was said next.
    role = "user" if turn.role == "tool" else turn.role
    parts: list[dict[str, Any]] = []
    for id_ in turn.images:
        image = known.get(id_)
        if image is None:
            raise InputError(f"The image {id_[:12]} is not there; encode it first.")
        if not isinstance(image, HeldImage):
            raise InputError(
                f"The image {id_[:12]} was encoded for another engine; encode it with this one."
            )
        parts.append({"type": "image_url", "image_url": {"url": image.uri}})
    if not parts:
        return {"role": role, "content": turn.text}
    # Pictures before the words, as LLaVA's templates have them.
    return {"role": role, "content": [*parts, {"type": "text", "text": turn.text}]}


def as_answer(
    told: Completion, began: float, *, text: str | None = None, first: float | None = None
) -> Answer:
    """The engine's answer.

    Args:
        began: `time.perf_counter` when the question was asked.
        text: in place of the server's.
        first: seconds to the first word.
    """
    finish: Any = told.finish if told.finish in ("length", "cancelled") else "stop"
    return Answer(
        (told.text if text is None else text).strip(),
        told.written,
        time.perf_counter() - began,
        finish,
        computed=told.prompt - told.cached,
        reused=told.cached,
        first_word=first,
    )


class WholeWords:
    """Pieces of any size as whole words, up to the first stop string.

    Args:
        put: is given the words.

    Attributes:
        began: `time.perf_counter` at the first word.
    """

    def __init__(self, stop: Sequence[str], put: Callable[[str], None]) -> None:
        self._stop, self._put = stop, put
        self._held = max((len(text) - 1 for text in stop), default=0)
        self._given: list[str] = []
        self._open = ""
        self.began: float | None = None

    @property
    def text(self) -> str:
        """All that came, up to the first stop string."""
        return "".join([*self._given, self._open]).strip()

    def add(self, piece: str) -> bool:
        """Take a piece; whether more is wanted."""
        self._open += piece
        if not self._given:
            self._open = self._open.lstrip()
        # What was given ends before anything that a stop could begin with.
        places = [place for stop in self._stop if (place := self._open.find(stop)) >= 0]
        if places:
            self._open = self._open[: min(places)]
            return False
        self._give(last_boundary(self._open[: len(self._open) - self._held]))
        return True

    def end(self) -> None:
        """Give what is left."""
        self._open = self._open.rstrip()
        self._give(len(self._open))

    def _give(self, until: int) -> None:
        if until > 0:
            if self.began is None:
                self.began = time.perf_counter()
            given, self._open = self._open[:until], self._open[until:]
            self._given.append(given)
            self._put(given)
