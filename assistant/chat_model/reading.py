"""LangChain's messages as the engine takes them: turns, pictures, and what tools gave.

Pictures come as image ids (``{"type": "image", "file_id": …}``), as base64 or as data URIs, in
LangChain's own blocks of today and before, and in OpenAI's. Nothing is fetched from an address: a
server that did would fetch whatever a stranger names.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from assistant.desk_prompts import Exchange, Step, photo
from assistant.errors import InputError
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings, get_settings
from assistant.sources import Source

LoadImage = Callable[[str], LoadedImage]
"""Gives the picture of an image id."""

MOST_PICTURES: Final = 32
MOST_SOURCES: Final = 12

_ID: Final = re.compile(r"[0-9a-f]{8,64}")
_MARKS: Final = re.compile(r"\s*\[\d{1,3}\](?:\s*\[\d{1,3}\])*")
_SUMMARY: Final = "lc_source"


@dataclass(frozen=True)
class Said:
    """A message as text and the ids of its pictures, in order."""

    role: str
    text: str
    images: tuple[str, ...] = ()
    message: BaseMessage | None = field(default=None, compare=False, repr=False)


@dataclass
class Read:
    """A conversation.

    Attributes:
        said: its messages.
        photos: image ids in the order in which they came, each once; the first is ``photo 1``.
        loaded: pictures that came with the messages as bytes, by id.
    """

    said: list[Said] = field(default_factory=list)
    photos: list[str] = field(default_factory=list)
    loaded: dict[str, LoadedImage] = field(default_factory=dict)

    def number(self, image: str) -> int | None:
        """The number of a photo that is named by its id or a prefix of at least 8 digits."""
        if not _ID.fullmatch(image):
            return None
        found = [at for at, known in enumerate(self.photos, 1) if known.startswith(image)]
        return found[0] if len(found) == 1 else None


def read(messages: Sequence[BaseMessage], settings: Settings | None = None) -> Read:
    """Read messages.

    Raises:
        InputError: a block that cannot be used, such as the address of a picture or a sound.
        ImageError: bytes that are no picture.
    """
    found = Read()
    for message in messages:
        texts: list[str] = []
        images: list[str] = []
        for block in _blocks(message):
            kind = block.get("type")
            if kind == "text":
                texts.append(str(block.get("text", "")))
            elif kind == "image":
                images.append(_image(block, found, settings))
            elif not isinstance(message, AIMessage):
                raise InputError(
                    f"A message holds {_a(kind)}, which this model does not take; give text and "
                    "pictures."
                )
        for image in images:
            if image not in found.photos:
                found.photos.append(image)
        if len(found.photos) > MOST_PICTURES:
            raise InputError(
                f"There are more than {MOST_PICTURES} pictures in the conversation; start a new "
                "one."
            )
        found.said.append(Said(_role(message), "\n".join(texts), tuple(images), message))
    return found


def exchanges(conversation: Read) -> list[Exchange]:
    """The conversation as the desk's prompt shows it: questions, steps, and what was said."""
    found: list[Exchange] = []
    results = {
        said.message.tool_call_id: said.text
        for said in conversation.said
        if isinstance(said.message, ToolMessage)
    }
    for said in conversation.said:
        message = said.message
        if said.role == "user":
            if message is not None and message.additional_kwargs.get(_SUMMARY) == "summarization":
                continue
            numbers = tuple(conversation.photos.index(image) + 1 for image in said.images)
            found.append(Exchange(said.text, numbers))
        elif isinstance(message, AIMessage) and found:
            last = found[-1]
            steps = tuple(
                Step(
                    call["name"],
                    _aliased(call["args"], conversation),
                    results.get(call["id"] or ""),
                )
                for call in message.tool_calls
            )
            words = _MARKS.sub("", said.text).strip()
            found[-1] = Exchange(
                last.text,
                last.photos,
                last.steps + steps,
                last.said if steps or not words else words,
            )
    return found


