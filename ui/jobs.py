"""Commands that outlive the page: started into a folder, found again there, stopped by a signal.

What a command prints goes to files in its folder, and a note says which process it is (see
`adapters.tune.process`); so a page that is reloaded, a second tab, and a server that was started
anew all find it. It knows nothing of Streamlit.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock, Thread
from typing import Any, Final, Literal

import psutil

from adapters.tune.process import Note, note_of, read_note, write_note
from assistant.errors import InputError

OUT: Final = "out.jsonl"
ERRORS: Final = "errors.txt"
STOP: Final = "stop"
"""Names the process that was asked to stop."""

State = Literal["running", "stopping", "stopped", "interrupted", "failed", "done"]

_HEAD, _TAIL = 2**16, 2**18
_STOPPED = 130
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BOX = "╭╮╰╯─│ "

_starting = Lock()


@dataclass(frozen=True)
class Job:
    """A command and how far it is.

    Attributes:
        events: of each kind of JSON object that it printed, the last one, in the order in which
            these came; an object without an ``event`` is of the kind ``result``.
        error: the sentence that it failed with.
    """

    note: Note
    state: State
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether its process runs."""
        return self.state in ("running", "stopping")


def sightdesk() -> tuple[str, ...]:
    """How the `sightdesk` command of this installation is called."""
    script = Path(sys.executable).with_name("sightdesk")
    found = shutil.which("sightdesk")
    if found is not None and script.exists() and Path(found).samefile(script):
        return ("sightdesk",)
    if script.exists():
        return (str(script),)
    return (sys.executable, "-c", "from assistant.cli import main; main()")


def start(folder: Path, command: Sequence[str], *, within: Path | None = None) -> None:
    """Start a command that lives on when this process ends.

    Args:
        folder: receives what it prints, and the note.
        within: the folder that the command's relative paths begin at.

    Raises:
        InputError: another one runs there, or it cannot be started.
    """
    with _starting:
        before = read_note(folder)
        if before is not None and before.alive:
            raise InputError(f"{folder.name} runs already; wait for its end, or stop it.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / STOP).unlink(missing_ok=True)
            with (folder / OUT).open("wb") as out, (folder / ERRORS).open("wb") as errors:
                child = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=errors,
                    cwd=within,
                    start_new_session=True,
                )
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{command[0]} cannot be started in {folder} ({reason}); check that it is "
                "installed and that the disk has room."
            ) from error
        note = read_note(folder)
        if note is None or note.pid != child.pid:  # a quick child has told better already
            with suppress(OSError, psutil.Error):
                note = note_of(child.pid, command)
                write_note(folder, replace(note, folder=str(within or note.folder)))
        # Waited for, or it would stay as a zombie; the daemon holds up no server that ends.
        Thread(target=_wait, args=(child, folder), daemon=True).start()


def _wait(child: subprocess.Popen[bytes], folder: Path) -> None:
    """Note how a child ended, where it could not say so itself."""
    code = child.wait()
    with _starting:
        note = read_note(folder)
        if note is None or note.pid != child.pid or note.ended or code < 0:
            return
        if code == 0:
            note = replace(note, ended="done")
        elif code == _STOPPED:
            note = replace(note, ended="stopped")
        else:
            note = replace(note, ended="failed", error=last_sentence(folder / ERRORS))
        with suppress(OSError):
            write_note(folder, note)


def look(folder: Path, *, briefly: bool = False) -> Job | None:
    """The command in a folder; None where none was started.

    Args:
        briefly: leave out what it printed.
    """
    note = read_note(folder)
    if note is None:
        return None
    state: State
    if note.alive:
        state = "stopping" if _asked_to_stop(folder, note) else "running"
    elif note.ended:
        state = note.ended
    else:
        state = "stopped" if _asked_to_stop(folder, note) else "interrupted"
    error = note.error if state == "failed" else ""
    return Job(note, state, {} if briefly else read_events(folder / OUT), error)


def stop(folder: Path, *, at_once: bool = False) -> None:
    """Ask a command to end, as Ctrl+C does; or end it, whatever it is doing.

    Nothing happens where its process is gone: its number may be another's by now.
    """
    note = read_note(folder)
    if note is None or not note.alive:
        return
    with suppress(OSError):
        if not at_once:
            (folder / STOP).write_text(_name(note), encoding="utf-8")
        os.kill(note.pid, signal.SIGKILL if at_once else signal.SIGINT)


def _asked_to_stop(folder: Path, note: Note) -> bool:
    with suppress(OSError, UnicodeDecodeError):
        return (folder / STOP).read_text(encoding="utf-8") == _name(note)
    return False


def _name(note: Note) -> str:
    return f"{note.host}/{note.pid}/{note.born:.0f}"


def read_events(file: Path) -> dict[str, dict[str, Any]]:
    """The last JSON object of each kind in a file, in the order of these; see `Job.events`."""
    try:
        with file.open("rb") as stream:
            text = stream.read(_HEAD + _TAIL)
            size = os.fstat(stream.fileno()).st_size
            if size > len(text):
                stream.seek(size - _TAIL)
                text = text[:_HEAD] + b"\n" + stream.read(_TAIL)
    except OSError:
        return {}
    events: dict[str, dict[str, Any]] = {}
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue  # a line that is being written, or cut
        if isinstance(value, dict):
            kind = str(value.get("event", "result"))
            events.pop(kind, None)
            events[kind] = value
    return events


def last_sentence(file: Path) -> str:
    """What a command that failed said last; empty where it said nothing."""
    text = tail(file, 2**13)
    lines = [line.strip(_BOX) for line in text.splitlines()]
    boxed = [line.strip(_BOX) for line in text.splitlines() if line.startswith("│")]
    said = " ".join(boxed) if boxed else next((line for line in reversed(lines) if line), "")
    return said[:1000]


def tail(file: Path, size: int = 2**14) -> str:
    """The end of a text file, without colours; empty where it cannot be read."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, os.fstat(stream.fileno()).st_size - size))
            text = stream.read(size).decode("utf-8", "replace")
    except OSError:
        return ""
    return _ESCAPES.sub("", text.replace("\r", "\n"))
