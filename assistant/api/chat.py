"""/v1/chat/completions: OpenAI's chat, answered by a LLaVA or by the agent."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Any

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from assistant.api import by_agent, models, routes, straight
from assistant.api.caller import note
from assistant.api.chat_answer import ChatCompletion, Ended, Envelope, Item
from assistant.api.chat_messages import converted
from assistant.api.chat_request import ChatRequest
from assistant.api.errors import ApiError
from assistant.api.pictures import opener
from assistant.api.routes import Who, errors, service_of
from assistant.api.service import AGENT
from assistant.api.sse import events, gather
from assistant.api.watch import GoneError, Watch
from assistant.batching import client

router = routes.router(tag="Chat")

_STREAM = {
    "schema": {"description": "Chunks of a completion, and [DONE]."},
    "example": 'data: {"id":"chatcmpl-…","object":"chat.completion.chunk","choices":[{"index":0,'
    '"delta":{"role":"assistant","content":""},"finish_reason":null}]}\n\ndata: [DONE]\n\n',
}


@router.post(
    "/v1/chat/completions",
    summary="Answer a conversation",
    response_model=ChatCompletion,
    responses={
        200: {
            "description": "The answer; with `stream`, server-sent events that end in `[DONE]`.",
            "content": {"text/event-stream": _STREAM},
        },
        **errors(404, 409, 503),
    },
)
async def complete(request: Request, asked: ChatRequest, caller: Who) -> Response:
    """Words, tool calls or JSON about text and pictures.

    The models of adapters answer straight from the LLaVA. `sightdesk-agent` answers from the
    knowledge base with citations, calls its own tools, and hands over to a person; its message has
    a field `sightdesk` with `tools`, `citations`, `outcome`, `ticket_id` and `thread_id`.
    """
    service = service_of(request)
    watch = Watch()
    adapter = _checked(service, asked)
    if adapter is None:
        by_agent.check(asked)
    else:  # before a thread is taken for it
        straight.stops(asked)
        straight.tools_of(asked)
        straight.schema_of(asked)
    include = bool(asked.stream_options and asked.stream_options.include_usage)
    envelope = Envelope(asked.model, service.fingerprint(), include_usage=include)
    note(request, model=asked.model)

    def work() -> Generator[Item, None, None]:
        open_picture = opener(service, caller.tenant)
        conversation = converted(asked.messages, open_picture)
        note(request, images=len(conversation.pictures))
        if adapter is None:
            items = by_agent.answer(service, asked, conversation, watch, caller=caller)
        else:
            items = straight.answer(
                service, asked, conversation, tenant=caller.tenant, adapter=adapter
            )
        with closing(items):
            for item in items:
                if isinstance(item, Ended):
                    _count(request, asked.model, item)
                yield item

    client.set(caller.name)  # for fairness in the engine's queue
    service.take_seat()
    if asked.stream:

        def chunks() -> Iterator[dict[str, Any]]:
            with closing(work()) as items:
                for item in items:
                    yield from envelope.chunks(item)

        try:
            return await events(
                request, chunks, watch, first=lambda: [envelope.first()], end=service.leave_seat
            )
        except GoneError:
            service.metrics.left()
            return Response(status_code=499)
    try:
        items = await gather(request, work, watch)
    except GoneError:
        service.metrics.left()
        return Response(status_code=499)
    finally:
        service.leave_seat()
    return JSONResponse(envelope.completion(items))


def _checked(service: Any, asked: ChatRequest) -> str | None:
    """The adapter that is asked; None for the agent.

    Raises:
        ApiError: there is no such model, or more than one answer is wanted.
    """
    if asked.n not in (None, 1):
        raise ApiError(
            400, "n can only be 1 here; ask again for another answer.", param="n",
            code="invalid_value",
        )  # fmt: skip
    return None if asked.model == AGENT else models.adapter_of(service, asked.model)


def _count(request: Request, model: str, ended: Ended) -> None:
    service_of(request).metrics.used(model, ended.prompt, ended.cached, ended.completion)
    note(request, prompt_tokens=ended.prompt, completion_tokens=ended.completion)
    if ended.sightdesk is not None:
        note(request, outcome=ended.sightdesk["outcome"])
