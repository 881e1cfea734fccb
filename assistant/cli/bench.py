"""`sightdesk bench`: how fast it is here, beside plain transformers and llama.cpp."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from assistant.cli.answers import AdapterOption, BaseOption, QuantizeOption
from assistant.cli.progress import show_progress
from assistant.settings import get_settings

_ROUNDS = 5


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(bench)


def bench(
    base: BaseOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    photo: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The photo to ask about.", show_default="a banana"),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            min=1, max=1_000, metavar="N", help="Of all contenders.", show_default=str(_ROUNDS)
        ),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="Of encode, prefill, decode, answer, followup, together, roofline, start; "
            "several by commas.",
            show_default="all",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(metavar="WHO", help="Leave out transformers or llamacpp.", show_default=False),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="One round: figures without a spread.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Measure this engine, plain transformers and llama.cpp here, turn about.

    llama.cpp comes with pip install 'sightdesk[bench]'.
    """
    settings = get_settings()
    with show_progress(plain=True) as report:
        report("Getting ready", None)
        from assistant.bench.report import as_json as plain
        from assistant.bench.report import print_tables
        from assistant.bench.running import PHOTO, Options, run

        options = Options(
            base,
            adapter,
            quantize,
            photo or PHOTO,
            rounds or (1 if quick else _ROUNDS),
            _named(only),
            _named(without),
        )
        result = run(options, settings, report)
    if as_json:
        typer.echo(json.dumps(plain(result)))
        return
    print_tables(result)


def _named(given: list[str] | None) -> tuple[str, ...]:
    """What is named once, or several times, or by commas."""
    names = (name.strip() for text in given or () for name in text.split(","))
    return tuple(name for name in names if name)
