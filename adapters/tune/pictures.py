"""Training pictures in memory-mapped form: decoded once, cropped and coloured anew at every visit.

The encoder trains on pixels, so features cannot be kept; decoding and the first resize can.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from assistant.errors import DataError
from assistant.images import open_image

MARGIN = 1.15  # side of what is kept, as a multiple of the tower's input: crops lose little
Progress = Callable[[int, int], None]


class PictureStore:
    """Squashed pictures ``[n, side, side, 3]`` as bytes; ``store.pixels(...)`` gives a batch."""

    def __init__(self, data: np.memmap, image_size: int) -> None:
        self._data = data
        self.image_size = image_size

    def __len__(self) -> int:
        return len(self._data)

    @classmethod
    def build(
        cls,
        paths: Sequence[Path],
        folder: Path,
        *,
        image_size: int,
        progress: Progress | None = None,
    ) -> PictureStore:
        """Decode what is not in the cache yet; an interrupted run goes on where it stopped.

        Raises:
            DataError: a picture is not there.
            ImageError: a picture cannot be opened.
        """
        side = math.ceil(image_size * MARGIN)
        try:
            sizes = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in paths]
        except OSError as error:
            raise DataError(
                f"The picture {error.filename} cannot be read ({error.strerror}); "
                "correct the row that names it."
            ) from error
        name = hashlib.sha256(repr([side, sizes]).encode()).hexdigest()[:24]
        folder.mkdir(parents=True, exist_ok=True)
        file, counter = folder / f"{name}.pixels", folder / f"{name}.done"
        shape = (len(paths), side, side, 3)
        done = int(counter.read_text()) if counter.exists() and file.exists() else 0
        data = np.memmap(file, dtype=np.uint8, mode="r+" if done else "w+", shape=shape)
        for index in range(done, len(paths)):
            picture = open_image(paths[index]).pixels
            data[index] = np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR))
            if (index + 1) % 64 == 0 or index + 1 == len(paths):
                data.flush()
                counter.write_text(str(index + 1))
                if progress is not None:
                    progress(index + 1, len(paths))
        return cls(np.memmap(file, dtype=np.uint8, mode="r", shape=shape), image_size)

    def pixels(self, indices: Sequence[int], rngs: Sequence[random.Random] | None) -> torch.Tensor:
        """``[n, 3, size, size]`` as ``(value - 127) / 128``; with ``rngs``, each augmented."""
        rows = []
        for place, index in enumerate(indices):
            picture = Image.fromarray(self._data[index])
            if rngs is None:
                size = (self.image_size, self.image_size)
                values = np.asarray(picture.resize(size, Image.Resampling.BILINEAR), np.float32)
            else:
                values = augmented(picture, rngs[place], self.image_size)
            rows.append(values)
        stacked = torch.from_numpy(np.stack(rows)).permute(0, 3, 1, 2)
        return ((stacked - 127) / 128).contiguous(memory_format=torch.channels_last)


def augmented(picture: Image.Image, rng: random.Random, size: int) -> np.ndarray:
    """A random part of 40–100 % of the area, mirrored by chance, in another light.

    Area and aspect as in Inception's training (Szegedy et al., CVPR 2015), brightness, contrast and
    saturation changed by up to 30 %. Hue stays: it tells fruit apart. ``[size, size, 3]``, 0–255.
    """
    area = rng.uniform(0.4, 1.0)
    aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
    width, height = min(1.0, math.sqrt(area * aspect)), min(1.0, math.sqrt(area / aspect))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    w, h = picture.size
    box = (left * w, top * h, (left + width) * w, (top + height) * h)
    crop = picture.resize((size, size), Image.Resampling.BILINEAR, box=box)
    if rng.random() < 0.5:
        crop = ImageOps.mirror(crop)
    values = np.asarray(crop, np.float32) * rng.uniform(0.7, 1.3)
    mean = values.mean()
    values = mean + (values - mean) * rng.uniform(0.7, 1.3)
    grey = values.mean(axis=2, keepdims=True)
    values = grey + (values - grey) * rng.uniform(0.7, 1.3)
    clipped: np.ndarray = values.clip(0, 255)
    return clipped


def cutmix_box(rng: random.Random, size: int) -> tuple[slice, slice, float]:
    """Rows and columns of a patch, and the share of the picture that it covers (CutMix, eq. 2)."""
    side = int(size * math.sqrt(1 - rng.random()))
    top, left = rng.randint(0, size - side), rng.randint(0, size - side)
    return slice(top, top + side), slice(left, left + side), side * side / size / size
