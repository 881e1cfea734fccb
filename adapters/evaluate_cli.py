"""`sightdesk evaluate captions|vqa|labels|retrieval`: the command line over `adapters.evaluate`.

Progress goes to stderr, results to stdout: a table, or with ``--json`` one JSON object.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from adapters.bars import counting_bar
from assistant.settings import Quantize

if TYPE_CHECKING:
    from adapters.evaluate import Options, Results
    from assistant.engine import Engine

evaluate_app = typer.Typer(
    name="evaluate",
    help="Measure a model and its adapter on a data file (one JSON object a line).",
    no_args_is_help=True,
)

Data = Annotated[
    Path, typer.Option("--data", help="JSON lines; image paths are relative to the file.")
]
Adapter = Annotated[str | None, typer.Option(help="Adapter name or directory.")]
Base = Annotated[str | None, typer.Option(help="`embedded`, a directory or a hub id.")]
# Scores are of the model as it was trained, whatever is fastest on this machine.
QuantizeOption = Annotated[
    Quantize,
    typer.Option(help="How the model is kept in memory while it is measured."),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Evaluate a random sample of N rows.")]
Seed = Annotated[int, typer.Option(help="Seed of the sample and of sampled decoding.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Rows a batch.")]
Predictions = Annotated[
    Path | None, typer.Option(help="Write what the model says here, one JSON object a row.")
]
SkipBad = Annotated[bool, typer.Option("--skip-bad", help="Skip and count unusable images.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@evaluate_app.command("captions")
def captions(
    data: Data,
    adapter: Adapter = None,
    base: Base = None,
    quantize: QuantizeOption = "none",
    limit: Limit = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    predictions: Predictions = None,
    detail: Annotated[
        Literal["short", "sentence", "detailed"], typer.Option(help="How much to say.")
    ] = "sentence",
    mode: Annotated[
        Literal["greedy", "beam", "sample", "rerank"], typer.Option(help="How to decode.")
    ] = "greedy",
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """BLEU-1..4, ROUGE-L and CIDEr on rows {"image", "references": [...]}."""
    from adapters.evaluate import Options, check_data, evaluate_captions

    options = Options(limit, seed, batch_size, predictions, skip_bad)
    check_data("captions", data, options)
    with _session(base, adapter, quantize, options) as (engine, options):
        results = evaluate_captions(engine, data, options, detail=detail, mode=mode)
    _show("captions", results, as_json)


@evaluate_app.command("vqa")
def vqa(
    data: Data,
    adapter: Adapter = None,
    base: Base = None,
    quantize: QuantizeOption = "none",
    limit: Limit = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    predictions: Predictions = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Accuracy (overall, yes/no, open) and use of "I can't tell from this picture".

    On rows {"image", "question", "answer"}.
    """
    from adapters.evaluate import Options, check_data, evaluate_vqa

    options = Options(limit, seed, batch_size, predictions, skip_bad)
    check_data("vqa", data, options)
    with _session(base, adapter, quantize, options) as (engine, options):
        results = evaluate_vqa(engine, data, options)
    _show("vqa", results, as_json)


@evaluate_app.command("labels")
def labels(
    data: Data,
    adapter: Adapter = None,
    base: Base = None,
    quantize: QuantizeOption = "none",
    limit: Limit = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    predictions: Predictions = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Accuracy (fine, coarse) on rows {"image", "label", "coarse_label"}."""
    from adapters.evaluate import Options, check_data, evaluate_labels

    options = Options(limit, seed, batch_size, predictions, skip_bad)
    check_data("labels", data, options)
    with _session(base, adapter, quantize, options) as (engine, options):
        results = evaluate_labels(engine, data, options, known_labels=engine.labels)
    _show("labels", results, as_json)


@evaluate_app.command("retrieval")
def retrieval(
    data: Data,
    embedder: Annotated[
        str | None,
        typer.Option(
            help="Directory or hub id of a CLIP-like model; by default the one that ships."
        ),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    batch_size: BatchSize = 16,
    predictions: Annotated[
        Path | None, typer.Option(help="Write the ten best here, one JSON object a query.")
    ] = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
) -> None:
    """Recall at 1, 5 and 10 of captions and pictures that look for each other.

    On rows {"image", "references": [...]}.
    """
    from adapters.evaluate import Options
    from adapters.retrieval.judging import check_retrieval, evaluate_retrieval
    from assistant.space import picture_embedder

    options = Options(limit, seed, batch_size, predictions, skip_bad)
    check_retrieval(data, options)
    chosen = picture_embedder(embedder)
    display = counting_bar()
    with display:
        task = display.add_task("Loading the model", total=None)

        def evaluating(done: int, total: int) -> None:
            display.update(task, description="Searching", completed=done, total=total)

        results = evaluate_retrieval(chosen, data, replace(options, progress=evaluating))
    _show("retrieval", results, as_json)


@contextmanager
def _session(
    base: str | None, adapter: str | None, quantize: str, options: Options
) -> Iterator[tuple[Engine, Options]]:
    """Load the engine and report its progress, and that of the evaluation, on stderr."""
    display = counting_bar()
    with display:
        task = display.add_task("Loading the model", total=None)

        def loading(message: str, fraction: float | None) -> None:
            if fraction is None:
                display.update(task, description=message)
            else:
                display.update(task, description=message, completed=100 * fraction, total=100)

        def evaluating(done: int, total: int) -> None:
            display.update(task, description="Evaluating", completed=done, total=total)

        from assistant.engine import Engine

        engine = Engine.load(base, adapter, quantize=quantize, progress=loading)
        display.reset(task, description="Evaluating")
        yield engine, replace(options, progress=evaluating)


def _show(title: str, results: Results, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(results))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, show_header=False)
    for name, value in results.items():
        shown = f"{value:.4f}" if isinstance(value, float) else str(value)
        if name == "seconds":
            shown = f"{value:.1f}"
        table.add_row(name, "-" if value is None else shown)
    Console().print(table)
