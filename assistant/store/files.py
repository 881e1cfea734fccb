"""Photos as files: ``images/ab/abcdef….webp`` with a thumbnail ``abcdef….thumb.webp`` beside it.

It knows how pixels become bytes and how bytes get onto the disk whole or not at all. Who may see
which picture, and when a file may go, is for `pictures` to say.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from PIL import Image

from assistant.images import fit_within

THUMBNAIL = ".thumb.webp"
THUMBNAIL_PIXELS = 320
"""Longest side of a thumbnail."""

FORGOTTEN_SECONDS = 3600.0
"""A file or a picture that nothing needs is left alone for so long: it may be about to be used."""

# The format holds no longer side; PNG then takes half as much space again.
_MAX_WEBP_SIDE = 16383
_ID = re.compile(r"[0-9a-f]{64}")


def is_image_id(text: str) -> bool:
    """Whether `text` can be an image id, and so part of a path."""
    return _ID.fullmatch(text) is not None


def encode(pixels: Image.Image) -> tuple[bytes, str]:
    """RGB pixels losslessly, and the ending of a file's name that fits.

    WebP's quickest lossless mode: on the photos of the tests 42 % (small ones) and 22 % of the raw
    pixels, where PNG's quickest takes 56 % and 34 % and about as long; a photo of 12 megapixels
    took 1.3 s to 8.5 MiB, and PNG's 0.9 s to 12.6 MiB, on one busy core. Slower modes gained
    less than 3 % in twice the time.
    """
    buffer = BytesIO()
    if max(pixels.size) > _MAX_WEBP_SIDE:
        pixels.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue(), ".png"
    pixels.save(buffer, "WEBP", lossless=True, quality=0, method=0)
    return buffer.getvalue(), ".webp"


def encode_thumbnail(pixels: Image.Image) -> bytes:
    """WebP of at most `THUMBNAIL_PIXELS`."""
    buffer = BytesIO()
    fit_within(pixels, THUMBNAIL_PIXELS).save(buffer, "WEBP", quality=80, method=2)
    return buffer.getvalue()


def folder_for(data_dir: Path, identity: str) -> Path:
    """The folder of a database's photos: ``images``, which the first database takes for itself.

    Another one on the same data folder (Postgres after SQLite, or a new file after a damaged one)
    has a folder of its own, so that what one no longer needs is never another's photo.
    """
    folder = data_dir / "images"
    folder.mkdir(parents=True, exist_ok=True)
    mark = folder / ".database"
    try:
        owner = mark.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        # Linked rather than written, so that it is whole when another process reads it.
        staged = folder / f".database.{uuid4().hex}"
        staged.write_text(identity, encoding="ascii")
        try:
            os.link(staged, mark)
        except FileExistsError:
            pass
        finally:
            staged.unlink()
        owner = mark.read_text(encoding="ascii", errors="replace")
    if owner != identity:
        folder = data_dir / f"images-{identity[:8]}"
        folder.mkdir(exist_ok=True)
    return folder


class PictureFiles:
    """The files of one database's pictures."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, id: str, ending: str) -> Path:
        """Where a picture (`ending` of its row) or its thumbnail (`THUMBNAIL`) is."""
        return self.folder / id[:2] / f"{id}{ending}"

    def stage(self, data: bytes) -> Path:
        """Write `data` to the disk under a name of its own; it is nothing until `publish`."""
        staged = self.folder / f"{uuid4().hex}.part"
        try:
            with staged.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        except BaseException:
            staged.unlink(missing_ok=True)
            raise
        return staged

    def publish(self, staged: Path, id: str, ending: str) -> None:
        """Give a staged file its name; one that is there already holds the same and is replaced."""
        target = self.path(id, ending)
        target.parent.mkdir(exist_ok=True)
        os.replace(staged, target)
        # The name is on the disk only when the folder is.
        handle = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def remove(self, id: str) -> None:
        """Remove a picture and its thumbnail, whichever are there."""
        folder = self.folder / id[:2]
        for path in folder.glob(f"{id}.*"):
            path.unlink(missing_ok=True)

    def forgotten(self) -> Iterator[str]:
        """Ids of files that were written more than `FORGOTTEN_SECONDS` ago.

        Staged files of that age, which a killed process left, are removed on the way.
        """
        before = time.time() - FORGOTTEN_SECONDS
        for path in self.folder.glob("*.part"):
            if _written(path) < before:
                path.unlink(missing_ok=True)
        last = ""
        for path in sorted(self.folder.glob("[0-9a-f][0-9a-f]/*")):
            id = path.name[:64]
            if id != last and is_image_id(id) and _written(path) < before:
                last = id
                yield id


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
