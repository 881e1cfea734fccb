"""The paths that a visitor's token opens, and the one that gives tokens.

They are the script's own and may change with it, so the page of the API does not list them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from assistant.agent.core import MOST_IMAGES
from assistant.api.errors import ApiError, not_found
from assistant.api.sse import event
from assistant.api.widget.answers import Answer, Told
from assistant.api.widget.bodies import (
    MessageBody,
    SessionBody,
    StopBody,
    read_json,
    read_picture,
)
from assistant.api.widget.door import API, Widget
from assistant.api.widget.rates import (
    IMAGES_ADDRESS,
    IMAGES_VISITOR,
    MESSAGES_ADDRESS,
    MESSAGES_VISITOR,
    READS_ADDRESS,
    READS_VISITOR,
    SESSIONS_ADDRESS,
)
from assistant.api.widget.tokens import LIVES_S, Visitor
from assistant.errors import AdapterError, StoreError, WeightsError
from assistant.images import open_image
from assistant.store import StoredImage

ALIVE_S: Final = 5.0
"""Seconds of silence after which a comment shows that the connection is alive."""

_SMALL_BODY: Final = 4_096
_CHAR_BYTES: Final = 12
"""As many bytes a character of JSON can take, written as two escapes."""

_STREAM_HEADERS: Final = {"Cache-Control": "no-store, no-transform", "X-Accel-Buffering": "no"}

_LOG = logging.getLogger(__name__)
T = TypeVar("T")

router = APIRouter(prefix=API.rstrip("/"), include_in_schema=False)


@router.post("/session")
async def session(request: Request) -> JSONResponse:
    """A token for the visitor of a page, new or in the place of one that ends."""
    widget = _widget(request)
    tenant, origin = widget.tenant(request)
    widget.count_address("session", request, SESSIONS_ADDRESS)
    body = await read_json(request, SessionBody, _SMALL_BODY)
    known = widget.tokens.renewable(body.token, tenant, origin) if body.token else None
    visitor = known or widget.tokens.visitor(tenant, origin)
    return JSONResponse(
        {
            "token": widget.tokens.issue(visitor),
            "expires_in": LIVES_S,
            "renewed": known is not None,
            "limits": {
                "images": MOST_IMAGES,
                "image_bytes": widget.settings.max_image_bytes,
                "chars": widget.settings.max_question_chars,
            },
        }
    )


@router.post("/messages")
async def messages(request: Request) -> StreamingResponse:
    """Ask, and follow the answer as server-sent events; the last is ``done`` or ``error``."""
    widget = _widget(request)
    visitor = widget.visitor(request)
    most = widget.settings.max_question_chars
    body = await read_json(request, MessageBody, _SMALL_BODY + _CHAR_BYTES * most)
    text = body.text.strip()
    images = [widget.tokens.picture_id(visitor, name) for name in body.images]
    if len(text) > most:
        raise ApiError(400, f"Write {most} characters at most.", code="too_long")
    if not text and not images:
        raise ApiError(400, "There is no question and no photo.", code="empty")
    if None in images:
        raise not_found("A photo is not there; add it again.", code="image_not_found")
    threads = widget.threads(visitor)
    running = widget.answers.running(visitor, body.thread)
    if running is None or running.message_id != body.message_id:
        widget.count("message", request, visitor, MESSAGES_VISITOR, MESSAGES_ADDRESS)
    found = await _in_thread(
        widget.answers.ask,
        visitor,
        body.thread,
        body.message_id,
        text,
        [id for id in images if id is not None],
        threads,
    )
    if isinstance(found, Answer):
        told = found.read()
    else:
        told = widget.answers.replay(found, body.thread, threads)
    started: Told = {"type": "started", "message_id": body.message_id}
    return StreamingResponse(
        _events(started, told), media_type="text/event-stream", headers=_STREAM_HEADERS
    )


@router.post("/stop")
async def stop(request: Request) -> JSONResponse:
    """End the answer to a question now."""
    widget = _widget(request)
    visitor = widget.visitor(request)
    widget.count("read", request, visitor, READS_VISITOR, READS_ADDRESS)
    body = await read_json(request, StopBody, _SMALL_BODY)
    running = widget.answers.running(visitor, body.thread)
    if running is None or running.ending or running.message_id != body.message_id:
        return JSONResponse({"stopped": False})
    await _in_thread(running.stop)
    return JSONResponse({"stopped": True})


@router.get("/thread")
async def thread(
    request: Request,
    thread: Annotated[str, Query(pattern=r"^[0-9a-f]{16}$")],
    after: Annotated[int, Query(ge=-1, le=2**31)] = -1,
) -> JSONResponse:
    """A conversation of the visitor's: all of it, or what came behind a position."""
    widget = _widget(request)
    visitor = widget.visitor(request)
    widget.count("read", request, visitor, READS_VISITOR, READS_ADDRESS)
    found = await _in_thread(widget.threads(visitor).read, thread, after)
    return JSONResponse(found)


