"""The `sightdesk` command: what it takes, what it prints and how it exits.

It knows nothing about models: a command opens its pictures, loads an engine and prints what the
engine says. Other packages add commands through the entry-point group `sightdesk.commands`; each
entry point is a function `register(app: typer.Typer) -> None`, as in the modules beside this one:

    answers.py     ask, describe
    bench.py       bench
    demo.py        demo
    knowledge.py   knowledge add, list, remove, search
    desk.py        desk
    folders.py     what label and describe do with a folder
    jobs.py        job list, show, export
    keys.py        keys create, list, revoke
    labels.py      label
    machine.py     fetch, doctor
    mcp.py         mcp
    page.py        chat
    pictures.py    index, find, duplicates
    progress.py    what a command shows on stderr while it works
    ray_jobs.py    --ray of label and describe: many machines
    serve.py       serve
    stopping.py    what Ctrl-C does to a command with pictures under way
    tickets.py     tickets list, show, reply, close, reopen, delete, deliver

Heavy imports stand inside the commands, so that `sightdesk --help` answers at once.

Exit codes: 0 done, 1 a bug, 2 something for the user to mend (one sentence on stderr),
130 interrupted.
"""

from __future__ import annotations

import io
import sys
from importlib.metadata import PackageNotFoundError, entry_points, version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from assistant.cli import (
    answers,
    bench,
    demo,
    desk,
    jobs,
    keys,
    knowledge,
    labels,
    machine,
    mcp,
    page,
    pictures,
    serve,
    tickets,
)
from assistant.errors import SightdeskError

COMMAND_GROUP = "sightdesk.commands"


class _Commands(TyperGroup):
    """The root group: ends with one sentence on stderr where a command raises a SightdeskError."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SightdeskError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(2) from error


app = typer.Typer(
    name="sightdesk",
    cls=_Commands,
    help="A support desk that can see: ask about photos, describe them, train it on your own.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def main() -> NoReturn:
    """Run the command line of this process, plug-ins included, and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that is not valid text, or a terminal without UTF-8, must not end the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        load_plugins(app)
        app(prog_name="sightdesk")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(0)


def load_plugins(root: typer.Typer) -> None:
    """Let every entry point of `sightdesk.commands` add its commands to `root`.

    A plug-in that cannot be loaded is left out, with one line on stderr.
    """
    for point in sorted(entry_points(group=COMMAND_GROUP), key=lambda point: point.name):
        try:
            point.load()(root)
        except Exception as error:  # foreign code: whatever it raises, the other commands work
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            typer.echo(f"The commands of {point.value} are left out ({reason}).", err=True)


def _show_version(wanted: bool) -> None:
    if not wanted:
        return
    try:
        typer.echo(f"sightdesk {version('sightdesk')}")
    except PackageNotFoundError:
        typer.echo("sightdesk, not installed")
    raise typer.Exit


@app.callback()
def _root(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


for _room in (
    answers,
    desk,
    demo,
    jobs,
    keys,
    knowledge,
    labels,
    mcp,
    page,
    pictures,
    serve,
    tickets,
    bench,
    machine,
):
    _room.register(app)
