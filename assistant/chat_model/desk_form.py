"""The embedded model at the desk: a decision, then, where there are sources, an answer from them.

Both prompts are those of `assistant.desk_prompts`, which the adapter `agent` was trained on; what
the model writes is held to the forms of `assistant.chat_model.grammars`, so that every call parses
and names a tool and a photo that are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from langchain_core.messages import BaseMessage, ToolMessage

from assistant import desk_prompts
from assistant.chat_model import grammars
from assistant.chat_model.choosing import asks_more, asks_unseen, chosen, renumbered
from assistant.chat_model.grammars import LONGEST_TEXT, ToolSpec
from assistant.chat_model.reading import (
    Read,
    exchanges,
    question_of,
    resolved_question,
    turn_messages,
    turn_sources,
    unaliased,
)
from assistant.desk_prompts import Line, photo
from assistant.engine.values import Answer, Sampling, Turn
from assistant.grounding import sentences
from assistant.sources import Source

if TYPE_CHECKING:
    from assistant.engine import Constraint, Engine

CALL_TOKENS: Final = 640
"""Room for a call: its arguments are bounded by their grammar."""

ANSWER_TOKENS: Final = 320
"""Room for an answer: a list of ingredients in Swedish takes more than 200."""

UNKNOWN_FROM: Final = 0.5
"""Probability of ``unknown`` from which nothing is answered."""

UNASKED_FROM: Final = 0.1
"""And from which an answer must have the question's words (see `assistant.grounding`). Adapters
bring values of their own, measured: ``release`` in their ``sightdesk.json``."""

DONT_KNOW: Final = "I don't know."

SHOWN: Final = ("describe_image", "ask_image")
"""Tools whose words about a picture are the answer, where nothing else was needed."""

_NO_WORDS: Final = "What is this?"
"""What somebody wants who sends a photo without a word."""

_READS: Final = "read_text"
_NAMES: Final = "label_image"
_LOOKS_UP: Final = "search_knowledge"
_WANTS_IT_READ: Final = re.compile(
    r"\b(read|says?|written|writing|text|words|transcribe|spell(ed)?)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Call:
    """A tool call; ``arguments`` hold image ids again."""

    name: str
    arguments: dict[str, Any]


@dataclass
class Told:
    """What came of a step, filled while it streams.

    Attributes:
        form: how the model answered: a ``call``, ``said`` words, ``answer`` from sources, ``shown``
            words of a tool about a picture, or ``unknown``.
        call: the tool call.
        broken: a call that was cut off, as the model wrote it.
        doubt: probability of ``unknown`` before the answer.
        sure: there is so little of it that the answer need not have the question's words.
        answers: what the engine said of each prompt.
    """

    form: str = ""
    call: Call | None = None
    broken: str | None = None
    doubt: float | None = None
    sure: bool = False
    answers: list[Answer] = field(default_factory=list)


@dataclass(frozen=True)
class DeskForm:
    """Asks an engine for the desk's next step.

    Args:
        adapter: the one that was trained for it; None: the engine's own.
        unknown_from: see `UNKNOWN_FROM`.
        unasked_from: see `UNASKED_FROM`.
    """

    engine: Engine
    adapter: str | None
    tenant: str
    sampling: Sampling
    unknown_from: float = UNKNOWN_FROM
    unasked_from: float = UNASKED_FROM

    def step(
        self,
        messages: Sequence[BaseMessage],
        conversation: Read,
        tools: tuple[ToolSpec, ...],
        told: Told,
        *,
        choice: str = "auto",
    ) -> Iterator[str]:
        """Yield the words of the next step as they come; a call has none. `told` is filled.

        Args:
            choice: ``auto``, ``any`` (some tool must be called), ``none``, or a tool's name.
        """
        worked = any(isinstance(message, ToolMessage) for message in turn_messages(messages))
        if choice == "none":
            tools = ()
        elif choice not in ("auto", "any"):
            tools = tuple(spec for spec in tools if spec.name == choice)
        if not tools and worked:  # nothing is left to be done but to answer
            yield from self._answered(messages, told)
            return
        must = choice not in ("auto", "none")
        offered = tools
        if {_NAMES, _LOOKS_UP} <= {spec.name for spec in tools} and asks_unseen(
            question_of(messages)
        ):
            offered = tuple(spec for spec in tools if spec.name not in SHOWN)
        constraint = grammars.decision(
            offered,
            tuple(photo(number) for number in range(1, len(conversation.photos) + 1)),
            finish=worked and not must,
            say=not must,
        )
        lines = desk_prompts.decision([spec.line for spec in tools], exchanges(conversation))
        written = ""
        given = len(desk_prompts.SAY)
        for piece in self._stream(lines, constraint, CALL_TOKENS, told):
            written += piece
            if written.startswith(desk_prompts.SAY) and len(written) > given:
                told.form = "said"
                yield written[given:]
                given = len(written)
        if written.startswith(desk_prompts.CALL):
            self._called(written, conversation, tools, told)
        elif written == desk_prompts.FINISH:
            yield from self._answered(messages, told, tools)
        elif told.form != "said":  # cancelled, or cut off at its first token
            told.form = "unknown"

    def _called(
        self, written: str, conversation: Read, tools: tuple[ToolSpec, ...], told: Told
    ) -> None:
        name, _, text = written.removeprefix(desk_prompts.CALL).partition(" ")
        told.form = "call"
        spec = next((spec for spec in tools if spec.name == name), None)
        try:
            arguments = json.loads(text)
        except ValueError:
            told.broken = written
            return
        if spec is None:
            told.broken = written
            return
        told.call = Call(name, unaliased(arguments, spec.images(), conversation.photos))

    def _query(self, messages: Sequence[BaseMessage], tools: tuple[ToolSpec, ...]) -> str | None:
        """What could be looked up where a photo was named and nothing has been looked up yet."""
        done = {message.name for message in turn_messages(messages) if message.type == "tool"}
        labels = [s.title for s in turn_sources(messages) if s.origin == _NAMES and s.label]
        question = question_of(messages)
        if not labels or not question or done != {_NAMES}:
            return None
        if not any(spec.name == _LOOKS_UP for spec in tools):
            return None
        return f"{labels[-1]}: {question}"[:LONGEST_TEXT]

    def _answered(
        self, messages: Sequence[BaseMessage], told: Told, tools: tuple[ToolSpec, ...] = ()
    ) -> Iterator[str]:
        """The answer from this turn's sources."""
        sources = turn_sources(messages)
        question = resolved_question(messages)
        seen = shown_words(messages, sources, question_of(messages))
        if seen is not None:
            told.form = "shown"
            yield seen
            return
        if not sources:
            told.form = "unknown"
            yield DONT_KNOW
            return
        places = chosen(question, sources)
        lines = desk_prompts.answer(
            [desk_prompts.as_shown(sources[place]) for place in places], question or _NO_WORDS
        )
        turns = [Turn(role, text) for role, text in lines]
        (told.doubt,) = self.engine.chances(
            turns, [desk_prompts.UNKNOWN], tenant=self.tenant, adapter=self.adapter
        )
        constraint = grammars.answer(len(places), unknown=False)
        pieces = renumbered(self._stream(lines, constraint, ANSWER_TOKENS, told), places)
        unknown = told.doubt >= self.unknown_from
        query = self._query(messages, tools)
        if query is not None:
            # A photo's label is all there is: it answers what it is, and nothing else.
            unknown = unknown or asks_more(question_of(messages))
            said = "" if unknown else "".join(pieces)
            if unknown or len(sentences(said)) > 1:
                told.form, told.call = "call", Call(_LOOKS_UP, {"query": query})
                return
            pieces = iter([said])
        if unknown:
            told.form = "unknown"
            yield DONT_KNOW
            return
        told.form = "answer"
        told.sure = told.doubt < self.unasked_from
        yield from pieces

    def _stream(
        self, lines: Sequence[Line], constraint: Constraint, most: int, told: Told
    ) -> Iterator[str]:
        sampling = Sampling(
            most, self.sampling.temperature, self.sampling.top_p, self.sampling.seed
        )
        with self.engine.stream(
            [Turn(role, text) for role, text in lines],
            sampling=sampling,
            tenant=self.tenant,
            adapter=self.adapter,
            constraint=constraint,
        ) as stream:
            yield from stream
        if stream.answer is not None:
            told.answers.append(stream.answer)


def shown_words(
    messages: Sequence[BaseMessage], sources: Sequence[Source], question: str
) -> str | None:
    """A tool's own words about a picture with their citation, where they are the answer."""
    last = next((m for m in reversed(messages) if isinstance(m, ToolMessage)), None)
    if last is None or not sources or any(source.kind != "image" for source in sources):
        return None
    wanted = last.name in SHOWN or (last.name == _READS and _WANTS_IT_READ.search(question))
    if not wanted or not isinstance(last.artifact, dict) or not last.artifact.get("sources"):
        return None
    own = Source.from_dict(last.artifact["sources"][-1])
    number = next((at for at, source in enumerate(sources, 1) if source == own), None)
    return f"{own.text.strip()} [{number}]" if number is not None and own.text.strip() else None
