"""Folders, files, pictures and vectors into the tables and out of them, a transaction each.

Reading and embedding pictures is done before, since it takes long; a transaction begins with the
lock on the state's row, so that keys of vectors are committed in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.orm import Session

from assistant.errors import ConflictError, InputError
from assistant.image_index.finders import Finder
from assistant.image_index.knowing import Knowing, batches
from assistant.image_index.names import stored
from assistant.image_index.state import check_embedder
from assistant.image_index.thumbnails import Thumbnails
from assistant.image_index.values import FileState, Looks, Note
from assistant.space import PictureEmbedder
from assistant.store import Store
from assistant.store.image_rows import (
    ImageStateRow,
    ImageVectorRow,
    IndexedFileRow,
    IndexedFolderRow,
    IndexedImageRow,
)
from assistant.store.room import now
from assistant.store.text import one_line

LONGEST_LABEL = 200
LONGEST_CAPTION = 2_000

_DROPPED = 2_000  # files that go in one transaction, which others wait for
_MOST = 2**63 - 1
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_STATE = text(
    "INSERT INTO image_states (tenant, generation, embedder, dimensions, vectors) "
    "VALUES (:tenant, 0, :embedder, 0, 0) ON CONFLICT (tenant) DO NOTHING"
)


class Keeper(Knowing):
    """Writes one tenant's image index.

    Args:
        store: rows.
        tenant: whose.
        embedder: what the vectors are of.
        finder: is told of each change.
        thumbnails: go with their pictures.
    """

    def __init__(
        self,
        store: Store,
        tenant: str,
        embedder: PictureEmbedder,
        finder: Finder,
        thumbnails: Thumbnails,
    ) -> None:
        super().__init__(store, tenant)
        self.embedder = embedder
        self.finder, self.thumbnails = finder, thumbnails

    # --- what is known

    def folder(self, path: Path) -> str:
        """Id of the folder of that absolute path, which is taken up where it is new."""
        name = stored(str(path))
        rows = IndexedFolderRow
        here = select(rows.id).where(rows.tenant == self.tenant, rows.path == name)
        with self.store.database.read() as session:
            known = session.scalar(here)
        if known is not None:
            return known
        with self.store.database.write() as session:
            self._lock_state(session, checked=False)
            known = session.scalar(here)
            if known is None:
                known = uuid4().hex
                session.add(rows(tenant=self.tenant, id=known, path=name, added=now()))
            return known

    # --- changes

    def put(self, folder: str, files: Sequence[FileState], looks: Mapping[str, Looks]) -> None:
        """Take up files, each in place of the one of the same path.

        Args:
            folder: id of theirs.
            files: what they are now.
            looks: by image id, of pictures that are not `known`.

        Raises:
            MissingError: the folder was removed meanwhile.
            ConflictError: a picture that was known is not any more, and `looks` has it not.
            InputError: the index is of another embedder.
            StoreError: they cannot be written; none is.
        """
        if not files:
            return
        wanted = {each.path: each for each in files}
        with self.store.database.write() as session:
            state = self._lock_state(session)
            key = self.folder_key(session, folder)
            keys = self._take_up(session, state, wanted.values(), looks)
            rows = IndexedFileRow
            old: dict[str, tuple[int, int | None]] = {}
            for part in batches(list(wanted)):
                query = select(rows.path, rows.key, rows.image_key)
                here = query.where(rows.folder_key == key, rows.path.in_(part))
                for path, file, image in session.execute(here):
                    old[path] = (file, image)
            new, changed, left = [], [], set()
            for path, each in wanted.items():
                image_key = keys[each.image_id] if each.image_id is not None else None
                values = self._values(key, path, each, image_key)
                if path in old:
                    changed.append({**values, "key": old[path][0]})
                    if (before := old[path][1]) is not None and before != image_key:
                        left.add(before)
                else:
                    new.append(values)
            for part in batches(new):
                session.execute(insert(rows), part)
            for part in batches(changed):
                session.execute(update(rows), part)
            session.flush()
            gone = self._drop_images(session, state, left)
            state.generation += 1
        self.thumbnails.drop(gone)

    def move(self, folder: str, moved: Mapping[str, FileState]) -> None:
        """Give files of a folder the place where they are found now: old path to what it is now.

        Raises:
            MissingError: the folder was removed meanwhile.
        """
        if not moved:
            return
        targets = {each.path for each in moved.values()}
        with self.store.database.write() as session:
            state = self._lock_state(session, checked=False)
            key = self.folder_key(session, folder)
            rows = IndexedFileRow
            # What stood where something moves to goes, unless it moves itself.
            left = self._drop_files(session, key, targets - set(moved))
            found: dict[str, int] = {}
            for part in batches(list(moved)):
                here = (rows.folder_key == key, rows.path.in_(part))
                for path, file in session.execute(select(rows.path, rows.key).where(*here)):
                    found[path] = file
            # By way of names that no file has, since two may change places.
            aside = [{"key": file, "path": f"//{file}"} for file in found.values()]
            settled = [
                {
                    "key": file,
                    "path": moved[path].path,
                    "modified_ns": _number(moved[path].modified_ns),
                }
                for path, file in found.items()
            ]
            for part in (*batches(aside), *batches(settled)):
                session.execute(update(rows), part)
            gone = self._drop_images(session, state, left)
            state.generation += 1
        self.thumbnails.drop(gone)

    def drop(self, folder: str, paths: Iterable[str]) -> None:
        """Forget files of a folder, and pictures and vectors that no other file shows.

        A transaction for every 2,000 files.
        """
        for part in batches(list(dict.fromkeys(paths)), _DROPPED):
            with self.store.database.write() as session:
                state = self._lock_state(session, checked=False)
                left = self._drop_files(session, self.folder_key(session, folder), part)
                gone = self._drop_images(session, state, left)
                state.generation += 1
            self.thumbnails.drop(gone)

    def remove(self, folder: str) -> None:
        """Forget a folder and all its files.

        Raises:
            MissingError: there is no such folder.
        """
        rows = IndexedFileRow
        while True:
            with self.store.database.read() as session:
                key = self.folder_key(session, folder)
                query = select(rows.path).where(rows.folder_key == key).limit(_DROPPED)
                paths = list(session.scalars(query))
            if not paths:
                break
            self.drop(folder, paths)
        with self.store.database.write() as session:
            state = self._lock_state(session, checked=False)
            session.execute(delete(IndexedFolderRow).where(IndexedFolderRow.key == key))
            state.generation += 1

    def annotate(self, notes: Mapping[str, Note]) -> int:
        """Note what pictures show; returns how many of them are indexed, the others are not kept.

        Labels have at most 200 characters and captions 2,000; what is longer is cut.
        """
        images = IndexedImageRow
        done = 0
        for part in batches(list(notes)):
            with self.store.database.write() as session:
                state = self._lock_state(session, checked=False)
                query = select(images.key, images.image_id).where(
                    images.tenant == self.tenant, images.image_id.in_(part)
                )
                values = [
                    {
                        "key": key,
                        "label": one_line(notes[id].label, LONGEST_LABEL),
                        "coarse_label": one_line(notes[id].coarse_label, LONGEST_LABEL),
                        "caption": one_line(notes[id].caption, LONGEST_CAPTION),
                    }
                    for key, id in session.execute(query).all()
                ]
                if not values:
                    continue
                session.execute(update(images), values)
                self.finder.note(session, values)
                state.generation += 1
                done += len(values)
        return done

    def start_anew(self) -> None:
        """Forget all vectors and take this embedder for those that will come.

        Folders, files and notes stay; `states` tells which pictures wait for a vector.
        """
        vectors = ImageVectorRow
        with self.store.database.write() as session:
            state = self._lock_state(session, checked=False)
            session.execute(delete(vectors).where(vectors.tenant == self.tenant))
            state.embedder, state.dimensions, state.vectors = self.embedder.name, 0, 0
            state.generation += 1
        self.finder.settle(thoroughly=True)

    # --- how

    def _lock_state(self, session: Session, *, checked: bool = True) -> ImageStateRow:
        """The tenant's row, locked, so that one transaction changes its index at a time."""
        state = session.get(ImageStateRow, self.tenant, with_for_update=True)
        if state is None:
            # Two processes may begin at once.
            session.execute(_FIRST_STATE, {"tenant": self.tenant, "embedder": self.embedder.name})
            state = session.get_one(ImageStateRow, self.tenant, with_for_update=True)
        if checked:
            check_embedder(state, self.embedder)
        return state

    def _take_up(
        self,
        session: Session,
        state: ImageStateRow,
        files: Iterable[FileState],
        looks: Mapping[str, Looks],
    ) -> dict[str, int]:
        """Keys of the files' pictures by image id, with rows for those that are new."""
        images, vectors = IndexedImageRow, ImageVectorRow
        ids = list(dict.fromkeys(each.image_id for each in files if each.image_id is not None))
        keys: dict[str, int] = {}
        seen: set[int] = set()
        for part in batches(ids):
            query = select(images.image_id, images.key, vectors.key).outerjoin(
                vectors, vectors.image_key == images.key
            )
            here = query.where(images.tenant == self.tenant, images.image_id.in_(part))
            for id, key, vector in session.execute(here):
                keys[id] = key
                if vector is not None:
                    seen.add(key)
        lacking = [id for id in ids if keys.get(id) not in seen and id not in looks]
        if lacking:
            raise ConflictError(
                "A picture was removed from the index by another process; index the folder again."
            )
        blank = {"tenant": self.tenant, "label": "", "coarse_label": "", "caption": ""}
        new = [
            {**blank, "image_id": id, "sketch": looks[id].sketch} for id in ids if id not in keys
        ]
        for chunk in batches(new):
            added = insert(images).returning(images.image_id, images.key)
            keys.update((row.image_id, row.key) for row in session.execute(added, chunk))
        fresh = [id for id in ids if keys[id] not in seen]
        values = []
        for id in fresh:
            given = looks[id].vector
            state.dimensions = state.dimensions or len(given)
            if len(given) != state.dimensions:
                raise InputError(
                    f"A vector of {len(given)} numbers does not fit the index, whose have "
                    f"{state.dimensions}; index the folder again with `sightdesk index --rebuild`."
                )
            values.append({"tenant": self.tenant, "image_key": keys[id], "vector": to_bytes(given)})
        told: list[tuple[int, bytes]] = []
        for chunk in batches(values):
            put = insert(vectors).returning(vectors.key, vectors.vector)
            told += [(row.key, row.vector) for row in session.execute(put, chunk)]
        state.vectors += len(told)
        self.finder.put(session, told)
        return keys

    def _values(
        self, folder_key: int, path: str, each: FileState, image_key: int | None
    ) -> dict[str, Any]:
        modified = _number(each.modified_ns)
        return {
            "tenant": self.tenant,
            "folder_key": folder_key,
            "path": path,
            "size": each.size,
            "modified_ns": modified,
            "digest": each.digest,
            "image_key": image_key,
            "trouble": each.trouble,
            "width": each.width,
            "height": each.height,
            "taken": each.taken,
            "moment": each.taken or moment(modified),
        }

    def _drop_files(self, session: Session, folder_key: int, paths: Iterable[str]) -> set[int]:
        """Forget files; returns keys of the pictures that they showed."""
        rows = IndexedFileRow
        left: set[int] = set()
        for part in batches(list(paths)):
            here = (rows.folder_key == folder_key, rows.path.in_(part))
            gone = delete(rows).where(*here).returning(rows.image_key)
            gone = gone.execution_options(synchronize_session=False)
            left.update(key for key in session.scalars(gone) if key is not None)
        return left

    def _drop_images(
        self, session: Session, state: ImageStateRow, keys: Iterable[int]
    ) -> list[str]:
        """Forget those of the pictures that no file shows; returns their ids."""
        images, files, vectors = IndexedImageRow, IndexedFileRow, ImageVectorRow
        ids: list[str] = []
        for part in batches(list(keys)):
            query = select(images.key, images.image_id).where(
                images.key.in_(part),
                ~select(files.key).where(files.image_key == images.key).exists(),
            )
            found = session.execute(query).all()
            if not found:
                continue
            gone = [row.key for row in found]
            self.finder.drop(session, gone)
            dropping = delete(vectors).where(vectors.image_key.in_(gone)).returning(vectors.key)
            dropping = dropping.execution_options(synchronize_session=False)
            state.vectors -= len(session.scalars(dropping).all())
            session.execute(delete(images).where(images.key.in_(gone)))
            ids += [row.image_id for row in found]
        return ids


def to_bytes(vector: np.ndarray) -> bytes:
    """A vector as the tables have it."""
    return np.ascontiguousarray(vector, "<f2").tobytes()


def moment(nanoseconds: int) -> datetime:
    """A file's time; 1970 for one that no calendar has."""
    try:
        return datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    except (ValueError, OverflowError, OSError):
        return _EARLIEST


def _number(nanoseconds: int) -> int:
    """As the column holds it: some disks have times beyond its range."""
    return max(-_MOST, min(_MOST, nanoseconds))
