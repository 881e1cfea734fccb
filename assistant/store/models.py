"""The tables. A change here needs a migration: tests compare the two.

    identity            what this database is called, so that its photos' folder knows it
    threads             one conversation of a tenant
     └── exchanges      a question and its answer, at a position
          └── exchange_pictures   what it shows and what the model was given
    pictures            a tenant's right to a picture; its bytes are in a file, once for all tenants
     └── picture_holds  who has put it and is about to show it
    tickets             a hand-over to a person; it outlives the conversation that it came from
     ├── ticket_messages    what the customer and the person wrote since
     ├── ticket_pictures    pictures that it keeps
     └── deliveries     what is to be told to the operator's webhook
    preferences         settings of the page
    api_keys            who may call the server

Every table but `identity` has the tenant in its rows, and foreign keys carry it along, so that no
row can point at another tenant's.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcTime(TypeDecorator[datetime]):
    """An aware time in UTC, also from SQLite, which keeps no time zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To UTC; naive times are a mistake of the caller."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From UTC, whatever time zone the session of the server is in."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Names of constraints and types of columns for all tables."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        datetime: UtcTime,
        dict[str, Any]: JSON,
    }


class IdentityRow(Base):
    """One row: 32 hexadecimal digits that no other database has."""

    __tablename__ = "identity"

    id: Mapped[str] = mapped_column(primary_key=True)


class ThreadRow(Base):
    """A conversation."""

    __tablename__ = "threads"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    title: Mapped[str]
    named: Mapped[bool]
    folded: Mapped[str]
    """The title as it is searched."""
    created: Mapped[datetime]
    updated: Mapped[datetime]

    __table_args__ = (Index(None, "tenant", "updated"),)


class ExchangeRow(Base):
    """A question and its answer."""

    __tablename__ = "exchanges"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    thread_id: Mapped[str]
    position: Mapped[int]
    folded: Mapped[str] = mapped_column(deferred=True)
    """Question and answer as they are searched; without the answer while it streams. It stands
    before what is long, since SQLite reads a row from its start."""
    created: Mapped[datetime]
    updated: Mapped[datetime]
    """When the answer was last written; an answer that streams no more is known by it."""
    writer: Mapped[str]
    """The process that answers; see `assistant.store.writers`."""
    question: Mapped[str]
    shown: Mapped[str]
    enhancement: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    answer: Mapped[str]
    state: Mapped[str]
    error: Mapped[str | None]
    details: Mapped[dict[str, Any]]
    thumb: Mapped[int | None]
    correction: Mapped[str | None]

    __table_args__ = (
        # Threads' ids are unique by themselves; the tenant makes it an index of all that is asked.
        UniqueConstraint("tenant", "thread_id", "position"),
        ForeignKeyConstraint(
            ["tenant", "thread_id"], ["threads.tenant", "threads.id"], ondelete="CASCADE"
        ),
        # Both hold few rows of many: what streams now, and what was judged.
        Index(
            "ix_exchanges_streaming",
            "state",
            sqlite_where=text("state = 'streaming'"),
            postgresql_where=text("state = 'streaming'"),
        ),
        Index(
            "ix_exchanges_judged",
            "tenant",
            sqlite_where=text("thumb IS NOT NULL OR correction IS NOT NULL"),
            postgresql_where=text("thumb IS NOT NULL OR correction IS NOT NULL"),
        ),
    )


class PictureRow(Base):
    """A tenant's picture."""

    __tablename__ = "pictures"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    size: Mapped[int]
    suffix: Mapped[str]
    """How its file's name ends, such as ``.webp``."""
    created: Mapped[datetime]

    __table_args__ = (Index(None, "id"),)


class PictureHoldRow(Base):
    """A process has put the picture and not shown it yet: nobody may remove it until it does.

    One row a process, so that the thread that one process deletes takes no photo from under the
    question that another is about to ask.
    """

    __tablename__ = "picture_holds"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    picture_id: Mapped[str] = mapped_column(primary_key=True)
    holder: Mapped[str] = mapped_column(primary_key=True)
    since: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "picture_id"], ["pictures.tenant", "pictures.id"], ondelete="CASCADE"
        ),
        Index(None, "since"),
    )


class ExchangePictureRow(Base):
    """One picture of an exchange: as shown, and as given to the model."""

    __tablename__ = "exchange_pictures"

    exchange_id: Mapped[str] = mapped_column(
        ForeignKey("exchanges.id", ondelete="CASCADE"), primary_key=True
    )
    place: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    shown_id: Mapped[str]
    used_id: Mapped[str]
    name: Mapped[str]

    __table_args__ = (
        ForeignKeyConstraint(["tenant", "shown_id"], ["pictures.tenant", "pictures.id"]),
        ForeignKeyConstraint(["tenant", "used_id"], ["pictures.tenant", "pictures.id"]),
        Index(None, "tenant", "shown_id"),
        Index(None, "tenant", "used_id"),
    )


