"""The labels of a data set as a whole: too few of them, unequal, or one spelt in two ways."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from adapters.data.form import Example, Finding, Severity
from adapters.data.notes import counted, shown

FEW = 5
"""Rows below which a class is hardly learnt, let alone judged."""

UNEQUAL = 10
"""How many times the smallest class the largest may be before it is told."""

_NAMED = 6


def check_labels(examples: Sequence[Example], where: str) -> list[Finding]:
    """Findings about the labels of the rows that can be used, and about there being one row."""
    found: list[Finding] = []

    def say(kind: str, message: str, severity: Severity = "warning") -> None:
        found.append(Finding(kind, where, message, severity))

    if len(examples) == 1:
        say("one-row", "Only one row can be used, which teaches nothing; add rows.", "error")
    counts = Counter(example.label for example in examples if example.label is not None)
    only_labels = all(not (example.references or example.exchanges) for example in examples)
    if len(counts) == 1 and len(examples) > 1:
        (label,) = counts
        say(
            "one-class",
            f"Every label is {shown(label)!r}, so there is nothing to tell it from; "
            f"add pictures of other classes.",
            "error" if only_labels else "warning",
        )
    for spellings in _same_but_for_spelling(counts).values():
        if len(spellings) > 1:
            listed = ", ".join(
                f"{shown(one)!r} ({counted(counts[one], 'row')})" for one in spellings
            )
            say(
                "label-case",
                f"Labels differ only in case or blanks and would be learnt as classes of their "
                f"own: {listed}; spell them alike.",
                "error",
            )
    for label, groups in _groups(examples).items():
        if len(groups) > 1:
            listed = ", ".join(f"{shown(one)!r}" for one in sorted(groups))
            say(
                "coarse-conflict",
                f"The label {shown(label)!r} is in the groups {listed}; give it one.",
            )
    if len(counts) > 1:
        _check_balance(counts, say)
    return found


def _check_balance(counts: Counter[str], say: Callable[[str, str], None]) -> None:
    few = sorted((rows, label) for label, rows in counts.items() if rows < FEW)
    if few:
        listed = ", ".join(f"{shown(label)!r} ({rows})" for rows, label in few[:_NAMED])
        more = f" and {len(few) - _NAMED:,} more" if len(few) > _NAMED else ""
        say(
            "rare-class",
            f"{len(few):,} of {len(counts):,} classes have fewer than {FEW} rows: {listed}{more}; "
            f"add pictures of them.",
        )
    (most, high), (least, low) = counts.most_common(1)[0], counts.most_common()[-1]
    if high >= UNEQUAL * low:
        say(
            "imbalance",
            f"{shown(most)!r} has {counted(high, 'row')} and {shown(least)!r} {low:,}; "
            f"add pictures of the smaller classes.",
        )


def _same_but_for_spelling(labels: Counter[str]) -> dict[str, list[str]]:
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in sorted(labels):
        key = " ".join(unicodedata.normalize("NFKC", label).casefold().split())
        spellings[key].append(label)
    return spellings


def _groups(examples: Sequence[Example]) -> dict[str, set[str]]:
    groups: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        if example.label is not None and example.coarse_label is not None:
            groups[example.label].add(example.coarse_label)
    return groups
