"""`sightdesk adapters evaluate`: what an adapter is worth, beside the base or another adapter.

Progress goes to stderr, findings to stdout: sentences and tables, or with ``--json`` one object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from assistant.settings import Quantize

if TYPE_CHECKING:
    from adapters.judge.figures import Figure, Judgement
    from adapters.judge.intervals import Interval
    from adapters.judge.report import Report
    from adapters.judge.run import Contender
    from adapters.judge.run import Report as Working
    from adapters.judge.tasks import Task
    from assistant.weights import Progress as Loading


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("evaluate")(evaluate_command)


def evaluate_command(
    adapter: Annotated[str, typer.Argument(help="Adapter name or directory.")],
    data: Annotated[
        list[Path], typer.Option("--data", help="Data set of any format; repeat for more.")
    ],
    against: Annotated[
        str | None,
        typer.Option(help="Adapter to compare with; by default the base that it is stacked on."),
    ] = None,
    alone: Annotated[bool, typer.Option("--alone", help="Compare with nothing.")] = False,
    forgetting: Annotated[
        Path | None,
        typer.Option(help="Data that it was not trained for, such as Flickr8k's dev captions."),
    ] = None,
    base: Annotated[
        str | None, typer.Option(help="`embedded`, a directory or a hub id; the adapter's own.")
    ] = None,
    quantize: Annotated[
        Quantize,
        typer.Option(help="How the model is kept in memory while it is measured."),
    ] = "none",
    limit: Annotated[
        int | None, typer.Option(min=1, help="A random sample of N rows of each data set.")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="Only rows of this split, where the data names splits.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the sample and of the intervals.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, max=1024, help="Rows a batch.")] = 16,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out and count rows that cannot be used.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Write a report with pictures here.")] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="Write the confusion matrix here, as .svg or .png.")
    ] = None,
    write_scores: Annotated[
        bool, typer.Option("--write-scores", help="Keep the scores in the adapter.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Judge an adapter: captions, answers, labels, and what it forgot, with 95 % intervals.

    What a data set is about is found from its rows: captions, questions or labels.
    """
    from adapters.judge.contenders import Loader, find_pair, ships
    from adapters.judge.contenders import write_scores as keep
    from adapters.judge.report import Report, Side, write_report
    from adapters.judge.run import judge
    from adapters.judge.tasks import read_tasks
    from adapters.judge.writing import check_place
    from assistant.errors import InputError
    from assistant.settings import get_settings

    settings = get_settings()
    if alone and against is not None:
        raise InputError("--alone and --against contradict each other; give one of them.")
    for place in (html, confusion):
        if place is not None:
            check_place(place)
    if confusion is not None and confusion.suffix.lower() not in (".svg", ".png"):
        raise InputError(f"{confusion} is neither .svg nor .png; name a file that is.")
    files, other_files, base_name = find_pair(adapter, against, base, settings)
    # The shipped adapter is its own base: unless asked to, it is compared with nothing.
    alone = alone or (against is None and base_name == "embedded" and ships(files))
    tasks: list[Task] = []
    for path, forgets in [
        *((one, False) for one in data),
        *((one, True) for one in _some(forgetting)),
    ]:
        tasks += read_tasks(
            path, limit=limit, seed=seed, skip_bad=skip_bad, split=split, forgetting=forgets
        )
    if confusion is not None and not any(task.kind == "labels" for task in tasks):
        raise InputError(f"There are no labels in the data to draw {confusion} of; leave it out.")
    with _progress() as (loading, working):
        loader = Loader(base_name, settings, quantize=quantize, progress=loading)
        own = loader.load(files)
        other = None if alone else loader.load(other_files)
        own, other = _told_apart(own, other)
        found = judge(
            tasks,
            own,
            other,
            batch_size=batch_size,
            seed=seed,
            skip_bad=skip_bad,
            report=working,
        )
    chosen = {"limit": limit, "split": split, "seed": seed, "quantize": quantize}
    report = Report(
        Side(own.name, own.facts),
        Side(other.name, other.facts) if other is not None else None,
        tuple(found),
        tuple((name, str(value)) for name, value in chosen.items() if value is not None),
    )
    if html is not None:
        write_report(report, html)
    if confusion is not None:
        _draw_confusion(report, confusion)
    if write_scores:
        keep(files, found)
    if as_json:
        typer.echo(json.dumps(report.as_json(), ensure_ascii=False))
    else:
        _show(report, html)


