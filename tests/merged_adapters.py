"""Adapters that are merged into a base, with random LoRA and projector of a size that matters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from adapters.publish import save_adapter
from adapters.recipe import Recipe
from adapters.train import prepare


def write_merged(
    folder: Path,
    model: Any,
    *,
    base: str,
    size: float = 0.1,
    labels: Mapping[str, str] | None = None,
) -> Path:
    """Write one for a model, which is changed."""
    recipe = Recipe(rank=4, alpha=8)
    adapted = prepare(model, recipe)
    torch.manual_seed(5)
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, size)
    save_adapter(adapted, folder, recipe, base=base, labels=dict(labels or {}))
    return folder
