"""What is known of a job that many workers do: what is left of it, and what they published.

Of two folders of this machine it is a `Job`, whose results take in the workers' parts; elsewhere
the parts are all there is, with ``job.json`` beside them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from assistant.annotate.job import JOB_FILE, Job
from assistant.annotate.parquet import compact, part_names, read_part, read_results
from assistant.annotate.places import Place, is_address
from assistant.annotate.ray_worker import Receipt
from assistant.annotate.results import Results
from assistant.annotate.values import Annotation, Task
from assistant.errors import InputError, StoreError
from assistant.image_index.scanning import OnDisk
from assistant.settings import Settings


class Record(Protocol):
    """A job's results so far, for whoever gives the orders."""

    made_by: tuple[str, str | None] | None

    def take_over(self, files: Sequence[OnDisk]) -> None:
        """Learn what workers published that is not known yet."""

    def is_due(self, seen: OnDisk) -> bool:
        """Whether a picture is still to be done."""

    def note(self, receipt: Receipt) -> None:
        """Learn of one shard."""

    def finish(self) -> None:
        """Everything is done."""

    def aside(self) -> int:
        """Pictures that are set aside for a person."""


@contextmanager
def record_of(
    source: Place, target: Place, task: Task, made_with: dict[str, Any], settings: Settings
) -> Iterator[Record]:
    """What is known of the job of two places, while nobody else works on it.

    Raises:
        InputError: there is another job, or another process works on it.
        StoreError: it cannot be read or written.
    """
    if is_address(source.name) or is_address(target.name):
        yield _ParquetRecord(source, target, task, made_with)
        return
    job = Job.start(
        Path(source.name), Path(target.name), task, made_with=made_with, settings=settings
    )
    with job.held():
        results = Results(job.results)
        try:
            yield _JobRecord(job, results, target)
        finally:
            results.close()


class _JobRecord:
    """That of a `Job`, whose file of results takes in what the workers publish."""

    def __init__(self, job: Job, results: Results, target: Place) -> None:
        self._job, self._results, self._target = job, results, target
        made_by = job.made_by
        self.made_by = None if made_by is None else (made_by.model, made_by.adapter)

    def take_over(self, files: Sequence[OnDisk]) -> None:
        there = {seen.path: seen for seen in files}
        for part in part_names(self._target):
            rows = [row for row in read_part(self._target, part) if self._is_news(row, there)]
            if rows:
                self._results.add(rows)

    def _is_news(self, row: Annotation, there: dict[str, OnDisk]) -> bool:
        seen = there.get(row.image)
        if seen is None or row.status == "bad":
            return row.image not in self._results.known
        return (row.size, row.modified_ns) == (seen.size, seen.modified_ns) and self.is_due(seen)

    def is_due(self, seen: OnDisk) -> bool:
        return self._results.is_due(seen)

    def note(self, receipt: Receipt) -> None:
        self._job.note_maker(receipt.model, receipt.adapter)
        self._results.add(read_part(self._target, receipt.part))

    def finish(self) -> None:
        compact(self._target, self._job.annotations())

    def aside(self) -> int:
        return sum(row.status == "aside" for row in self._job.annotations())


class _ParquetRecord:
    """That of a place elsewhere: its parts, and ``job.json`` beside them."""

    def __init__(self, source: Place, target: Place, task: Task, made_with: dict[str, Any]) -> None:
        self._target = target
        self._known: dict[str, tuple[int, int]] = {}
        content = _content(target)
        before = content.get("folder"), content.get("task")
        if content and before != (source.name, task.to_dict()):
            raise InputError(f"{target.name} holds another job; give another --out.")
        self._content = content or {
            "form": 1,
            "folder": source.name,
            "task": task.to_dict(),
            "made_with": made_with,
        }
        made_by = self._content.get("made_by")
        self.made_by = None if made_by is None else (made_by["model"], made_by["adapter"])
        if not content:
            self._write()

    def take_over(self, files: Sequence[OnDisk]) -> None:
        for row in read_results(self._target):
            if row.status != "bad":
                self._known[row.image] = row.size, row.modified_ns

    def is_due(self, seen: OnDisk) -> bool:
        return self._known.get(seen.path) != (seen.size, seen.modified_ns)

    def note(self, receipt: Receipt) -> None:
        if self.made_by is None:
            self.made_by = receipt.model, receipt.adapter
            self._content["made_by"] = {"model": receipt.model, "adapter": receipt.adapter}
            self._write()
        elif self.made_by != (receipt.model, receipt.adapter):
            raise InputError("Workers have different models; give all the same --base.")

    def finish(self) -> None:
        compact(self._target)

    def aside(self) -> int:
        return sum(row.status == "aside" for row in read_results(self._target))

    def _write(self) -> None:
        self._target.write(JOB_FILE, json.dumps(self._content).encode())


def _content(target: Place) -> dict[str, Any]:
    """``job.json`` of a place; empty where there is none.

    Raises:
        StoreError: it cannot be understood.
    """
    data = target.read(JOB_FILE)
    if data is None:
        return {}
    try:
        found = json.loads(data)
        # As JSON has it lists and tuples are one.
        if isinstance(found, dict) and isinstance(found.get("folder"), str):
            return found
    except ValueError:
        pass
    raise StoreError(f"{target.name}/{JOB_FILE} is no job; give another --out.")
