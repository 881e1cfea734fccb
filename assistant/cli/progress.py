"""What a command shows on stderr while it works: a bar at a terminal, else lines or nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

Report = Callable[[str, float | None], None]
"""Takes a message and the fraction that is done, 0 to 1, or None where that is not known.

What follows `DETAIL` in a message is how it stands: it may change without a new bar.
"""

DETAIL = " · "

_SECONDS = 10.0  # between two lines of one work, where there is no bar


@contextmanager
def show_progress(*, plain: bool = False) -> Iterator[Report]:
    """Show what takes long: at a terminal a bar, which disappears when the work is done.

    Args:
        plain: where stderr is no terminal, write each new message as a line instead of nothing,
            and every ten seconds one that says how it stands.
    """
    shown = ""
    if not sys.stderr.isatty():
        written = time.monotonic()

        def write_line(message: str, fraction: float | None) -> None:
            nonlocal shown, written
            name, _, detail = message.partition(DETAIL)
            late = time.monotonic() > written + _SECONDS and (detail or fraction is not None)
            if plain and (name != shown or late):
                part = "" if fraction is None else f" {fraction:.0%}"
                typer.echo(f"{message}{part}" if late else message, err=True)
                written = time.monotonic()
            shown = name

        yield write_line
        return

    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("left:", style="dim"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:

        def draw(message: str, fraction: float | None) -> None:
            nonlocal shown
            name = message.partition(DETAIL)[0]
            if name != shown:
                for task in bars.task_ids:
                    bars.remove_task(task)
                bars.add_task(message, total=None)
                shown = name
            elif name != message:
                bars.update(bars.task_ids[-1], description=message)
            if fraction is not None:
                bars.update(bars.task_ids[-1], total=1.0, completed=fraction)

        yield draw
