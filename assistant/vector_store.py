"""The knowledge base as a LangChain vector store: documents in under ids, and found by meaning.

What is added here the desk finds and cites too, and what the desk has of files is found here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.vectorstores import VectorStore
from langchain_core.vectorstores.utils import maximal_marginal_relevance

from assistant.embeddings import as_embedder, as_embeddings, as_units
from assistant.errors import InputError
from assistant.knowledge import Knowledge, Passage
from assistant.knowledge.entries import Entry, Near
from assistant.retriever import MOST, described
from assistant.settings import Settings

Filter = Mapping[str, Any] | Callable[[Document], bool]
"""Which documents count: those with these metadata, or those that a function says yes to."""


class KnowledgeVectorStore(VectorStore):
    """One tenant's knowledge as LangChain takes it; may be used from several threads.

    Scores are cosines: the higher the nearer. Documents keep ids and metadata as they were given
    (what JSON can hold); ``source`` and ``title`` among them are what the desk cites.

        store = KnowledgeVectorStore()
        store.add_documents(splitter.split_documents(loader.load()))
        store.similarity_search("how long can I bring things back?", k=3)

    Args:
        knowledge: by default that of the settings is opened.
        embedding: what embeds, by default the settings' embedder; not with `knowledge`, which has
            its own.
        settings: `get_settings()` by default.
        tenant: whose.

    Raises:
        InputError: `knowledge` is given with what belongs to another.
        StoreError: the database cannot be opened.
    """

    def __init__(
        self,
        knowledge: Knowledge | None = None,
        *,
        embedding: Embeddings | None = None,
        settings: Settings | None = None,
        tenant: str = "",
    ) -> None:
        if knowledge is None:
            embedder = as_embedder(embedding) if embedding is not None else None
            knowledge = Knowledge.open(settings, tenant=tenant, embedder=embedder)
        elif embedding is not None or tenant:
            raise InputError(
                "A knowledge base has an embedder and a tenant of its own; open it with those."
            )
        self.knowledge = knowledge

    @property
    def embeddings(self) -> Embeddings:
        """What embeds."""
        return as_embeddings(self.knowledge.embedder)

    # --- in and out

    def add_texts(
        self,
        texts: Iterable[str],
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: Sequence[str | None] | None = None,
        **kwargs: Any,
    ) -> list[str]:
        """Add texts, all or none, each in place of the one of the same id.

        Args:
            ids: new ones where there is none.

        Returns:
            the ids.

        Raises:
            InputError: there are more or fewer metadata or ids than texts, or one that cannot be.
            StoreError: they cannot be written.
        """
        said = list(texts)
        notes = metadatas if metadatas is not None else [{}] * len(said)
        names = list(ids) if ids is not None else [None] * len(said)
        for what, given in (("metadata", notes), ("ids", names)):
            if len(given) != len(said):
                raise InputError(
                    f"There are {len(given)} {what} for {len(said)} texts; give one for each."
                )
        chosen = [name or uuid4().hex for name in names]
        self.knowledge.entries.put_entries(
            [
                Entry(name, text, dict(note))
                for name, text, note in zip(chosen, said, notes, strict=True)
            ]
        )
        return chosen

    def delete(self, ids: list[str] | None = None, **kwargs: Any) -> bool:
        """Forget documents; ids that are none are passed over.

        Args:
            ids: None: all that were added here. What came with files goes by `Knowledge.remove`.

        Raises:
            StoreError: the database cannot be written.
        """
        self.knowledge.entries.remove_entries(ids)
        return True

    def get_by_ids(self, ids: Sequence[str], /) -> list[Document]:
        """Documents by id, in that order; ids that are none are passed over."""
        found = self.knowledge.entries.entries(list(ids))
        return [_document(passage, entry) for entry, passage in found]

    # --- searching

    def similarity_search(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The documents nearest to a question, best first.

        Args:
            filter: see `Filter`.

        Raises:
            InputError: `k` is none that can be.
            StoreError: the database cannot be read.
        """
        return [found for found, _ in self.similarity_search_with_score(query, k, filter)]

    def similarity_search_with_score(
        self, query: str, k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same, each with its cosine."""
        return self.similarity_search_with_score_by_vector(self._embedded(query), k, filter)

    def similarity_search_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[Document]:
        """The documents nearest to a vector, best first.

        Raises:
            InputError: the vector is of another size than those that are kept.
        """
        found = self.similarity_search_with_score_by_vector(embedding, k, filter)
        return [document for document, _ in found]

    def similarity_search_with_score_by_vector(
        self, embedding: list[float], k: int = 4, filter: Filter | None = None, **kwargs: Any
    ) -> list[tuple[Document, float]]:
        """The same, each with its cosine."""
        found = self._nearest(embedding, k, filter)
        return [(_document(near.passage, near.entry), near.score) for near in found]

    def max_marginal_relevance_search(
        self,
        query: str,
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """Near documents that differ from each other (Carbonell and Goldstein, 1998).

        Args:
            fetch_k: how many of the nearest are chosen from.
            lambda_mult: 1: the nearest; 0: the most different ones.
        """
        return self.max_marginal_relevance_search_by_vector(
            self._embedded(query), k, fetch_k, lambda_mult, filter
        )

    def max_marginal_relevance_search_by_vector(
        self,
        embedding: list[float],
        k: int = 4,
        fetch_k: int = 20,
        lambda_mult: float = 0.5,
        filter: Filter | None = None,
        **kwargs: Any,
    ) -> list[Document]:
        """The same by a vector."""
        found = self._nearest(embedding, max(k, fetch_k), filter)
        if not found:
            return []
        vectors = [near.vector.tolist() for near in found]
        chosen = maximal_marginal_relevance(
            np.asarray(embedding, np.float32), vectors, lambda_mult=lambda_mult, k=k
        )
        return [_document(found[place].passage, found[place].entry) for place in chosen]

    @classmethod
    def from_texts(
        cls,
        texts: list[str],
        embedding: Embeddings | None = None,
        metadatas: list[dict[str, Any]] | None = None,
        *,
        ids: list[str] | None = None,
        settings: Settings | None = None,
        tenant: str = "",
        **kwargs: Any,
    ) -> KnowledgeVectorStore:
        """A store with these texts beside what is there."""
        store = cls(embedding=embedding, settings=settings, tenant=tenant)
        store.add_texts(texts, metadatas, ids=ids)
        return store

    def _select_relevance_score_fn(self) -> Callable[[float], float]:
        """What LangChain compares with a threshold: a cosine, those below 0 as 0."""
        return lambda cosine: max(0.0, cosine)

    def _embedded(self, query: str) -> list[float]:
        found: list[float] = self.knowledge.embedder.encode([query], query=True)[0].tolist()
        return found

    def _nearest(self, embedding: Sequence[float], k: int, wanted: Filter | None) -> list[Near]:
        if not 1 <= k <= MOST:
            raise InputError(f"k is {k}; give a number from 1 to {MOST:,}.")
        try:
            vector = np.asarray(embedding, np.float32)
        except (ValueError, TypeError) as error:
            raise InputError("The vector holds what is no number; give numbers.") from error
        if vector.ndim != 1 or not np.isfinite(vector).all():
            raise InputError("The vector is none; give a list of finite numbers.")
        return self.knowledge.entries.nearest(
            as_units(vector[None])[0], k, wanted=_wanted(wanted) if wanted is not None else None
        )


def _wanted(given: Filter) -> Callable[[Passage, Entry | None], bool]:
    if callable(given):
        return lambda passage, entry: bool(given(_document(passage, entry)))
    if not isinstance(given, Mapping):
        raise InputError("The filter is none; give metadata as a dict, or a function.")

    def has(passage: Passage, entry: Entry | None) -> bool:
        known = _document(passage, entry).metadata
        return all(name in known and known[name] == value for name, value in given.items())

    return has


def _document(passage: Passage, entry: Entry | None) -> Document:
    """A passage as LangChain has it: as it was added, or as its file says."""
    if entry is not None:
        return Document(id=entry.name, page_content=entry.text, metadata=dict(entry.notes))
    return Document(id=passage.id, page_content=passage.text, metadata=described(passage))
