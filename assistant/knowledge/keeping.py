"""Documents into the tables and out of them: a transaction each, nothing in between to be seen.

Embedding is done before a transaction begins, since it takes long; inside it, the state's row is
locked and looked at again.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from assistant.embedder import BATCH as EMBEDDED
from assistant.embedder import Embedder, Report
from assistant.errors import ImageError, StoreError
from assistant.images import open_image
from assistant.knowledge.facets import digest, facets
from assistant.knowledge.finders import Finder, Vector, entry
from assistant.knowledge.values import Draft, Passage, Reading
from assistant.store import Store
from assistant.store.knowledge_rows import (
    KnowledgeDocumentRow,
    KnowledgePassageRow,
    KnowledgeStateRow,
    KnowledgeVectorRow,
)
from assistant.store.pictures import drop_pictures, mark_shown
from assistant.store.room import now

_BATCH = 1_000  # values in one statement
_TRIES = 5


@dataclass(frozen=True)
class Kept:
    """What became of a document: the number of its passages, and pictures that it lacks."""

    passages: int
    troubles: tuple[str, ...]


class Keeper:
    """Writes one tenant's knowledge.

    Args:
        store: rows and pictures.
        tenant: whose.
        embedder: makes the vectors.
        finder: is told of each change.
    """

    def __init__(self, store: Store, tenant: str, embedder: Embedder, finder: Finder) -> None:
        self.store, self.tenant, self.embedder, self.finder = store, tenant, embedder, finder

    def put(
        self, name: str, reading: Reading, *, mark: str, root: str, size: int, report: Report
    ) -> Kept:
        """Take up a document, in place of the one of the same name.

        Passages that say what they said keep their ids and vectors.

        Args:
            name: of the document.
            reading: what it says.
            mark: its digest; see `KnowledgeDocumentRow.digest`.
            root: the folder that it came with.
            size: bytes of the file.
            report: is told how much is embedded.

        Raises:
            StoreError: it cannot be written; the old document is as it was.
        """
        ids = passage_ids(name, reading.drafts)
        images, troubles = self._put_images(reading.drafts, report)
        texts = {
            id: facets(draft.title, draft.text, draft.label, draft.coarse_label)
            for id, draft in zip(ids, reading.drafts, strict=True)
        }
        vectors = self._vectors([text for each in texts.values() for text in each], name, report)
        with self.store.database.write(pictures=True) as session:
            self._lock_state(session)
            document = session.get(KnowledgeDocumentRow, (self.tenant, name))
            if document is None:
                document = KnowledgeDocumentRow(tenant=self.tenant, name=name, created=now())
                session.add(document)
            document.digest, document.root, document.kind = mark, root, reading.kind
            document.size, document.updated = size, now()
            session.flush()
            known = mark_shown(session, [id for id in images if id], self.tenant)
            values = [
                {
                    "tenant": self.tenant,
                    "id": id,
                    "document": name,
                    "position": position,
                    "title": draft.title,
                    "text": draft.text,
                    "place": draft.place,
                    "label": draft.label,
                    "coarse_label": draft.coarse_label,
                    # One that was removed since, by another process, is a passage without.
                    "image_id": image if image in known else None,
                }
                for position, (id, draft, image) in enumerate(
                    zip(ids, reading.drafts, images, strict=True)
                )
            ]
            dropped = self._exchange(session, name, values, texts, vectors)
        self.store.discard(dropped)
        return Kept(len(ids), tuple(troubles))

    def remove(self, name: str) -> bool:
        """Forget a document; False where there is none of that name."""
        with self.store.database.write(pictures=True) as session:
            document = session.get(KnowledgeDocumentRow, (self.tenant, name))
            if document is None:
                return False
            self._lock_state(session, checked=False)
            dropped = self._exchange(session, name, [], {}, {})
            session.delete(document)
        self.store.discard(dropped)
        return True

    def embed_anew(self, report: Report) -> None:
        """Give every passage vectors of this embedder, at once: none is ever beside an old one.

        Raises:
            StoreError: other processes change the passages all the time.
        """
        rows = KnowledgePassageRow
        columns = (rows.key, rows.title, rows.text, rows.label, rows.coarse_label)
        done: dict[str, bytes] = {}
        for _ in range(_TRIES):
            with self.store.database.read() as session:
                state = session.get(KnowledgeStateRow, self.tenant)
                if state is None or state.embedder == self.embedder.name:
                    return
                generation = state.generation
                found = session.execute(select(*columns).where(rows.tenant == self.tenant)).all()
            texts = {row.key: facets(*row[1:]) for row in found}
            self._embed([text for each in texts.values() for text in each], done, "all", report)
            with self.store.database.write() as session:
                state = session.get(KnowledgeStateRow, self.tenant, with_for_update=True)
                if state is None or state.generation != generation:
                    continue
                old = KnowledgeVectorRow
                session.execute(delete(old).where(old.tenant == self.tenant))
                new = self._insert_vectors(session, texts, done)
                self.finder.replace_vectors(session, new)
                state.embedder = self.embedder.name
                state.generation += 1
                return
        raise StoreError(
            "The knowledge base is being changed by other processes; wait for them, then try again."
        )

    def _exchange(
        self,
        session: Session,
        name: str,
        values: list[dict[str, Any]],
        texts: dict[str, list[str]],
        vectors: dict[str, bytes],
    ) -> list[str]:
        """The document's passages for those of `values`; returns pictures that are gone."""
        rows = KnowledgePassageRow
        here = (rows.tenant == self.tenant, rows.document == name)
        old = {row.id: row for row in session.execute(select(rows).where(*here)).scalars()}
        wanted = {value["id"] for value in values}
        pictures = {row.image_id for row in old.values() if row.image_id}
        gone = [row.key for id, row in old.items() if id not in wanted]
        self.finder.drop(session, gone)
        for part in _batches(gone):
            session.execute(delete(rows).where(rows.key.in_(part)))
        for value in values:
            if row := old.get(value["id"]):
                for column in ("position", "place", "image_id"):
                    setattr(row, column, value[column])
        session.flush()
        new = [value for value in values if value["id"] not in old]
        keys: dict[str, int] = {}
        for chunk in _batches(new):
            added = insert(rows).returning(rows.id, rows.key)
            keys.update((row.id, row.key) for row in session.execute(added, chunk))
        entries = [
            entry(keys[value["id"]], value["title"], value["text"], value["coarse_label"])
            for value in new
        ]
        told = self._insert_vectors(session, {keys[id]: texts[id] for id in keys}, vectors)
        self.finder.put(session, entries, told)
        session.execute(
            update(KnowledgeStateRow)
            .where(KnowledgeStateRow.tenant == self.tenant)
            .values(generation=KnowledgeStateRow.generation + 1)
            .execution_options(synchronize_session=False)
        )
        return drop_pictures(session, pictures, self.tenant)

    def _insert_vectors(
        self, session: Session, texts: dict[int, list[str]], vectors: dict[str, bytes]
    ) -> list[tuple[int, int, Vector]]:
        """Rows for the texts of passages by key; returns key, passage's key and vector of each."""
        rows = KnowledgeVectorRow
        values = [
            {"tenant": self.tenant, "passage_key": key, "digest": mark, "vector": vectors[mark]}
            for key, said in texts.items()
            for mark in map(digest, said)
        ]
        told: list[tuple[int, int, Vector]] = []
        for part in _batches(values):
            added = insert(rows).returning(rows.key, rows.passage_key, rows.vector)
            told += [
                (row.key, row.passage_key, np.frombuffer(row.vector, "<f4"))
                for row in session.execute(added, part)
            ]
        return told

    def _lock_state(self, session: Session, *, checked: bool = True) -> None:
        """Lock the tenant's row, so that one transaction changes its knowledge at a time.

        Raises:
            StoreError: another process has changed the embedder meanwhile.
        """
        state = session.get(KnowledgeStateRow, self.tenant, with_for_update=True)
        if state is None:
            name = self.embedder.name
            session.add(KnowledgeStateRow(tenant=self.tenant, generation=0, embedder=name))
            session.flush()
        elif checked:
            check_embedder(state, self.embedder)

    def _vectors(self, texts: Sequence[str], name: str, report: Report) -> dict[str, bytes]:
        """Vectors of all texts by digest: those that are known, and new ones for the others."""
        rows = KnowledgeVectorRow
        found: dict[str, bytes] = {}
        with self.store.database.read() as session:
            state = session.get(KnowledgeStateRow, self.tenant)
            if state is not None and state.embedder == self.embedder.name:
                for part in _batches(list(dict.fromkeys(map(digest, texts)))):
                    here = (rows.tenant == self.tenant, rows.digest.in_(part))
                    pairs = session.execute(select(rows.digest, rows.vector).where(*here))
                    found.update((row.digest, row.vector) for row in pairs)
        self._embed(texts, found, name, report)
        return found

    def _embed(
        self, texts: Sequence[str], known: dict[str, bytes], name: str, report: Report
    ) -> None:
        """Add to `known` the vectors of those texts that it lacks."""
        new = {digest(text): text for text in texts}
        new = {mark: text for mark, text in new.items() if mark not in known}
        marks = sorted(new, key=lambda mark: len(new[mark]))
        step = 4 * EMBEDDED
        for start in range(0, len(marks), step):
            report(f"Embedding {name}", start / len(marks))
            part = marks[start : start + step]
            vectors = self.embedder.encode([new[mark] for mark in part])
            for mark, vector in zip(part, vectors, strict=True):
                known[mark] = np.ascontiguousarray(vector, "<f4").tobytes()

    def _put_images(self, drafts: Sequence[Draft], report: Report) -> tuple[list[str], list[str]]:
        """Ids of the drafts' pictures, "" where there is none, and what is wrong with some."""
        ids: dict[Any, str] = {None: ""}
        troubles: list[str] = []
        for position, draft in enumerate(drafts):
            if draft.image in ids or draft.image is None:
                continue
            report("Storing pictures", position / len(drafts))
            ids[draft.image] = ""
            try:
                image = open_image(draft.image, settings=self.store.settings)
            except ImageError as error:
                troubles.append(str(error))
                continue
            stored = self.store.put_image(image, name=draft.image.name, tenant=self.tenant)
            ids[draft.image] = stored.id
        return [ids[draft.image] for draft in drafts], troubles


