"""A training of the desk's adapter from beginning to end."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from adapters.lora import start_from
from adapters.precision import faster_dtype
from adapters.tool_use.task import Knobs, ToolUseTask
from adapters.train import LORA_TARGETS, tune_allocator
from adapters.tune.loop import Limits, StepReport, run_stage
from adapters.tune.processes import Processes, StopRequest
from adapters.tune.save import made_with, replacing, today, write_about
from assistant.adapter_files import WEIGHTS_FILE, find_adapter
from assistant.errors import AdapterError
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
    if device.type == "cpu":
        model.set_attn_implementation("eager")  # there, backward through sdpa takes twice as long
    torch.manual_seed(knobs.seed)
    config = LoraConfig(
        r=knobs.rank, lora_alpha=knobs.alpha, target_modules=LORA_TARGETS, task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted = get_peft_model(model, copy.deepcopy(config))
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
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
    config.inference_mode = True
    config.base_model_name_or_path = "embedded"
    tensors = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in get_peft_model_state_dict(adapted).items()
    }
    try:
        with replacing(out / "adapter") as folder:
            config.save_pretrained(str(folder))
            save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
            for file in folder.iterdir():
                file.chmod(0o644)  # safetensors writes files that only their owner may read
            write_about(folder, about)
    except OSError as error:
        raise AdapterError(
            f"The adapter cannot be written to {out} ({error.strerror or error}); free some space "
            "and run the command again: it goes on from its last checkpoint."
        ) from error
    return True


def _identity(knobs: Knobs, steps: int, fingerprint: str, start: Path | None) -> str:
    """Names knobs, base and material, so that no training goes on from another one's state."""
    digest = hashlib.sha256(json.dumps([asdict(knobs), steps, fingerprint]).encode())
    if start is not None:
        digest.update((start / WEIGHTS_FILE).read_bytes())
    for name in ("pages.jsonl", "tools.jsonl", "requests.json", "words.json"):
        digest.update(files("adapters.tool_use").joinpath(name).read_bytes())
    return digest.hexdigest()
