"""Data files: JSON Lines about pictures, the same for training and for evaluation.

One JSON object a line; blank lines are skipped, further keys are ignored, and image paths are
relative to the file:

    captions   {"image": "a.jpg", "references": ["A dog runs .", ...]}
    questions  {"image": "a.jpg", "question": "What colour is the dog?", "answer": "brown"}
    labels     {"image": "a.jpg", "label": "Royal-Gala", "coarse_label": "Apple"}  (coarse optional)

A file is read whole and every row is checked; the first that cannot be used is named as file:line.
This module opens no picture and does not look whether one is there.
"""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from assistant.errors import DataError

# Far above any caption or question; what is longer is another kind of file.
MAX_ROW_BYTES = 1 << 20
MAX_CHARACTERS = 4096
MAX_REFERENCES = 1000


@dataclass(frozen=True)
class Row:
    """A checked row: its file:line, its image as written there, and where the image file is."""

    where: str
    image: str
    path: Path


@dataclass(frozen=True)
class CaptionRow(Row):
    """A picture with at least one reference caption."""

    references: tuple[str, ...]


@dataclass(frozen=True)
class QuestionRow(Row):
    """A picture with a question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class LabelRow(Row):
    """A picture with its label and, where there is one, its coarse label."""

    label: str
    coarse_label: str | None


RowT = TypeVar("RowT", bound=Row)


def read_captions(file: Path) -> list[CaptionRow]:
    """All rows of a file of captions.

    Raises:
        DataError: the file, or a row of it, cannot be used.
    """
    return _read(file, _caption_row)


def read_questions(file: Path) -> list[QuestionRow]:
    """All rows of a file of questions; raises as `read_captions` does."""
    return _read(file, _question_row)


def read_labels(file: Path) -> list[LabelRow]:
    """All rows of a file of labels; raises as `read_captions` does."""
    return _read(file, _label_row)


def bad_row(where: str, problem: str) -> DataError:
    """The error of a row; ``problem`` says what is wrong, a comma, and what to do."""
    return DataError(f"{where}: {problem}.")


def _read(file: Path, parse: Callable[[str, Path, dict[str, Any]], RowT]) -> list[RowT]:
    rows = [parse(where, file.parent, record) for where, record in records(file)]
    if not rows:
        raise DataError(f"{file} holds no rows; give a file with one JSON object a line.")
    return rows


def records(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file:line, object) for every line that is not blank; raises as `read_captions`."""
    for number, raw in enumerate(_lines(file), start=1):
        where = f"{file}:{number}"
        if len(raw) > MAX_ROW_BYTES:
            raise bad_row(where, f"the row is longer than {MAX_ROW_BYTES:,} bytes, shorten it")
        if not raw.strip():
            continue
        try:
            record = json.loads(raw.decode("utf-8"))
            # An escape such as \ud83d alone is JSON but no text that a tokenizer can take.
            json.dumps(record, ensure_ascii=False).encode("utf-8")
        except (ValueError, RecursionError) as error:
            raise bad_row(where, "the row is not JSON in UTF-8, correct it") from error
        if not isinstance(record, dict):
            raise bad_row(where, "the row is not a JSON object, write it as {...}")
        yield where, record


def _lines(file: Path) -> Iterator[bytes]:
    """Yield the lines; of one that is too long, no more than shows that it is."""
    try:
        with file.open("rb") as stream:
            raw = stream.readline(MAX_ROW_BYTES + 1).removeprefix(BOM_UTF8)
            while raw:
                yield raw
                raw = stream.readline(MAX_ROW_BYTES + 1)
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error.strerror}); give a file with one JSON object a line."
        ) from error


def _caption_row(where: str, folder: Path, record: dict[str, Any]) -> CaptionRow:
    image = _image(where, record)
    texts = _value(where, record, "references")
    if not isinstance(texts, list) or not texts:
        raise bad_row(where, "'references' is no list of texts, give at least one caption in [...]")
    if len(texts) > MAX_REFERENCES:
        raise bad_row(where, f"'references' has {len(texts):,} texts, keep {MAX_REFERENCES:,}")
    for number, text in enumerate(texts, start=1):
        _require_text(where, f"caption {number} of 'references'", text)
    return CaptionRow(where, image, folder / image, tuple(texts))


def _question_row(where: str, folder: Path, record: dict[str, Any]) -> QuestionRow:
    image = _image(where, record)
    question, answer = _text(where, record, "question"), _text(where, record, "answer")
    return QuestionRow(where, image, folder / image, question, answer)


def _label_row(where: str, folder: Path, record: dict[str, Any]) -> LabelRow:
    image, label = _image(where, record), _text(where, record, "label")
    has_coarse = record.get("coarse_label") is not None
    coarse = _text(where, record, "coarse_label") if has_coarse else None
    return LabelRow(where, image, folder / image, label, coarse)


def _image(where: str, record: dict[str, Any]) -> str:
    path = _text(where, record, "image")
    if "\0" in path:
        raise bad_row(where, "'image' has a null character in it, write the path of a file")
    return path


def _text(where: str, record: dict[str, Any], key: str) -> str:
    return _require_text(where, repr(key), _value(where, record, key))


def _value(where: str, record: dict[str, Any], key: str) -> Any:
    if key not in record:
        raise bad_row(where, f"the key {key!r} is missing, add it to the row")
    return record[key]


def _require_text(where: str, name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise bad_row(where, f"{name} is no text or an empty one, write it as a string")
    if len(value) > MAX_CHARACTERS:
        raise bad_row(where, f"{name} has {len(value):,} characters, keep {MAX_CHARACTERS:,}")
    return value
