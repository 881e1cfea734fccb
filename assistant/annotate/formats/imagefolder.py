"""Hugging Face's `imagefolder`: copies of the pictures and ``metadata.jsonl``.

    FOLDER/metadata.jsonl              {"file_name": "Apple/a.jpg", "label": "Apple"}
    FOLDER/Apple/a.jpg                 or Fruit/Apple/a.jpg, where there are coarser labels

    >>> datasets.load_dataset("imagefolder", data_dir="FOLDER")

The folders are classes for whoever reads those (`adapters.data.folders`); the labels as they are
written stand in ``metadata.jsonl``, descriptions in its column ``text``.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath
from typing import Any, Final, TextIO

from assistant.annotate.formats.placing import Names, copy
from assistant.annotate.formats.rows import Final as FinalRow

METADATA_FILE: Final = "metadata.jsonl"
# A folder or file of such a name is a split to `datasets`, which may then leave out all others.
_SPLITS: Final = re.compile(
    r"(?<![^\W\d_])(train|training|validation|valid|dev|val|test|testing|eval|evaluation)(?![^\W\d_])",
    re.IGNORECASE,
)


class ImageFolder:
    """Writes one; made anew for each export.

    Args:
        folder: an empty one.
        link: give the files a second name instead of copying them, where the disk can.
    """

    def __init__(self, folder: Path, *, link: bool) -> None:
        self._folder, self._link = folder, link
        self._names = Names()
        self._metadata: TextIO = (folder / METADATA_FILE).open("w", encoding="utf-8")

    def write(self, row: FinalRow) -> None:
        """Copy one picture and tell of it.

        Raises:
            OSError: it cannot be copied.
        """
        given = PurePosixPath(row.annotation.image)
        if row.label is not None:
            parts = [*([row.coarse_label] if row.coarse_label else []), row.label, given.name]
        else:
            parts = list(given.parts)
        path = self._names.take(*map(_no_split, parts))
        copy(row.path, self._folder / path, link=self._link)
        line: dict[str, Any] = {"file_name": path.as_posix()}
        if row.label is not None:
            line |= {"label": row.label}
            line |= {"coarse_label": row.coarse_label} if row.coarse_label else {}
        if row.caption is not None:
            line["text"] = row.caption
        self._metadata.write(json.dumps(line) + "\n")

    def close(self) -> None:
        """All is written."""
        self._metadata.close()


def _no_split(part: str) -> str:
    """A name that `datasets` neither takes for a split nor passes over: ``test`` is ``tests``."""
    return _SPLITS.sub(lambda found: f"{found[0]}s", part).lstrip("_") or "_"
