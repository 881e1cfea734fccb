"""What a model says is released sentence by sentence, each once its sources carry it.

This stands innermost around the model: it reads the model's stream itself, so that no word of it
reaches anybody unchecked, neither a reader nor the conversation that is kept.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langgraph.errors import GraphBubbleUp

from assistant.agent.state import ABOUT, UNKNOWN, DeskState, Turn, answer_message
from assistant.agent.tools import repeats
from assistant.chat_model.desk_form import shown_words
from assistant.chat_model.reading import (
    question_of,
    resolved_question,
    turn_messages,
    turn_sources,
)
from assistant.errors import SightdeskError
from assistant.grounding import check, is_off_topic, sentences, without_marks
from assistant.languages import say
from assistant.prompts import CANT_TELL
from assistant.sources import Source

TRIES: Final = 3
WAIT_S: Final = 0.5
MOST_CHARS: Final = 8_000
"""Of an answer; what a broken server sends beyond is not read."""

_POLITE: Final = re.compile(
    r"\W*(hello|hi|hey|welcome|good (morning|day|afternoon|evening)|thank|thanks|you('|’)re welcome"
    r"|you are welcome|sorry|i('|’)m sorry|please|sure|of course|certainly|goodbye|bye|have a"
    r"|glad|happy to|i can help|i('|’)d be|nice to|no problem|great|okay|ok\b|let me|one moment"
    r"|i see no (photo|picture)|you can also send me a (photo|picture)|which product do you mean"
    r"|is there anything|what can i do|what is it about|i am an assistant|i am here|all right"
    r"|yes, gladly|i look at photos|come back any time|fine, thank"
    r"|hola|gracias|de nada|por favor|hallo|guten|danke|gern|bitte|bonjour|merci|avec plaisir"
    r"|de rien|s('|’)il vous|您好|你好|谢谢|不客气|请)",
    re.IGNORECASE,
)
_QUESTION: Final = re.compile(r"[?\uff1f][\"'»”’)\]]*\s*$")
_LOOKS_UP: Final = "search_knowledge"
_QUERY: Final = 500
_NUMBER: Final = re.compile(r"\d")
_LOG = logging.getLogger(__name__)


@dataclass
class Release:
    """The sentences of one answer on their way out.

    Args:
        emit: is given the text of each with its marks, and the new citations.

    Attributes:
        silent: nothing is emitted: the reader has the words from elsewhere.
        sure: sentences need not have the words of the question.
        cut: the text ends within a sentence, which is left out.
    """

    sources: Sequence[Source]
    question: str
    emit: Callable[[str, Sequence[Source]], None]
    citations: list[Source] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    dropped: int = 0
    held: list[str] = field(default_factory=list)
    silent: bool = False
    sure: bool = False
    cut: bool = False
    _text: str = ""
    _done: int = 0

    def add(self, text: str) -> None:
        """Take some words; sentences that are whole are judged."""
        self._text = (self._text + text)[:MOST_CHARS]
        found = sentences(self._text)
        for sentence in found[self._done : len(found) - 1]:
            self._judge(sentence)
            self._done += 1

    def end(self) -> None:
        """Judge what is left."""
        for sentence in [] if self.cut else sentences(self._text)[self._done :]:
            self._judge(sentence)
            self._done += 1
        if not self.citations and self.dropped:
            self.held.clear()  # politeness around nothing
        self._give_held()

    @property
    def text(self) -> str:
        """All that was released."""
        return " ".join(self.kept)

    def _judge(self, sentence: str) -> None:
        plain = without_marks(sentence)
        if not plain or UNKNOWN.match(plain):
            return
        if is_off_topic(plain, self.question):
            self.dropped += 1
            _LOG.info("Dropped a sentence: it tells something else than was asked for")
            return
        support = check(sentence, self.sources, self.question)
        if not support.supported and plain != sentence:
            # A wrong number does not make a sentence wrong that another source carries.
            support = check(plain, self.sources, self.question)
        labels = {source.label for source in self.sources if source.label}
        if not support.supported and self.sure and labels.isdisjoint(support.missing):
            # The model has no doubt that this answers: it may say so in other words, but not of
            # another product than was asked about.
            support = check(sentence, self.sources)
        if support.supported and support.source is not None:
            self._give_held()
            self._give(plain, self._cited(support.source))
        elif support.supported or is_polite(plain):
            self.held.append(plain)
        else:
            self.dropped += 1
            _LOG.info("Dropped a sentence: %s is in no source", ", ".join(support.missing)[:200])

    def _cited(self, place: int) -> list[Source]:
        """The source of a sentence, and the photo that says which product it is about."""
        source = self.sources[place]
        found = [source]
        if source.kind == "passage" and source.label:
            found += [
                other
                for other in self.sources
                if other.kind == "image"
                and other.label == source.label
                and other.origin == "label_image"
            ][:1]
        return found

    def _give_held(self) -> None:
        for sentence in self.held:
            self._give(sentence, ())
        self.held.clear()

    def _give(self, sentence: str, cited: Sequence[Source]) -> None:
        new = [source for source in cited if source not in self.citations]
        self.citations += new
        numbers = "".join(f"[{self.citations.index(source) + 1}]" for source in cited)
        text = f"{sentence} {numbers}" if numbers else sentence
        self.kept.append(text)
        if not self.silent:
            self.emit(text, new)


class Grounded(AgentMiddleware[DeskState, Turn, Any]):
    """Asks the model, again where it fails, and lets through what its sources carry."""

    state_schema = DeskState

    def __init__(self, *, wait_s: float = WAIT_S) -> None:
        super().__init__()
        self._wait_s = wait_s

    def wrap_model_call(
        self,
        request: ModelRequest[Turn],
        handler: Callable[[ModelRequest[Turn]], ModelResponse[Any]],
    ) -> ModelResponse[Any]:
        """A tool call as the model wrote it, or the checked answer."""
        if request.response_format is not None:
            return handler(request)
        # What is checked against is the conversation's own, whatever the model was sent.
        messages = request.state["messages"]
        language = str(request.state.get("language", "en"))
        turn: Turn = request.runtime.context
        write = request.runtime.stream_writer
        sources = turn_sources(messages)
        question = resolved_question(messages)
        shown = shown_words(messages, sources, question_of(messages))

        def emit(text: str, new: Sequence[Source]) -> None:
            cited = [source.to_dict() for source in new]
            write({"sentence": {"text": text, "citations": cited}})

        release = Release(sources, question, emit)
        began = time.perf_counter()
        answer = self._asked(request, release, shown, turn)
        write({"model": {"seconds": time.perf_counter() - began}})
        if answer is not None and answer.tool_calls:
            return ModelResponse(result=[_as_call(answer)])
        if answer is None and not release.kept:
            if turn.cancelled.is_set():
                told = answer_message("", "abstained")
                told.additional_kwargs[ABOUT]["counts"] = False
                return ModelResponse(result=[told])
            return self._said(say("failed", language), "abstained", emit, failed=True)
        release.end()
        if shown is not None and answer is not None and answer.text.strip() == shown:
            return ModelResponse(result=[_from_picture(shown, sources, language)])
        if not release.kept or (not release.citations and release.dropped):
            if not release.kept and _may_look_up(request, messages):
                return ModelResponse(result=[_look_up(question)])
            return self._said(say("unknown", language), "abstained", emit)
        if release.dropped and _only_named(release.citations, sources):
            # What the photo shows was said, and what was asked about it was not.
            unknown = say("unknown", language)
            emit(unknown, ())
            text = f"{release.text} {unknown}"
            told = answer_message(text, "abstained", citations=release.citations)
            return ModelResponse(result=[told])
        told = answer_message(release.text, "answered", citations=release.citations)
        return ModelResponse(result=[told])

    def _said(
        self, text: str, outcome: Any, emit: Callable[..., None], *, failed: bool = False
    ) -> ModelResponse[Any]:
        emit(text, ())
        return ModelResponse(result=[answer_message(text, outcome, failed=failed)])

    def _asked(
        self, request: ModelRequest[Turn], release: Release, shown: str | None, turn: Turn
    ) -> AIMessage | None:
        """The model's message; None where it failed, or nobody reads it any more."""
        for attempt in range(TRIES):
            if turn.cancelled.is_set():
                return None
            if attempt:
                turn.cancelled.wait(self._wait_s * 2 ** (attempt - 1))
            try:
                message = self._streamed(request, release, shown, turn)
            except (GraphBubbleUp, SightdeskError):
                raise
            except Exception:  # each provider's client has its own
                _LOG.warning("The model could not be asked", exc_info=True)
                if release.kept:
                    release.cut = True
                    return None
                release = _anew(release)
                continue
            if message is not None and not message.tool_calls and not message.text.strip():
                _LOG.warning("The model said nothing: %s", message.invalid_tool_calls or "empty")
                continue
            return message
        return None

    def _streamed(
        self, request: ModelRequest[Turn], release: Release, shown: str | None, turn: Turn
    ) -> AIMessage | None:
        messages: list[BaseMessage] = list(request.messages)
        if request.system_message is not None:
            messages = [request.system_message, *messages]
        whole: AIMessageChunk | None = None
        size = 0
        with closing(_stream(_bound(request), messages)) as chunks:
            for chunk in chunks:
                if turn.cancelled.is_set():
                    release.cut = True
                    break
                whole = chunk if whole is None else whole + chunk
                text = chunk.text
                size += len(text)
                release.sure |= chunk.response_metadata.get("sure") is True
                if text == shown:  # a tool has said it word by word already
                    release.silent = True
                # What comes beside a call is not said to the customer.
                if text and not whole.tool_call_chunks and not release.silent:
                    release.add(text)
                if size > MOST_CHARS:
                    release.cut = True
                    break
        if whole is None:
            return None
        if whole.response_metadata.get("finish_reason") == "length":
            release.cut = True
        return AIMessage(
            content=whole.text,
            tool_calls=whole.tool_calls,
            invalid_tool_calls=whole.invalid_tool_calls,
            response_metadata=whole.response_metadata,
            usage_metadata=whole.usage_metadata,
            id=whole.id,
        )


