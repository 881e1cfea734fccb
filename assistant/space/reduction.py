"""Vectors of fewer numbers: the first ones, or the ones that most varies along (PCA).

A quarter of the numbers is a quarter of the disk and of the search; what recall that costs is
reported by ``python -m tests.benchmarks.space --dims``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from assistant.errors import InputError
from assistant.space.values import Calibration, PictureEmbedder, Vectors


@dataclass(frozen=True)
class Projection:
    """A turn of the space and how many of its axes are kept.

    Attributes:
        axes: ``[d, dimensions]``, orthonormal columns.
    """

    axes: Vectors

    @property
    def dimensions(self) -> int:
        """Numbers that are left."""
        return int(self.axes.shape[1])

    def __call__(self, vectors: Vectors) -> Vectors:
        """``[n, d]`` to ``[n, dimensions]``, of length 1 again."""
        return _units(vectors @ self.axes)


def first(d: int, dimensions: int) -> Projection:
    """Keeps the first of ``d`` numbers: for a space that was trained for it (Matryoshka, Kusupati
    et al., NeurIPS 2022).

    Raises:
        InputError: there are not as many.
    """
    _check(d, dimensions)
    return Projection(np.eye(d, dimensions, dtype=np.float32))


def fitted(vectors: Vectors, dimensions: int) -> Projection:
    """The axes along which vectors ``[n, d]`` are largest.

    The mean is not taken away: what is left then keeps cosines best, for pictures and words alike.

    Raises:
        InputError: there are fewer axes, or fewer vectors than axes.
    """
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or not np.isfinite(rows).all():
        raise InputError("Vectors to fit to are [n, d] finite numbers; give such.")
    _check(rows.shape[1], dimensions)
    if len(rows) < dimensions:
        raise InputError(
            f"{len(rows)} vectors have no {dimensions} axes; give at least as many vectors."
        )
    _, axes = np.linalg.eigh(rows.T @ rows)
    return Projection(np.ascontiguousarray(axes[:, ::-1][:, :dimensions], np.float32))


class Reduced:
    """A picture embedder whose vectors are made shorter; see `PictureEmbedder`."""

    def __init__(
        self,
        embedder: PictureEmbedder,
        projection: Projection,
        calibration: Calibration | None = None,
    ) -> None:
        self._embedder, self._projection = embedder, projection
        self.dimensions = projection.dimensions
        axes = hashlib.sha256(projection.axes.tobytes()).hexdigest()[:8]
        self.name = f"{embedder.name}/{self.dimensions}-{axes}"
        self.calibration = calibration or embedder.calibration

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        """See `PictureEmbedder.encode_pictures`."""
        return self._projection(self._embedder.encode_pictures(pictures))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """See `PictureEmbedder.encode_texts`."""
        return self._projection(self._embedder.encode_texts(texts))


def reduced(
    embedder: PictureEmbedder,
    dimensions: int,
    *,
    fit_to: Vectors | None = None,
    calibration: Calibration | None = None,
) -> Reduced:
    """An embedder with shorter vectors.

    Args:
        embedder: the whole one.
        dimensions: numbers that are left.
        fit_to: vectors ``[n, d]`` of pictures and texts to fit the axes to; without them the first
            numbers are kept.
        calibration: what the shorter vectors' cosines mean; by default what the whole ones' do,
            though short vectors lie closer together.

    Raises:
        InputError: it has not as many dimensions.
    """
    projection = (
        first(embedder.dimensions, dimensions) if fit_to is None else fitted(fit_to, dimensions)
    )
    return Reduced(embedder, projection, calibration)


def _check(d: int, dimensions: int) -> None:
    if not 1 <= dimensions <= d:
        raise InputError(f"{dimensions} of {d} dimensions cannot be kept; give 1 to {d}.")


def _units(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1), np.float32)
