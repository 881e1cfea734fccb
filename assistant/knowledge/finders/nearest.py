"""The nearest vectors of SQLite's knowledge base: a usearch index in memory, and a file of it.

The file is only a copy: it says of which generation of the database, and with which embedder, and
carries a checksum. Whatever does not fit is made again from the tables.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assistant.knowledge.finders.base import BATCH, Vector
from assistant.store.knowledge_rows import KnowledgeStateRow, KnowledgeVectorRow

if TYPE_CHECKING:
    from usearch.index import Index

_MAGIC = b"sightdesk vectors 1"
_LONGEST_HEAD = 65536
_EXACT = 4_000
"""Up to so many vectors all are compared, which is exact and takes a millisecond."""


@dataclass(frozen=True)
class _Head:
    """The second line of the file, in JSON: what its body is of."""

    generation: int
    embedder: str
    dimensions: int
    sha256: str


class Nearest:
    """The vectors of one tenant; may be used from several threads.

    Args:
        path: the file, which need not be there.
        tenant: whose vectors.
    """

    def __init__(self, path: Path, tenant: str) -> None:
        self.path, self._tenant = path, tenant
        self._lock = threading.RLock()
        self._index: Index | None = None
        self._is_of: tuple[int, str] | None = None  # generation and embedder

    def search(
        self, session: Session, state: KnowledgeStateRow, vector: Vector, count: int
    ) -> list[int]:
        """Keys of the vectors nearest to `vector` [d], best first."""
        with self._lock:
            index = self._current(session, state)
            if index is None or len(index) == 0:
                return []
            exact = len(index) <= _EXACT
            found = index.search(vector, min(count, len(index)), exact=exact)
            return [int(key) for key in found.keys]

    def save(self, session: Session, state: KnowledgeStateRow, *, anew: bool = False) -> None:
        """Write the file where it is behind, whole or not at all.

        Args:
            session: a transaction that reads.
            state: the tenant's row, as of that transaction.
            anew: build it from the tables, so that nothing of a removed vector is in it.
        """
        with self._lock:
            if anew:
                self._index = self._is_of = None
                self.path.unlink(missing_ok=True)
            index = self._current(session, state)
            head = _header(self.path)
            if head is None or (head.generation, head.embedder) != self._is_of:
                self._write(index, state)

    def _current(self, session: Session, state: KnowledgeStateRow) -> Index | None:
        """The index of the database as `session` sees it; None where there are no vectors."""
        wanted = (state.generation, state.embedder)
        if self._is_of == wanted:
            return self._index
        if self._index is None or self._is_of is None or self._is_of[1] != state.embedder:
            self._index, self._is_of = self._read(state)
        if self._is_of != wanted:
            self._catch_up(session)
            self._is_of = wanted
        return self._index

    def _catch_up(self, session: Session) -> None:
        """Add what came; build anew where something went."""
        rows = KnowledgeVectorRow
        there = set(session.scalars(select(rows.key).where(rows.tenant == self._tenant)))
        have = {int(key) for key in self._index.keys} if self._index is not None else set()
        if have - there:
            self._index, have = None, set()
        new = sorted(there - have)
        for start in range(0, len(new), BATCH):
            part = new[start : start + BATCH]
            found = session.execute(select(rows.key, rows.vector).where(rows.key.in_(part))).all()
            keys = np.array([key for key, _ in found], np.uint64)
            vectors = stack([data for _, data in found])
            if self._index is None:
                self._index = _empty(vectors.shape[1])
            self._index.add(keys, vectors, threads=1)

    def _read(self, state: KnowledgeStateRow) -> tuple[Index | None, tuple[int, str] | None]:
        """The index of the file and what it is of; None twice where it cannot be used."""
        try:
            data = self.path.read_bytes()
        except OSError:
            return None, None
        head, body = _parsed(data)
        if head is None or head.embedder != state.embedder or head.generation > state.generation:
            return None, None
        # Before it is loaded: what reads it trusts its every number.
        if hashlib.sha256(body).hexdigest() != head.sha256:
            return None, None
        is_of = (head.generation, head.embedder)
        if not body:
            return None, is_of
        index = _empty(head.dimensions)
        try:
            index.load(body)
        except (RuntimeError, ValueError):
            return None, None
        return index, is_of

    def _write(self, index: Index | None, state: KnowledgeStateRow) -> None:
        body = b"" if index is None or len(index) == 0 else bytes(index.save() or b"")
        checksum = hashlib.sha256(body).hexdigest()
        dimensions = index.ndim if index is not None else 0
        head = _Head(state.generation, state.embedder, dimensions, checksum)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        staged = self.path.with_name(f"{self.path.name}.{uuid4().hex}.part")
        try:
            with staged.open("wb") as file:
                file.write(_MAGIC + b"\n" + json.dumps(asdict(head)).encode() + b"\n" + body)
                file.flush()
                os.fsync(file.fileno())
            os.replace(staged, self.path)
        finally:
            staged.unlink(missing_ok=True)


def _empty(dimensions: int) -> Index:
    from usearch.index import Index

    # Half precision: the order is checked against the tables' full one, and the file is half.
    return Index(
        ndim=dimensions, metric="cos", dtype="f16", expansion_add=128, expansion_search=256
    )


def as_vector(data: bytes) -> Vector:
    """A vector of the tables, float32 [d]."""
    return np.frombuffer(data, "<f4")


def stack(found: Sequence[bytes]) -> Vector:
    """Vectors of the tables, float32 [n, d]."""
    return np.stack([as_vector(data) for data in found])


def _header(path: Path) -> _Head | None:
    try:
        with path.open("rb") as file:
            return _parsed(file.read(_LONGEST_HEAD))[0]
    except OSError:
        return None


def _parsed(data: bytes) -> tuple[_Head | None, bytes]:
    """Head and body of a file; no head where it is none of ours."""
    magic, line, body = data.split(b"\n", 2) if data.count(b"\n") > 1 else (b"", b"", b"")
    if magic != _MAGIC:
        return None, b""
    try:
        head = _Head(**json.loads(line))
        fits = _fits_types(head)
    except (ValueError, TypeError, RecursionError):
        return None, b""
    return (head if fits else None), body


def _fits_types(head: _Head) -> bool:
    numbers = (head.generation, head.dimensions)
    return all(type(each) is int for each in numbers) and isinstance(head.embedder, str)
