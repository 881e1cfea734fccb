"""`sightdesk index`, `find` and `duplicates`: folders of pictures, found by what they show."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from assistant.cli.pictures_told import (
    exact,
    list_folders,
    row_of,
    shown_path,
    tell,
    told_bytes,
)
from assistant.cli.progress import DETAIL, Report, show_progress
from assistant.cli.stopping import stops_gently
from assistant.errors import InputError
from assistant.settings import get_settings

if TYPE_CHECKING:
    from assistant.image_index import Found, ImageIndex

_SHEETS = (".jpg", ".jpeg", ".png", ".webp")

JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(index)
    app.command()(find)
    app.command()(duplicates)


def index(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FOLDER]...", help="Of pictures; all that are indexed, where none is named."
        ),
    ] = None,
    rebuild: Annotated[
        bool,
        typer.Option("--rebuild", help="Read all anew; needed for another picture embedder."),
    ] = False,
    remove: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Forget it; the pictures stay.", show_default=False),
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="Show what is indexed.")] = False,
    follow_links: Annotated[
        bool, typer.Option("--follow-links", help="Also links that lead out of the folder.")
    ] = False,
    troubles: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write all troubles there, a JSON object each.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Index folders of pictures, to find them by words; again, it does only what changed.

    The pictures stay where they are, as they are. What is hidden is left alone. Ctrl-C ends after
    the pictures under way; the next run does the rest.
    """
    if ((list_them or remove) and (folders or rebuild)) or (list_them and remove):
        raise InputError("Either index folders, or --list or --remove some: do one at a time.")
    with _opened(plain=True) as (opened, report):
        if list_them:
            list_folders(opened, as_json)
            return
        if remove:
            for folder in remove:
                opened.remove(_real(folder))
                typer.echo(f"{shown_path(folder)}: forgotten; the pictures are still there.")
            return
        known = [each.path for each in opened.folders()]
        wanted = [*(folders or ()), *(known if rebuild or not folders else ())]
        if not wanted:
            raise InputError("No folder is indexed yet: name one, as in sightdesk index ~/Pictures")
        from assistant.image_index.adding import Adding

        with _writing(troubles) as listed, stops_gently() as stop:
            adding = Adding(
                opened,
                list({_real(folder): folder for folder in wanted}.values()),
                progress=_with_rate(report),
                cancelled=stop.is_set,
                follow_links=follow_links,
                anew=rebuild,
            )
            started = time.monotonic()
            adding.run()
            seconds = time.monotonic() - started
            for told in adding.reports:
                for trouble in told.indexed.troubles if listed is not None else ():
                    row = {"folder": os.fspath(told.folder), **exact(trouble)}
                    print(json.dumps(row), file=listed)
    tell(adding, seconds, as_json)
    if adding.stopped:
        raise typer.Exit(130)
    if any(told.error or told.indexed.troubles for told in adding.reports):
        raise typer.Exit(2)


