"""Finding in Postgres: tsvector for words, pgvector for pictures, in tables of their own.

Up to `EXACT` vectors of a tenant all are compared. A tenant that has more has an HNSW index of its
own: one for all would be searched past other tenants' vectors and come back with too few. It holds
what pgvector 0.5 and later can; where it does not give enough (deleted rows, more than the 1,000
that it gives at most), all are compared.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from assistant.image_index.finders.base import (
    BATCH,
    NEIGHBOURS,
    Near,
    Report,
    as_vectors,
    noted_words,
    silent,
)
from assistant.image_index.state import State, read_state
from assistant.space import Vectors
from assistant.store import Store
from assistant.store.image_rows import ImageVectorRow, IndexedImageRow
from assistant.store.pgvector import literal, switch_on

EXACT = 20_000
"""Vectors of a tenant that are compared one by one."""

_LOG = logging.getLogger(__name__)

# Keys of advisory locks; any numbers, the same in every process.
_PREPARE, _BUILD = 0x5167_0007, 0x5167_0008

_MOST_FOUND = 1_000  # by an index at once: the limit of hnsw.ef_search
_LEAST_LOOKED_AT = 100
_MOST_DIMENSIONS = 2_000  # that an HNSW index takes

_TABLES = (
    "CREATE TABLE IF NOT EXISTS image_words ("
    "image_key bigint PRIMARY KEY REFERENCES indexed_images (key) ON DELETE CASCADE, "
    "tenant text NOT NULL, words tsvector NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ix_image_words_words ON image_words USING gin (words)",
    "CREATE TABLE IF NOT EXISTS image_points ("
    "vector_key bigint PRIMARY KEY REFERENCES image_vectors (key) ON DELETE CASCADE, "
    "image_key bigint NOT NULL, tenant text NOT NULL, point vector NOT NULL)",
    "CREATE INDEX IF NOT EXISTS ix_image_points_tenant ON image_points (tenant)",
)
_ADD_WORDS = text(
    "INSERT INTO image_words (image_key, tenant, words) VALUES (:key, :tenant, "
    "to_tsvector('english', :words)) ON CONFLICT (image_key) DO UPDATE SET words = EXCLUDED.words"
)
_ADD_POINT = text(
    "INSERT INTO image_points (vector_key, image_key, tenant, point) "
    "SELECT key, image_key, tenant, CAST(:point AS vector) FROM image_vectors WHERE key = :key"
)


class PostgresFinder:
    """See `Finder`."""

    def __init__(self, store: Store, tenant: str) -> None:
        self._database, self._tenant = store.database, tenant
        self._mark = hashlib.sha256(tenant.encode()).hexdigest()[:16]

    def prepare(self) -> None:
        """Make the two tables, of all tenants' pictures, where they are missing.

        Raises:
            StoreError: the server has no pgvector.
        """
        there = text("SELECT to_regclass('image_points') IS NOT NULL")
        with self._database.read() as session:
            if session.scalar(there):
                return
        switch_on(self._database, "the image index")
        with self._database.write() as session:
            session.execute(text(f"SELECT pg_advisory_xact_lock({_PREPARE})"))
            if session.scalar(there):
                return
            for statement in _TABLES:
                session.execute(text(statement))
            rows = IndexedImageRow
            noted = (rows.label != "") | (rows.coarse_label != "") | (rows.caption != "")
            columns = (rows.key, rows.tenant, rows.label, rows.coarse_label, rows.caption)
            for row in session.execute(select(*columns).where(noted)).all():
                values = {
                    "key": row.key,
                    "tenant": row.tenant,
                    "words": noted_words(dict(row._mapping)),
                }
                session.execute(_ADD_WORDS, values)
            last = 0
            while found := self._vectors_after(session, last):
                self.put(session, found)
                last = found[-1][0]

    def put(self, session: Session, vectors: Sequence[tuple[int, bytes]]) -> None:
        """See `Finder.put`."""
        for start in range(0, len(vectors), BATCH):
            part = vectors[start : start + BATCH]
            points = as_vectors([data for _, data in part])
            values = [
                {"key": key, "point": literal(point)}
                for (key, _), point in zip(part, points, strict=True)
            ]
            session.execute(_ADD_POINT, values)

    def drop(self, session: Session, keys: Sequence[int]) -> None:
        """See `Finder.drop`; the tables' foreign keys do it."""

    def note(self, session: Session, notes: Sequence[Mapping[str, Any]]) -> None:
        """See `Finder.note`."""
        values = [
            {"key": note["key"], "tenant": self._tenant, "words": noted_words(note)}
            for note in notes
        ]
        if values:
            session.execute(_ADD_WORDS, values)

    def nearest(self, session: Session, state: State, vector: Vectors, count: int) -> Near:
        """See `Finder.nearest`."""
        limit = min(count, state.vectors)
        if limit <= _MOST_FOUND and self._has_index(session, state):
            near = self._by_index(session, state, vector, limit)
            if len(near.keys) >= limit:
                return near
        # Without the cast there is no index that fits, and all are compared.
        query = (
            "SELECT image_key, 1 - (point <=> CAST(:point AS vector)) FROM image_points "
            "WHERE tenant = :tenant ORDER BY point <=> CAST(:point AS vector), image_key "
            "LIMIT :limit"
        )
        return self._near(session, query, vector, count, count >= state.vectors)

    def by_words(self, session: Session, words: Sequence[str], limit: int) -> list[int]:
        """See `Finder.by_words`."""
        if not words:
            return []
        query = text(
            "SELECT w.image_key FROM image_words w, to_tsquery('english', :query) q "
            "WHERE w.words @@ q AND w.tenant = :tenant "
            "ORDER BY ts_rank(w.words, q, 1) DESC, w.image_key LIMIT :limit"
        )
        # Words hold no quotes, and in quotes nothing is an operator.
        asked = " | ".join(f"'{word}'" for word in words)
        values = {"query": asked, "tenant": self._tenant, "limit": limit}
        return list(session.scalars(query, values))

    def neighbours(
        self, session: Session, state: State, least: float, report: Report
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """See `Finder.neighbours`."""
        if self._has_index(session, state):
            yield from self._neighbours_by_index(session, state, least, report)
            return
        rows = ImageVectorRow
        query = select(rows.image_key, rows.vector).where(rows.tenant == self._tenant)
        found = session.execute(query.order_by(rows.key)).all()
        if not found:
            return
        keys = np.array([key for key, _ in found], np.int64)
        vectors = as_vectors([data for _, data in found])
        for start in range(0, len(keys), BATCH):
            report("Comparing pictures", start / len(keys))
            cosines = vectors[start : start + BATCH] @ vectors.T
            cosines[np.arange(len(cosines)), np.arange(start, start + len(cosines))] = -2
            width = min(NEIGHBOURS, len(keys))
            best = np.argpartition(-cosines, width - 1, axis=1)[:, :width]
            close = np.take_along_axis(cosines, best, axis=1) >= least
            first = np.broadcast_to(keys[start : start + len(best), None], best.shape)
            yield first[close], keys[best[close]]

    def settle(self, report: Report = silent, *, thoroughly: bool = False) -> None:
        """See `Finder.settle`: an index for who has many; deleted rows are swept out."""
        with self._database.read() as session:
            state = read_state(session, self._tenant)
        try:
            with self._database.engine.connect() as plain:
                connection = plain.execution_options(isolation_level="AUTOCOMMIT")
                if thoroughly:
                    for table in (
                        "image_vectors", "indexed_images", "indexed_files", "image_words",
                        "image_points",
                    ):  # fmt: skip
                        connection.execute(text(f"VACUUM {table}"))
                if state is not None:
                    self._settle_index(connection, state, report)
        except SQLAlchemyError as error:
            # The server sweeps by itself, later; and without an index all are compared.
            _LOG.warning("%s was not put in order: %s", self._database.place, error)

    # --- how

    @staticmethod
    def _vectors_after(session: Session, last: int) -> list[tuple[int, bytes]]:
        rows = ImageVectorRow
        query = select(rows.key, rows.vector).where(rows.key > last).order_by(rows.key)
        return [(key, data) for key, data in session.execute(query.limit(BATCH))]

    def _near(
        self, session: Session, query: str, vector: Vectors, count: int, complete: bool
    ) -> Near:
        values = {"tenant": self._tenant, "point": literal(vector), "limit": count}
        found = session.execute(text(query), values).all()
        keys = np.array([key for key, _ in found], np.int64)
        return Near(keys, np.array([cosine for _, cosine in found], np.float32), complete)

    def _by_index(self, session: Session, state: State, vector: Vectors, limit: int) -> Near:
        looked_at = min(_MOST_FOUND, max(limit, _LEAST_LOOKED_AT))
        use_index(session, looked_at)
        point = f"point::vector({state.dimensions})"
        query = (
            f"SELECT image_key, 1 - ({point} <=> CAST(:point AS vector)) AS cosine "
            f"FROM image_points WHERE tenant = :tenant "
            f"ORDER BY {point} <=> CAST(:point AS vector) LIMIT :limit"
        ).replace("::", "\\:\\:")
        return self._near(session, query, vector, limit, limit >= state.vectors)

    def _neighbours_by_index(
        self, session: Session, state: State, least: float, report: Report
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        use_index(session, _LEAST_LOOKED_AT)
        size = state.dimensions
        query = text(
            (
                "SELECT a.image_key, n.image_key, a.vector_key FROM "
                "(SELECT * FROM image_points WHERE tenant = :tenant AND vector_key > :last "
                "ORDER BY vector_key LIMIT :limit) a LEFT JOIN LATERAL "
                f"(SELECT * FROM (SELECT b.image_key, b.point::vector({size}) <=> "
                f"a.point::vector({size}) AS far FROM image_points b WHERE b.tenant = :tenant "
                f"ORDER BY b.point::vector({size}) <=> a.point::vector({size}) LIMIT :nearest) m "
                "WHERE m.image_key <> a.image_key AND m.far <= :most) n ON true "
                "ORDER BY a.vector_key"
            ).replace("::", "\\:\\:")
        )
        last, done = 0, 0
        while True:
            values = {
                "tenant": self._tenant, "last": last, "limit": BATCH, "nearest": NEIGHBOURS,
                "most": 1 - least,
            }  # fmt: skip
            found = session.execute(query, values).all()
            if not found:
                return
            last, done = found[-1][2], done + BATCH
            report("Comparing pictures", min(1.0, done / max(1, state.vectors)))
            pairs = [(first, second) for first, second, _ in found if second is not None]
            if pairs:
                both = np.array(pairs, np.int64)
                yield both[:, 0], both[:, 1]

    def _index(self, dimensions: int) -> str:
        return f"ix_image_points_{self._mark}_{dimensions}"

    def _has_index(self, session: Session, state: State) -> bool:
        valid = text("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)")
        return bool(session.scalar(valid, {"name": self._index(state.dimensions)}))

    def _settle_index(self, connection: Any, state: State, report: Report) -> None:
        """Make the tenant's index where it has many vectors, and remove what does not fit."""
        wanted = (
            self._index(state.dimensions)
            if state.vectors > EXACT and 0 < state.dimensions <= _MOST_DIMENSIONS
            else ""
        )
        if not connection.scalar(text(f"SELECT pg_try_advisory_lock({_BUILD})")):
            return  # another process is at it
        try:
            names = text(
                "SELECT c.relname, i.indisvalid FROM pg_index i JOIN pg_class c "
                "ON c.oid = i.indexrelid WHERE c.relname LIKE :pattern"
            )
            pattern = f"ix\\_image\\_points\\_{self._mark}\\_%"
            for name, valid in connection.execute(names, {"pattern": pattern}).all():
                if name == wanted and valid:
                    return
                connection.execute(text(f'DROP INDEX CONCURRENTLY IF EXISTS "{name}"'))
            if not wanted:
                return
            report("Putting vectors in order on the server", None)
            asked = text("SELECT quote_literal(:tenant)")
            quoted = connection.scalar(asked, {"tenant": self._tenant})
            # Colons in a tenant's name are no parameters.
            connection.exec_driver_sql(
                f"CREATE INDEX CONCURRENTLY {wanted} ON image_points USING hnsw "
                f"((point::vector({state.dimensions})) vector_cosine_ops) "
                f"WHERE tenant = {quoted.replace('%', '%%')}"
            )
            connection.execute(text("ANALYZE image_points"))
        finally:
            connection.execute(text(f"SELECT pg_advisory_unlock({_BUILD})"))


def use_index(session: Session, looked_at: int) -> None:
    """Let this transaction search by the index of its tenant."""
    session.execute(text(f"SET LOCAL hnsw.ef_search = {looked_at}"))
    # A plan for any tenant could not use the index of one.
    session.execute(text("SET LOCAL plan_cache_mode = force_custom_plan"))
    # A server that has not counted yet takes the tenant's vectors for few, and would sort them.
    session.execute(text("SET LOCAL enable_sort = off"))
