"""``review.jsonl``: what people decided about a job's pictures, one decision a line.

Lines are only ever added, under a lock that holds between processes, and are on the disk before
anybody is told that they are kept. Of several decisions on a picture the last one counts; one that
was taken back has a line as well. A line that was cut off, by a power cut or ``kill -9``, is no
line: readers stop before it, and the next writer cuts it off.

    {"image_id": "9f…", "image": "a/b.jpg", "verdict": "correct", "label": "Kiwi", "at": "2026-…"}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from io import FileIO
from pathlib import Path
from typing import Any, Final, Literal, get_args

from filelock import FileLock, Timeout

from assistant.annotate.lines import cut_off
from assistant.errors import BusyError, StoreError

Verdict = Literal["accept", "correct", "reject", "skip", "open"]
"""``skip``: later; ``open``: as if nothing had been decided."""

_LONGEST_LINE: Final = 2**16
_PATIENCE_S: Final = 10.0


@dataclass(frozen=True)
class Decision:
    """What a person decided about a picture.

    Attributes:
        image_id: of the picture that was seen; files with the same pixels share it.
        image: the path that it was seen under, for who reads the file.
        label, coarse_label, caption: what is right, for ``accept`` and ``correct``.
        at: when, ISO 8601 in UTC.
    """

    image_id: str
    verdict: Verdict
    image: str = ""
    label: str | None = None
    coarse_label: str | None = None
    caption: str | None = None
    at: str = ""

    @property
    def done(self) -> bool:
        """Whether nobody needs to look at the picture again."""
        return self.verdict in ("accept", "correct", "reject")

    def to_dict(self) -> dict[str, Any]:
        """As a line has it; what is not there is left out."""
        return {key: value for key, value in asdict(self).items() if value not in (None, "")}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Decision:
        """What `to_dict` gave; fields that nobody knows are passed over.

        Raises:
            ValueError: it is no such thing.
        """
        names = [field.name for field in fields(cls) if row.get(field.name) is not None]
        known = {name: row[name] for name in names}
        if not known.get("image_id") or known.get("verdict") not in get_args(Verdict):
            raise ValueError("it names no picture, or has no known verdict")
        if not all(isinstance(value, str) for value in known.values()):
            raise ValueError("a value is no text")
        return cls(**known)


class DecisionLog:
    """The file of a job's decisions; several threads, tabs and processes may add to it.

    Whoever uses one object from several threads lets only one at a time in.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._read = 0  # bytes that `news` has given

    def add(self, decisions: Sequence[Decision]) -> None:
        """Add lines, all or none, and wait until the disk has them.

        Raises:
            StoreError: they cannot be written; nothing was added.
            BusyError: another process has held the file for long.
        """
        lines = [json.dumps(each.to_dict()).encode("ascii") + b"\n" for each in decisions]
        if any(len(line) > _LONGEST_LINE for line in lines):
            raise StoreError("The text is too long to be kept; shorten it.")
        with self._held():
            try:
                new = not self.file.exists()
                with self.file.open("a+b", buffering=0) as opened:
                    end = cut_off(opened)
                    try:
                        _write(opened, b"".join(lines))
                        os.fsync(opened.fileno())
                    except OSError:
                        # Half a line must not be the beginning of somebody's next one.
                        os.ftruncate(opened.fileno(), end)
                        raise
                if new:
                    _sync_folder(self.file.parent)
            except OSError as error:
                raise StoreError(
                    f"{self.file} cannot be written ({error.strerror or error}); make room or "
                    "mend it, then try again: what was decided before is kept."
                ) from error

    @property
    def shrunk(self) -> bool:
        """Whether the file is another one than was read: shorter, or gone."""
        return self._read > (self.file.stat().st_size if self.file.exists() else 0)

    def news(self) -> list[Decision]:
        """The decisions that were added since it was asked last, whoever added them.

        A line that cannot be understood is passed over: it holds up no others.

        Raises:
            StoreError: the file cannot be read.
        """
        found = []
        try:
            with self.file.open("rb") as opened:
                opened.seek(self._read)
                while line := opened.readline(_LONGEST_LINE):
                    if not line.endswith(b"\n") and len(line) < _LONGEST_LINE:
                        break  # it is being written, or was cut off
                    self._read += len(line)
                    try:
                        row = json.loads(line)
                        found.append(Decision.of(row if isinstance(row, dict) else {}))
                    except (ValueError, RecursionError):
                        continue
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StoreError(
                f"{self.file} cannot be read ({error.strerror}); check the disk."
            ) from error
        return found

    @contextmanager
    def _held(self) -> Iterator[None]:
        lock = FileLock(self.file.with_name(".review.lock"), thread_local=False)
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout as error:
            raise BusyError(
                f"Another process has held {self.file} for {_PATIENCE_S:.0f} s; try again."
            ) from error
        except (OSError, NotImplementedError) as error:
            raise StoreError(
                f"{self.file.parent} cannot be written ({error}); allow it, then try again."
            ) from error
        try:
            yield
        finally:
            lock.release()


def _write(opened: FileIO, content: bytes) -> None:
    """All of it, or an OSError: unbuffered, so that nothing follows later."""
    while content:
        content = content[opened.write(content) :]


def _sync_folder(folder: Path) -> None:
    """The name of a new file is kept by its folder."""
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:  # not every system opens folders
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
