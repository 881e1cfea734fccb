"""COCO's format: pictures, what they are called, and captions (cocodataset.org/#format-data).

Numbers of pictures and categories are the same in every export of one job, however far it went. A
label is of a whole picture: its box is the picture.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from assistant.annotate.formats.rows import Final


def write_coco(
    out: TextIO, rows: Callable[[], Iterable[Final]], numbers: Mapping[str, int], about: str
) -> int:
    """Write the one object, a picture at a time; how many pictures are in it.

    Args:
        rows: gives all rows anew at each call.
        numbers: of all labels.
        about: what the data set is, in words.
    """
    info = {"description": about, "date_created": datetime.now(UTC).isoformat(timespec="seconds")}
    out.write(f'{{"info": {json.dumps(info)}, "licenses": [], "images": [')
    count = _write_all(out, (_picture(row) for row in rows()))
    out.write('\n], "annotations": [')
    coarse: dict[str, str] = {}
    _write_all(out, (_annotation(row, numbers, coarse) for row in rows()))
    categories = [
        {"id": number, "name": name, "supercategory": coarse.get(name, "")}
        for name, number in numbers.items()
    ]
    out.write('\n], "categories": [')
    _write_all(out, categories)
    out.write("\n]}\n")
    return count


def _write_all(out: TextIO, objects: Iterable[dict[str, Any]]) -> int:
    count = 0
    for count, each in enumerate(objects, 1):
        out.write(("\n" if count == 1 else ",\n") + json.dumps(each))
    return count


def _picture(row: Final) -> dict[str, Any]:
    made = row.annotation
    return {
        "id": row.number,
        "file_name": made.image,
        "width": made.width,
        "height": made.height,
        "image_id": made.image_id,
    }


def _annotation(row: Final, numbers: Mapping[str, int], coarse: dict[str, str]) -> dict[str, Any]:
    """One for each picture, of its number."""
    made = row.annotation
    found: dict[str, Any] = {"id": row.number, "image_id": row.number}
    if row.caption is not None:
        found["caption"] = row.caption
    if row.label is not None:
        if row.coarse_label is not None:
            coarse[row.label] = row.coarse_label
        found |= {
            "category_id": numbers[row.label],
            "bbox": [0, 0, made.width, made.height],
            "area": made.width * made.height,
            "segmentation": [],
            "iscrowd": 0,
        }
    if made.confidence is not None and not row.reviewed:
        found["score"] = round(made.confidence, 4)
    return found
