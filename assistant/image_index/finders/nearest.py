"""The nearest vectors of SQLite's image index: a graph in a file, and what came since, in memory.

Up to `LOOSE` vectors there is no graph: all are compared, which is exact and takes less than a
millisecond. So are those that came since the graph was made; when they are too many, `settle` puts
them into it. A picture that was removed stays in the graph, without its vector, and has no row: the
finder passes it over. When a fifth of the graph is such, it is made anew.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from sqlalchemy import select
from sqlalchemy.orm import Session

from assistant.image_index.finders.base import Report, as_vectors
from assistant.image_index.finders.graph_file import GraphFile, Head, empty
from assistant.image_index.state import State
from assistant.space import Vectors
from assistant.store.failures import explained
from assistant.store.image_rows import ImageVectorRow

if TYPE_CHECKING:
    from usearch.index import Index

_LOG = logging.getLogger(__name__)

LOOSE = 4_000
"""Vectors that are compared one by one; a hundredth of the graph, where that is more."""

_READ = 4_000
"""Vectors that are read at once."""

_PART = 1_000
_MOST_GONE = 0.2


@dataclass(frozen=True, eq=False)
class _Current:
    """The vectors as of one moment; never changed, so that a search may go on with an old one.

    Attributes:
        head: of the graph's file; None where there is no graph.
        graph: most of the vectors.
        keys: of the loose ones, int64 [n].
        loose: float32 [n, d].
        last: highest key that was read; later ones are in neither.
    """

    head: Head | None
    graph: Index | None
    keys: NDArray[np.int64]
    loose: Vectors
    last: int

    def __len__(self) -> int:
        return len(self.keys) + (len(self.graph) if self.graph is not None else 0)


_NONE = _Current(None, None, np.zeros(0, np.int64), np.zeros((0, 0), np.float32), 0)


class Nearest:
    """The vectors of one tenant; may be used from several threads.

    Args:
        folder: of the files, which need not be there.
        name: of the files, 16 hexadecimal digits.
        tenant: whose vectors.
        threads: that make a graph; 0: as many as there are cores.
    """

    def __init__(self, folder: Path, name: str, tenant: str, threads: int = 0) -> None:
        self._files, self._tenant, self._threads = GraphFile(folder, name), tenant, threads
        self._place = f"The folder {folder}"
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        # Python's threads would share what a search of usearch notes down.
        self._searching = threading.Lock()
        self._current = _NONE
        self._is_of: tuple[int, str] | None = None  # generation and embedder

    def search(
        self, session: Session, state: State, vector: Vectors, count: int
    ) -> tuple[NDArray[np.int64], Vectors, bool]:
        """Keys and cosines of the `count` vectors nearest to `vector` [d], and whether these are
        all; among them may be some that were removed."""
        now = self._up_to_date(session, state)
        keys, cosines = now.keys, now.loose @ vector if len(now.keys) else np.zeros(0, np.float32)
        if len(keys) > count:
            best = np.argpartition(-cosines, count - 1)[:count]
            keys, cosines = keys[best], cosines[best]
        if now.graph is not None:
            wanted = min(count, len(now.graph))
            # Some are reached from nowhere. Where so many are wanted, all are compared as quickly.
            exact = 4 * wanted >= len(now.graph)
            with self._searching:
                found = now.graph.search(vector, wanted, threads=1, exact=exact)
            keys = np.concatenate([keys, found.keys.astype(np.int64)])
            cosines = np.concatenate([cosines, 1 - found.distances.astype(np.float32)])
        order = np.lexsort((keys, -cosines))[:count]
        return keys[order], np.clip(cosines[order], -1, 1), count >= len(now)

    def neighbours(
        self, session: Session, state: State, count: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Vectors, float]]:
        """For parts of all vectors: their keys [n], keys of neighbours [n, k] (-1 where there is
        none), cosines [n, k], and what part of all is done."""
        now = self._up_to_date(session, state)
        done = 0
        for keys, vectors in self._read(session, 0):
            near = np.full((len(keys), 2 * count), -1, np.int64)
            cosines = np.full((len(keys), 2 * count), -1.0, np.float32)
            if now.graph is not None:
                with self._searching:
                    found: Any = now.graph.search(vectors, count, threads=self._threads)
                width = found.keys.shape[1]
                near[:, :width] = found.keys.astype(np.int64)
                cosines[:, :width] = 1 - found.distances
                # Places that it did not fill.
                unfilled = np.arange(width)[None, :] >= np.asarray(found.counts)[:, None]
                near[:, :width][unfilled] = -1
            if len(now.keys):
                close = vectors @ now.loose.T
                width = min(count, len(now.keys))
                best = np.argpartition(-close, width - 1, axis=1)[:, :width]
                near[:, count : count + width] = now.keys[best]
                cosines[:, count : count + width] = np.take_along_axis(close, best, axis=1)
            done += len(keys)
            yield keys, near, cosines, done / max(done, state.vectors)

    def settle(
        self, session: Session, state: State, report: Report, *, thoroughly: bool = False
    ) -> None:
        """Put loose vectors into the graph where they are many, and its file on the disk.

        Args:
            session: a transaction that reads.
            state: the tenant's row, as of that transaction.
            report: is told how much is done.
            thoroughly: vectors were removed, and nothing of them is to be left on the disk.

        Raises:
            StoreError: the file cannot be written; the one that is there stays.
        """
        with self._settling:
            now = self._up_to_date(session, state, few=True)
            if not thoroughly and len(now.keys) <= self._most_loose(now):
                return
            with explained(self._place):
                self._files.folder.mkdir(parents=True, exist_ok=True)
                with FileLock(self._files.lock_path):
                    # Another process may have done it meanwhile.
                    if self._has_newer(now):
                        now = self._caught_up(session, self._opened(state), few=True)
                    if thoroughly:
                        now = self._purged(session, now, report)
                    if len(now.keys) > self._most_loose(now):
                        now = self._grown(session, state, now, report)
            with self._lock:
                # What came meanwhile is read again by the next search.
                self._current, self._is_of = now, (-1, state.embedder)

    # --- how

    def _up_to_date(self, session: Session, state: State, *, few: bool = False) -> _Current:
        """The vectors of the database as `session` sees it.

        Args:
            session: a transaction that reads.
            state: the tenant's row, as of that transaction.
            few: read no more than show that the graph has to grow, which reads them by itself.
        """
        wanted = (state.generation, state.embedder)
        with self._lock:
            if self._is_of == wanted:
                return self._current
            now = self._current
            if self._is_of is None or self._is_of[1] != state.embedder:
                now = self._opened(state)
            elif self._is_of[0] > state.generation:
                return now  # an older transaction: it passes over what it cannot see
            if len(now) - state.vectors > max(LOOSE, state.vectors):
                now = _NONE  # most of it is gone, such as where the index is made anew
            now = self._caught_up(session, now, few=few)
            if len(now.keys) > self._most_loose(now) and self._has_newer(now):
                # Another process has put them into the graph.
                now = self._caught_up(session, self._opened(state), few=few)
            self._current, self._is_of = now, (wanted if not few else (-1, state.embedder))
            return now

    def _has_newer(self, now: _Current) -> bool:
        head = self._files.head()
        return head is not None and head != now.head

    def _opened(self, state: State) -> _Current:
        """The graph of the file, without loose vectors."""
        head = self._files.head()
        if head is None or head.embedder != state.embedder:
            return _NONE
        if head.vectors - state.vectors > max(LOOSE, state.vectors):
            return _NONE
        graph = self._files.open(head)
        if graph is None:
            _LOG.warning("%s holds a damaged file of vectors; it is made anew.", self._place)
            return _NONE
        return _Current(head, graph, *_nothing(head.dimensions), head.last)

    def _caught_up(self, session: Session, now: _Current, *, few: bool = False) -> _Current:
        """With the vectors that came since; where there are to be few, just more than may be
        loose."""
        keys, loose = [now.keys], [now.loose]
        for some, vectors in self._read(session, now.last):
            keys.append(some)
            loose.append(vectors)
            if few and sum(map(len, keys)) > self._most_loose(now):
                break
        if len(keys) == 1:
            return now
        if not len(now.keys):
            del keys[0], loose[0]
        last = int(keys[-1][-1])
        return _Current(now.head, now.graph, np.concatenate(keys), np.concatenate(loose), last)

    def _read(self, session: Session, after: int) -> Iterator[tuple[NDArray[np.int64], Vectors]]:
        """Keys, int64 [n], and vectors, float32 [n, d], of the tables, in parts, by key."""
        rows = ImageVectorRow
        while True:
            query = select(rows.key, rows.vector).where(
                rows.tenant == self._tenant, rows.key > after
            )
            found = session.execute(query.order_by(rows.key).limit(_READ)).all()
            if found:
                keys = np.array([key for key, _ in found], np.int64)
                yield keys, as_vectors([data for _, data in found])
                after = int(keys[-1])
            if len(found) < _READ:
                return

    def _grown(self, session: Session, state: State, now: _Current, report: Report) -> _Current:
        """With the loose vectors in the graph, in a file."""
        graph = self._files.open(now.head, changeable=True) if now.head is not None else None
        if graph is None:
            graph = empty(now.loose.shape[1])
        last, before = now.last, len(graph)
        for keys, vectors in chain([(now.keys, now.loose)], self._read(session, now.last)):
            # In small parts, so that it is told how far it is.
            for start in range(0, len(keys), _PART):
                done = (len(graph) - before) / max(1, state.vectors - before)
                report("Putting vectors in order", min(1.0, max(0.0, done)))
                part = slice(start, start + _PART)
                graph.add(keys[part].astype(np.uint64), vectors[part], threads=self._threads)
            last = int(keys[-1])
        head = self._files.write(graph, state.embedder, last)
        read = self._files.open(head)
        if read is None:
            raise OSError("The file of vectors cannot be read back.")
        return _Current(head, read, *_nothing(head.dimensions), head.last)

    def _purged(self, session: Session, now: _Current, report: Report) -> _Current:
        """Without what was removed, in memory and on the disk."""
        rows = ImageVectorRow
        mine = rows.tenant == self._tenant
        there = np.fromiter(session.scalars(select(rows.key).where(mine)), np.int64)
        if not len(there):
            self._files.remove()
            return _NONE
        stays = np.isin(now.keys, there)
        now = _Current(now.head, now.graph, now.keys[stays], now.loose[stays], now.last)
        if now.graph is None or now.head is None:
            if self._files.head() is not None:
                self._files.remove()  # of another embedder, or damaged
            return now
        gone = np.setdiff1d(np.asarray(now.graph.keys).astype(np.int64), there)
        if not len(gone):
            return now
        if len(gone) > _MOST_GONE * len(now.graph):
            self._files.remove()
            return self._caught_up(session, _NONE, few=True)
        stored = _stored(now.graph, gone)
        head = self._files.wipe(now.head, [each for each in stored if any(each)])
        graph = self._files.open(head) if head is not None else None
        if head is None or graph is None:
            if not any(any(each) for each in stored):
                return now  # they were wiped before
            self._files.remove()
            return self._caught_up(session, _NONE, few=True)
        return _Current(head, graph, now.keys, now.loose, now.last)

    @staticmethod
    def _most_loose(now: _Current) -> int:
        return max(LOOSE, (len(now.graph) if now.graph is not None else 0) // 100)


def _stored(graph: Index, keys: NDArray[np.int64]) -> list[bytes]:
    """Vectors of a graph, as its file has them."""
    rows: list[Any] = [graph.get(int(key), dtype="f16") for key in keys]
    return [row.tobytes() for row in rows]


def _nothing(dimensions: int) -> tuple[NDArray[np.int64], Vectors]:
    return np.zeros(0, np.int64), np.zeros((0, dimensions), np.float32)
