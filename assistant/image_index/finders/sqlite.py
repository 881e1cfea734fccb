"""Finding in SQLite: FTS5 inside the database, and a usearch index beside it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assistant.image_index.finders.base import (
    BATCH,
    NEIGHBOURS,
    Near,
    Report,
    noted_words,
    silent,
)
from assistant.image_index.finders.nearest import Nearest
from assistant.image_index.quick import quick
from assistant.image_index.state import State, read_state
from assistant.space import Vectors
from assistant.store import Store
from assistant.store.image_rows import IndexedImageRow

_TABLE = "image_words"
_CREATE = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {_TABLE} USING fts5("
    "words, tokenize = 'porter unicode61 remove_diacritics 0')"
)
_DELETE = text(f"DELETE FROM {_TABLE} WHERE rowid = :key")
# In this index they lie close together, and in the table a kilobyte apart.
_OWNERS = (
    "SELECT key, image_key FROM image_vectors INDEXED BY ix_image_vectors_tenant_key_image_key "
    "WHERE tenant = :tenant AND key IN {keys}"
)
_MATCH = (
    f"SELECT p.key FROM {_TABLE} JOIN indexed_images p ON p.key = {_TABLE}.rowid "
    f"WHERE {_TABLE} MATCH :match AND p.tenant = :tenant "
    f"ORDER BY bm25({_TABLE}), p.key LIMIT :limit"
)
_INSERT = text(f"INSERT INTO {_TABLE}(rowid, words) VALUES (:key, :words)")


class SqliteFinder:
    """See `Finder`."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._database, self._tenant = store.database, tenant
        name = hashlib.sha256(tenant.encode()).hexdigest()[:16]
        folder = store.settings.data_dir / f"pictures-{store.database.identity[:8]}"
        self.nearest_vectors = Nearest(folder, name, tenant)

    def prepare(self) -> None:
        """Make the table of words, from all tenants' notes, where there is none."""
        there = text("SELECT 1 FROM sqlite_master WHERE name = :name")
        with self._database.read() as session:
            if session.scalar(there, {"name": _TABLE}):
                return
        with self._database.write() as session:
            if session.scalar(there, {"name": _TABLE}):
                return
            session.execute(text(_CREATE))
            rows = IndexedImageRow
            columns = (rows.key, rows.label, rows.coarse_label, rows.caption)
            noted = (rows.label != "") | (rows.coarse_label != "") | (rows.caption != "")
            query = select(*columns).where(noted).execution_options(yield_per=BATCH)
            for row in session.execute(query):
                values = {"key": row.key, "words": noted_words(dict(row._mapping))}
                session.execute(_INSERT, values)

    def put(self, session: Session, vectors: Sequence[tuple[int, bytes]]) -> None:
        """See `Finder.put`; they are read from the tables when they are needed."""

    def drop(self, session: Session, keys: Sequence[int]) -> None:
        """See `Finder.drop`."""
        if keys:
            session.execute(_DELETE, [{"key": key} for key in keys])

    def note(self, session: Session, notes: Sequence[Mapping[str, Any]]) -> None:
        """See `Finder.note`."""
        self.drop(session, [note["key"] for note in notes])
        values = [{"key": note["key"], "words": noted_words(note)} for note in notes]
        values = [each for each in values if each["words"]]
        if values:
            session.execute(_INSERT, values)

    def nearest(self, session: Session, state: State, vector: Vectors, count: int) -> Near:
        """See `Finder.nearest`."""
        wanted = count
        while True:
            keys, cosines, complete = self.nearest_vectors.search(session, state, vector, wanted)
            images = self._images(session, keys)
            # Those that were removed since have no row.
            there = images > 0
            if complete or there.sum() >= count:
                return Near(images[there][:count], cosines[there][:count], complete)
            wanted *= 2

    def by_words(self, session: Session, words: Sequence[str], limit: int) -> list[int]:
        """See `Finder.by_words`; BM25."""
        if not words:
            return []
        # In quotes nothing is an operator; and no word holds one.
        match = " OR ".join(f'"{word}"' for word in words)
        values = {"match": match, "tenant": self._tenant, "limit": limit}
        return [key for (key,) in quick(session, _MATCH, values)]

    def neighbours(
        self, session: Session, state: State, least: float, report: Report
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """See `Finder.neighbours`."""
        found = self.nearest_vectors.neighbours(session, state, NEIGHBOURS)
        for keys, near, cosines, fraction in found:
            report("Comparing pictures", fraction)
            close = (cosines >= least) & (near >= 0) & (near != keys[:, None])
            first, second = np.broadcast_to(keys[:, None], near.shape)[close], near[close]
            if len(first):
                pairs = self._images(session, np.concatenate([first, second])).reshape(2, -1)
                there = (pairs > 0).all(axis=0)
                yield pairs[0, there], pairs[1, there]

    def _images(self, session: Session, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """Keys of the pictures of vectors by their keys; 0 for those that are no more."""
        wanted = keys.tolist()
        owner = dict(quick(session, _OWNERS, {"tenant": self._tenant, "keys": wanted}))
        return np.array([owner.get(key, 0) for key in wanted], np.int64)

    def settle(self, report: Report = silent, *, thoroughly: bool = False) -> None:
        """See `Finder.settle`."""
        if thoroughly:
            with self._database.write() as session:
                # Words of deleted rows stay in its segments until they are merged.
                session.execute(text(f"INSERT INTO {_TABLE}({_TABLE}) VALUES ('optimize')"))
            self._checkpoint()
        with self._database.read() as session:
            state = read_state(session, self._tenant)
            if state is not None:
                self.nearest_vectors.settle(session, state, report, thoroughly=thoroughly)

    def _checkpoint(self) -> None:
        """Take the log into the database, so that it holds nothing of what went; or later."""
        raw = self._database.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            pass  # somebody reads; the next one does it
        finally:
            raw.close()
