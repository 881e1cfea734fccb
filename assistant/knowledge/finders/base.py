"""What finds passages quickly: full text and nearest vectors, made from the tables and only there.

Whoever changes the tables tells the finder in the same transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from assistant.knowledge.words import tokens
from assistant.store.knowledge_rows import KnowledgePassageRow, KnowledgeStateRow

Vector = NDArray[np.float32]

SHORTEST_START = 3
"""Letters by which a word of a title is found that begins with them."""

BATCH = 1_000
"""Values in one statement."""


@dataclass(frozen=True)
class Entry:
    """A passage as the full text holds it: its key, and its words, folded."""

    key: int
    title: str
    body: str


def entry(key: int, title: str, text: str, coarse_label: str) -> Entry:
    """What the full text keeps of a passage."""
    return Entry(key, " ".join(tokens(title)), " ".join(tokens(f"{text} {coarse_label}")))


class Finder(Protocol):
    """Finds keys of passages of one tenant."""

    def prepare(self) -> None:
        """Make what is missing, from the tables."""

    def put(
        self, session: Session, entries: Sequence[Entry], vectors: Sequence[tuple[int, int, Vector]]
    ) -> None:
        """Take up new passages.

        Args:
            session: the transaction that they were written in.
            entries: their words.
            vectors: key, key of the passage, and vector.
        """

    def drop(self, session: Session, keys: Sequence[int]) -> None:
        """Forget passages, before their rows go."""

    def replace_vectors(self, session: Session, vectors: Sequence[tuple[int, int, Vector]]) -> None:
        """Take these for all vectors of the tenant."""

    def by_words(
        self, session: Session, words: Sequence[str], limit: int, label: str | None
    ) -> list[int]:
        """Passages that hold most of these words, best first."""

    def by_vector(
        self,
        session: Session,
        state: KnowledgeStateRow,
        vector: Vector,
        limit: int,
        label: str | None,
    ) -> list[int]:
        """Passages nearest to a vector, best first."""

    def settle(self, *, thoroughly: bool = False) -> None:
        """Write what is kept outside the database, after the commit.

        Args:
            thoroughly: something was removed, of which nothing is to be left on the disk.
        """


def passage_keys(session: Session, tenant: str, label: str) -> list[int]:
    """Keys of the passages with that label."""
    rows = KnowledgePassageRow
    return list(session.scalars(select(rows.key).where(rows.tenant == tenant, rows.label == label)))