def check_embedder(state: KnowledgeStateRow, embedder: Embedder) -> None:
    """Raise a `StoreError` where the tenant's vectors are of another embedder."""
    if state.embedder != embedder.name:
        raise StoreError(
            f"The knowledge base was embedded with {state.embedder} meanwhile and not with "
            f"{embedder.name}; use the same SIGHTDESK_EMBEDDER everywhere and start this again."
        )


def passage_ids(name: str, drafts: Sequence[Draft]) -> list[str]:
    """Ids by what is said, so that they stay as long as a passage does; its place may change."""
    seen: Counter[str] = Counter()
    ids = []
    for draft in drafts:
        said = "\0".join((name, draft.label, draft.coarse_label, draft.title, draft.text))
        mark = hashlib.sha256(said.encode()).hexdigest()
        seen[mark] += 1
        again = f"{mark}\0{seen[mark]}"
        ids.append(hashlib.sha256(again.encode()).hexdigest()[:32])
    return ids


def passage_of(row: KnowledgePassageRow) -> Passage:
    """A row as everybody is given it."""
    return Passage(
        id=row.id,
        document=row.document,
        source=row.document.rpartition("/")[2],
        title=row.title,
        text=row.text,
        place=row.place,
        label=row.label,
        coarse_label=row.coarse_label,
        image_id=row.image_id or "",
    )


def _batches(values: Sequence[Any]) -> Iterator[Any]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
