"""What a cosine means: logistic curves fitted on pictures that were not trained on.

Who searches sees a few of many pictures, most of which do not show what was asked for. A curve is
therefore fitted as if one pair in `CROWD` were right: at one half, a right pair is as likely at
that cosine as a wrong one among so many.

The threshold is about the best of a small collection: nearly every caption of one of its pictures
finds something as likely, while words for what is not in it at all seldom do.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from assistant.space import Calibration, Vectors

CROWD = 30
COLLECTION = 100
ANSWERED = 0.95
"""Share of captions whose best picture is to be above the threshold."""
_LOWEST, _HIGHEST = 0.05, 0.5
_STEPS, _RIDGE = 50, 1e-6
_MOST = 2_000_000  # wrong pairs that are looked at

Curve = tuple[float, float]


@dataclass(frozen=True)
class CurveScores:
    """How well a curve tells right pairs from wrong ones.

    Attributes:
        auc: probability that a right pair has the larger cosine.
        right_above, wrong_above: shares of them above the threshold.
        ece: mean distance of what is said from what is so, in ten bins, one pair in `CROWD` right.
    """

    auc: float
    right_above: float
    wrong_above: float
    ece: float


def calibrate(
    images: Vectors,
    captions: Vectors,
    own: NDArray[np.int64],
    labels: NDArray[np.int64] | None = None,
    labelled: Vectors | None = None,
    again: Vectors | None = None,
) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """Both curves, and how good they are.

    Args:
        images, captions, own: as for `score_retrieval`.
        labels, labelled: pictures with a label; those of one label show the same thing.
        again: ``images`` in another crop, which stand for the same thing where there are no labels.
    """
    cosines = captions @ images.T
    right = own[:, None] == np.arange(len(images))
    words = _fitted(cosines[right], cosines[~right])
    threshold = _threshold(words, cosines, own)
    told = {"words": _judged(words, threshold, cosines[right], cosines[~right])}
    if labelled is not None and labels is not None and len(labelled) > 1:
        pairs = np.triu_indices(len(labelled), 1)
        between, same = (labelled @ labelled.T)[pairs], (labels[:, None] == labels)[pairs]
        alike, unlike = between[same], between[~same]
    elif again is not None:
        among = images @ again.T
        alike, unlike = np.diag(among), among[~np.eye(len(among), dtype=bool)]
    else:
        alike = unlike = np.zeros(0, np.float32)
    pictures = words
    if len(alike) and len(unlike):
        pictures = _fitted(alike, unlike)
        told["pictures"] = _judged(pictures, threshold, alike, unlike)
    return (
        Calibration(words, pictures, threshold),
        {name: {k: round(v, 4) for k, v in asdict(part).items()} for name, part in told.items()},
    )


def fit_curve(cosines: Vectors, right: NDArray[np.bool_], weights: NDArray[np.float64]) -> Curve:
    """Slope and offset of the likeliest logistic curve, by Newton's method.

    A tiny pull to zero keeps the curve of what can be parted without a mistake from becoming a
    step.
    """
    x = np.stack([np.asarray(cosines, np.float64), np.ones(len(cosines))], 1)
    weights = weights / weights.sum()
    curve = np.zeros(2)
    for _ in range(_STEPS):
        p = 1 / (1 + np.exp(-np.clip(x @ curve, -60, 60)))
        slope = x.T @ (weights * (p - right)) + _RIDGE * curve
        bend = (x * (weights * p * (1 - p))[:, None]).T @ x + _RIDGE * np.eye(2)
        move = np.linalg.solve(bend, slope)
        length = float(np.abs(move).max())
        curve -= move * min(1.0, 20 / max(length, 1e-12))
        if length < 1e-8:
            break
    return float(curve[0]), float(curve[1])


def _weighed(right: Vectors, wrong: Vectors) -> tuple[Vectors, NDArray, NDArray]:
    if len(wrong) > _MOST:
        wrong = np.random.default_rng(0).choice(wrong, _MOST, replace=False)
    cosines = np.concatenate([right, wrong])
    is_right = np.arange(len(cosines)) < len(right)
    shares = np.where(is_right, 1 / CROWD / len(right), (1 - 1 / CROWD) / len(wrong))
    return cosines, is_right, shares


def _fitted(right: Vectors, wrong: Vectors) -> Curve:
    return fit_curve(*_weighed(right, wrong))


def _threshold(curve: Curve, cosines: Vectors, own: NDArray[np.int64]) -> float:
    """Of the best among a caption's picture and others drawn at random, `COLLECTION` in all."""
    rows = np.arange(len(own))[:, None]
    others = np.random.default_rng(0).integers(cosines.shape[1], size=(len(own), COLLECTION - 1))
    best = cosines[rows, np.concatenate([own[:, None], others], axis=1)].max(axis=1)
    said = Calibration(curve, curve).of_words(best)
    return round(float(np.clip(np.quantile(said, 1 - ANSWERED), _LOWEST, _HIGHEST)), 3)


def _judged(curve: Curve, threshold: float, right: Vectors, wrong: Vectors) -> CurveScores:
    cosines, is_right, shares = _weighed(right, wrong)
    said = Calibration(curve, curve).of_words(cosines)
    order = np.argsort(cosines, kind="stable")
    below = np.cumsum((shares * ~is_right)[order])
    auc = float((below * (shares * is_right)[order]).sum() * CROWD * CROWD / (CROWD - 1))
    bins = np.minimum((said * 10).astype(int), 9)
    error = sum(
        abs(float((shares * (said - is_right))[bins == number].sum())) for number in range(10)
    )
    above = said >= threshold
    return CurveScores(auc, float(above[is_right].mean()), float(above[~is_right].mean()), error)
