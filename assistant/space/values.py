"""What an embedder of words and pictures is, and what its cosines mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Calibration:
    """What a cosine means: a probability, by a logistic curve measured on pictures not trained on.

    Platt, "Probabilistic outputs for support vector machines", 1999.

    Attributes:
        words: slope and offset of the curve for words and a picture: that it shows what they say.
        pictures: the same for two pictures: that they show the same thing.
        threshold: the probability below which nothing is like it.
    """

    words: tuple[float, float]
    pictures: tuple[float, float]
    threshold: float = 0.5

    def of_words(self, cosines: ArrayLike) -> Vectors:
        """Probabilities, of the shape of the cosines, that pictures show what words say."""
        return _logistic(cosines, self.words)

    def of_pictures(self, cosines: ArrayLike) -> Vectors:
        """Probabilities, of the shape of the cosines, that pictures show the same thing."""
        return _logistic(cosines, self.pictures)


class PictureEmbedder(Protocol):
    """Puts words and pictures into one space; may be used from several threads."""

    @property
    def name(self) -> str:
        """Two embedders of one name give the same vectors."""

    @property
    def dimensions(self) -> int:
        """Numbers in a vector."""

    @property
    def calibration(self) -> Calibration:
        """What its cosines mean."""

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        """Vectors of length 1, float32 [n, dimensions], of RGB pictures of any size."""

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Vectors of length 1, float32 [n, dimensions]."""


def _logistic(cosines: ArrayLike, curve: tuple[float, float]) -> Vectors:
    slope, offset = curve
    exponent = np.clip(slope * np.asarray(cosines, np.float64) + offset, -60, 60)
    return (1 / (1 + np.exp(-exponent))).astype(np.float32)
