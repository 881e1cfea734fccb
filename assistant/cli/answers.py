"""`sightdesk ask` and `sightdesk describe`: pictures in, text or JSON out.

Of a folder, `describe` makes a job, see `assistant.cli.folders`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assistant.cli.progress import Report, show_progress
from assistant.errors import ImageError, InputError
from assistant.settings import Quantize, Settings, get_settings

if TYPE_CHECKING:
    from assistant.engine import Answer, Engine
    from assistant.enhance import Enhancement
    from assistant.images import LoadedImage

DESCRIBE_BATCH = 8
"""Pictures that are open at a time: the largest allowed takes 150 MB as pixels."""

BaseOption = Annotated[
    str | None,
    typer.Option(
        "--base",
        help="embedded, a directory, a hub id or openai:MODEL@URL.",
        show_default=False,
    ),
]
AdapterOption = Annotated[
    str | None,
    typer.Option("--adapter", help="Name or directory of an adapter.", show_default=False),
]
QuantizeOption = Annotated[
    Quantize | None,
    typer.Option("--quantize", help="How the model is kept in memory.", show_default=False),
]
SeedOption = Annotated[
    int | None, typer.Option(help="Makes sampling repeatable.", show_default=False)
]
OutOption = Annotated[
    str | None,  # as a path, s3:// would lose a stroke
    typer.Option("--out", metavar="DIR", help="Where a folder's job lies.", show_default=False),
]
RayOption = Annotated[
    bool,
    typer.Option("--ray", help="Do a folder, or s3://…, with many workers; needs Ray."),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=10_000,
        metavar="N",
        help="Of --ray, each with a model.",
        show_default="as many as fit",
    ),
]
RayAddressOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Of a Ray cluster, or auto.",
        show_default="one on this machine alone",
    ),
]
IndexOption = Annotated[
    bool, typer.Option("--index", help="Note what is found in the image index, for searches.")
]
# Bounds as in assistant.enhance, whose imports would slow `--help`; a test compares them.
DenoiseOption = Annotated[float, typer.Option(min=0, max=1, help="Remove noise; 0 is off.")]
BrightnessOption = Annotated[float, typer.Option(min=0.1, max=4, help="Factor on brightness.")]
ContrastOption = Annotated[float, typer.Option(min=0.1, max=4, help="Factor on contrast.")]
SaturationOption = Annotated[float, typer.Option(min=0, max=4, help="Factor on colour; 0 is grey.")]
SharpenOption = Annotated[float, typer.Option(min=0, max=3, help="Sharpen; 0 is off.")]
ResizeOption = Annotated[
    int | None,
    typer.Option("--resize", min=16, max=4096, help="Longest side in pixels.", show_default=False),
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
    quantize: QuantizeOption = None,
    max_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 96,
    temperature: Annotated[float, typer.Option(min=0, max=5, help="0 decodes greedily.")] = 0.0,
    top_p: Annotated[
        float, typer.Option(min=0.01, max=1, help="Share of probability to sample from.")
    ] = 1.0,
    seed: SeedOption = None,
    beams: Annotated[int, typer.Option(min=1, max=16, help="Width of beam search.")] = 1,
    denoise: DenoiseOption = 0.0,
    brightness: BrightnessOption = 1.0,
    contrast: ContrastOption = 1.0,
    saturation: SaturationOption = 1.0,
    sharpen: SharpenOption = 0.0,
    resize: ResizeOption = None,
    before_after: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.png", help="Write the picture and the enhanced one.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Answer a question about a picture, word by word."""
    settings = get_settings()
    question = _checked_question(question, settings)
    sources = [image, *(more or [])]
    enhancement = _enhancement(denoise, brightness, contrast, saturation, sharpen, resize)
    _check_before_after(before_after, enhancement, sources)
    originals = [open_picture(source, settings) for source in sources]
    pictures = _enhanced(originals, enhancement, settings)
    if before_after is not None:
        _write_before_after(before_after, originals, pictures)
    with show_progress() as report:
        engine = load_engine(base, adapter, quantize, settings, report)
        from assistant.engine import Sampling, Turn
        from assistant.evidence import needed_caution, with_hint

        report("Looking at the picture", None)
        encoded = engine.encode_images(pictures)
        seen = [evidence for each in encoded if (evidence := engine.evidence(each)) is not None]
    asked = with_hint(question, seen)
    turns = [Turn("user", asked, tuple(picture.id for picture in pictures))]
    sampling = Sampling(
        max_tokens=max_tokens, temperature=temperature, top_p=top_p, seed=seed, beams=beams
    )
    if not as_json and beams == 1:
        said = ""
        for piece in engine.stream(turns, encoded, sampling=sampling):
            typer.echo(piece, nl=False)
            said += piece
        typer.echo()
        if (caution := needed_caution(said, seen)) is not None:
            typer.echo(caution)
        return
    with show_progress() as report:
        report("Answering", None)
        answer = engine.generate(turns, encoded, sampling=sampling)
    caution = needed_caution(answer.text, seen)
    if not as_json:
        typer.echo(answer.text)
        if caution is not None:
            typer.echo(caution)
        return
    row = {
        "image": image,
        "image_id": originals[0].id,
        **_enhanced_id(originals[0], pictures[0]),
        "question": question,
        "answer": answer.text,
        **({"caution": caution} if caution is not None else {}),
        **_origin(engine, answer),
        **_enhancement_field(enhancement),
    }
    if more:
        row["images"] = [
            {"image": source, "image_id": original.id, **_enhanced_id(original, picture)}
            for source, original, picture in zip(sources, originals, pictures, strict=True)
        ]
    typer.echo(json.dumps(row))


