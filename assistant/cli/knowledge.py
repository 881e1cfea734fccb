"""`sightdesk knowledge`: what the desk knows: add documents, list, remove and search them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.progress import Report, show_progress
from assistant.errors import SightdeskError
from assistant.settings import get_settings

if TYPE_CHECKING:
    from assistant.images import LoadedImage
    from assistant.knowledge import Added, Knowledge

_SHOWN = 300  # characters of a passage that `search` prints

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object a line.")]

group = typer.Typer(no_args_is_help=True, help="Documents that answers rest on.")


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.add_typer(group, name="knowledge")


@group.command()
def add(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="PATH...",
            help="Markdown, text, HTML, PDF, DOCX, CSV or JSON lines; or folders of them.",
        ),
    ],
    scans: Annotated[
        bool, typer.Option(help="Read pages of a PDF that are pictures; seconds a page.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Add files, or folders of files; what did not change is left alone."""
    failed = False
    with _opened() as (knowledge, report):
        for path in paths:
            try:
                added = knowledge.add(
                    path, progress=report, read_text=_read_text if scans else None
                )
            except SightdeskError as error:
                typer.echo(str(error), err=True)
                failed = True
                continue
            for trouble in added.troubles:
                typer.echo(trouble, err=True)
            failed |= bool(added.troubles)
            typer.echo(
                json.dumps({"path": str(path), **asdict(added)})
                if as_json
                else f"{path}: {_said(added)}"
            )
    if failed:
        raise typer.Exit(2)


@group.command("list")
def list_documents(as_json: JsonOption = False) -> None:
    """List the documents."""
    with _opened() as (knowledge, _):
        documents = knowledge.documents()
    for each in documents:
        if as_json:
            times = {"created": each.created.isoformat(), "updated": each.updated.isoformat()}
            typer.echo(json.dumps(asdict(each) | times))
        else:
            typer.echo(
                f"{each.name}  {each.kind}, {_count(each.passages, 'passage')}, "
                f"{each.updated.astimezone():%Y-%m-%d %H:%M}"
            )
    if not documents and not as_json:
        typer.echo("The knowledge base is empty: add to it with sightdesk knowledge add.", err=True)


@group.command()
def remove(
    names: Annotated[
        list[str], typer.Argument(metavar="NAME...", help="As `sightdesk knowledge list` says.")
    ],
) -> None:
    """Remove documents, with their passages and the pictures that nothing else shows."""
    with _opened() as (knowledge, _):
        for name in names:
            knowledge.remove(name)
            typer.echo(f"{name}: removed.")


@group.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="A question, or words.")],
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many at most.")] = 4,
    label: Annotated[
        str | None,
        typer.Option(help="Only what is about the product of this label.", show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show the passages that a question is about, best first."""
    with _opened() as (knowledge, report):
        report("Loading the embedder", None)
        hits = knowledge.search(" ".join(words), limit=limit, label=label)
    for hit in hits:
        if as_json:
            typer.echo(json.dumps(asdict(hit.passage) | {"score": round(hit.score, 4)}))
            continue
        said = " ".join(hit.passage.text.split())
        where = ", ".join(filter(None, (hit.passage.document, hit.passage.place)))
        typer.echo(f"{hit.score:.2f}  {hit.passage.title}  ({where})")
        typer.echo(f"      {said if len(said) <= _SHOWN else said[: _SHOWN - 1] + '…'}")
    if not hits and not as_json:
        typer.echo("Nothing was found: ask otherwise, or add documents.", err=True)


@contextmanager
def _opened() -> Iterator[tuple[Knowledge, Report]]:
    from assistant.knowledge import Knowledge
    from assistant.store import Store

    with (
        show_progress() as report,
        Store.open(get_settings()) as store,
    ):
        yield Knowledge.open(store=store, progress=report), report


def _read_text(image: LoadedImage) -> str:
    """The text of a scanned page; the reader is loaded for the first one."""
    from assistant.ocr import read

    return read(image).text


def _said(added: Added) -> str:
    parts = [
        f"{_count(added.documents, 'document')} added or changed "
        f"({_count(added.passages, 'passage')})"
    ]
    if added.unchanged:
        parts.append(f"{added.unchanged:,} unchanged")
    if added.removed:
        parts.append(f"{added.removed:,} removed")
    return ", ".join(parts) + "."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
