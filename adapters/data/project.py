"""The project's own JSON Lines (see `adapters.rows`): captions, questions and labels.

One kind a file, or mixed, or several in one row; ``image`` is a text or a list of texts, and
``split`` may name a split.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from adapters.data.conversation import MARK, check_marks, without_marks
from adapters.data.form import Example, Exchange
from adapters.data.notes import (
    Notes,
    RowProblem,
    check_size,
    need_label,
    need_references,
    need_text,
    no_marks,
    split_name,
)
from adapters.data.places import Places, image_value
from adapters.data.records import Record


def read_project(file: Path, rows: Iterable[Record], notes: Notes, places: Places) -> None:
    """Read the rows of a file of the project's own form into ``notes``."""
    for line, record, size in rows:
        where = f"{file}:{line}"
        with notes.row(where):
            check_size(size)
            images = places.find_all(image_value(record, notes, where))
            if not images:
                raise RowProblem(
                    "missing-key", "The key 'image' is missing; write the path of the picture."
                )
            notes.add(_example(where, images, record, notes))


def _example(where: str, images: tuple[Path, ...], record: dict[str, Any], notes: Notes) -> Example:
    references: tuple[str, ...] = ()
    label = coarse = None
    exchanges: tuple[Exchange, ...] = ()
    if record.get("references") is not None:
        references = need_references(record["references"])
    if record.get("label") is not None:
        label = need_label(record["label"])
        if record.get("coarse_label") is not None:
            coarse = need_label(record["coarse_label"], "'coarse_label'")
    if record.get("question") is not None or record.get("answer") is not None:
        exchanges = (question_of(record, len(images), notes, where),)
    if not (references or label or exchanges):
        raise RowProblem(
            "nothing-to-learn",
            "The row has none of 'references', 'label', or 'question' with 'answer'; add one.",
        )
    return Example(
        where, images, references, label, coarse, exchanges, split_name(record.get("split"))
    )


def question_of(record: dict[str, Any], images: int, notes: Notes, where: str) -> Exchange:
    """The question and answer of a row; marks are optional, but as many as pictures.

    Raises:
        RowProblem: one of them cannot be learnt.
    """
    question = need_text(record.get("question"), "'question'")
    answer = need_text(record.get("answer"), "'answer'")
    no_marks(answer, "'answer'")
    if MARK in question:
        check_marks(question.count(MARK), images)
        question = without_marks(question, notes, where)
    return Exchange(question, answer)
