"""What pictures are encoded with: the ground's tower and projector, or an adapter's own copies.

An adapter that changes tower or projector gets a copy with its changes merged in, which shares all
other tensors with the ground. The copy takes the ground's place while pictures are encoded.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from assistant.background import in_background
from assistant.engine.sights import encode_family
from assistant.engine.values import EncodedImage, Glance
from assistant.evidence import imagenet_names
from assistant.families import family_of
from assistant.images import LoadedImage
from assistant.lora_layers import is_lora
from assistant.onnx_tower import QuickTower
from assistant.vision import EfficientNetLiteModel

if TYPE_CHECKING:
    from peft import LoraConfig


def parts_of(model: Any) -> tuple[str, ...]:
    """The parts of a model that see, by their names in ``model.model``."""
    return family_of(model).sight


_MERGING = "merging"

_quick: WeakKeyDictionary[nn.Module, QuickTower] = WeakKeyDictionary()


@dataclass(frozen=True)
class Eyes:
    """The parts that an adapter sees with in place of the ground's; none are the ground's own."""

    revision: str = ""
    parts: Mapping[str, nn.Module] = field(default_factory=dict)


def own_eyes(
    model: Any, tensors: Mapping[str, torch.Tensor], config: LoraConfig, revision: str
) -> tuple[Eyes, int]:
    """Copies of the parts that an adapter changes, with its changes in them.

    Args:
        model: a LLaVA-family model; it stays as it is.
        tensors: those of an adapter, by names such as ``model.vision_tower.head.conv.weight``, for
            the parts in `parts_of` alone; LoRA factors and whole tensors.
        config: the adapter's, for ranks and scales.

    Returns:
        The eyes, and how many bytes they take beside the ground's.

    Raises:
        ValueError, KeyError, RuntimeError: the tensors have no place in the model.
    """
    parts: dict[str, nn.Module] = {}
    size = 0
    for part in parts_of(model):
        prefix = f"model.{part}."
        own = {name: tensor for name, tensor in tensors.items() if name.startswith(prefix)}
        if own:
            parts[part], added = _changed(getattr(model.model, part), own, config, prefix)
            size += added
    return Eyes(revision, parts), size


def _changed(
    ground: nn.Module, tensors: Mapping[str, torch.Tensor], config: LoraConfig, prefix: str
) -> tuple[nn.Module, int]:
    """A copy of a part with what an adapter changes in it, and the bytes that it takes."""
    factors = {name: tensor for name, tensor in tensors.items() if ".lora_" in name}
    whole = {name: tensor for name, tensor in tensors.items() if name not in factors}
    layers = sorted({name.split(".lora_")[0] for name in factors})
    changed = {name.removeprefix(prefix) for name in [*whole, *(f"{n}.weight" for n in layers)]}
    here = dict(ground.named_parameters()) | dict(ground.named_buffers())
    if not changed <= set(here):
        raise KeyError(f"no place for {sorted(changed - set(here))[0]}")
    shared = {id(tensor): tensor for name, tensor in here.items() if name not in changed}
    own = copy.deepcopy(ground, shared)
    places = dict(own.named_parameters()) | dict(own.named_buffers())
    with torch.no_grad():
        for name, tensor in whole.items():
            place = places[name.removeprefix(prefix)]
            if place.shape != tensor.shape:
                raise ValueError(f"{name} has another shape")
            place.copy_(tensor)
    if layers:
        _merge(own, factors, layers, config, prefix)
    return own.eval(), sum(here[name].nbytes for name in changed)


def _merge(
    part: nn.Module,
    factors: Mapping[str, torch.Tensor],
    layers: Sequence[str],
    config: LoraConfig,
    prefix: str,
) -> None:
    """Merge LoRA factors into a part, each layer in float32."""
    from peft import get_peft_model_state_dict, set_peft_model_state_dict
    from peft.tuners.lora import LoraModel

    # The part under the name that it has in the model: patterns of ranks and scales go by it.
    holder, inner = nn.Module(), nn.Module()
    holder.add_module("model", inner)
    inner.add_module(prefix.split(".")[1], part)
    chosen = copy.copy(config)
    chosen.target_modules, chosen.modules_to_save, chosen.exclude_modules = list(layers), None, None
    chosen.inference_mode = True
    wrapped = LoraModel(holder, chosen, _MERGING)
    expected = get_peft_model_state_dict(holder, adapter_name=_MERGING, unwrap_compiled=False)
    if set(expected) != set(factors):
        raise ValueError("the factors are others than the model's")
    set_peft_model_state_dict(holder, dict(factors), _MERGING)
    for module in wrapped.modules():
        if is_lora(module):
            layer: Any = module.get_base_layer()
            dtype = layer.weight.dtype
            layer.float()
            module.float()
            module.merge(safe_merge=True)
            layer.to(dtype)
    wrapped.merge_and_unload(safe_merge=True)


@contextmanager
def looking_through(model: Any, eyes: Eyes) -> Iterator[None]:
    """Put an adapter's parts in the place of the ground's; the caller holds the model."""
    before = {name: getattr(model.model, name) for name in eyes.parts}
    try:
        for name, part in eyes.parts.items():
            setattr(model.model, name, part)
        yield
    finally:
        for name, part in before.items():
            setattr(model.model, name, part)


@torch.inference_mode()
def encode(
    model: Any, processor: Any, images: Sequence[LoadedImage], eyes: Eyes
) -> list[EncodedImage]:
    """Encode pictures in one pass; the caller holds the model."""
    if model.config.model_type != "llava":
        with looking_through(model, eyes):
            return encode_family(model, processor, images, eyes.revision)
    prepared = processor.image_processor([image.pixels for image in images], return_tensors="pt")
    values = prepared["pixel_values"].to(model.device)
    pooled: list[torch.Tensor | None] = [None] * len(images)

    def look(_module: Any, _inputs: Any, output: Any) -> None:
        summary = getattr(output, "pooler_output", None)
        if summary is not None and len(summary) == len(images):
            pooled[:] = summary.float()

    ground = getattr(model.model, "vision_tower", None)
    tower = eyes.parts.get("vision_tower", ground)
    seeing: Any = quick(tower, values)
    if seeing is None:
        seeing, values = tower, values.to(model.dtype)
        values = values.contiguous(memory_format=torch.channels_last)
    parts = eyes.parts if seeing is None else {**eyes.parts, "vision_tower": seeing}
    with looking_through(model, Eyes(eyes.revision, parts)):
        hook = seeing.register_forward_hook(look) if seeing is not None else None
        try:
            features = model.get_image_features(pixel_values=values).pooler_output
        finally:
            if hook is not None:
                hook.remove()
    glances: list[Glance | None] = [None] * len(images)
    if tower is not ground and knows_imagenet(ground):
        glances = [Glance(row[None].to(model.dtype, copy=True)) for row in values]
    return [
        EncodedImage(image.id, feature, summary, eyes.revision, glance)
        for image, feature, summary, glance in zip(images, features, pooled, glances, strict=True)
    ]


def quick(tower: Any, pixels: torch.Tensor) -> QuickTower | None:
    """The tower as it is quickest on the CPU, made once; None where it is another's, or elsewhere.

    Args:
        pixels: ``[n, 3, H, W]`` that it is to look at.
    """
    if not _can_be_quick(tower, pixels.device) or pixels.shape[-1] != pixels.shape[-2]:
        return None
    if tower not in _quick:
        _quick[tower] = QuickTower(tower)
    return _quick[tower]


def warm(model: Any) -> None:
    """Begin to make the ground's tower quick, as it is now, before the first picture comes."""
    tower: Any = getattr(model.model, "vision_tower", None)
    if _can_be_quick(tower, model.device):
        _quick[tower] = QuickTower(tower)
        in_background(_quick[tower].prepare)


def _can_be_quick(tower: Any, device: torch.device) -> bool:
    return isinstance(tower, EfficientNetLiteModel) and device.type == "cpu"


def knows_imagenet(tower: Any) -> bool:
    """Whether a tower still has the classifier of the 1,000 names."""
    known = isinstance(tower, EfficientNetLiteModel)
    return known and tower.config.num_classes == len(imagenet_names())


@torch.inference_mode()
def ground_pooled(image: EncodedImage, tower: Any) -> torch.Tensor | None:
    """The ground tower's own summary of a picture, whoever encoded it; looked for once."""
    if image.glance is None:
        return image.pooled
    if image.glance.pooled is None:
        pixels = image.glance.pixels
        seen = (quick(tower, pixels) or tower)(pixels)
        image.glance.pooled = seen.pooler_output[0].float()
    return image.glance.pooled
