"""Pictures as small as the model takes them, made beside its work; it sees the same numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from PIL import Image

if TYPE_CHECKING:
    from assistant.engine import Engine
    from assistant.images import LoadedImage


def shrinker(engine: Engine) -> Callable[[LoadedImage], LoadedImage] | None:
    """Scales a picture to the one size that an engine's image processor brings all pictures to.

    The processor then has nothing to scale any more, and a phone's photo of 36 MB need not wait
    for it. None where pictures keep their shape, are cut, or are sent elsewhere.
    """
    processor: Any = getattr(getattr(engine, "processor", None), "image_processor", None)
    if type(processor).__name__ != "ViTImageProcessorPil" or not processor.do_resize:
        return None
    size = processor.size
    if not isinstance(size, Mapping):
        size = vars(size)
    height, width = size.get("height"), size.get("width")
    if not height or not width or getattr(processor, "do_center_crop", False):
        return None
    resample = Image.Resampling(int(processor.resample))

    def shrink(image: LoadedImage) -> LoadedImage:
        if image.pixels.size == (width, height):
            return image
        return replace(image, pixels=image.pixels.resize((width, height), resample))

    return shrink
