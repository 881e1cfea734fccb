"""Rows of threads and exchanges, read and locked inside a transaction that somebody else began.

All of these have the tenant in their condition.
"""

from __future__ import annotations

from collections import defaultdict
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assistant.store.models import ExchangePictureRow, ExchangeRow, ThreadRow
from assistant.store.room import gone, now, row_id
from assistant.store.streaming import has_stalled
from assistant.store.text import default_title, fold
from assistant.store.values import Exchange, State


def locked_thread(session: Session, id: str, tenant: str) -> ThreadRow:
    """The row, which no other transaction changes until this one ends.

    Raises:
        StoreError: the tenant has no such thread.
    """
    here = (ThreadRow.id == row_id(id), ThreadRow.tenant == tenant)
    row = session.scalar(select(ThreadRow).where(*here).with_for_update())
    if row is None:
        raise gone()
    return row


def touch_thread(session: Session, exchange_id: str, tenant: str) -> None:
    """Note that something happened now in the thread of an exchange."""
    thread = (
        select(ExchangeRow.thread_id)
        .where(ExchangeRow.id == exchange_id, ExchangeRow.tenant == tenant)
        .scalar_subquery()
    )
    touching = update(ThreadRow).where(ThreadRow.id == thread, ThreadRow.tenant == tenant)
    session.execute(
        touching.values(updated=now()).execution_options(synchronize_session=False),
    )


def entitle(row: ThreadRow, title: str) -> None:
    """Set the title, and what the search finds it by."""
    row.title, row.folded = title, fold(title)


def first_title(session: Session, row: ThreadRow) -> str:
    """What a thread is called while nobody named it; empty before the first question."""
    first = session.execute(
        select(ExchangeRow.id, ExchangeRow.shown).where(
            ExchangeRow.thread_id == row.id,
            ExchangeRow.tenant == row.tenant,
            ExchangeRow.position == 0,
        )
    ).first()
    if first is None:
        return ""
    names = select(ExchangePictureRow.name).where(
        ExchangePictureRow.exchange_id == first.id, ExchangePictureRow.tenant == row.tenant
    )
    return default_title(
        first.shown, list(session.scalars(names.order_by(ExchangePictureRow.place)))
    )


def read_exchanges(
    session: Session, thread_id: str, tenant: str, *, last: int | None = None
) -> tuple[list[Exchange], list[str]]:
    """The exchanges of a thread in order, or the last of them, and the ids of those that stalled.

    Those come as stopped already; `streaming.stop` writes it down.
    """
    here = (ExchangeRow.thread_id == thread_id, ExchangeRow.tenant == tenant)
    query = select(ExchangeRow).where(*here).order_by(ExchangeRow.position.desc())
    if last is not None:
        query = query.limit(max(0, last))
    rows = list(session.scalars(query))[::-1]
    if not rows:
        return [], []
    links = (
        select(ExchangePictureRow)
        .join(ExchangeRow, ExchangeRow.id == ExchangePictureRow.exchange_id)
        .where(*here, ExchangeRow.position >= rows[0].position)
        .order_by(ExchangePictureRow.place)
    )
    pictures: dict[str, list[ExchangePictureRow]] = defaultdict(list)
    for link in session.scalars(links):
        pictures[link.exchange_id].append(link)
    stalled = [row.id for row in rows if has_stalled(row.state, row.updated, row.writer)]
    return [as_exchange(row, pictures[row.id], row.id in stalled) for row in rows], stalled


def as_exchange(
    row: ExchangeRow, pictures: list[ExchangePictureRow], stalled: bool = False
) -> Exchange:
    """The value of a row, with its pictures in order."""
    return Exchange(
        id=row.id,
        thread_id=row.thread_id,
        position=row.position,
        created=row.created,
        question=row.question,
        shown=row.shown,
        images=tuple(picture.shown_id for picture in pictures),
        used=tuple(picture.used_id for picture in pictures),
        names=tuple(picture.name for picture in pictures),
        enhancement=row.enhancement,
        answer=row.answer,
        state="stopped" if stalled else cast(State, row.state),
        error=row.error,
        details=row.details,
        thumb=row.thumb,
        correction=row.correction,
    )


def linked_pictures(
    session: Session, thread_id: str, tenant: str, *, position: int = 0
) -> list[str]:
    """Ids of all pictures of a thread from this position on, shown or used."""
    links = (
        select(ExchangePictureRow.shown_id, ExchangePictureRow.used_id)
        .join(ExchangeRow, ExchangeRow.id == ExchangePictureRow.exchange_id)
        .where(
            ExchangeRow.thread_id == thread_id,
            ExchangeRow.tenant == tenant,
            ExchangeRow.position >= position,
        )
    )
    return [id for pair in session.execute(links) for id in pair]
