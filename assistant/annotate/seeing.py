"""What a job over many pictures takes an engine for: its task's adapter, and eyes for batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from assistant.annotate.values import Task
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.engine import EncodedImage, Engine
    from assistant.images import LoadedImage
    from assistant.weights import Progress

_SEEN: Final = 8
"""Pictures that the tower sees at once: a processor's caches hold what it computes of them."""


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

    return open_engine(
        settings or get_settings(),
        base=base,
        adapter=task.adapter,
        quantize=quantize,
        progress=progress,
    )


def encode_many(engine: Engine, pictures: Sequence[LoadedImage]) -> list[EncodedImage]:
    """As `Engine.encode_images`, so many at a time as is quickest."""
    parts = [pictures[at : at + _SEEN] for at in range(0, len(pictures), _SEEN)]
    return [image for part in parts for image in engine.encode_images(part)]
