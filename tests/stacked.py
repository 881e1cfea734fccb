"""Stacked adapters for the tiny base, with random weights: what a training would leave behind."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file

from assistant.fingerprint import identify_base
from tests import tiny

LANGUAGE = r".*language_model.*\.(q_proj|v_proj|down_proj)"
POINTWISE = r".*vision_tower\.(head\.conv|stages\.2\.0\.expand\.conv)"
PROJECTOR = ("linear_1", "linear_2")
STAGE = ("vision_tower.stages.1", "linear_1")


def write_stacked(
    folder: Path,
    *,
    targets: str = LANGUAGE,
    whole: Sequence[str] = (),
    seed: int = 0,
    size: float = 0.15,
    labels: Mapping[str, str] | None = None,
    head: bool = False,
    on: Mapping[str, Any] | None = None,
    calibration: Mapping[str, float] | None = None,
    **config: Any,
) -> Path:
    """Write an adapter that fits the tiny base.

    Args:
        targets: which layers take LoRA.
        whole: modules that are saved whole.
        size: of the random values that LoRA has and that whole modules get on top.
        head: a random label head, over ``labels``.
        on: changes what it says it was trained on.
    """
    model: Any = tiny.model()
    options: dict[str, Any] = {"r": 2, "lora_alpha": 4, **config}
    adapted = get_peft_model(
        model, LoraConfig(target_modules=targets, modules_to_save=list(whole) or None, **options)
    )
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in adapted.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.add_(torch.randn_like(parameter) * size)
    folder.mkdir(parents=True)
    tensors = {
        name: tensor.to(torch.bfloat16 if tensor.is_floating_point() else tensor.dtype).contiguous()
        for name, tensor in get_peft_model_state_dict(adapted).items()
    }
    adapted.peft_config["default"].save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    base = tiny.directory()
    about: dict[str, Any] = {
        "format": 2,
        "name": folder.name,
        "on": identify_base(base, None).on(str(base)) | dict(on or {}),
        "labels": dict(labels or {}),
        "calibration": calibration,
    }
    if labels and head:
        channels = tiny.tower_config().head_channels
        save_file(
            {
                "label_head.weight": torch.randn(len(labels), channels),
                "label_head.bias": torch.randn(len(labels)),
            },
            folder / "label_head.safetensors",
        )
    (folder / "sightdesk.json").write_text(json.dumps(about), encoding="utf-8")
    return folder
