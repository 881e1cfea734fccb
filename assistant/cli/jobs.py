"""`sightdesk job`: the labelled and described folders of this machine, and what to make of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from assistant.cli.folders import one_line, tell_labels, tell_trouble
from assistant.cli.progress import show_progress

# As in assistant.annotate.formats, whose imports would slow `--help`; a test compares them.
Format = Literal["jsonl", "csv", "coco", "imagefolder", "xmp", "xmp-short", "iptc"]

JobArgument = Annotated[
    str, typer.Argument(metavar="JOB", help="Its directory, or its id in `sightdesk job list`.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]

group = typer.Typer(help="Folders that were labelled or described.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(group, name="job")


@group.command("list")
def list_jobs(as_json: JsonOption = False) -> None:
    """List the jobs that were started here, the newest first."""
    from assistant.annotate import known_jobs

    for job in known_jobs():
        counts = Counter[str](row.status for row in job.annotations())
        if as_json:
            row: dict[str, Any] = {"id": job.id, "kind": job.kind, "created": job.created}
            row |= {"folder": str(job.folder), "path": str(job.path), **_counted(counts)}
            typer.echo(json.dumps(row))
            continue
        said = "labelled" if job.kind == "label" else "described"
        done = f"{counts['ok'] + counts['aside']:,} {said}"
        aside = f", {counts['aside']:,} set aside" if counts["aside"] else ""
        where = f"{one_line(str(job.folder))} → {one_line(str(job.path))}"
        typer.echo(f"{job.id}  {job.created[:10]}  {where}: {done}{aside}")


@group.command("show")
def show_job(
    job: JobArgument,
    aside: Annotated[
        bool, typer.Option("--aside", help="List what is set aside for a person.")
    ] = False,
    bad: Annotated[
        bool, typer.Option("--bad", help="List the files that could not be opened.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show how far a job is and what it found; with --json and a list, one object a picture."""
    from assistant.annotate import find_job

    found = find_job(job)
    wanted = {status for status, given in (("aside", aside), ("bad", bad)) if given}
    if wanted:
        for row in found.annotations():
            if row.status not in wanted:
                continue
            if as_json:
                typer.echo(json.dumps(row.to_dict()))
            elif row.status == "bad":
                tell_trouble(row.image, row.trouble or "")
            else:
                said = row.caption or f"perhaps {row.guess}"
                typer.echo(
                    f"{one_line(row.image)}: {one_line(said)} ({one_line(row.trouble or '')})"
                )
        return
    statuses: Counter[str] = Counter()
    labels: Counter[str] = Counter()
    for row in found.annotations():
        statuses[row.status] += 1
        labels.update([row.label] if row.label is not None else [])
    made_by = found.made_by
    if as_json:
        shown: dict[str, Any] = {"id": found.id, "path": str(found.path), "kind": found.kind}
        shown |= {"folder": str(found.folder), "created": found.created}
        shown |= {"task": found.task.to_dict(), "model": made_by.model if made_by else None}
        shown |= {"adapter": made_by.adapter if made_by else None, **_counted(statuses)}
        typer.echo(json.dumps(shown | {"labels": dict(labels.most_common())}))
        return
    typer.echo(f"{found.id}: to {found.kind} {one_line(str(found.folder))}")
    for status, said in _SAID.items():
        if statuses[status]:
            typer.echo(f"{statuses[status]:,} {said}")
    tell_labels(labels)


@group.command("export")
def export_job(
    job: JobArgument,
    format: Annotated[Format, typer.Option("--format", help="What other programs read.")],
    to: Annotated[Path, typer.Option("--to", metavar="PATH", help="A new file, or a folder.")],
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is set aside, with the likeliest label.")
    ] = False,
    link: Annotated[
        bool, typer.Option("--link", help="imagefolder: second names instead of copies.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write what a job found; IPTC goes into copies, and no picture is ever changed.

    What a person decided in the review counts in place of what the model said; what was rejected
    is left out.
    """
    from assistant.annotate import find_job, write_as

    with show_progress() as report:
        written = write_as(
            find_job(job), format, to, aside=everything, link=link, force=force, progress=report
        )
    if as_json:
        left = [{"image": image, "trouble": trouble} for image, trouble in written.left_out]
        row = {"format": format, "path": str(to), "pictures": written.count, "left_out": left}
        typer.echo(json.dumps(row))
    else:
        typer.echo(f"Wrote {written.count:,} pictures to {one_line(str(to))}")
        for image, trouble in written.left_out:
            tell_trouble(image, trouble)
    if written.left_out:
        raise typer.Exit(2)


_SAID = {
    "ok": "done",
    "aside": "set aside for a person",
    "bad": "could not be opened",
}


def _counted(counts: Mapping[str, int]) -> dict[str, int]:
    return {status: counts.get(status, 0) for status in _SAID}
