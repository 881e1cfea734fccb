"""The pictures that can be searched at a desk: those of indexed folders, and the products'.

Nothing is loaded before the first search that needs it: neither the picture embedder nor the index.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

import numpy as np

from assistant.errors import MissingError, SightdeskError
from assistant.settings import Settings
from assistant.tools.vectors import KeptVectors, Vector

if TYPE_CHECKING:
    from assistant.image_index import ImageIndex, IndexedFile
    from assistant.images import LoadedImage
    from assistant.space import PictureEmbedder
    from assistant.store import Store, StoredImage

THUMBNAIL_PIXELS: Final = 320
"""Longest side of a small picture, as of those that the store keeps."""

NAME_CHARS: Final = 200
_DIGITS: Final = frozenset("0123456789abcdef")
_BATCH: Final = 8
_BATCH_PIXELS: Final = 16_000_000
"""Of the pictures that are decoded at a time, unless one alone has more."""

_LOG = logging.getLogger(__name__)
_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


@contextmanager
def without_folders() -> Iterator[None]:
    """While it is entered, no gallery has indexed folders for this context.

    For strangers, such as visitors of a web page: products are for their eyes, and what else a
    tenant has indexed need not be.
    """
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)


@dataclass
class Gallery:
    """One tenant's pictures that can be searched; cheap to make, usable from several threads.

    Attributes:
        embedder: in place of the one that the settings name.
    """

    settings: Settings
    store: Store
    tenant: str = ""
    embedder: PictureEmbedder | None = None
    _space: PictureEmbedder | None = field(default=None, init=False, repr=False, compare=False)
    _index: ImageIndex | None = field(default=None, init=False, repr=False, compare=False)
    _products: dict[str, KeptVectors] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _lock: threading.RLock = field(
        default_factory=threading.RLock, init=False, repr=False, compare=False
    )

    def of(self, settings: Settings, store: Store, tenant: str) -> Gallery:
        """This one, or another with the same embedder where it is not that tenant's."""
        if store is self.store and settings == self.settings and tenant == self.tenant:
            return self
        return Gallery(settings, store, tenant, self.embedder)

    @property
    def space(self) -> PictureEmbedder:
        """What puts words and pictures into one space; loaded when it first embeds.

        Raises:
            SightdeskError: it is not installed, or damaged.
        """
        with self._lock:
            if self._space is None:
                from assistant.space import picture_embedder

                self._space = self.embedder or picture_embedder(None, self.settings)
            return self._space

    @property
    def index(self) -> ImageIndex:
        """The pictures of indexed folders.

        Raises:
            SightdeskError: as `space`, or the database cannot be read.
        """
        with self._lock:
            if self._index is None:
                from assistant.image_index import ImageIndex

                self._index = ImageIndex.open(
                    self.settings, store=self.store, tenant=self.tenant, embedder=self.space
                )
            return self._index

    @property
    def has_folders(self) -> bool:
        """Whether there is an indexed picture.

        Raises:
            StoreError: the database cannot be read.
        """
        return bool(self.ids("", limit=1))

    # --- pictures of indexed folders, by id

    def ids(self, prefix: str, limit: int = 2) -> list[str]:
        """Ids of indexed pictures that begin so, in order; no embedder is needed for that.

        Raises:
            StoreError: the database cannot be read.
        """
        from assistant.image_index.lookup import image_ids

        if _hidden.get() or not set(prefix) <= _DIGITS:
            return []
        with self.store.database.read() as session:
            return image_ids(session, self.tenant, prefix, limit)

    def file(self, id: str) -> IndexedFile:
        """The first indexed file that shows the picture of this id.

        Raises:
            MissingError: there is none.
            SightdeskError: as `index`.
        """
        if not self.ids(id, limit=1):
            raise MissingError("There is no picture of this id; search again.")
        return self.index.file(id)

    def about(self, id: str) -> StoredImage:
        """Name and size of an indexed picture, as of one that the store keeps.

        Raises:
            MissingError: as `file`.
        """
        from assistant.store import StoredImage

        file = self.file(id)
        return StoredImage(id, file_name(file), file.width, file.height, file.size, file.modified)

    def load(self, id: str) -> LoadedImage:
        """The picture itself, from its file.

        Raises:
            MissingError: as `file`, or the file is gone or shows another picture now.
        """
        file = self.file(id)
        try:
            return self.index.open_picture(file)
        except SightdeskError as error:
            raise _gone(error) from error

    def bytes(self, id: str, side: int | None = THUMBNAIL_PIXELS) -> bytes:
        """The picture as a file without metadata.

        Args:
            id: of the picture.
            side: pixels that it has at most, 32 to 1,024, as WebP; None: all, as the store keeps
                pictures.

        Raises:
            MissingError: as `load`.
        """
        if side is None:
            from assistant.store.files import encode

            return encode(self.load(id).pixels)[0]
        file = self.file(id)
        try:
            return self.index.thumbnail(file, side)
        except SightdeskError as error:
            raise _gone(error) from error

    # --- pictures of products, by vector

    def product_vectors(
        self,
        ids: Sequence[str],
        load: Callable[[str], LoadedImage],
        *,
        owner: str,
        cancelled: threading.Event,
    ) -> dict[str, Vector]:
        """The vectors of pictures of the knowledge base, each made once and kept.

        Args:
            ids: of all its pictures; what was kept of others goes.
            load: gives a picture; one that cannot be read is passed over.
            owner: whose knowledge base it is.
            cancelled: ends it early, with those that there are.
        """
        size = (self.space.dimensions,)
        kept = self._kept(owner)
        known = {id: vector for id, vector in kept.read().items() if vector.shape == size}
        missing = [id for id in dict.fromkeys(ids) if id not in known]
        made: dict[str, Vector] = {}
        for batch in _batches(missing, load):
            made |= self._encoded(batch)
            if cancelled.is_set():
                break
        wanted = {id: vector for id in ids if (vector := made.get(id, known.get(id))) is not None}
        if made or len(wanted) < len(known):
            kept.write(wanted)
        return wanted

    def _encoded(self, pictures: Sequence[LoadedImage]) -> dict[str, Vector]:
        vectors = self.space.encode_pictures([picture.pixels for picture in pictures])
        return {
            picture.id: np.asarray(vector, np.float32)
            for picture, vector in zip(pictures, vectors, strict=True)
        }

    def _kept(self, owner: str) -> KeptVectors:
        name = self.space.name
        place = self.settings.database_url or str(self.settings.data_dir)
        with self._lock:
            key = f"{name}\0{owner}"
            if key not in self._products:
                self._products[key] = KeptVectors(
                    self.settings.cache_dir / "products", "\0".join((name, owner, place))
                )
            return self._products[key]


def file_name(file: IndexedFile) -> str:
    """What a person calls an indexed file: its name in one line, without where it lies."""
    return PurePosixPath(file.shown).name[:NAME_CHARS] or "picture"


def _batches(ids: Sequence[str], load: Callable[[str], LoadedImage]) -> Iterator[list[LoadedImage]]:
    """Pictures, as many at a time as are decoded together without taking much room."""
    batch: list[LoadedImage] = []
    pixels = 0
    for id in ids:
        try:
            picture = load(id)
        except SightdeskError:
            continue  # its file is gone; the others can still be found
        batch.append(picture)
        pixels += picture.width * picture.height
        if len(batch) == _BATCH or pixels >= _BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _gone(error: SightdeskError) -> MissingError:
    """What is told of a file that cannot be read: the log alone says where it lies."""
    _LOG.warning("An indexed picture cannot be shown: %s", error)
    return MissingError(
        "This picture is not in its folder any more, or has changed; index the folder again."
    )
