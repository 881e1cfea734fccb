"""`sightdesk desk`: a question to the support agent, with photos, in a thread it remembers."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from assistant.cli.answers import (
    AdapterOption,
    BaseOption,
    QuantizeOption,
    load_engine,
    open_picture,
)
from assistant.cli.progress import Report, show_progress
from assistant.errors import InputError
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from assistant.agent import Agent, Event, Reply
    from assistant.engine import Engine
    from assistant.store import Store


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command("desk")(ask_desk)


def ask_desk(
    question: Annotated[str, typer.Argument(metavar="QUESTION")],
    images: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="IMAGE", help="A photo, as often as needed; - is stdin."),
    ] = None,
    thread: Annotated[
        str | None,
        typer.Option(help="Go on with a conversation; a new one by default.", show_default=False),
    ] = None,
    base: BaseOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Ask the support agent: it looks, looks up, cites, or calls a person."""
    settings = get_settings()
    pictures = [open_picture(source, settings) for source in images or []]
    name = thread or uuid4().hex
    with show_progress(plain=not as_json) as report:
        report("Opening the desk", None)
        from assistant.store import Store

        with Store.open(settings) as store:
            ids = [
                store.put_image(picture, name=Path(source).name.strip("-") or "photo").id
                for picture, source in zip(pictures, images or [], strict=True)
            ]
            with opened(store, settings, base, adapter, quantize, report) as agent:
                events = agent.ask(name, question, ids)
                reply = _shown(events, quiet=as_json, report=report)
    if as_json:
        typer.echo(json.dumps({"thread": name, **reply.to_dict()}, ensure_ascii=False))
        return
    for number, source in enumerate(reply.citations, 1):
        origin = f" ({source.origin})" if source.origin else ""
        typer.echo(_printable(f"  [{number}] {source.title}{origin}"))
    if thread is None:
        typer.echo(f"Go on with: --thread {name}", err=True)


def opened(
    store: Store,
    settings: Settings,
    base: str | None,
    adapter: str | None,
    quantize: str | None,
    report: Report,
) -> Agent:
    """The agent of this machine's desk; its engine is loaded when a tool or the model needs it."""
    from assistant.agent import Agent
    from assistant.knowledge import Knowledge
    from assistant.tools import Desk

    if base is not None:
        settings = settings.model_copy(update={"base": base})  # it may drive the agent too

    @cache
    def engine() -> Engine:
        return load_engine(base, None, quantize, settings, report)

    knowledge = Knowledge.open(settings, store=store)
    desk = Desk(engine=engine, store=store, knowledge=knowledge, settings=settings, adapter=adapter)
    return Agent.open(desk)


def _shown(events: Iterator[Event], *, quiet: bool, report: Report) -> Reply:
    """Write what is said as it comes; the reply."""
    from assistant.agent import Done, Sentence, ToolStarted, Words

    reply, written = None, False
    for event in events:
        if isinstance(event, ToolStarted):
            if written and not quiet:
                typer.echo()  # what was said of a picture was on the way to the answer
            written = False
            report(f"{event.name} …", None)
        elif isinstance(event, Words | Sentence) and not quiet:
            gap = " " if written and isinstance(event, Sentence) else ""
            typer.echo(gap + _printable(event.text, lines=True), nl=False)
            sys.stdout.flush()
            written = True
        elif isinstance(event, Done):
            reply = event.reply
    if written:
        typer.echo()
    if reply is None:
        raise InputError("The agent gave no answer; ask again.")
    return reply


def _printable(text: str, *, lines: bool = False) -> str:
    """Text that others wrote without what a terminal would obey."""
    return "".join(
        letter if letter.isprintable() or (lines and letter in " \n") else " " for letter in text
    )
