"""Finding in Postgres: tsvector for words, pgvector for meaning, in tables of their own.

All vectors of a tenant are compared, which is exact and takes some 50 ms for a hundred thousand; an
approximate index would look at other tenants' too and come back with too few.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from assistant.knowledge.finders.base import BATCH, SHORTEST_START, Entry, Vector, entry
from assistant.knowledge.finders.nearest import as_vector
from assistant.knowledge.words import singular
from assistant.store import Store
from assistant.store.knowledge_rows import (
    KnowledgePassageRow,
    KnowledgeStateRow,
    KnowledgeVectorRow,
)
from assistant.store.pgvector import literal, switch_on

_PREPARE = 0x5167_0004  # key of an advisory lock; any number, the same in every process

_TABLES = (
    "CREATE TABLE knowledge_words ("
    "passage_key bigint PRIMARY KEY REFERENCES knowledge_passages (key) ON DELETE CASCADE, "
    "tenant text NOT NULL, words tsvector NOT NULL)",
    "CREATE INDEX ix_knowledge_words_words ON knowledge_words USING gin (words)",
    "CREATE TABLE knowledge_points ("
    "vector_key bigint PRIMARY KEY REFERENCES knowledge_vectors (key) ON DELETE CASCADE, "
    "passage_key bigint NOT NULL REFERENCES knowledge_passages (key) ON DELETE CASCADE, "
    "tenant text NOT NULL, point vector NOT NULL)",
    "CREATE INDEX ix_knowledge_points_tenant ON knowledge_points (tenant)",
    "CREATE INDEX ix_knowledge_points_passage_key ON knowledge_points (passage_key)",
)
# "A" and "D" are the heaviest and the lightest words: 1 and 0.1.
_ADD_WORDS = text(
    "INSERT INTO knowledge_words (passage_key, tenant, words) VALUES (:key, :tenant, "
    "setweight(to_tsvector('english', :title), 'A') || to_tsvector('english', :body))"
)
_ADD_POINT = text(
    "INSERT INTO knowledge_points (vector_key, passage_key, tenant, point) "
    "VALUES (:key, :passage, :tenant, CAST(:point AS vector))"
)


class PostgresFinder:
    """See `Finder`."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._database, self._tenant = store.database, tenant

    def prepare(self) -> None:
        """Make the two tables, of all tenants' passages, where they are missing.

        Raises:
            StoreError: the server has no pgvector.
        """
        there = text("SELECT to_regclass('knowledge_points') IS NOT NULL")
        with self._database.read() as session:
            if session.scalar(there):
                return
        switch_on(self._database, "the knowledge base")
        with self._database.write() as session:
            session.execute(text(f"SELECT pg_advisory_xact_lock({_PREPARE})"))
            if session.scalar(there):
                return
            for statement in _TABLES:
                session.execute(text(statement))
            rows = KnowledgePassageRow
            columns = (rows.key, rows.title, rows.text, rows.coarse_label, rows.tenant)
            for key, title, said, coarse, tenant in session.execute(select(*columns)).all():
                self._add_words(session, [entry(key, title, said, coarse)], tenant)
            points = KnowledgeVectorRow
            found = select(points.key, points.passage_key, points.vector, points.tenant)
            for key, passage, data, tenant in session.execute(found).all():
                self._add_points(session, [(key, passage, as_vector(data))], tenant)

    def put(
        self, session: Session, entries: Sequence[Entry], vectors: Sequence[tuple[int, int, Vector]]
    ) -> None:
        """See `Finder.put`."""
        self._add_words(session, entries, self._tenant)
        self._add_points(session, vectors, self._tenant)

    def drop(self, session: Session, keys: Sequence[int]) -> None:
        """See `Finder.drop`; the tables' foreign keys do it."""

    def replace_vectors(self, session: Session, vectors: Sequence[tuple[int, int, Vector]]) -> None:
        """See `Finder.replace_vectors`; the old ones went with their rows."""
        self._add_points(session, vectors, self._tenant)

    def by_words(
        self, session: Session, words: Sequence[str], limit: int, label: str | None
    ) -> list[int]:
        """See `Finder.by_words`."""
        if not words:
            return []
        parts = [f"'{word}'" for word in words]
        starts = [stem for word in words if len(stem := singular(word)) >= SHORTEST_START]
        parts += [f"'{stem}':*A" for stem in starts]
        values = {"query": " | ".join(parts), "limit": limit}
        query = (
            "SELECT w.passage_key FROM knowledge_words w "
            "JOIN knowledge_passages p ON p.key = w.passage_key, "
            "to_tsquery('english', :query) q WHERE w.words @@ q AND p.tenant = :tenant {} "
            "ORDER BY ts_rank(w.words, q, 1) DESC, w.passage_key LIMIT :limit"
        )
        return self._keys(session, query, values, label)

    def by_vector(
        self,
        session: Session,
        state: KnowledgeStateRow,
        vector: Vector,
        limit: int,
        label: str | None,
    ) -> list[int]:
        """See `Finder.by_vector`."""
        query = (
            "SELECT v.passage_key FROM knowledge_points v "
            "JOIN knowledge_passages p ON p.key = v.passage_key "
            "WHERE v.tenant = :tenant AND p.tenant = :tenant {} GROUP BY v.passage_key "
            "ORDER BY min(v.point <=> CAST(:point AS vector)), v.passage_key LIMIT :limit"
        )
        return self._keys(session, query, {"point": literal(vector), "limit": limit}, label)

    def settle(self, *, thoroughly: bool = False) -> None:
        """See `Finder.settle`: deleted rows stay in the server's files until they are swept."""
        if not thoroughly:
            return
        try:
            with self._database.engine.connect() as plain:
                connection = plain.execution_options(isolation_level="AUTOCOMMIT")
                for table in ("passages", "vectors", "words", "points"):
                    connection.execute(text(f"VACUUM knowledge_{table}"))
        except SQLAlchemyError:
            pass  # the server does it by itself, later

    def _keys(
        self, session: Session, query: str, values: dict[str, Any], label: str | None
    ) -> list[int]:
        """Run `query` with the tenant, and the label where there is one."""
        values = {**values, "tenant": self._tenant}
        if label is not None:
            values["label"] = label
        filled = query.format("AND p.label = :label" if label is not None else "")
        return list(session.scalars(text(filled), values))

    @staticmethod
    def _add_words(session: Session, entries: Sequence[Entry], tenant: str) -> None:
        for start in range(0, len(entries), BATCH):
            part = entries[start : start + BATCH]
            session.execute(_ADD_WORDS, [{**vars(each), "tenant": tenant} for each in part])

    @staticmethod
    def _add_points(
        session: Session, vectors: Sequence[tuple[int, int, Vector]], tenant: str
    ) -> None:
        for start in range(0, len(vectors), BATCH):
            values = [
                {"key": key, "passage": passage, "tenant": tenant, "point": literal(vector)}
                for key, passage, vector in vectors[start : start + BATCH]
            ]
            session.execute(_ADD_POINT, values)