def turn_messages(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """The messages behind the last question."""
    found: list[BaseMessage] = []
    for message in messages:
        found = [] if isinstance(message, HumanMessage) else [*found, message]
    return found


def turn_sources(messages: Sequence[BaseMessage]) -> list[Source]:
    """What the tools of this turn gave that can be cited, each once, in the order it came.

    This order makes the numbers of the sources, for the model and for whoever checks its answer.
    """
    found: dict[tuple[str, str, str], Source] = {}
    for message in turn_messages(messages):
        if not isinstance(message, ToolMessage) or not isinstance(message.artifact, dict):
            continue
        for value in message.artifact.get("sources") or ():
            source = Source.from_dict(value)
            tool = source.origin if source.kind == "image" else ""
            found.setdefault((source.kind, source.id, tool), source)
    return list(found.values())[:MOST_SOURCES]


def question_of(messages: Sequence[BaseMessage]) -> str:
    """The text of the last question."""
    for message in reversed(messages):
        if isinstance(message, HumanMessage):
            return text_of(message)
    return ""


def resolved_question(messages: Sequence[BaseMessage]) -> str:
    """The last question, with what it is about before it where a search put it so.

    Of "and how heavy is it?" a search makes "Golden Delicious: and how heavy is it?".
    """
    question = " ".join(question_of(messages).split())
    for message in reversed(turn_messages(messages)):
        for call in message.tool_calls if isinstance(message, AIMessage) else ():
            query = " ".join(str(call["args"].get("query", "")).split())
            if question and query.lower().endswith(f": {question.lower()}"):
                return query
    return question


def text_of(message: BaseMessage) -> str:
    """The text of a message, without its other blocks."""
    return "\n".join(
        str(block.get("text", "")) for block in _blocks(message) if block.get("type") == "text"
    )


def image_ids(messages: Sequence[BaseMessage]) -> list[str]:
    """Ids of the pictures of a conversation that names them by id, in order, each once."""
    found = dict.fromkeys(
        block["file_id"]
        for message in messages
        if isinstance(message, HumanMessage) and isinstance(message.content, list)
        for block in message.content
        if isinstance(block, dict) and block.get("type") == "image" and block.get("file_id")
    )
    return [str(image) for image in found]


def _aliased(value: Any, conversation: Read) -> Any:
    """Arguments with photos called as the model calls them."""
    if isinstance(value, dict):
        return {name: _aliased(part, conversation) for name, part in value.items()}
    if isinstance(value, list):
        return [_aliased(part, conversation) for part in value]
    if isinstance(value, str) and (number := conversation.number(value)) is not None:
        return photo(number)
    return value


def unaliased(value: Any, names: set[str], photos: Sequence[str]) -> Any:
    """Arguments with image ids in place of what the model calls the photos.

    Args:
        names: of the arguments that name pictures.
    """
    ids = {photo(number): image for number, image in enumerate(photos, 1)}

    def of(part: Any) -> Any:
        if isinstance(part, list):
            return [of(each) for each in part]
        return ids.get(part, part) if isinstance(part, str) else part

    return {name: of(part) if name in names else part for name, part in value.items()}


def _role(message: BaseMessage) -> str:
    if isinstance(message, SystemMessage):
        return "system"
    if isinstance(message, AIMessage):
        return "assistant"
    if isinstance(message, ToolMessage):
        return "tool"
    role = getattr(message, "role", "user")
    return role if role in ("system", "assistant", "tool") else "user"


def _blocks(message: BaseMessage) -> list[dict[str, Any]]:
    if isinstance(message.content, str):
        return [{"type": "text", "text": message.content}] if message.content else []
    return [dict(block) for block in message.content_blocks]


def _image(block: dict[str, Any], found: Read, settings: Settings | None) -> str:
    """The id of a picture, which is opened where its bytes are given."""
    if block.get("file_id"):
        return str(block["file_id"])
    data, url = block.get("base64"), str(block.get("url") or "")
    if not data and url.startswith("data:"):
        head, _, data = url.partition(",")
        if not head.endswith(";base64"):
            raise InputError("A data URI of a picture is not in base64; encode it so.")
    if not data:
        raise InputError(
            "Pictures are not fetched from an address; give an image id, base64 or a data URI."
        )
    # Four signs stand for three bytes.
    limit = (settings or get_settings()).max_image_bytes
    if len(data) > limit * 4 / 3 + 4:
        raise InputError(f"A picture has more than {limit:,} bytes; give a smaller one.")
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("A picture is not valid base64; encode it again.") from error
    image = open_image(raw, settings=settings)
    found.loaded[image.id] = image
    return image.id


def _a(kind: Any) -> str:
    return f"a block of type {str(kind)[:40]!r}"
