"""``results.jsonl``: what a job has found so far, one picture a line, the newest last.

Lines are only ever added, a batch at a time, and are on the disk before the next batch begins. A
line that was cut off, by a power cut or ``kill -9``, is no line: readers stop before it, and the
next writer cuts it off. A picture that was done again has two lines, of which the later one counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from assistant.annotate.lines import cut_off
from assistant.annotate.values import Annotation
from assistant.errors import StoreError
from assistant.image_index.scanning import OnDisk

LONGEST_LINE: Final = 2**20


def read_rows(file: Path) -> Iterator[tuple[int, Annotation]]:
    """Each whole line with the byte that it begins at, oldest first; none where there is no file.

    Raises:
        StoreError: it cannot be read, or a line of it is damaged.
    """
    try:
        with file.open("rb") as opened:
            at = 0
            while line := opened.readline(LONGEST_LINE):
                if not line.endswith(b"\n"):
                    if len(line) == LONGEST_LINE:
                        raise _damaged(file, at)
                    return
                yield at, _parsed(line, file, at)
                at += len(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{file} cannot be read ({error.strerror}); check the disk.") from error


def latest_rows(file: Path) -> Iterator[Annotation]:
    """Of each picture its latest line, in the order of the file; raises as `read_rows` does."""
    last = {row.image: at for at, row in read_rows(file)}
    for at, row in read_rows(file):
        if last.get(row.image) == at:
            yield row


def first_places(file: Path) -> dict[str, int]:
    """When the job first met each picture, counted from 1; a number never changes."""
    found: dict[str, int] = {}
    for _, row in read_rows(file):
        found.setdefault(row.image, len(found) + 1)
    return found


@dataclass(frozen=True)
class Known:
    """What is known of a picture: the file as it was when it was read, and where its line is."""

    size: int
    modified_ns: int
    bad: bool
    at: int


class Results:
    """The file, open for adding; whoever opens it is the only one who writes.

    Raises:
        StoreError: it cannot be opened or read.

    Attributes:
        known: by path.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.known: dict[str, Known] = {}
        self._by_id: dict[bytes, int] = {}
        end = 0
        try:
            self._opened: BinaryIO = file.open("a+b")
            end = cut_off(self._opened)
        except OSError as error:
            raise _unwritable(file, error) from error
        for at, row in read_rows(file):
            self._note(row, at)
        self._end = end

    def of_picture(self, image_id: str) -> Annotation | None:
        """What was found for the same pixels under another name, if anything was."""
        at = self._by_id.get(bytes.fromhex(image_id)) if image_id else None
        return None if at is None else self.at(at)

    def is_due(self, seen: OnDisk) -> bool:
        """Whether a file is new, was bad, or is not as it was when it was read."""
        known = self.known.get(seen.path)
        now = seen.size, seen.modified_ns
        return known is None or known.bad or (known.size, known.modified_ns) != now

    def at(self, place: int) -> Annotation:
        """The row whose line begins at this byte."""
        with self._file.open("rb") as opened:
            opened.seek(place)
            return _parsed(opened.readline(LONGEST_LINE), self._file, place)

    def add(self, rows: Sequence[Annotation]) -> None:
        """Add lines, all or none, and wait until the disk has them.

        Raises:
            StoreError: they cannot be written; the file is as it was.
        """
        if not rows:
            return
        places, lines, at = [], [], self._end
        for row in rows:
            line = json.dumps(row.to_dict()).encode("ascii") + b"\n"
            places.append(at)
            lines.append(line)
            at += len(line)
        try:
            self._opened.write(b"".join(lines))
            self._opened.flush()
            os.fsync(self._opened.fileno())
        except OSError as error:
            self._take_back()
            raise _unwritable(self._file, error) from error
        self._end = at
        for row, place in zip(rows, places, strict=True):
            self._note(row, place)

    def close(self) -> None:
        """Let go of the file."""
        with suppress(OSError):  # what could not be written was told of already
            self._opened.close()

    def _note(self, row: Annotation, at: int) -> None:
        bad = row.status == "bad"
        self.known[row.image] = Known(row.size, row.modified_ns, bad, at)
        if row.image_id and not bad:
            self._by_id.setdefault(bytes.fromhex(row.image_id), at)

    def _take_back(self) -> None:
        """Cut off what was half written; a buffered rest must not follow later."""
        self.close()
        with suppress(OSError):  # the next who opens it cuts it off
            os.truncate(self._file, self._end)
            self._opened = self._file.open("a+b")


def _parsed(line: bytes, file: Path, at: int) -> Annotation:
    try:
        row = json.loads(line)
        if isinstance(row, dict):
            return Annotation.of(row)
    except (ValueError, TypeError, RecursionError):
        pass
    raise _damaged(file, at)


def _damaged(file: Path, at: int) -> StoreError:
    return StoreError(
        f"{file} is damaged at byte {at:,}; remove that line and run the command again, which does "
        "its picture anew."
    )


def _unwritable(file: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    return StoreError(
        f"{file} cannot be written ({reason}); make room or mend it, then run the same command "
        "again: it goes on where it stopped."
    )
