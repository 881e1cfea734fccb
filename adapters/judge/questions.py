"""Questions: shares of right answers by kind of question, two adapters on the same ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adapters.data.form import Example
from adapters.judge.figures import Figure, Judgement, Mistake
from adapters.judge.intervals import Flags, Groups, difference, mcnemar, proportion
from adapters.metrics import normalize_answer
from assistant.prompts import CANT_TELL

MOST_MISTAKES = 24


def judge_questions(
    rows: Sequence[Example],
    own: Sequence[str],
    other: Sequence[str] | None,
    *,
    data: str,
    sha256: str | None,
    seed: int = 0,
) -> Judgement:
    """Compare answers with those of the data; the last exchange of a row is what was asked."""
    expected = [normalize_answer(row.exchanges[-1].answer) for row in rows]
    given = [normalize_answer(text) for text in own]
    others = None if other is None else [normalize_answer(text) for text in other]
    cant_tell = normalize_answer(CANT_TELL)
    groups = numbered(rows)
    yes_no = np.array([text in {"yes", "no"} for text in expected], bool)
    impossible = np.array([text == cant_tell for text in expected], bool)

    def right(texts: Sequence[str]) -> Flags:
        return np.array([a == b for a, b in zip(texts, expected, strict=True)], bool)

    def refused(texts: Sequence[str]) -> Flags:
        return np.array([text == cant_tell for text in texts], bool)

    everything = np.ones(len(rows), bool)
    measures = [
        ("accuracy", "accuracy", everything, right, True),
        ("accuracy_yes_no", "accuracy, yes or no", yes_no, right, True),
        ("accuracy_open", "accuracy, open", ~yes_no, right, True),
        ("told_unanswerable", "unanswerable ones told", impossible, refused, True),
        ("refused_answerable", "answerable ones refused", ~impossible, refused, False),
    ]
    figures = [
        share_figure(
            name,
            title,
            flags(given)[mask],
            None if others is None else flags(others)[mask],
            groups[mask],
            seed=seed,
            more_is_better=better,
        )
        for name, title, mask, flags, better in measures
        if mask.any()
    ]
    wrong = [i for i in range(len(rows)) if given[i] != expected[i]]
    helped = None if others is None else [others[i] == expected[i] for i in range(len(rows))]
    # First what the other one knew: that is what was lost.
    wrong.sort(key=lambda i: helped is not None and not helped[i])
    mistakes = [
        Mistake(
            where=rows[i].where,
            image=rows[i].images[0],
            truth=(rows[i].exchanges[-1].answer,),
            own=own[i],
            other=None if other is None else other[i],
            question=rows[i].exchanges[-1].question,
            other_right=None if helped is None else helped[i],
        )
        for i in wrong[:MOST_MISTAKES]
    ]
    pictures = len(set(groups.tolist()))
    notes = []
    if pictures < len(rows):
        notes.append(
            "Several questions are about the same picture; the intervals take pictures as what "
            "was drawn, and a picture votes once in McNemar's test."
        )
    return Judgement(
        kind="questions",
        data=data,
        sha256=sha256,
        n=len(rows),
        pictures=pictures,
        figures=tuple(figures),
        mistakes=tuple(mistakes),
        mistakes_total=len(wrong),
        notes=tuple(notes),
    )


def numbered(rows: Sequence[Example]) -> Groups:
    """A number for each row, the same for rows about the same pictures."""
    numbers: dict[tuple, int] = {}
    return np.array([numbers.setdefault(row.images, len(numbers)) for row in rows], np.intp)


def share_figure(
    name: str,
    title: str,
    own: Flags,
    other: Flags | None,
    groups: Groups,
    *,
    seed: int = 0,
    more_is_better: bool = True,
) -> Figure:
    """A share of true flags, and how it differs from the other's."""
    mine = proportion(own, groups)
    if other is None:
        return Figure(name, title, mine, more_is_better=more_is_better)
    return Figure(
        name,
        title,
        mine,
        proportion(other, groups),
        difference(own, other, groups, seed=seed),
        p=mcnemar(own, other, groups),
        more_is_better=more_is_better,
    )
