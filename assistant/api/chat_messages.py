"""OpenAI's messages as LangChain's, with the pictures opened."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from langchain_core import messages as lc

from assistant.api import chat_request as given
from assistant.api.errors import ApiError
from assistant.api.pictures import Open
from assistant.chat_model.reading import MOST_PICTURES
from assistant.images import LoadedImage
from assistant.prompts import DESCRIBE
from assistant.sources import Source
from assistant.tools.clean import as_data

GO_ON: Final = "Go on."
"""Is asked where the last word was the assistant's own."""

RESULT_CHARS: Final = 6_000
"""Characters of a tool's result that are read."""


@dataclass
class Conversation:
    """A conversation and the pictures that were shown in it, by id."""

    messages: list[lc.BaseMessage] = field(default_factory=list)
    pictures: dict[str, LoadedImage] = field(default_factory=dict)

    def load(self, id: str) -> LoadedImage:
        """A picture of this conversation."""
        return self.pictures[id]


def converted(messages: Sequence[Any], open_picture: Open) -> Conversation:
    """A request's messages.

    Raises:
        ApiError: too many pictures, one that cannot be opened, or a tool's result without a call.
    """
    _check_count(messages)
    found = Conversation()
    names: dict[str, str] = {}
    for place, message in enumerate(messages):
        where = f"messages.{place}"
        if isinstance(message, given.SystemMessage):
            found.messages.append(lc.SystemMessage(_text(message.content, where)))
        elif isinstance(message, given.UserMessage):
            found.messages.append(_asked(message, where, found, open_picture))
        elif isinstance(message, given.AssistantMessage):
            calls = [_call(call) for call in message.tool_calls or ()]
            names |= {str(call["id"]): str(call["name"]) for call in calls}
            text = _text(message.content or "", where)
            if text or calls:
                found.messages.append(lc.AIMessage(content=text, tool_calls=calls))
        else:
            name = names.get(message.tool_call_id)
            if name is None:
                raise ApiError(
                    400,
                    "A message of a tool answers no call of a message before it; put the "
                    "assistant's message with its tool_calls there.",
                    param=f"{where}.tool_call_id",
                    code="invalid_value",
                )
            found.messages.append(_result(message, name, where))
    if found.messages and isinstance(found.messages[-1], lc.AIMessage):
        found.messages.append(lc.HumanMessage(GO_ON))
    return found


def _check_count(messages: Sequence[Any]) -> None:
    """Before any is opened: each takes time and memory."""
    count = sum(
        1
        for message in messages
        for part in (message.content if isinstance(message.content, list) else ())
        if isinstance(part, given.ImagePart | given.FilePart | given.ImageFilePart)
    )
    if count > MOST_PICTURES:
        raise ApiError(
            400,
            f"There are {count} pictures in the messages; send {MOST_PICTURES} at most.",
            param="messages",
            code="too_many_images",
        )


def _asked(
    message: given.UserMessage, where: str, found: Conversation, open_picture: Open
) -> lc.HumanMessage:
    if isinstance(message.content, str):
        return lc.HumanMessage(message.content)
    blocks: list[str | dict[str, Any]] = []
    for place, part in enumerate(message.content):
        at = f"{where}.content.{place}"
        if isinstance(part, given.TextPart):
            blocks.append({"type": "text", "text": part.text})
        elif isinstance(part, given.RefusalPart):
            raise _misplaced(part.type, at)
        else:
            name, param = _named(part, at)
            picture = open_picture(name, param)
            found.pictures[picture.id] = picture
            blocks.append({"type": "image", "file_id": picture.id})
    shows = any(isinstance(block, dict) and block["type"] == "image" for block in blocks)
    says = any(isinstance(block, dict) and str(block.get("text", "")).strip() for block in blocks)
    if shows and not says:
        blocks.append({"type": "text", "text": DESCRIBE["sentence"]})
    return lc.HumanMessage(content=blocks)


def _named(part: Any, at: str) -> tuple[str, str]:
    if isinstance(part, given.ImagePart):
        return part.image_url.url, f"{at}.image_url.url"
    if isinstance(part, given.FilePart):
        return part.file.file_id, f"{at}.file.file_id"
    return part.image_file.file_id, f"{at}.image_file.file_id"


def _text(content: str | Sequence[Any], where: str) -> str:
    """The words of a message that shows no pictures."""
    if isinstance(content, str):
        return content
    texts = []
    for place, part in enumerate(content):
        if isinstance(part, given.TextPart):
            texts.append(part.text)
        elif isinstance(part, given.RefusalPart):
            texts.append(part.refusal)
        else:
            raise _misplaced(part.type, f"{where}.content.{place}")
    return "\n".join(texts)


def _misplaced(kind: str, param: str) -> ApiError:
    return ApiError(
        400,
        f"A part of type {kind!r} cannot stand in a message of this role; pictures stand in those "
        "of the user.",
        param=param,
        code="invalid_value",
    )


def _call(call: given.ToolCall) -> lc.ToolCall:
    try:
        arguments = json.loads(call.function.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        # Somebody's model wrote it; it is shown as it was.
        arguments = {"arguments": call.function.arguments}
    return lc.ToolCall(name=call.function.name, args=arguments, id=call.id, type="tool_call")


def _result(message: given.ToolMessage, name: str, where: str) -> lc.ToolMessage:
    """What a tool of the client's gave, as something that can be answered from."""
    text = as_data(_text(message.content, where), RESULT_CHARS)
    source = Source("passage", f"{name}:{message.tool_call_id}", name, text, origin=name)
    return lc.ToolMessage(
        content=text,
        name=name,
        tool_call_id=message.tool_call_id,
        artifact={"sources": [source.to_dict()] if text else []},
    )
