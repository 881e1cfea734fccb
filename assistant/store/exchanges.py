"""Exchanges: a question added after the last one, its answer written while it streams.

Two tabs may write to one thread: each says after which position it writes, and the second hears
that the first was there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args
from uuid import uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError

from assistant.errors import ConflictError, InputError, StoreError
from assistant.store.models import ExchangePictureRow, ExchangeRow
from assistant.store.pictures import Pictures, drop_pictures, mark_shown
from assistant.store.room import gone, now, row_id
from assistant.store.rows import (
    as_exchange,
    entitle,
    first_title,
    linked_pictures,
    locked_thread,
    touch_thread,
)
from assistant.store.streaming import searchable
from assistant.store.text import one_line, storable, to_json
from assistant.store.values import Exchange, NewExchange, State
from assistant.store.writers import this_process

_CONFLICT = "This conversation was changed in another tab or window; reload it, then ask again."

# What is put to the model may hold more than what was typed: evidence, passages, a form.
_QUESTION_ROOM = 10


class Exchanges(Pictures):
    """The part of the store that keeps questions and answers."""

    def add_exchange(
        self, thread_id: str, exchange: NewExchange, *, after: int | None, tenant: str = ""
    ) -> Exchange:
        """Add a question with its pictures, which have been put before.

        Args:
            after: the position that the writer believes is the last; None: the thread is empty.

        Raises:
            ConflictError: it is not the last any more.
            StoreError: no such thread or picture, a question that is too long, or it cannot be
                written; nothing of it was.
            InputError: JSON cannot hold `details` or `enhancement`.
        """
        question, shown = self._text(exchange.question), self._text(exchange.shown)
        used = exchange.used or exchange.images
        if len(used) != len(exchange.images) or len(exchange.names) not in (0, len(used)):
            raise InputError("Give as many used pictures and names as shown pictures.")
        to_json([exchange.enhancement, exchange.details], "What is known about this answer")
        row = ExchangeRow(
            id=uuid4().hex,
            tenant=tenant,
            thread_id=row_id(thread_id),
            position=0 if after is None else after + 1,
            created=now(),
            updated=now(),
            writer=this_process(),
            question=question,
            shown=shown,
            enhancement=exchange.enhancement,
            answer=storable(exchange.answer),
            state=_state(exchange.state),
            error=exchange.error and storable(exchange.error),
            details=dict(exchange.details),
            thumb=None,
            correction=None,
            folded=searchable(shown or question, exchange.answer),
        )
        with self.database.write(pictures=bool(used)) as session:
            thread = locked_thread(session, thread_id, tenant)
            here = (ExchangeRow.thread_id == thread_id, ExchangeRow.tenant == tenant)
            if session.scalar(select(func.max(ExchangeRow.position)).where(*here)) != after:
                raise ConflictError(_CONFLICT)
            own = mark_shown(session, {*exchange.images, *used}, tenant)
            if missing := {*exchange.images, *used} - set(own):
                raise StoreError(f"{_photos(missing)} not stored any more; add it again, then ask.")
            names = exchange.names or tuple(own[id] for id in exchange.images)
            links = [
                ExchangePictureRow(
                    exchange_id=row.id,
                    place=place,
                    tenant=tenant,
                    shown_id=shown_id,
                    used_id=used_id,
                    name=one_line(name) or own[shown_id],
                )
                for place, (shown_id, used_id, name) in enumerate(
                    zip(exchange.images, used, names, strict=True)
                )
            ]
            added = as_exchange(row, links)
            session.add(row)
            try:
                session.flush()
            except IntegrityError as error:
                raise ConflictError(_CONFLICT) from error
            session.add_all(links)
            session.flush()
            thread.updated = row.updated
            if not thread.named and row.position == 0:
                entitle(thread, first_title(session, thread))
        return added

    def set_answer(
        self,
        exchange_id: str,
        *,
        answer: str,
        state: State,
        details: dict[str, Any] | None = None,
        error: str | None = None,
        tenant: str = "",
    ) -> None:
        """Write what the answer is so far; cheap enough for twice a second.

        Args:
            details: replaces those of the exchange; None leaves them.

        Raises:
            StoreError: the exchange was deleted meanwhile, or it cannot be written.
        """
        answer = storable(answer)
        values: dict[str, Any] = {
            "answer": answer,
            "state": _state(state),
            "error": error and storable(error),
            "updated": now(),
            "writer": this_process(),
        }
        if details is not None:
            to_json(details, "What is known about this answer")
            values["details"] = details
        here = (ExchangeRow.id == row_id(exchange_id, "question"), ExchangeRow.tenant == tenant)
        with self.database.write() as session:
            if state != "streaming":
                # In the order that everybody locks: the thread, then its exchanges.
                touch_thread(session, exchange_id, tenant)
                asked = session.execute(
                    select(ExchangeRow.shown, ExchangeRow.question).where(*here)
                ).first()
                if asked is not None:
                    values["folded"] = searchable(asked.shown or asked.question, answer)
            written = update(ExchangeRow).where(*here).values(**values).returning(ExchangeRow.id)
            if not _hit(session.scalars(written.execution_options(synchronize_session=False))):
                raise gone("question")

    def truncate(self, thread_id: str, position: int, *, tenant: str = "") -> None:
        """Drop the exchanges from this position on, and pictures that nothing shows any more.

        Raises:
            StoreError: the tenant has no such thread, or it cannot be written.
        """
        with self.database.write(pictures=True) as session:
            thread = locked_thread(session, thread_id, tenant)
            pictures = linked_pictures(session, thread_id, tenant, position=position)
            session.execute(
                delete(ExchangeRow)
                .where(
                    ExchangeRow.thread_id == thread_id,
                    ExchangeRow.tenant == tenant,
                    ExchangeRow.position >= position,
                )
                .execution_options(synchronize_session=False)
            )
            dropped = drop_pictures(session, pictures, tenant)
            thread.updated = now()
            if not thread.named and position <= 0:
                entitle(thread, "")
        self.discard(dropped)

    def _text(self, text: str) -> str:
        """A question, or what a person writes beside an answer.

        Raises:
            StoreError: it is longer than anybody types.
        """
        limit = _QUESTION_ROOM * self.settings.max_question_chars
        if len(text) > limit:
            raise StoreError(
                f"This text has {len(text):,} characters, more than the {limit:,} that are kept; "
                f"shorten it."
            )
        return storable(text)


def _hit(ids: Iterable[str]) -> bool:
    return any(True for _ in ids)


def _state(state: State) -> State:
    if state not in get_args(State):
        raise InputError(f"No answer is {state}; give one of {', '.join(get_args(State))}.")
    return state


def _photos(missing: set[str]) -> str:
    return "A photo is" if len(missing) == 1 else f"{len(missing)} photos are"
