"""JSON Lines and CSV: one row a picture, which `sightdesk adapters train` and `evaluate` take."""

from __future__ import annotations

import csv
import json
from typing import Any, Final, TextIO

from assistant.annotate.formats.rows import Final as FinalRow

COLUMNS: Final = (
    "image", "label", "coarse_label", "caption", "confidence", "status", "width", "height",
    "image_id", "file",
)  # fmt: skip
# A spreadsheet takes what begins so for a formula, which may call programs or the network.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def write_jsonl(out: TextIO, row: FinalRow) -> None:
    """One line; ``image`` is the whole path, ``file`` the one below the job's folder."""
    line: dict[str, Any] = {"image": str(row.path)}
    if row.label is not None:
        line["label"] = row.label
        if row.coarse_label is not None:
            line["coarse_label"] = row.coarse_label
    if row.caption is not None:
        line["references"] = [row.caption]
    made = row.annotation
    if made.confidence is not None:
        line["confidence"] = round(made.confidence, 4)
    line |= {"status": _status(row), "width": made.width, "height": made.height}
    line |= {"image_id": made.image_id, "file": made.image}
    out.write(json.dumps(line) + "\n")


class CsvWriter:
    """A table with a header."""

    def __init__(self, out: TextIO) -> None:
        self._writer = csv.writer(out, lineterminator="\r\n")
        self._writer.writerow(COLUMNS)

    def write(self, row: FinalRow) -> None:
        """One row."""
        made = row.annotation
        sure = "" if made.confidence is None else f"{made.confidence:.4f}"
        values = (
            str(row.path), row.label or "", row.coarse_label or "", row.caption or "", sure,
            _status(row), made.width, made.height, made.image_id, made.image,
        )  # fmt: skip
        self._writer.writerow([_harmless(str(value)) for value in values])


def _status(row: FinalRow) -> str:
    return "reviewed" if row.reviewed else row.annotation.status


def _harmless(text: str) -> str:
    """A cell that is text to a spreadsheet, whatever it begins with."""
    text = text.encode("utf-8", "replace").decode()
    return f"'{text}" if text.lstrip(" ").startswith(_FORMULA) else text
