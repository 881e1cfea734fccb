"""A tree of folders whose names are the classes of the pictures in them.

``root/<label>/a.jpg``, ``root/<coarse label>/<label>/a.jpg``, and either below
``root/<split>/`` where every folder of the root is named as splits are (train, val, test, …).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from adapters.data.form import Example
from adapters.data.notes import SPLITS, Notes, RowProblem, need_label, shown
from assistant.errors import DataError

# What assistant.images opens.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".heic", ".heif")
)
_MAX_DEPTH = 16


def read_folders(root: Path, notes: Notes) -> None:
    """Read the pictures below ``root`` into ``notes``, in the order of their paths.

    Raises:
        DataError: there is no folder in it.
    """
    try:
        with os.scandir(root) as entries:
            top = sorted(one.name for one in entries if one.is_dir() and not _hidden(one.name))
    except OSError as error:
        raise DataError(f"{root} cannot be read ({error.strerror}); check the path.") from error
    if not top:
        raise DataError(
            f"{root} has no folders in it; put the pictures of each class into a folder of its "
            f"name, or give a data file."
        )
    has_splits = all(name.lower() in SPLITS for name in top)
    for path in _pictures(root, notes):
        with notes.row(str(path)):
            notes.add(_example(path, path.relative_to(root).parts[:-1], has_splits))


def _example(path: Path, folders: tuple[str, ...], has_splits: bool) -> Example:
    split = SPLITS[folders[0].lower()] if has_splits and folders else None
    names = folders[1:] if split else folders
    if not names:
        raise RowProblem(
            "no-label", "The picture is in no folder of a class; move it into one, or away."
        )
    label = need_label(names[-1], "The name of the folder")
    coarse = need_label(names[-2], "The name of the folder") if len(names) > 1 else None
    return Example(str(path), (path,), label=label, coarse_label=coarse, split=split)


def _pictures(root: Path, notes: Notes) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        notes.error(
            "unreadable-folder",
            str(error.filename),
            f"The folder cannot be read ({error.strerror}); change its permissions.",
        )

    for folder, inside, names in os.walk(root, onerror=refused):
        here = Path(folder)
        depth = len(here.relative_to(root).parts)
        inside[:] = sorted(name for name in inside if not _hidden(name)) * (depth < _MAX_DEPTH)
        files = sorted(name for name in names if not _hidden(name))
        pictures = [name for name in files if Path(name).suffix.lower() in SUFFIXES]
        for name in files if len(files) > len(pictures) else ():
            if Path(name).suffix.lower() not in SUFFIXES:
                notes.warn_once(
                    "not-a-picture",
                    str(here / name),
                    f"{shown(name)} is not named as a picture and is passed over.",
                )
        if depth and not files and not inside:
            notes.warn("empty-folder", str(here), "The folder is empty; fill or remove it.")
        yield from (here / name for name in pictures)


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX")) or name.lower() in ("thumbs.db", "desktop.ini")
