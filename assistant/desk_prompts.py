"""How the embedded language model is asked to run a support desk: two forms, exactly as trained.

A *decision* shows the tools and the conversation, and the model writes the next step:

    call label_image {"image": "photo 1"}      a tool and its arguments, as JSON
    answer                                     what the tools said is enough
    say Hello! What can I do for you?          words that need no source

An *answer* shows numbered sources and the question, and the model writes sentences that each end
with the numbers of their sources, or `UNKNOWN`. A model of this size cannot do both in one prompt:
the list of tools would stand between it and the facts.

The adapter `agent` was trained on these very texts: to change one is to train anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from assistant.sources import Source

DECIDE: Final = "You run a support desk. Choose the next step.\nTools:"
ANSWER: Final = "Answer from the sources and cite them, or write unknown.\nSources:"
CALL: Final = "call "
FINISH: Final = "answer"
SAY: Final = "say "
UNKNOWN: Final = "unknown"
# What pictures are called among the sources.
PHOTO: Final = "photo"
TEXT_IN_PHOTO: Final = "text in photo"
PICTURE: Final = "picture"

# What a small model can keep apart, and what a prompt may cost.
RESULT_CHARS: Final = 200
SAID_CHARS: Final = 160
QUESTION_CHARS: Final = 600
SOURCE_CHARS: Final = 1_500
SOURCES_CHARS: Final = 4_000
EARLIER: Final = 3

_SPACES = re.compile(r"\s+")


@dataclass(frozen=True)
class Step:
    """One call and what came of it; ``result`` is None while it is not known."""

    tool: str
    arguments: Mapping[str, Any]
    result: str | None = None


@dataclass(frozen=True)
class Exchange:
    """A question, what was done about it and what was said in the end.

    ``photos`` are the numbers of those that came with the question, from 1 on in the conversation.
    """

    text: str
    photos: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()
    said: str | None = None


@dataclass(frozen=True)
class ToolLine:
    """A tool as the model sees it; an argument that may be left out ends with ``?``."""

    name: str
    description: str
    arguments: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.arguments)}): {self.description}"


Line = tuple[Literal["system", "user", "assistant", "tool"], str]
"""A turn of the prompt: role and text."""


def photo(number: int) -> str:
    """What a photo is called in arguments: its image id would be 64 letters of noise."""
    return f"photo {number}"


def call_text(tool: str, arguments: Mapping[str, Any]) -> str:
    """A call as the model writes it."""
    return f"{CALL}{tool} {json.dumps(dict(arguments), ensure_ascii=False)}"


def decision_system(tools: Sequence[ToolLine]) -> str:
    """The first turn of a decision."""
    return "\n".join([DECIDE, *(str(tool) for tool in tools)])


def decision(tools: Sequence[ToolLine], exchanges: Sequence[Exchange]) -> list[Line]:
    """The turns of a decision about the last of the exchanges; the model writes the next one."""
    lines: list[Line] = [("system", decision_system(tools))]
    # Photos keep their numbers where early exchanges are left out.
    for exchange in exchanges[-EARLIER - 1 :]:
        lines += exchange_lines(exchange)
    return lines


def exchange_lines(exchange: Exchange) -> list[Line]:
    """One exchange as turns."""
    lines: list[Line] = [("user", question_text(exchange.text, exchange.photos))]
    for step in exchange.steps:
        lines.append(("assistant", call_text(step.tool, step.arguments)))
        if step.result is not None:
            lines.append(("tool", shortened(step.result, RESULT_CHARS) or "nothing"))
    if exchange.said is not None:
        lines.append(("assistant", SAY + shortened(exchange.said, SAID_CHARS)))
    return lines


def question_text(text: str, photos: Sequence[int] = ()) -> str:
    """A question with the marks of its photos before it."""
    marks = " ".join(f"[{photo(number)}]" for number in photos)
    asked = shortened(text, QUESTION_CHARS)
    return f"{marks} {asked}".strip()


def answer(sources: Sequence[tuple[str, str]], question: str) -> list[Line]:
    """The turns of an answer.

    Args:
        sources: title and text of each, in the order of their numbers.
    """
    return [("system", answer_system(sources)), ("user", shortened(question, QUESTION_CHARS))]


def as_shown(source: Source) -> tuple[str, str]:
    """Title and text of a source in an answer prompt."""
    if source.kind == "passage":
        return source.title or source.origin, source.text
    if source.origin == "search_images":
        return PICTURE, source.title
    return (TEXT_IN_PHOTO if source.origin == "read_text" else PHOTO), source.text


def answer_system(sources: Sequence[tuple[str, str]]) -> str:
    """The first turn of an answer."""
    left = SOURCES_CHARS
    lines = [ANSWER]
    for number, (title, text) in enumerate(sources, 1):
        said = shortened(text, min(SOURCE_CHARS, max(left, 0)))
        left -= len(said)
        lines.append(f"[{number}] {shortened(title, 120)}: {said}")
    return "\n".join(lines)


def shortened(text: str, most: int) -> str:
    """Text on one line, of ``most`` characters at most, cut between words where it can be."""
    line = _SPACES.sub(" ", text).strip()
    if len(line) <= most:
        return line
    cut = line[:most]
    space = cut.rfind(" ")
    return (cut[:space] if space > most // 2 else cut).rstrip()