class TicketRow(Base):
    """A hand-over to a person."""

    __tablename__ = "tickets"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str]
    """Names the step that asks for the ticket, so that a repeated step makes no second one."""
    thread_id: Mapped[str]
    """No foreign key: whoever deletes the conversation does not take the ticket along."""
    state: Mapped[str]
    kind: Mapped[str]
    created: Mapped[datetime]
    updated: Mapped[datetime]
    waiting: Mapped[bool]
    """Whether the customer wrote last."""
    reason: Mapped[str]
    summary: Mapped[str]
    folded: Mapped[str] = mapped_column(deferred=True)
    """Id, reason, summary, transcript and messages as they are searched."""
    transcript: Mapped[list[Any]] = mapped_column(JSON)
    """What was said before, as a list of ``{"role", "text", "images"}``."""

    __table_args__ = (
        UniqueConstraint("tenant", "key"),
        Index(None, "tenant", "state", "updated"),
        Index(None, "tenant", "thread_id"),
    )


class TicketMessageRow(Base):
    """What was written after the ticket was opened."""

    __tablename__ = "ticket_messages"

    id: Mapped[str] = mapped_column(primary_key=True)
    tenant: Mapped[str]
    ticket_id: Mapped[str]
    position: Mapped[int]
    key: Mapped[str]
    author: Mapped[str]
    created: Mapped[datetime]
    exchange_id: Mapped[str | None]
    """Where a person's reply stands in the conversation."""
    text: Mapped[str]
    images: Mapped[list[Any]] = mapped_column(JSON)

    __table_args__ = (
        UniqueConstraint("tenant", "ticket_id", "position"),
        UniqueConstraint("tenant", "ticket_id", "key"),
        ForeignKeyConstraint(
            ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], ondelete="CASCADE"
        ),
    )


class TicketPictureRow(Base):
    """A picture that a ticket keeps, also when its conversation goes."""

    __tablename__ = "ticket_pictures"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    ticket_id: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    picture_id: Mapped[str]

    __table_args__ = (
        ForeignKeyConstraint(
            ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], ondelete="CASCADE"
        ),
        ForeignKeyConstraint(["tenant", "picture_id"], ["pictures.tenant", "pictures.id"]),
        Index(None, "tenant", "picture_id"),
    )


class DeliveryRow(Base):
    """One call of the webhook, until it was answered; its body is made of the ticket's rows."""

    __tablename__ = "deliveries"

    id: Mapped[str] = mapped_column(primary_key=True)
    """The same at each try, so that the receiver can tell a repeat."""
    tenant: Mapped[str]
    ticket_id: Mapped[str]
    position: Mapped[int]
    """-1 for the ticket itself, else the position of a message."""
    state: Mapped[str]
    attempts: Mapped[int]
    due: Mapped[datetime]
    """When it is to be tried next; while it is tried, when another process may."""
    created: Mapped[datetime]
    ended: Mapped[datetime | None]
    error: Mapped[str | None]
    """Why the last try failed."""

    __table_args__ = (
        UniqueConstraint("tenant", "ticket_id", "position"),
        ForeignKeyConstraint(
            ["tenant", "ticket_id"], ["tickets.tenant", "tickets.id"], ondelete="CASCADE"
        ),
        Index(
            "ix_deliveries_due",
            "due",
            sqlite_where=text("state = 'due'"),
            postgresql_where=text("state = 'due'"),
        ),
    )


class PreferenceRow(Base):
    """A setting of the page; `value` is JSON text, since null is a value too."""

    __tablename__ = "preferences"

    tenant: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class ApiKeyRow(Base):
    """A key of the server: who it is for, what it may do, and how to know it again."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    """Stands in the key itself, so that it is found without trying all."""
    tenant: Mapped[str]
    name: Mapped[str]
    digest: Mapped[str]
    """SHA-256 of the whole key, hexadecimal; the key itself is kept nowhere."""
    scopes: Mapped[list[Any]] = mapped_column(JSON)
    requests: Mapped[int | None]
    """Requests a minute; None: as many as come. The others alike."""
    received: Mapped[int | None] = mapped_column(BigInteger)
    """Bytes a minute."""
    tokens: Mapped[int | None] = mapped_column(BigInteger)
    """Tokens a minute, read and written together."""
    concurrent: Mapped[int | None]
    created: Mapped[datetime]
    expires: Mapped[datetime | None]
    revoked: Mapped[datetime | None]
    used: Mapped[datetime | None]
    """When it was last used, to the minute or so."""

    __table_args__ = (Index(None, "tenant"),)
