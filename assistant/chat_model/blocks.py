"""Content blocks of a message, in every shape that is about, as text, pictures and files.

    LangChain v1      {"type": "image", "base64" | "url" | "file_id": …}, the same of "file"
    LangChain v0      {"type": "image", "source_type": "base64" | "url" | "id", "data" | "url" | …}
    OpenAI            {"type": "image_url", "image_url": "…" | {"url": …}}, "input_image",
                      {"type": "file", "file": {"file_data": …}}, "input_file"
    Anthropic         {"type": "image" | "document", "source": {"type": "base64" | "url" | "file"}}

Whatever is left (Gemini's and Bedrock's) is read as LangChain does.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from langchain_core.messages import BaseMessage, HumanMessage

from assistant.errors import InputError

_TEXTS: Final = ("text", "input_text", "output_text", "text-plain")
_PICTURES: Final = ("image", "image_url", "input_image")
_FILES: Final = ("file", "input_file", "document")
_DEEPEST: Final = 3  # blocks within blocks


@dataclass(frozen=True)
class Block:
    """A piece of a message.

    Attributes:
        kind: ``text``, ``image``, ``file``, or what the message calls it where it is none of these.
        text: of a text.
        id: of a picture that is named.
        data: of a picture or a file, in base64; what a data URI holds is here too.
        url: where it is fetched from.
        name: of a file.
    """

    kind: str
    text: str = ""
    id: str = ""
    data: str | bytes = ""
    url: str = ""
    name: str = ""


def blocks_of(message: BaseMessage) -> list[Block]:
    """The content of a message, piece by piece.

    Raises:
        InputError: a data URI that is not in base64.
    """
    if isinstance(message.content, str):
        return [Block("text", message.content)] if message.content else []
    return [
        Block("text", part) if isinstance(part, str) else _block(part) for part in message.content
    ]


def image_block(picture: str | Path | bytes, *, mime_type: str | None = None) -> dict[str, str]:
    """A picture as a content block of a message: ``{"type": "image", "base64": …}``.

    Args:
        picture: a file, or the bytes of one.
        mime_type: by default what the file's name says; models here look at the bytes.

    Raises:
        InputError: there is no such file, or it cannot be read.
    """
    name = ""
    if not isinstance(picture, bytes):
        path = Path(picture).expanduser()
        try:
            picture, name = path.read_bytes(), path.name
        except OSError as error:
            raise InputError(
                f"{path} cannot be read ({error.strerror}); give the path of a picture."
            ) from error
    return {
        "type": "image",
        "base64": base64.b64encode(picture).decode("ascii"),
        "mime_type": mime_type or mimetypes.guess_type(name)[0] or "image/jpeg",
    }


def decoded(block: Block, limit: int, what: str) -> bytes:
    """The bytes of a block's base64.

    Args:
        limit: bytes that it may have.
        what: it is, for messages: ``A picture``.

    Raises:
        InputError: it has more, or is not valid base64.
    """
    # Four signs stand for three bytes.
    if len(block.data) > limit * 4 / 3 + 4:
        raise InputError(f"{what} has more than {limit:,} bytes; give a smaller one.")
    try:
        return base64.b64decode(block.data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{what} is not valid base64; encode it again.") from error


def _block(part: Mapping[str, Any], depth: int = 0) -> Block:
    kind = str(part.get("type") or "")
    if kind in _TEXTS:
        return Block("text", str(part.get("text") or ""))
    if kind == "non_standard" and isinstance(part.get("value"), Mapping) and depth < _DEEPEST:
        return _block(part["value"], depth + 1)
    if kind in _PICTURES:
        return _given("image", part)
    if kind in _FILES:
        return _given("file", part)
    if depth < _DEEPEST:
        # LangChain knows the shapes of more providers; what it does not know stays as it is.
        (read,) = HumanMessage([dict(part)]).content_blocks
        if read.get("type") in ("text", "image", "file"):
            return _block(read, depth + 1)
    return Block(kind or "unknown")


def _given(kind: Literal["image", "file"], part: Mapping[str, Any]) -> Block:
    """A picture or a file, wherever the block keeps it."""
    inner = part.get("image_url") or part.get("file") or part.get("source") or {}
    fields = {**part, **inner} if isinstance(inner, Mapping) else {**part, "url": inner}
    name = str(fields.get("filename") or fields.get("title") or "")
    named = str(fields.get("file_id") or "")
    if fields.get("source_type") == "id":
        named = str(fields.get("id") or "")
    data = fields.get("base64") or fields.get("file_data") or fields.get("data") or ""
    url = str(fields.get("url") or fields.get("file_url") or "")
    if not isinstance(data, str | bytes):
        raise InputError(f"The data of {_a(kind)} is no text; give it in base64.")
    if isinstance(data, str) and data.startswith("data:"):
        url, data = data, ""
    if not data and url.startswith("data:"):
        head, _, data = url.partition(",")
        if not head.endswith(";base64"):
            raise InputError(f"A data URI of {_a(kind)} is not in base64; encode it so.")
        url = ""
    if fields.get("source_type") == "text" or fields.get("media_type") == "text/plain":
        return Block("text", str(fields.get("text") or fields.get("data") or ""))
    return Block(kind, id=named if not data else "", data=data, url=url, name=name)


def _a(kind: str) -> str:
    return "a picture" if kind == "image" else "a file"
