"""Pictures a second of `--ray` against workers, and what becomes of a job whose worker is killed.

    python -m tests.benchmarks.ray_workers ~/Pictures --count 256 --workers 1 2 4 --json

Each row is a job of its own over the same pictures, on a cluster that this machine starts for it,
each worker with one core. `rate` is from the first shard to the last, so without loading models;
`whole` is all that the command does. The row without workers is one process on one core. In the
last row a worker is killed with SIGKILL after the first shards: `lost` and `doubled` are pictures.
More workers than cores, or a busy machine, share what is there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import tempfile
import time
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import torch
from rich.console import Console

from assistant.annotate import Job, Task
from assistant.annotate.parquet import read_results
from assistant.annotate.ray_job import annotate_on_ray
from assistant.engines import open_engine
from assistant.image_index.names import on_disk
from assistant.image_index.scanning import Walk
from assistant.settings import Settings, get_settings, with_given

ERRORS = Console(stderr=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=128, help="pictures of the folder")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--kind", choices=("describe", "label"), default="describe")
    parser.add_argument("--shard", type=int, default=8, help="pictures of a shard")
    parser.add_argument("--base", default=None)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightdesk-ray-") as room:
        rows = measure(Path(room), options)
    if options.json:
        print(json.dumps({"pictures": options.count, "kind": options.kind, "rows": rows}))
        return
    for row in rows:
        print("  ".join(f"{name} {value}" for name, value in row.items()))


def measure(room: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for one process, for each number of workers, and for the one with a kill."""
    settings = with_given(get_settings(), data_dir=room / "data", base=options.base)
    task = Task(options.kind)
    photos = room / "photos"
    photos.mkdir()
    for number, seen in enumerate(islice(Walk(options.folder).files(), options.count)):
        name = on_disk(seen.path)
        shutil.copyfile(options.folder / name, photos / f"{number:06}{Path(name).suffix}")
    rows = [alone(photos, room / "alone", task, settings)]
    runs = [(workers, False) for workers in options.workers] + [(max(2, *options.workers), True)]
    for number, (workers, kill) in enumerate(runs):
        ERRORS.print(rows[-1])
        out = room / f"out-{number}"
        rows.append(many(photos, out, task, settings, workers, options.shard, kill=kill))
    return rows


def alone(photos: Path, out: Path, task: Task, settings: Settings) -> dict[str, Any]:
    """One process on one core."""
    ERRORS.print("One process")
    torch.set_num_threads(1)
    began = time.perf_counter()
    job = Job.start(photos, out, task, settings=settings)
    report = job.run(open_engine(settings), settings=settings)
    whole = time.perf_counter() - began
    return {"workers": 0, "rate": round(report.done / report.seconds, 2), "whole": round(whole, 1)}


def many(
    photos: Path, out: Path, task: Task, settings: Settings, workers: int, shard: int, *, kill: bool
) -> dict[str, Any]:
    """A job on so many workers."""
    ERRORS.print(f"{workers} workers{', one of them killed' if kill else ''}")
    killed: list[int] = []

    def watch(_message: str, fraction: float | None) -> None:
        if kill and fraction and not killed:
            killed.append(end_a_worker())

    began = time.perf_counter()
    report = annotate_on_ray(
        photos, out, task, workers=workers, settings=settings, progress=watch, shard=shard
    )
    whole = time.perf_counter() - began
    row = {"workers": workers, "rate": round(report.rate, 2), "whole": round(whole, 1)}
    if not kill:
        return row
    found = Counter(row.image for row in read_results(str(out)))
    lost = len({path.name for path in photos.iterdir()} - set(found))
    row |= {"killed": len(killed), "processes": report.processes}
    return row | {"lost": lost, "doubled": sum(count - 1 for count in found.values())}


def end_a_worker() -> int:
    """The number of one that has a model, once it is no more."""
    for process in psutil.Process().children(recursive=True):
        if "MapWorker" in " ".join(process.cmdline()):
            os.kill(process.pid, signal.SIGKILL)
            return process.pid
    raise RuntimeError("there is no worker")


if __name__ == "__main__":
    main()
