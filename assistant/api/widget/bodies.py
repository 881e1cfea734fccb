"""What a request of the widget says, read within bounds and checked before anything is done."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from assistant.agent.core import MOST_IMAGES
from assistant.api.errors import ApiError, invalid_request

_MULTIPART_ROOM: Final = 8_192
"""Bytes of a form around its one file."""

M = TypeVar("M", bound=BaseModel)


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class SessionBody(_Body):
    """A wish for a token, or for a new one in the place of one that ends."""

    token: str | None = Field(None, max_length=2_000)


class MessageBody(_Body):
    """A question.

    Attributes:
        thread: what the visitor calls the conversation.
        message_id: names the question; one that is sent again under its name is answered once.
        images: names of pictures, as an upload gave them.
    """

    thread: str = Field(pattern=r"^[0-9a-f]{16}$")
    message_id: str = Field(pattern=r"^[0-9a-f]{32}$")
    text: str = Field("", max_length=100_000)
    images: list[str] = Field(default_factory=list, max_length=MOST_IMAGES)


class StopBody(_Body):
    """A wish that an answer ends."""

    thread: str = Field(pattern=r"^[0-9a-f]{16}$")
    message_id: str = Field(pattern=r"^[0-9a-f]{32}$")


async def read_json(request: Request, model: type[M], most: int) -> M:
    """The body as a `model`.

    Raises:
        ApiError: 413 beyond `most` bytes, 400 for what is no such JSON.
    """
    body = await _read(request, most)
    try:
        value = json.loads(body.decode("utf-8")) if body else {}
    except (ValueError, RecursionError):
        raise ApiError(400, "The body is not valid JSON.", code="invalid_json") from None
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details: list[Any] = [dict(each) for each in error.errors(include_url=False)]
        raise invalid_request(details) from None


async def read_picture(request: Request, most: int) -> tuple[bytes, str]:
    """The bytes of a picture and its name: the body itself, or the one file of a form.

    Raises:
        ApiError: 413 beyond `most` bytes, 400 where there is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        data = await _read(request, most)
        name = request.query_params.get("name", "")
    else:
        parser = MultiPartParser(
            request.headers,
            _bounded(request, most + _MULTIPART_ROOM),
            max_files=1,
            max_fields=4,
            max_part_size=_MULTIPART_ROOM,
        )
        try:
            form = await parser.parse()
        except (MultiPartException, KeyError, ValueError):
            raise ApiError(
                400, "The form cannot be read; send one file in the field 'file'.",
                code="invalid_form",
            ) from None  # fmt: skip
        file = form.get("file")
        if not isinstance(file, UploadFile):
            raise ApiError(
                400, "The form has no file; send one in the field 'file'.", code="invalid_form"
            )
        try:
            data, name = await file.read(), file.filename or ""
        finally:
            await form.close()
    if not data:
        raise ApiError(400, "There is no picture in the request.", code="invalid_image")
    return data, name[:200]


def too_large(most: int) -> ApiError:
    """413."""
    shown = f"{most / 2**20:.0f} MB" if most >= 2**20 else f"{most / 2**10:.0f} kB"
    return ApiError(413, f"That is too large; {shown} is the most.", code="too_large")


async def _read(request: Request, most: int) -> bytes:
    parts = bytearray()
    async for part in _bounded(request, most):
        parts += part
    return bytes(parts)


async def _bounded(request: Request, most: int) -> AsyncGenerator[bytes, None]:
    """The body, refused as soon as it is known to be too long."""
    said = request.headers.get("content-length", "")
    if said.isdigit() and int(said[:20]) > most:
        raise too_large(most)
    total = 0
    async for part in request.stream():
        total += len(part)
        if total > most:
            raise too_large(most)
        yield part
