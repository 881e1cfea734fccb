"""What people accepted and corrected, as a file that `sightdesk adapters train` takes.

One JSON object a line, in the project's own form, with absolute paths, so that the file can be
moved while the pictures stay where they are:

    {"image": "/photos/a.jpg", "label": "Royal-Gala", "coarse_label": "Apple"}
    {"image": "/photos/b.jpg", "references": ["A dog runs over the grass."]}
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assistant.errors import ImageError, InputError, StoreError
from assistant.images import open_image

if TYPE_CHECKING:
    from assistant.annotate.decisions import Decision
    from assistant.annotate.review import Review
    from assistant.annotate.values import Annotation

TRAINING_FILE: Final = "training.jsonl"


@dataclass(frozen=True)
class TrainingSet:
    """A file that was written.

    Attributes:
        rows: pictures in it.
        labels: how many different ones; 0 for descriptions.
        left_out: pictures that were decided about and are not in it, each with a sentence.
    """

    file: Path
    rows: int
    labels: int
    left_out: tuple[tuple[str, str], ...]


def write_training_set(review: Review, file: Path | None = None) -> TrainingSet:
    """Write all that was accepted or corrected; what was rejected or skipped is not in it.

    A picture of which there are several files is in it once.

    Args:
        file: by default ``training.jsonl`` beside the results; one that is there is replaced.

    Raises:
        InputError: nothing was accepted or corrected yet, or none of its pictures is there.
        StoreError: the file cannot be written, or the results cannot be read.
    """
    file = (file or review.job.path / TRAINING_FILE).absolute()
    left_out: list[tuple[str, str]] = []
    labels: set[str] = set()
    rows = 0

    def lines() -> Iterator[bytes]:
        nonlocal rows
        for decision, found in review.decided():
            picture = _find(review, decision, found, left_out)
            if picture is not None:
                rows += 1
                if decision.label is not None:
                    labels.add(decision.label)
                yield json.dumps(_row(picture, decision), ensure_ascii=False).encode() + b"\n"

    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=file.parent, prefix=".training-", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as out:
                out.writelines(lines())
                out.flush()
                os.fsync(out.fileno())
            if not rows:
                raise InputError(
                    left_out[0][1]
                    if left_out
                    else "Nothing was accepted or corrected yet, so there is nothing to learn; "
                    "review some pictures first."
                )
            Path(name).replace(file)
        finally:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"{file} cannot be written ({error.strerror or error}); make room or mend it, then "
            "try again."
        ) from error
    return TrainingSet(file, rows, len(labels), tuple(left_out))


def _row(picture: Path, decision: Decision) -> dict[str, Any]:
    row: dict[str, Any] = {"image": str(picture)}
    if decision.caption is not None:
        return row | {"references": [decision.caption]}
    row["label"] = decision.label
    if decision.coarse_label:
        row["coarse_label"] = decision.coarse_label
    return row


def _find(
    review: Review,
    decision: Decision,
    found: list[Annotation],
    left_out: list[tuple[str, str]],
) -> Path | None:
    """The first file that still shows the picture that was decided about."""
    trouble = ""
    for row in found:
        try:
            path = review.job.picture(row.image)
            str(path).encode()
            stat = path.stat()
            if (stat.st_size, stat.st_mtime_ns) == (row.size, row.modified_ns):
                return path
            if open_image(path, name=row.image).id == decision.image_id:
                return path
            trouble = f"{row.image} shows another picture by now; run the job again."
        except UnicodeEncodeError:
            trouble = f"{row.image!a} is no name that a data file can hold; rename the file."
        except OSError as error:
            trouble = f"{row.image} cannot be read ({error.strerror}); bring it back."
        except (ImageError, InputError) as error:
            trouble = str(error)
    left_out.append((found[0].image, trouble))
    return None
