"""Passages that a program adds one by one, under names and with notes of its own.

The desk finds and cites them like those of files. They stand in documents that are called by what
the notes say is their source; a document goes with its last passage.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from assistant.errors import InputError
from assistant.knowledge.facets import facets
from assistant.knowledge.finders import Vector, entry
from assistant.knowledge.finders.nearest import as_vector
from assistant.knowledge.keeping import Keeper, check_embedder, passage_of
from assistant.knowledge.values import Passage
from assistant.store.knowledge_rows import (
    KnowledgeDocumentRow,
    KnowledgeEntryRow,
    KnowledgePassageRow,
    KnowledgeStateRow,
    KnowledgeVectorRow,
)
from assistant.store.room import now
from assistant.store.text import one_line, storable, to_json

FOLDER: Final = "entries/"
"""What the names of their documents begin with, so that no file is taken for one."""

MOST_NOTES: Final = 65_536
LONGEST_NAME: Final = 500

_NO_SOURCE: Final = "added"
_BATCH: Final = 500
_FIRST: Final = 32


@dataclass(frozen=True)
class Entry:
    """A passage with what its program says of it; ``notes`` hold what JSON can."""

    name: str
    text: str
    notes: dict[str, Any]


@dataclass(frozen=True)
class Near:
    """A passage near a vector.

    Attributes:
        passage: as the desk has it.
        entry: as its program added it; None for one of a file.
        score: cosine, -1 to 1.
        vector: its nearest one, of length 1.
    """

    passage: Passage
    entry: Entry | None
    score: float
    vector: Vector


class EntryKeeper(Keeper):
    """Writes and finds one tenant's entries."""

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Take up entries in one transaction, each in place of the one of the same name.

        Raises:
            InputError: a name, a text or notes that cannot be kept.
            StoreError: they cannot be written; none is.
        """
        wanted = {each.name: each for each in map(self._checked, entries)}
        if not wanted:
            return
        texts = {
            name: facets(_title(each), each.text) or [each.text] for name, each in wanted.items()
        }
        said = [text for each in texts.values() for text in each]
        vectors = self._vectors(said, "entries", lambda _message, _fraction: None)
        with self.store.database.write() as session:
            self._lock_state(session)
            self._drop(session, list(wanted))
            by_document: dict[str, list[Entry]] = defaultdict(list)
            for each in wanted.values():
                by_document[_document(each)].append(each)
            for document, members in by_document.items():
                self._insert(session, document, members, texts, vectors)
            self._changed(session)
        self.finder.settle()

    def remove_entries(self, names: Sequence[str] | None) -> None:
        """Forget entries of these names, or all; names that are none are passed over."""
        with self.store.database.write() as session:
            if session.get(KnowledgeStateRow, self.tenant) is None:
                return
            self._lock_state(session, checked=False)
            rows = KnowledgeEntryRow
            if names is None:
                names = list(session.scalars(select(rows.name).where(rows.tenant == self.tenant)))
            if not self._drop(session, [storable(name) for name in names]):
                return
            self._changed(session)
        self.finder.settle(thoroughly=True)

    def entries(self, names: Sequence[str]) -> list[tuple[Entry, Passage]]:
        """Those of these names, in that order."""
        found: dict[str, tuple[Entry, Passage]] = {}
        rows, parts = KnowledgeEntryRow, KnowledgePassageRow
        with self.store.database.read() as session:
            for part in _batches([storable(name) for name in names]):
                query = select(rows, parts).join(parts, parts.key == rows.passage_key)
                query = query.where(rows.tenant == self.tenant, rows.name.in_(part))
                for row, passage in session.execute(query):
                    found[row.name] = (_entry(row, passage), passage_of(passage))
        names = dict.fromkeys(storable(name) for name in names)  # type: ignore[assignment]
        return [found[name] for name in names if name in found]

    def nearest(
        self,
        vector: Vector,
        limit: int,
        *,
        wanted: Callable[[Passage, Entry | None], bool] | None = None,
        label: str | None = None,
    ) -> list[Near]:
        """Passages, of files and entries, by cosine to a vector, best first.

        Args:
            vector: float32 [d] of length 1.
            limit: how many at most.
            wanted: says which of them count.
            label: only passages of the product with this label.

        Raises:
            InputError: the vector has another number of dimensions.
            StoreError: the database cannot be read, or another process changed the embedder.
        """
        if limit < 1:
            return []
        with self.store.database.read() as session:
            state = session.get(KnowledgeStateRow, self.tenant)
            if state is None:
                return []
            check_embedder(state, self.embedder)
            self._check_size(session, vector)
            depth = max(limit, _FIRST if wanted is not None else limit)
            while True:
                keys = self.finder.by_vector(session, state, vector, depth, label)
                found = self._near(session, keys, vector)
                if wanted is not None:
                    found = [each for each in found if wanted(each.passage, each.entry)]
                # All were looked at where fewer than asked for came.
                if len(found) >= limit or len(keys) < depth:
                    return found[:limit]
                depth *= 4

    # --- how

    def _checked(self, given: Entry) -> Entry:
        name = storable(given.name)
        if not name or len(name) > LONGEST_NAME:
            raise InputError(f"An id has {len(name)} characters; give 1 to {LONGEST_NAME}.")
        most = self.store.settings.max_document_chars
        if len(given.text) > most:
            raise InputError(
                f"The text {name[:40]!r} has more than {most:,} characters; split it, or raise "
                "SIGHTDESK_MAX_DOCUMENT_CHARS."
            )
        if len(to_json(given.notes, f"The metadata of {name[:40]!r}")) > MOST_NOTES:
            raise InputError(
                f"The metadata of {name[:40]!r} has more than {MOST_NOTES:,} characters; shorten "
                "it."
            )
        return Entry(name, storable(given.text), given.notes)

    def _insert(
        self,
        session: Session,
        document: str,
        members: Sequence[Entry],
        texts: dict[str, list[str]],
        vectors: dict[str, bytes],
    ) -> None:
        rows = KnowledgePassageRow
        self._open_document(session, document, members)
        here = (rows.tenant == self.tenant, rows.document == document)
        last = session.scalar(select(func.max(rows.position)).where(*here))
        first = 0 if last is None else last + 1
        values = [
            {
                "tenant": self.tenant,
                "id": _passage_id(each.name),
                "document": document,
                "position": first + place,
                "title": _title(each),
                "text": each.text,
                "place": _note(each, "place"),
                "label": "",
                "coarse_label": "",
                "image_id": None,
            }
            for place, each in enumerate(members)
        ]
        keys: dict[str, int] = {}
        for chunk in _batches(values):
            added = insert(rows).returning(rows.id, rows.key)
            keys.update((row.id, row.key) for row in session.execute(added, chunk))
        by_name = {each.name: keys[_passage_id(each.name)] for each in members}
        told = self._insert_vectors(
            session, {by_name[each.name]: texts[each.name] for each in members}, vectors
        )
        self.finder.put(
            session,
            [entry(by_name[each.name], _title(each), each.text, "") for each in members],
            told,
        )
        notes = [
            {
                "passage_key": by_name[each.name],
                "tenant": self.tenant,
                "name": each.name,
                "notes": to_json(each.notes, "Metadata"),
            }
            for each in members
        ]
        for chunk in _batches(notes):
            session.execute(insert(KnowledgeEntryRow), chunk)

    def _open_document(self, session: Session, name: str, members: Sequence[Entry]) -> None:
        row = session.get(KnowledgeDocumentRow, (self.tenant, name))
        if row is None:
            row = KnowledgeDocumentRow(
                tenant=self.tenant, name=name, digest="", root="", kind="entries", size=0,
                created=now(), updated=now(),
            )  # fmt: skip
            session.add(row)
        row.size += sum(len(each.text.encode()) for each in members)
        row.updated = now()
        session.flush()

    def _drop(self, session: Session, names: Sequence[str]) -> bool:
        """Forget those that are there; whether there were any."""
        rows, parts, documents = KnowledgeEntryRow, KnowledgePassageRow, KnowledgeDocumentRow
        found: list[tuple[int, str, str]] = []
        for part in _batches(names):
            query = select(parts.key, parts.document, parts.text).join(
                rows, rows.passage_key == parts.key
            )
            found += session.execute(
                query.where(rows.tenant == self.tenant, rows.name.in_(part))
            ).all()
        self.finder.drop(session, [key for key, _, _ in found])
        for part in _batches([key for key, _, _ in found]):
            session.execute(delete(parts).where(parts.key.in_(part)))
        sizes: dict[str, int] = defaultdict(int)
        for _, document, text in found:
            sizes[document] += len(text.encode())
        for document, size in sizes.items():
            here = (parts.tenant == self.tenant, parts.document == document)
            if session.scalar(select(parts.key).where(*here).limit(1)) is None:
                own = (documents.tenant == self.tenant, documents.name == document)
                session.execute(delete(documents).where(*own))
            else:
                row = session.get(documents, (self.tenant, document))
                if row is not None:
                    row.size = max(0, row.size - size)
        session.flush()
        session.expire_all()
        return bool(found)

    def _changed(self, session: Session) -> None:
        rows = KnowledgeStateRow
        session.execute(
            update(rows)
            .where(rows.tenant == self.tenant)
            .values(generation=rows.generation + 1)
            .execution_options(synchronize_session=False)
        )

    def _check_size(self, session: Session, vector: Vector) -> None:
        rows = KnowledgeVectorRow
        one = session.scalar(select(rows.vector).where(rows.tenant == self.tenant).limit(1))
        if one is not None and len(one) // 4 != len(vector):
            raise InputError(
                f"The vector has {len(vector)} numbers and those that are kept {len(one) // 4}; "
                "use the embedder that they are of."
            )

    def _near(self, session: Session, keys: Sequence[int], vector: Vector) -> list[Near]:
        best: dict[int, tuple[float, Vector]] = {}
        rows: dict[int, KnowledgePassageRow] = {}
        entries: dict[int, KnowledgeEntryRow] = {}
        vectors, parts, own = KnowledgeVectorRow, KnowledgePassageRow, KnowledgeEntryRow
        for part in _batches(keys):
            pairs = select(vectors.passage_key, vectors.vector)
            for key, data in session.execute(pairs.where(vectors.passage_key.in_(part))):
                each = as_vector(data)
                score = float(np.clip(each @ vector, -1.0, 1.0))
                if key not in best or score > best[key][0]:
                    best[key] = (score, each)
            for row in session.scalars(
                select(parts).where(parts.tenant == self.tenant, parts.key.in_(part))
            ):
                rows[row.key] = row
            for note in session.scalars(select(own).where(own.passage_key.in_(part))):
                entries[note.passage_key] = note
        found = []
        for key in keys:
            if key in best and key in rows:
                known = entries.get(key)
                found.append(
                    Near(
                        passage_of(rows[key]),
                        _entry(known, rows[key]) if known is not None else None,
                        *best[key],
                    )
                )
        # The finder's order is of half precision.
        return sorted(found, key=lambda each: -each.score)


def _entry(row: KnowledgeEntryRow, passage: KnowledgePassageRow) -> Entry:
    return Entry(row.name, passage.text, json.loads(row.notes))


def _passage_id(name: str) -> str:
    return hashlib.sha256(f"entry\0{name}".encode()).hexdigest()[:32]


def _document(each: Entry) -> str:
    return FOLDER + (_note(each, "source") or _NO_SOURCE)


def _title(each: Entry) -> str:
    return _note(each, "title")


def _note(each: Entry, name: str) -> str:
    value = each.notes.get(name)
    return one_line(storable(value)) if isinstance(value, str) else ""


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
