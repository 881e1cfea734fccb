"""Labels from a list, and only from it: how likely each is, how sure that is, and when none is.

The language model says how likely each label is as its answer (`assistant.engine.likelihood`), and
an adapter's own label head may have a say as well. A temperature, measured on pictures that were
not trained on, makes the probabilities mean what they say (Guo et al., "On calibration of modern
neural networks", ICML 2017); what is too unlikely to be right is called none of these.

    >>> temperature, threshold = calibrate(scores, truth)
    >>> expected_calibration_error([0.9, 0.6], [True, False])
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike

from assistant.errors import AdapterError, InputError
from assistant.prompts import spoken_label

if TYPE_CHECKING:
    import torch

TOP: Final = 5
MOST_LABELS: Final = 10_000
LONGEST_LABEL: Final = 200

_KEPT_RIGHT: Final = 0.95
_SURE: Final = 0.5


@dataclass(frozen=True)
class Labelled:
    """What a picture shows.

    Attributes:
        label: one of the list; None where none of them is likely enough.
        coarse: the coarser label that it belongs to, where there are such.
        confidence: probability of the likeliest label, also where ``label`` is None.
        scores: the likeliest labels with their probabilities, best first.
    """

    label: str | None
    coarse: str | None
    confidence: float
    scores: tuple[tuple[str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON stores it."""
        return {
            "label": self.label,
            "coarse": self.coarse,
            "confidence": round(self.confidence, 4),
            "scores": [[name, round(share, 4)] for name, share in self.scores],
        }


def check_threshold(threshold: float | None) -> None:
    """Whether a label can be given from this probability on; None is any's own.

    Raises:
        InputError: it is none.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"threshold is {threshold}; give a value between 0 and 1.")


def checked_list(labels: Sequence[str], most: int, too_many: str) -> list[str]:
    """A list to choose from, each label once.

    Args:
        most: labels that it may have.
        too_many: what to say where it has more or none; ``{count}`` is how many.

    Raises:
        InputError: it cannot be used.
    """
    if isinstance(labels, str):
        raise InputError("The labels are one text; give a list of them.")
    wanted = list(dict.fromkeys(labels))
    if not wanted or len(wanted) > most:
        raise InputError(too_many.format(count=len(wanted)))
    for name in wanted:
        if not spoken_label(name).strip() or len(name) > LONGEST_LABEL:
            raise InputError(
                f"The label {name[:40]!r} cannot be used; give words, {LONGEST_LABEL} characters "
                "at most."
            )
    return wanted


@dataclass(frozen=True)
class LabelScores:
    """Log-probabilities of ``labels`` for some pictures, ``[B, labels]``, as each part has them.

    ``language`` is the language model's, ``head`` that of an adapter's label head; None where there
    is none, or it was not asked for. They sum to one over the vocabulary and the head's labels, not
    over ``labels``.
    """

    labels: tuple[str, ...]
    language: torch.Tensor | None
    head: torch.Tensor | None

    def mixed(self, weight: float) -> torch.Tensor:
        """The head's by ``weight``, the language model's by the rest; ``[B, labels]``.

        Raises:
            ValueError: there is neither.
        """
        if self.head is None or self.language is None:
            only = self.language if self.head is None else self.head
            if only is None:
                raise ValueError("there are no scores")
            return only
        return weight * self.head + (1 - weight) * self.language


@dataclass(frozen=True)
class Calibration:
    """How scores become probabilities, and from which one a label is given.

    ``head_weight`` is the share of the label head in the score, where there is one.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    head_weight: float = 0.5

    @classmethod
    def of(cls, values: Mapping[str, Any] | None) -> Calibration:
        """From the entry ``calibration`` of ``sightdesk.json``; what is not given is as above.

        Raises:
            AdapterError: a value is out of range.
        """
        known = {}
        bounds = {"temperature": (1e-3, 1e3), "threshold": (0.0, 1.0), "head_weight": (0.0, 1.0)}
        for name, (low, high) in bounds.items():
            value = (values or {}).get(name)
            if value is None:
                continue
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if not number or not low <= value <= high:
                raise AdapterError(
                    f"{name} of an adapter's calibration is {str(value)[:40]}; correct it to "
                    f"between {low:g} and {high:g} in sightdesk.json, or calibrate again."
                )
            known[name] = float(value)
        return cls(**known)


