"""An engine for many pictures: as precise as is quickest for batches on this machine.

A processor without products in bfloat16 computes them one number at a time: a batch then takes as
long as its pictures one by one, and the vision tower twenty times as long as in float32. So there
the model is made float32 before a job begins, if that has room; one picture at a time hardly gains
by it, which is why doors for single questions do not do so. The tower's batch norms are folded into
its convolutions as well, in a copy that only `encode_many` sees with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from assistant.annotate.values import Task
from assistant.settings import Settings, get_settings, is_elsewhere

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine
    from assistant.engine.adapters import Adapter
    from assistant.engine.eyes import Eyes
    from assistant.images import LoadedImage
    from assistant.weights import Progress

_SHARE: Final = 0.5
"""Of the memory that is free, what float32 may take."""

# Pictures that the tower sees at once: a processor's caches hold what it computes of them.
_SEEN: Final = 8
_SEEN_FOLDED: Final = 4

_folded: WeakKeyDictionary[Any, dict[str, Eyes]] = WeakKeyDictionary()
"""Of engines that were made float32: eyes by the revision of those that they stand for."""


def engine_for(
    task: Task,
    *,
    base: str | None = None,
    quantize: str | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> Engine:
    """The engine that does a task, with the task's adapter as its default.

    Args:
        base, quantize: in place of the settings'.

    Raises:
        SightdeskError: see `assistant.engines.open_engine`.
    """
    from assistant.engines import open_engine

    settings = settings or get_settings()
    chosen = base or settings.base
    if (
        quantize is None
        and settings.quantize == "auto"
        and chosen == "embedded"
        and _pays(settings)
    ):
        quantize = "none"
    engine = open_engine(
        settings, base=base, adapter=task.adapter, quantize=quantize, progress=progress
    )
    if not is_elsewhere(chosen) and _pays(settings):
        make_full(engine)
    return engine


def make_full(engine: Engine) -> bool:
    """Make a model in bfloat16 float32, if it is not quantized and has room; whether it is."""
    import psutil
    import torch

    model: Any = getattr(engine, "model", None)
    if model is None or engine.quantization != "none" or model.dtype != torch.bfloat16:
        return False
    size = sum(4 * each.numel() for each in model.parameters())
    if size > _SHARE * psutil.virtual_memory().available:
        return False
    with engine.lock:
        engine.forget()
        model.float()
        for name in engine.adapters:  # what they see with is beside the model
            for part in engine.resolve(name).eyes.parts.values():
                part.float()
    _folded[engine] = {}
    return True


def encode_many(engine: Engine, pictures: Sequence[LoadedImage]) -> list[EncodedImage]:
    """As `Engine.encode_images`, so many at a time as is quickest, and kept in no cache."""
    if engine not in _folded:
        parts = [pictures[at : at + _SEEN] for at in range(0, len(pictures), _SEEN)]
        return [image for part in parts for image in engine.encode_images(part)]
    from assistant.engine import eyes

    adapter = engine.resolve(None)
    with engine.lock:
        seeing = _folded_eyes(engine, adapter)
        found: list[EncodedImage] = []
        for at in range(0, len(pictures), _SEEN_FOLDED):
            part = pictures[at : at + _SEEN_FOLDED]
            found += eyes.encode(engine.model, engine.processor, part, seeing)
    if "vision_tower" in adapter.eyes.parts:
        return found
    # It is the ground's tower, folded or not: nobody need look a second time.
    return [replace(image, glance=None) for image in found]


def _folded_eyes(engine: Engine, adapter: Adapter) -> Eyes:
    """What an adapter sees with, its tower folded; made once."""
    import torch

    from assistant.engine.eyes import Eyes
    from assistant.vision import EfficientNetLiteModel, fused

    known = _folded[engine]
    if adapter.eyes.revision not in known:
        parts = dict(adapter.eyes.parts)
        tower: Any = parts.get("vision_tower", engine.tower)
        if isinstance(tower, EfficientNetLiteModel):
            folded: Any = fused(tower)
            parts["vision_tower"] = folded.to(memory_format=torch.channels_last)
        known[adapter.eyes.revision] = Eyes(adapter.eyes.revision, parts)
    return known[adapter.eyes.revision]


def _pays(settings: Settings) -> bool:
    """Whether this machine computes in float32 what it could in bfloat16."""
    import torch

    from assistant.packed import can_pack

    if settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available()):
        return False
    return not can_pack()
