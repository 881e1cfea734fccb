"""`sightdesk adapters validate`: what is wrong with a data set, before a training is spent on it.

Progress goes to stderr, findings to stdout. The exit code is 0 where there are warnings at most, 1
where there are errors, and 2 where nothing of the data can be used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from adapters.data.pictures import Progress
    from adapters.data.validate import Report


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("validate")(validate_command)


def validate_command(
    data: Annotated[
        Path,
        typer.Argument(help="A data file, a folder of classes, or `chat` for what was judged."),
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another set that must share no picture with it; repeat for more."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="jsonl, llava, messages, csv, folders or chat; found by content."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the findings and small pictures here.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Findings of each kind to print.")] = 5,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Open every picture and check every row of a data set; exit with 1 where there are errors."""
    from adapters.data.formats import read_dataset
    from adapters.data.report import write_report
    from adapters.data.validate import validate
    from adapters.judge.writing import check_place

    if html is not None:
        check_place(html)
    with _progress() as progress:
        dataset = read_dataset(data, format=format)
        others = [read_dataset(other) for other in against or ()]
        report = validate(dataset, others=others, progress=progress)
    if html is not None:
        write_report(report, html)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        _show(report, limit)
        if html is not None:
            typer.echo(f"The report is in {html}.")
    if not report.usable:
        raise typer.Exit(2)
    if report.errors:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr with the time left, which goes away when all pictures were opened."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # In a log, where nothing can be drawn over, it would be many lines.
    quiet = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        task = bar.add_task("Reading rows", total=None)

        def update(done: int, total: int) -> None:
            bar.update(task, description="Opening pictures", completed=done, total=total)

        yield update


def _show(report: Report, limit: int) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from adapters.data.kinds import title
    from adapters.data.notes import shown
    from adapters.data.report import verdict

    console = Console(highlight=False)
    table = Table(title=Text(shown(report.dataset.name)), show_header=False, title_justify="left")
    table.add_column()
    table.add_column(justify="right")
    table.add_row("format", report.dataset.format)
    for name, number in (
        ("rows", report.rows),
        ("usable rows", report.usable),
        ("different pictures", report.pictures),
        ("classes", len(report.classes)),
        *((f"split {shown(name, 30)}", rows) for name, rows in report.splits.items()),
        ("errors", report.errors),
        ("warnings", report.warnings),
    ):
        table.add_row(Text(name), f"{number:,}")
    console.print(table)
    for kind, found in report.by_kind().items():
        severity = found[0].severity
        style = "red" if severity == "error" else "yellow"
        plural = "" if len(found) == 1 else "s"
        console.print(
            Text.assemble(
                "\n", (title(kind), "bold"), " ", (f"{len(found):,} {severity}{plural}", style)
            )
        )
        for finding in found[:limit]:
            said = Text.assemble(
                (shown(finding.where, 300), "dim"), "  ", shown(finding.message, 600)
            )
            console.print(Padding(said, (0, 0, 0, 2)))
        if len(found) > limit:
            console.print(f"  and {len(found) - limit:,} more", style="dim")
    _show_classes(console, report)
    console.print()
    console.print(Text(verdict(report)))


def _show_classes(console: Console, report: Report) -> None:
    """The largest and the smallest classes, with bars."""
    from rich.bar import Bar
    from rich.table import Table
    from rich.text import Text

    from adapters.data.notes import shown

    if len(report.classes) < 2:
        return
    table = Table(title="\nClass balance", show_header=False, title_justify="left", box=None)
    most = max(report.classes.values())
    ordered = list(report.classes.items())
    ends = ordered if len(ordered) <= 10 else [*ordered[:5], None, *ordered[-5:]]
    for one in ends:
        if one is None:
            table.add_row(f"… {len(ordered) - 10:,} more")
        else:
            label, rows = one
            table.add_row(Text(shown(label, 40)), f"{rows:,}", Bar(most, 0, rows, width=30))
    console.print(table)
