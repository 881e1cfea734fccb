"""Pictures: put once, shown to the tenant that put them, gone with the last thread that shows them.

A file and its row come and go under one lock (`Database.write(pictures=True)`): the file is named
before its row is committed, and removed after its last row is, with a look whether one came back.
A process that is killed in between leaves a file too many, never a row without one; `sweep` removes
it an hour later.
"""

from __future__ import annotations

import logging
import string
from collections.abc import Iterable, Iterator
from datetime import timedelta

from sqlalchemy import ColumnElement, and_, delete, select
from sqlalchemy.orm import Session

from assistant.errors import ImageError, MissingError, StoreError
from assistant.images import LoadedImage, open_image
from assistant.store.failures import explained
from assistant.store.files import (
    FORGOTTEN_SECONDS,
    THUMBNAIL,
    encode,
    encode_thumbnail,
    is_image_id,
)
from assistant.store.knowledge_rows import KnowledgePassageRow
from assistant.store.models import (
    ExchangePictureRow,
    PictureHoldRow,
    PictureRow,
    TicketPictureRow,
)
from assistant.store.room import Room, now
from assistant.store.text import one_line
from assistant.store.values import StoredImage
from assistant.store.writers import this_process

_LOG = logging.getLogger(__name__)

_LOOKED_AT = 3
# As many values in one statement; SQLite takes 32,766.
_BATCH = 1000


