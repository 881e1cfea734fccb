"""How sure a figure is: intervals of 95 % for one adapter and for the difference of two.

Everything here is arithmetic on arrays with one entry a row; it knows no file and no model. Rows
about one picture stand or fall together, so pictures, not rows, are what is drawn anew: ``groups``
holds the number of each row's picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Groups = NDArray[np.intp]
Combine = Callable[[Floats], Floats]

Z = 1.959963984540054  # of the normal distribution, for 95 %
RESAMPLES = 2000
# With fewer pairs that differ, the values which a bootstrap can take are too few.
FEW_PAIRS = 10
_CHUNK = 4_000_000  # numbers of one chunk of resamples


@dataclass(frozen=True)
class Interval:
    """A figure with its 95 % interval and the number of rows behind it."""

    value: float
    low: float
    high: float
    n: int

    @property
    def half(self) -> float:
        """Half the width: the number after ±."""
        return (self.high - self.low) / 2


def wilson(hits: float, n: float) -> tuple[float, float]:
    """Score interval of a proportion; 0 to 1 where there is no row.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22 (1927). Unlike the textbook's p ± 2 s it stays
    between 0 and 1 and does not shrink to nothing where all answers are right.
    """
    if n <= 0:
        return 0.0, 1.0
    share, extra = hits / n, Z * Z / n
    middle = (share + extra / 2) / (1 + extra)
    half = Z / (1 + extra) * math.sqrt(share * (1 - share) / n + extra / (4 * n))
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def proportion(right: Flags, groups: Groups | None = None) -> Interval:
    """The share of true flags with Wilson's interval.

    Where pictures have several rows, the interval is that of as many independent rows as tell as
    much: n over the design effect (J. N. K. Rao and A. J. Scott, "A simple method for the analysis
    of clustered binary data", Biometrics 48, 1992).
    """
    n = len(right)
    share = float(right.mean()) if n else 0.0
    effective = n / _design_effect(right.astype(float), groups) if n else 0.0
    return Interval(share, *wilson(share * effective, effective), n)


def newcombe(both: float, first: float, second: float, neither: float) -> tuple[float, float]:
    """Interval for the difference of two paired proportions from the four counts of pairs.

    R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", Statistics in Medicine 17 (1998), method 10: Wilson's intervals of both,
    joined with their correlation. It holds for small samples, and where no pair differs.
    """
    n = both + first + second + neither
    if n <= 0:
        return -1.0, 1.0
    p, q = (both + first) / n, (both + second) / n
    (low_p, high_p), (low_q, high_q) = wilson(both + first, n), wilson(both + second, n)
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    cross = both * neither - first * second
    if cross > 0:
        cross = max(cross - n / 2, 0.0)
    phi = cross / math.sqrt(margins) if margins > 0 else 0.0

    def joined(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    return p - q - joined(p - low_p, high_q - q), p - q + joined(high_p - p, q - low_q)


def difference(
    own: Flags, other: Flags, groups: Groups | None = None, *, seed: int = 0
) -> Interval:
    """How much the share of ``own`` is above that of ``other``, row by row on the same rows.

    Paired bootstrap over pictures; where fewer than `FEW_PAIRS` rows differ, `newcombe`.
    """
    n = len(own)
    if not n:
        return Interval(0.0, -1.0, 1.0, 0)
    delta = own.astype(float) - other.astype(float)
    value = float(delta.mean())
    if np.count_nonzero(delta) >= FEW_PAIRS:
        summed = by_group(np.stack([delta, np.ones(n)], axis=1), groups)
        (draws,) = bootstrap([summed], ratio, seed=seed)
        return Interval(value, *percentiles(draws), n)
    weight = 1 / _design_effect(delta, groups)
    counts = (own & other, own & ~other, other & ~own, ~own & ~other)
    low, high = newcombe(*(weight * float(np.count_nonzero(pairs)) for pairs in counts))
    return Interval(value, low, high, n)


def mcnemar(own: Flags, other: Flags, groups: Groups | None = None) -> float:
    """How likely so uneven a disagreement is if both are equally good: an exact two-sided p.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12 (1947), with the binomial distribution itself. Where a picture
    has several rows, it votes once, for whoever has more of them right.
    """
    delta = own.astype(float) - other.astype(float)
    votes = by_group(delta[:, None], groups)[:, 0]
    wins, losses = int((votes > 0).sum()), int((votes < 0).sum())
    total, term = 0, 1
    for k in range(min(wins, losses) + 1):
        total += term
        term = term * (wins + losses - k) // (k + 1)
    return float(min(1.0, 2 * total / 2 ** (wins + losses)))


def bootstrap(
    parts: Sequence[Floats], combine: Combine, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[Floats]:
    """Scores of samples of pictures drawn with replacement, the same samples for every part.

    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979);
    paired for the comparison of systems as in P. Koehn, "Statistical significance tests for
    machine translation evaluation", EMNLP 2004.

    Args:
        parts: of each system, ``[pictures, k]`` numbers that add up, such as counts of n-grams.
        combine: makes scores ``[...]`` of sums ``[..., k]``.

    Returns:
        Scores ``[resamples]`` of each part.
    """
    n = len(parts[0])
    random = np.random.default_rng(seed)
    chunk = max(1, min(resamples, _CHUNK // max(n, 1)))
    found: list[list[Floats]] = [[] for _ in parts]
    for first in range(0, resamples, chunk):
        size = min(chunk, resamples - first)
        drawn = random.integers(n, size=(size, n))
        drawn += n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(float)
        for scores, part in zip(found, parts, strict=True):
            scores.append(combine(times @ part))
    return [np.concatenate(scores) for scores in found]


def estimate(part: Floats, combine: Combine, n: int, *, seed: int = 0) -> Interval:
    """A score of sums with its percentile interval; ``n`` is the number of rows behind it."""
    (draws,) = bootstrap([part], combine, seed=seed)
    return Interval(float(combine(part.sum(axis=0))), *percentiles(draws), n)


def estimate_difference(
    own: Floats, other: Floats, combine: Combine, n: int, *, seed: int = 0
) -> Interval:
    """How much the score of ``own`` is above that of ``other``, by the paired bootstrap."""
    first, second = bootstrap([own, other], combine, seed=seed)
    value = float(combine(own.sum(axis=0)) - combine(other.sum(axis=0)))
    return Interval(value, *percentiles(first - second), n)


def percentiles(draws: Floats) -> tuple[float, float]:
    """The bounds between which 95 % of the draws lie."""
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)


def ratio(sums: Floats) -> Floats:
    """The first sum over the second, 0 where that is 0."""
    below = sums[..., 1]
    return np.divide(sums[..., 0], below, out=np.zeros_like(below), where=below != 0)


def by_group(rows: Floats, groups: Groups | None) -> Floats:
    """Rows ``[n, k]`` added up by group, ``[groups, k]``; without groups as they are."""
    if groups is None or not len(rows):
        return rows
    _, numbers = np.unique(groups, return_inverse=True)
    summed = np.zeros((int(numbers.max()) + 1, rows.shape[1]))
    np.add.at(summed, numbers, rows)
    return summed


def _design_effect(values: Floats, groups: Groups | None) -> float:
    """By how much rows in groups vary more than independent ones; never below 1."""
    n = len(values)
    if groups is None:
        return 1.0
    centred = values - values.mean()
    summed = by_group(centred[:, None], groups)[:, 0]
    count = len(summed)
    if count == n or count < 2:
        return n / count
    plain = float((centred**2).sum())
    if plain == 0:
        return n / count  # nothing varies, so nothing tells how alike the rows of a picture are
    return max(1.0, count / (count - 1) * float((summed**2).sum()) / plain)
