"""/v1/tickets: conversations that a person has taken over, read and answered by programs."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import Header, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from assistant.api import routes
from assistant.api.errors import ApiError
from assistant.api.routes import Limit, Offset, Search, Who, errors, page, seconds, service_of
from assistant.store import Reply, Ticket, TicketSummary

router = routes.router(tag="Tickets")

_REPLY_CHARS: Final = 20_000
_NUMBER: Final = "Eight letters and digits."


class TicketLine(BaseModel):
    """A line of the list of tickets."""

    id: str = Field(description=_NUMBER, examples=["7Q2M9KXA"])
    object: Literal["ticket"]
    thread_id: str
    state: Literal["open", "closed"]
    kind: Literal["asked", "topic", "failures", "tool"] = Field(
        description="Why a person was called."
    )
    reason: str
    summary: str
    created_at: int
    updated_at: int
    waiting: bool = Field(description="Whether the customer wrote last and it is open.")


class Tickets(BaseModel):
    """Tickets; who waits comes first."""

    object: Literal["list"]
    data: list[TicketLine]
    total: int
    has_more: bool


class Line(BaseModel):
    """One message of what was said before."""

    role: str = Field(description="customer, agent or person")
    text: str
    images: list[str]


class TicketReply(BaseModel):
    """What was written since the ticket was opened."""

    id: str
    object: Literal["ticket.reply"]
    author: Literal["person", "customer"]
    text: str
    images: list[str]
    created_at: int
    exchange_id: str | None = Field(description="Where it stands in the conversation.")


class ToldTicket(TicketLine):
    """A ticket with all that a person needs to take over."""

    transcript: list[Line]
    images: list[str]
    replies: list[TicketReply]


class NewReply(BaseModel):
    """A person's answer, which enters the conversation."""

    model_config = ConfigDict(strict=True, extra="allow")

    text: str = Field(min_length=1, max_length=_REPLY_CHARS, examples=["A new one is on its way."])


@router.get(
    "/v1/tickets", summary="List the tickets", response_model=Tickets, responses=errors(503)
)
def listed(
    request: Request,
    caller: Who,
    state: Annotated[
        Literal["open", "closed", "all"], Query(description="Of the tickets.")
    ] = "open",
    search: Search = "",
    limit: Limit = 50,
    offset: Offset = 0,
) -> JSONResponse:
    """Those of a state whose text has every word; who waits comes first."""
    store, tenant = service_of(request).store, caller.tenant
    wanted = None if state == "all" else state
    found = store.tickets(wanted, search=search, limit=limit, offset=offset, tenant=tenant)
    total = store.count_tickets(wanted, search=search, tenant=tenant)
    return JSONResponse(page([_line(ticket) for ticket in found], total, offset))


@router.get(
    "/v1/tickets/{id}",
    summary="Show a ticket",
    response_model=ToldTicket,
    responses=errors(404, 503),
)
def shown(request: Request, id: str, caller: Who) -> JSONResponse:
    """A ticket with its transcript and replies."""
    return JSONResponse(_told(service_of(request).store.ticket(id, tenant=caller.tenant)))


@router.post(
    "/v1/tickets/{id}/reply",
    summary="Answer a ticket",
    response_model=TicketReply,
    responses=errors(404, 409, 503),
)
def replied(
    request: Request,
    id: str,
    asked: NewReply,
    caller: Who,
    idempotency_key: Annotated[
        str | None,
        Header(max_length=200, description="A reply sent again under its key is there once."),
    ] = None,
) -> JSONResponse:
    """Answer the customer: it stands in the conversation, and the webhook is told."""
    store, tenant = service_of(request).store, caller.tenant
    longest = 10 * store.settings.max_question_chars
    if not asked.text.strip() or len(asked.text) > longest:
        raise ApiError(
            400, f"A reply has 1 to {longest:,} characters; send such a one.", param="text",
            code="invalid_value",
        )  # fmt: skip
    if store.ticket(id, tenant=tenant).state != "open":
        raise ApiError(
            409, "The ticket is closed; reopen it first, then answer.", code="ticket_closed"
        )
    key = f"api:{idempotency_key}" if idempotency_key else None
    return JSONResponse(_reply(store.reply(id, asked.text, key=key, tenant=tenant)))


@router.post(
    "/v1/tickets/{id}/close",
    summary="Close a ticket",
    response_model=ToldTicket,
    responses=errors(404, 503),
)
def closed(request: Request, id: str, caller: Who) -> JSONResponse:
    """Close a ticket; one that is closed stays so."""
    return JSONResponse(_told(service_of(request).store.close_ticket(id, tenant=caller.tenant)))


@router.post(
    "/v1/tickets/{id}/reopen",
    summary="Reopen a ticket",
    response_model=ToldTicket,
    responses=errors(404, 503),
)
def reopened(request: Request, id: str, caller: Who) -> JSONResponse:
    """Open a closed ticket again."""
    return JSONResponse(_told(service_of(request).store.reopen_ticket(id, tenant=caller.tenant)))


def _line(ticket: TicketSummary) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "object": "ticket",
        "thread_id": ticket.thread_id,
        "state": ticket.state,
        "kind": ticket.kind,
        "reason": ticket.reason,
        "summary": ticket.summary,
        "created_at": seconds(ticket.created),
        "updated_at": seconds(ticket.updated),
        "waiting": ticket.waiting,
    }


def _told(ticket: Ticket) -> dict[str, Any]:
    return {
        **_line(ticket),
        "transcript": [
            {"role": said["role"], "text": said["text"], "images": said.get("images", [])}
            for said in ticket.transcript
        ],
        "images": list(ticket.image_ids),
        "replies": [_reply(reply) for reply in ticket.replies],
    }


def _reply(reply: Reply) -> dict[str, Any]:
    return {
        "id": reply.id,
        "object": "ticket.reply",
        "author": reply.author,
        "text": reply.text,
        "images": list(reply.images),
        "created_at": seconds(reply.created),
        "exchange_id": reply.exchange_id,
    }
