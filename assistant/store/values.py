"""What the store hands out and takes: frozen values, never rows of a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NotRequired, TypedDict

State = Literal["streaming", "done", "stopped", "failed"]
"""Of an answer: being written, whole, ended early by a person or a crash, ended by an error."""


@dataclass(frozen=True)
class StoredImage:
    """A picture that is kept: its pixels losslessly in a file, the rest in a row."""

    id: str
    """`assistant.images.image_id` of its pixels: 64 hexadecimal digits."""
    name: str
    """File name as it was given, made printable."""
    width: int
    height: int
    size: int
    """Bytes on disk."""
    created: datetime


@dataclass(frozen=True)
class NewExchange:
    """A question that is about to be answered."""

    question: str
    """As put to the model."""
    shown: str = ""
    """As typed; empty means: describe."""
    images: tuple[str, ...] = ()
    """Ids of stored pictures, as shown."""
    used: tuple[str, ...] = ()
    """Ids as given to the model, in the same order; empty: `images` themselves."""
    names: tuple[str, ...] = ()
    """File names in the same order; empty: the names that the pictures were stored under."""
    enhancement: dict[str, Any] | None = None
    answer: str = ""
    state: State = "streaming"
    error: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Exchange:
    """A question and its answer, at one position of a thread. Times are in UTC."""

    id: str
    thread_id: str
    position: int
    """0 for the first."""
    created: datetime
    question: str
    shown: str
    images: tuple[str, ...]
    used: tuple[str, ...]
    names: tuple[str, ...]
    enhancement: dict[str, Any] | None
    answer: str
    state: State
    error: str | None
    details: dict[str, Any]
    """Model, adapter, quantization, timings, evidence…: whatever JSON holds."""
    thumb: int | None
    """1, -1 or None."""
    correction: str | None


@dataclass(frozen=True)
class ThreadSummary:
    """A line of the list of threads."""

    id: str
    title: str
    """Empty while nothing was asked and nobody named it."""
    created: datetime
    updated: datetime
    """When something was last asked or answered."""
    total: int
    """Number of exchanges."""


@dataclass(frozen=True)
class Thread:
    """A conversation with its exchanges, or the last of them, in order."""

    id: str
    title: str
    named: bool
    """Whether a person gave the title; otherwise it follows the first question."""
    created: datetime
    updated: datetime
    total: int
    """Number of exchanges, which may be more than `exchanges` holds."""
    exchanges: tuple[Exchange, ...] = ()

    @property
    def last_position(self) -> int | None:
        """What `Store.add_exchange` wants as `after`: None for an empty thread."""
        return self.exchanges[-1].position if self.exchanges else None


TicketState = Literal["open", "closed"]
TicketKind = Literal["asked", "topic", "failures", "tool"]
"""Why a person was called: the customer asked, a topic that the operator listed, too many failures,
a tool that the agent could not do without."""


class Said(TypedDict):
    """One message of a transcript, as JSON holds it."""

    role: str
    """`customer`, `agent` or `person`."""
    text: str
    images: NotRequired[list[str]]
    """Ids of the pictures that came with it."""


@dataclass(frozen=True)
class Reply:
    """What was written after a ticket was opened."""

    id: str
    author: Literal["person", "customer"]
    text: str
    created: datetime
    images: tuple[str, ...] = ()
    exchange_id: str | None = None
    """Where a person's reply stands in the conversation; None where that is gone."""


@dataclass(frozen=True)
class TicketSummary:
    """A line of the list of tickets."""

    id: str
    """Eight letters and digits that can be read out: no I, L, O or U."""
    thread_id: str
    state: TicketState
    kind: TicketKind
    reason: str
    summary: str
    created: datetime
    updated: datetime
    """When somebody last wrote, or closed or reopened it."""
    waiting: bool
    """Whether the customer wrote last and the ticket is open."""


@dataclass(frozen=True)
class Ticket(TicketSummary):
    """A hand-over to a person, with all that the person needs. Times are in UTC."""

    tenant: str = ""
    transcript: tuple[Said, ...] = ()
    """What was said before it was opened."""
    image_ids: tuple[str, ...] = ()
    """Pictures that it keeps, in the order in which they came."""
    replies: tuple[Reply, ...] = ()
    """What was written since, in order, by the person and by the customer."""


@dataclass(frozen=True)
class Delivery:
    """One call of the webhook: to be made, made, or given up."""

    id: str
    """The same at each try."""
    ticket_id: str
    tenant: str
    position: int
    """-1 tells of the ticket itself, else of `Ticket.replies` at this place."""
    state: Literal["due", "done", "dead"]
    attempts: int
    due: datetime
    """When it is tried next."""
    error: str | None
    """Why the last try failed."""
    ended: datetime | None
