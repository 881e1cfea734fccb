"""Threads: made, listed, searched, opened, named and deleted, each by its tenant alone."""

from __future__ import annotations

from contextlib import suppress
from uuid import uuid4

from sqlalchemy import ColumnElement, delete, func, or_, select
from sqlalchemy.exc import IntegrityError

from assistant.errors import StoreError
from assistant.store.models import ExchangeRow, ThreadRow
from assistant.store.pictures import Pictures, drop_pictures
from assistant.store.room import gone, now, row_id
from assistant.store.rows import (
    entitle,
    first_title,
    linked_pictures,
    locked_thread,
    read_exchanges,
)
from assistant.store.streaming import stop
from assistant.store.text import fold, one_line
from assistant.store.values import Thread, ThreadSummary

# More words than anybody types; each is a pass over all exchanges.
_MAX_WORDS = 8


class Threads(Pictures):
    """The part of the store that keeps the list of conversations."""

    def create_thread(self, title: str = "", *, tenant: str = "") -> Thread:
        """An empty thread; without a title it is called after its first question.

        Raises:
            StoreError: it cannot be written.
        """
        title = one_line(title)
        row = ThreadRow(
            tenant=tenant,
            id=uuid4().hex,
            title=title,
            named=bool(title),
            folded=fold(title),
            created=now(),
            updated=now(),
        )
        thread = Thread(row.id, title, row.named, row.created, row.updated, 0)
        with self.database.write() as session:
            session.add(row)
        return thread

    def ensure_thread(self, id: str, *, tenant: str = "") -> None:
        """Make the thread of that id where the tenant has none.

        Args:
            id: 32 hexadecimal digits of the caller's choice.

        Raises:
            StoreError: it is no such id, or it cannot be written.
        """
        key = (tenant, row_id(id))
        with self.database.read() as session:
            if session.get(ThreadRow, key) is not None:
                return
        row = ThreadRow(
            tenant=tenant, id=id, title="", named=False, folded="", created=now(), updated=now()
        )
        with self.database.write() as session:
            if session.get(ThreadRow, key) is not None:
                return
            # Another process may be quicker.
            with suppress(IntegrityError), session.begin_nested():
                session.add(row)

    def threads(
        self, search: str = "", *, limit: int = 50, offset: int = 0, tenant: str = ""
    ) -> list[ThreadSummary]:
        """Those whose title, questions or answers hold every word of `search`; newest first.

        A word may be part of a longer one, and upper and lower case are the same. An answer is
        found once it is written.

        Raises:
            StoreError: they cannot be read.
        """
        total = (
            select(func.count())
            .where(ExchangeRow.thread_id == ThreadRow.id, ExchangeRow.tenant == tenant)
            .scalar_subquery()
        )
        columns = (ThreadRow.id, ThreadRow.title, ThreadRow.created, ThreadRow.updated, total)
        query = (
            select(*columns)
            .where(*_matching(search, tenant))
            .order_by(ThreadRow.updated.desc(), ThreadRow.id)
            .limit(max(0, limit))
            .offset(max(0, offset))
        )
        with self.database.read() as session:
            return [ThreadSummary(*row) for row in session.execute(query)]

    def count_threads(self, search: str = "", *, tenant: str = "") -> int:
        """How many `threads` would list without a limit."""
        query = select(func.count()).select_from(ThreadRow).where(*_matching(search, tenant))
        with self.database.read() as session:
            return session.scalar(query) or 0

    def thread(self, id: str, *, tenant: str = "", last: int | None = None) -> Thread:
        """A thread with its exchanges, or only the last of them.

        An exchange that still streams though nobody writes it (its process is gone, or ten minutes
        went by) comes as stopped.

        Raises:
            StoreError: the tenant has no such thread, or it cannot be read.
        """
        with self.database.read() as session:
            row = session.get(ThreadRow, (tenant, row_id(id)))
            if row is None:
                raise gone()
            here = (ExchangeRow.thread_id == id, ExchangeRow.tenant == tenant)
            total = session.scalar(select(func.count()).where(*here)) or 0
            exchanges, stalled = read_exchanges(session, id, tenant, last=last)
            thread = Thread(
                row.id, row.title, row.named, row.created, row.updated, total, tuple(exchanges)
            )
        if stalled:
            stop(self.database, stalled)
        return thread

    def rename_thread(self, id: str, title: str, *, tenant: str = "") -> None:
        """Give a title, of which control characters are dropped; an empty one: the default again.

        Raises:
            StoreError: the title has nothing that can be seen, or the tenant has no such thread.
        """
        line = one_line(title)
        if title and not line:
            raise StoreError("This title has nothing that can be seen; type another.")
        with self.database.write() as session:
            row = locked_thread(session, id, tenant)
            row.named = bool(line)
            entitle(row, line or first_title(session, row))

    def delete_thread(self, id: str, *, tenant: str = "") -> None:
        """Delete a thread, and every picture that no other thread shows.

        Raises:
            StoreError: the tenant has no such thread, or it cannot be deleted.
        """
        with self.database.write(pictures=True) as session:
            locked_thread(session, id, tenant)
            pictures = linked_pictures(session, id, tenant)
            here = (ThreadRow.id == id, ThreadRow.tenant == tenant)
            session.execute(delete(ThreadRow).where(*here))
            dropped = drop_pictures(session, pictures, tenant)
        self.discard(dropped)


def _matching(search: str, tenant: str) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [ThreadRow.tenant == tenant]
    for word in fold(one_line(search)).split()[:_MAX_WORDS]:
        said = select(ExchangeRow.thread_id).where(
            ExchangeRow.tenant == tenant, ExchangeRow.folded.contains(word, autoescape=True)
        )
        titled = ThreadRow.folded.contains(word, autoescape=True)
        conditions.append(or_(titled, ThreadRow.id.in_(said)))
    return conditions
