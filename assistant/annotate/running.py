"""Doing a job: pictures are opened in threads beside the model's work and done in batches.

What is done is on the disk before the next batch begins, so that a run may end at any moment, by
``kill -9`` as well, and the next one goes on: a picture whose file is as it was is not done again.
Files that cannot be opened are noted and tried again in the next run. Pictures of the same pixels
are done once.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from assistant.annotate.annotating import annotate_pictures
from assistant.annotate.opening import open_settled
from assistant.annotate.results import Results
from assistant.annotate.shrinking import shrinker
from assistant.annotate.values import Annotation, Task
from assistant.errors import SightdeskError
from assistant.image_index.scanning import OnDisk, Walk
from assistant.images import LoadedImage
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.annotate.job import Job
    from assistant.engine import Engine

BATCH: Final = 64
"""Pictures that are done at once."""
BATCH_WHOLE: Final = 8
"""The same where they stay as large as they are: the largest allowed takes 150 MB as pixels."""
_THREADS: Final = 4
_TROUBLES: Final = 20
_STEADY_S: Final = 1.0  # before it, no rate is told

Told = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Report:
    """What a run did, and how the job stands after it.

    Attributes:
        total: pictures that the folder holds now.
        done: that were labelled or described in this run, the same pixels once.
        same: that have the pixels of another one and what was said of it.
        kept: that were done before.
        bad: files that could not be opened, and folders that could not be looked into.
        aside: of all that are done: not sure enough, for a person.
        seconds: of this run, without loading the model.
        cancelled: whether it ended before everything was done.
        troubles: path and sentence of the first bad files.
    """

    total: int
    done: int
    same: int
    kept: int
    bad: int
    aside: int
    seconds: float
    cancelled: bool
    troubles: tuple[tuple[str, str], ...]

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` tells it."""
        row = {name: getattr(self, name) for name in _COUNTS}
        troubles = [{"image": image, "trouble": trouble} for image, trouble in self.troubles]
        return row | {"seconds": round(self.seconds, 2), "troubles": troubles}


_COUNTS: Final = ("total", "done", "same", "kept", "bad", "aside", "cancelled")


@dataclass
class _Opened:
    """A file that was read, or what came of it."""

    seen: OnDisk
    picture: LoadedImage | None
    width: int = 0
    height: int = 0
    trouble: str = ""


@dataclass
class _Tally:
    done: int = 0
    same: int = 0
    bad: int = 0
    troubles: list[tuple[str, str]] = field(default_factory=list)

    def fail(self, path: str, trouble: str) -> None:
        """Count a bad one, and tell the first of them."""
        self.bad += 1
        if len(self.troubles) < _TROUBLES:
            self.troubles.append((path, trouble))


def run(
    job: Job,
    engine: Engine | Callable[[], Engine],
    *,
    progress: Told | None = None,
    cancelled: Callable[[], bool] | None = None,
    settings: Settings | None = None,
    batch: int | None = None,
) -> Report:
    """Do what is left of a job.

    Args:
        engine: loaded with the task's adapter as its default; or what loads it, which is asked
            where there is something to do.
        progress: is told what is done and how fast.
        cancelled: is asked before each batch.
        batch: pictures at once, in place of `BATCH`.

    Raises:
        InputError: another process works on it, it was begun with another model, or the folder is
            gone.
        StoreError: the results cannot be written; what was done before is kept.
    """
    settings = settings or get_settings()
    told: Told = progress or (lambda _message, _fraction: None)
    stopped = cancelled or (lambda: False)
    began = time.perf_counter()
    with job.held(), closing(Results(job.results)) as results:
        told("Looking for pictures", None)
        walk = Walk(job.folder, without=(job.path,))
        files = list(walk.files())
        todo = [seen for seen in files if results.is_due(seen)]
        tally, over = _Tally(), False
        for trouble in walk.troubles:
            tally.fail(trouble.path or ".", trouble.reason)
        if todo:
            ready = engine() if callable(engine) else engine
            job.note_maker(ready.name, ready.adapter)
            began = time.perf_counter()
            over = _work(job, ready, todo, results, tally, told, stopped, settings, batch)
        seconds = time.perf_counter() - began
    aside = sum(row.status == "aside" for row in job.annotations())
    return Report(
        len(files), tally.done, tally.same, len(files) - len(todo), tally.bad, aside, seconds, over,
        tuple(tally.troubles),
    )  # fmt: skip


