"""What a reader of an answer gets, piece by piece, and the whole of it at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from assistant.sources import Source

Outcome = Literal["answered", "abstained", "handed_over"]
"""How a question ended; `abstained` is also where something failed, which the answer says."""


@dataclass(frozen=True)
class Reply:
    """The answer to one question.

    Attributes:
        answer: sentences with the numbers of their citations, ``… [1]``.
        citations: what they rest on; ``[1]`` is the first.
        tools: names of those that were called, in order.
        ticket_id: of the ticket, where a person takes over.
        failed: the model or what it needs was out of order; the same question may be answered
            another time.
        seconds: ``total``; ``first``, until the first words; ``model``, all its work together;
            and each tool by its name.
    """

    answer: str
    citations: list[Source] = field(default_factory=list)
    tools: list[str] = field(default_factory=list)
    outcome: Outcome = "answered"
    ticket_id: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    failed: bool = False

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "answer": self.answer,
            "citations": [source.to_dict() for source in self.citations],
            "tools": list(self.tools),
            "outcome": self.outcome,
            "ticket_id": self.ticket_id,
            "seconds": {name: round(value, 3) for name, value in self.seconds.items()},
        }


@dataclass(frozen=True)
class ToolStarted:
    """A tool begins; pictures in ``args`` are image ids."""

    name: str
    args: dict[str, Any]


@dataclass(frozen=True)
class ToolEnded:
    """A tool is done, with the text that the model is given.

    ``trouble`` says why it could not do what was asked, where it could not: ``timeout``, ``failed``
    and so on (see `assistant.tools.guard`).
    """

    name: str
    text: str
    seconds: float
    trouble: str = ""


@dataclass(frozen=True)
class Words:
    """Some words that a tool writes about a picture, as they come.

    They are the answer, unless another tool starts or a `Sentence` comes after them.
    """

    text: str
    tool: str = ""


@dataclass(frozen=True)
class Sentence:
    """A sentence that was checked, with marks, and the new citations that it brings.

    The numbers of the citations go on where those of the sentence before ended.
    """

    text: str
    citations: tuple[Source, ...] = ()


@dataclass(frozen=True)
class HandedOver:
    """A person was called."""

    ticket_id: str


@dataclass(frozen=True)
class Done:
    """The end."""

    reply: Reply


Event = ToolStarted | ToolEnded | Words | Sentence | HandedOver | Done
