"""A job: one folder labelled or described into one directory, now or over many runs.

    OUT/job.json       the task, the folder, what the model was
    OUT/results.jsonl  see `assistant.annotate.results`
    OUT/review.jsonl   what people decided, see `assistant.annotate.review`

The directory is all there is of it; ``jobs/<id>.json`` in the data folder only says where it lies,
so that pages and ``sightdesk job list`` find it.

    >>> job = Job.start(Path("photos"), Path("found"), Task("describe"))
    >>> report = job.run(engine)
    >>> for row in job.annotations(): ...
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from filelock import FileLock, Timeout

from assistant.annotate.results import latest_rows
from assistant.annotate.values import Annotation, Kind, Task
from assistant.errors import InputError, StoreError
from assistant.image_index.names import on_disk
from assistant.json_file import read_object, write_object
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.annotate.running import Report
    from assistant.engine import Engine

JOB_FILE: Final = "job.json"
RESULTS_FILE: Final = "results.jsonl"
REVIEW_FILE: Final = "review.jsonl"
_FORM: Final = 1
_ID_BYTES: Final = 6


@dataclass(frozen=True)
class MadeBy:
    """What answered a job's first batch; others may not go on with it."""

    model: str
    adapter: str | None


class Job:
    """See the module; made by `start` or `open`.

    Attributes:
        id: twelve hexadecimal digits.
        path: its directory.
        folder: whose pictures it is about.
        task: what is done with each of them.
        created: when it was started, ISO 8601 in UTC.
    """

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        try:
            if content["form"] != _FORM:
                raise ValueError("another form")
            self.id = str(content["id"])
            self.folder = Path(content["folder"])
            self.created = str(content["created"])
            task = content["task"]
            bytes.fromhex(self.id)
        except (KeyError, TypeError, ValueError) as error:
            raise StoreError(
                f"{path / JOB_FILE} is no job that is understood here; give another directory."
            ) from error
        self.path = path
        self.task = Task.of(task)
        self._content = content

    # --- beginnings

    @classmethod
    def start(
        cls,
        folder: Path,
        out: Path,
        task: Task,
        *,
        made_with: dict[str, Any] | None = None,
        settings: Settings | None = None,
    ) -> Job:
        """Start a job, or go on with the same one where it lies in ``out`` already.

        Args:
            made_with: what else a later run should know, such as base and quantization.

        Raises:
            InputError: the folder is none, or ``out`` is not fit for it or holds another job.
            StoreError: ``out`` cannot be written.
        """
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder; check the path.")
        folder, out = folder.resolve(), out.resolve()
        if out == folder or out in folder.parents:
            raise InputError(
                f"{out} holds the pictures themselves; give --out a directory of its own."
            )
        if (out / JOB_FILE).exists():
            job = cls.open(out)
            job._check_same(folder, task)
        else:
            if (out / RESULTS_FILE).exists():
                raise InputError(f"{out} holds results of something else; give another --out.")
            content = {
                "form": _FORM,
                "id": secrets.token_hex(_ID_BYTES),
                "folder": str(folder),
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "task": task.to_dict(),
                "made_with": made_with or {},
            }
            job = cls(out, content)
            job._write()
        job._register(settings or get_settings())
        return job

    @classmethod
    def open(cls, out: Path) -> Job:
        """The job that lies in a directory.

        Raises:
            InputError: there is none.
            StoreError: it cannot be read.
        """
        file = out / JOB_FILE
        if not file.is_file():
            raise InputError(
                f"There is no job in {out}; start one with sightdesk label FOLDER --out {out}."
            )
        return cls(out.resolve(), read_object(file))

    # --- what is in it

    @property
    def kind(self) -> Kind:
        """Whether it labels or describes."""
        return self.task.kind

    @property
    def made_with(self) -> dict[str, Any]:
        """What was told when it was started."""
        found = self._content.get("made_with")
        return dict(found) if isinstance(found, dict) else {}

    @property
    def made_by(self) -> MadeBy | None:
        """What answers; None before the first run."""
        found = self._content.get("made_by")
        if not isinstance(found, dict):
            return None
        adapter = found.get("adapter")
        return MadeBy(str(found.get("model")), None if adapter is None else str(adapter))

    @property
    def results(self) -> Path:
        """The file of its results; it need not be there yet."""
        return self.path / RESULTS_FILE

    def annotations(self) -> Iterator[Annotation]:
        """What was found so far, each picture once, as the model said it; also while it runs.

        Raises:
            StoreError: the results cannot be read.
        """
        return latest_rows(self.results)

    def picture(self, image: str) -> Path:
        """Where a picture of the job lies.

        Raises:
            InputError: the path leads out of the folder.
        """
        path = Path(on_disk(image))
        if path.is_absolute() or ".." in path.parts:
            raise InputError("The path of a picture leads out of the job's folder.")
        return self.folder / path

    # --- work

    def run(
        self,
        engine: Engine | Callable[[], Engine],
        *,
        progress: Callable[[str, float | None], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
        settings: Settings | None = None,
        batch: int | None = None,
    ) -> Report:
        """Do what is left to do; see `assistant.annotate.running.run`."""
        from assistant.annotate import running

        return running.run(
            self, engine, progress=progress, cancelled=cancelled, settings=settings, batch=batch
        )

    @contextmanager
    def held(self) -> Iterator[None]:
        """While it is entered, no other process works on the job.

        Raises:
            InputError: another one does.
        """
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise InputError(
                f"Another process works on the job in {self.path}; wait until it has ended."
            ) from error
        except OSError as error:
            raise self._unwritable(error) from error
        try:
            yield
        finally:
            lock.release()

    def note_maker(self, model: str, adapter: str | None) -> None:
        """Note what answers, the first time.

        Raises:
            InputError: it is another one than before.
        """
        now, before = MadeBy(model, adapter), self.made_by
        if before is None:
            self._content["made_by"] = {"model": model, "adapter": adapter}
            self._write()
        elif before != now:
            raise InputError(
                f"The job in {self.path} was begun with {_shown(before)} and this is "
                f"{_shown(now)}; go on with the same, or give another --out."
            )

    def _check_same(self, folder: Path, task: Task) -> None:
        if self.folder != folder:
            raise InputError(f"{self.path} holds a job about {self.folder}; give another --out.")
        before, now = self.task.to_dict(), task.to_dict()
        changed = [name for name, value in now.items() if before.get(name) != value]
        if changed:
            raise InputError(
                f"{self.path} holds a job with another {changed[0]}; give the same options to go "
                "on with it, or another --out."
            )

    def _write(self) -> None:
        try:
            write_object(self.path / JOB_FILE, self._content)
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> StoreError:
        reason = error.strerror or str(error)
        return StoreError(f"{self.path} cannot be written ({reason}); give another --out.")

    def _register(self, settings: Settings) -> None:
        """Let pages and lists find it; that this fails is no reason not to work."""
        file = settings.data_dir / "jobs" / f"{self.id}.json"
        entry = {"id": self.id, "path": str(self.path), "folder": str(self.folder)}
        entry |= {"kind": self.kind, "created": self.created}
        try:
            if read_object(file) != entry:
                write_object(file, entry)
        except OSError:
            pass


def known_jobs(settings: Settings | None = None) -> list[Job]:
    """All jobs that were started here and are still there, the newest first."""
    folder = (settings or get_settings()).data_dir / "jobs"
    found = []
    for file in folder.glob("*.json"):
        path = read_object(file).get("path")
        if not isinstance(path, str):
            continue
        try:
            job = Job.open(Path(path))
        except (InputError, StoreError):  # moved or removed, or damaged
            continue
        if job.id == file.stem:
            found.append(job)
    return sorted(found, key=lambda job: (job.created, job.id), reverse=True)


def find_job(name: str, settings: Settings | None = None) -> Job:
    """A job by its directory, or by its id or the beginning of it.

    Raises:
        InputError: there is none, or several begin so.
        StoreError: it cannot be read.
    """
    path = Path(name)
    if (path / JOB_FILE).is_file():
        return Job.open(path)
    found = [job for job in known_jobs(settings) if job.id.startswith(name)] if name else []
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"Several jobs begin with {name}; give more of the id.")
    return Job.open(path)


def _shown(made_by: MadeBy) -> str:
    return f"{made_by.model} with {made_by.adapter}" if made_by.adapter else made_by.model
