"""Whether confidence can be trusted: answers in bins by how sure they were, and the mean gap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters.judge.intervals import Flags, Floats, Groups, Interval, by_group, estimate

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """Whether an adapter is right as often as it is sure.

    Bins are of equal width; ``confidence`` and ``accuracy`` are means within each, 0 where
    ``counts`` is 0. ``error`` is the expected calibration error: the distance between the two,
    weighted by counts (M. P. Naeini et al., AAAI 2015; C. Guo et al., ICML 2017). It is biased
    upwards where there are few rows a bin.
    """

    counts: tuple[int, ...]
    confidence: tuple[float, ...]
    accuracy: tuple[float, ...]
    error: Interval

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "ece": round(self.error.value, 4),
            "ece_interval": [round(self.error.low, 4), round(self.error.high, 4)],
            "n": self.error.n,
            "bins": [
                {"count": count, "confidence": round(sure, 4), "accuracy": round(right, 4)}
                for count, sure, right in zip(
                    self.counts, self.confidence, self.accuracy, strict=True
                )
            ],
        }


def calibrate(
    confidence: Floats, right: Flags, groups: Groups | None = None, *, seed: int = 0
) -> Calibration:
    """Sort answers into bins by their confidence and see how often each bin is right."""
    return binned(bin_sums(confidence, right), groups, len(right), seed)


def bin_sums(confidence: Floats, right: Flags) -> Floats:
    """Of each row ``[n, 3 * BINS]``: one, its confidence, and whether it is right, in its bin."""
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    sums = np.zeros((len(right), 3, BINS))
    rows = np.arange(len(right))
    sums[rows, 0, bins], sums[rows, 1, bins], sums[rows, 2, bins] = 1, confidence, right
    return sums.reshape(len(right), -1)


def binned(sums: Floats, groups: Groups | None, n: int, seed: int) -> Calibration:
    """The calibration of the ``n`` answers whose sums are given."""
    counts, sure, hits = sums.sum(axis=0).reshape(3, BINS)
    below = np.maximum(counts, 1)
    return Calibration(
        counts=tuple(int(count) for count in counts),
        confidence=tuple(float(value) for value in sure / below),
        accuracy=tuple(float(value) for value in hits / below),
        error=estimate(by_group(sums, groups), calibration_error, n, seed=seed),
    )


def calibration_error(sums: Floats) -> Floats:
    """The expected calibration error of summed bins ``[..., 3 * BINS]``."""
    parts = sums.reshape(*sums.shape[:-1], 3, BINS)
    gaps = np.abs(parts[..., 1, :] - parts[..., 2, :]).sum(axis=-1)
    return gaps / np.maximum(parts[..., 0, :].sum(axis=-1), 1)
