"""/v1/threads: the conversations of a tenant, those of the chat page and of `sightdesk-agent`."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from assistant.api import routes
from assistant.api.chat_answer import Citation
from assistant.api.routes import Limit, Offset, Search, Who, errors, page, seconds, service_of
from assistant.store import Exchange, Thread, ThreadSummary
from assistant.telling import citations_of, outcome_of, steps_of, ticket_of

router = routes.router(tag="Threads")

MOST_EXCHANGES: Final = 500
"""Of a thread that are told at once."""

_TITLE_CHARS: Final = 200


class ThreadLine(BaseModel):
    """A line of the list of threads."""

    id: str
    object: Literal["thread"]
    title: str
    created_at: int
    updated_at: int
    total: int = Field(description="How many exchanges it has.")


class Threads(BaseModel):
    """Threads, the newest first."""

    object: Literal["list"]
    data: list[ThreadLine]
    total: int
    has_more: bool


class ToldExchange(BaseModel):
    """A question and its answer."""

    id: str
    object: Literal["thread.exchange"]
    position: int
    created_at: int
    question: str
    images: list[str] = Field(description="Ids of its pictures.")
    answer: str
    state: Literal["streaming", "done", "stopped", "failed"]
    error: str | None
    by: str | None = Field(description="Who answered: desk, person, photo, client.")
    tools: list[str]
    citations: list[Citation]
    outcome: str | None
    ticket_id: str | None
    thumb: int | None
    correction: str | None


class ToldThread(ThreadLine):
    """A thread with its last exchanges, in order."""

    exchanges: list[ToldExchange]


class ThreadMessage(BaseModel):
    """A message of a thread."""

    id: str
    object: Literal["thread.message"]
    thread_id: str
    exchange_id: str
    created_at: int
    role: Literal["user", "assistant"]
    content: str
    images: list[str]
    by: str | None
    citations: list[Citation]


class ThreadMessages(BaseModel):
    """Messages, the oldest first."""

    object: Literal["list"]
    data: list[ThreadMessage]
    total: int
    has_more: bool


class NewThread(BaseModel):
    """A thread to be made."""

    model_config = ConfigDict(strict=True, extra="allow")

    title: str = Field("", max_length=_TITLE_CHARS)


class Title(BaseModel):
    """What a thread is to be called; an empty title: as its first question."""

    model_config = ConfigDict(strict=True, extra="allow")

    title: str = Field(max_length=_TITLE_CHARS, examples=["Apples"])


class DeletedThread(BaseModel):
    """A thread that is gone."""

    id: str
    object: Literal["thread.deleted"]
    deleted: Literal[True]


@router.get(
    "/v1/threads", summary="List the threads", response_model=Threads, responses=errors(503)
)
def listed(
    request: Request,
    caller: Who,
    search: Search = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> JSONResponse:
    """Those whose title, questions or answers have every word; the newest first."""
    store, tenant = service_of(request).store, caller.tenant
    found = store.threads(search, limit=limit, offset=offset, tenant=tenant)
    total = store.count_threads(search, tenant=tenant)
    return JSONResponse(page([_line(thread) for thread in found], total, offset))


@router.post(
    "/v1/threads", summary="Make a thread", response_model=ToldThread, responses=errors(503)
)
def made(request: Request, caller: Who, asked: NewThread | None = None) -> JSONResponse:
    """An empty thread, to be named in questions to `sightdesk-agent`."""
    title = asked.title if asked is not None else ""
    thread = service_of(request).store.create_thread(title, tenant=caller.tenant)
    return JSONResponse(_told(thread))


@router.get(
    "/v1/threads/{id}",
    summary="Show a thread",
    response_model=ToldThread,
    responses=errors(404, 503),
)
def shown(
    request: Request,
    id: str,
    caller: Who,
    last: Annotated[
        int, Query(ge=1, le=MOST_EXCHANGES, description="How many exchanges, from the end.")
    ] = 100,
) -> JSONResponse:
    """A thread with its last exchanges."""
    store = service_of(request).store
    return JSONResponse(_told(store.thread(id, tenant=caller.tenant, last=last)))


@router.get(
    "/v1/threads/{id}/messages",
    summary="List a thread's messages",
    response_model=ThreadMessages,
    responses=errors(404, 503),
)
def messages(
    request: Request, id: str, caller: Who, limit: Limit = 100, offset: Offset = 0
) -> JSONResponse:
    """Questions and answers as messages, the oldest first."""
    thread = service_of(request).store.thread(id, tenant=caller.tenant)
    found = [message for exchange in thread.exchanges for message in _messages(exchange)]
    return JSONResponse(page(found[offset : offset + limit], len(found), offset))


@router.patch(
    "/v1/threads/{id}",
    summary="Rename a thread",
    response_model=ToldThread,
    responses=errors(404, 503),
)
def renamed(request: Request, id: str, asked: Title, caller: Who) -> JSONResponse:
    """Give a thread a title."""
    store, tenant = service_of(request).store, caller.tenant
    # A title of nothing that can be seen is none.
    title = asked.title if any(sign.isprintable() for sign in asked.title.split()) else ""
    store.rename_thread(id, title, tenant=tenant)
    return JSONResponse(_told(store.thread(id, tenant=tenant, last=100)))


@router.delete(
    "/v1/threads/{id}",
    summary="Remove a thread",
    response_model=DeletedThread,
    responses=errors(404, 503),
)
def removed(request: Request, id: str, caller: Who) -> JSONResponse:
    """Remove a conversation, what the agent remembers of it, and pictures that only it shows."""
    service = service_of(request)
    service.store.delete_thread(id, tenant=caller.tenant)
    service.agent(caller.tenant).forget(id)
    return JSONResponse({"id": id, "object": "thread.deleted", "deleted": True})


def _line(thread: ThreadSummary | Thread) -> dict[str, Any]:
    return {
        "id": thread.id,
        "object": "thread",
        "title": thread.title,
        "created_at": seconds(thread.created),
        "updated_at": seconds(thread.updated),
        "total": thread.total,
    }


def _told(thread: Thread) -> dict[str, Any]:
    return {**_line(thread), "exchanges": [_exchange(each) for each in thread.exchanges]}


def _exchange(exchange: Exchange) -> dict[str, Any]:
    details = exchange.details
    return {
        "id": exchange.id,
        "object": "thread.exchange",
        "position": exchange.position,
        "created_at": seconds(exchange.created),
        "question": exchange.shown or exchange.question,
        "images": list(exchange.images),
        "answer": exchange.answer,
        "state": exchange.state,
        "error": exchange.error,
        "by": _by(exchange),
        "tools": [step.name for step in steps_of(details)],
        "citations": _citations(exchange),
        "outcome": outcome_of(details) or None,
        "ticket_id": ticket_of(details) or None,
        "thumb": exchange.thumb,
        "correction": exchange.correction,
    }


def _messages(exchange: Exchange) -> list[dict[str, Any]]:
    found = []
    head = {
        "object": "thread.message",
        "thread_id": exchange.thread_id,
        "exchange_id": exchange.id,
        "created_at": seconds(exchange.created),
    }
    question = exchange.shown or exchange.question
    if question or exchange.images:
        found.append(
            {
                "id": f"{exchange.id}-question",
                **head,
                "role": "user",
                "content": question,
                "images": list(exchange.images),
                "by": None,
                "citations": [],
            }
        )
    if exchange.answer or exchange.state == "streaming":
        found.append(
            {
                "id": f"{exchange.id}-answer",
                **head,
                "role": "assistant",
                "content": exchange.answer,
                "images": [],
                "by": _by(exchange),
                "citations": _citations(exchange),
            }
        )
    return found


def _by(exchange: Exchange) -> str | None:
    by = exchange.details.get("by")
    return by if isinstance(by, str) else None


def _citations(exchange: Exchange) -> list[dict[str, Any]]:
    # Numbers in the text are places in the list: one that cannot be read keeps its own.
    nothing = {"kind": "passage", "id": "", "title": "", "text": ""}
    return [
        source.to_dict() if source is not None else nothing
        for source in citations_of(exchange.details)
    ]
