"""What the tools of one conversation work with: engine, pictures, knowledge and whose they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assistant.adapter_files import find_adapter, known_adapters
from assistant.closing import Closing
from assistant.default_engine import default_engine
from assistant.errors import AdapterError, InputError
from assistant.settings import Settings, get_settings
from assistant.tools.gallery import Gallery

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.images import LoadedImage
    from assistant.knowledge import Added, Knowledge
    from assistant.store import Store, StoredImage

TIMEOUT_S: Final = 60.0
_PREFIX: Final = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class HandOver:
    """A model's wish for a person: why, and what it was about.

    Attributes:
        reason: in the model's words, one line.
        kind: that a tool asked for it; the agent has other kinds.
        image_ids: pictures of the conversation.
    """

    reason: str
    kind: str = "tool"
    image_ids: tuple[str, ...] = ()


@dataclass
class Desk(Closing):
    """What the tools of one conversation work with; cheap to make, and to `replace` for another.

    Attributes:
        engine: the engine, or a callable that gives it and loads it the first time
            (`functools.cache` around one does); None where there is none.
        store: where the pictures are.
        knowledge: the knowledge base, or None.
        tenant: whose pictures and caches.
        adapter: whose labels `label_image` gives; by default that of the settings, else the
            installed one for the knowledge base's labels, else ImageNet's names are given.
        hand_over: calls a person, and returns the ticket; None where none can be called.
        images: ids of the conversation's pictures, the only ones beside the knowledge base's and
            those of indexed folders that can be named; None allows all of the tenant's.
        timeout_s: seconds after which a tool gives up with a sentence.
        gallery: the pictures that can be searched: the tenant's indexed folders, and what is kept
            of the products'. It is the tenant's own in any case.
    """

    engine: Engine | Callable[[], Engine] | None
    store: Store
    knowledge: Knowledge | None
    settings: Settings
    tenant: str = ""
    adapter: str | None = None
    hand_over: Callable[[HandOver], Any] | None = None
    images: Collection[str] | None = None
    timeout_s: float = TIMEOUT_S
    gallery: Gallery = field(default=None, repr=False, compare=False)  # type: ignore[assignment]
    _matching: tuple[frozenset[str], str | None] | None = field(
        default=None, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        given = self.gallery or Gallery(self.settings, self.store, self.tenant)
        self.gallery = given.of(self.settings, self.store, self.tenant)

    @classmethod
    def open(
        cls,
        settings: Settings | None = None,
        *,
        tenant: str = "",
        engine: Engine | Callable[[], Engine] | None = None,
    ) -> Desk:
        """The desk that the settings name: their store, knowledge and engine.

        Args:
            settings: `get_settings()` by default.
            tenant: whose.
            engine: by default that of the process for these settings, loaded when it is needed.

        Raises:
            StoreError: the database cannot be opened.
            WeightsError: the embedder is needed and cannot be loaded.
        """
        from assistant.knowledge import Knowledge
        from assistant.store import Store

        settings = settings or get_settings()
        store = Store.open(settings)
        try:
            knowledge = Knowledge.open(settings, store=store, tenant=tenant)
        except BaseException:
            store.close()
            raise
        return cls(engine or partial(default_engine, settings), store, knowledge, settings, tenant)

    def close(self) -> None:
        """Give the database's connections back."""
        self.store.close()

    def loaded_engine(self) -> Engine:
        """The engine, loaded if it was not.

        Raises:
            InputError: there is none.
            SightdeskError: it cannot be loaded.
        """
        engine = self.engine
        if engine is None:
            raise InputError("No vision model is loaded here; go on without looking at pictures.")
        return engine() if callable(engine) else engine

    def label_adapter(self) -> str | None:
        """The adapter whose labels are given; None for the encoder's own names."""
        chosen = self.adapter or self.settings.adapter
        if chosen or self.knowledge is None:
            return chosen or None
        labels = self.knowledge.labels()
        if self._matching is None or self._matching[0] != labels:
            self._matching = labels, adapter_for_labels(labels, self.settings)
        return self._matching[1]

    def product_images(self) -> set[str]:
        """Ids of the knowledge base's pictures."""
        if self.knowledge is None:
            return set()
        return {product.image_id for product in self.knowledge.products() if product.image_id}

    def image_id(self, image: str) -> str:
        """The whole id of a picture that is named by it or by a prefix of at least 8 digits.

        Raises:
            InputError: it names no picture of this conversation, or several.
        """
        prefix = re.sub(r"^(?:image|img|id)?[\s:#\[]*|[\s\].…]*$", "", image.strip().lower())
        if not _PREFIX.fullmatch(prefix):
            raise InputError(f"{_shown(image)} names no picture; {self._choices()}")
        found = {id for id in self.product_images() if id.startswith(prefix)}
        if self.images is None:
            found |= set(self.store.image_ids(prefix, tenant=self.tenant, limit=2))
        else:
            found |= {id for id in self.images if id.startswith(prefix)}
        found |= set(self.gallery.ids(prefix, limit=2))
        if len(found) > 1:
            raise InputError(f"Several pictures begin with {prefix}; give more of the id.")
        if not found:
            raise InputError(f"There is no picture {prefix[:16]}; {self._choices()}")
        return found.pop()

    def load_image(self, image: str) -> LoadedImage:
        """That picture from the store, or from the indexed folder that it is in.

        Raises:
            InputError: as `image_id`.
            SightdeskError: it is gone or damaged.
        """
        id = self.image_id(image)
        owner = self._owner(id)
        if owner is None:
            return self.gallery.load(id)
        return self.store.load_image(id, tenant=owner)

    def about_image(self, id: str) -> StoredImage:
        """Name and size of a picture that may be seen here.

        Raises:
            StoreError: it is gone.
        """
        owner = self._owner(id)
        if owner is None:
            return self.gallery.about(id)
        return self.store.image_info(id, tenant=owner)

    def kept_bytes(self, id: str) -> bytes | None:
        """The file of a picture that may be seen here; None of one in an indexed folder, which is
        not for others as it is.

        Raises:
            StoreError: it is gone.
        """
        owner = self._owner(id)
        return None if owner is None else self.store.image_bytes(id, tenant=owner)

    def thumbnail(self, id: str) -> bytes:
        """A picture that may be seen here as WebP of at most 320 pixels.

        Raises:
            SightdeskError: it is gone or damaged.
        """
        owner = self._owner(id)
        if owner is None:
            return self.gallery.bytes(id)
        return self.store.thumbnail(id, tenant=owner)

    def add_knowledge(self, path: str | Path) -> Added:
        """Add a file or a folder of documents, products and photos; see `Knowledge.add`.

        Raises:
            InputError: there is nothing at that path, or no knowledge base here.
            StoreError: it cannot be written.
        """
        if self.knowledge is None:
            raise InputError("This desk has no knowledge base; open one with Desk.open.")
        return self.knowledge.add(path)

    def keep_image(self, picture: LoadedImage, name: str = "photo") -> str:
        """Keep a picture where the tools find it; its id.

        It goes when this process has ended, unless a conversation of the store shows it.

        Raises:
            StoreError: it cannot be written.
        """
        return self.store.put_image(picture, name=name, tenant=self.tenant).id

    def add_image(self, source: str | Path | bytes, name: str = "photo") -> str:
        """The same of a file or of its bytes.

        Raises:
            InputError: there is no such file.
            ImageError: it is no picture, or too large.
            StoreError: as `keep_image`.
        """
        from assistant.images import open_image

        return self.keep_image(open_image(source, settings=self.settings), name)

    def load_product(self, id: str) -> LoadedImage:
        """A picture of the knowledge base, which may be another tenant's.

        Raises:
            StoreError: it is gone or damaged.
        """
        owner = self.tenant if self.knowledge is None else self.knowledge.tenant
        return self.store.load_image(id, tenant=owner)

    def _owner(self, id: str) -> str | None:
        """In whose store a picture is; None where it can only be in an indexed folder."""
        mine = self.images is None or id in self.images
        if mine and self.store.image_ids(id, tenant=self.tenant, limit=1):
            return self.tenant
        if self.knowledge is not None and id in self.product_images():
            return self.knowledge.tenant
        return self.tenant if mine and self.images is not None else None

    def _choices(self) -> str:
        if self.images is None:
            return "give an image id."
        if not self.images:
            return "the conversation has no picture: ask for one."
        ids = ", ".join(id[:8] for id in list(self.images)[-4:])
        return f"give one of: {ids}."


def adapter_for_labels(labels: Iterable[str], settings: Settings) -> str | None:
    """The installed adapter that knows exactly these labels; the user's own before a shipped one.

    Where none does, the one that knows all of them and the fewest others. A damaged adapter is
    passed over: it is none that could be used.
    """
    wanted = frozenset(labels)
    if not wanted:
        return None
    best: tuple[int, str] | None = None
    for name in reversed(known_adapters(settings)):
        try:
            known = frozenset(find_adapter(name, settings).labels)
        except AdapterError:
            continue
        if wanted <= known and (best is None or len(known) < best[0]):
            best = len(known), name
    return best[1] if best is not None else None


def _shown(text: str) -> str:
    line = " ".join(text.split())[:20]
    return repr(line) if line else "Nothing"
