"""What a job comes to: the model's word on each picture, and a person's where there is one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.annotate.decisions import Decision, DecisionLog
from assistant.annotate.job import REVIEW_FILE
from assistant.annotate.results import first_places
from assistant.annotate.values import Annotation

if TYPE_CHECKING:
    from assistant.annotate.job import Job


@dataclass(frozen=True)
class Final:
    """A picture with what it is to be called.

    Attributes:
        number: counted from 1 in the order in which the job first met it, which never changes.
        label, coarse_label, caption: by the person who decided, else by the model.
        path: where its file lies.
        reviewed: whether a person said so.
    """

    number: int
    annotation: Annotation
    label: str | None
    coarse_label: str | None
    caption: str | None
    path: Path
    reviewed: bool

    @property
    def words(self) -> list[str]:
        """Its label and the coarser one, each once."""
        return list(dict.fromkeys(word for word in (self.label, self.coarse_label) if word))


def final_rows(job: Job, *, aside: bool = False) -> Iterator[Final]:
    """The pictures that are sure, or that a person accepted or corrected, by when they were met.

    Args:
        aside: those that nobody is sure of as well, with the likeliest label.

    Raises:
        StoreError: results or decisions cannot be read.
    """
    decided = decisions(job)
    numbers = first_places(job.results)
    for row in job.annotations():
        if row.status == "bad":
            continue
        decision = decided.get(row.image_id)
        verdict = decision.verdict if decision is not None else "open"
        if verdict == "reject":
            continue
        label, coarse, caption = row.guess, row.coarse_label, row.caption
        reviewed = decision is not None and verdict in ("accept", "correct")
        if reviewed and decision is not None:
            label, coarse, caption = decision.label, decision.coarse_label, decision.caption
        elif row.status == "aside" and not aside:
            continue
        number = numbers[row.image]
        yield Final(number, row, label, coarse, caption, job.picture(row.image), reviewed)


def decisions(job: Job) -> dict[str, Decision]:
    """The last decision about each picture, by image id.

    Raises:
        StoreError: they cannot be read.
    """
    found = DecisionLog(job.path / REVIEW_FILE).news()
    return {decision.image_id: decision for decision in found}


def label_numbers(job: Job) -> dict[str, int]:
    """A number for each label, from 1, which stays as it is when the job goes on.

    First those of the list that was given, then by when they were first met, then as people typed
    them.
    """
    known = dict.fromkeys(job.task.labels or ())
    for row in job.annotations():
        if row.guess is not None:
            known.setdefault(row.guess)
    for decision in DecisionLog(job.path / REVIEW_FILE).news():
        if decision.label is not None:
            known.setdefault(decision.label)
    return {label: number for number, label in enumerate(known, 1)}


def is_there(row: Final) -> bool:
    """Whether the file is still the one that was looked at."""
    try:
        found = os.stat(row.path)
    except (OSError, ValueError):
        return False
    made = row.annotation
    return (found.st_size, found.st_mtime_ns) == (made.size, made.modified_ns)
