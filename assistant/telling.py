"""An answer of the support desk while it comes about, and as it is kept in an exchange's details.

    telling = Telling()
    for event in agent.ask(…):
        telling.take(event)      # telling.steps, telling.text, telling.citations

What is read back from details is checked: a database may be older, or edited by hand. The page and
the widget keep their answers in this one form, so that each shows what the other kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assistant.sources import Source

if TYPE_CHECKING:
    from assistant.agent import Event, Past, Reply
    from assistant.store import Exchange

BY: Final = "desk"
"""What `details["by"]` of an exchange is where the support desk answered."""

MOST_STEPS: Final = 24
MOST_CITATIONS: Final = 24
RESULT_CHARS: Final = 2_000
SOURCE_CHARS: Final = 4_000

_MARK: Final = re.compile(r"\s*\[\d{1,3}\]")


@dataclass
class Step:
    """One use of a tool.

    Attributes:
        text: what it gave to the model.
        seconds: that it took; None while it is at work.
        trouble: of which kind, where it could not do what was asked.
    """

    name: str
    args: dict[str, str] = field(default_factory=dict)
    text: str = ""
    seconds: float | None = None
    trouble: str = ""

    @classmethod
    def read(cls, value: object) -> Step | None:
        """What `asdict` gave; None where it cannot be that."""
        if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
            return None
        args, seconds = value.get("args"), value.get("seconds")
        return cls(
            value["name"][:80],
            _strings(args) if isinstance(args, Mapping) else {},
            str(value.get("text") or "")[:RESULT_CHARS],
            _number(seconds),
            str(value.get("trouble") or "")[:40],
        )


@dataclass
class Telling:
    """What the events of one answer come to.

    Attributes:
        reply: the whole of it, at the end.
    """

    steps: list[Step] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    words: str = ""
    citations: list[Source] = field(default_factory=list)
    reply: Reply | None = None

    def take(self, event: Event) -> None:
        """Take in one event of the agent."""
        from assistant.agent import Done, Sentence, ToolEnded, ToolStarted, Words

        if isinstance(event, ToolStarted):
            self.words = ""  # they were on the way to the answer, and not the answer
            self.steps.append(Step(event.name, _strings(event.args)))
        elif isinstance(event, ToolEnded):
            self._end(event)
        elif isinstance(event, Words):
            self.words += event.text
        elif isinstance(event, Sentence):
            self.words = ""
            self.sentences.append(event.text)
            self.citations += event.citations
        elif isinstance(event, Done):
            self.reply = event.reply
            self.citations = list(event.reply.citations)

    @property
    def text(self) -> str:
        """The answer so far."""
        if self.reply is not None:
            return self.reply.answer.strip()
        return " ".join(self.sentences).strip() or self.words.strip()

    @property
    def at_work(self) -> Step | None:
        """The tool that is at work now."""
        return next((step for step in reversed(self.steps) if step.seconds is None), None)

    def to_details(self) -> dict[str, Any]:
        """What is kept of it beside the answer, fit for JSON."""
        found: dict[str, Any] = {
            "steps": [asdict(step) for step in self.steps[:MOST_STEPS]],
            "citations": [
                source.to_dict() | {"text": source.text[:SOURCE_CHARS]}
                for source in self.citations[:MOST_CITATIONS]
            ],
        }
        if self.reply is not None:
            found |= {"outcome": self.reply.outcome, "seconds": dict(self.reply.seconds)}
            if self.reply.ticket_id is not None:
                found["ticket"] = self.reply.ticket_id
            if self.reply.failed:
                found["failed"] = True
        return found

    def _end(self, event: Any) -> None:
        step = self.at_work
        if step is None or step.name != event.name:
            self.steps.append(step := Step(event.name))
        step.text, step.seconds = event.text[:RESULT_CHARS], event.seconds
        step.trouble = event.trouble


# --- what was kept


def is_by_desk(exchange: Exchange) -> bool:
    """Whether the support desk answered."""
    return exchange.details.get("by") == BY


def steps_of(details: Mapping[str, Any]) -> list[Step]:
    """The tools that were used."""
    found = details.get("steps")
    read = [Step.read(value) for value in found[:MOST_STEPS]] if isinstance(found, list) else []
    return [step for step in read if step is not None]


def citations_of(details: Mapping[str, Any]) -> list[Source | None]:
    """What the answer cites, ``[1]`` first; None in the place of one that cannot be read."""
    found = details.get("citations")
    if not isinstance(found, list):
        return []
    return [_source(value) for value in found[:MOST_CITATIONS]]


def outcome_of(details: Mapping[str, Any]) -> str:
    """`answered`, `abstained`, `handed_over`, or empty where that is not known."""
    found = details.get("outcome")
    return found if found in ("answered", "abstained", "handed_over") else ""


def ticket_of(details: Mapping[str, Any]) -> str:
    """The number of the ticket that came of it; empty where there is none."""
    found = details.get("ticket")
    return found[:40] if isinstance(found, str) else ""


def past_of(exchanges: Sequence[Exchange], question: Exchange) -> list[Past]:
    """What the agent is to remember when `question` is asked: all that is shown before it."""
    from assistant.agent import Past

    found = []
    for exchange in exchanges:
        if exchange.position >= question.position:
            continue
        by = str(exchange.details.get("by") or "photo")
        found.append(
            Past(
                exchange.id,
                exchange.question,
                exchange.answer,
                exchange.used,
                "" if is_by_desk(exchange) else by,
                # Another process may have said more by now than it has kept.
                settled=exchange.state != "streaming",
            )
        )
    return found


def without_marks(text: str) -> str:
    """An answer without the numbers of its citations."""
    return _MARK.sub("", text)


def _source(value: object) -> Source | None:
    if not isinstance(value, Mapping) or value.get("kind") not in ("passage", "image"):
        return None
    words = {name: str(value.get(name) or "") for name in Source.__dataclass_fields__}
    words["text"] = words["text"][:SOURCE_CHARS]
    try:
        return Source.from_dict(words)
    except TypeError:
        return None


def _strings(args: Mapping[Any, Any]) -> dict[str, str]:
    """Arguments as short strings: a user's tool may take anything."""
    return {str(name)[:40]: str(value)[:400] for name, value in list(args.items())[:8]}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
