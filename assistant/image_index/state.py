"""What an index is of, as of one transaction."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sqlalchemy.orm import Session

from assistant.errors import InputError
from assistant.image_index.quick import quick
from assistant.store.image_rows import ImageStateRow

_STATE = (
    "SELECT tenant, generation, embedder, dimensions, vectors FROM image_states "
    "WHERE tenant = :tenant"
)


class State(NamedTuple):
    """See `ImageStateRow`."""

    tenant: str
    generation: int
    embedder: str
    dimensions: int
    vectors: int


class HasName(Protocol):
    """Something of an embedder."""

    @property
    def name(self) -> str:
        """The embedder's."""


def read_state(session: Session, tenant: str) -> State | None:
    """The state of a tenant's index; None where nothing was ever indexed."""
    rows = quick(session, _STATE, {"tenant": tenant})
    return State(*rows[0]) if rows else None


def check_embedder(state: State | ImageStateRow, embedder: HasName) -> None:
    """Raise an `InputError` where the tenant's vectors are of another embedder."""
    if state.embedder != embedder.name:
        raise InputError(
            f"The image index was made with {state.embedder} and not with {embedder.name}; make it "
            "anew with `sightdesk index --rebuild`, or set SIGHTDESK_PICTURE_EMBEDDER as it was."
        )
