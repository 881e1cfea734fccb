"""Data files: what is read from them, and which rows are refused in which words."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.mixture import CaptionSource, LabelSource
from adapters.rows import (
    MAX_CHARACTERS,
    MAX_REFERENCES,
    MAX_ROW_BYTES,
    CaptionRow,
    LabelRow,
    QuestionRow,
    read_captions,
    read_labels,
    read_questions,
)
from assistant.errors import DataError

CAPTION: dict[str, Any] = {"image": "a.jpg", "references": ["A dog runs .", "A dog ."]}
QUESTION: dict[str, Any] = {"image": "b/b.jpg", "question": "Is it red?", "answer": "no"}
LABEL: dict[str, Any] = {"image": "c.jpg", "label": "Royal-Gala", "coarse_label": "Apple"}
GOOD: dict[Callable[[Path], object], dict[str, Any]] = {
    read_captions: CAPTION,
    read_questions: QUESTION,
    read_labels: LABEL,
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def rows(*rows: dict[str, Any] | bytes) -> Path:
        file = tmp_path / "rows.jsonl"
        lines = [row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows]
        file.write_bytes(b"\n".join(lines))
        return file

    return rows


def test_rows_of_all_kinds(write: Callable[..., Path], tmp_path: Path) -> None:
    file = write(CAPTION, b"", {**CAPTION, "more": None})
    references = ("A dog runs .", "A dog .")
    assert read_captions(file) == [
        CaptionRow(f"{file}:{line}", "a.jpg", tmp_path / "a.jpg", references) for line in (1, 3)
    ]
    file = write(QUESTION)
    assert read_questions(file) == [
        QuestionRow(f"{file}:1", "b/b.jpg", tmp_path / "b" / "b.jpg", "Is it red?", "no")
    ]
    file = write(LABEL, {**LABEL, "coarse_label": None}, {"image": "/d.jpg", "label": "Leek"})
    assert read_labels(file) == [
        LabelRow(f"{file}:1", "c.jpg", tmp_path / "c.jpg", "Royal-Gala", "Apple"),
        LabelRow(f"{file}:2", "c.jpg", tmp_path / "c.jpg", "Royal-Gala", None),
        LabelRow(f"{file}:3", "/d.jpg", Path("/d.jpg"), "Leek", None),
    ]


def test_a_line_separator_inside_a_caption_ends_no_row(write: Callable[..., Path]) -> None:
    row = {**CAPTION, "references": ["A dog\u2028runs ."]}
    (read,) = read_captions(write(json.dumps(row, ensure_ascii=False).encode()))
    assert read.references == ("A dog\u2028runs .",)


def test_training_takes_what_was_read(write: Callable[..., Path], tmp_path: Path) -> None:
    captions = CaptionSource.read(write(CAPTION))
    assert list(captions.paths) == [tmp_path / "a.jpg"]
    assert [list(texts) for texts in captions.references] == [CAPTION["references"]]
    file = write(LABEL, {"image": "d.jpg", "label": "Leek"})
    labels = LabelSource.read(file, file)
    assert list(labels.paths) == [tmp_path / "c.jpg", tmp_path / "d.jpg"] * 2
    assert list(labels.labels) == ["Royal-Gala", "Leek"] * 2
    assert list(labels.coarse) == ["Apple", None] * 2


@pytest.mark.parametrize(
    ("read", "row", "message"),
    [
        (read_captions, {**CAPTION, "references": "A dog ."}, "'references' is no list of texts"),
        (read_captions, {**CAPTION, "references": []}, "at least one caption"),
        (read_captions, {**CAPTION, "references": ["A dog .", " "]}, "caption 2 of 'references'"),
        (read_captions, {**CAPTION, "references": ["A dog ."] * (MAX_REFERENCES + 1)}, "1,001"),
        (read_captions, {**CAPTION, "references": ["x" * (MAX_CHARACTERS + 1)]}, "4,097"),
        (read_captions, {**CAPTION, "image": 3}, "'image' is no text"),
        (read_captions, {**CAPTION, "image": "a\0.jpg"}, "'image' has a null character"),
        (read_captions, {"image": "a.jpg"}, "the key 'references' is missing"),
        (read_captions, b'{"image": "' + b"x" * MAX_ROW_BYTES + b'"}', "longer than 1,048,576"),
        (read_captions, b"[]", "not a JSON object"),
        (read_captions, b"{", "not JSON"),
        (read_questions, {**QUESTION, "answer": True}, "'answer' is no text"),
        (read_questions, {**QUESTION, "question": ""}, "'question' is no text or an empty one"),
        (read_labels, {**LABEL, "label": ["Leek"]}, "'label' is no text"),
        (read_labels, {**LABEL, "coarse_label": 3}, "'coarse_label' is no text"),
    ],
)
def test_rows_that_cannot_be_used(
    write: Callable[..., Path],
    read: Callable[[Path], object],
    row: dict[str, Any] | bytes,
    message: str,
) -> None:
    good = GOOD[read]
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*{message}.*\.$") as caught:
        read(write(good, row, good))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_used(write: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read .*; give a file"):
        read_labels(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="cannot be read"):
        read_labels(tmp_path)
    with pytest.raises(DataError, match="holds no rows"):
        read_labels(write(b"", b" "))
