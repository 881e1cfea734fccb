"""The knowledge base as a LangChain retriever: the desk's own search, by words and by meaning."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict, Field, PrivateAttr

from assistant.errors import InputError
from assistant.knowledge import Hit, Knowledge, Passage
from assistant.settings import Settings

MOST = 1_000
"""Documents that one search gives."""


class KnowledgeRetriever(BaseRetriever):
    """Passages of a desk's knowledge that a question is about, best first.

    Each document is a passage; its ``id`` is what citations name, and its metadata say where it is
    from (``source``, ``title``, ``place``), which product it is about (``label``), which picture
    shows it (``image_id``), and how near it comes to the question (``score``, a cosine).

        retriever = KnowledgeRetriever(k=3)
        retriever.invoke("how long can I bring things back?")
    """

    model_config = ConfigDict(arbitrary_types_allowed=True)

    knowledge: Any = Field(default=None, exclude=True, repr=False)
    """A `Knowledge`; by default the one that the settings name is opened at the first question."""

    k: int = Field(default=4, ge=1, le=MOST)
    """Documents at most."""

    label: str | None = None
    """Only passages of the product with this label."""

    tenant: str = ""
    settings: Settings | None = Field(default=None, exclude=True, repr=False)

    _opened: Any = PrivateAttr(default=None)

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,
        k: int | None = None,
        label: str | None = None,
    ) -> list[Document]:
        """Search.

        Args:
            query: words of a customer.
            k: in place of the retriever's.
            label: in place of the retriever's.

        Raises:
            InputError: `k` is none that can be.
            StoreError: the knowledge base cannot be opened or read.
        """
        limit = self.k if k is None else k
        if not 1 <= limit <= MOST:
            raise InputError(f"k is {limit}; give a number from 1 to {MOST:,}.")
        hits = self._knowledge().search(query, limit=limit, label=label or self.label)
        return [found(hit) for hit in hits]

    def _knowledge(self) -> Knowledge:
        if self.knowledge is not None:
            given: Knowledge = self.knowledge
            return given
        if self._opened is None:
            self._opened = Knowledge.open(self.settings, tenant=self.tenant)
        opened: Knowledge = self._opened
        return opened


def found(hit: Hit) -> Document:
    """A hit as a document, with its score."""
    said = described(hit.passage)
    return Document(
        id=hit.passage.id,
        page_content=hit.passage.text,
        metadata={**said, "score": round(hit.score, 4)},
    )


def described(passage: Passage) -> dict[str, Any]:
    """What is known of a passage beside its text, without what is not."""
    known = {
        "source": passage.source,
        "title": passage.title,
        "place": passage.place,
        "label": passage.label,
        "coarse_label": passage.coarse_label,
        "image_id": passage.image_id,
        "document": passage.document,
    }
    return {name: value for name, value in known.items() if value}
