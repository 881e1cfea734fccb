"""A usearch graph in a file, read where it lies: a copy of the tables that is made again if lost.

Two files: ``NAME.json``, the head, says of what the other is; ``NAME-MARK.usearch`` is what usearch
writes. A new one is written beside the old one, and the head put in its place last, so that a
process which is killed leaves one or the other. What reads the file trusts its every number, so it
is used only with the checksum of its head. To read a gigabyte for that takes seconds: who has done
so notes which file it was (size, time, inode) in ``NAME.seen``, and it is not done again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from usearch.index import Index

_FORMAT = "sightdesk pictures 1"
_BODY = re.compile(r"[0-9a-f]{16}-[0-9a-f]{32}\.usearch")
_LONGEST_HEAD = 65_536

# Chosen by `tests.benchmarks.image_index`.
DTYPE = "f16"
CONNECTIVITY = 16
EXPANSION_ADD = 64
EXPANSION_SEARCH = 320


@dataclass(frozen=True)
class Head:
    """What a body is of.

    Attributes:
        body: name of its file.
        embedder: what its vectors are of.
        dimensions: numbers in a vector.
        vectors: how many there are, removed ones included.
        last: highest key of a vector that was looked at; later ones are not in it.
        size: bytes of the body.
        sha256: of the body.
    """

    body: str
    embedder: str
    dimensions: int
    vectors: int
    last: int
    size: int
    sha256: str


class GraphFile:
    """The files of one tenant's graph.

    Args:
        folder: need not be there.
        name: 16 hexadecimal digits.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name = folder, name
        self._head_path = folder / f"{name}.json"
        self._seen_path = folder / f"{name}.seen"
        self.lock_path = folder / f"{name}.lock"

    def head(self) -> Head | None:
        """The head; None where there is none that can be used."""
        try:
            with self._head_path.open("rb") as file:
                found = json.loads(file.read(_LONGEST_HEAD))
            if found.pop("format") != _FORMAT:
                return None
            head = Head(**found)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        numbers = (head.dimensions, head.vectors, head.last, head.size)
        texts = (head.body, head.embedder, head.sha256)
        fits = all(type(each) is int and each >= 0 for each in numbers)
        fits = fits and all(isinstance(each, str) for each in texts)
        return head if fits and _BODY.fullmatch(head.body) else None

    def open(self, head: Head, *, changeable: bool = False) -> Index | None:
        """The graph of a head; None where its file is not what the head says.

        Args:
            head: as `head` gave it.
            changeable: read it into memory, instead of where it lies.
        """
        from usearch.index import Index

        path = self.folder / head.body
        if not self._is_whole(path, head):
            return None
        try:
            index = Index.restore(path, view=not changeable)
        except (RuntimeError, ValueError, OSError):
            return None
        if index is None or index.ndim != head.dimensions or len(index) != head.vectors:
            return None
        # The file does not say them; mypy does not see that they can be set.
        index.expansion_add = EXPANSION_ADD  # type: ignore[misc]
        index.expansion_search = EXPANSION_SEARCH  # type: ignore[misc]
        return index

    def write(self, index: Index, embedder: str, last: int) -> Head:
        """Write a graph in place of the one that is there.

        Raises:
            OSError: it cannot be written; the one that is there stays.
        """
        staged = self._staged()
        try:
            index.save(staged)
            return self._publish(staged, embedder, index.ndim, len(index), last)
        except RuntimeError as error:  # usearch's own, such as for a full disk
            raise OSError(f"The vectors cannot be written to {self.folder}: {error}") from error
        finally:
            staged.unlink(missing_ok=True)

    def wipe(self, head: Head, gone: Iterable[bytes]) -> Head | None:
        """Write it once more with zeros in the place of vectors.

        Args:
            head: of the file.
            gone: bytes of the vectors, each as often as it was removed. One that as many pictures
                have as still stand there is left, since it is theirs too.

        Returns:
            The new head; None where the file is not laid out as expected.
        """
        path = self.folder / head.body
        wanted = Counter(gone)
        rows = _rows(path, head)
        if rows is None or not wanted:
            return None
        width = rows.shape[1]
        if any(len(vector) != width for vector in wanted):
            return None
        # The first eight bytes of each, and all of those whose eight are among the wanted.
        starts = np.ascontiguousarray(rows[:, :8]).view("<u8")[:, 0]
        marks = np.unique(np.array([np.frombuffer(each[:8], "<u8")[0] for each in wanted]))
        places: dict[bytes, list[int]] = {}
        for place in np.flatnonzero(np.isin(starts, marks)).tolist():
            places.setdefault(rows[place].tobytes(), []).append(place)
        wiped = [
            place
            for vector, count in wanted.items()
            if len(places.get(vector, ())) == count
            for place in places[vector]
        ]
        del rows
        staged = self._staged()
        try:
            shutil.copyfile(path, staged)
            with staged.open("r+b") as file:
                for place in wiped:
                    file.seek(8 + place * width)
                    file.write(bytes(width))
            return self._publish(staged, head.embedder, head.dimensions, head.vectors, head.last)
        finally:
            staged.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of it."""
        self._head_path.unlink(missing_ok=True)
        self._seen_path.unlink(missing_ok=True)
        self._tidy("")

    def _publish(
        self, staged: Path, embedder: str, dimensions: int, vectors: int, last: int
    ) -> Head:
        with staged.open("r+b") as file:
            os.fsync(file.fileno())
        body = f"{self.name}-{uuid4().hex}.usearch"
        checksum, size = _checksum(staged), staged.stat().st_size
        head = Head(body, embedder, dimensions, vectors, last, size, checksum)
        os.replace(staged, self.folder / body)
        self._note_seen(self.folder / body, checksum)
        self._replace(self._head_path, {"format": _FORMAT, **asdict(head)})
        self._tidy(body)
        return head

    def _is_whole(self, path: Path, head: Head) -> bool:
        try:
            if path.stat().st_size != head.size:
                return False
            if self._was_seen(path, head.sha256):
                return True
            if _checksum(path) != head.sha256:
                return False
            self._note_seen(path, head.sha256)
        except OSError:
            return False
        return True

    def _was_seen(self, path: Path, checksum: str) -> bool:
        try:
            with self._seen_path.open("rb") as file:
                return bool(json.loads(file.read(_LONGEST_HEAD)) == _identity(path, checksum))
        except (OSError, ValueError, RecursionError):
            return False

    def _note_seen(self, path: Path, checksum: str) -> None:
        # Where it cannot be noted, it is read through once more.
        with contextlib.suppress(OSError):
            self._replace(self._seen_path, _identity(path, checksum))

    def _replace(self, path: Path, values: Any) -> None:
        staged = self._staged()
        try:
            with staged.open("w", encoding="ascii") as file:
                json.dump(values, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(staged, path)
        finally:
            staged.unlink(missing_ok=True)

    def _staged(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder / f"{self.name}-{uuid4().hex}.part"

    def _tidy(self, body: str) -> None:
        """Remove what is left of earlier ones; what cannot be removed now goes the next time."""
        for pattern in (f"{self.name}-*.usearch", f"{self.name}-*.part"):
            for path in self.folder.glob(pattern):
                if path.name != body:
                    try:
                        path.unlink()
                    except OSError:
                        continue


def empty(dimensions: int) -> Index:
    """A graph without vectors."""
    from usearch.index import Index

    return Index(
        ndim=dimensions,
        metric="cos",
        dtype=DTYPE,
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
    )


def _rows(path: Path, head: Head) -> NDArray[np.uint8] | None:
    """The vectors in a file, uint8 [n, bytes]: usearch writes them first, after two numbers."""
    with path.open("rb") as file:
        count, width = np.frombuffer(file.read(8), "<u4").tolist()
    if count != head.vectors or count * width + 8 > head.size or width < 8:
        return None
    return np.memmap(path, np.uint8, "r", 8, (count, width))


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _identity(path: Path, checksum: str) -> list[Any]:
    at = path.stat()
    return [path.name, checksum, at.st_size, at.st_mtime_ns, at.st_ino]
