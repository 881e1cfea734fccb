"""One file read, hashed and opened: the picture in it, or why there is none.

A file may change while it is read, or be something else than when it was found; what is told of it
is of one moment, or it is a trouble. Reasons are the same for all files with the same trouble.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from dataclasses import dataclass, replace

from assistant.errors import ImageError
from assistant.image_index.scanning import NEVER_READ, open_waiting_for_nothing
from assistant.image_index.values import FileState
from assistant.images import LoadedImage, is_picture, open_image
from assistant.settings import Settings

CLOCK_NS = 2_000_000_000
"""How coarse the times of a file may be: FAT counts two seconds."""

_TRIES = 3
_PAUSE = 0.2  # seconds
_NAME = "The file"
_CHANGES = "It changed each time that it was read; index the folder again when it is complete."
_UNREADABLE = "It cannot be read ({reason}); allow it, or check its disk."


class Unsettled(Exception):
    """A trouble that may be gone the next time though the file is the same."""


class Vanished(Exception):
    """There is no such file any more."""


@dataclass(frozen=True)
class Content:
    """The bytes of a file, whole, as they were at one moment.

    Attributes:
        data: at most one byte more than may be opened.
        state: size, time and digest; see `stamp`.
    """

    data: bytes
    state: FileState


def read(where: str, path: str, settings: Settings) -> Content:
    """Read a file and hash it.

    Args:
        where: its path, as the system has it.
        path: the same below its folder, for the state.
        settings: at most `max_image_bytes` of it are read, and one more.

    Raises:
        Vanished: it is not there.
        Unsettled: it cannot be read, or changes all the time.
    """
    try:
        for attempt in range(_TRIES):
            if attempt:
                time.sleep(_PAUSE)
            if (content := _read_once(where, path, settings)) is not None:
                return content
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Vanished from error
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise Unsettled(_UNREADABLE.format(reason=reason)) from error
    raise Unsettled(_CHANGES)


def open_content(content: Content, settings: Settings) -> tuple[FileState, LoadedImage]:
    """The picture in it, and the state with what is known of that.

    Raises:
        ImageError: there is none, and there will be none.
        Unsettled: there is none within the limits of the settings.
    """
    try:
        image = open_image(content.data, settings=settings, name=_NAME)
    except ImageError as error:
        damaged = error.__cause__ is not None and not isinstance(error.__cause__, MemoryError)
        if damaged or not is_picture(content.data[:64]):
            raise
        raise Unsettled(str(error)) from error
    found = replace(
        content.state,
        image_id=image.id,
        width=image.width,
        height=image.height,
        taken=image.taken,
    )
    return found, image


def stamp(modified_ns: int) -> int:
    """A file's time as the index keeps it.

    A file that is written twice within what its clock counts has the same time and perhaps the same
    size. So one that was written just now is given a nanosecond less: the next walk finds another
    time than it knows, and hashes the file.
    """
    return modified_ns - 1 if abs(time.time_ns() - modified_ns) < CLOCK_NS else modified_ns


def _read_once(where: str, path: str, settings: Settings) -> Content | None:
    """None where it changed meanwhile."""
    limit = settings.max_image_bytes + 1
    with open(where, "rb", buffering=0, opener=open_waiting_for_nothing) as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise Unsettled(NEVER_READ)
        data = bytearray()
        # In pieces, since one call may give less than was asked for.
        while len(data) < limit and (piece := file.read(min(2**22, limit - len(data)))):
            data += piece
        after = os.fstat(file.fileno())
    whole = min(limit, after.st_size)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        return None
    if len(data) != whole:
        return None
    # Of a file that is too large the digest would not be of all of it.
    digest = hashlib.sha256(data).hexdigest() if len(data) < limit else ""
    return Content(bytes(data), FileState(path, after.st_size, stamp(after.st_mtime_ns), digest))
