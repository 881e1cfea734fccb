"""What the frozen part of the tower makes of each picture, in several views, on disk.

The lower stages see edges and colours of anything and are not trained, so that a step of training
costs the upper ones only. A view is the picture as it is, or a part of it in another light.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from adapters.tune.pictures import augmented
from assistant.errors import DataError
from assistant.images import open_image
from assistant.onnx_tower import TowerSession
from assistant.space.modules import pixel_values
from assistant.vision import EfficientNetLiteModel

Progress = Callable[[int, int], None]
_BATCH = 8
_FLUSH = 64


class Cut:
    """Where a tower is parted: below is frozen, above trains.

    Args:
        tower: one with its norms folded in.
        stage, block: the first stage, and the first block of it, that trains.
    """

    def __init__(self, tower: EfficientNetLiteModel, stage: int, block: int) -> None:
        self.tower, self.stage, self.block = tower, stage, block
        self._below: dict[int, TowerSession] = {}

    def below(self, pixels: torch.Tensor) -> torch.Tensor:
        """``[n, 3, size, size]`` to ``[n, channels, side, side]``; with the weights as at first."""
        size = pixels.shape[-1]
        if size not in self._below:
            until = self.stage, self.block
            threads = torch.get_num_threads()
            self._below[size] = TowerSession(self.tower, size, threads, until)
        return self._below[size](pixels)

    def above(self, x: torch.Tensor) -> torch.Tensor:
        """What `below` gave to the grid ``[n, cells, channels]``."""
        for number, stage in enumerate(self.tower.stages):
            blocks: Any = stage
            for place, block in enumerate(blocks):
                if (number, place) >= (self.stage, self.block):
                    x = block(x)
        grid: torch.Tensor = self.tower.head(x).flatten(2).transpose(1, 2)
        return grid

    def trained(self) -> dict[str, torch.nn.Parameter]:
        """The parameters above, by their names in the tower."""
        found = {}
        for name, parameter in self.tower.named_parameters():
            part, *rest = name.split(".")
            place = (int(rest[0]), int(rest[1])) if part == "stages" else (0, 0)
            if part == "head" or (part == "stages" and place >= (self.stage, self.block)):
                found[name] = parameter
        return found


class ViewStore:
    """`maps` gives what the frozen part made of pictures, a view of each by chance."""

    def __init__(self, data: np.memmap, views: int) -> None:
        self._data, self.views = data, views

    def __len__(self) -> int:
        return len(self._data)

    @classmethod
    def build(
        cls,
        cut: Cut,
        paths: Sequence[Path],
        folder: Path,
        *,
        size: int,
        views: int,
        revision: str,
        seed: int = 0,
        progress: Progress | None = None,
    ) -> ViewStore:
        """Compute what is not there yet; an interrupted run goes on where it stopped.

        Args:
            revision: what identifies the weights below the cut.

        Raises:
            DataError: a picture is not there.
            ImageError: a picture cannot be opened.
        """
        try:
            stats = [path.stat() for path in paths]
        except OSError as error:
            raise DataError(
                f"The picture {error.filename} cannot be read ({error.strerror}); "
                "correct the row that names it."
            ) from error
        known = [[str(p), s.st_size, s.st_mtime_ns] for p, s in zip(paths, stats, strict=True)]
        key = json.dumps([revision, cut.stage, cut.block, size, views, seed, known]).encode()
        name = hashlib.sha256(key).hexdigest()[:24]
        folder.mkdir(parents=True, exist_ok=True)
        file, counter = folder / f"{name}.views", folder / f"{name}.done"
        with torch.inference_mode():
            shape = cut.below(torch.zeros(1, 3, size, size)).shape[1:]
        whole = (len(paths), views, *shape)
        done = int(counter.read_text()) if counter.exists() and file.exists() else 0
        data = np.memmap(file, dtype=np.float16, mode="r+" if done else "w+", shape=whole)
        for start in range(done, len(paths), _BATCH):
            chunk = range(start, min(start + _BATCH, len(paths)))
            pictures = [open_image(paths[index]).pixels for index in chunk]
            for view in range(views):
                data[chunk.start : chunk.stop, view] = _maps(cut, pictures, chunk, view, size, seed)
            if chunk.stop == len(paths) or chunk.stop % _FLUSH < _BATCH:
                data.flush()
                counter.write_text(str(chunk.stop))
            if progress is not None:
                progress(chunk.stop, len(paths))
        return cls(np.memmap(file, dtype=np.float16, mode="r", shape=whole), views)

    def maps(self, indices: Sequence[int], rng: random.Random | None) -> torch.Tensor:
        """``[n, channels, side, side]``, views and mirroring by chance; with None as they are."""
        rows = []
        for index in indices:
            row = np.asarray(self._data[index, rng.randrange(self.views) if rng else 0])
            rows.append(row[:, :, ::-1] if rng is not None and rng.random() < 0.5 else row)
        return torch.from_numpy(np.stack(rows).astype(np.float32))


@torch.inference_mode()
def _maps(
    cut: Cut,
    pictures: Sequence[Image.Image],
    places: Sequence[int],
    view: int,
    size: int,
    seed: int,
) -> np.ndarray:
    if view == 0:
        pixels = pixel_values(pictures, size)
    else:
        values = []
        for place, picture in zip(places, pictures, strict=True):
            # Crops come from a picture of no more pixels than are seen.
            side = math.ceil(1.5 * size)
            small = picture.resize((side, side), Image.Resampling.BILINEAR, reducing_gap=3.0)
            values.append(augmented(small, random.Random(f"{seed} {place} {view}"), size))
        pixels = (torch.from_numpy(np.stack(values)).permute(0, 3, 1, 2) - 127) / 128
    found = cut.below(pixels.contiguous(memory_format=torch.channels_last))
    return found.clamp(-60_000, 60_000).numpy()
