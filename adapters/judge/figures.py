"""What judging gives: figures with their intervals, and what stands behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from adapters.judge.intervals import Interval

if TYPE_CHECKING:
    from adapters.judge.calibration import Calibration
    from adapters.judge.labels import ClassRow, Confusion

Kind = Literal["captions", "questions", "labels"]
Verdict = Literal["better", "worse", "unclear"]

# The figure of each kind that the verdict is about.
CHIEF: dict[Kind, str] = {
    "captions": "bleu4",
    "questions": "accuracy",
    "labels": "accuracy_fine",
}


@dataclass(frozen=True)
class Figure:
    """One score of an adapter, and of the other one on the same rows.

    Attributes:
        name: as in the results of `sightdesk evaluate`.
        title: for people.
        own, other: the scores; fractions where ``percent``.
        difference: own less other, None where there is no other.
        p: of McNemar's test, for shares of right answers.
        percent: shown in percent, differences in points.
        more_is_better: False for errors.
    """

    name: str
    title: str
    own: Interval
    other: Interval | None = None
    difference: Interval | None = None
    p: float | None = None
    percent: bool = True
    more_is_better: bool = True

    @property
    def verdict(self) -> Verdict | None:
        """Whether own is better; unclear where the interval of the difference holds 0."""
        if self.difference is None:
            return None
        if self.difference.low <= 0 <= self.difference.high:
            return "unclear"
        return "better" if (self.difference.value > 0) == self.more_is_better else "worse"

    @property
    def scale(self) -> int:
        """What a value is multiplied by when people read it."""
        return 100 if self.percent else 1


@dataclass(frozen=True)
class Mistake:
    """A row that the adapter got wrong, or said poorly.

    ``other_right`` is None where nobody else was asked, or where right and wrong do not apply.
    """

    where: str
    image: Path
    truth: tuple[str, ...]
    own: str
    other: str | None = None
    question: str | None = None
    confidence: float | None = None
    other_confidence: float | None = None
    other_right: bool | None = None
    score: float | None = None
    other_score: float | None = None


@dataclass(frozen=True)
class LabelDetails:
    """What only labels have; ``unknown`` are those that the adapter cannot give."""

    classes: tuple[ClassRow, ...]
    confusion: Confusion
    calibration: Calibration | None
    other_calibration: Calibration | None
    unknown: Mapping[str, int]
    macro_f1: float


@dataclass(frozen=True)
class Judgement:
    """All that was found on the rows of one kind of one data set.

    Attributes:
        data: how the data set is called; ``sha256`` is of its file, None for a folder.
        n: rows that were judged; ``pictures`` how many pictures they show.
        left_out: rows that were not, by reason.
        notes: sentences that a reader must know to take the figures right.
    """

    kind: Kind
    data: str
    sha256: str | None
    n: int
    pictures: int
    figures: tuple[Figure, ...]
    mistakes: tuple[Mistake, ...]
    mistakes_total: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    labels: LabelDetails | None = None
    forgetting: bool = False
    seconds: float = 0.0

    @property
    def chief(self) -> Figure:
        """The figure that the verdict is about."""
        return next(figure for figure in self.figures if figure.name == CHIEF[self.kind])


def sentence(judgement: Judgement, own: str, other: str) -> str:
    """``mine is better than embedded by 21.4 ± 5.2 points (…)``, in plain text."""
    figure, n = judgement.chief, judgement.n
    scale = figure.scale
    unit = "points" if figure.percent else ""
    rows = f"{n:,} {_NOUNS[judgement.kind]}"
    if figure.difference is None:
        low, high = scale * figure.own.low, scale * figure.own.high
        value = f"{scale * figure.own.value:.1f}{' %' if figure.percent else ''}"
        return (
            f"{own} reaches {value} in {figure.title} on {judgement.data} "
            f"({rows}; 95 % interval {low:.1f} to {high:.1f})."
        )
    delta = figure.difference
    by = f"{abs(scale * delta.value):.1f} ± {scale * delta.half:.1f} {unit}".strip()
    interval = f"95 % interval {_signed(scale * delta.low)} to {_signed(scale * delta.high)}"
    tail = f"in {figure.title} on {judgement.data} ({rows}; {interval})."
    if figure.verdict == "unclear":
        signed = f"{_signed(scale * delta.value)} ± {scale * delta.half:.1f} {unit}".strip()
        return f"No difference between {own} and {other} is shown: {signed} {tail}"
    return f"{own} is {figure.verdict} than {other} by {by} {tail}"


def _signed(value: float) -> str:
    text = f"{value:+.1f}"
    return "0.0" if float(text) == 0 else text


_NOUNS: dict[Kind, str] = {"captions": "pictures", "questions": "questions", "labels": "pictures"}


def as_json(judgement: Judgement) -> dict[str, Any]:
    """The judgement for programs; mistakes are in the page only."""
    result: dict[str, Any] = {
        "data": judgement.data,
        "kind": judgement.kind,
        "sha256": judgement.sha256,
        "n": judgement.n,
        "pictures": judgement.pictures,
        "left_out": dict(judgement.left_out),
        "verdict": judgement.chief.verdict,
        "chief": judgement.chief.name,
        "scores": {figure.name: _figure(figure) for figure in judgement.figures},
        "notes": list(judgement.notes),
        "seconds": round(judgement.seconds, 1),
    }
    if judgement.labels is not None:
        details = judgement.labels
        result["unknown_labels"] = dict(details.unknown)
        result["macro_f1"] = round(details.macro_f1, 4)
        result["classes"] = {
            row.label: {
                "support": row.support,
                "precision": _rounded(row.precision),
                "recall": interval_json(row.recall),
                "f1": _rounded(row.f1),
            }
            for row in details.classes
        }
        result["confusions"] = [
            {"truth": truth, "answer": answer, "count": count}
            for truth, answer, count in details.confusion.worst(50)
        ]
        for name, part in (
            ("calibration", details.calibration),
            ("calibration_against", details.other_calibration),
        ):
            result[name] = None if part is None else part.as_json()
    return result


def as_scores(judgement: Judgement) -> dict[str, Any]:
    """The judgement as an entry of ``scores`` in ``sightdesk.json``: plain numbers by name."""
    kept = [figure for figure in judgement.figures if figure.own.n]
    scores: dict[str, Any] = {figure.name: round(figure.own.value, 4) for figure in kept}
    scores["n"] = judgement.n
    scores["intervals"] = {
        figure.name: [round(figure.own.low, 4), round(figure.own.high, 4)] for figure in kept
    }
    if judgement.sha256 is not None:
        scores["sha256"] = judgement.sha256
    return scores


def _figure(figure: Figure) -> dict[str, Any]:
    parts = {"own": figure.own, "against": figure.other, "difference": figure.difference}
    result: dict[str, Any] = {
        name: None if part is None else interval_json(part) for name, part in parts.items()
    }
    result["p"] = None if figure.p is None else float(f"{figure.p:.3g}")
    result["verdict"] = figure.verdict
    return result


def interval_json(part: Interval) -> dict[str, Any]:
    """``{"value", "low", "high", "n"}``."""
    return {
        "value": round(part.value, 4),
        "low": round(part.low, 4),
        "high": round(part.high, 4),
        "n": part.n,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