class Pictures(Room):
    """The part of the store that keeps pictures."""

    def put_image(self, image: LoadedImage, *, name: str, tenant: str = "") -> StoredImage:
        """Keep a picture, losslessly, once for as many times as it is put.

        Raises:
            StoreError: it cannot be written; no trace of it is left.
        """
        name = one_line(name.replace("\\", "/").rpartition("/")[2]) or "photo"
        with explained(f"The photo folder {self.files.folder}"):
            known = self._put_again(image.id, tenant)
            if known is not None:
                return known
            data, suffix = encode(image.pixels)
            staged = []
            named = False
            try:
                staged.append(self.files.stage(data))
                staged.append(self.files.stage(encode_thumbnail(image.pixels)))
                row = PictureRow(
                    tenant=tenant,
                    id=image.id,
                    name=name,
                    width=image.width,
                    height=image.height,
                    size=len(data),
                    suffix=suffix,
                    created=now(),
                )
                with self.database.write(pictures=True) as session:
                    session.merge(row)
                    session.flush()
                    _hold(session, image.id, tenant)
                    named = True
                    for path, ending in zip(staged, (suffix, THUMBNAIL), strict=True):
                        self.files.publish(path, image.id, ending)
            except BaseException:
                if named:
                    self.discard([image.id])
                raise
            finally:
                for path in staged:
                    path.unlink(missing_ok=True)
        return _stored(row)

    def image_bytes(self, id: str, *, tenant: str = "") -> bytes:
        """The picture's file: WebP, or PNG where a side is longer than WebP takes.

        `assistant.images.open_image` opens it and finds the same id; the file of a large noisy
        photo may exceed `max_image_bytes`, which `load_image` allows for.

        Raises:
            StoreError: the tenant has no such picture, or its file is gone.
        """
        return self._read(id, self._row(id, tenant).suffix)

    def load_image(self, id: str, *, tenant: str = "") -> LoadedImage:
        """The picture, decoded and checked against its id.

        Raises:
            StoreError: as `image_bytes`, and where the file is damaged.
        """
        row = self._row(id, tenant)
        # It passed the limits when it came; they were about another file and may have changed.
        trusting = self.settings.model_copy(
            update={
                "max_image_bytes": max(self.settings.max_image_bytes, row.size),
                "max_image_pixels": max(self.settings.max_image_pixels, row.width * row.height),
            }
        )
        damaged = f"The file of {row.name} is damaged; add the photo again in a new conversation."
        try:
            image = open_image(self._read(id, row.suffix), settings=trusting, name=row.name)
        except ImageError as error:
            raise StoreError(damaged) from error
        if image.id != id:
            raise StoreError(damaged)
        return image

    def image_info(self, id: str, *, tenant: str = "") -> StoredImage:
        """Name and size of a picture, without its bytes.

        Raises:
            StoreError: the tenant has no such picture.
        """
        return _stored(self._row(id, tenant))

    def image_ids(self, prefix: str = "", *, tenant: str = "", limit: int = 100) -> list[str]:
        """Ids of the tenant's pictures that begin with `prefix`, in order, at most `limit`."""
        if not set(prefix) <= set(string.hexdigits.lower()):
            return []
        ids = select(PictureRow.id).where(PictureRow.tenant == tenant)
        ids = ids.where(PictureRow.id.startswith(prefix)).order_by(PictureRow.id).limit(limit)
        with self.database.read() as session:
            return list(session.scalars(ids))

    def thumbnail(self, id: str, *, tenant: str = "") -> bytes:
        """WebP of at most 320 pixels, made when the picture came.

        Raises:
            StoreError: as `load_image`.
        """
        self._row(id, tenant)
        path = self.files.path(id, THUMBNAIL)
        with explained(f"The photo folder {self.files.folder}"):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                data = encode_thumbnail(self.load_image(id, tenant=tenant).pixels)
                staged = self.files.stage(data)
                try:
                    with self.database.write(pictures=True) as session:
                        if session.get(PictureRow, (tenant, id)) is not None:
                            self.files.publish(staged, id, THUMBNAIL)
                finally:
                    staged.unlink(missing_ok=True)
                return data

    def sweep(self) -> None:
        """Remove what a crash or an unsent photo left: see the module.

        It never raises for a file or a database that cannot be changed now: a later one does it.
        """
        try:
            with self.database.write(pictures=True) as session:
                dropped = _drop(session)
            with self.database.read() as session:
                known = set(session.scalars(select(PictureRow.id).distinct()))
            self.discard([*dropped, *(id for id in self.files.forgotten() if id not in known)])
        except (StoreError, OSError) as error:
            _LOG.warning("Forgotten photos were not removed: %s", error)

    def warn_of_missing_files(self) -> None:
        """Say in the log where the photos of a server's database are in another folder than here.

        That is so where replicas do not share their data folder: each would show its own photos
        alone.
        """
        if self.database.is_sqlite:
            return
        rows = PictureRow
        newest = select(rows.id, rows.suffix).order_by(rows.created.desc()).limit(_LOOKED_AT)
        with self.database.read() as session:
            found = session.execute(newest).all()
        if found and not any(self.files.path(row.id, row.suffix).exists() for row in found):
            _LOG.warning(
                "None of the latest photos in %s is in %s: replicas must share their data folder; "
                "set the same SIGHTDESK_DATA_DIR on a shared disk for all of them.",
                self.database.place,
                self.files.folder,
            )

    def _put_again(self, id: str, tenant: str) -> StoredImage | None:
        """The picture where the tenant has it already, marked as about to be shown."""
        with self.database.read() as session:
            row = session.get(PictureRow, (tenant, id))
            if row is None or not self.files.path(id, row.suffix).exists():
                return None
        with self.database.write(pictures=True) as session:
            row = session.get(PictureRow, (tenant, id))
            if row is None:
                return None
            _hold(session, id, tenant)
            return _stored(row)

    def _row(self, id: str, tenant: str) -> PictureRow:
        row = None
        if is_image_id(id):
            with self.database.read() as session:
                row = session.get(PictureRow, (tenant, id))
        if row is None:
            raise MissingError("This photo is not there any more; add it again.")
        return row

    def _read(self, id: str, suffix: str) -> bytes:
        with explained(f"The photo folder {self.files.folder}"):
            try:
                return self.files.path(id, suffix).read_bytes()
            except FileNotFoundError as error:
                shared = (
                    ""
                    if self.database.is_sqlite
                    else ("let all replicas have the same SIGHTDESK_DATA_DIR, ")
                )
                raise StoreError(
                    f"A photo's file is missing in {self.files.folder}; {shared}put it back from a "
                    f"copy, or add the photo again."
                ) from error

    def discard(self, ids: Iterable[str]) -> None:
        """Remove the files of those pictures that no tenant has any more.

        What cannot be removed now is left to `sweep`: the rows are gone, and nobody sees it.
        """
        try:
            for part in _batches(ids):
                with self.database.write(pictures=True) as session:
                    known = set(
                        session.scalars(select(PictureRow.id).where(PictureRow.id.in_(part)))
                    )
                    for id in set(part) - known:
                        self.files.remove(id)
        except (StoreError, OSError) as error:
            _LOG.warning("Photos of a deleted conversation were not removed yet: %s", error)


