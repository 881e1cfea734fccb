"""Indexed pictures as a LangChain retriever: what words say, found among the photos of folders."""

from __future__ import annotations

import threading
from pathlib import PurePosixPath
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr

from assistant.errors import InputError
from assistant.image_index import Filter, Found, ImageIndex
from assistant.images import LoadedImage
from assistant.settings import Settings

MOST = 1_000
"""Documents that one search gives."""


class ImageIndexRetriever(BaseRetriever):
    """Pictures of indexed folders that words say something of, the likeliest first.

    Each document is a picture: its ``id`` is the image id, its text what is known of the picture
    (caption, label, or the file's name), and its metadata say where the file is (``path``), what it
    shows (``label``, ``coarse_label``), its size in pixels, when it was ``taken``, and how likely
    it is what was asked for (``likelihood``, 0 to 1). Where nothing is like it, there are none.

        retriever = ImageIndexRetriever(k=3)
        retriever.invoke("two dogs in the snow")
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    index: Any = Field(default=None, exclude=True, repr=False)
    """An `ImageIndex`; by default the one that the settings name is opened at the first search."""

    k: int = Field(default=4, ge=1, le=MOST)
    """Documents at most."""

    where: Filter | None = None
    """Which pictures are looked at."""

    threshold: float | None = Field(default=None, ge=0, le=1)
    """Likelihood that a picture has at least; by default the embedder's own."""

    tenant: str = ""
    settings: Settings | None = Field(default=None, exclude=True, repr=False)

    _opened: Any = PrivateAttr(default=None)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        image: LoadedImage | None = None,
        where: Filter | None = None,
        threshold: float | None = None,
    ) -> list[Document]:
        """Search.

        Args:
            query: words; may be empty where there is a picture.
            k: in place of the retriever's; so with `where` and `threshold`.
            image: what pictures are to be like, alone or beside the words.

        Raises:
            InputError: `k` is none that can be, nothing is asked for, or the index was made with
                another embedder.
            StoreError: the index cannot be opened or read.
        """
        limit = self.k if k is None else k
        if not 1 <= limit <= MOST:
            raise InputError(f"k is {limit}; give a number from 1 to {MOST:,}.")
        index = self._index()
        results = index.search(
            query, image=image, where=where or self.where, limit=limit,
            threshold=self.threshold if threshold is None else threshold,
        )  # fmt: skip
        return [found(hit) for hit in results.likely]

    def _index(self) -> ImageIndex:
        if self.index is not None:
            given: ImageIndex = self.index
            return given
        with self._lock:
            if self._opened is None:
                self._opened = ImageIndex.open(self.settings, tenant=self.tenant)
            opened: ImageIndex = self._opened
            return opened


def found(hit: Found) -> Document:
    """A picture that was found as a document."""
    file = hit.file
    known = {
        "image_id": file.image_id,
        "path": str(file.location),
        "label": file.label,
        "coarse_label": file.coarse_label,
        "caption": file.caption,
        "width": file.width,
        "height": file.height,
        "taken": file.taken.isoformat() if file.taken is not None else "",
    }
    return Document(
        id=file.image_id,
        page_content=file.caption or file.label or PurePosixPath(file.shown).name,
        metadata={
            **{name: value for name, value in known.items() if value},
            "likelihood": round(float(hit.likelihood), 4),
        },
    )
