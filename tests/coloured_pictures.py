"""Folders of coloured pictures for `tests.tiny_space`: what they show is in their names."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image, ImageDraw

from tests.tiny_space import COLOURS

DAY_0 = 1_700_000_000
"""When the first one was written, in seconds since 1970; each further one is a day newer."""


def make_pictures(folder: Path, count: int, side: int = 96) -> list[Path]:
    """`count` pictures, no two the same: ``red-0000.png`` and so on, colour after colour."""
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    for number in range(count):
        name = list(COLOURS)[number % len(COLOURS)]
        picture = Image.new("RGB", (side, side * 3 // 4), COLOURS[name])
        draw = ImageDraw.Draw(picture)
        spot = 4 + number // len(COLOURS) % (side // 3)
        draw.ellipse((spot, spot, spot + side // 8, spot + side // 8), fill=(128, 128, 128))
        draw.point((number % side, side * 3 // 4 - 1 - number // side % 8), fill=(200, 200, 200))
        path = folder / f"{name}-{number:04d}.png"
        picture.save(path, compress_level=1)
        os.utime(path, (DAY_0 + 86_400 * number, DAY_0 + 86_400 * number))
        made.append(path)
    return made
