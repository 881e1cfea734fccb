"""Made-up pictures for tests of data sets: as unlike as photos are, small, and quick to make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def scene(seed: int, size: tuple[int, int] = (128, 96)) -> Image.Image:
    """A picture of soft colours; those of different seeds are unlike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def put(path: Path, seed: int, size: tuple[int, int] = (128, 96)) -> Path:
    """Save a scene in the format that the path names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scene(seed, size).save(path)
    return path


def write_rows(file: Path, *rows: dict[str, Any] | str | bytes) -> Path:
    """A file of JSON Lines; texts and bytes stand in it as they are."""
    lines = [
        row if isinstance(row, bytes) else row.encode() if isinstance(row, str)
        else json.dumps(row).encode()
        for row in rows
    ]  # fmt: skip
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\n".join(lines))
    return file