def describe(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|FOLDER",
            help="Pictures, or one folder with --out; - reads one from standard input.",
        ),
    ],
    detail: Annotated[
        Literal["short", "sentence", "detailed"], typer.Option(help="How much to say.")
    ] = "sentence",
    mode: Annotated[
        Literal["greedy", "beam", "sample", "rerank"], typer.Option(help="How to decode.")
    ] = "greedy",
    base: BaseOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    seed: SeedOption = None,
    denoise: DenoiseOption = 0.0,
    brightness: BrightnessOption = 1.0,
    contrast: ContrastOption = 1.0,
    saturation: SaturationOption = 1.0,
    sharpen: SharpenOption = 0.0,
    resize: ResizeOption = None,
    sure: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Of a folder: below it, set aside for a person.",
            show_default="measured",
        ),
    ] = None,
    out: OutOption = None,
    into_index: IndexOption = False,
    ray: RayOption = False,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Describe pictures, one line each; one that cannot be opened does not stop the others.

    A folder is described into the directory --out, and the same command goes on where it stopped;
    sightdesk job shows and exports what is there.
    """
    from assistant.cli.folders import check_pictures_only, is_folder
    from assistant.cli.ray_jobs import annotate_one, many_machines

    settings = get_settings()
    enhancement = _enhancement(denoise, brightness, contrast, saturation, sharpen, resize)
    many = many_machines(ray, workers, ray_address)
    if many is not None or is_folder(images):
        if enhancement.active:
            raise InputError("A folder is described as it is: leave out what changes pictures.")
        from assistant.annotate import Task

        task = Task(
            "describe", adapter=adapter or settings.adapter or None, sure=sure, detail=detail,
            mode=mode, seed=seed,
        )  # fmt: skip
        annotate_one(
            images, out, task, many, base=base, quantize=quantize, into_index=into_index,
            as_json=as_json, settings=settings,
        )  # fmt: skip
        return
    check_pictures_only(out, into_index)
    engine: Engine | None = None
    failed = False
    for start in range(0, len(images), DESCRIBE_BATCH):
        batch: list[tuple[str, LoadedImage]] = []
        for source in images[start : start + DESCRIBE_BATCH]:
            try:
                batch.append((source, open_picture(source, settings)))
            except ImageError as error:
                typer.echo(str(error), err=True)
                failed = True
        if not batch:
            continue
        with show_progress() as report:
            engine = engine or load_engine(base, adapter, quantize, settings, report)
            report(f"Describing {len(images)} pictures", start / len(images))
            originals = [original for _, original in batch]
            pictures = _enhanced(originals, enhancement, settings)
            encoded = engine.encode_images(pictures)
            answers = engine.describe(encoded, detail=detail, mode=mode, seed=seed)
        for (source, original), picture, answer in zip(batch, pictures, answers, strict=True):
            if not as_json:
                typer.echo(f"{source}: {' '.join(answer.text.split())}")
                continue
            row = {
                "image": source,
                "image_id": original.id,
                **_enhanced_id(original, picture),
                "description": answer.text,
                "detail": detail,
                "mode": mode,
                **_origin(engine, answer),
                **_enhancement_field(enhancement),
            }
            typer.echo(json.dumps(row))
    if failed:
        raise typer.Exit(2)


def _origin(engine: Engine, answer: Answer) -> dict[str, Any]:
    return {
        "model": engine.name,
        "adapter": engine.adapter,
        "quantization": engine.quantization,
        "tokens": answer.tokens,
        "seconds": round(answer.seconds, 3),
    }


def _enhancement(
    denoise: float,
    brightness: float,
    contrast: float,
    saturation: float,
    sharpen: float,
    resize: int | None,
) -> Enhancement:
    from assistant.enhance import Enhancement

    return Enhancement(denoise, brightness, contrast, saturation, sharpen, resize)


def _enhanced(
    originals: list[LoadedImage], enhancement: Enhancement, settings: Settings
) -> list[LoadedImage]:
    from assistant.enhance import enhance

    return [enhance(original, enhancement, settings=settings) for original in originals]


def _enhanced_id(original: LoadedImage, picture: LoadedImage) -> dict[str, str]:
    return {} if picture is original else {"enhanced_image_id": picture.id}


def _enhancement_field(enhancement: Enhancement) -> dict[str, Any]:
    return {"enhancement": enhancement.to_dict()} if enhancement.active else {}


def _check_before_after(path: Path | None, enhancement: Enhancement, sources: list[str]) -> None:
    if path is None:
        return
    if not enhancement.active:
        raise InputError(
            "--before-after has no difference to show: add an option such as --denoise 0.3."
        )
    if path.suffix.lower() != ".png":
        raise InputError(f"{path} cannot be written as a PNG picture: give it a name in .png.")
    if any(source != "-" and path.resolve() == Path(source).resolve() for source in sources):
        raise InputError(f"{path} is the picture itself: give --before-after another name.")


def _write_before_after(
    path: Path, originals: list[LoadedImage], pictures: list[LoadedImage]
) -> None:
    from assistant.enhance import before_after

    try:
        before_after(originals, pictures).save(path, format="PNG")
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"{path} cannot be written ({reason}): choose another place.") from error


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


def open_picture(source: str, settings: Settings) -> LoadedImage:
    """The picture in a file, or from standard input for ``-``."""
    from assistant.images import open_image

    if source == "-":
        # One byte above the limit is enough to be refused; the rest need not be read.
        data = sys.stdin.buffer.read(settings.max_image_bytes + 1)
        return open_image(data, settings=settings, name="standard input")
    return open_image(Path(source), settings=settings)


def load_engine(
    base: str | None,
    adapter: str | None,
    quantize: str | None,
    settings: Settings,
    report: Report,
) -> Engine:
    """The engine of a command's options, here or elsewhere."""
    report("Loading the model", None)
    from assistant.engines import open_engine

    return open_engine(settings, base=base, adapter=adapter, quantize=quantize, progress=report)
