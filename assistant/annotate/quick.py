"""An engine for many pictures: as precise as is quickest for batches on this machine.

A processor without products in bfloat16 computes them one number at a time: a batch then takes as
long as its pictures one by one, and the vision tower twenty times as long as in float32. So there
the model is made float32 before a job begins, if that has room; one picture at a time hardly gains
by it, which is why doors for single questions do not do so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from assistant.annotate.values import Task
from assistant.settings import Settings, get_settings, is_elsewhere

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.weights import Progress

_SHARE: Final = 0.5
"""Of the memory that is free, what float32 may take."""


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
    return True


def _pays(settings: Settings) -> bool:
    """Whether this machine computes in float32 what it could in bfloat16."""
    import torch

    from assistant.packed import can_pack

    if settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available()):
        return False
    return not can_pack()
