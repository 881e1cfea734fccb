"""Thumbnails: made when asked for, kept in the cache folder, the oldest dropped when they are many.

They are called by image id, which says nothing to who does not have the picture; whether somebody
may see one is for the caller to say, who has its row.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path
from uuid import uuid4

from assistant.errors import InputError
from assistant.images import LoadedImage, fit_within
from assistant.store.files import is_image_id

SMALLEST, LARGEST = 32, 1_024
MOST_BYTES = 512 * 2**20
"""Of all thumbnails together; some 50,000 of 256 pixels."""

_KEPT = 0.8
"""Of them, when the oldest are dropped."""


class Thumbnails:
    """The thumbnails in one cache folder.

    Args:
        folder: need not be there.
        most: bytes of all together.
    """

    def __init__(self, folder: Path, most: int = MOST_BYTES) -> None:
        self.folder, self._most = folder, most
        self._lock = threading.Lock()
        self._bytes: int | None = None

    def get(self, image_id: str, side: int, load: Callable[[], LoadedImage]) -> bytes:
        """WebP of at most `side` pixels.

        Args:
            image_id: of the picture.
            side: 32 to 1,024.
            load: gives the picture where there is no thumbnail yet.

        Raises:
            InputError: `side` is out of range.
        """
        if not SMALLEST <= side <= LARGEST:
            raise InputError(
                f"A thumbnail of {side} pixels is not made; ask for {SMALLEST} to {LARGEST}."
            )
        path = self._path(image_id, side)
        try:
            data = path.read_bytes()
            os.utime(path)  # who is looked at stays
            return data
        except OSError:
            pass
        buffer = BytesIO()
        fit_within(load().pixels, side).save(buffer, "WEBP", quality=80, method=2)
        self._keep(path, buffer.getvalue())
        return buffer.getvalue()

    def drop(self, image_ids: Iterable[str]) -> None:
        """Remove the thumbnails of these pictures, in all sizes."""
        for id in image_ids:
            for path in self.folder.joinpath(id[:2]).glob(f"{id}-*.webp"):
                path.unlink(missing_ok=True)

    def _path(self, image_id: str, side: int) -> Path:
        if not is_image_id(image_id):
            raise InputError("This is no id of a picture; search again.")
        return self.folder / image_id[:2] / f"{image_id}-{side}.webp"

    def _keep(self, path: Path, data: bytes) -> None:
        """Write it whole or not at all; a full disk is no reason not to show it."""
        staged = path.with_name(f"{uuid4().hex}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(data)
            os.replace(staged, path)
        except OSError:
            staged.unlink(missing_ok=True)
            return
        with self._lock:
            if self._bytes is None:
                self._bytes = sum(size for _, size, _ in self._all())
            else:
                self._bytes += len(data)
            if self._bytes > self._most:
                self._bytes = self._make_room()

    def _make_room(self) -> int:
        """Drop those that were not looked at for longest; returns the bytes of the others."""
        there = sorted(self._all())
        total = sum(size for _, size, _ in there)
        for _, size, path in there:
            if total <= self._most * _KEPT:
                break
            Path(path).unlink(missing_ok=True)
            total -= size
        return total

    def _all(self) -> list[tuple[float, int, str]]:
        """When each was last looked at, its bytes, and where it is."""
        found = []
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                at = path.stat()
            except OSError:
                continue
            found.append((at.st_mtime, at.st_size, str(path)))
        return found
