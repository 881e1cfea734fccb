"""How well pictures and words find each other: recalls and mean average precision.

This module knows vectors only: no file, no picture, no embedder. Ties count against: a rank is that
of the worst order which the cosines allow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.space.values import Vectors

Indices = NDArray[np.int64]
TOP = 10
"""How many of a ranking are told."""

_NOISE = 1e-6
"""Cosines that differ by less are equal: so much the order of additions changes."""

_NAMES = ("t2i_r1", "t2i_r5", "t2i_r10", "i2t_r1", "i2t_r5", "i2t_r10")
_PORTION = 2**24  # cosines that are in memory at once


@dataclass(frozen=True)
class RetrievalScores:
    """Shares, 0 to 1, of queries whose right answer is among the first 1, 5 and 10.

    Attributes:
        t2i_r1, t2i_r5, t2i_r10: of captions that find their picture.
        i2t_r1, i2t_r5, i2t_r10: of pictures that find one of their captions.
        n: pictures.
    """

    t2i_r1: float
    t2i_r5: float
    t2i_r10: float
    i2t_r1: float
    i2t_r5: float
    i2t_r10: float
    n: int


@dataclass(frozen=True)
class Rankings:
    """What was found, best first.

    Attributes:
        images: ``[captions, ≤ 10]`` places of pictures.
        captions: ``[pictures, ≤ 10]`` places of captions.
    """

    images: Indices
    captions: Indices


def score_retrieval(
    images: Vectors, captions: Vectors, own: Indices
) -> tuple[RetrievalScores, Rankings]:
    """Search with every caption among all pictures, and with every picture among all captions.

    Args:
        images: ``[n, d]`` of length 1.
        captions: ``[m, d]`` of length 1.
        own: ``[m]``, the picture that each caption is of; each picture has one at least.
    """
    ranks, ranked_images = _searched(captions, images, own[:, None] == np.arange(len(images)))
    shares = [_share(ranks, most) for most in (1, 5, 10)]
    ranks, ranked_captions = _searched(images, captions, np.arange(len(images))[:, None] == own)
    shares += [_share(ranks, most) for most in (1, 5, 10)]
    scores = RetrievalScores(**dict(zip(_NAMES, shares, strict=True)), n=len(images))
    return scores, Rankings(ranked_images, ranked_captions)


def mean_average_precision(cosines: Vectors, right: NDArray[np.bool_]) -> float:
    """Mean over queries of the area under precision and recall; of those that have an answer.

    Args:
        cosines: ``[queries, pictures]``.
        right: of that shape, which pictures answer the query.
    """
    found = []
    for row, answers in zip(cosines, right, strict=True):
        if answers.any():
            order = np.argsort(-(row - _NOISE * answers), kind="stable")
            hits = answers[order]
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            found.append(float(precision[hits].mean()))
    return float(np.mean(found)) if found else 0.0


def _searched(
    queries: Vectors, among: Vectors, right: NDArray[np.bool_]
) -> tuple[Indices, Indices]:
    """For each query the rank, from 0, of its best right answer, and the first ten answers."""
    ranks, ranked = [np.zeros(0, np.int64)], [np.zeros((0, min(TOP, len(among))), np.int64)]
    for part in _portions(len(queries), len(among)):
        answers = right[part]
        cosines = queries[part] @ among.T - _NOISE * answers
        best = np.where(answers, cosines, -np.inf).max(axis=1, keepdims=True)
        ranks.append(((cosines >= best) & ~answers).sum(axis=1))
        top = np.argsort(-cosines, axis=1, kind="stable")[:, :TOP]
        ranked.append(top)
    return np.concatenate(ranks), np.concatenate(ranked)


def _portions(queries: int, among: int) -> Iterator[slice]:
    step = max(1, _PORTION // max(among, 1))
    return (slice(start, start + step) for start in range(0, queries, step))


def _share(ranks: Indices, most: int) -> float:
    return float((ranks < most).mean()) if len(ranks) else 0.0
