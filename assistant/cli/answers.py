"""`sightdesk ask` and `sightdesk describe`: pictures in, text or JSON out."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assistant.cli.progress import Report, show_progress
from assistant.errors import ImageError, InputError
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.engine import Answer, Engine
    from assistant.images import LoadedImage

DESCRIBE_BATCH = 8
"""Pictures that are open at a time: the largest allowed takes 150 MB as pixels."""

BaseOption = Annotated[
    str | None,
    typer.Option("--base", help="embedded, a directory or a hub id.", show_default=False),
]
AdapterOption = Annotated[
    str | None,
    typer.Option("--adapter", help="Name or directory of an adapter.", show_default=False),
]
SeedOption = Annotated[
    int | None, typer.Option(help="Makes sampling repeatable.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    app.command()(ask)
    app.command()(describe)


def ask(
    image: Annotated[
        str, typer.Argument(metavar="IMAGE", help="A picture; - reads it from standard input.")
    ],
    question: Annotated[str, typer.Argument(metavar="QUESTION")],
    more: Annotated[
        list[str] | None,
        typer.Option("--image", metavar="IMAGE", help="One more picture, as often as needed."),
    ] = None,
    base: BaseOption = None,
    adapter: AdapterOption = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 96,
    temperature: Annotated[float, typer.Option(min=0, max=5, help="0 decodes greedily.")] = 0.0,
    top_p: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of probability to sample from.")
    ] = 1.0,
    seed: SeedOption = None,
    beams: Annotated[int, typer.Option(min=1, max=16, help="Width of beam search.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Answer a question about a picture, word by word."""
    settings = get_settings()
    question = _checked_question(question, settings)
    sources = [image, *(more or [])]
    pictures = [_open(source, settings) for source in sources]
    with show_progress() as report:
        engine = _load_engine(base, adapter, settings, report)
        from assistant.engine import Sampling, Turn

        report("Looking at the picture", None)
        encoded = engine.encode_images(pictures)
    turns = [Turn("user", question, tuple(picture.id for picture in pictures))]
    sampling = Sampling(
        max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed, beams=beams
    )
    if not as_json and beams == 1:
        for piece in engine.stream(turns, encoded, sampling=sampling):
            typer.echo(piece, nl=False)
        typer.echo()
        return
    with show_progress() as report:
        report("Answering", None)
        answer = engine.generate(turns, encoded, sampling=sampling)
    if not as_json:
        typer.echo(answer.text)
        return
    row = {
        "image": image,
        "image_id": pictures[0].id,
        "question": question,
        "answer": answer.text,
        **_origin(engine, answer),
    }
    if more:
        row["images"] = [
            {"image": source, "image_id": picture.id}
            for source, picture in zip(sources, pictures, strict=True)
        ]
    typer.echo(json.dumps(row))


def describe(
    images: Annotated[
        list[str],
        typer.Argument(metavar="IMAGE...", help="Pictures; - reads one from standard input."),
    ],
    detail: Annotated[
        Literal["short", "sentence", "detailed"], typer.Option(help="How much to say.")
    ] = "sentence",
    mode: Annotated[
        Literal["greedy", "beam", "sample", "rerank"], typer.Option(help="How to decode.")
    ] = "beam",
    base: BaseOption = None,
    adapter: AdapterOption = None,
    seed: SeedOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Describe pictures, one line each; one that cannot be opened does not stop the others."""
    settings = get_settings()
    engine: Engine | None = None
    failed = False
    for start in range(0, len(images), DESCRIBE_BATCH):
        batch: list[tuple[str, LoadedImage]] = []
        for source in images[start : start + DESCRIBE_BATCH]:
            try:
                batch.append((source, _open(source, settings)))
            except ImageError as error:
                typer.echo(str(error), err=True)
                failed = True
        if not batch:
            continue
        with show_progress() as report:
            engine = engine or _load_engine(base, adapter, settings, report)
            report(f"Describing {len(images)} pictures", start / len(images))
            encoded = engine.encode_images([picture for _, picture in batch])
            answers = engine.describe(encoded, detail=detail, mode=mode, seed=seed)
        for (source, picture), answer in zip(batch, answers, strict=True):
            if not as_json:
                typer.echo(f"{source}: {' '.join(answer.text.split())}")
                continue
            row = {
                "image": source,
                "image_id": picture.id,
                "description": answer.text,
                "detail": detail,
                "mode": mode,
                **_origin(engine, answer),
            }
            typer.echo(json.dumps(row))
    if failed:
        raise typer.Exit(2)


def _origin(engine: Engine, answer: Answer) -> dict[str, Any]:
    return {
        "model": engine.name,
        "adapter": engine.adapter,
        "tokens": answer.tokens,
        "seconds": round(answer.seconds, 3),
    }


def _checked_question(question: str, settings: Settings) -> str:
    question = question.strip()
    if not question:
        raise InputError("The question is empty: write what you want to know about the picture.")
    if len(question) > settings.max_question_chars:
        raise InputError(
            f"The question has {len(question)} characters and the limit is "
            f"{settings.max_question_chars}: shorten it or raise SIGHTDESK_MAX_QUESTION_CHARS."
        )
    return question


def _open(source: str, settings: Settings) -> LoadedImage:
    from assistant.images import open_image

    if source == "-":
        # One byte above the limit is enough to be refused; the rest need not be read.
        data = sys.stdin.buffer.read(settings.max_image_bytes + 1)
        return open_image(data, settings=settings, name="standard input")
    return open_image(Path(source), settings=settings)


def _load_engine(
    base: str | None, adapter: str | None, settings: Settings, report: Report
) -> Engine:
    report("Loading the model", None)
    from assistant.engine import Engine

    return Engine.load(base, adapter, settings=settings, progress=report)
