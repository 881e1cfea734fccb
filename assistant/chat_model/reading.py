"""LangChain's messages as the engine takes them: turns, pictures, and what tools gave.

Pictures come as image ids (``{"type": "image", "file_id": …}``), as base64 or as data URIs, in all
shapes that `assistant.chat_model.blocks` knows; files become text. An address is fetched by
`assistant.fetching` and only where the settings allow it: a server that fetched whatever a stranger
names would be the stranger's eye in its network.
"""

from __future__ import annotations

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

from assistant.chat_model.blocks import Block, blocks_of, decoded
from assistant.chat_model.documents import read_file
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
    settings = settings or get_settings()
    for message in messages:
        texts: list[str] = []
        images: list[str] = []
        for block in blocks_of(message):
            if block.kind == "text":
                texts.append(block.text)
            elif block.kind == "image":
                images.append(_image(block, found, settings))
            elif isinstance(message, AIMessage):
                continue  # thoughts, and calls, which its `tool_calls` hold
            elif block.kind == "file":
                text, scans = _file(block, settings)
                texts.append(text)
                images += [_kept(page, found) for page in scans]
            else:
                raise InputError(
                    f"A message holds a block of type {block.kind[:40]!r}, which this model does "
                    "not take; give text, pictures and documents."
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
        if not isinstance(message, ToolMessage):
            continue
        for source in _sources(message):
            tool = source.origin if source.kind == "image" else ""
            found.setdefault((source.kind, source.id, tool), source)
    return list(found.values())[:MOST_SOURCES]


def _sources(message: ToolMessage) -> list[Source]:
    """What a tool says that it rests on; the words themselves of a tool that says nothing of it."""
    artifact = message.artifact
    if isinstance(artifact, dict) and "sources" in artifact:
        return [Source.from_dict(value) for value in artifact["sources"] or ()]
    text = _MARKS.sub("", text_of(message)).strip()
    if not text or message.status == "error":
        return []
    name = str(message.name or "tool")
    return [Source("passage", f"{name}:{message.tool_call_id}", name, text, origin=name)]


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
    return "\n".join(block.text for block in blocks_of(message) if block.kind == "text")


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


def _image(block: Block, found: Read, settings: Settings) -> str:
    """The id of a picture, which is opened where its bytes are given or can be fetched."""
    if block.id:
        return block.id
    if block.data:
        data = decoded(block, settings.max_image_bytes, "A picture")
    elif block.url:
        from assistant.fetching import fetch_picture

        data = fetch_picture(block.url, settings)
    else:
        raise InputError("A picture has neither bytes nor a name; give base64 or an image id.")
    return _kept(open_image(data, settings=settings), found)


def _file(block: Block, settings: Settings) -> tuple[str, list[LoadedImage]]:
    """What a document says, and its scanned pages."""
    if not block.data:
        raise InputError("Files are not fetched and have no ids here; give a file in base64.")
    data = decoded(block, settings.max_document_bytes, "A file")
    return read_file(data, block.name, settings)


def _kept(image: LoadedImage, found: Read) -> str:
    found.loaded[image.id] = image
    return image.id
