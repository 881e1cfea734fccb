"""`sightdesk label`: which label of a list each picture has, and how sure that is.

Of a folder it makes a job, see `assistant.cli.folders`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from assistant.cli.answers import (
    DESCRIBE_BATCH,
    AdapterOption,
    BaseOption,
    IndexOption,
    OutOption,
    QuantizeOption,
    RayAddressOption,
    RayOption,
    WorkersOption,
    load_engine,
    open_picture,
)
from assistant.cli.folders import check_pictures_only, is_folder
from assistant.cli.progress import show_progress
from assistant.cli.ray_jobs import annotate_one, many_machines
from assistant.errors import ImageError, InputError
from assistant.settings import get_settings

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.images import LoadedImage
    from assistant.labelling import Labelled

_LARGEST_FILE = 2**20


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(label)


def label(
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGE|FOLDER",
            help="Pictures, or one folder with --out; - reads one from standard input.",
        ),
    ],
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="A,B,C|FILE",
            help="The list to choose from, or a file with one label a line.",
            show_default=False,
        ),
    ] = None,
    labels_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="The list, one label a line.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            "--sure",
            min=0,
            max=1,
            help="Below it, none of these; of a folder, set aside for a person.",
            show_default="measured",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, max=1000, help="How many to tell with --json.")] = 5,
    base: BaseOption = None,
    adapter: AdapterOption = None,
    quantize: QuantizeOption = None,
    out: OutOption = None,
    into_index: IndexOption = False,
    ray: RayOption = False,
    workers: WorkersOption = None,
    ray_address: RayAddressOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """Label pictures from an adapter's list or your own; without either, by ImageNet's names.

    A folder is labelled into the directory --out, and the same command goes on where it stopped;
    sightdesk job shows and exports what is there.
    """
    settings = get_settings()
    wanted = _wanted(labels, labels_file)
    many = many_machines(ray, workers, ray_address)
    if many is not None or is_folder(images):
        from assistant.annotate import Task

        task = Task(
            "label",
            None if wanted is None else tuple(wanted),
            adapter or settings.adapter or None,
            threshold,
            top,
        )
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
            report(f"Labelling {len(images)} pictures", start / len(images))
            encoded = engine.encode_images([picture for _, picture in batch])
            # Who chose no adapter did not choose the labels that one happens to come with.
            if wanted is None and adapter is None and not settings.adapter:
                found = engine.recognise(encoded, threshold=threshold, top=top)
            else:
                found = engine.label(encoded, labels=wanted, threshold=threshold, top=top)
        for (source, picture), each in zip(batch, found, strict=True):
            if as_json:
                row = {"image": source, "image_id": picture.id, **each.to_dict()}
                row |= {"model": engine.name, "adapter": engine.adapter}
                typer.echo(json.dumps(row | {"quantization": engine.quantization}))
            else:
                typer.echo(f"{source}: {_said(each)}")
    if failed:
        raise typer.Exit(2)


def _said(labelled: Labelled) -> str:
    sure = f"{100 * labelled.confidence:.0f} %"
    if labelled.label is None:
        return f"none of these (at best {labelled.scores[0][0]}, {sure})"
    coarse = labelled.coarse
    kind = f", {coarse}" if coarse not in (None, labelled.label) else ""
    return f"{labelled.label}{kind} ({sure})"


def _wanted(labels: str | None, file: Path | None) -> list[str] | None:
    """The list that is given, None where none is.

    Raises:
        InputError: both are given, or what is given holds no labels.
    """
    if labels is not None and file is not None:
        raise InputError("Both --labels and --labels-file are given: give one of them.")
    if labels is not None and _is_file(labels):
        file = Path(labels)
    if file is None and labels is not None:
        found = [name.strip() for name in labels.split(",")]
        remedy = "write them as --labels apple,pear"
    elif file is not None:
        found = _read(file).splitlines()
        remedy = f"write one a line in {file}"
    else:
        return None
    found = [name.strip() for name in found if name.strip()]
    if not found:
        raise InputError(f"There are no labels to choose from: {remedy}.")
    return found


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):  # too long for a name, as a long list is
        return False


def _read(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}): give a file with one label a line."
        ) from error
    if len(data) > _LARGEST_FILE:
        raise InputError(f"{file} is larger than 1 MiB: give a file with one label a line.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8 text: save it as such.") from error
