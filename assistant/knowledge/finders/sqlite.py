"""Finding in SQLite: FTS5 inside the database, and a usearch index beside it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assistant.knowledge.finders.base import (
    BATCH,
    SHORTEST_START,
    Entry,
    Vector,
    entry,
    passage_keys,
)
from assistant.knowledge.finders.nearest import Nearest, stack
from assistant.knowledge.words import singular
from assistant.store import Store
from assistant.store.knowledge_rows import (
    KnowledgePassageRow,
    KnowledgeStateRow,
    KnowledgeVectorRow,
)

_TABLE = "knowledge_words"
# Stems are English; what is indexed is folded already.
_CREATE = (
    f"CREATE VIRTUAL TABLE IF NOT EXISTS {_TABLE} USING fts5("
    "title, body, tokenize = 'porter unicode61 remove_diacritics 0')"
)
_TITLE_WEIGHT = 3.0
"""A word in the title counts as much as so many in the text."""

_PER_PASSAGE = 4
"""Vectors that are looked at for each passage that is wanted, since one has several."""


class SqliteFinder:
    """See `Finder`."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._database, self._tenant = store.database, tenant
        name = hashlib.sha256(tenant.encode()).hexdigest()[:16]
        folder = store.settings.data_dir / f"knowledge-{store.database.identity[:8]}"
        self._nearest = Nearest(folder / f"{name}.usearch", tenant)

    def prepare(self) -> None:
        """Make the table of words, from all tenants' passages, where there is none."""
        there = text("SELECT 1 FROM sqlite_master WHERE name = :name")
        with self._database.read() as session:
            if session.scalar(there, {"name": _TABLE}):
                return
        with self._database.write() as session:
            if session.scalar(there, {"name": _TABLE}):
                return
            session.execute(text(_CREATE))
            rows = KnowledgePassageRow
            columns = (rows.key, rows.title, rows.text, rows.coarse_label)
            for row in session.execute(select(*columns).execution_options(yield_per=BATCH)):
                _insert(session, [entry(*row)])

    def put(
        self, session: Session, entries: Sequence[Entry], vectors: Sequence[tuple[int, int, Vector]]
    ) -> None:
        """See `Finder.put`; the vectors are read from the tables when they are needed."""
        for start in range(0, len(entries), BATCH):
            _insert(session, entries[start : start + BATCH])

    def drop(self, session: Session, keys: Sequence[int]) -> None:
        """See `Finder.drop`."""
        if keys:
            gone = text(f"DELETE FROM {_TABLE} WHERE rowid = :key")
            session.execute(gone, [{"key": key} for key in keys])

    def replace_vectors(self, session: Session, vectors: Sequence[tuple[int, int, Vector]]) -> None:
        """See `Finder.replace_vectors`; nothing to do here."""

    def by_words(
        self, session: Session, words: Sequence[str], limit: int, label: str | None
    ) -> list[int]:
        """See `Finder.by_words`; BM25."""
        if not words:
            return []
        # In quotes nothing is an operator; and no word holds one.
        match = " OR ".join(f'"{word}"' for word in words)
        # "avos" finds the avocado, and "oat" the oatghurt.
        starts = [stem for word in words if len(stem := singular(word)) >= SHORTEST_START]
        match += "".join(f' OR title : "{stem}" *' for stem in starts)
        found = text(
            f"SELECT p.key FROM {_TABLE} JOIN knowledge_passages p ON p.key = {_TABLE}.rowid "
            f"WHERE {_TABLE} MATCH :match AND p.tenant = :tenant "
            + ("AND p.label = :label " if label is not None else "")
            + f"ORDER BY bm25({_TABLE}, {_TITLE_WEIGHT}, 1.0), p.key LIMIT :limit"
        )
        values: dict[str, Any] = {"match": match, "tenant": self._tenant, "limit": limit}
        if label is not None:
            values["label"] = label
        return list(session.scalars(found, values))

    def by_vector(
        self,
        session: Session,
        state: KnowledgeStateRow,
        vector: Vector,
        limit: int,
        label: str | None,
    ) -> list[int]:
        """See `Finder.by_vector`; those of one label are few and all compared."""
        rows = KnowledgeVectorRow
        if label is not None:
            mine = rows.passage_key.in_(passage_keys(session, self._tenant, label))
            found = session.execute(select(rows.passage_key, rows.vector).where(mine)).all()
            if not found:
                return []
            order = np.argsort(-(stack([data for _, data in found]) @ vector), kind="stable")
            ranked = [found[int(place)][0] for place in order]
        else:
            keys = self._nearest.search(session, state, vector, limit * _PER_PASSAGE)
            pairs = session.execute(select(rows.key, rows.passage_key).where(rows.key.in_(keys)))
            owner = {key: passage for key, passage in pairs}
            ranked = [owner[key] for key in keys if key in owner]
        return list(dict.fromkeys(ranked))[:limit]

    def settle(self, *, thoroughly: bool = False) -> None:
        """See `Finder.settle`."""
        if thoroughly:
            with self._database.write() as session:
                # Words of deleted rows stay in its segments until they are merged.
                session.execute(text(f"INSERT INTO {_TABLE}({_TABLE}) VALUES ('optimize')"))
            self._checkpoint()
        with self._database.read() as session:
            state = session.get(KnowledgeStateRow, self._tenant)
            if state is not None:
                self._nearest.save(session, state, anew=thoroughly)

    def _checkpoint(self) -> None:
        """Take the log into the database, so that it holds nothing of what went; or later."""
        raw = self._database.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError:
            pass  # somebody reads; the next one does it
        finally:
            raw.close()


def _insert(session: Session, entries: Sequence[Entry]) -> None:
    new = text(f"INSERT INTO {_TABLE}(rowid, title, body) VALUES (:key, :title, :body)")
    session.execute(new, [vars(each) for each in entries])
