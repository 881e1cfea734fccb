"""A job on many machines: a Ray Data pipeline from a folder or an object store to Parquet.

    pictures listed -> shards -> workers, each with a model of its own -> OUT/parquet

A shard is done when its part lies there (`assistant.annotate.parquet`): a worker that dies takes
nothing along, since Ray gives its shards to another one, and what is done twice has one name. The
same command goes on with a run that was ended, by ``kill -9`` as well. Where folder and OUT are
folders of this machine the results are those of a `Job` as well: pages list it, people review it,
and one process may go on with it. A worker elsewhere must have Sightdesk installed, reach both
places under the same names, and find the model by the same name.

>>> report = annotate_on_ray("s3://shop/photos", "s3://shop/found", Task("describe"), workers=8)
>>> for annotation in read_results("s3://shop/found"): ...
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from assistant.annotate.parquet import FOLDER, next_run, read_results
from assistant.annotate.places import is_address, open_place
from assistant.annotate.ray_cluster import Cluster, joined
from assistant.annotate.ray_record import record_of
from assistant.annotate.ray_worker import TRIES, Annotator, Order, Receipt
from assistant.annotate.running import Report, Told, told_of
from assistant.annotate.values import Task
from assistant.errors import InputError, RemoteError
from assistant.image_index.scanning import OnDisk
from assistant.settings import Settings, get_settings

__all__ = ["RayReport", "annotate_on_ray", "read_results"]

if TYPE_CHECKING:
    import ray.data

SHARD: Final = 64
"""Pictures that are done, and lost with a worker that dies, at a time."""

_ROUNDS: Final = 4  # shards for each worker at least, so that all end at about the same time
_WAITING: Final = 2  # shards that a worker has: one with the model, one whose pictures are opened
_TROUBLES: Final = 20


@dataclass(frozen=True)
class RayReport(Report):
    """What a run did, as for one process, and on what.

    Attributes:
        workers: that were asked for.
        processes: that gave results; more than workers where some died and were replaced.
        rate: pictures a second, from the first shard to the last; 0 where there was only one.
    """

    workers: int = 0
    processes: int = 0
    rate: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """As ``--json`` tells it."""
        of_ray = {"workers": self.workers, "processes": self.processes, "rate": round(self.rate, 2)}
        return super().to_dict() | of_ray


def annotate_on_ray(
    folder: str | Path,
    out: str | Path,
    task: Task,
    *,
    workers: int | None = None,
    address: str | None = None,
    base: str | None = None,
    quantize: str | None = None,
    settings: Settings | None = None,
    progress: Told | None = None,
    cancelled: Callable[[], bool] | None = None,
    shard: int | None = None,
) -> RayReport:
    """Do what is left of a job with workers that Ray keeps.

    Args:
        folder, out: folders, or addresses as `assistant.annotate.places` takes them. Nobody else
            may work on ``out`` meanwhile, which only a folder here is checked for.
        workers, address: of the cluster, see `ray_cluster.joined`.
        base, quantize: of each worker's engine, in place of the settings'.
        settings: for workers on this machine; those elsewhere read their own environment.
        progress: is told what is done and how fast.
        cancelled: is asked after each shard.
        shard: pictures of a shard at most, in place of `SHARD`.

    Raises:
        InputError: Ray is not installed, a place cannot be used, ``out`` holds another job, or it
            was begun with another model.
        RemoteError: the cluster cannot be started or reached, or broke down.
        StoreError: results cannot be read or written; what was done before is kept.
    """
    settings = settings or get_settings()
    told: Told = progress or (lambda _message, _fraction: None)
    stopped = cancelled or (lambda: False)
    source, target = open_place(str(folder)), open_place(str(out))
    made_with = {"base": base or settings.base, "quantize": quantize}
    with ExitStack() as stack:
        told("Looking for pictures", None)
        files, troubles = source.pictures(without=[] if is_address(target.name) else [Path(out)])
        record = stack.enter_context(record_of(source, target, task, made_with, settings))
        target.sweep(FOLDER)
        for mark in target.names(TRIES, ""):
            target.remove(f"{TRIES}/{mark}")
        record.take_over(files)
        todo = [seen for seen in files if record.is_due(seen)]
        tally = _Tally(len(todo), task)
        tally.bad += len(troubles)
        tally.troubles += [(trouble.path or ".", trouble.reason) for trouble in troubles]
        cluster, over = None, False
        began = time.perf_counter()
        if todo:
            told("Starting Ray", None)
            cluster = stack.enter_context(joined(workers, address, device=settings.device))
            order = Order(
                source.name if is_address(source.name) else str(Path(folder).resolve()),
                target.name if is_address(target.name) else str(Path(out).resolve()),
                next_run(target),
                task,
                base,
                quantize,
                cluster.threads,
                record.made_by,
                settings if cluster.local else None,
            )
            told(f"Loading the model in {cluster.workers} workers", None)
            began = time.perf_counter()
            for receipt in _receipts(todo, order, cluster, shard or SHARD):
                if receipt.error:
                    raise InputError(receipt.error)
                record.note(receipt)
                tally.add(receipt)
                told(*tally.said())
                if over := tally.count < len(todo) and stopped():
                    break
        seconds = time.perf_counter() - began
        if not over:
            told("Putting the results together", None)
            record.finish()
        aside = record.aside()
    return RayReport(
        len(files), tally.done, tally.same, len(files) - len(todo), tally.bad, aside, seconds, over,
        tuple(tally.troubles[:_TROUBLES]), cluster.workers if cluster else 0,
        len(tally.processes), tally.rate,
    )  # fmt: skip


# --- the pipeline


def _receipts(
    todo: Sequence[OnDisk], order: Order, cluster: Cluster, most: int
) -> Iterator[Receipt]:
    """What becomes of each shard, as the workers are done with them."""
    from ray.exceptions import RayError, RayTaskError

    pipeline = _pipeline(todo, order, cluster, most)
    try:
        batches: Iterator[Any] = iter(
            pipeline.iter_batches(batch_size=None, batch_format="pyarrow")
        )
        for batch in batches:
            yield from map(Receipt.of, batch["receipt"].to_pylist())
    except RayTaskError:
        raise  # a bug of ours, with its trace
    except RayError as error:
        reason = str(error).strip().splitlines()[-1][:200].strip().rstrip(".")
        raise RemoteError(
            f"The Ray cluster broke down ({reason or type(error).__name__}); run the same command "
            "again: it goes on where it stopped."
        ) from error


def _pipeline(
    todo: Sequence[OnDisk], order: Order, cluster: Cluster, most: int
) -> ray.data.Dataset:
    import pyarrow as pa
    import ray.data

    size = max(1, min(most, -(-len(todo) // (_ROUNDS * cluster.workers))))
    shards = [
        pa.table(
            {
                "path": [seen.path for seen in group],
                "size": pa.array([seen.size for seen in group], pa.int64()),
                "modified_ns": pa.array([seen.modified_ns for seen in group], pa.int64()),
            }
        )
        for group in (todo[at : at + size] for at in range(0, len(todo), size))
    ]
    names = ray.data.from_arrow(shards)
    context = names.context
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    return names.map_batches(
        Annotator,
        fn_constructor_args=(order,),
        compute=ray.data.ActorPoolStrategy(
            size=cluster.workers,
            max_tasks_in_flight_per_actor=_WAITING,
            max_concurrent_calls_per_actor=_WAITING,
            enable_true_multi_threading=True,
        ),
        batch_size=None,
        batch_format="pyarrow",
        num_cpus=0 if cluster.gpus else cluster.threads,
        num_gpus=cluster.gpus or None,
    )


class _Tally:
    """What a run has done so far, and how fast."""

    def __init__(self, total: int, task: Task) -> None:
        self.done = self.same = self.bad = self.count = 0
        self.troubles: list[tuple[str, str]] = []
        self.processes: set[tuple[str, int]] = set()
        self.rate = 0.0
        self._total = total
        self._task = task
        self._first: tuple[float, int] | None = None

    def add(self, receipt: Receipt) -> None:
        now = time.perf_counter()
        self.done += receipt.done
        self.same += receipt.same
        self.bad += receipt.bad
        self.troubles += receipt.troubles[: _TROUBLES - len(self.troubles)]
        self.processes.add((receipt.host, receipt.pid))
        self.count += receipt.done + receipt.same + receipt.bad
        if self._first is None:
            self._first = now, self.count  # before it, models were loaded
        elif now > self._first[0]:
            self.rate = (self.count - self._first[1]) / (now - self._first[0])

    def said(self) -> tuple[str, float]:
        return told_of(self._task, self.count, self._total, self.rate)