def _work(
    job: Job,
    engine: Engine,
    todo: Sequence[OnDisk],
    results: Results,
    tally: _Tally,
    told: Told,
    stopped: Callable[[], bool],
    settings: Settings,
    batch: int | None,
) -> bool:
    """Do the files in batches; True where it ended before them."""
    began, count = time.perf_counter(), 0
    shrink = shrinker(engine)
    size = batch or (BATCH if shrink is not None else BATCH_WHOLE)
    told(*told_of(job.task, 0, len(todo), 0.0))
    for group in _grouped(_opened(job, todo, shrink, settings, 2 * size), size):
        results.add(_rows(engine, job.task, group, results, tally))
        count += len(group)
        seconds = time.perf_counter() - began
        told(*told_of(job.task, count, len(todo), count / seconds if seconds >= _STEADY_S else 0.0))
        if count < len(todo) and stopped():
            return True
    return False


def _rows(
    engine: Engine, task: Task, group: Sequence[_Opened], results: Results, tally: _Tally
) -> list[Annotation]:
    """Lines for a batch, in its order; what is as it was needs none."""
    found: dict[str, Annotation] = {}
    new: dict[str, LoadedImage] = {}
    for each in group:
        if each.picture is not None and each.picture.id not in new:
            before = results.of_picture(each.picture.id)
            if before is None:
                new[each.picture.id] = each.picture
            else:
                found[each.picture.id] = before
    for row in annotated(engine, list(new.values()), task):
        found[row.image_id] = row
    rows = []
    for each in group:
        seen, picture = each.seen, each.picture
        row = found[picture.id] if picture is not None else Annotation(seen.path, status="bad")
        if row.status == "bad":
            row = Annotation.bad(seen, each.trouble or row.trouble)
            tally.fail(seen.path, row.trouble or "")
            known = results.known.get(seen.path)
            if known is None or results.at(known.at) != row:
                rows.append(row)
            continue
        if picture is not None and new.pop(picture.id, None) is not None:
            tally.done += 1
        else:
            tally.same += 1
        rows.append(row.of_file(seen, each.width, each.height))
    return rows


def annotated(engine: Engine, pictures: Sequence[LoadedImage], task: Task) -> list[Annotation]:
    """What the model says; a picture on which it fails does not take the others with it."""
    try:
        return annotate_pictures(engine, pictures, task)
    except SightdeskError:
        raise
    except Exception:
        if len(pictures) < 2:
            raise
    rows, failed = [], None
    for picture in pictures:
        try:
            rows += annotate_pictures(engine, [picture], task)
        except Exception as error:
            failed = error
            trouble = (
                f"The model failed on it ({type(error).__name__}); convert it, or leave it out."
            )
            rows.append(Annotation(picture.id, picture.id, status="bad", trouble=trouble))
    if failed is not None and all(row.status == "bad" for row in rows):
        raise failed  # it is not the pictures' fault
    return rows


# --- opening


def _opened(
    job: Job,
    todo: Iterable[OnDisk],
    shrink: Callable[[LoadedImage], LoadedImage] | None,
    settings: Settings,
    ahead: int,
) -> Iterator[_Opened]:
    """The files, opened in threads so many ahead of whoever takes them, in their order."""
    with ThreadPoolExecutor(_threads(), thread_name_prefix="sightdesk-open") as pool:
        waiting: deque[Future[_Opened]] = deque()
        try:
            for seen in todo:
                waiting.append(pool.submit(_open, job, seen, shrink, settings))
                if len(waiting) >= ahead:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _threads() -> int:
    return max(2, min(_THREADS, os.cpu_count() or 1))


def _open(
    job: Job,
    seen: OnDisk,
    shrink: Callable[[LoadedImage], LoadedImage] | None,
    settings: Settings,
) -> _Opened:
    picture, seen, trouble = open_settled(job.picture(seen.path), seen, settings)
    if picture is None:
        return _Opened(seen, None, trouble=trouble)
    small = picture if shrink is None else shrink(picture)
    return _Opened(seen, small, picture.width, picture.height)


def _grouped(opened: Iterable[_Opened], size: int) -> Iterator[list[_Opened]]:
    group: list[_Opened] = []
    for each in opened:
        group.append(each)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


# --- telling


def told_of(task: Task, count: int, total: int, rate: float) -> tuple[str, float]:
    """Message and fraction; what stands behind the dot changes on the way.

    Args:
        rate: pictures a second; 0 where it is not known yet.
    """
    doing = "Labelling" if task.kind == "label" else "Describing"
    message = f"{doing} {total:,} pictures"
    if rate:
        message += f" · {rate:.3g} a second"
        if count < total:
            message += f", {shown_time((total - count) / rate)} left"
    return message, count / max(total, 1)


def shown_time(seconds: float) -> str:
    """A duration in words, to what matters of it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    if seconds < 90 * 60:
        return f"{round(seconds / 60)} min"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} days"