def is_polite(sentence: str) -> bool:
    """Whether it claims nothing: a question back, a greeting, thanks."""
    if _QUESTION.search(sentence):
        return True
    return _POLITE.match(sentence) is not None and _NUMBER.search(sentence) is None


def _stream(model: Any, messages: Sequence[BaseMessage]) -> Generator[AIMessageChunk, None, None]:
    yield from model.stream(messages)


def _bound(request: ModelRequest[Turn]) -> Any:
    """The model with its tools; without a choice of them where it goes round in circles."""
    model: BaseChatModel = request.model
    if not request.tools:
        return model
    choice = request.tool_choice
    if repeats(request.state["messages"]):
        choice = "none"
    options = dict(request.model_settings)
    if choice is not None:
        options["tool_choice"] = choice
    return model.bind_tools(request.tools, **options)


def _as_call(message: AIMessage) -> AIMessage:
    """A call alone: what a model says beside it was not checked."""
    return AIMessage(
        content="",
        tool_calls=message.tool_calls,
        response_metadata=message.response_metadata,
        usage_metadata=message.usage_metadata,
        id=message.id,
    )


def _from_picture(shown: str, sources: Sequence[Source], language: str) -> AIMessage:
    """A tool's own words about a picture as the answer, citing the picture."""
    text = without_marks(shown)
    if text.strip() == CANT_TELL:
        return answer_message(say("unknown", language), "abstained")
    source = next(source for source in reversed(sources) if source.text.strip() == text.strip())
    return answer_message(f"{text} [1]", "answered", citations=[source])


def _only_named(cited: Sequence[Source], sources: Sequence[Source]) -> bool:
    """Whether nothing but a photo's label is cited, though passages were found as well."""
    named = all(source.origin == "label_image" for source in cited)
    return named and any(source.kind == "passage" for source in sources)


def _may_look_up(request: ModelRequest[Turn], messages: Sequence[BaseMessage]) -> bool:
    """Whether a model that knows no answer has not looked for one in this turn."""
    if any(message.type == "tool" for message in turn_messages(messages)):
        return False
    return any(getattr(tool, "name", "") == _LOOKS_UP for tool in request.tools)


def _look_up(question: str) -> AIMessage:
    call = {"name": _LOOKS_UP, "args": {"query": question[:_QUERY]}, "id": f"call_{uuid4().hex}"}
    return AIMessage(content="", tool_calls=[{**call, "type": "tool_call"}])


def _anew(release: Release) -> Release:
    release.held.clear()
    release.dropped, release._text, release._done = 0, "", 0
    return release
