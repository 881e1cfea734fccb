"""`sightdesk adapters train`: from a folder of photos to an adapter, on the command line."""

from __future__ import annotations

import json
import re
import shlex
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from assistant.errors import InputError

if TYPE_CHECKING:
    from adapters.tune.loop import StepReport
    from adapters.tune.run import Plan

PartOption = Literal["frozen", "lora", "full"]


def register(app: typer.Typer) -> None:
    """Add the command to the group."""
    app.command("train")(train_command)


def train_command(
    data: Annotated[Path, typer.Argument(help="Your data, in any format that `validate` reads.")],
    preset: Annotated[
        Literal["quick", "balanced", "best"] | None, typer.Option(help="How much to spend.")
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the adapter; by default the data's.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for checkpoints, curves and the adapter.")
    ] = None,
    val: Annotated[
        Path | None, typer.Option(help="Validate on these, not on a held-out part.")
    ] = None,
    replay: Annotated[
        Path | None,
        typer.Option(help="Captioned pictures to learn again, so that no skill is lost."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file of knobs.")] = None,
    sets: Annotated[
        list[str] | None, typer.Option("--set", help="Any knob, as --set encoder_epochs=10.")
    ] = None,
    encoder: Annotated[PartOption | None, typer.Option(help="What of the encoder trains.")] = None,
    projector: Annotated[PartOption | None, typer.Option(help="… of the projector.")] = None,
    language: Annotated[PartOption | None, typer.Option(help="… of the language model.")] = None,
    quantize: Annotated[
        Literal["none", "nf4"] | None, typer.Option(help="nf4 is QLoRA: less memory, slower.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Split, order, views, initial values.")] = None,
    format: Annotated[str | None, typer.Option(help="Format of DATA, if it is not found.")] = None,
    terms: Annotated[str, typer.Option(help="Terms of your photos, for the card.")] = "",
    require: Annotated[
        list[str] | None, typer.Option(help="Install only if, as --require accuracy_fine>0.8.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what is in --out; refused otherwise.")
    ] = False,
    plan_only: Annotated[
        bool, typer.Option("--plan", help="Say what it would do, then end.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a report.")] = False,
) -> None:
    """Fine-tune an adapter on your photos; interrupt it at any time, go on with --resume."""
    from adapters.tune.settings import parse_set, tuning
    from assistant.settings import get_settings

    flags = {
        "encoder": encoder, "projector": projector, "language": language,
        "quantize": quantize, "seed": seed,
    }  # fmt: skip
    overrides = parse_set(sets or []) | {k: v for k, v in flags.items() if v is not None}
    recipe = tuning(preset, config, overrides)
    settings = get_settings()
    name = name or name_of(data)
    out = out or settings.data_dir / "trainings" / name

    from adapters.train import tune_allocator

    tune_allocator()  # before torch allocates anything large
    from rich.console import Console

    from adapters.tune.curves import draw_curves
    from adapters.tune.finish import finish
    from adapters.tune.lock import training_folder
    from adapters.tune.material import Order
    from adapters.tune.run import Run

    console = Console(stderr=True)
    order = Order(data, val, replay, out, recipe, name, terms, format)
    view = View(console, as_json)
    with training_folder(out, resume=resume, keep=plan_only), view:
        run = Run(order, settings, progress=view.progress, watch=view.step)
        run.prepare()
        run.ready()
        plan = run.plan()
        if run.processes.first:
            view.say_plan(plan)
        if plan_only:
            return
        (out / "plan.json").write_text(json.dumps(plan.as_json()), encoding="utf-8")
        (out / "recipe.toml").write_text(recipe.toml(), encoding="utf-8")
        finished = run.train()
        if run.processes.first:
            draw_curves(out, out / "curves.png")
        if not finished:
            arguments = [word for word in sys.argv if word != "--resume"]
            console.print(
                f"Stopped; go on with: {shlex.join(arguments)} --resume",
                soft_wrap=True,
                markup=False,
            )
            raise typer.Exit(130)
        if run.processes.first:
            result = finish(run, require or [], progress=view.progress)
            view.say_result(result)


def name_of(data: Path) -> str:
    """A name from the data's: ``photos/train.jsonl`` is ``photos``."""
    stem = data.stem if data.suffix else data.name
    if stem.lower() in ("train", "training", "data", "dataset", "labels", "captions"):
        stem = data.resolve().parent.name
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-._")[:60]
    if not name:
        raise InputError(f"No name can be made of {data}; give one with --name.")
    return name


class View:
    """Progress on stderr; with ``--json`` reports on stdout, one object a line."""

    def __init__(self, console: Any, as_json: bool) -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console, self._as_json = console, as_json
        self._bar = Progress(
            TextColumn("{task.description}"), BarColumn(bar_width=24), TimeRemainingColumn(),
            TextColumn("{task.fields[more]}"), console=console,
        )  # fmt: skip
        self._tasks: dict[str, Any] = {}
        self._losses: dict[str, deque[float]] = {}
        self._scores: dict[str, str] = {}
        self._told = ("", 0)

    def __enter__(self) -> View:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def _task(self, name: str, total: float) -> Any:
        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total, more="")
        return self._tasks[name]

    def progress(self, message: str, fraction: float | None) -> None:
        if fraction is None:
            return
        self._bar.update(self._task(message, 1.0), completed=fraction)
        told = (message, round(100 * fraction))
        if self._as_json and told != self._told:
            self._told = told
            typer.echo(json.dumps({"event": "progress", "message": message, "fraction": fraction}))

    def step(self, report: StepReport) -> None:
        from adapters.tune.curves import sparkline

        losses = self._losses.setdefault(report.stage, deque(maxlen=4000))
        losses.append(report.loss)
        if report.scores:
            self._scores[report.stage] = ", ".join(
                f"{name} {value:.3f}" for name, value in report.scores.items() if name != "score"
            )
        self._bar.update(
            self._task(f"Training: {report.stage}", report.steps),
            completed=report.step,
            total=report.steps,
            more=f"{sparkline(list(losses), 24)} loss {report.loss:.3f} "
            + self._scores.get(report.stage, ""),
        )
        if self._as_json and (report.step % 10 == 0 or report.scores or report.step == 1):
            typer.echo(json.dumps({"event": "step", **vars(report)}))

    def say_plan(self, plan: Plan) -> None:
        if self._as_json:
            typer.echo(json.dumps({"event": "plan", **plan.as_json()}))
            return
        from rich.table import Table

        table = Table(title="Plan", show_header=False, title_justify="left")
        trained = ", ".join(f"{name} {count:,}" for name, count in plan.trainable.items())
        minutes = {name: value / 60 for name, value in plan.seconds.items()}
        times = ", ".join(f"{name} {value:.1f} min" for name, value in minutes.items())
        steps = ", ".join(f"{name} {count:,}" for name, count in plan.steps.items())
        table.add_row("pictures", f"{plan.pictures:,} to learn, {plan.held_out:,} to validate")
        if plan.left_out:
            table.add_row(
                "left out", f"{plan.left_out:,} rows; `sightdesk adapters validate` lists them"
            )
        table.add_row("labels", f"{plan.labels:,}")
        table.add_row("replay", f"{plan.replay:,} pictures")
        table.add_row("trainable", trained)
        table.add_row("steps", steps)
        table.add_row("time", f"{sum(minutes.values()):.0f} min ({times}), from a measured step")
        table.add_row("memory", f"{plan.memory_bytes / 2**30:.1f} GiB so far")
        self._console.print(table)

    def say_result(self, result: dict[str, Any]) -> None:
        if self._as_json:
            typer.echo(json.dumps({"event": "done", **result}))
            return
        for line in result["told"]:
            self._console.print(line, markup=False, soft_wrap=True)
