"""A trained space as a directory: weights in few bytes, and what they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from assistant.space.files import ABOUT_FILE, WEIGHTS_FILE, SpaceAbout
from assistant.space.modules import ImageHead
from assistant.space.packing import Bits, packed

Tensors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class Precision:
    """Bits of a weight of each part; single-axis tensors are kept in sixteen.

    The tower's are changes, a tenth of its weights or less, so that four bits of them are finer
    than seven of the weights.
    """

    tower: Bits = 4
    head: Bits = 8
    text: Bits = 16
    projection: Bits = 16


@dataclass(frozen=True)
class Trained:
    """What a training hands on.

    Attributes:
        tower: changes of the folded tower's parameters, by their names in it.
        head: the image head.
        text: changes of the text encoder's parameters, by name; ``LAYER.lora_a [r, in]`` and
            ``LAYER.lora_b [out, r]`` stand for the change of ``LAYER.weight``.
        projection: from the text encoder's width into the space.
    """

    tower: Tensors
    head: ImageHead
    text: Tensors
    projection: nn.Linear


def save_space(
    folder: Path, trained: Trained, about: SpaceAbout, precision: Precision = Precision()
) -> int:
    """Write weights and ``space.json``, each whole or not at all; the card is written apart.

    Returns:
        Bytes of the weights.
    """
    parts = (
        ("tower.", trained.tower, precision.tower),
        ("head.", trained.head.state_dict(), precision.head),
        ("text.", trained.text, precision.text),
        ("projection.", trained.projection.state_dict(), precision.projection),
    )
    tensors: dict[str, torch.Tensor] = {}
    for prefix, named, bits in parts:
        for name, tensor in named.items():
            tensors |= packed(prefix + name, tensor, bits)
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{WEIGHTS_FILE}.partial"
    save_file(tensors, partial, metadata={"format": "pt"})
    partial.chmod(0o644)  # safetensors writes files that only their owner may read
    partial.replace(folder / WEIGHTS_FILE)
    write_about(folder, about)
    return (folder / WEIGHTS_FILE).stat().st_size


def write_about(folder: Path, about: SpaceAbout) -> None:
    """Write ``space.json`` in place of the one that is there."""
    partial = folder / f"{ABOUT_FILE}.partial"
    partial.write_text(about.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(folder / ABOUT_FILE)
