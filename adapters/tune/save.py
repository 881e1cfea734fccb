"""The finished adapter as a directory: all that was trained, in one place, there when whole."""

from __future__ import annotations

import copy
import json
import platform
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model_state_dict
from safetensors.torch import save_file

from adapters.tune.loop import Tensors
from adapters.tune.parts import lora_config
from adapters.tune.settings import Tuning
from adapters.tune.tower import TrainableTower, trainable_parts
from assistant.adapter_files import LABEL_HEAD_FILE, WEIGHTS_FILE
from assistant.errors import AdapterError
from assistant.families import family_of
from assistant.vision import EfficientNetLiteModel

_PREFIX = "base_model.model.model.vision_tower."


@dataclass(frozen=True)
class Trained:
    """What a run leaves behind.

    Attributes:
        adapted: projector and language model; None where neither trained.
        tower: the encoder in training form; None where it is frozen.
        ground: the tower of the usual form that training began from.
        head: weight ``[labels, channels]`` and bias of the label head, in the order of ``labels``.
    """

    adapted: PeftModel
    tower: TrainableTower | None
    ground: EfficientNetLiteModel
    head: tuple[torch.Tensor, torch.Tensor] | None


def vision_tensors(
    tower: TrainableTower, ground: EfficientNetLiteModel
) -> tuple[dict[str, torch.Tensor], list[str], list[str]]:
    """Tensors of the encoder as PEFT names them, its LoRA convolutions, its whole modules."""
    tensors: dict[str, torch.Tensor] = {}
    if tower.kind == "lora":
        convolutions = []
        for name, (down, up) in tower.low_rank(ground).items():
            convolutions.append(f"{name}.conv")
            tensors[f"{_PREFIX}{name}.conv.lora_A.weight"] = down[:, :, None, None]
            tensors[f"{_PREFIX}{name}.conv.lora_B.weight"] = up[:, :, None, None]
        return tensors, convolutions, []
    written = copy.deepcopy(ground).float()
    tower.write_back(written)
    whole = []
    for part in trainable_parts(written, tower.first):
        whole.append(f"vision_tower.{part}")
        for name, tensor in written.get_submodule(part).state_dict().items():
            tensors[f"{_PREFIX}{part}.{name}"] = tensor
    return tensors, [], whole


def write_adapter(folder: Path, trained: Trained, recipe: Tuning, about: dict[str, Any]) -> None:
    """Write weights, configuration and ``sightdesk.json`` into an existing empty folder.

    Raises:
        AdapterError: it cannot be written, for want of space most likely.
    """
    vision: dict[str, torch.Tensor] = {}
    convolutions: Sequence[str] = ()
    whole: Sequence[str] = ()
    if trained.tower is not None:
        vision, convolutions, whole = vision_tensors(trained.tower, trained.ground)
    tensors = {**get_peft_model_state_dict(trained.adapted), **vision}
    part = family_of(trained.adapted.get_base_model()).language
    config = lora_config(recipe, convolutions=convolutions, saved=whole, part=part)
    head = None
    if trained.head is not None:
        head = {f"label_head.{n}": t for n, t in zip(("weight", "bias"), trained.head, strict=True)}
    write_files(folder, config, tensors, about, head=head, recipe=recipe.toml())


def write_files(
    folder: Path,
    config: LoraConfig,
    tensors: Tensors,
    about: dict[str, Any],
    *,
    head: Tensors | None = None,
    recipe: str | None = None,
) -> None:
    """Write the files of an adapter into an existing empty folder.

    Raises:
        AdapterError: they cannot be written, for want of space most likely.
    """
    config.inference_mode = True
    config.base_model_name_or_path = str(about["on"]["base"])
    try:
        config.save_pretrained(str(folder))
        save_file(_as_stored(tensors), folder / WEIGHTS_FILE, metadata={"format": "pt"})
        if head is not None:
            save_file(_as_stored(head), folder / LABEL_HEAD_FILE, metadata={"format": "pt"})
        for file in folder.iterdir():
            file.chmod(0o644)  # safetensors writes files that only their owner may read
        if recipe is not None:
            (folder / "recipe.toml").write_text(recipe, encoding="utf-8")
        write_about(folder, about)
    except OSError as error:
        raise AdapterError(
            f"The adapter cannot be written to {folder.parent} ({error.strerror or error}); "
            "free some space and resume."
        ) from error


@contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """An empty folder beside ``target`` that takes its place at the end, or vanishes on failure."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{target.name}.", dir=target.parent) as room:
        folder = Path(room) / target.name
        folder.mkdir()
        yield folder
        if target.exists():
            target.rename(Path(room) / "before")
        folder.rename(target)


def write_about(folder: Path, about: Mapping[str, Any]) -> None:
    """Write ``sightdesk.json`` anew, whole at every moment."""
    partial = folder / "sightdesk.partial"
    text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False)
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(folder / "sightdesk.json")


def _as_stored(tensors: Tensors) -> Tensors:
    """On the CPU, whatever is a fraction in bfloat16."""
    return {
        name: tensor.detach()
        .to("cpu", torch.bfloat16 if tensor.is_floating_point() else tensor.dtype)
        .contiguous()
        for name, tensor in tensors.items()
    }


def made_with() -> dict[str, Any]:
    """Versions and hardware, for the card."""
    found: dict[str, Any] = {"python": platform.python_version()}
    for name in ("sightdesk", "torch", "transformers", "peft"):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    cuda = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    found["hardware"] = cuda or f"{torch.get_num_threads()} CPU threads"
    return found


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()
