"""Labels: shares of right ones, a table by class, confusions, and what confidence is worth.

Labels are compared as `adapters.metrics.normalize_label` writes them, so that case and hyphens do
not count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adapters.data.form import Example
from adapters.judge.calibration import Calibration, bin_sums, binned, calibration_error
from adapters.judge.figures import Figure, Judgement, LabelDetails, Mistake
from adapters.judge.intervals import (
    Flags,
    Floats,
    Groups,
    Interval,
    by_group,
    estimate_difference,
    proportion,
)
from adapters.judge.questions import MOST_MISTAKES, numbered, share_figure
from adapters.metrics import normalize_label
from assistant.errors import DataError

NONE_OF_THESE = "none of these"


@dataclass(frozen=True)
class Given:
    """The likeliest label by an adapter, and how sure it is (0 to 1).

    ``withheld`` says that it is not sure enough to give it, and says "none of these" instead. What
    is right is counted on the likeliest labels all the same, and how many are given beside it.
    """

    label: str | None
    coarse: str | None = None
    confidence: float | None = None
    withheld: bool = False


@dataclass(frozen=True)
class ClassRow:
    """What became of one class; ``precision`` is None where nothing was given this label."""

    label: str
    coarse: str | None
    support: int
    precision: float | None
    recall: Interval
    f1: float
    other_recall: float | None = None
    taken_for: str | None = None


@dataclass(frozen=True)
class Confusion:
    """``counts[i, j]`` pictures of ``labels[i]`` were given ``columns[j]``.

    The columns are the labels, and "none of these" last where it was given. Labels of one coarse
    label stand together; ``coarse`` holds it for each.
    """

    labels: tuple[str, ...]
    coarse: tuple[str, ...]
    columns: tuple[str, ...]
    counts: NDArray[np.int64]

    def worst(self, most: int) -> list[tuple[str, str, int]]:
        """The commonest confusions: truth, answer, how often."""
        found = [
            (self.labels[i], self.columns[j], int(self.counts[i, j]))
            for i, j in np.argwhere(self.counts)
            if i != j
        ]
        return sorted(found, key=lambda one: (-one[2], one[0], one[1]))[:most]


def judge_labels(
    rows: Sequence[Example],
    own: Sequence[Given],
    other: Sequence[Given] | None,
    known: Mapping[str, str],
    *,
    data: str,
    sha256: str | None,
    seed: int = 0,
) -> Judgement:
    """Compare labels with those of the data.

    Args:
        known: labels that the adapter can give, with their coarse labels. Rows of other labels are
            counted apart.

    Raises:
        DataError: the adapter knows none of the labels.
    """
    can = {normalize_label(label) for label in known}
    kept = [i for i, row in enumerate(rows) if not can or normalize_label(_label(row)) in can]
    unknown = Counter(
        _label(row) for row in rows if can and normalize_label(_label(row)) not in can
    )
    if not kept:
        listed = ", ".join(repr(label) for label in list(unknown)[:5])
        raise DataError(
            f"The adapter knows none of the labels in {data} ({listed[:300]}, …); give data with "
            "labels that it was trained on."
        )
    total = len(rows)
    rows, own = [rows[i] for i in kept], [own[i] for i in kept]
    other = None if other is None else [other[i] for i in kept]
    spelling = _spelling(rows, known)
    groups = numbered(rows)
    truth = [spelling[normalize_label(_label(row))] for row in rows]
    coarse_of = _coarse_labels(rows, known, spelling)
    mine = [_spelt(given, spelling) for given in own]
    theirs = None if other is None else [_spelt(given, spelling) for given in other]
    right = np.array([a == b for a, b in zip(mine, truth, strict=True)], bool)
    helped = None
    if theirs is not None:
        helped = np.array([a == b for a, b in zip(theirs, truth, strict=True)], bool)
    figures = [
        share_figure("accuracy_fine", "accuracy", right, helped, groups, seed=seed),
        *_coarse_figure(rows, own, other, coarse_of, spelling, groups, seed),
    ]
    if any(one.withheld for one in (*own, *(other or ()))):
        figures += _given_figures(own, other, right, helped, groups, seed)
    calibration, error = _calibration(own, right, groups, seed)
    other_calibration, other_error = None, None
    if other is not None and helped is not None:
        other_calibration, other_error = _calibration(other, helped, groups, seed)
    if calibration is not None:
        figures.append(_error_figure(calibration, error, other_calibration, other_error, seed))
    confusion = confuse(truth, mine, coarse_of)
    classes = class_rows(confusion, truth, theirs)
    notes = []
    if unknown:
        kinds = "label that the adapter does" if len(unknown) == 1 else "labels the adapter does"
        share = 100 * float(right.sum()) / total
        notes.append(
            f"{unknown.total():,} of {total:,} rows have {len(unknown):,} {kinds} not know: it "
            f"cannot be right about them. They are left out here; with them its accuracy would be "
            f"{share:.1f} %."
        )
    mistakes, wrong = _mistakes(rows, own, other, truth, mine, theirs, right, helped)
    return Judgement(
        kind="labels",
        data=data,
        sha256=sha256,
        n=len(rows),
        pictures=len(set(groups.tolist())),
        figures=tuple(figures),
        mistakes=tuple(mistakes),
        mistakes_total=wrong,
        notes=tuple(notes),
        labels=LabelDetails(
            classes=classes,
            confusion=confusion,
            calibration=calibration,
            other_calibration=other_calibration,
            unknown=dict(unknown.most_common()),
            macro_f1=float(np.mean([row.f1 for row in classes])),
        ),
    )


def confuse(
    truth: Sequence[str], given: Sequence[str], coarse_of: Mapping[str, str | None]
) -> Confusion:
    """Count which label was given for which; `NONE_OF_THESE` stands for no label."""
    names = {*truth, *given} - {NONE_OF_THESE}
    labels = sorted(names, key=lambda name: ((coarse_of.get(name) or name), name))
    columns = [*labels, *([NONE_OF_THESE] if NONE_OF_THESE in given else [])]
    row, column = ({name: i for i, name in enumerate(part)} for part in (labels, columns))
    counts = np.zeros((len(labels), len(columns)), np.int64)
    for expected, answer in zip(truth, given, strict=True):
        counts[row[expected], column[answer]] += 1
    coarse = tuple(coarse_of.get(name) or name for name in labels)
    return Confusion(tuple(labels), coarse, tuple(columns), counts)


def class_rows(
    confusion: Confusion, truth: Sequence[str], others: Sequence[str] | None = None
) -> tuple[ClassRow, ...]:
    """The classes that the data holds, in the order of the confusion matrix."""
    counts = confusion.counts
    found: Counter[str] = Counter()
    if others is not None:
        found.update(a for a, b in zip(truth, others, strict=True) if a == b)
    rows = []
    for i, label in enumerate(confusion.labels):
        support, right = int(counts[i].sum()), int(counts[i, i])
        if not support:
            continue
        given = int(counts[:, i].sum())
        elsewhere = counts[i].copy()
        elsewhere[i] = 0
        rows.append(
            ClassRow(
                label=label,
                coarse=confusion.coarse[i] if confusion.coarse[i] != label else None,
                support=support,
                precision=right / given if given else None,
                recall=proportion(np.arange(support) < right),
                f1=2 * right / (support + given),
                other_recall=None if others is None else found[label] / support,
                taken_for=confusion.columns[int(elsewhere.argmax())] if elsewhere.any() else None,
            )
        )
    return tuple(rows)


def _calibration(
    given: Sequence[Given], right: Flags, groups: Groups, seed: int
) -> tuple[Calibration | None, Floats]:
    """The calibration, None without confidences, and what it is made of, by picture."""
    sure = [one.confidence for one in given]
    if any(value is None for value in sure):
        return None, np.zeros((0, 0))
    sums = bin_sums(np.clip(np.array(sure, float), 0, 1), right)
    return binned(sums, groups, len(right), seed), by_group(sums, groups)


def _error_figure(
    own: Calibration,
    own_sums: Floats,
    other: Calibration | None,
    other_sums: Floats | None,
    seed: int,
) -> Figure:
    name, title, n = "ece", "calibration error", own.error.n
    if other is None or other_sums is None:
        return Figure(name, title, own.error, more_is_better=False)
    delta = estimate_difference(own_sums, other_sums, calibration_error, n, seed=seed)
    return Figure(name, title, own.error, other.error, delta, more_is_better=False)


def _coarse_figure(
    rows: Sequence[Example],
    own: Sequence[Given],
    other: Sequence[Given] | None,
    coarse_of: Mapping[str, str | None],
    spelling: Mapping[str, str],
    groups: Groups,
    seed: int,
) -> list[Figure]:
    with_coarse = [i for i, row in enumerate(rows) if row.coarse_label is not None]
    if not with_coarse:
        return []

    def right(given: Sequence[Given]) -> Flags:
        flags = []
        for i in with_coarse:
            named = coarse_of.get(_spelt(given[i], spelling)) or given[i].coarse or ""
            flags.append(normalize_label(named) == normalize_label(rows[i].coarse_label or ""))
        return np.array(flags, bool)

    return [
        share_figure(
            "accuracy_coarse",
            "accuracy, coarse",
            right(own),
            None if other is None else right(other),
            groups[with_coarse],
            seed=seed,
        )
    ]


def _given_figures(
    own: Sequence[Given],
    other: Sequence[Given] | None,
    right: Flags,
    helped: Flags | None,
    groups: Groups,
    seed: int,
) -> list[Figure]:
    """How many labels are given at all, and how many of those are right."""
    mine = np.array([not one.withheld for one in own], bool)
    theirs = None if other is None else np.array([not one.withheld for one in other], bool)
    accurate = None
    if theirs is not None and helped is not None:
        accurate = proportion(helped[theirs], groups[theirs])
    # The rows that each answers are not the same ones, so these are no pairs.
    return [
        share_figure("given", "labels given, not withheld", mine, theirs, groups, seed=seed),
        Figure(
            "accuracy_given",
            "accuracy where given",
            proportion(right[mine], groups[mine]),
            accurate,
        ),
    ]


def _mistakes(
    rows: Sequence[Example],
    own: Sequence[Given],
    other: Sequence[Given] | None,
    truth: Sequence[str],
    mine: Sequence[str],
    theirs: Sequence[str] | None,
    right: Flags,
    helped: Flags | None,
) -> tuple[list[Mistake], int]:
    """The mistakes of which the adapter was surest, and how many there are in all."""
    wrong = sorted(np.flatnonzero(~right).tolist(), key=lambda i: -(own[i].confidence or 0.0))
    shown = [
        Mistake(
            where=rows[i].where,
            image=rows[i].images[0],
            truth=(truth[i],),
            own=mine[i],
            other=None if theirs is None else theirs[i],
            confidence=own[i].confidence,
            other_confidence=None if other is None else other[i].confidence,
            other_right=None if helped is None else bool(helped[i]),
        )
        for i in wrong[:MOST_MISTAKES]
    ]
    return shown, len(wrong)


def _label(row: Example) -> str:
    return row.label or ""


def _spelling(rows: Sequence[Example], known: Mapping[str, str]) -> dict[str, str]:
    """The one spelling of each normalised label: the adapter's, or else the data's."""
    spelling: dict[str, str] = {}
    for label in (*known, *(_label(row) for row in rows)):
        spelling.setdefault(normalize_label(label), label)
    return spelling


def _spelt(given: Given, spelling: Mapping[str, str]) -> str:
    if given.label is None:
        return NONE_OF_THESE
    return spelling.get(normalize_label(given.label), given.label)


def _coarse_labels(
    rows: Sequence[Example], known: Mapping[str, str], spelling: Mapping[str, str]
) -> dict[str, str | None]:
    """Label to coarse label: the data's own, for labels that it lacks the adapter's."""
    found: dict[str, str | None] = {}
    for label, coarse in known.items():
        found[spelling[normalize_label(label)]] = coarse
    for row in rows:
        if row.coarse_label is not None:
            found[spelling[normalize_label(_label(row))]] = row.coarse_label
    return found
