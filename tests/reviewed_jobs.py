"""Jobs with results, made without a model, for the tests of the review and of its page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from assistant.annotate.job import Job
from assistant.annotate.results import Results
from assistant.annotate.values import Annotation, Task
from assistant.images import image_id, open_image
from assistant.settings import Settings

LABELS = ("Banana", "Granny-Smith", "Kiwi", "Lemon", "Royal-Gala")


def paint(folder: Path, count: int, *, side: int = 96) -> list[Path]:
    """Pictures of one colour each, all different."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number in range(count):
        colour = (37 * number % 256, 91 * number % 256, number // 256 + 7 * number % 200)
        path = folder / f"picture-{number:04d}.png"
        Image.new("RGB", (side, side), colour).save(path)
        found.append(path)
    return found


def row_of(folder: Path, path: Path, **values: Any) -> Annotation:
    """A line of results about a picture as it lies there."""
    picture = open_image(path)
    stat = path.stat()
    named = path.relative_to(folder).as_posix()
    return Annotation(
        named, image_id(picture.pixels), picture.width, picture.height, model="embedded",
        size=stat.st_size, modified_ns=stat.st_mtime_ns, **values,
    )  # fmt: skip


def label_row(folder: Path, path: Path, label: str, confidence: float, **values: Any) -> Annotation:
    """As a labelling job would say it; below a half it is set aside."""
    others = [name for name in LABELS if name != label]
    rest = (1 - confidence) / len(others)
    scores = ((label, confidence), *((name, rest) for name in others))
    coarse = "Apple" if label in ("Granny-Smith", "Royal-Gala") else label
    if confidence < 0.5:
        said: dict[str, Any] = {"status": "aside", "trouble": "Not sure enough of it."}
    else:
        said = {"label": label, "coarse_label": coarse}
    return row_of(folder, path, confidence=confidence, scores=scores, **(said | values))


def add_rows(job: Job, rows: Sequence[Annotation]) -> None:
    """As a batch of the job would be written."""
    results = Results(job.results)
    results.add(rows)
    results.close()


def labelling_job(
    folder: Path, out: Path, *, count: int = 8, settings: Settings | None = None
) -> Job:
    """A job of ``count`` pictures, the earlier ones less sure; the first ones are set aside."""
    paths = paint(folder, count)
    job = Job.start(folder, out, Task("label", labels=LABELS), settings=settings)
    rows = [
        label_row(folder, path, LABELS[place % len(LABELS)], 0.3 + 0.69 * place / max(1, count - 1))
        for place, path in enumerate(paths)
    ]
    # A job goes by the names, not by how sure it is.
    add_rows(job, [*reversed(rows)])
    return job


def describing_job(
    folder: Path, out: Path, *, count: int = 4, settings: Settings | None = None
) -> Job:
    """As `labelling_job`, with descriptions."""
    paths = paint(folder, count)
    job = Job.start(folder, out, Task("describe"), settings=settings)
    rows = []
    for place, path in enumerate(paths):
        sure = 0.4 + 0.1 * place
        said: dict[str, Any] = {"status": "aside"} if sure < 0.5 else {}
        caption = f"A square of colour number {place}."
        rows.append(row_of(folder, path, caption=caption, confidence=sure, **said))
    add_rows(job, rows)
    return job


def touch(path: Path) -> None:
    """Another time of change, the same bytes."""
    os.utime(path, ns=(1, 1))
