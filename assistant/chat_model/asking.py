"""How an engine is asked for the next message: at the desk, or by the model's own chat template."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import BaseMessage

from assistant.chat_model import grammars, leaning, plain_form
from assistant.chat_model.desk_form import DeskForm, Told
from assistant.chat_model.grammars import ToolSpec
from assistant.chat_model.reading import Read, unaliased
from assistant.chat_model.writing import Written
from assistant.engine.constrained import Constraint
from assistant.engine.values import Sampling, Turn
from assistant.errors import InputError
from assistant.images import LoadedImage
from assistant.prompts import DESCRIBE
from assistant.settings import Settings


class TooLongError(InputError, ContextOverflowError):
    """A conversation is longer than the model reads; LangChain's middleware shortens it."""


@dataclass(frozen=True)
class Request:
    """What is asked of a model.

    Attributes:
        messages: the conversation as LangChain has it.
        conversation: the same as it was read.
        tools: that may be called.
        choice: ``auto``, ``any``, ``none``, or the name of the tool that must be called.
        schema: JSON schema that words must follow; None: any words.
        sampling: how the answer is drawn.
    """

    messages: Sequence[BaseMessage]
    conversation: Read
    tools: tuple[ToolSpec, ...]
    choice: str
    schema: Mapping[str, Any] | None
    sampling: Sampling

    @property
    def callable_tools(self) -> tuple[ToolSpec, ...]:
        """The tools that the choice leaves."""
        if self.choice == "none":
            return ()
        if self.choice in ("auto", "any"):
            return self.tools
        return tuple(spec for spec in self.tools if spec.name == self.choice)


def at_the_desk(
    request: Request, form: DeskForm, written: Written, settings: Settings
) -> Iterator[str]:
    """The next step in the form that the embedded base was trained to run a desk in."""
    told = Told()
    messages, conversation, tools = request.messages, request.conversation, request.tools
    choice = leaning.meant(messages, conversation, tools, request.choice, form, settings)
    for piece in form.step(messages, conversation, tools, told, choice=choice):
        written.sure = told.sure and not written.text
        written.text += piece
        yield piece
    written.answers = told.answers
    written.about = {"form": told.form, "doubt": told.doubt}
    if told.call is not None:
        written.calls.append((told.call.name, told.call.arguments))
    if told.broken is not None:
        written.broken.append(told.broken)


def by_template(
    request: Request,
    engine: Any,
    pictures: Callable[[], Mapping[str, LoadedImage]],
    written: Written,
    *,
    tenant: str,
    adapter: str | None,
    room: int | None = None,
) -> Iterator[str]:
    """The next message by the model's own chat template.

    Args:
        pictures: gives those of the conversation by what its messages call them.
        room: tokens that the model reads at once, where that is known.

    Raises:
        TooLongError: the conversation has more.
    """
    tools, photos = request.callable_tools, request.conversation.photos
    names = tuple(f"photo {number}" for number in range(1, len(photos) + 1))
    constraint = _constraint(request, tools, names)
    turns, images = _prompt(request, engine, pictures, tenant, adapter)
    _check_room(turns, images, engine, room)
    held = ""
    with engine.stream(
        turns,
        images,
        sampling=request.sampling,
        tenant=tenant,
        adapter=adapter,
        constraint=constraint,
    ) as stream:
        for piece in stream:
            written.text += piece
            # What may become a call is none of the reader's business.
            held += piece
            start = written.text[: len(plain_form.OPEN)]
            if tools and plain_form.OPEN.startswith(start):
                continue
            yield held
            held = ""
    if stream.answer is not None:
        written.answers.append(stream.answer)
    call = plain_form.called(written.text) if tools else None
    if call is not None:
        name, arguments = call
        spec = next((spec for spec in tools if spec.name == name), None)
        named = spec.images() if spec is not None else set()
        known = arguments if isinstance(arguments, dict) else {}
        written.calls.append((name, unaliased(known, named, photos)))
        written.text = ""
    elif tools and written.text.startswith(plain_form.OPEN):
        written.broken.append(written.text)
        written.text = ""
    elif held:
        yield held


def length(
    request: Request,
    engine: Any,
    pictures: Callable[[], Mapping[str, LoadedImage]],
    *,
    tenant: str,
    adapter: str | None,
) -> int:
    """Tokens of the prompt that `by_template` would send."""
    turns, images = _prompt(request, engine, pictures, tenant, adapter)
    return _length(turns, images, engine)


def _prompt(
    request: Request,
    engine: Any,
    pictures: Callable[[], Mapping[str, LoadedImage]],
    tenant: str,
    adapter: str | None,
) -> tuple[list[Turn], Sequence[Any]]:
    """The turns, and the encoded pictures that they show."""
    turns = _asked(plain_form.turns_of(request.conversation, request.callable_tools))
    opened = pictures()
    images = engine.encode_images(list(opened.values()), tenant=tenant, adapter=adapter)
    # A message may name a picture by another id than that of its pixels.
    return [
        replace(turn, images=tuple(opened[id].id for id in turn.images)) for turn in turns
    ], images


def _check_room(
    turns: Sequence[Turn], images: Sequence[Any], engine: Any, room: int | None
) -> None:
    # A token has one character at least, and words have some four.
    if room is None or sum(len(turn.text) for turn in turns) + 64 * len(images) < room:
        return
    found = _length(turns, images, engine)
    if found > room:
        raise TooLongError(
            f"The conversation has {found:,} tokens and the model reads {room:,}; shorten it or "
            "start a new one."
        )


def _length(turns: Sequence[Turn], images: Sequence[Any], engine: Any) -> int:
    builder = getattr(engine, "prompts", None)
    if builder is None:  # it runs elsewhere, where nobody here counts
        return sum(-(-len(turn.text) // 4) for turn in turns)
    return len(builder.build(turns, images))


def _constraint(
    request: Request, tools: tuple[ToolSpec, ...], photos: tuple[str, ...]
) -> Constraint | None:
    if not tools:
        return grammars.json_object(request.schema) if request.schema is not None else None
    schema = json.dumps(request.schema) if request.schema is not None else None
    return grammars.hermes(tools, photos, must=request.choice != "auto", schema=schema)


def _asked(turns: list[Turn]) -> list[Turn]:
    """The turns; a picture that came without a word is to be described."""
    if turns and turns[-1].images and not turns[-1].text.strip():
        turns[-1] = replace(turns[-1], text=DESCRIBE["sentence"])
    return turns
