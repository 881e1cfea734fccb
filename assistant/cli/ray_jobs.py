"""`--ray` of `sightdesk label` and `describe`: the job of a folder, done by many machines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

import typer

from assistant.cli.folders import (
    How,
    annotate_folder,
    conclude,
    label_counts,
    note_in_index,
    one_line,
    tell_labels,
    tell_trouble,
)
from assistant.cli.progress import show_progress
from assistant.cli.stopping import stops_gently
from assistant.errors import InputError
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.annotate import Task
    from assistant.annotate.ray_job import RayReport


@dataclass(frozen=True)
class Many:
    """What was said of the workers."""

    workers: int | None
    address: str | None


def many_machines(ray: bool, workers: int | None, address: str | None) -> Many | None:
    """What was said of many machines; None where one process does it.

    Raises:
        InputError: something was said of them without ``--ray``.
    """
    if ray:
        return Many(workers, address)
    if workers is not None or address is not None:
        name = "--workers" if workers is not None else "--ray-address"
        raise InputError(f"{name} goes with --ray: add it, or leave {name} out.")
    return None


def annotate_one(
    names: Sequence[str], out: str | None, task: Task, many: Many | None, **how: Unpack[How]
) -> None:
    """Start a job over the one folder that is named, or go on with it, and tell what came of it.

    Args:
        many: None where this process does it.

    Raises:
        InputError: it cannot be done so.
        typer.Exit: 130 after Ctrl-C, 2 where files could not be opened.
    """
    if many is None:
        annotate_folder(Path(names[0]), out, task, **how)
    else:
        annotate_with_ray(names, out, task, many, **how)


def annotate_with_ray(
    names: Sequence[str],
    out: str | None,
    task: Task,
    many: Many,
    *,
    base: str | None,
    quantize: str | None,
    into_index: bool,
    as_json: bool,
    settings: Settings,
) -> None:
    """Start a job with many workers, or go on with it, and tell what came of it.

    Raises:
        InputError: it cannot be done so.
        typer.Exit: 130 after Ctrl-C, 2 where files could not be opened.
    """
    from assistant.annotate import Job
    from assistant.annotate.places import is_address
    from assistant.annotate.ray_job import annotate_on_ray

    if len(names) != 1 or names[0] == "-":
        raise InputError("--ray is for one folder, or one address such as s3://bucket/photos.")
    if out is None:
        raise InputError(f"Say with --out DIR where the results of {names[0]} go.")
    elsewhere = is_address(names[0]) or is_address(out)
    if elsewhere and into_index:
        raise InputError("--index is for folders of this machine; leave it out.")
    with stops_gently() as stop, show_progress(plain=True) as report:
        done = annotate_on_ray(
            names[0],
            out,
            task,
            workers=many.workers,
            address=many.address,
            base=base,
            quantize=quantize,
            settings=settings,
            progress=report,
            cancelled=stop.is_set,
        )
        job = None if elsewhere else Job.open(Path(out))
        noted = note_in_index(job, settings, report) if job is not None and into_index else None
    if job is not None:
        conclude(job, done, noted, as_json=as_json)
    else:
        _conclude(out, task, done, as_json)


def _conclude(out: str, task: Task, done: RayReport, as_json: bool) -> None:
    """Tell of results that lie elsewhere."""
    from assistant.annotate.parquet import read_results

    counts = label_counts(read_results(out)) if task.kind == "label" else None
    if as_json:
        labels = {} if counts is None else {"labels": dict(counts.most_common())}
        typer.echo(json.dumps({"out": out, **done.to_dict(), **labels}))
    else:
        what = "Described" if counts is None else "Labelled"
        rate = f" ({done.rate:.3g} a second)" if done.rate else ""
        typer.echo(
            f"{what} {done.done:,} of {done.total:,} pictures in {done.seconds:.1f} s{rate}; "
            f"{done.kept:,} were done before, {done.aside:,} are set aside, {done.bad:,} could "
            "not be opened."
        )
        if counts is not None:
            tell_labels(counts)
        typer.echo(f"The results are in {one_line(out)}/parquet")
        for image, trouble in done.troubles:
            tell_trouble(image, trouble)
    if done.cancelled:
        typer.echo("Stopped; the same command goes on from here.", err=True)
        raise typer.Exit(130)
    if done.bad:
        raise typer.Exit(2)
