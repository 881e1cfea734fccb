"""Tables as passages, a row each: JSON lines with products or whatever else, and CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from assistant.errors import DataError
from assistant.knowledge.blocks import Block, passages
from assistant.knowledge.products import is_product, product_drafts
from assistant.knowledge.reading.source import Source
from assistant.knowledge.values import Draft
from assistant.knowledge.words import readable
from assistant.store.text import one_line

_LONGEST_FIELD = 200_000  # characters
_MOST_TROUBLES = 20
_TITLES = ("title", "name", "product", "question", "heading", "label", "id")
_TEXTS = ("text", "content", "body", "answer", "description")


def jsonl_drafts(source: Source, text: str) -> tuple[list[Draft], list[str]]:
    """Drafts of all rows, and what is wrong with some.

    Raises:
        DataError: there are too many rows, or none can be used.
    """
    drafts: list[Draft] = []
    troubles: list[str] = []
    for number, line in _numbered(source, text):
        place = f"row {number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            troubles.append(f"{source.name}:{number} is no JSON object; correct the line.")
            continue
        if is_product(row):
            found = product_drafts(row, place)
            image, trouble = _picture(source, row.get("image"), number)
            troubles += trouble
            drafts += [Draft(**{**vars(draft), "image": image}) for draft in found]
        elif isinstance(row, dict):
            drafts += _row_drafts(row, place, source)
        else:
            troubles.append(f"{source.name}:{number} is no JSON object; correct the line.")
    if troubles and not drafts:
        raise DataError(troubles[0])
    more = len(troubles) - _MOST_TROUBLES
    if more > 0:
        troubles[_MOST_TROUBLES:] = [f"{source.name} has {more:,} more rows with trouble."]
    return drafts, troubles


def csv_drafts(source: Source, text: str) -> tuple[list[Draft], list[str]]:
    """Drafts of all rows, with ``column: value`` lines.

    Raises:
        DataError: it cannot be read as a table, or has too many rows.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    try:
        dialect: Any = csv.Sniffer().sniff(text[: 2**16], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel
    drafts: list[Draft] = []
    rows = csv.reader(io.StringIO(text, newline=""), dialect)
    header: list[str] = []
    try:
        for row in rows:
            cells = [cell.strip() for cell in row]
            if not any(cells):
                continue
            if not header:
                header = [name or f"column {place}" for place, name in enumerate(cells, 1)]
                continue
            _check_rows(source, len(drafts) + 1)
            names = header + [f"column {place}" for place in range(len(header), len(cells))]
            pairs = dict(zip(names, cells, strict=False))
            drafts += _row_drafts(pairs, f"row {rows.line_num}", source)
    except csv.Error as error:
        raise DataError(
            f"{source.name} cannot be read as a table in line {rows.line_num} ({error}); save it "
            f"as CSV again."
        ) from error
    if header and not drafts:
        raise DataError(f"{source.name} has a header and no rows; add rows below it.")
    return drafts, []


def _row_drafts(row: dict[str, Any], place: str, source: Source) -> list[Draft]:
    """One passage a row, or several where its text is long."""
    lower = {str(key).casefold(): key for key in row}
    key = next((lower[name] for name in _TITLES if _said(row.get(lower.get(name, "")))), None)
    if key is None:
        key = next((key for key in row if _said(row[key])), "")
    said = one_line(_said(row.get(key)), 120)
    title = readable(said) if str(key).casefold() == "label" else said
    body = next((lower[name] for name in _TEXTS if _said(row.get(lower.get(name, "")))), None)
    if body is not None and body != key:
        blocks = [Block("paragraph", part) for part in _said(row[body]).split("\n\n")]
        rest = {name: row[name] for name in row if name not in (key, body)}
    else:
        blocks, rest = [], {name: row[name] for name in row}
    lines = [f"{name}: {_said(value)}" for name, value in rest.items() if _said(value)]
    blocks += [Block("item", line) for line in lines]
    found = passages([Block(b.kind, b.text, 0, place) for b in blocks], title or source.stem)
    return found or ([Draft(title, title, place)] if title else [])


def _said(value: Any) -> str:
    """A cell as text; empty for what says nothing."""
    if value is None or isinstance(value, str):
        return (value or "").strip()
    if isinstance(value, bool | int | float):
        return str(value)
    if isinstance(value, list) and all(isinstance(item, str | int | float) for item in value):
        return "\n".join(str(item).strip() for item in value)
    return json.dumps(value, ensure_ascii=False)


def _picture(source: Source, image: Any, number: int) -> tuple[Path | None, list[str]]:
    """The picture that a row names, where it is in the file's folder."""
    if not isinstance(image, str) or not image or source.folder is None:
        return None, []
    # By its words: what a link in the folder points at is its owner's choice.
    path = Path(os.path.normpath(source.folder / image.replace("\0", "")))
    if not path.is_relative_to(os.path.normpath(source.folder)):
        return None, [f"{source.name}:{number} names a picture outside its folder; move it there."]
    if not path.is_file():
        return None, [f"{source.name}:{number} names a picture that is not there; add its file."]
    return path, []


def _numbered(source: Source, text: str) -> Iterator[tuple[int, str]]:
    count = 0
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            count += 1
            _check_rows(source, count)
            yield number, line


def _check_rows(source: Source, count: int) -> None:
    if count > source.settings.max_document_rows:
        raise DataError(
            f"{source.name} has more than {source.settings.max_document_rows:,} rows; split it, "
            f"or raise SIGHTDESK_MAX_DOCUMENT_ROWS."
        )
