"""The knowledge base as everybody uses it."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assistant.embedder import Embedder, PairScorer, Report, text_embedder
from assistant.errors import InputError, StoreError
from assistant.knowledge.adding import Adding
from assistant.knowledge.entries import EntryKeeper
from assistant.knowledge.finders import finder_for
from assistant.knowledge.finders.nearest import stack
from assistant.knowledge.keeping import check_embedder, passage_of
from assistant.knowledge.ranking import DEPTH, fuse, named
from assistant.knowledge.reading import ReadText
from assistant.knowledge.values import Added, Document, Hit, Passage, Product
from assistant.knowledge.words import MAX_QUERY, corrected, meant, query_words, tokens, vocabulary
from assistant.settings import Settings, get_settings
from assistant.store import Store
from assistant.store.knowledge_rows import (
    KnowledgeDocumentRow,
    KnowledgePassageRow,
    KnowledgeStateRow,
    KnowledgeVectorRow,
)
from assistant.store.text import storable

_MOST_TITLES = 50_000
_RERANKED = 20  # hits that a cross-encoder reads
_ID = re.compile(r"[0-9a-f]{32}")


def _silent(_message: str, _fraction: float | None) -> None:
    pass


class Knowledge:
    """One tenant's documents and what they say; may be used from several threads.

    Several processes may use and change the same knowledge base: each sees a document whole or not
    at all.

    Attributes:
        entries: passages that a program adds by itself, beside those of files.
    """

    def __init__(
        self,
        store: Store,
        tenant: str,
        embedder: Embedder,
        *,
        read_text: ReadText | None = None,
        reranker: PairScorer | None = None,
    ) -> None:
        self.store, self.tenant, self.embedder = store, tenant, embedder
        self.read_text, self._reranker = read_text, reranker
        self._finder = finder_for(store, tenant)
        self.entries = self._keeper = EntryKeeper(store, tenant, embedder, self._finder)
        self._vocabulary: tuple[int, frozenset[str]] = (-1, frozenset())
        self._lock = threading.Lock()

    @classmethod
    def open(
        cls,
        settings: Settings | None = None,
        *,
        store: Store | None = None,
        tenant: str = "",
        embedder: Embedder | None = None,
        read_text: ReadText | None = None,
        progress: Report | None = None,
    ) -> Knowledge:
        """Open a tenant's knowledge base, empty where nothing was added yet.

        Args:
            settings: `get_settings()` by default.
            store: where it is kept; by default the one that the settings name is opened.
            tenant: whose.
            embedder: the one that the settings name by default. Where the vectors are of another
                one, all are made again.
            read_text: reads scanned pages; without it they are among the troubles.
            progress: is told what is embedded again.

        Raises:
            StoreError: the database cannot be opened, or its server lacks pgvector.
            WeightsError: the embedder is needed and cannot be loaded.
        """
        settings = settings or (store.settings if store is not None else get_settings())
        embedder = embedder or text_embedder(None, settings)
        reranker = PairScorer(settings.reranker, settings.device) if settings.reranker else None
        own = store is None
        store = store or Store.open(settings)
        try:
            opened = cls(store, tenant, embedder, read_text=read_text, reranker=reranker)
            opened._finder.prepare()
            opened._keeper.embed_anew(progress or _silent)
        except BaseException:
            if own:
                store.close()
            raise
        return opened

    def add(
        self,
        path: str | Path,
        *,
        progress: Report | None = None,
        read_text: ReadText | None = None,
    ) -> Added:
        """Add a file, or all readable files of a folder; what did not change is left alone.

        A document is called by its file's name, within a folder by its path there; one of the same
        name is replaced. Documents that came with the same folder and are not there any more go.

        Args:
            path: of the file or folder.
            progress: is told what is done, and how much of it.
            read_text: reads scanned pages, in place of the one given to `open`.

        Raises:
            InputError: there is nothing at that path.
            StoreError: it cannot be written; documents are there whole or not at all.
        """
        reader = read_text or self.read_text
        adding = Adding(self.store, self.tenant, self._keeper, reader, progress or _silent)
        added = adding.add(Path(path))
        if added.documents or added.removed:
            self._finder.settle(thoroughly=adding.something_went)
        return added

    def remove(self, document: str) -> None:
        """Forget a document: its passages, vectors, words, and pictures that nothing else shows.

        Raises:
            InputError: there is none of that name.
        """
        if not self._keeper.remove(document):
            names = ", ".join(each.name for each in self.documents()[:10])
            raise InputError(
                f"There is no document {storable(document)[:100]!r}; "
                + (f"those that are there: {names}." if names else "the knowledge base is empty.")
            )
        self._finder.settle(thoroughly=True)

    def documents(self) -> list[Document]:
        """All documents, by name."""
        rows, parts = KnowledgeDocumentRow, KnowledgePassageRow
        total = (
            select(func.count())
            .where(parts.tenant == rows.tenant, parts.document == rows.name)
            .scalar_subquery()
        )
        query = select(rows, total).where(rows.tenant == self.tenant).order_by(rows.name)
        with self.store.database.read() as session:
            return [
                Document(row.name, row.kind, count, row.size, row.created, row.updated)
                for row, count in session.execute(query)
            ]

    def search(self, query: str, *, limit: int = 4, label: str | None = None) -> list[Hit]:
        """The passages that a question is about, best first.

        Args:
            query: words of a customer; the first 1,000 characters are looked at.
            limit: how many at most.
            label: only passages of the product with this label.

        Raises:
            StoreError: the database cannot be read, or another process changed the embedder.
        """
        question = storable(query)[:MAX_QUERY].strip()
        if not question or limit < 1 or self.is_empty:
            return []
        vector = self.embedder.encode([question], query=True)[0]
        with self.store.database.read() as session:
            state = session.get(KnowledgeStateRow, self.tenant)
            if state is None:
                return []
            check_embedder(state, self.embedder)
            known = self._known(session, state)
            words = corrected(query_words(question), known)
            depth = max(DEPTH, limit)
            lists = (
                self._finder.by_vector(session, state, vector, depth, label),
                self._finder.by_words(session, words, depth, label),
            )
            scores = fuse(lists)
            passages = self._passages(session, list(scores))
            cosines = self._cosines(session, list(passages), vector)
        titles = {key: passage.title for key, passage in passages.items()}
        kinds = {key: passage.coarse_label for key, passage in passages.items()}
        for key, worth in named(titles, kinds, meant(tokens(question), known)).items():
            scores[key] += worth
        order = sorted(passages, key=lambda key: (-scores[key], -cosines.get(key, 0.0), key))
        hits = [Hit(passages[key], cosines.get(key, 0.0), scores[key]) for key in order]
        if self._reranker is not None:
            hits = self._reranked(question, hits[: max(limit, _RERANKED)], self._reranker)
        return hits[:limit]

    def passage(self, id: str) -> Passage:
        """The passage of that id.

        Raises:
            StoreError: there is none, or not any more.
        """
        rows = KnowledgePassageRow
        if _ID.fullmatch(id):
            with self.store.database.read() as session:
                here = (rows.tenant == self.tenant, rows.id == id)
                row = session.scalar(select(rows).where(*here))
                if row is not None:
                    return passage_of(row)
        raise StoreError("This passage is not there any more; search again.")

    def products(self) -> list[Product]:
        """All products, in the order in which they were added."""
        rows = KnowledgePassageRow
        here = (rows.tenant == self.tenant, rows.label != "")
        columns = (rows.label, rows.coarse_label, rows.image_id, rows.id)
        found: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
        with self.store.database.read() as session:
            for label, coarse, image, id in session.execute(
                select(*columns).where(*here).order_by(rows.document, rows.position)
            ):
                found[label].append((coarse, image or "", id))
        return [
            Product(
                label,
                parts[0][0],
                next((image for _, image, _ in parts if image), ""),
                tuple(id for _, _, id in parts),
            )
            for label, parts in found.items()
        ]

    def labels(self) -> frozenset[str]:
        """Labels of all products."""
        rows = KnowledgePassageRow
        here = (rows.tenant == self.tenant, rows.label != "")
        with self.store.database.read() as session:
            return frozenset(session.scalars(select(rows.label).where(*here).distinct()))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be found."""
        rows = KnowledgePassageRow
        with self.store.database.read() as session:
            return session.scalar(select(rows.key).where(rows.tenant == self.tenant).limit(1)) is (
                None
            )

    def _known(self, session: Session, state: KnowledgeStateRow) -> frozenset[str]:
        """Words of all titles, for slips of the pen."""
        with self._lock:
            generation, known = self._vocabulary
        if generation == state.generation:
            return known
        rows = KnowledgePassageRow
        here = select(rows.title, rows.coarse_label).where(rows.tenant == self.tenant).distinct()
        found = session.execute(here.limit(_MOST_TITLES))
        known = vocabulary(" ".join(row) for row in found)
        with self._lock:
            self._vocabulary = (state.generation, known)
        return known

    def _passages(self, session: Session, keys: Sequence[int]) -> dict[int, Passage]:
        rows = KnowledgePassageRow
        here = (rows.tenant == self.tenant, rows.key.in_(keys))
        return {row.key: passage_of(row) for row in session.scalars(select(rows).where(*here))}

    def _cosines(
        self, session: Session, keys: Sequence[int], vector: np.ndarray
    ) -> dict[int, float]:
        """How near each passage comes to the question with the nearest of its vectors."""
        rows = KnowledgeVectorRow
        found = session.execute(
            select(rows.passage_key, rows.vector).where(rows.passage_key.in_(keys))
        ).all()
        best: dict[int, float] = {}
        if found:
            near = stack([row.vector for row in found]) @ vector
            for row, cosine in zip(found, near, strict=True):
                best[row.passage_key] = max(best.get(row.passage_key, 0.0), min(1.0, float(cosine)))
        return best

    @staticmethod
    def _reranked(question: str, hits: list[Hit], reranker: PairScorer) -> list[Hit]:
        texts = [f"{hit.passage.title}. {hit.passage.text}" for hit in hits]
        scores = reranker.scores(question, texts)
        order = np.argsort(-scores, kind="stable")
        return [Hit(hits[i].passage, hits[i].score, float(scores[i])) for i in order]