def decide(
    scores: torch.Tensor,
    labels: Sequence[str],
    *,
    coarse: Mapping[str, str],
    temperature: float,
    threshold: float,
    top: int = TOP,
) -> list[Labelled]:
    """Probabilities over the list, and a label where one is likely enough.

    Args:
        scores: ``[B, labels]``, logarithms up to a constant for each picture.
    """
    shares, places = (scores.double() / temperature).softmax(-1).sort(descending=True, stable=True)
    found = []
    for row, order in zip(shares[:, :top].tolist(), places[:, :top].tolist(), strict=True):
        best = labels[order[0]]
        given = row[0] >= threshold
        found.append(
            Labelled(
                best if given else None,
                coarse.get(best) if given else None,
                row[0],
                tuple((labels[place], share) for place, share in zip(order, row, strict=True)),
            )
        )
    return found


# --- calibration


def calibrate(scores: ArrayLike, truth: Sequence[int] | ArrayLike) -> tuple[float, float]:
    """Temperature and threshold from pictures that were not trained on.

    The temperature minimises the negative log-likelihood of the true labels, which is convex in its
    inverse. From the threshold on are 95 % of the right answers, but whatever is more likely than
    all others together is always given: a picture that shows none of the labels is unlike both.

    Args:
        scores: ``[n, labels]``, as `LabelScores.mixed` has them.
        truth: the number of the true label of each.

    Raises:
        ValueError: nothing is given, or the shapes do not go together.
    """
    values, right = _checked(scores, truth)
    temperature = _temperature(values, right)
    shares = _softmax(values / temperature)
    confidences = shares.max(1)[shares.argmax(1) == right]
    if not len(confidences):
        return temperature, _SURE
    return temperature, min(_SURE, float(np.quantile(confidences, 1 - _KEPT_RIGHT)))


def choose_weight(
    language: ArrayLike, head: ArrayLike, truth: Sequence[int] | ArrayLike, *, steps: int = 20
) -> float:
    """The share of the label head under which the true labels are likeliest, once calibrated.

    Args:
        language: ``[n, labels]``, as `LabelScores` has them; so is ``head``.
        steps: into how many the way from 0 to 1 is cut; of equals the larger share wins, since at 1
            the language model need not run.
    """
    spoken, right = _checked(language, truth)
    seen, _ = _checked(head, truth)

    def loss(weight: float) -> float:
        mixed = weight * seen + (1 - weight) * spoken
        return _loss(mixed / _temperature(mixed, right), right)

    weights = [step / steps for step in range(steps, -1, -1)]
    return min(weights, key=lambda weight: round(loss(weight), 6))


def expected_calibration_error(confidences: ArrayLike, correct: ArrayLike, bins: int = 15) -> float:
    """Mean distance of confidence and share of right answers, in bins of equal width.

    Naeini et al., "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015.

    Args:
        confidences: ``[n]``, from 0 to 1; 0 is in the first bin.
        correct: ``[n]``, whether each answer was right.

    Raises:
        ValueError: the lengths differ, or a confidence is out of range.
    """
    sure = np.asarray(confidences, dtype=np.float64).reshape(-1)
    right = np.asarray(correct, dtype=np.float64).reshape(-1)
    if sure.shape != right.shape or bins < 1:
        raise ValueError("as many answers as confidences are needed, and one bin or more")
    if not len(sure):
        return 0.0
    if not ((sure >= 0) & (sure <= 1 + 1e-9)).all():
        raise ValueError("a confidence is not between 0 and 1")
    # A confidence on the edge of two bins is in the lower one, as the article has it.
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.zeros(bins)
    np.add.at(gaps, place, right - sure)
    return float(np.abs(gaps).sum() / len(sure))


def _checked(scores: ArrayLike, truth: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    values = np.asarray(scores, dtype=np.float64)
    right = np.asarray(truth, dtype=np.int64)
    if values.ndim != 2 or not len(values) or right.shape != (len(values),):
        raise ValueError("scores [n, labels] and n true labels are needed")
    if right.min() < 0 or right.max() >= values.shape[1] or not np.isfinite(values).all():
        raise ValueError("a true label is not among the labels, or a score is no number")
    return values, right


def _temperature(values: np.ndarray, right: np.ndarray) -> float:
    """Golden section over the inverse temperature, on which the loss is convex."""
    low, high = 0.05, 20.0  # scores that part all pictures would make any number of it
    ratio = (5**0.5 - 1) / 2
    for _ in range(60):
        step = ratio * (high - low)
        first, second = high - step, low + step
        if _loss(values * first, right) < _loss(values * second, right):
            high = second
        else:
            low = first
    return 2 / (low + high)


def _loss(values: np.ndarray, right: np.ndarray) -> float:
    top = values.max(1, keepdims=True)
    total = np.log(np.exp(values - top).sum(1)) + top[:, 0]
    return float((total - values[np.arange(len(values)), right]).mean())


def _softmax(values: np.ndarray) -> np.ndarray:
    shares = np.exp(values - values.max(1, keepdims=True))
    normalised: np.ndarray = shares / shares.sum(1, keepdims=True)
    return normalised
