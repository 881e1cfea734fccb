"""An answer of a server, whole or from its pieces, checked while it is read."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MOST_CHARS: Final = 400_000
"""Of an answer; a server that does not end it is not read further."""


@dataclass(frozen=True)
class Token:
    """A token of an answer.

    Attributes:
        text: as it is written.
        chance: natural logarithm of its probability.
        others: the likeliest at its place with theirs, itself among them.
    """

    text: str
    chance: float
    others: tuple[tuple[str, float], ...] = ()


@dataclass
class Completion:
    """What came of a question, filled while it streams.

    Attributes:
        finish: why it ended, in OpenAI's words, or ``cancelled``.
        prompt, cached, written: tokens that the server counted; ``written`` is that of the pieces
            where it counts none.
        tokens: with their chances, where they were asked for and told.
        begun: whether there was a word of the answer.
        lives: whether there was any sign of it.
        ended: whether the server said that this is all.
        events: how many came.
        failure: what the server sent in place of the answer.
    """

    finish: str = ""
    prompt: int = 0
    cached: int = 0
    written: int = 0
    tokens: list[Token] = field(default_factory=list)
    begun: bool = False
    lives: bool = False
    ended: bool = False
    events: int = 0
    failure: Any = None
    _parts: list[str] = field(default_factory=list)
    _chars: int = 0

    @property
    def text(self) -> str:
        """All of it that came."""
        return "".join(self._parts)

    def clear(self) -> None:
        """Begin anew."""
        self.__init__()  # type: ignore[misc]

    def take_whole(self, found: Any) -> bool:
        """An answer that did not stream; whether it is one."""
        choice = _first(found)
        message = choice.get("message") if choice is not None else None
        if choice is None or not isinstance(message, Mapping):
            return False
        content = message.get("content")
        self._parts = [content[:MOST_CHARS] if isinstance(content, str) else _joined(content)]
        self.finish = str(choice.get("finish_reason") or "stop")
        self._note_tokens(choice)
        self.written = len(self.tokens)
        self._count(found)
        self.begun = self.lives = self.ended = True
        self.events = 1
        return True

    def take(self, data: str) -> str | None:
        """The text of one event, empty where it has none; None where it cannot be read."""
        try:
            found = json.loads(data)
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, Mapping):
            return None
        self.events += 1
        if found.get("error"):
            self.failure = found
            return ""
        self._count(found)
        choices = found.get("choices")
        if choices in ([], None):
            return "" if choices == [] or "usage" in found else None
        choice = _first(found)
        if choice is None:
            return None
        self.lives = True
        self._note_tokens(choice)
        if choice.get("finish_reason"):
            self.finish = str(choice["finish_reason"])
        delta = choice.get("delta")
        content = delta.get("content") if isinstance(delta, Mapping) else choice.get("text")
        if not isinstance(content, str) or not content:
            return ""
        self._chars += len(content)
        if self._chars > MOST_CHARS:
            self.finish = "length"
            self.ended = True
            return ""
        self.begun = True
        self._parts.append(content)
        if not found.get("usage"):
            self.written += 1
        return content

    def _count(self, found: Any) -> None:
        usage = found.get("usage") if isinstance(found, Mapping) else None
        if not isinstance(usage, Mapping):
            return
        details = usage.get("prompt_tokens_details")
        cached = details.get("cached_tokens") if isinstance(details, Mapping) else 0
        self.prompt = _number(usage.get("prompt_tokens"), self.prompt)
        self.cached = min(_number(cached, self.cached), self.prompt)
        self.written = _number(usage.get("completion_tokens"), self.written)

    def _note_tokens(self, choice: Mapping[str, Any]) -> None:
        told = choice.get("logprobs")
        content = told.get("content") if isinstance(told, Mapping) else None
        for each in content if isinstance(content, list) else ():
            read = _token(each)
            if read is not None and len(self.tokens) < 8_192:
                others = each.get("top_logprobs") if isinstance(each, Mapping) else None
                others = others if isinstance(others, list) else []
                pairs = tuple(pair for one in others[:64] if (pair := _token(one)) is not None)
                self.tokens.append(Token(*read, pairs))


def _first(found: Any) -> Mapping[str, Any] | None:
    choices = found.get("choices") if isinstance(found, Mapping) else None
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        return None
    return choices[0]


def _joined(content: Any) -> str:
    """Text in parts, as a few servers send it."""
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, Mapping)]
    return "".join(text for text in texts if isinstance(text, str))[:MOST_CHARS]


def _token(each: Any) -> tuple[str, float] | None:
    if not isinstance(each, Mapping):
        return None
    text, chance = each.get("token"), each.get("logprob")
    if not isinstance(text, str) or not isinstance(chance, int | float) or math.isnan(chance):
        return None
    return text, min(float(chance), 0.0)


def _number(value: Any, otherwise: int) -> int:
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**40
    return int(value) if good else otherwise