def drop_pictures(session: Session, ids: Iterable[str], tenant: str) -> list[str]:
    """Drop the rows of those pictures of `ids` that nothing of the tenant shows any more.

    One that was just put stays, since it is about to be shown again; others that were put long ago
    and never shown go as well.

    Returns:
        ids that were dropped, whose files are to be discarded after the commit.
    """
    dropped: list[str] = []
    for part in _batches(ids):
        dropped += _drop(session, PictureRow.tenant == tenant, PictureRow.id.in_(part))
    forgotten = select(PictureHoldRow).where(_about_it(), ~_fresh()).exists()
    return dropped + _drop(session, PictureRow.tenant == tenant, forgotten)


def mark_shown(session: Session, ids: Iterable[str], tenant: str) -> dict[str, str]:
    """Let go of pictures that this process put; returns names by id of those the tenant has."""
    names: dict[str, str] = {}
    for part in _batches(ids):
        here = (PictureRow.tenant == tenant, PictureRow.id.in_(part))
        found = session.execute(select(PictureRow.id, PictureRow.name).where(*here))
        names.update((row.id, row.name) for row in found)
        session.execute(
            delete(PictureHoldRow).where(
                PictureHoldRow.tenant == tenant,
                PictureHoldRow.picture_id.in_(part),
                PictureHoldRow.holder == this_process(),
            )
        )
    return names


def _batches(ids: Iterable[str]) -> Iterator[list[str]]:
    unique = list(dict.fromkeys(ids))
    return (unique[start : start + _BATCH] for start in range(0, len(unique), _BATCH))


def _hold(session: Session, id: str, tenant: str) -> None:
    session.merge(PictureHoldRow(tenant=tenant, picture_id=id, holder=this_process(), since=now()))


def _fresh() -> ColumnElement[bool]:
    return PictureHoldRow.since >= now() - timedelta(seconds=FORGOTTEN_SECONDS)


def _about_it() -> ColumnElement[bool]:
    holds = PictureHoldRow
    return and_(holds.tenant == PictureRow.tenant, holds.picture_id == PictureRow.id)


def _drop(session: Session, *which: ColumnElement[bool]) -> list[str]:
    """Drop those rows that no exchange shows, no ticket or passage keeps and no process holds."""
    links, kept, told = ExchangePictureRow, TicketPictureRow, KnowledgePassageRow
    mine = links.tenant == PictureRow.tenant
    unused = (
        ~select(PictureHoldRow).where(_about_it(), _fresh()).exists(),
        ~select(links).where(mine, links.shown_id == PictureRow.id).exists(),
        ~select(links).where(mine, links.used_id == PictureRow.id).exists(),
        ~select(kept)
        .where(kept.tenant == PictureRow.tenant, kept.picture_id == PictureRow.id)
        .exists(),
        ~select(told.key)
        .where(told.tenant == PictureRow.tenant, told.image_id == PictureRow.id)
        .exists(),
    )
    dropping = delete(PictureRow).where(*which, *unused).returning(PictureRow.id)
    return list(session.scalars(dropping.execution_options(synchronize_session=False)))


def _stored(row: PictureRow) -> StoredImage:
    return StoredImage(row.id, row.name, row.width, row.height, row.size, row.created)
