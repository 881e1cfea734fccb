"""Who runs a training, what it was asked, and how it ended: a note in the training's folder.

The command writes it, and the page that starts the command does so before; either can tell from it
whether the process still lives, also after the other is gone. A process that was killed says
nothing: its note has no end, and nobody runs under its number and start time any more.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import psutil

from assistant.errors import SightdeskError

FILE = "process.json"
End = Literal["", "done", "stopped", "failed"]

# A process's start is computed from the time of boot, which moves when the clock is set.
_SAME_START_S = 5.0
_LARGEST = 2**20
_STOPPED = 130


@dataclass(frozen=True)
class Note:
    """One process and its task.

    Attributes:
        command: the argument list.
        folder: where the process was started, which relative paths begin at.
        host: name of its machine.
        pid: its number there.
        born: when the process started, in seconds since 1970.
        started: the same moment for people, ISO in UTC.
        ended: how; empty while it runs, and for ever where it was killed.
        error: what it failed with, one sentence.
    """

    command: tuple[str, ...]
    folder: str
    host: str
    pid: int
    born: float
    started: str
    ended: End = ""
    error: str = ""

    @property
    def alive(self) -> bool:
        """Whether the process runs: not where it ended, nor on another machine."""
        if self.ended or self.host != platform.node():
            return False
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return abs(process.create_time() - self.born) <= _SAME_START_S
        except psutil.Error:
            return False


def note_of(pid: int, command: Sequence[str]) -> Note:
    """A note on a process that runs on this machine, started from the present folder.

    Raises:
        psutil.Error: there is none of that number.
    """
    born = psutil.Process(pid).create_time()
    started = datetime.fromtimestamp(born, UTC).isoformat(timespec="seconds")
    return Note(tuple(command), os.getcwd(), platform.node(), pid, born, started)


def read_note(folder: Path) -> Note | None:
    """The note in a folder; None where there is none that can be read."""
    try:
        with (folder / FILE).open(encoding="utf-8") as stream:
            given = json.loads(stream.read(_LARGEST))
        ended = given.get("ended", "")
        return Note(
            command=tuple(str(word) for word in given["command"]),
            folder=str(given["folder"]),
            host=str(given["host"]),
            pid=int(given["pid"]),
            born=float(given["born"]),
            started=str(given["started"]),
            ended=ended if ended in ("done", "stopped", "failed") else "",
            error=str(given.get("error", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_note(folder: Path, note: Note) -> None:
    """Put the note into the folder, in the place of the one that is there.

    Raises:
        OSError: it cannot be written.
    """
    handle, partial = tempfile.mkstemp(prefix=f"{FILE}.", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(asdict(note), stream, indent=1)
        Path(partial).replace(folder / FILE)
    except OSError:
        Path(partial).unlink(missing_ok=True)
        raise


@contextmanager
def noted(folder: Path) -> Iterator[None]:
    """Note that this process works in ``folder``, and how that ends.

    A note that cannot be written stops nothing: the work matters more.
    """
    before = read_note(folder)
    here = (platform.node(), os.getpid())
    if before is not None and (before.host, before.pid) == here:
        # Whoever started this process has told more nicely what it runs.
        note = replace(before, ended="", error="")
    else:
        note = note_of(os.getpid(), sys.argv)
    _try(folder, note)
    try:
        yield
    except KeyboardInterrupt:
        _try(folder, replace(note, ended="stopped"))
        raise
    except SightdeskError as error:
        _try(folder, replace(note, ended="failed", error=str(error)))
        raise
    except BaseException as error:
        if getattr(error, "exit_code", None) == _STOPPED:
            _try(folder, replace(note, ended="stopped"))
        else:
            what = " ".join(f"{type(error).__name__}: {error}".split())[:1000]
            told = f"The training ended by a fault of its own ({what}); please report it."
            _try(folder, replace(note, ended="failed", error=told))
        raise
    _try(folder, replace(note, ended="done"))


def _try(folder: Path, note: Note) -> None:
    with suppress(OSError):
        write_note(folder, note)
