"""Where an export goes: whole, or not at all, and never in the place of what somebody made."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, TextIO

from assistant.errors import InputError, StoreError

_LONGEST_PART: Final = 100
# What some system or program takes for more than a character of a name.
_UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]|[\ud800-\udfff]')
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@contextmanager
def new_file(path: Path, *, encoding: str = "utf-8", replace: bool = False) -> Iterator[TextIO]:
    """A text file that is there once it is whole.

    Args:
        replace: one of this name may be there, and goes.

    Raises:
        InputError: there is something of this name.
        StoreError: it cannot be written.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; give the name of a file.")
    if path.exists() and not replace:
        raise InputError(f"{path} is there already; give another name, or --force to replace it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:50]}-")
        try:
            with os.fdopen(handle, "w", encoding=encoding, newline="") as out:
                yield out
                out.flush()
                os.fsync(out.fileno())
            os.chmod(name, 0o666 & ~_umask())
            Path(name).replace(path)
        finally:
            with suppress(OSError):
                Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that is there once it is whole; what is inside is made in one beside it.

    Raises:
        InputError: there is something of this name that is not empty.
        StoreError: it cannot be written.
    """
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise InputError(f"{path} is there already; give the name of a new folder.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name[:50]}-"))
        try:
            yield made
            made.chmod(0o777 & ~_umask())
            if path.is_dir():
                path.rmdir()
            made.rename(path)
        finally:
            shutil.rmtree(made, ignore_errors=True)
    except OSError as error:
        raise _unwritable(path, error) from error


def copy(source: Path, target: Path, *, link: bool = False) -> None:
    """Copy a file with its times, or give it a second name where the disk can.

    Raises:
        OSError: it cannot be read or written.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if link:
        with suppress(OSError):  # another disk, or one that knows no links
            os.link(source, target)
            return
    shutil.copyfile(source, target)
    with suppress(OSError):
        shutil.copystat(source, target)


def safe_part(name: str) -> str:
    """A name that every system takes for one part of a path, and that hides nothing."""
    part = _UNSAFE.sub("_", name).strip().strip(".")
    if len(part.encode()) > _LONGEST_PART:
        part = part.encode()[:_LONGEST_PART].decode("utf-8", "ignore").rstrip(" .")
    return f"_{part}" if not part or _DEVICES.fullmatch(part) else part


class Names:
    """Gives each file of an export a path of its own, also where letter case is not looked at."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self, *parts: str) -> Path:
        """A path of these parts; where it is taken, with a number before the ending."""
        *folders, name = map(safe_part, parts)
        stem, dot, ending = name.rpartition(".")
        stem, ending = (stem, dot + ending) if stem else (name, "")
        for number in range(1, 10**9):
            last = name if number == 1 else f"{stem}-{number}{ending}"
            path = Path(*folders, last)
            key = path.as_posix().casefold()
            if key not in self._taken:
                self._taken.add(key)
                return path
        raise AssertionError("never so many")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _unwritable(path: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    return StoreError(f"{path} cannot be written ({reason}); make room or give another place.")
