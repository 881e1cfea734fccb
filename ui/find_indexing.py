"""Folders that are being indexed from the page: `sightdesk index` as a process of its own.

It goes on when the page is closed, any tab finds it, and what it had done before it was stopped or
killed is kept (see `ui.jobs`). It knows nothing of Streamlit.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from assistant.errors import InputError
from assistant.image_index.names import shown, stored
from assistant.settings import Settings, get_settings
from ui import jobs
from ui.trainings import clean_path

_NAME_LENGTH = 16
_TELLING = 0.03  # of the work; before, a guess at the time left is worth nothing
_SHARE = re.compile(r" (\d{1,3})%$")


@dataclass(frozen=True)
class Indexing:
    """A folder's indexing, running or ended.

    Attributes:
        name: of the folder that holds what is known of it.
        path: what is indexed, as it may be shown.
        state: as of any job.
        message: what is being done; empty where nothing was told yet.
        fraction: of it, 0 to 1; None where that is not known.
        started: when.
        error: the sentence that it failed with.
        result: what the command told at its end.
    """

    name: str
    path: str
    state: jobs.State
    message: str = ""
    fraction: float | None = None
    started: datetime | None = None
    error: str = ""
    result: dict[str, Any] | None = None

    @property
    def active(self) -> bool:
        """Whether its process runs."""
        return self.state in ("running", "stopping")

    @property
    def seconds_left(self) -> float | None:
        """How long it will take, if it goes on as it did; None where that cannot be told."""
        if self.started is None or not self.fraction or self.fraction < _TELLING:
            return None
        passed = (datetime.now(UTC) - self.started).total_seconds()
        return max(passed, 0.0) * (1 - self.fraction) / self.fraction


class Indexings:
    """The indexings of this machine that were started from the page.

    Args:
        folder: holds a folder an indexing.
        program: how `sightdesk` is called; by default this installation's.
    """

    def __init__(self, folder: Path, program: Sequence[str] | None = None) -> None:
        self.folder = folder
        self.program = tuple(program if program is not None else jobs.sightdesk())

    @classmethod
    def of(cls, settings: Settings | None = None) -> Indexings:
        """Those in the data folder."""
        return cls((settings or get_settings()).data_dir / "indexings")

    def all(self) -> list[Indexing]:
        """Those that run, or whose end nobody has taken note of, the newest first."""
        try:
            places = [path for path in self.folder.iterdir() if path.is_dir()]
        except OSError:
            return []
        found = [(job.note.started, path, job) for path in places if (job := jobs.look(path))]
        return [_read(path, job) for _, path, job in sorted(found, key=_when, reverse=True)]

    def start(self, given: str) -> None:
        """Index a folder that somebody typed.

        Raises:
            InputError: it is no folder, it is being indexed, or the command cannot be started.
        """
        path = clean_path(given)
        if not path:
            raise InputError("No folder is given; type the path of one.")
        if not Path(path).is_dir():
            raise InputError(f"{path[:300]} is no folder that can be read; correct the path.")
        name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:_NAME_LENGTH]
        job = jobs.look(self.folder / name, briefly=True)
        if job is not None and job.active:
            raise InputError("This folder is being indexed already; wait for its end.")
        jobs.start(self.folder / name, [*self.program, "index", path, "--json"])

    def stop(self, name: str) -> None:
        """Ask one to end; what it has done is kept."""
        if (place := self._place(name)) is not None:
            jobs.stop(place)

    def dismiss(self, name: str) -> None:
        """Take note of the end of one."""
        place = self._place(name)
        job = jobs.look(place, briefly=True) if place is not None else None
        if place is not None and job is not None and not job.active:
            shutil.rmtree(place, ignore_errors=True)

    def _place(self, name: str) -> Path | None:
        known = len(name) == _NAME_LENGTH and name.isalnum()
        return self.folder / name if known else None


def _when(found: tuple[str, Path, jobs.Job]) -> tuple[str, str]:
    return found[0], found[1].name


def _read(folder: Path, job: jobs.Job) -> Indexing:
    command = job.note.command
    place = command.index("index") + 1 if "index" in command else len(command)
    path = command[place] if place < len(command) else folder.name
    message, fraction = "", None
    if job.active:
        lines = jobs.tail(folder / jobs.ERRORS, 2**12).splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        if (share := _SHARE.search(last)) is not None:
            last, fraction = last[: share.start()], min(int(share[1]) / 100, 1.0)
        message = last[:300]
    result = job.events.get("result")
    error = result.get("error") if result else None
    state = job.state
    if state == "failed" and result is not None and not error:
        # Some files were no pictures: the command tells that by its exit code as well.
        state = "done"
    return Indexing(
        name=folder.name,
        path=shown(stored(path)),
        state=state,
        message=message,
        fraction=fraction,
        started=_moment(job.note.started),
        error=str(error or job.error) if state == "failed" else "",
        result=result,
    )


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
