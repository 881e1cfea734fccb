"""The report on a data set: one HTML page that holds all it shows, the summary first.

What stands in it is anybody's text and anybody's picture: the template escapes all of it, texts
and pictures are limited in number and size, and the page's own policy lets no script run.
"""

from __future__ import annotations

import base64
import io
import random
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2

from adapters.data.form import Example
from adapters.data.kinds import title
from adapters.data.notes import shown
from adapters.data.validate import Report
from adapters.judge.writing import write_whole
from assistant.errors import ImageError
from assistant.images import fit_within, open_image

THUMBNAIL = 160
"""Pixels of the longer side; a picture of this size has some 5 kB."""

MOST_PICTURES = 400
MOST_PICTURE_BYTES = 4 * 2**20
MOST_FINDINGS = 40
"""Of one kind; the numbers count all."""

MOST_CLASSES = 500
SAMPLES = 12


def write_report(report: Report, path: Path) -> None:
    """Write the page; an earlier one is replaced whole or not at all.

    Raises:
        InputError: it cannot be written there.
    """
    write_whole(path, render(report).encode("utf-8", "replace"))


def render(report: Report) -> str:
    """The page as text."""
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {
        "file": lambda where: shown(where.replace("\\", "/").rpartition("/")[2]),
        "short": shown,
        "thumbnail": _thumbnails(),
    }
    page = files("adapters.data").joinpath("report.html").read_text(encoding="utf-8")
    rows = list(report.classes.values())
    kinds = [
        {
            "title": title(kind),
            "errors": found[0].severity == "error",
            "count": len(found),
            "first": found[:MOST_FINDINGS],
        }
        for kind, found in report.by_kind().items()
    ]
    return environment.from_string(page).render(
        report=report,
        made=datetime.now().astimezone().isoformat(" ", "minutes"),
        verdict=verdict(report),
        kinds=kinds,
        classes=_classes(report),
        most=max(rows, default=0),
        least=min(rows, default=0),
        samples=_samples(report),
    )


def verdict(report: Report) -> str:
    """The result in one sentence."""
    if not report.usable:
        return "No row can be used: correct the errors below and validate again."
    if report.errors:
        left = report.rows - report.usable
        said = f"{report.usable:,} of {report.rows:,} rows can be used"
        if left:
            said += f"; {left:,} with errors would be left out"
        return f"{said}: correct the errors before you train."
    if report.warnings:
        return f"All {report.usable:,} rows can be used; look at the warnings."
    return f"All {report.usable:,} rows can be used."


def _classes(report: Report) -> list[dict[str, Any]]:
    first: dict[str, Example] = {}
    for example in report.dataset.examples:
        if example.label is not None:
            first.setdefault(example.label, example)
    return [
        {
            "label": label,
            "rows": rows,
            "coarse": first[label].coarse_label,
            "picture": first[label].images[0],
        }
        for label, rows in list(report.classes.items())[:MOST_CLASSES]
    ]


def _samples(report: Report) -> list[dict[str, Any]]:
    examples = report.dataset.examples
    places = sorted(random.Random(0).sample(range(len(examples)), min(SAMPLES, len(examples))))
    return [
        {
            "picture": examples[place].images[0],
            "text": _text(examples[place]),
            "where": examples[place].where,
        }
        for place in places
    ]


def _text(example: Example) -> str:
    """What a row says of its picture, its first words."""
    if example.exchanges:
        return f"{example.exchanges[0].question} {example.exchanges[0].answer}"
    if example.references:
        return example.references[0]
    labels = dict.fromkeys((example.coarse_label, example.label))
    return " / ".join(label for label in labels if label)


def _thumbnails() -> Callable[[Path | None], str]:
    """Makes small copies of pictures, each once, until there are as many as a page may have."""
    made: dict[Path, str] = {}
    spent = 0

    def thumbnail(path: Path | None) -> str:
        nonlocal spent
        if path is None or path in made:
            return made.get(path, "") if path is not None else ""
        if len(made) >= MOST_PICTURES or spent > MOST_PICTURE_BYTES:
            return ""
        try:
            small = fit_within(open_image(path).pixels, THUMBNAIL)
        except ImageError:
            made[path] = ""
            return ""
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=70)
        packed = base64.b64encode(buffer.getvalue()).decode("ascii")
        made[path] = f"data:image/webp;base64,{packed}"
        spent += len(packed)
        return made[path]

    return thumbnail