@router.post("/images")
async def add_image(request: Request) -> JSONResponse:
    """Keep a photo for a question: the body itself, or the one file of a form."""
    widget = _widget(request)
    visitor = widget.visitor(request)
    widget.count("image", request, visitor, IMAGES_VISITOR, IMAGES_ADDRESS)
    data, name = await read_picture(request, widget.settings.max_image_bytes)

    def keep() -> StoredImage:
        image = open_image(data, settings=widget.settings, name="This file")
        return widget.service.store.put_image(image, name=name, tenant=visitor.tenant)

    async with widget.decoding:
        kept = await _in_thread(keep)
    return JSONResponse(
        {
            "id": widget.tokens.picture(visitor, kept.id),
            "name": kept.name,
            "width": kept.width,
            "height": kept.height,
        }
    )


@router.get("/images/{name}")
async def image(request: Request, name: str, size: str = "full") -> Response:
    """A picture that the visitor sent, or that an answer of theirs rests on."""
    widget = _widget(request)
    visitor = widget.visitor(request)
    widget.count("read", request, visitor, READS_VISITOR, READS_ADDRESS)
    id = widget.tokens.picture_id(visitor, name[:200])
    if id is None:
        raise _no_picture()
    data = await _in_thread(_picture, widget, visitor, id, size == "thumb")
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/webp"
    headers = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
    return Response(data, media_type=kind, headers=headers)


def _picture(widget: Widget, visitor: Visitor, id: str, small: bool) -> bytes:
    """The bytes, from the visitor's tenant or from whoever's knowledge base it answers from."""
    store = widget.service.store
    read = store.thumbnail if small else store.image_bytes
    try:
        return read(id, tenant=visitor.tenant)
    except StoreError:
        owner = getattr(widget.service.knowledge(visitor.tenant), "tenant", visitor.tenant)
        if owner == visitor.tenant:
            raise _no_picture() from None
    try:
        return read(id, tenant=owner)
    except StoreError:
        raise _no_picture() from None


async def _in_thread(work: Callable[..., T], *args: Any) -> T:
    """What `work` returns; trouble of the inside, which names places on the server, is not told.

    Raises:
        ApiError: 503, the store or the model cannot be used.
    """
    try:
        return await asyncio.to_thread(work, *args)
    except (StoreError, WeightsError, AdapterError) as error:
        _LOG.warning("The widget cannot be served: %s", error)
        raise ApiError(
            503,
            "The chat is out of order; try again in a moment.",
            code="unavailable",
            headers={"Retry-After": "5"},
        ) from error


async def _events(first: Told, told: AsyncGenerator[Told, None]) -> AsyncIterator[bytes]:
    yield event(first)
    waiting = asyncio.ensure_future(anext(told))
    try:
        while True:
            done, _ = await asyncio.wait({waiting}, timeout=ALIVE_S)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                item = waiting.result()
            except StopAsyncIteration:
                return
            waiting = asyncio.ensure_future(anext(told))
            yield event(item)
    finally:
        waiting.cancel()
        with suppress(RuntimeError):  # it waits for something, and hears of its end there
            await told.aclose()


def _widget(request: Request) -> Widget:
    widget: Widget = request.app.state.widget
    return widget


def _no_picture() -> ApiError:
    return not_found("This picture is not there.", code="image_not_found")
