"""Which files of a folder are pictures: a walk that no loop, pipe or odd name holds up.

It looks at names and at what the file system says of a file, one `stat` each; only of a file
without an ending are the first bytes read. What is hidden is left alone. Links that stay inside the
folder are followed where they lead to something that the walk does not reach by itself, links out
of it only where that is asked for; no folder is entered twice.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from assistant.errors import InputError
from assistant.image_index.names import stored
from assistant.image_index.values import Trouble
from assistant.images import is_picture

SUFFIXES = frozenset({
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "gif", "bmp", "dib", "tif", "tiff", "heic", "heif",
    "hif", "avif", "jxl",
})  # fmt: skip
"""Endings of pictures, in any case; what a file really is, its content says when it is opened.

The last two are pictures that are not opened here: they are listed as troubles, not overlooked.
"""

_SIGNATURE_BYTES = 32
NEVER_READ = "It is no file (a pipe, a socket or a device); remove it, or hide it with a dot."
_UNREADABLE = "The folder cannot be read ({reason}); allow it, or hide it with a dot."
_UNKNOWN = "The file system does not let it be looked at ({reason}); check its disk."
_HIDES_BY_MARK = sys.platform in ("win32", "darwin")
_WINDOWS_HIDDEN = 0x2
_MACOS_HIDDEN = 0x8000


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file that the walk found.

    Attributes:
        path: below the folder, as `names.stored` writes it, parts joined by ``/``.
        size: in bytes.
        modified_ns: when it was last written, in nanoseconds since 1970.
    """

    path: str
    size: int
    modified_ns: int


@dataclass
class Walk:
    """One walk through a folder.

    Args:
        root: the folder that is indexed.
        below: the part of it that is walked, parts joined by ``/``; all of it by default.
        follow_links: whether links that lead out of the folder are followed.
        without: folders that are not entered, wherever they are met.

    Attributes:
        troubles: what could not be looked at, complete once `files` is done.
        unread: folders below the root that could not be read, with a ``/`` at the end: what is in
            them is not known, and so not gone.
        outside: how many links lead out of the folder and were not followed.
    """

    root: Path
    below: str = ""
    follow_links: bool = False
    without: Collection[Path] = ()
    troubles: list[Trouble] = field(default_factory=list, init=False)
    unread: list[str] = field(default_factory=list, init=False)
    outside: int = field(default=0, init=False)
    _entered: set[tuple[int, int]] = field(default_factory=set, init=False)
    _links: list[str] = field(default_factory=list, init=False)
    _real_root: str = field(default="", init=False)

    def files(self) -> Iterator[OnDisk]:
        """The pictures, folder by folder in the order of their names; links come last.

        Raises:
            InputError: there is no such folder, or it cannot be read.
        """
        self._real_root = os.path.realpath(self.root)
        self._entered = set(filter(None, map(_identity, self.without)))
        start = os.path.join(self.root, *self.below.split("/")) if self.below else str(self.root)
        try:
            os.scandir(start).close()
        except OSError as error:
            what = "is no folder" if isinstance(error, NotADirectoryError) else "cannot be read"
            reason = error.strerror or type(error).__name__
            raise InputError(f"{start} {what} ({reason}); name a folder of pictures.") from error
        yield from self._below(self.below)
        # After all that is there by its own name, so that a file has that one and not a link's.
        while self._links:
            yield from self._link(self._links.pop(0))

    def _below(self, first: str) -> Iterator[OnDisk]:
        """The pictures of a folder below the root, and of those in it."""
        waiting = [first]
        while waiting:
            folder = waiting.pop()
            where = os.path.join(self.root, folder) if folder else str(self.root)
            identity = _identity(where)
            if identity in self._entered:
                continue
            if identity is not None:
                self._entered.add(identity)
            inside: list[str] = []
            for entry in self._entries(where, folder):
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    self._links.append(path)
                elif entry.is_dir(follow_symlinks=False):
                    inside.append(path)
                elif _may_be_picture(entry.name):
                    yield from self._file(path, entry.name)
            waiting += reversed(inside)

    def _entries(self, where: str, folder: str) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(where) as opened:
                found = [entry for entry in opened if not _is_hidden(entry)]
        except OSError as error:
            if not isinstance(error, FileNotFoundError):  # gone since its parent was read
                reason = error.strerror or type(error).__name__
                self.troubles.append(Trouble(stored(folder), _UNREADABLE.format(reason=reason)))
                self.unread.append(f"{stored(folder)}/" if folder else "")
            return []
        return sorted(found, key=lambda entry: entry.name)

    def _file(self, path: str, name: str) -> Iterator[OnDisk]:
        where = os.path.join(self.root, path)
        try:
            found = os.stat(where)
        except FileNotFoundError:
            return
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self.troubles.append(Trouble(stored(path), _UNKNOWN.format(reason=reason)))
            # It is there, so what is known of it stays.
            self.unread.append(stored(path))
            return
        if not stat.S_ISREG(found.st_mode):
            if _named_as_picture(name):
                self.troubles.append(Trouble(stored(path), NEVER_READ))
        elif "." in name or _begins_as_picture(where):
            yield OnDisk(stored(path), found.st_size, found.st_mtime_ns)

    def _link(self, path: str) -> Iterator[OnDisk]:
        """What a link leads to, unless the walk has it, or it leads out of the folder."""
        where = os.path.join(self.root, path)
        name = path.rpartition("/")[2]
        target = os.path.realpath(where)
        try:
            mode = os.stat(where).st_mode
        except OSError as error:
            if _named_as_picture(name):
                reason = error.strerror or type(error).__name__
                sentence = f"The link leads nowhere ({reason}); mend or remove it."
                self.troubles.append(Trouble(stored(path), sentence))
            return
        is_folder = stat.S_ISDIR(mode)
        if not is_folder and not _may_be_picture(name):
            return
        if not self._is_inside(target):
            if not self.follow_links:
                self.outside += 1
                return
        elif not _has_hidden_part(os.path.relpath(target, self._real_root)) and (
            is_folder or _may_be_picture(os.path.basename(target))
        ):
            return  # it has a name of its own here
        if is_folder:
            yield from self._below(path)
        else:
            yield from self._file(path, name)

    def _is_inside(self, target: str) -> bool:
        inside = self._real_root.rstrip(os.sep) + os.sep
        return target == self._real_root or target.startswith(inside)


def _may_be_picture(name: str) -> bool:
    return "." not in name or _named_as_picture(name)


def _named_as_picture(name: str) -> bool:
    return "." in name and name.rpartition(".")[2].lower() in SUFFIXES


def _begins_as_picture(where: str) -> bool:
    """Whether the first bytes of a regular file are a picture's; False where they are not to be
    read."""
    try:
        with open(where, "rb", buffering=0, opener=open_waiting_for_nothing) as file:
            return is_picture(file.read(_SIGNATURE_BYTES))
    except OSError:
        return False


def open_waiting_for_nothing(path: str, flags: int) -> int:
    """An opener for `open`, for what may have become a pipe since it was looked at."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _is_hidden(entry: os.DirEntry[str]) -> bool:
    if entry.name.startswith("."):
        return True
    if not _HIDES_BY_MARK:
        return False
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError:
        return False
    attributes, flags = getattr(found, "st_file_attributes", 0), getattr(found, "st_flags", 0)
    return bool(attributes & _WINDOWS_HIDDEN or flags & _MACOS_HIDDEN)


def _has_hidden_part(path: str) -> bool:
    return any(part.startswith(".") for part in path.split(os.sep))


def _identity(path: str | Path) -> tuple[int, int] | None:
    """Device and number of a folder; None where it cannot be looked at."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