def _some(path: Path | None) -> list[Path]:
    return [] if path is None else [path]


def _told_apart(own: Contender, other: Contender | None) -> tuple[Contender, Contender | None]:
    """The two with names that differ, as those of two directories may not."""
    from dataclasses import replace

    if other is not None and other.name == own.name:
        other = replace(other, name=f"{other.name} (2)")
    return own, other


def _draw_confusion(report: Report, path: Path) -> None:
    from adapters.judge.pictures import draw_confusion
    from adapters.judge.writing import write_whole

    details = next(one.labels for one in report.judgements if one.labels is not None)
    kind: Literal["svg", "png"] = "svg" if path.suffix.lower() == ".svg" else "png"
    write_whole(path, draw_confusion(details.confusion, kind))


@contextmanager
def _progress() -> Iterator[tuple[Loading, Working]]:
    """Report loading, and asking with the time that is left, on stderr."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    display = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with display:
        task = display.add_task("Loading the model", total=None)
        shown = ""

        def loading(message: str, fraction: float | None) -> None:
            if fraction is None:
                display.update(task, description=message, total=None)
            else:
                display.update(task, description=message, completed=100 * fraction, total=100)

        def working(what: str, done: int, total: int) -> None:
            nonlocal shown
            if what != shown or done == 0:
                display.reset(task, description=f"Asking about {what}", total=total)
                shown = what
            display.update(task, completed=done, total=total)

        yield loading, working


def _show(report: Report, html: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    for judgement, finding in zip(report.judgements, report.sentences(), strict=True):
        heading = "Forgetting: " if judgement.forgetting else ""
        console.print(Text(f"{heading}{finding}", style="bold"))
        for note in judgement.notes:
            console.print(Text(note, style="dim"))
        for reason, count in judgement.left_out.items():
            console.print(Text(f"{count:,} rows left out that {reason}.", style="dim"))
        table = Table(title=Text(f"{judgement.data}, {judgement.kind}"))
        compared = any(figure.difference is not None for figure in judgement.figures)
        table.add_column("score")
        for name in (side.name for side in (report.sides if compared else report.sides[:1])):
            table.add_column(Text(name), justify="right")
        if compared:
            table.add_column("difference", justify="right")
        for figure in judgement.figures:
            cells = [_cell(figure, figure.own)]
            if compared:
                cells += [_cell(figure, figure.other), _cell(figure, figure.difference, "+")]
            table.add_row(figure.title, *cells)
        console.print(table)
        _show_confusions(console, judgement)
    if html is not None:
        console.print(Text(f"The report is in {html}."))


def _show_confusions(console: object, judgement: Judgement) -> None:
    from rich.console import Console
    from rich.text import Text

    assert isinstance(console, Console)
    if judgement.labels is None:
        return
    worst = judgement.labels.confusion.worst(5)
    if worst:
        told = ", ".join(f"{truth} taken for {answer} ×{count}" for truth, answer, count in worst)
        console.print(Text(f"Confused most: {told}."))


def _cell(figure: Figure, part: Interval | None, sign: str = "") -> str:
    if part is None:
        return "-"
    digits = 1 if figure.percent else 3
    numbers = (figure.scale * number for number in (part.value, part.low, part.high))
    value, low, high = (f"{number:{sign}.{digits}f}" for number in numbers)
    return f"{value} ({low}{' to ' if sign else '–'}{high})"
