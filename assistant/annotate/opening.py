"""A picture's file read while it may be written: what is told of it belongs to what was read."""

from __future__ import annotations

from pathlib import Path

from assistant.errors import ImageError
from assistant.image_index.scanning import OnDisk
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings


def open_settled(
    path: Path, seen: OnDisk, settings: Settings
) -> tuple[LoadedImage | None, OnDisk, str]:
    """Read one file; one that changes while it is read is read once more.

    Args:
        path: where it lies.
        seen: as it was found, by the name that is told of it.

    Returns:
        The picture, or None; the file as it was when it was read; what is wrong with it, if
        anything is.
    """
    trouble = ""
    for _ in range(2):
        before = _now(seen, path)
        picture: LoadedImage | None
        try:
            picture = open_image(path, settings=settings, name=seen.path)
        except ImageError as error:
            picture, trouble = None, str(error)
        seen = _now(seen, path)
        if seen == before:
            return picture, seen, trouble
    return None, seen, f"{seen.path} changed while it was read; run the command again."


def _now(seen: OnDisk, path: Path) -> OnDisk:
    """The same as it lies there now; of size 0 where it does not."""
    try:
        found = path.stat()
    except OSError:
        return OnDisk(seen.path, 0, 0)
    return OnDisk(seen.path, found.st_size, found.st_mtime_ns)
