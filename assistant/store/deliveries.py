"""Calls of the webhook that are to be made: an outbox beside the tickets.

A call is claimed for a while, made, and marked. A process that is killed between any two of these
leaves it to the next one, which makes it again under the same id: at least once, never lost.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import uuid4

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session, aliased

from assistant.store.models import DeliveryRow
from assistant.store.room import Room, now
from assistant.store.text import one_line
from assistant.store.ticket_rows import ticket_number
from assistant.store.values import Delivery


def tell(session: Session, ticket_id: str, position: int, tenant: str) -> None:
    """Note, in the transaction that changes the ticket, that the webhook is to hear of it."""
    session.add(
        DeliveryRow(
            id=uuid4().hex,
            tenant=tenant,
            ticket_id=ticket_id,
            position=position,
            state="due",
            attempts=0,
            due=now(),
            created=now(),
            ended=None,
            error=None,
        )
    )
    session.flush()


class Deliveries(Room):
    """The part of the store that keeps what the webhook is to be told."""

    def claim_delivery(self, lease: float) -> Delivery | None:
        """A call that is due, kept from everybody else for `lease` seconds; None: nothing is due.

        It is any tenant's. Those of one ticket come in order, each after the one before was
        answered or given up.

        Raises:
            StoreError: it cannot be read or written.
        """
        rows, before = DeliveryRow, aliased(DeliveryRow)
        earlier = (
            select(before.id)
            .where(
                before.tenant == rows.tenant,
                before.ticket_id == rows.ticket_id,
                before.position < rows.position,
                before.state == "due",
            )
            .exists()
        )
        query = (
            select(rows)
            .where(rows.state == "due", rows.due <= now(), ~earlier)
            .order_by(rows.due, rows.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        with self.database.write() as session:
            row = session.scalar(query)
            if row is None:
                return None
            row.attempts += 1
            row.due = now() + timedelta(seconds=lease)
            session.flush()
            return _value(row)

    def end_delivery(
        self, delivery: Delivery, *, error: str | None = None, again: datetime | None = None
    ) -> None:
        """Note what came of a call that was claimed.

        Args:
            error: why it failed; None: it was taken.
            again: when to try next; None with an error: never.

        Raises:
            StoreError: it cannot be written.
        """
        values: dict[str, object] = {"error": error and one_line(error, 500)}
        if error is not None and again is not None:
            values |= {"due": again}
        else:
            values |= {"state": "done" if error is None else "dead", "ended": now()}
        here = [DeliveryRow.id == delivery.id, DeliveryRow.state == "due"]
        if error is not None:
            # Whoever claimed it since, because this took too long, speaks for it now.
            here.append(DeliveryRow.attempts == delivery.attempts)
        with self.database.write() as session:
            session.execute(
                update(DeliveryRow)
                .where(*here)
                .values(**values)
                .execution_options(synchronize_session=False)
            )

    def deliveries(self, ticket_id: str, *, tenant: str = "") -> list[Delivery]:
        """All calls about a ticket, in order.

        Raises:
            StoreError: they cannot be read.
        """
        here = (DeliveryRow.ticket_id == ticket_number(ticket_id), DeliveryRow.tenant == tenant)
        with self.database.read() as session:
            rows = session.scalars(select(DeliveryRow).where(*here).order_by(DeliveryRow.position))
            return [_value(row) for row in rows]

    def count_deliveries(self, state: Literal["due", "done", "dead"]) -> int:
        """How many calls of all tenants are in this state.

        Raises:
            StoreError: they cannot be counted.
        """
        query = select(func.count()).select_from(DeliveryRow).where(DeliveryRow.state == state)
        with self.database.read() as session:
            return session.scalar(query) or 0

    def revive_deliveries(self) -> int:
        """Try those that were given up again, from the first attempt on; returns how many.

        Raises:
            StoreError: they cannot be written.
        """
        reviving = (
            update(DeliveryRow)
            .where(DeliveryRow.state == "dead")
            .values(state="due", attempts=0, due=now(), ended=None)
            .returning(DeliveryRow.id)
            .execution_options(synchronize_session=False)
        )
        with self.database.write() as session:
            return len(session.scalars(reviving).all())


def _value(row: DeliveryRow) -> Delivery:
    return Delivery(
        id=row.id,
        ticket_id=row.ticket_id,
        tenant=row.tenant,
        position=row.position,
        state=cast(Literal["due", "done", "dead"], row.state),
        attempts=row.attempts,
        due=row.due,
        error=row.error,
        ended=row.ended,
    )
