"""Tickets: opened once however often a step is repeated, answered, closed; by their tenant alone.

A ticket holds all that a person needs to take over, and its pictures, also where the conversation
is deleted meanwhile. What is to be told to the webhook is written in the same transaction
(`deliveries`), so that a process that is killed leaves both or neither.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, get_args
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assistant.errors import InputError, StoreError
from assistant.store.deliveries import tell
from assistant.store.exchanges import Exchanges
from assistant.store.models import (
    ExchangeRow,
    ThreadRow,
    TicketMessageRow,
    TicketPictureRow,
    TicketRow,
)
from assistant.store.pictures import drop_pictures
from assistant.store.room import now
from assistant.store.rows import read_exchanges
from assistant.store.streaming import searchable
from assistant.store.text import fold, one_line, storable
from assistant.store.ticket_rows import (
    as_reply,
    as_summary,
    as_ticket,
    bounded,
    hold_pictures,
    locked_ticket,
    no_ticket,
    ticket_number,
    transcript_of,
)
from assistant.store.values import Reply, Said, Ticket, TicketKind, TicketState, TicketSummary
from assistant.store.writers import this_process

# Crockford's base 32: no letter looks like a digit or another. https://www.crockford.com/base32.html
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 8

_MAX_KEY = 500
_MAX_REASON = 500
_MAX_SUMMARY = 4_000
_MAX_MESSAGE = 20_000
_MAX_FOLDED = 100_000
_MAX_WORDS = 8
_TRIES = 10


class _Taken(Exception):
    """Another process has made a row with this key or number a moment ago."""


class Tickets(Exchanges):
    """The part of the store that keeps hand-overs to a person."""

    def open_ticket(
        self,
        *,
        key: str,
        thread_id: str,
        reason: str,
        kind: TicketKind,
        summary: str = "",
        transcript: Sequence[Said] | None = None,
        images: Iterable[str] = (),
        tenant: str = "",
    ) -> Ticket:
        """The ticket of this key, made where there is none yet.

        Args:
            key: names the step, such as conversation and message; a step that is repeated after a
                crash gives the same, and gets the same ticket.
            thread_id: the conversation; one that this store does not keep is taken too, since a
                ticket must never be lost over it.
            transcript: what was said, cut to what a person can read; None: what the store has of
                the conversation.
            images: pictures that it keeps beside those of the transcript; those that the tenant
                does not have are passed over.

        Raises:
            InputError: no key or an unknown kind.
            StoreError: it cannot be written; nothing of it was.
        """
        if not key.strip():
            raise InputError("A ticket needs a key that names the step; give one.")
        if kind not in get_args(TicketKind):
            known = ", ".join(get_args(TicketKind))
            raise InputError(f"No ticket is of the kind {kind[:50]}; give one of {known}.")
        key, thread_id = _short(key), one_line(thread_id)
        reason, summary = one_line(reason, _MAX_REASON), storable(summary)[:_MAX_SUMMARY]
        given = None if transcript is None else bounded(transcript)
        wanted = list(images)
        for _ in range(_TRIES):
            try:
                with self.database.write(pictures=True) as session:
                    found = _by_key(session, key, tenant)
                    if found is None:
                        said = given if given is not None else _said(session, thread_id, tenant)
                        found = _add(session, key, thread_id, reason, kind, summary, said, tenant)
                        shown = [id for one in said for id in one.get("images", [])]
                        hold_pictures(session, found.id, [*shown, *wanted], tenant)
                        tell(session, found.id, -1, tenant)
                    return as_ticket(session, found)
            except _Taken:
                continue
        raise StoreError("The ticket could not be numbered; try again.")

    def ticket(self, id: str, *, tenant: str = "") -> Ticket:
        """A ticket with all that belongs to it; its number may be typed in small letters.

        Raises:
            StoreError: the tenant has no such ticket, or it cannot be read.
        """
        with self.database.read() as session:
            row = session.get(TicketRow, (tenant, ticket_number(id)))
            if row is None:
                raise no_ticket(id)
            return as_ticket(session, row)

    def ticket_of(self, thread_id: str, *, tenant: str = "") -> Ticket | None:
        """The open ticket of a conversation, the newest where there are several.

        Raises:
            StoreError: it cannot be read.
        """
        here = (
            TicketRow.tenant == tenant,
            TicketRow.thread_id == thread_id,
            TicketRow.state == "open",
        )
        query = select(TicketRow).where(*here).order_by(TicketRow.created.desc()).limit(1)
        with self.database.read() as session:
            row = session.scalar(query)
            return None if row is None else as_ticket(session, row)

    def tickets(
        self,
        state: TicketState | None = None,
        *,
        search: str = "",
        limit: int = 50,
        offset: int = 0,
        tenant: str = "",
    ) -> list[TicketSummary]:
        """Those of a state whose text holds every word of `search`; who waits comes first.

        Raises:
            StoreError: they cannot be read.
        """
        query = (
            select(TicketRow)
            .where(*_matching(state, search, tenant))
            .order_by(TicketRow.waiting.desc(), TicketRow.updated.desc(), TicketRow.id)
            .limit(max(0, limit))
            .offset(max(0, offset))
        )
        with self.database.read() as session:
            return [as_summary(row) for row in session.scalars(query)]

    def count_tickets(
        self, state: TicketState | None = None, *, search: str = "", tenant: str = ""
    ) -> int:
        """How many `tickets` would list without a limit."""
        query = select(func.count()).select_from(TicketRow).where(*_matching(state, search, tenant))
        with self.database.read() as session:
            return session.scalar(query) or 0

    def count_waiting(self, *, tenant: str = "") -> int:
        """How many open tickets have a customer who wrote last.

        Raises:
            StoreError: they cannot be counted.
        """
        here = (TicketRow.tenant == tenant, TicketRow.state == "open", TicketRow.waiting)
        query = select(func.count()).select_from(TicketRow).where(*here)
        with self.database.read() as session:
            return session.scalar(query) or 0

    def add_to_ticket(
        self,
        id: str,
        text: str,
        *,
        images: Iterable[str] = (),
        key: str | None = None,
        tenant: str = "",
    ) -> Ticket:
        """Add what the customer writes further; a ticket that was closed meanwhile opens again.

        Args:
            key: names the step; a message that is added again under its key is there once.

        Raises:
            StoreError: the tenant has no such ticket, or it cannot be written.
        """
        text = storable(text)[:_MAX_MESSAGE]
        wanted = list(dict.fromkeys(images))
        with self.database.write(pictures=bool(wanted)) as session:
            row = locked_ticket(session, id, tenant)
            if _message(session, row, key) is None:
                kept = hold_pictures(session, row.id, wanted, tenant)
                message = _append(session, row, "customer", text, key, images=kept)
                row.state, row.waiting = "open", True
                tell(session, row.id, message.position, tenant)
            return as_ticket(session, row)

    def reply(self, id: str, text: str, *, key: str | None = None, tenant: str = "") -> Reply:
        """A person's answer, which enters the conversation as well, where that is still there.

        Args:
            key: names the step; a reply that is sent again under its key is there once.

        Returns:
            the reply; without an `exchange_id` where the conversation is gone.

        Raises:
            StoreError: an empty text or one that is too long, no such ticket, a closed one, or it
                cannot be written.
        """
        text = self._text(text).strip()
        if not text:
            raise StoreError("There is nothing to send; type an answer.")
        with self.database.write() as session:
            known = session.get(TicketRow, (tenant, ticket_number(id)))
            if known is None:
                raise no_ticket(id)
            # In the order that everybody locks: the thread, then what belongs to it.
            here = (ThreadRow.id == known.thread_id, ThreadRow.tenant == tenant)
            thread = session.scalar(select(ThreadRow).where(*here).with_for_update())
            row = locked_ticket(session, id, tenant)
            sent = _message(session, row, key)
            if sent is not None:
                return as_reply(sent)
            if row.state != "open":
                raise StoreError(f"Ticket {row.id} is closed; reopen it first, then answer.")
            exchange_id = None if thread is None else _enter(session, thread, row.id, text)
            message = _append(session, row, "person", text, key, exchange_id=exchange_id)
            row.waiting = False
            return as_reply(message)

    def close_ticket(self, id: str, *, tenant: str = "") -> Ticket:
        """Close a ticket; one that is closed stays so.

        Raises:
            StoreError: the tenant has no such ticket, or it cannot be written.
        """
        return self._set_state(id, "closed", tenant)

    def reopen_ticket(self, id: str, *, tenant: str = "") -> Ticket:
        """Open a closed ticket again.

        Raises:
            StoreError: the tenant has no such ticket, or it cannot be written.
        """
        return self._set_state(id, "open", tenant)

    def delete_ticket(self, id: str, *, tenant: str = "") -> None:
        """Delete a ticket, and every picture that nothing else shows; the conversation stays.

        Raises:
            StoreError: the tenant has no such ticket, or it cannot be written.
        """
        with self.database.write(pictures=True) as session:
            row = locked_ticket(session, id, tenant)
            here = (TicketPictureRow.ticket_id == row.id, TicketPictureRow.tenant == tenant)
            pictures = list(session.scalars(select(TicketPictureRow.picture_id).where(*here)))
            session.execute(
                delete(TicketRow).where(TicketRow.id == row.id, TicketRow.tenant == tenant)
            )
            dropped = drop_pictures(session, pictures, tenant)
        self.discard(dropped)

    def _set_state(self, id: str, state: TicketState, tenant: str) -> Ticket:
        with self.database.write() as session:
            row = locked_ticket(session, id, tenant)
            if row.state != state:
                row.state, row.updated, row.waiting = state, now(), state == "open"
                session.flush()
            return as_ticket(session, row)


def _short(key: str) -> str:
    """A key as it is kept: one that is too long for an index by its digest."""
    key = storable(key)
    return key if len(key) <= _MAX_KEY else hashlib.sha256(key.encode()).hexdigest()


def _by_key(session: Session, key: str, tenant: str) -> TicketRow | None:
    return session.scalar(select(TicketRow).where(TicketRow.key == key, TicketRow.tenant == tenant))


def _add(
    session: Session,
    key: str,
    thread_id: str,
    reason: str,
    kind: TicketKind,
    summary: str,
    said: list[Said],
    tenant: str,
) -> TicketRow:
    """A new row.

    Raises:
        _Taken: the key or the number was taken by another process; nothing is left of it.
    """
    row = TicketRow(
        tenant=tenant,
        id="".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)),
        key=key,
        thread_id=thread_id,
        state="open",
        kind=kind,
        created=now(),
        updated=now(),
        waiting=True,
        reason=reason,
        summary=summary,
        transcript=said,
        folded="",
    )
    # The newest first, in case that not all of it is searched.
    texts = [row.id, reason, summary, *(one["text"] for one in reversed(said))]
    row.folded = fold("\n".join(texts)[:_MAX_FOLDED])
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:
        raise _Taken from error
    return row


def _said(session: Session, thread_id: str, tenant: str) -> list[Said]:
    exchanges, _ = read_exchanges(session, thread_id, tenant)
    return bounded(transcript_of(exchanges))


def _message(session: Session, row: TicketRow, key: str | None) -> TicketMessageRow | None:
    """The message that was added under this key."""
    if key is None:
        return None
    here = (TicketMessageRow.ticket_id == row.id, TicketMessageRow.tenant == row.tenant)
    return session.scalar(
        select(TicketMessageRow).where(*here, TicketMessageRow.key == _short(key))
    )


def _append(
    session: Session,
    row: TicketRow,
    author: str,
    text: str,
    key: str | None,
    *,
    images: Sequence[str] = (),
    exchange_id: str | None = None,
) -> TicketMessageRow:
    here = (TicketMessageRow.ticket_id == row.id, TicketMessageRow.tenant == row.tenant)
    last = session.scalar(select(func.max(TicketMessageRow.position)).where(*here))
    message = TicketMessageRow(
        id=uuid4().hex,
        tenant=row.tenant,
        ticket_id=row.id,
        position=0 if last is None else last + 1,
        key=uuid4().hex if key is None else _short(key),
        author=author,
        created=now(),
        exchange_id=exchange_id,
        text=text,
        images=list(images),
    )
    session.add(message)
    row.updated = message.created
    row.folded = f"{row.folded}\n{fold(text)}"[: 2 * _MAX_FOLDED]
    session.flush()
    return message


def _enter(session: Session, thread: ThreadRow, ticket_id: str, text: str) -> str:
    """Put a person's answer at the end of the conversation; returns the exchange's id."""
    here = (ExchangeRow.thread_id == thread.id, ExchangeRow.tenant == thread.tenant)
    last = session.scalar(select(func.max(ExchangeRow.position)).where(*here))
    details: dict[str, Any] = {"by": "person", "ticket": ticket_id}
    row = ExchangeRow(
        id=uuid4().hex,
        tenant=thread.tenant,
        thread_id=thread.id,
        position=0 if last is None else last + 1,
        created=now(),
        updated=now(),
        writer=this_process(),
        question="",
        shown="",
        enhancement=None,
        answer=text,
        state="done",
        error=None,
        details=details,
        thumb=None,
        correction=None,
        folded=searchable("", text),
    )
    session.add(row)
    thread.updated = row.updated
    session.flush()
    return row.id


def _matching(state: TicketState | None, search: str, tenant: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [TicketRow.tenant == tenant]
    if state is not None:
        conditions.append(TicketRow.state == state)
    for word in fold(one_line(search)).split()[:_MAX_WORDS]:
        conditions.append(TicketRow.folded.contains(word, autoescape=True))
    return conditions
