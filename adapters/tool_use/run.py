"""A training of the desk's adapter from beginning to end."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from peft import get_peft_model_state_dict

from adapters.lora import start_from
from adapters.precision import faster_dtype
from adapters.tool_use.task import Knobs, ToolUseTask
from adapters.train import tune_allocator
from adapters.tune.loop import Limits, StepReport, run_stage
from adapters.tune.parts import attach, lora_config
from adapters.tune.processes import Processes, StopRequest
from adapters.tune.save import made_with, replacing, today, write_files
from adapters.tune.settings import Tuning
from assistant.adapter_files import WEIGHTS_FILE, find_adapter
from assistant.fingerprint import identify_base
from assistant.llava import attach_adapter, ensure_embedded, load_base
from assistant.settings import Settings

Progress = Callable[[str, float | None], None]
NAME = "agent"


def train(
    out: Path,
    settings: Settings,
    knobs: Knobs,
    *,
    steps: int,
    start: Path | None = None,
    progress: Progress | None = None,
    watch: Callable[[StepReport], None] | None = None,
) -> bool:
    """Train on the embedded base and write ``out/adapter``; False if it was stopped before.

    Args:
        start: an adapter that an earlier training made, to go on from.

    Raises:
        AdapterError: ``start`` is of another rank, or the result cannot be written.
        DataError: the loss is no number, or a checkpoint is damaged or of another run.
        WeightsError: the base cannot be had.
    """
    report = progress or (lambda _message, _fraction: None)
    tune_allocator()
    ground = find_adapter(None, settings)
    path = ensure_embedded(settings, report)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    report("Loading the model", None)
    base = attach_adapter(
        load_base(path, "embedded", torch.device("cpu"), "auto"), ground.path, ground.name
    )
    model: Any = base.model
    model.to(device, faster_dtype(device))
    recipe = Tuning(
        seed=knobs.seed, encoder="frozen", projector="frozen", rank=knobs.rank, alpha=knobs.alpha
    )
    adapted = attach(model, recipe)
    if start is not None:
        start_from(adapted, start)
    task = ToolUseTask(adapted, base.processor.tokenizer, knobs)
    identity = identify_base(path, ground)
    out.mkdir(parents=True, exist_ok=True)
    limits = Limits(
        steps=steps,
        warmup=min(40, max(1, steps // 10)),
        validate_every=max(1, steps // 10),
        patience=steps,
        accumulate=1,
        clip=1.0,
        save_every_s=120.0,
    )
    with StopRequest() as stop:
        done = run_stage(
            task,
            out,
            limits,
            identity=_identity(knobs, steps, identity.fingerprint, start),
            processes=Processes.join(),
            stop=stop,
            watch=watch,
        )
    if not done:
        return False
    scores = task.validate()
    task.close()
    about = {
        "format": 2,
        "name": NAME,
        "purpose": "desk",
        "on": identity.on("embedded"),
        "labels": {},
        "label_head": None,
        "calibration": None,
        "recipe": {**asdict(knobs), "steps": steps},
        "data": {"name": "made by adapters/tool_use", "pictures": 0, "terms": "Apache-2.0"},
        "scores": {"businesses and tools that were held out": scores},
        "made": today(),
        "versions": made_with(),
    }
    with replacing(out / "adapter") as folder:
        write_files(folder, lora_config(recipe), get_peft_model_state_dict(adapted), about)
    return True


def _identity(knobs: Knobs, steps: int, fingerprint: str, start: Path | None) -> str:
    """Names knobs, base and material, so that no training goes on from another one's state."""
    digest = hashlib.sha256(json.dumps([asdict(knobs), steps, fingerprint]).encode())
    if start is not None:
        digest.update((start / WEIGHTS_FILE).read_bytes())
    for name in ("pages.jsonl", "tools.jsonl", "requests.json", "words.json", "descriptions.json"):
        digest.update(files("adapters.tool_use").joinpath(name).read_bytes())
    return digest.hexdigest()
