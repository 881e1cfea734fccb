"""The commands of this package: ``sightdesk train``, ``evaluate`` and ``questions``."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from adapters import agent_cli
from adapters.adapters_cli import adapters_app
from adapters.evaluate_cli import evaluate_app
from adapters.questions_cli import questions_command
from assistant.adapter_files import WEIGHTS_FILE, AdapterFiles, find_adapter
from assistant.errors import AdapterError, InputError

if TYPE_CHECKING:
    from rich.progress import Progress

    from adapters.mixture import Source

agent_cli.register(evaluate_app)

# Shares of the tokens of a run: captions need the most, the other two are learnt quickly.
_SHARES = {"captions": 0.70, "labels": 0.13, "pairs": 0.17}
# The policy is already good: large steps would only make it forget how people write.
_SELF_CRITICAL_RATE = 1e-4
_VARIANTS = {"captions": 4, "labels": 4, "pairs": 1}


def register(app: typer.Typer) -> None:
    """Add the commands to the root."""
    app.add_typer(evaluate_app, name="evaluate")
    app.add_typer(adapters_app, name="adapters")
    app.command("train")(train_command)
    app.command("questions")(questions_command)


def train_command(
    out: Annotated[Path, typer.Option(help="Folder for the adapter and the training state.")],
    captions: Annotated[
        list[Path] | None, typer.Option(help='JSON Lines, {"image", "references": [...]}.')
    ] = None,
    labels: Annotated[
        list[Path] | None,
        typer.Option(help='JSON Lines, {"image", "label", "coarse_label"?}; repeat for more.'),
    ] = None,
    easy_vqa: Annotated[bool, typer.Option(help="Add easy-VQA's training questions.")] = False,
    minutes: Annotated[float | None, typer.Option(help="Train for this long.", min=0.1)] = None,
    steps: Annotated[int, typer.Option(help="Train for at most this many steps.", min=1)] = 20_000,
    seed: Annotated[int, typer.Option(help="Order of pictures, wording, initial values.")] = 0,
    rank: Annotated[
        int | None, typer.Option(help="Rank of LoRA: 32, or that of --from.", min=1, max=256)
    ] = None,
    start: Annotated[str | None, typer.Option("--from", help="Adapter to go on from.")] = None,
    variants: Annotated[
        int | None, typer.Option(help="Versions of each picture to encode.", min=1, max=16)
    ] = None,
    self_critical: Annotated[
        bool,
        typer.Option(
            "--self-critical", help="Reward the model's own captions; use it with --from, last."
        ),
    ] = False,
    compiled: Annotated[
        bool, typer.Option("--compile", help="Compile first (needs a C++ compiler); then faster.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a report.")] = False,
) -> None:
    """Train projector and LoRA on your pictures; run it again to go on where it stopped."""
    if not (captions or labels or easy_vqa):
        raise InputError("There is nothing to train on; give --captions, --labels or --easy-vqa.")

    if self_critical and not (captions and start):
        raise InputError(
            "Self-critical training improves captions that an adapter writes already; "
            "give --captions and --from."
        )

    from adapters.features import FeatureStore
    from adapters.lora import rank_and_alpha, start_from
    from adapters.mixture import CaptionSource, LabelSource, PairSource
    from adapters.objectives import CrossEntropy, Feeder, Objective
    from adapters.packing import PromptTokens
    from adapters.precision import faster_dtype
    from adapters.publish import draw_loss, save_adapter
    from adapters.recipe import Recipe
    from adapters.train import StepReport, prepare, train, tune_allocator

    tune_allocator()  # before torch allocates anything large
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from assistant.llava import ensure_embedded, load_base
    from assistant.settings import get_settings
    from assistant.weights import REVISION

    settings = get_settings()
    _check_place(out, compiled)
    trained = find_adapter(start, settings) if start is not None else None
    if trained is not None and trained.about.get("base", REVISION) != REVISION:
        raise AdapterError(f"The adapter {start!r} is of another base; choose one of this one.")
    known_rank, known_alpha = rank_and_alpha(trained.path) if trained else (32, 64)
    rank = rank or known_rank
    described = CaptionSource.read(*captions) if captions else None
    found: list[Source] = [described] if described is not None else []
    goods = LabelSource.read(*labels) if labels else None
    if goods is not None:
        found.append(goods)
    if easy_vqa:
        found.append(PairSource.easy_vqa())
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    console = Console(stderr=True)
    with Bar(
        TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=console
    ) as bar:
        base = load_base(ensure_embedded(settings), "embedded", device, faster_dtype(device))
        model: Any = base.model
        stores = []
        for source in found:
            stores.append(
                FeatureStore.build(
                    model.model.vision_tower,
                    source.paths,
                    settings.cache_dir / "features",
                    variants=variants or _VARIANTS[source.name],
                    revision=REVISION,
                    seed=seed,
                    progress=_counter(bar, f"Encoding pictures: {source.name}"),
                )
            )
        recipe = Recipe(
            steps=steps,
            minutes=minutes,
            seed=seed,
            rank=rank,
            alpha=known_alpha if rank == known_rank else 2 * rank,
            # A projector that has learnt already needs no stage of its own.
            projector_steps=0 if trained is not None else Recipe.projector_steps,
            self_critical=self_critical,
            lora_rate=_SELF_CRITICAL_RATE if self_critical else Recipe.lora_rate,
            projector_rate=_SELF_CRITICAL_RATE if self_critical else Recipe.projector_rate,
        )
        tokenizer = base.processor.tokenizer
        prompts = PromptTokens(
            tokenizer, model.config.image_token_id, model.config.image_seq_length
        )
        shares = [_SHARES[source.name] for source in found]
        feeder = Feeder(
            list(zip(found, stores, shares, strict=True)), prompts, recipe, tokenizer.pad_token_id
        )
        objective: Objective = CrossEntropy(feeder, recipe.tokens)
        if self_critical and described is not None:
            from adapters.self_critical import SelfCritical

            objective = SelfCritical(feeder, described, prompts, recipe, tokenizer)
        adapted = prepare(model, recipe)
        if trained is not None:
            start_from(adapted, trained.path)
        task = bar.add_task("Training", total=1.0)

        def watch(report: StepReport) -> None:
            name, value = "loss", report.loss
            if report.reward is not None:
                name, value = "reward", report.reward
            bar.update(
                task,
                completed=report.fraction,
                description=f"Training: step {report.step}, {name} {value:.3f}",
            )
            if as_json and report.step % 10 == 0:
                typer.echo(json.dumps({"step": report.step, name: round(value, 4)}))

        shown = [[source.name, store.name] for source, store in zip(found, stores, strict=True)]
        data = _fingerprint([*(captions or []), *(labels or [])], shares, shown, trained)
        finished = train(adapted, objective, recipe, out, data=data, compiled=compiled, watch=watch)
    draw_loss(out / "loss.csv", out / "loss.png")
    if not finished:
        console.print(f"Stopped; run the same command to go on: {shlex.join(sys.argv)}")
        raise typer.Exit(130)
    known: dict[str, str | None] = {}
    earlier: list[Any] = []
    if trained is not None:
        known |= trained.labels
        earlier = trained.recipes
    if goods is not None:
        known |= dict(zip(goods.labels, goods.coarse, strict=True))
    save_adapter(adapted, out / "adapter", recipe, base=REVISION, labels=known, earlier=earlier)
    console.print(f"The adapter is in {out / 'adapter'}; use it with --adapter {out / 'adapter'}.")


def _check_place(out: Path, compiled: bool) -> None:
    """Refuse at once what would else fail after the pictures are encoded."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{out} cannot be a folder ({error.strerror}); choose another --out."
        ) from error
    if not os.access(out, os.W_OK):
        raise InputError(f"{out} cannot be written; choose another --out.")
    compilers = (os.environ.get("CXX"), "c++", "g++", "clang++", "cl")
    if compiled and not any(shutil.which(name) for name in compilers if name):
        raise InputError("There is no C++ compiler; install one, or leave --compile out.")


def _fingerprint(
    files: list[Path], shares: list[float], shown: list[list[str]], trained: AdapterFiles | None
) -> str:
    """Names what a run learns from: the rows, the pictures, their shares, where it started."""
    digest = hashlib.sha256(json.dumps([shares, shown]).encode())
    weights = [trained.path / WEIGHTS_FILE] if trained is not None else []
    for path in [*files, *weights]:
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def _counter(bar: Progress, description: str) -> Any:
    """A callback (done, total) that shows a task of its own from its first call on."""
    task: list[Any] = []

    def report(done: int, total: int) -> None:
        if not task:
            task.append(bar.add_task(description, total=total))
        bar.update(task[0], completed=done)

    return report
