"""Write a trained adapter to disk: one directory that holds all that was trained."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file

from adapters.recipe import Recipe


def save_adapter(
    model: PeftModel,
    folder: Path,
    recipe: Recipe,
    *,
    base: str,
    labels: Mapping[str, str | None],
    earlier: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Save LoRA and projector in bfloat16 with their configuration and what they were made for.

    ``earlier`` are the recipes of the runs that this one went on from, oldest first.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.detach().to("cpu", torch.bfloat16).contiguous()
        for name, tensor in get_peft_model_state_dict(model).items()
    }
    config = model.peft_config["default"]
    config.inference_mode = True
    config.base_model_name_or_path = base
    config.save_pretrained(str(folder))
    partial = folder / "adapter_model.partial"
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors writes files that only their owner may read
    partial.replace(folder / "adapter_model.safetensors")
    about: dict[str, Any] = {
        "base": base,
        "recipe": asdict(recipe),
        "earlier_recipes": list(earlier),
        "labels": {name: coarse or name for name, coarse in labels.items()},
    }
    text = json.dumps(about, indent=1, ensure_ascii=False)
    (folder / "sightdesk.json").write_text(text + "\n", encoding="utf-8")


def draw_loss(log: Path, picture: Path) -> None:
    """Draw the loss, or the reward, of every step and its running mean from ``loss.csv``."""
    from matplotlib.figure import Figure

    with log.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        return
    rewarded = bool(rows[0].get("reward"))
    steps = [int(row["step"]) for row in rows]
    losses = [float(row["reward" if rewarded else "loss"]) for row in rows]
    smooth, mean = [], losses[0]
    for loss in losses:
        mean += (loss - mean) * 0.05
        smooth.append(mean)
    unit = "reward" if rewarded else "loss (nats per answer token)"
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step", ylabel=unit)
    axes.plot(steps, losses, color="#c3cedd", linewidth=0.8, label="each step")
    axes.plot(steps, smooth, color="#1f4e8c", label="running mean")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(picture, dpi=120)
