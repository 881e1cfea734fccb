"""What an index is of, as of one transaction."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from assistant.errors import InputError
from assistant.store.image_rows import ImageStateRow

_columns = ImageStateRow.__table__.c
_STATE = select(
    _columns.tenant, _columns.generation, _columns.embedder, _columns.dimensions, _columns.vectors
).where(_columns.tenant == bindparam("tenant"))


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
    row = session.connection().execute(_STATE, {"tenant": tenant}).one_or_none()
    return None if row is None else State(*row)


def check_embedder(state: State | ImageStateRow, embedder: HasName) -> None:
    """Raise an `InputError` where the tenant's vectors are of another embedder."""
    if state.embedder != embedder.name:
        raise InputError(
            f"The image index was made with {state.embedder} and not with {embedder.name}; make it "
            "anew with `sightdesk index --rebuild`, or set SIGHTDESK_PICTURE_EMBEDDER as it was."
        )
