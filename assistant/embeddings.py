"""Embedders on both sides: this project's as LangChain's `Embeddings`, and LangChain's here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from langchain_core.embeddings import Embeddings

from assistant.embedder import Embedder, Vectors, text_embedder
from assistant.errors import InputError
from assistant.settings import Settings


class TextEmbeddings(Embeddings):
    """A sentence-transformers model as LangChain takes it; loaded when it is first used.

    Args:
        model: a directory or a hub id; by default that of the settings, else all-MiniLM-L6-v2,
            which comes with a package: 384 numbers a text, English.
        settings: `get_settings()` by default.
        embedder: one that is there already, in place of the two above.

    Raises:
        WeightsError: the package of the default is not installed.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        settings: Settings | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        self.embedder = embedder or text_embedder(model, settings)

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Vectors of length 1 of texts that answer questions.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        return _plain(self.embedder.encode(texts))

    def embed_query(self, text: str) -> list[float]:
        """The vector, of length 1, of a question.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        return _plain(self.embedder.encode([text], query=True))[0]


class ForeignEmbedder:
    """Any `Embeddings` of LangChain as the knowledge base takes it.

    Args:
        embeddings: what embeds.
        name: what its vectors are known by; by default its class and model. Where another one is
            named, all of the knowledge is embedded again.
    """

    def __init__(self, embeddings: Embeddings, name: str | None = None) -> None:
        self.embeddings = embeddings
        self._name = name or _name_of(embeddings)

    @property
    def name(self) -> str:
        """Two embedders of one name give the same vectors."""
        return self._name

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """See `assistant.embedder.Embedder.encode`.

        Raises:
            InputError: it gives no vectors of one size.
        """
        if not texts:
            return np.zeros((0, 0), np.float32)
        if query:
            found: Any = [self.embeddings.embed_query(text) for text in texts]
        else:
            found = self.embeddings.embed_documents(list(texts))
        try:
            vectors = np.asarray(found, np.float32)
        except (ValueError, TypeError) as error:
            raise InputError(f"{self.name} gives vectors of several sizes; use another.") from error
        if vectors.shape[:1] != (len(texts),) or vectors.ndim != 2 or not vectors.shape[1]:
            raise InputError(f"{self.name} gives no vector for each text; use another.")
        if not np.isfinite(vectors).all():
            raise InputError(f"{self.name} gives vectors that are no numbers; use another.")
        return as_units(vectors)


def as_embedder(embeddings: Embeddings | Embedder) -> Embedder:
    """An embedder for the knowledge base, whichever it is."""
    if isinstance(embeddings, TextEmbeddings):
        return embeddings.embedder
    if isinstance(embeddings, Embeddings):
        return ForeignEmbedder(embeddings)
    return embeddings


def as_embeddings(embedder: Embedder) -> Embeddings:
    """The same the other way round."""
    if isinstance(embedder, ForeignEmbedder):
        return embedder.embeddings
    return TextEmbeddings(embedder=embedder)


def as_units(vectors: Vectors) -> Vectors:
    """Vectors ``[n, d]`` of length 1; one of zeros stays as it is."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)


def _name_of(embeddings: Embeddings) -> str:
    kind = type(embeddings)
    model = next(
        (
            str(value)
            for field in ("model", "model_name", "model_id", "size")
            if (value := getattr(embeddings, field, None)) is not None
        ),
        "",
    )
    return f"{kind.__module__}.{kind.__qualname__}:{model}"


def _plain(vectors: Vectors) -> list[list[float]]:
    found: list[list[float]] = vectors.tolist()
    return found
