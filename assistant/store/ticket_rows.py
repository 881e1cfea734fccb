"""Rows of tickets, read and locked inside a transaction that somebody else began.

All of these have the tenant in their condition.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, cast

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assistant.errors import MissingError, StoreError
from assistant.store.models import PictureRow, TicketMessageRow, TicketPictureRow, TicketRow
from assistant.store.text import one_line, storable
from assistant.store.values import (
    Exchange,
    Reply,
    Said,
    Ticket,
    TicketKind,
    TicketState,
    TicketSummary,
)

MAX_SAID = 200
"""Messages of a transcript that a ticket keeps: the last ones."""

MAX_PICTURES = 100
"""Pictures that one ticket keeps."""

_MAX_TEXT = 4_000
_ROLES = ("customer", "agent", "person")
# What people read for a digit in Crockford's alphabet.
_MISREAD = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None})


def ticket_number(text: str) -> str:
    """`text` as a ticket's number is kept: `k7m2-9qxd` is K7M29QXD."""
    return storable(text[:40]).strip().lstrip("#").upper().translate(_MISREAD)


def no_ticket(id: str) -> StoreError:
    """The error about a ticket that is not there, or is another tenant's, which looks the same."""
    return MissingError(
        f"There is no ticket {one_line(id, 40)}; choose one of sightdesk tickets list."
    )


def locked_ticket(session: Session, id: str, tenant: str) -> TicketRow:
    """The row, which no other transaction changes until this one ends.

    Raises:
        StoreError: the tenant has no such ticket.
    """
    here = (TicketRow.id == ticket_number(id), TicketRow.tenant == tenant)
    query = (
        select(TicketRow).where(*here).with_for_update().execution_options(populate_existing=True)
    )
    row = session.scalar(query)
    if row is None:
        raise no_ticket(id)
    return row


def transcript_of(exchanges: Sequence[Exchange]) -> list[Said]:
    """What was said in these exchanges, in order."""
    said: list[Said] = []
    for exchange in exchanges:
        if exchange.shown or exchange.images:
            said.append(
                {"role": "customer", "text": exchange.shown, "images": list(exchange.images)}
            )
        if exchange.answer:
            by = "person" if exchange.details.get("by") == "person" else "agent"
            said.append({"role": by, "text": exchange.answer})
    return said


def bounded(transcript: Sequence[Said]) -> list[Said]:
    """The last of it, cleaned and cut to what a ticket keeps; roles that are unknown are agents."""
    kept: list[Said] = []
    for said in transcript[-MAX_SAID:]:
        one: Said = {
            "role": said["role"] if said["role"] in _ROLES else "agent",
            "text": storable(str(said["text"]))[:_MAX_TEXT],
        }
        if images := [one_line(str(id), 64) for id in said.get("images", [])]:
            one["images"] = images[:MAX_PICTURES]
        kept.append(one)
    return kept


def hold_pictures(session: Session, ticket_id: str, ids: Iterable[str], tenant: str) -> list[str]:
    """Keep these pictures with the ticket, each once; returns those that the tenant has."""
    unique = list(dict.fromkeys(ids))[:MAX_PICTURES]
    if not unique:
        return []
    mine = (PictureRow.tenant == tenant, PictureRow.id.in_(unique))
    known = set(session.scalars(select(PictureRow.id).where(*mine)))
    links = TicketPictureRow
    here = (links.ticket_id == ticket_id, links.tenant == tenant)
    held = set(session.scalars(select(links.picture_id).where(*here)))
    place = session.scalar(select(func.coalesce(func.max(links.place) + 1, 0)).where(*here)) or 0
    for id in unique:
        if id in known and id not in held and place < MAX_PICTURES:
            session.add(links(tenant=tenant, ticket_id=ticket_id, place=place, picture_id=id))
            place += 1
    session.flush()
    return [id for id in unique if id in known]


def as_summary(row: TicketRow) -> TicketSummary:
    """A line of the list."""
    return TicketSummary(
        id=row.id,
        thread_id=row.thread_id,
        state=cast(TicketState, row.state),
        kind=cast(TicketKind, row.kind),
        reason=row.reason,
        summary=row.summary,
        created=row.created,
        updated=row.updated,
        waiting=row.waiting,
    )


def as_ticket(session: Session, row: TicketRow) -> Ticket:
    """The value of a row with its messages and pictures."""
    messages, links = TicketMessageRow, TicketPictureRow
    written = select(messages).where(messages.ticket_id == row.id, messages.tenant == row.tenant)
    kept = select(links.picture_id).where(links.ticket_id == row.id, links.tenant == row.tenant)
    return Ticket(
        **vars(as_summary(row)),
        tenant=row.tenant,
        transcript=tuple(row.transcript),
        image_ids=tuple(session.scalars(kept.order_by(links.place))),
        replies=tuple(map(as_reply, session.scalars(written.order_by(messages.position)))),
    )


def as_reply(row: TicketMessageRow) -> Reply:
    """The value of a row."""
    return Reply(
        id=row.id,
        author=cast(Literal["person", "customer"], row.author),
        text=row.text,
        created=row.created,
        images=tuple(row.images),
        exchange_id=row.exchange_id,
    )
