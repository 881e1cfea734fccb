"""Folders of this machine and of object stores, as the pictures of a job and its results lie there.

What has no scheme is a folder here. ``s3://bucket/photos``, ``gs://``, ``abfs://``, ``hdfs://`` and
``file:///photos`` are opened by pyarrow, every other scheme by fsspec where it knows it; keys and
regions are those that these libraries find on the machine that reads, none is sent along.

>>> files, troubles = open_place("s3://shop/photos").pictures()
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

from assistant.annotate.opening import open_settled
from assistant.errors import ImageError, InputError, StoreError
from assistant.image_index.names import on_disk
from assistant.image_index.scanning import SUFFIXES, OnDisk, Walk
from assistant.image_index.values import Trouble
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings

if TYPE_CHECKING:
    from pyarrow.fs import FileSystem

_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_HALF: Final = ".half-"  # begins the name of a file that is being written


class Place(Protocol):
    """A folder, with names below it parted by ``/``."""

    name: str
    """As it was given, without trailing slashes."""

    def pictures(self, without: Sequence[Path] = ()) -> tuple[list[OnDisk], list[Trouble]]:
        """Every picture below it, in any order, and what could not be looked at.

        Args:
            without: folders of this machine that are left out.

        Raises:
            InputError: it is not there, or cannot be listed.
        """

    def open_picture(self, seen: OnDisk, settings: Settings) -> tuple[LoadedImage, OnDisk]:
        """A picture, and the file as it was when it was read.

        Raises:
            ImageError: it cannot be read, or is none.
        """

    def names(self, folder: str, suffix: str) -> list[str]:
        """Names of the files directly in a folder below it, in order; none where there is none."""

    def read(self, name: str) -> bytes | None:
        """A file; None where there is none.

        Raises:
            StoreError: it cannot be read.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write a file so that it is there whole or not at all, in the place of what was there.

        Raises:
            StoreError: it cannot be written.
        """

    def remove(self, name: str) -> None:
        """Remove a file; that there is none is no error."""

    def sweep(self, folder: str) -> None:
        """Remove what writers left half written in a folder below it; only while nobody writes."""


def is_address(text: str) -> bool:
    """Whether it names an object store, or another place with a scheme, and not a folder here."""
    return _SCHEME.match(text) is not None


def open_place(text: str) -> Place:
    """The place that a path or an address names; it need not be there.

    Raises:
        InputError: nobody knows the scheme, the address holds a key, or it cannot be used.
    """
    if is_address(text):
        if urlsplit(text).password is not None:
            raise InputError(
                "The address holds a key, which would be noted with the results; leave it out, and "
                "set it as the store's own tools read it, such as AWS_SECRET_ACCESS_KEY."
            )
        return _Store(text)
    return _Folder(text)


class _Folder:
    """A folder that this machine's file system has."""

    def __init__(self, text: str) -> None:
        self._path = Path(text)
        self.name = str(self._path)

    def pictures(self, without: Sequence[Path] = ()) -> tuple[list[OnDisk], list[Trouble]]:
        walk = Walk(self._path, without=without)
        return list(walk.files()), walk.troubles

    def open_picture(self, seen: OnDisk, settings: Settings) -> tuple[LoadedImage, OnDisk]:
        picture, seen, trouble = open_settled(self._path / on_disk(seen.path), seen, settings)
        if picture is None:
            raise ImageError(trouble)
        return picture, seen

    def names(self, folder: str, suffix: str) -> list[str]:
        try:
            found = os.listdir(self._path / folder)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(f"{self.name}/{folder}", error) from error
        return sorted(n for n in found if n.endswith(suffix) and not n.startswith("."))

    def read(self, name: str) -> bytes | None:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _unreadable(f"{self.name}/{name}", error) from error

    def write(self, name: str, data: bytes) -> None:
        file = self._path / name
        half: Path | None = None
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=_HALF, dir=file.parent)
            half = Path(made)
            with open(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            half.replace(file)
        except OSError as error:
            if half is not None:
                half.unlink(missing_ok=True)
            raise _unwritable(f"{self.name}/{name}", error) from error

    def remove(self, name: str) -> None:
        with suppress(OSError):
            (self._path / name).unlink()

    def sweep(self, folder: str) -> None:
        for half in (self._path / folder).glob(f"{_HALF}*"):
            half.unlink(missing_ok=True)


class _Store:
    """An object store, or whatever else pyarrow or fsspec opens; a whole file appears at once."""

    def __init__(self, text: str) -> None:
        self.name = text.rstrip("/")
        self._files, self._root = _resolve(self.name)

    def pictures(self, without: Sequence[Path] = ()) -> tuple[list[OnDisk], list[Trouble]]:
        return list(self._listed()), []

    def _listed(self) -> Iterator[OnDisk]:
        from pyarrow.fs import FileSelector, FileType

        try:
            found = self._files.get_file_info(FileSelector(self._root, recursive=True))
        except FileNotFoundError as error:
            raise InputError(f"There is nothing at {self.name}; check the address.") from error
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.name} cannot be listed ({_reason(error)}); check the address and the keys."
            ) from error
        for each in found:
            path = PurePosixPath(each.path).relative_to(self._root)
            hidden = any(part.startswith(".") for part in path.parts)
            named = path.suffix[1:].lower() in SUFFIXES
            if each.type == FileType.File and named and not hidden:
                yield OnDisk(str(path), int(each.size or 0), int(each.mtime_ns or 0))

    def open_picture(self, seen: OnDisk, settings: Settings) -> tuple[LoadedImage, OnDisk]:
        try:
            with self._files.open_input_stream(f"{self._root}/{seen.path}") as stream:
                # One byte above the limit is enough to be refused.
                data = stream.read(settings.max_image_bytes + 1)
        except (OSError, ValueError) as error:
            raise ImageError(
                f"{seen.path} cannot be read ({_reason(error)}); run the command again."
            ) from error
        return open_image(data, settings=settings, name=seen.path), seen

    def names(self, folder: str, suffix: str) -> list[str]:
        from pyarrow.fs import FileSelector, FileType

        where = FileSelector(f"{self._root}/{folder}", allow_not_found=True)
        try:
            found = self._files.get_file_info(where)
        except (OSError, ValueError) as error:
            raise _unreadable(f"{self.name}/{folder}", error) from error
        files = (PurePosixPath(each.path).name for each in found if each.type == FileType.File)
        return sorted(n for n in files if n.endswith(suffix) and not n.startswith("."))

    def read(self, name: str) -> bytes | None:
        from pyarrow.fs import FileType

        path = f"{self._root}/{name}"
        try:
            if self._files.get_file_info(path).type == FileType.NotFound:
                return None
            with self._files.open_input_stream(path) as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise _unreadable(f"{self.name}/{name}", error) from error

    def write(self, name: str, data: bytes) -> None:
        path = f"{self._root}/{name}"
        try:
            if self._files.type_name in ("local", "mock", "hdfs"):
                # A file of these can be seen while it is written.
                folder, _, last = path.rpartition("/")
                self._files.create_dir(folder, recursive=True)
                half = f"{folder}/{_HALF}{os.getpid()}-{last}"
                with self._files.open_output_stream(half) as out:
                    out.write(data)
                self._files.move(half, path)
            else:
                with self._files.open_output_stream(path) as out:
                    out.write(data)
        except (OSError, ValueError) as error:
            raise _unwritable(f"{self.name}/{name}", error) from error

    def remove(self, name: str) -> None:
        with suppress(OSError, ValueError):
            self._files.delete_file(f"{self._root}/{name}")

    def sweep(self, folder: str) -> None:
        pass  # nobody knows who else writes there


def _resolve(text: str) -> tuple[FileSystem, str]:
    """The file system of an address, and the path in it."""
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    try:
        files, root = FileSystem.from_uri(text)
    except (OSError, ValueError, ImportError) as first:
        import fsspec

        try:
            known: Any
            known, root = fsspec.core.url_to_fs(text)
        except (OSError, ValueError, ImportError) as error:
            reason = _reason(first if "rotocol not known" in str(error) else error)
            raise InputError(
                f"{text} cannot be opened ({reason}); give a folder, or an address such as "
                "s3://bucket/photos."
            ) from error
        files = PyFileSystem(FSSpecHandler(known))
    return files, str(root).rstrip("/")


def _reason(error: BaseException) -> str:
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(said).split())[:200].rstrip(".")


def _unreadable(name: str, error: BaseException) -> StoreError:
    return StoreError(f"{name} cannot be read ({_reason(error)}); check the place and the rights.")


def _unwritable(name: str, error: BaseException) -> StoreError:
    return StoreError(
        f"{name} cannot be written ({_reason(error)}); make room or mend it, then run the same "
        "command again: it goes on where it stopped."
    )
