"""A table of pictures: CSV (comma, semicolon, tab or bar), its columns found by their names.

Several captions of one picture, in rows of their own, are joined; a question with its answer makes
an example of its own.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from adapters.data.form import Example, Exchange
from adapters.data.notes import (
    Notes,
    RowProblem,
    need_label,
    need_text,
    no_marks,
    shown,
    split_name,
)
from adapters.data.places import Places
from adapters.data.records import head, lines
from adapters.rows import MAX_REFERENCES, MAX_ROW_BYTES
from assistant.errors import DataError

DELIMITERS = ",;\t|"
COLUMNS = {
    "image": (
        "image", "file", "path", "filename", "file_name", "filepath", "file_path", "image_path",
        "image_name", "img", "photo", "picture",
    ),
    "caption": ("caption", "captions", "text", "description", "comment", "reference"),
    "label": ("label", "class", "category"),
    "coarse": ("coarse_label", "coarse", "group"),
    "question": ("question",),
    "answer": ("answer",),
    "split": ("split",),
}  # fmt: skip
"""What each column may be called; the first that is there counts."""

_MAX_COLUMNS = 200


def find_columns(file: Path) -> tuple[str, dict[str, int]] | None:
    """The delimiter and the place of each known column; None where it is no such table.

    Raises:
        DataError: the file cannot be read.
    """
    first = head(file).splitlines()[:1]
    text = first[0].decode("utf-8", "replace") if first else ""
    found = [(delimiter, _columns(text, delimiter)) for delimiter in DELIMITERS]
    delimiter, columns = max(found, key=lambda one: len(one[1]))
    known = "image" in columns and (
        {"caption", "label"} & set(columns) or {"question", "answer"} <= set(columns)
    )
    return (delimiter, columns) if known else None


def _columns(header: str, delimiter: str) -> dict[str, int]:
    try:
        names = next(csv.reader([header], delimiter=delimiter), [])
    except csv.Error:
        return {}
    given = [name.strip().lower().replace(" ", "_") for name in names[:_MAX_COLUMNS]]
    places = {
        column: next((given.index(name) for name in names if name in given), None)
        for column, names in COLUMNS.items()
    }
    return {column: place for column, place in places.items() if place is not None}


@dataclass
class _Joined:
    """All that rows say of one picture, apart from questions."""

    where: str
    place: int
    references: list[str] = field(default_factory=list)
    label: str | None = None
    coarse: str | None = None
    split: str | None = None


def read_table(file: Path, notes: Notes, places: Places) -> None:
    """Read the rows of a table into ``notes``.

    Raises:
        DataError: the header names no picture, or nothing to learn about one.
    """
    found = find_columns(file)
    if found is None:
        raise DataError(
            f"{file} has no header with a column for the picture (such as 'image' or 'file') and "
            f"one for 'caption', 'label', or 'question' and 'answer'; name the columns so."
        )
    delimiter, columns = found
    pictures: dict[Path, _Joined] = {}
    asked: list[tuple[int, Example]] = []
    for number, (line, values) in enumerate(_rows(file, delimiter, notes)):
        where = f"{file}:{line}"
        with notes.row(where):
            given = {
                column: values[place].strip() if place < len(values) else ""
                for column, place in columns.items()
            }
            image = places.find(given["image"])
            split = split_name(given.get("split"))
            if question := _question(given):
                asked.append((number, Example(where, (image,), exchanges=(question,), split=split)))
            caption, label = _caption(given, columns), _label(given, columns)
            if caption or label:
                picture = pictures.setdefault(image, _Joined(where, number))
                _join(picture, caption, label, given.get("coarse"), split, notes, where)
    examples = [
        (
            one.place,
            Example(
                one.where, (image,), tuple(one.references), one.label, one.coarse, split=one.split
            ),
        )
        for image, one in pictures.items()
    ]
    for _, example in sorted([*examples, *asked], key=lambda one: one[0]):
        notes.add(example)


def _question(given: dict[str, str]) -> Exchange | None:
    if not given.get("question") and not given.get("answer"):
        return None
    question = need_text(given.get("question"), "'question'")
    answer = need_text(given.get("answer"), "'answer'")
    no_marks(question, "'question'")
    no_marks(answer, "'answer'")
    return Exchange(question, answer)


def _caption(given: dict[str, str], columns: dict[str, int]) -> str | None:
    # An empty one is a fault unless the row says something else.
    if "caption" not in columns or (
        not given["caption"] and (given.get("question") or given.get("label"))
    ):
        return None
    caption = need_text(given["caption"], "The caption")
    no_marks(caption, "The caption")
    return caption


def _label(given: dict[str, str], columns: dict[str, int]) -> str | None:
    if "label" not in columns or (
        not given["label"] and (given.get("question") or given.get("caption"))
    ):
        return None
    return need_label(given["label"], "The label")


def _join(
    picture: _Joined,
    caption: str | None,
    label: str | None,
    coarse: str | None,
    split: str | None,
    notes: Notes,
    where: str,
) -> None:
    if caption and len(picture.references) >= MAX_REFERENCES:
        raise RowProblem(
            "long-row", f"The picture has more than {MAX_REFERENCES:,} captions; keep so many."
        )
    if caption:
        picture.references.append(caption)
    if label and picture.label not in (None, label):
        notes.warn(
            "label-conflict",
            where,
            f"The picture is labelled {shown(picture.label)!r} in {shown(picture.where, 200)} and "
            f"{shown(label)!r} here, which is passed over; keep one.",
        )
    elif label:
        picture.label = label
        picture.coarse = need_label(coarse, "The group") if coarse else picture.coarse
    picture.split = picture.split or split


def _rows(file: Path, delimiter: str, notes: Notes) -> Iterator[tuple[int, list[str]]]:
    """Yield (line, values) for every row after the header that is not blank."""
    reader = csv.reader(_texts(file, notes), delimiter=delimiter, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            notes.error(
                "bad-table",
                f"{file}:{line}",
                f"The row cannot be taken apart ({error}); look for a quotation mark that is not "
                f"closed.",
            )
            continue
        if line > 1 and any(value.strip() for value in values):
            yield line, values


def _texts(file: Path, notes: Notes) -> Iterator[str]:
    # A line that cannot be used is given as a blank one, so that the reader counts on.
    for number, raw in lines(file, MAX_ROW_BYTES):
        where = f"{file}:{number}"
        text = "\n"
        if raw is None:
            notes.error(
                "long-row", where, f"The row is longer than {MAX_ROW_BYTES:,} bytes; shorten it."
            )
        else:
            try:
                text = raw.decode("utf-8")
            except UnicodeDecodeError:
                notes.error(
                    "not-utf-8", where, "The row is not UTF-8; save the table as 'CSV UTF-8'."
                )
        yield text
