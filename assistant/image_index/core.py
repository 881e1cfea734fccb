"""The image index as everybody uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import func, select

from assistant.embedder import Report
from assistant.errors import ImageError, InputError, MissingError, StoreError
from assistant.image_index.duplicates import near_duplicates
from assistant.image_index.filters import conditions, folder_ids
from assistant.image_index.finders import as_vectors, finder_for
from assistant.image_index.finders.base import silent
from assistant.image_index.keeping import Keeper
from assistant.image_index.lookup import all_files, files_of, root_path
from assistant.image_index.searching import Asked, Search
from assistant.image_index.state import check_embedder, read_state
from assistant.image_index.thumbnails import Thumbnails
from assistant.image_index.values import (
    Filter,
    Indexed,
    IndexedFile,
    IndexedFolder,
    Note,
    Results,
)
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings, get_settings
from assistant.space import PictureEmbedder, Vectors
from assistant.store import Store
from assistant.store.files import is_image_id
from assistant.store.image_rows import (
    ImageVectorRow,
    IndexedFileRow,
    IndexedFolderRow,
    IndexedImageRow,
)
from assistant.store.text import storable

MAX_WORDS = 1_000
"""Characters of a search that are looked at."""

_TEXTS = 1_000
"""Texts of the index that a picture is compared with."""

_NEIGHBOURS = 50


class ImageIndex:
    """One tenant's indexed pictures; may be used from several threads and processes.

    Attributes:
        store: where it is kept.
        tenant: whose it is.
        embedder: what its vectors are of.
    """

    def __init__(self, store: Store, tenant: str, embedder: PictureEmbedder) -> None:
        self.store, self.tenant, self.embedder = store, tenant, embedder
        self.thumbnails = Thumbnails(store.settings.cache_dir / "thumbnails")
        self._finder = finder_for(store, tenant)
        self._keeper = Keeper(store, tenant, embedder, self._finder, self.thumbnails)
        self._search = Search(store, tenant, embedder, self._finder)

    @classmethod
    def open(
        cls,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        tenant: str = "",
        embedder: PictureEmbedder | None = None,
        progress: Report | None = None,
    ) -> ImageIndex:
        """Open a tenant's index, empty where nothing was indexed yet.

        Args:
            settings: `get_settings()` by default.
            store: where it is kept; by default the one that the settings name is opened.
            tenant: whose.
            embedder: the one that the settings name by default.
            progress: is told what takes long.

        Raises:
            StoreError: the database cannot be opened, or its server lacks pgvector.
            WeightsError: the embedder is needed and cannot be loaded.
        """
        settings = settings or (store.settings if store is not None else get_settings())
        if embedder is None:
            from assistant.space import picture_embedder

            embedder = picture_embedder(None, settings)
        own = store is None
        store = store or Store.open(settings)
        try:
            opened = cls(store, tenant, embedder)
            opened._finder.prepare()
        except BaseException:
            if own:
                store.close()
            raise
        return opened

    # --- folders

    def add(
        self,
        folder: Path,
        *,
        progress: Report | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Indexed:
        """Index the pictures of a folder; what did not change is left alone.

        See `assistant.image_index.adding`.
        """
        from assistant.image_index.adding import add_folder

        return add_folder(self, folder, progress=progress, cancelled=cancelled)

    def remove(self, folder: str | Path) -> None:
        """Forget a folder: its files, and pictures, vectors and thumbnails that no other shows.

        Args:
            folder: its id or its path.

        Raises:
            InputError: it is not indexed, or is a part of an indexed folder.
        """
        with self.store.database.read() as session:
            found = folder_ids(session, self.tenant, folder)
            if any(part for _, part in found):
                raise InputError(
                    "Only a part of an indexed folder is named; remove the whole folder, or delete "
                    "the pictures and index it again."
                )
            rows = IndexedFolderRow
            keys = [key for key, _ in found]
            ids = list(session.scalars(select(rows.id).where(rows.key.in_(keys))))
        for id in ids:
            self._keeper.remove(id)
        self._finder.settle(thoroughly=True)

    def folders(self) -> list[IndexedFolder]:
        """All indexed folders, by path."""
        rows, files = IndexedFolderRow, IndexedFileRow
        counts = select(func.count(files.image_key), func.count(files.trouble))
        found = []
        with self.store.database.read() as session:
            for row in session.scalars(select(rows).where(rows.tenant == self.tenant)):
                here = counts.where(files.folder_key == row.key)
                good, bad = session.execute(here).one()
                found.append(IndexedFolder(row.id, root_path(row.path), row.added, good, bad))
        return sorted(found, key=lambda each: each.path)

    def files(
        self, folder: str | Path = "", *, where: Filter | None = None
    ) -> Iterator[IndexedFile]:
        """Indexed files by folder and path, of one folder or of all.

        Args:
            folder: id or path.
            where: which of them.

        Raises:
            InputError: the folder is not indexed.
        """
        where = where or Filter(folder=folder)
        with self.store.database.read() as session:
            wanted = conditions(session, self.tenant, where)
            if where.folder != folder and folder:
                wanted += conditions(session, self.tenant, Filter(folder=folder))
        return all_files(self.store.database.read, *wanted)

    # --- searching

    def search(
        self,
        words: str = "",
        *,
        image: LoadedImage | None = None,
        where: Filter | None = None,
        limit: int = 20,
        offset: int = 0,
        threshold: float | None = None,
        weight: float = 0.5,
    ) -> Results:
        """Pictures that are like words, like a picture, or like both, best first.

        Args:
            words: in a person's words; the first 1,000 characters are looked at.
            image: a picture to compare with; the index need not have it.
            where: which pictures are looked at.
            limit: pictures of a page, 1 to 1,000.
            offset: pictures of the pages before it; 10,000 can be reached.
            threshold: of the likelihood, below which nothing is like it; the embedder's by default.
            weight: of the words, 0 to 1, where there is a picture too.

        Raises:
            InputError: nothing is asked for, the filter cannot be fulfilled, or the index was made
                with another embedder.
            StoreError: the database cannot be read.
        """
        if not 0 <= weight <= 1:
            raise InputError(f"A weight of {weight} cannot be used; give one from 0 to 1.")
        said, text = self._of_words(words)
        if text is None and image is None:
            raise InputError("Nothing is looked for; give words or a picture.")
        asked = Asked(
            text,
            self.embedder.encode_pictures([image.pixels])[0] if image is not None else None,
            weight,
            said,
        )
        return self._search.page(asked, where, limit, offset, threshold)

    def similar(
        self,
        image_id: str,
        *,
        words: str = "",
        where: Filter | None = None,
        limit: int = 20,
        offset: int = 0,
        threshold: float | None = None,
        weight: float = 0.5,
    ) -> Results:
        """Pictures that are like one that is indexed, itself left out; see `search`.

        Raises:
            MissingError: it is not indexed.
        """
        key, vector = self._vector(image_id)
        said, text = self._of_words(words)
        asked = Asked(text, vector, weight, said, key)
        return self._search.page(asked, where, limit, offset, threshold)

    def texts_for(
        self, image: LoadedImage, texts: Sequence[str] | None = None, limit: int = 10
    ) -> list[tuple[str, float]]:
        """Texts that say what a picture shows, each with the probability that it does, best first.

        Args:
            image: the index need not have it.
            texts: among which; by default labels that are noted in the index, and captions of
                pictures that are like it.
            limit: how many at most.

        Raises:
            InputError: the index was made with another embedder.
        """
        vector = self.embedder.encode_pictures([image.pixels])[0]
        if texts is None:
            texts = self._noted_texts(vector)
        known = list(dict.fromkeys(text for text in texts if text.strip()))
        if not known or limit < 1:
            return []
        cosines = self.embedder.encode_texts(known) @ vector
        chances = self.embedder.calibration.of_words(cosines)
        order = np.argsort(-cosines, kind="stable")[:limit]
        return [(known[place], float(chances[place])) for place in order.tolist()]

    def near_duplicates(
        self,
        *,
        limit: int = 1_000,
        least: float = 0.9,
        progress: Report | None = None,
    ) -> list[list[IndexedFile]]:
        """Groups of files that show the same picture, or one resized, recompressed or squashed.

        The largest picture of each group comes first, and the largest groups.

        Args:
            limit: groups at most.
            least: cosine that near duplicates have at least.
            progress: is told how many pictures were looked at.

        Raises:
            InputError: the index was made with another embedder.
        """
        with self.store.database.read() as session:
            state = read_state(session, self.tenant)
            if state is None:
                return []
            check_embedder(state, self.embedder)
            return near_duplicates(session, state, self._finder, limit, least, progress or silent)

    # --- pictures

    def file(self, image_id: str) -> IndexedFile:
        """The first file that shows a picture.

        Raises:
            MissingError: it is not indexed.
        """
        return self.files_of(image_id)[0]

    def files_of(self, image_id: str) -> list[IndexedFile]:
        """All files that show a picture, at most 101.

        Raises:
            MissingError: it is not indexed.
        """
        images = IndexedImageRow
        if is_image_id(image_id):
            with self.store.database.read() as session:
                mine = (images.tenant == self.tenant, images.image_id == image_id)
                key = session.scalar(select(images.key).where(*mine))
                found = files_of(session, [key]) if key is not None else {}
            if key in found:
                return found[key]
        raise MissingError("This picture is not indexed any more; search again.")

    def open_picture(self, file: IndexedFile) -> LoadedImage:
        """The picture of a file, read from where it is.

        Raises:
            ImageError: it is gone or cannot be opened.
            StoreError: it changed since it was indexed.
        """
        try:
            image = open_image(file.location, settings=self.store.settings, name=file.shown)
        except ImageError as error:
            if file.location.exists():
                raise
            raise ImageError(
                f"{file.shown} is not in its folder any more; index the folder again."
            ) from error
        if image.id != file.image_id:
            raise StoreError(f"{file.shown} changed since it was indexed; index its folder again.")
        return image

    def thumbnail(self, file: IndexedFile, side: int = 256) -> bytes:
        """WebP of at most `side` pixels, 32 to 1,024; made when it is first asked for.

        Raises:
            InputError: `side` is out of range.
            ImageError, StoreError: as `open_picture`.
        """
        return self.thumbnails.get(file.image_id, side, lambda: self.open_picture(file))

    def annotate(self, notes: Mapping[str, Note]) -> int:
        """Note what pictures show, by image id; returns how many of them are indexed.

        A note takes the place of the one before; notes of pictures that are not indexed are not
        kept. Searches by words find what is noted.

        Raises:
            StoreError: it cannot be written.
        """
        return self._keeper.annotate(notes)

    def labels(self) -> list[str]:
        """All labels that are noted, in order."""
        rows = IndexedImageRow
        mine = (rows.tenant == self.tenant, rows.label != "")
        with self.store.database.read() as session:
            return sorted(session.scalars(select(rows.label).where(*mine).distinct()))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be found."""
        with self.store.database.read() as session:
            state = read_state(session, self.tenant)
            return state is None or state.vectors == 0

    def _of_words(self, words: str) -> tuple[str, Vectors | None]:
        """What is looked at of a person's words, and its vector [d]; None where there are none."""
        said = storable(words)[:MAX_WORDS].strip()
        return said, self.embedder.encode_texts([said])[0] if said else None

    def _vector(self, image_id: str) -> tuple[int, Vectors]:
        """Key and vector of an indexed picture."""
        images, vectors = IndexedImageRow, ImageVectorRow
        if is_image_id(image_id):
            with self.store.database.read() as session:
                state = read_state(session, self.tenant)
                if state is not None:
                    check_embedder(state, self.embedder)
                query = select(images.key, vectors.vector).join(
                    vectors, vectors.image_key == images.key
                )
                mine = (images.tenant == self.tenant, images.image_id == image_id)
                row = session.execute(query.where(*mine)).one_or_none()
            if row is not None:
                return row.key, as_vectors([row.vector])[0]
        raise MissingError("This picture is not indexed any more; search again.")

    def _noted_texts(self, vector: Vectors) -> list[str]:
        """Labels of the index, and captions of the pictures nearest to a vector."""
        rows = IndexedImageRow
        with self.store.database.read() as session:
            state = read_state(session, self.tenant)
            if state is None or state.vectors == 0:
                return []
            check_embedder(state, self.embedder)
            near = self._finder.nearest(session, state, vector, _NEIGHBOURS)
            columns = (rows.label, rows.coarse_label, rows.caption)
            said = session.execute(select(*columns).where(rows.key.in_(near.keys.tolist())))
            texts = [text for row in said for text in row]
            labels = select(rows.label).where(rows.tenant == self.tenant).distinct()
            texts += session.scalars(labels.limit(_TEXTS))
        return texts
