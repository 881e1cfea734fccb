"""What finds pictures quickly: nearest vectors and noted words, made from the tables alone.

Whoever changes the tables tells the finder in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from assistant.image_index.state import State
from assistant.knowledge.words import singular, tokens
from assistant.space import Vectors

Report = Callable[[str, float | None], None]

BATCH = 1_000
"""Values in one statement."""

NEIGHBOURS = 8
"""Of each picture that are looked at for near duplicates."""


def silent(_message: str, _fraction: float | None) -> None:
    """Reports nothing."""


@dataclass(frozen=True)
class Near:
    """Pictures near a vector, nearest first.

    Attributes:
        keys: of pictures, int64 [n].
        cosines: float32 [n].
        all: whether these are all pictures that there are.
    """

    keys: NDArray[np.int64]
    cosines: Vectors
    all: bool


class Finder(Protocol):
    """Finds keys of pictures of one tenant."""

    def prepare(self) -> None:
        """Make what is missing, from the tables."""

    def put(self, session: Session, vectors: Sequence[tuple[int, bytes]]) -> None:
        """Take up new vectors, each with its key, in the transaction that they were written in."""

    def drop(self, session: Session, keys: Sequence[int]) -> None:
        """Forget pictures, before their rows go."""

    def note(self, session: Session, notes: Sequence[Mapping[str, Any]]) -> None:
        """Take up ``label``, ``coarse_label`` and ``caption`` of pictures by ``key``."""

    def nearest(self, session: Session, state: State, vector: Vectors, count: int) -> Near:
        """The `count` pictures nearest to a vector [d], or nearly those."""

    def by_words(self, session: Session, words: Sequence[str], limit: int) -> list[int]:
        """Pictures of which most of these words are noted, best first."""

    def neighbours(
        self, session: Session, state: State, least: float, report: Report
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Pairs of pictures whose cosine is at least `least`, as keys in two arrays [n] at a time.

        Of each picture the nearest few are looked at, so that of many that are all alike not every
        pair is told, but enough to hold them together.
        """

    def settle(self, report: Report = ..., *, thoroughly: bool = False) -> None:
        """Write what is kept outside the tables, after the commit; quick where there is little.

        Args:
            report: is told how much is done.
            thoroughly: something was removed, of which nothing is to be left on the disk.
        """


def as_vectors(found: Sequence[bytes]) -> Vectors:
    """Vectors of the tables, float32 [n, d], of length 1 again after they were rounded."""
    rows = np.frombuffer(b"".join(found), "<f2").reshape(len(found), -1).astype(np.float32)
    units: Vectors = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return units


def noted_words(note: Mapping[str, Any]) -> str:
    """The words of a note as the full text has them: folded, in the singular."""
    said = " ".join((note["label"], note["coarse_label"], note["caption"]))
    return " ".join(dict.fromkeys(map(singular, tokens(said))))
