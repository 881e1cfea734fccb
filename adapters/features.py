"""Vision features on disk: while the encoder is frozen, each picture is encoded once per variant.

Variant 0 is the picture as it is. Variant 1 is its mirror image. Later ones crop a little, which
changes the aspect too, and mirror by chance. The file is a memory map: training reads rows of it.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from assistant.errors import DataError
from assistant.images import open_image
from assistant.vision import EfficientNetLiteModel, fused

Progress = Callable[[int, int], None]
_BATCH = 8  # activations of eight pictures still fit the processor's caches; 32 take twice as long


def jittered(pixels: Image.Image, rng: random.Random, size: int) -> Image.Image:
    """Crop to 75–100 % of the area with an aspect changed by up to a quarter, mirror by chance."""
    area = rng.uniform(0.75, 1.0)
    aspect = rng.uniform(0.8, 1.25) ** 0.5
    width = min(1.0, area**0.5 * aspect)
    height = min(1.0, area**0.5 / aspect)
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    w, h = pixels.size
    box = (left * w, top * h, (left + width) * w, (top + height) * h)
    crop = pixels.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return ImageOps.mirror(crop) if rng.random() < 0.5 else crop


def pixel_values(pixels: Image.Image, size: int) -> torch.Tensor:
    """``[3, size, size]``, squashed, ``(value - 127) / 128``: what the processor gives."""
    squashed = pixels.resize((size, size), Image.Resampling.BILINEAR)
    return (torch.from_numpy(np.array(squashed, dtype=np.float32)).permute(2, 0, 1) - 127) / 128


class FeatureStore:
    """Features of a list of pictures: ``store[index, variant]`` is ``[tokens, channels]``."""

    def __init__(self, data: np.memmap, variants: int, name: str) -> None:
        self._data = data
        self.variants = variants
        self.name = name  # stands for the pictures, their versions and the tower

    def __len__(self) -> int:
        return len(self._data) // self.variants

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        index, variant = key
        row = np.array(self._data[index * self.variants + variant])
        return torch.from_numpy(row).view(torch.bfloat16)

    @classmethod
    def build(
        cls,
        tower: EfficientNetLiteModel,
        paths: Sequence[Path],
        folder: Path,
        *,
        variants: int,
        revision: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> FeatureStore:
        """Encode what is not in the cache yet; an interrupted run goes on where it stopped.

        Args:
            revision: what identifies the tower's weights; another one has another cache.

        Raises:
            DataError: a picture is not there.
            ImageError: a picture cannot be opened.
        """
        config = tower.config
        try:
            sizes = [[str(path), path.stat().st_size] for path in paths]
        except OSError as error:
            raise DataError(
                f"The picture {error.filename} cannot be read ({error.strerror}); "
                "correct the row that names it."
            ) from error
        key = json.dumps([revision, variants, seed, sizes]).encode()
        name = hashlib.sha256(key).hexdigest()[:24]
        folder.mkdir(parents=True, exist_ok=True)
        file, counter = folder / f"{name}.features", folder / f"{name}.done"
        shape = (len(paths) * variants, config.grid**2, config.hidden_size)
        done = int(counter.read_text()) if counter.exists() and file.exists() else 0
        data = np.memmap(file, dtype=np.int16, mode="r+" if done else "w+", shape=shape)
        if done < len(paths):
            encoder: Any = fused(tower)
            encoder = encoder.to(torch.bfloat16).to(memory_format=torch.channels_last)
            for start in range(done, len(paths), _BATCH):
                chunk = paths[start : start + _BATCH]
                pixels = [open_image(path).pixels for path in chunk]
                for variant in range(variants):
                    inputs = []
                    for offset, picture in enumerate(pixels):
                        rng = random.Random(f"{seed} {start + offset} {variant}")
                        if variant == 1:
                            picture = ImageOps.mirror(picture)
                        elif variant > 1:
                            picture = jittered(picture, rng, config.image_size)
                        inputs.append(pixel_values(picture, config.image_size))
                    stacked = torch.stack(inputs).to(tower.device, torch.bfloat16)
                    with torch.inference_mode():
                        features = encoder(
                            stacked.to(memory_format=torch.channels_last)
                        ).last_hidden_state
                    rows = [(start + offset) * variants + variant for offset in range(len(chunk))]
                    data[rows] = features.cpu().contiguous().view(torch.int16).numpy()
                data.flush()
                counter.write_text(str(start + len(chunk)))
                if progress is not None:
                    progress(start + len(chunk), len(paths))
        return cls(np.memmap(file, dtype=np.int16, mode="r", shape=shape), variants, name)