def find(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="[WORDS]...", help="What they show.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="A picture that they are like.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    label: Annotated[
        list[str] | None, typer.Option(help="Only with this label.", show_default=False)
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Only in this folder.", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="DATE", help="Taken then or later: 2023, 2023-07, 2023-07-14."),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="DATE", help="Taken then or before.")] = None,
    min_side: Annotated[
        int | None, typer.Option(min=1, help="Pixels that each side has.", show_default=False)
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Of the likelihood.", show_default="measured"),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw what is found in a grid.", show_default=False),
    ] = None,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Only paths, as xargs -0 takes them.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Find pictures by words, by a picture, or by both: likelihood and path, the best first."""
    from assistant.image_index import Filter

    if sheet is not None and sheet.suffix.lower() not in _SHEETS:
        raise InputError(f"{shown_path(sheet)} is no name for a sheet; end it with .jpg or .png.")
    where = Filter(
        labels=tuple(label or ()),
        folder=_real(folder) if folder is not None else "",
        since=_date(since)[0] if since else None,
        until=_date(until)[1] if until else None,
        min_side=min_side,
    )
    said = " ".join(words or ())
    with _opened() as (opened, report):
        like = None
        if image is not None:
            from assistant.cli.answers import open_picture

            like = open_picture(image, get_settings())
        if opened.is_empty:
            raise InputError("No picture is indexed yet: index some with sightdesk index FOLDER")
        report("Loading the picture embedder", None)
        results = opened.search(said, image=like, where=where, limit=limit, threshold=threshold)
        found = () if results.nothing else results.likely
        if sheet is not None and found:
            report("Drawing the sheet", None)
            _draw(opened, found, sheet)
    if as_json:
        rows = [row_of(one.file, one) for one in found]
        typer.echo(json.dumps({"found": rows, "nothing": not found}))
        return
    for one in found:
        if null:
            sys.stdout.buffer.write(os.fsencode(one.file.location) + b"\0")
        else:
            typer.echo(f"{one.likelihood:.2f}  {shown_path(one.file.location)}")
    if not found:
        typer.echo("Nothing like it was found.", err=True)


def duplicates(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Only pictures of which one is there.", show_default=False),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Groups at most.")] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a group.")] = False,
) -> None:
    """Show pictures that are there several times: the same, resized or recompressed."""
    from assistant.image_index import Filter

    with _opened() as (opened, report):
        inside: set[tuple[str, str]] | None = None
        if folder is not None:
            here = opened.files(where=Filter(folder=_real(folder)))
            inside = {(file.folder, file.path) for file in here}
        groups = opened.near_duplicates(
            limit=limit if inside is None else 1_000_000, progress=report
        )
    if inside is not None:
        groups = [
            group for group in groups if any((file.folder, file.path) in inside for file in group)
        ][:limit]
    for place, group in enumerate(groups):
        if as_json:
            typer.echo(json.dumps({"files": [row_of(file) for file in group]}))
            continue
        if place:
            typer.echo()
        for file in group:
            size = f"{file.width}×{file.height}"
            typer.echo(f"{size:>11}  {told_bytes(file.size):>9}  {shown_path(file.location)}")
    if not groups and not as_json:
        typer.echo("No picture is there twice.", err=True)


# --- what is given


def _date(text: str) -> tuple[datetime, datetime]:
    """Beginning and end of a year, a month, a day or a moment, in local time."""
    for form, step in (("%Y", 366), ("%Y-%m", 31), ("%Y-%m-%d", 1)):
        try:
            begins = datetime.strptime(text.strip(), form)
        except ValueError:
            continue
        try:
            ends = begins + timedelta(days=step)
        except OverflowError:
            break
        # A month of 30 days, or a year of 365, ends where the next begins.
        if form == "%Y":
            ends = ends.replace(month=1, day=1)
        elif form == "%Y-%m":
            ends = ends.replace(day=1)
        return begins.astimezone(), ends.astimezone()
    try:
        moment = datetime.fromisoformat(text.strip())
        return moment.astimezone(), moment.astimezone()
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{text[:40]!r} is no date; write it as 2023, 2023-07 or 2023-07-14."
        ) from error


@contextmanager
def _writing(file: Path | None) -> Iterator[IO[str] | None]:
    """The file for the troubles, opened before the work, which would be long."""
    if file is None:
        yield None
        return
    try:
        opened = file.open("w", encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{shown_path(file)} cannot be written ({error.strerror}); name another file."
        ) from error
    with opened:
        yield opened


def _with_rate(report: Report) -> Report:
    """Adds how many files a second are done, where the message begins with how many there are."""
    begun: dict[str, float] = {}

    def told(message: str, fraction: float | None) -> None:
        number = re.search(r"\b\d[\d,]*", message)
        if fraction is not None and number:
            seconds = time.monotonic() - begun.setdefault(message, time.monotonic())
            if fraction and seconds:
                rate = fraction * int(number[0].replace(",", "")) / seconds
                message = f"{message}{DETAIL}{rate:,.0f} a second"
        report(message, fraction)

    return told


@contextmanager
def _opened(*, plain: bool = False) -> Iterator[tuple[ImageIndex, Report]]:
    from assistant.image_index import ImageIndex
    from assistant.store import Store

    with (
        show_progress(plain=plain) as report,
        Store.open(get_settings()) as store,
    ):
        yield ImageIndex.open(store=store, progress=report), report


def _real(folder: Path) -> Path:
    return Path(os.path.realpath(folder.expanduser()))


def _draw(opened: ImageIndex, found: Sequence[Found], to: Path) -> None:
    from assistant.image_index.sheet import contact_sheet

    try:
        contact_sheet(opened, found).save(to, quality=90)
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"{shown_path(to)} cannot be written ({reason}); name another file."
        ) from error
