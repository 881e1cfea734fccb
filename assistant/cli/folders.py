"""What `sightdesk label` and `describe` do with a folder: a job that goes on where it stopped."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import typer

from assistant.cli.progress import Report as Told
from assistant.cli.progress import show_progress
from assistant.cli.stopping import stops_gently
from assistant.errors import InputError
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.annotate import Annotation, Job, Report, Task

_LABELS_TOLD = 20
_NOTES = 1_000


class How(TypedDict):
    """What the commands were told beside the folder and the task."""

    base: str | None
    quantize: str | None
    into_index: bool
    as_json: bool
    settings: Settings


def is_folder(names: Sequence[str]) -> bool:
    """Whether a command was given a folder, which then is all that it was given.

    Raises:
        InputError: it was given more beside it.
    """
    folders = [name for name in names if name != "-" and Path(name).is_dir()]
    if folders and len(names) > 1:
        raise InputError(
            f"{folders[0]} is a folder: give one folder alone, with --out, or give pictures."
        )
    return bool(folders)


def check_pictures_only(out: str | None, into_index: bool) -> None:
    """Whether nothing was given that only goes with a folder.

    Raises:
        InputError: something was.
    """
    if out is not None or into_index:
        name = "--out" if out is not None else "--index"
        raise InputError(f"{name} is for a folder: give one, or leave {name} out.")


def annotate_folder(
    folder: Path,
    out: str | None,
    task: Task,
    *,
    base: str | None,
    quantize: str | None,
    into_index: bool,
    as_json: bool,
    settings: Settings,
) -> None:
    """Start a job, or go on with it, and tell what came of it.

    Raises:
        InputError: no directory for it is given, or the job cannot be done so.
        typer.Exit: 130 after Ctrl-C, 2 where files could not be opened.
    """
    if out is None:
        raise InputError(f"{folder} is a folder: say with --out DIR where its results go.")
    from assistant.annotate import Job, engine_for

    job = Job.start(
        folder, Path(out), task, made_with={"base": base or settings.base, "quantize": quantize},
        settings=settings,
    )  # fmt: skip
    with stops_gently() as stop, show_progress(plain=True) as report:
        done = job.run(
            lambda: engine_for(
                task, base=base, quantize=quantize, settings=settings, progress=report
            ),
            progress=report,
            cancelled=stop.is_set,
            settings=settings,
        )
        noted = note_in_index(job, settings, report) if into_index else None
    conclude(job, done, noted, as_json=as_json)


def conclude(job: Job, done: Report, noted: int | None, *, as_json: bool) -> None:
    """Tell what came of a run, and end as it did.

    Args:
        noted: pictures that the image index was told of; None where it was not asked to be.

    Raises:
        typer.Exit: as for `annotate_folder`.
    """
    if as_json:
        counts = label_counts(job.annotations())
        row: dict[str, Any] = {"job": job.id, "out": str(job.path), **done.to_dict()}
        row |= {"labels": dict(counts.most_common())} if job.kind == "label" else {}
        typer.echo(json.dumps(row | ({} if noted is None else {"noted": noted})))
    else:
        _tell(job, done, noted)
    if done.cancelled:
        raise typer.Exit(130)
    if done.bad:
        raise typer.Exit(2)


def note_in_index(job: Job, settings: Settings, told: Told) -> int:
    """Let searches know what was found; how many pictures of it are indexed."""
    from assistant.annotate.formats.rows import final_rows
    from assistant.image_index import ImageIndex, Note
    from assistant.store import Store

    told("Noting what was found in the image index", None)
    noted = 0
    with Store.open(settings) as store:
        index = ImageIndex.open(store=store, progress=told)
        found = final_rows(job)
        while rows := list(islice(found, _NOTES)):
            notes = {
                row.annotation.image_id: Note(
                    row.label or "", row.coarse_label or "", row.caption or ""
                )
                for row in rows
            }
            noted += index.annotate(notes)
    return noted


# --- telling


def label_counts(rows: Iterable[Annotation]) -> Counter[str]:
    """How many pictures have each label."""
    return Counter(row.label for row in rows if row.label is not None)


def _tell(job: Job, done: Report, noted: int | None) -> None:
    what = "Labelled" if job.kind == "label" else "Described"
    rate = f" ({done.done / done.seconds:.3g} a second)" if done.done and done.seconds else ""
    typer.echo(f"{what} {done.done:,} of {done.total:,} pictures in {done.seconds:.1f} s{rate}.")
    others = (
        (done.same, "with the same pixels as another one"),
        (done.kept, "done before"),
        (
            done.aside,
            f"set aside for a person; see them with sightdesk job show {job.path} --aside",
        ),
        (done.bad, "that could not be opened"),
    )
    for count, said in others:
        if count:
            typer.echo(f"{count:,} {said}.")
    if job.kind == "label":
        tell_labels(label_counts(job.annotations()))
    if noted is not None:
        typer.echo(f"{noted:,} pictures of it are indexed and can be found by this.")
    typer.echo(f"The results are in {one_line(str(job.results))}")
    for image, trouble in done.troubles:
        tell_trouble(image, trouble)
    if done.bad > len(done.troubles):
        more = done.bad - len(done.troubles)
        typer.echo(f"… and {more:,} more; see sightdesk job show {job.id} --bad", err=True)
    if done.cancelled:
        typer.echo("Stopped; the same command goes on from here.", err=True)


def tell_labels(counts: Counter[str]) -> None:
    """The labels with how many pictures have each, the most frequent first."""
    if not counts:
        return
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    shown = [(one_line(label), f"{count:,}") for label, count in ranked[:_LABELS_TOLD]]
    width = max(len(label) for label, _ in shown)
    typer.echo("")
    for label, count in shown:
        typer.echo(f"  {label:<{width}}  {count:>9}")
    if len(ranked) > len(shown):
        rest = ranked[len(shown) :]
        pictures = sum(count for _, count in rest)
        typer.echo(f"  … and {len(rest):,} more labels, {pictures:,} pictures")
    typer.echo("")


def tell_trouble(image: str, trouble: str) -> None:
    """One bad file on stderr; most sentences begin with its name already."""
    name = one_line(image)
    typer.echo(trouble if trouble.startswith(name) else f"{name}: {trouble}", err=True)


def one_line(text: str) -> str:
    """Text without what could steer a terminal."""
    from assistant.image_index.names import shown, stored

    return shown(stored(text))
