"""A model of sentence-transformers for pictures and texts, as the rest of the house has it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from assistant.errors import WeightsError
from assistant.space.values import Calibration, Vectors

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

PICTURES, TEXTS = 16, 64
"""That are embedded at once."""

LONGEST_TEXT = 8_000
"""Characters of a text that are looked at; no model here reads as many."""


class SentenceSpace:
    """See `PictureEmbedder`; loaded when it is first used, and usable from several threads.

    Args:
        name: what the vectors are known by.
        load: gives the model and what its cosines mean.
        dimensions: numbers in a vector, if known before it is loaded.
        calibration: what the cosines mean, if known before it is loaded.
    """

    def __init__(
        self,
        name: str,
        load: Callable[[], tuple[SentenceTransformer, Calibration]],
        *,
        dimensions: int | None = None,
        calibration: Calibration | None = None,
    ) -> None:
        self.name = name
        self._load = load
        self._dimensions, self._calibration = dimensions, calibration
        self._loading, self._reading = threading.Lock(), threading.Lock()
        self._model: SentenceTransformer | None = None

    @property
    def dimensions(self) -> int:
        """Numbers in a vector.

        Raises:
            WeightsError, AdapterError: the model cannot be loaded.
        """
        if self._dimensions is None:
            self._dimensions = int(self.encode_texts(["a"]).shape[1])
        return self._dimensions

    @property
    def calibration(self) -> Calibration:
        """What its cosines mean.

        Raises:
            WeightsError, AdapterError: the model cannot be loaded.
        """
        if self._calibration is None:
            _ = self.model
        assert self._calibration is not None
        return self._calibration

    @property
    def model(self) -> SentenceTransformer:
        """The model itself.

        Raises:
            WeightsError, AdapterError: it cannot be loaded.
        """
        with self._loading:
            if self._model is None:
                self._model, calibration = self._load()
                self._calibration = self._calibration or calibration
            return self._model

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        """Vectors of length 1, float32 [n, dimensions], of pictures of any size.

        Raises:
            WeightsError, AdapterError: the model cannot be loaded.
        """
        return self._encoded([_as_rgb(picture) for picture in pictures], PICTURES)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, float32 [n, dimensions].

        Raises:
            WeightsError, AdapterError: the model cannot be loaded.
        """
        # In a dictionary a text is a text. Bare, one that looks like a path or an address would be
        # opened as a picture.
        given = [{"text": _clean(text)} for text in texts]
        _ = self.model
        with self._reading:  # tokenizers keep how they pad, and are shared by all threads
            return self._encoded(given, TEXTS)

    def _encoded(self, inputs: list[Any], batch: int) -> Vectors:
        if not inputs:
            return np.zeros((0, self.dimensions), np.float32)
        found: Any = self.model.encode(
            inputs, batch_size=batch, normalize_embeddings=True, show_progress_bar=False
        )
        vectors = np.asarray(found, np.float32)
        if vectors.shape[:1] != (len(inputs),) or vectors.ndim != 2:
            raise WeightsError(
                f"The picture embedder {self.name} gives no vector for each picture or text; "
                "name another with SIGHTDESK_PICTURE_EMBEDDER."
            )
        return vectors


def _as_rgb(picture: Image.Image) -> Image.Image:
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _clean(text: str) -> str:
    """Letters that UTF-8 has, which is all that a tokenizer takes."""
    return text[:LONGEST_TEXT].encode("utf-8", "replace").decode()
