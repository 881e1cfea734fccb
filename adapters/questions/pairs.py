"""What a question–answer pair is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from assistant.prompts import CANT_TELL as CANT_TELL

Kind = Literal["presence", "colour", "number", "who", "what", "where", "doing", "unanswerable"]
KINDS: tuple[Kind, ...] = (
    "presence", "colour", "number", "who", "what", "where", "doing", "unanswerable"
)  # fmt: skip


@dataclass(frozen=True)
class QA:
    """A question with its answer.

    ``hard`` is "" but for a presence question whose answer is "No.": there it says how the absent
    object was chosen, "random", "popular" or "co-occurring".
    """

    question: str
    answer: str
    kind: Kind
    hard: str = ""


_INITIALS = re.compile(r"\b(atv|suv|bmx|tv|vw)\b")


def capitalised(text: str) -> str:
    """The text with a capital first letter, and words such as ATV in capitals."""
    text = _INITIALS.sub(lambda match: match.group().upper(), text)
    return text[:1].upper() + text[1:]


def sentence(phrase: str) -> str:
    """A phrase as an answer: capital first letter, one full stop."""
    return capitalised(phrase) + "."
