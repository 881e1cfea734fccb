"""`sightdesk adapters train-space`: the space of pictures and words, on data of one's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("train-space")(train_space_command)


def train_space_command(
    data: Annotated[
        list[Path], typer.Option("--data", help='Rows {"image", "references": [...]}.')
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the space.")],
    labels: Annotated[
        list[Path] | None, typer.Option(help='Rows {"image", "label", "coarse_label"}.')
    ] = None,
    products: Annotated[
        list[Path] | None,
        typer.Option(help='What labels mean: rows {"label", "coarse_label", "description"}.'),
    ] = None,
    val: Annotated[
        list[Path] | None,
        typer.Option(help="Captions to validate and calibrate on; by default a part of --data."),
    ] = None,
    val_labels: Annotated[
        list[Path] | None,
        typer.Option(help="Labels to validate on; by default a part of --labels."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="How long it trains.")] = None,
    seed: Annotated[int | None, typer.Option(help="Split, order, views, initial values.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of knobs.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any knob, as --set batch=256.")
    ] = None,
    terms: Annotated[str, typer.Option(help="Terms of your data, for the card.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a report.")] = False,
) -> None:
    """Teach the picture embedder on your own captions and labels, in an hour or so.

    Ctrl-C stops it; the same command goes on from there, also after it was killed.
    """
    from adapters.train import tune_allocator

    tune_allocator()  # before torch allocates anything large
    from rich.console import Console

    from adapters.retrieval.material import Sources
    from adapters.retrieval.recipe import space_recipe
    from adapters.retrieval.run import Ground, train_space
    from adapters.tune.lock import training_folder
    from adapters.tune.settings import parse_set
    from adapters.tune_cli import View
    from assistant.llava import ensure_embedded
    from assistant.settings import get_settings
    from assistant.space.choosing import text_directory

    given = {name: v for name, v in (("steps", steps), ("seed", seed)) if v is not None}
    recipe = space_recipe(config, parse_set(sets or []) | given)
    sources = Sources(
        tuple(data), tuple(labels or ()), tuple(val or ()), tuple(val_labels or ()),
        tuple(products or ()),
    )  # fmt: skip
    console = Console(stderr=True)
    view = View(console, as_json)
    settings = get_settings()
    with training_folder(out, resume=False, keep=True), view:
        base = ensure_embedded(settings, view.progress)
        finished = train_space(
            sources,
            out,
            recipe,
            Ground(base, text_directory()),
            settings,
            terms=terms,
            progress=view.progress,
            watch=view.step,
        )
    if not finished:
        console.print("Stopped; the same command goes on.", markup=False)
        raise typer.Exit(130)
    folder = out / "space"
    about = json.loads((folder / "space.json").read_text(encoding="utf-8"))
    if as_json:
        done = {"event": "done", "space": str(folder), "scores": about["scores"]}
        typer.echo(json.dumps(done))
        return
    for name, scores in about["scores"].items():
        told = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in scores.items())
        console.print(f"{name}: {told}", markup=False, soft_wrap=True)
    console.print(f"The space is in {folder}.", markup=False, soft_wrap=True)
    told = f"Use it: SIGHTDESK_PICTURE_EMBEDDER={folder}"
    console.print(told, markup=False, soft_wrap=True)
