"""`sightdesk adapters train-agent`: the adapter with which the embedded model runs a desk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("train-agent")(train_agent_command)


def train_agent_command(
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and the adapter.")],
    steps: Annotated[int, typer.Option(min=1, help="How long; the rates fall to zero by then.")] = (
        900
    ),
    seed: Annotated[int, typer.Option(help="What is drawn, initial values.")] = 0,
    rank: Annotated[int, typer.Option(min=1, max=256, help="Rank of LoRA; alpha is twice it.")] = (
        12
    ),
    rate: Annotated[float, typer.Option(min=0.0, max=1.0, help="Learning rate at its peak.")] = (
        8e-4
    ),
    start: Annotated[
        Path | None, typer.Option("--from", help="Adapter of an earlier training to go on from.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a report.")] = False,
) -> None:
    """Teach the embedded model to choose tools and to answer from passages, in an hour or so.

    Ctrl-C stops it; the same command goes on from there.
    """
    from adapters.train import tune_allocator

    tune_allocator()  # before torch allocates anything large
    from rich.console import Console

    from adapters.tool_use.calibrate import calibrate
    from adapters.tool_use.run import train
    from adapters.tool_use.task import Knobs
    from adapters.tune.lock import training_folder
    from adapters.tune_cli import View
    from assistant.settings import get_settings

    console = Console(stderr=True)
    knobs = Knobs(seed=seed, rank=rank, alpha=2 * rank, rate=rate)
    view = View(console, as_json)
    with training_folder(out, resume=False, keep=True), view:
        finished = train(
            out,
            get_settings(),
            knobs,
            steps=steps,
            start=start,
            progress=view.progress,
            watch=view.step,
        )
        if finished:
            calibrate(out / "adapter", get_settings(), view.progress)
    if not finished:
        console.print("Stopped; the same command goes on.", markup=False)
        raise typer.Exit(130)
    folder = out / "adapter"
    if as_json:
        scores = json.loads((folder / "sightdesk.json").read_text(encoding="utf-8"))["scores"]
        typer.echo(json.dumps({"event": "done", "adapter": str(folder), "scores": scores}))
        return
    console.print(f"The adapter is in {folder}.", markup=False, soft_wrap=True)
    told = f"Use it: SIGHTDESK_AGENT_ADAPTER={folder}"
    console.print(told, markup=False, soft_wrap=True)
