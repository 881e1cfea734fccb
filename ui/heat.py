"""Attention over a picture, as a picture and in words. Pure values in and out; draws nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from assistant.images import fit_within

if TYPE_CHECKING:
    from assistant.engine import Gaze

Grid = np.ndarray
"""``[rows, columns]`` float64, not negative."""

COLOURS = "inferno"
LONGEST = 900
STRONGEST = 0.55
"""Opacity of the overlay where most weight lies."""

PLACES = (
    ("at_top_left", "at_top", "at_top_right"),
    ("at_left", "at_middle", "at_right"),
    ("at_bottom_left", "at_bottom", "at_bottom_right"),
)


def by_word(gazes: Sequence[Gaze]) -> list[tuple[str, dict[str, Grid]]]:
    """The words in order, each with its grid for every picture.

    With several pictures each word comes once for each of them, one word after the other or one
    picture after the other.
    """
    pictures: dict[str, list[Gaze]] = {}
    for gaze in gazes:
        pictures.setdefault(gaze.image, []).append(gaze)
    rows = list(pictures.values())
    if not rows:
        return []
    return [
        (
            rows[0][place].word,
            {row[place].image: np.asarray(row[place].grid, float) for row in rows},
        )
        for place in range(min(len(row) for row in rows))
    ]


def whole(words: Sequence[tuple[str, dict[str, Grid]]]) -> dict[str, Grid]:
    """The mean over all words."""
    if not words:
        return {}
    return {image: np.mean([grids[image] for _, grids in words], axis=0) for image in words[0][1]}


def strongest(grids: dict[str, Grid]) -> tuple[str, str, float]:
    """Picture, place in it (a key of the words) and share of the third of it with most weight."""
    best = ("", "at_middle", -1.0)
    total = sum(float(grid.sum()) for grid in grids.values()) or 1.0
    for image, grid in grids.items():
        thirds = _thirds(grid) / total
        row, column = np.unravel_index(int(thirds.argmax()), thirds.shape)
        if thirds[row, column] > best[2]:
            best = (image, PLACES[row][column], float(thirds[row, column]))
    return best


def _thirds(grid: Grid) -> Grid:
    """Weight in 3 × 3 equal parts, cells shared out by how much of them lies in each."""
    rows, columns = (_shares(length) for length in grid.shape)
    return rows @ grid @ columns.T


def _shares(length: int) -> Grid:
    """``[3, length]``: how much of each cell lies in each third."""
    edges = np.arange(length + 1) * 3 / length
    thirds = np.arange(3)[:, None]
    low, high = np.maximum(edges[:-1], thirds), np.minimum(edges[1:], thirds + 1)
    return np.maximum(high - low, 0) / (3 / length)


def overlay(pixels: Image.Image, grid: Grid, peak: float) -> Image.Image:
    """`pixels`, reduced for the screen, with the grid's weight in colour over it.

    Args:
        pixels: RGB.
        grid: weight of the parts of the picture.
        peak: the weight that is drawn strongest, the same for all pictures that are compared.
    """
    import matplotlib

    small = fit_within(pixels, LONGEST)
    weight = np.clip(grid / peak if peak > 0 else np.zeros_like(grid), 0, 1)
    smooth = Image.fromarray(weight.astype(np.float32)).resize(small.size, Image.Resampling.BICUBIC)
    heat = np.clip(np.asarray(smooth), 0, 1)[..., None]
    colours = matplotlib.colormaps[COLOURS](0.25 + 0.7 * heat[..., 0])[..., :3] * 255
    photo = np.asarray(small, float)
    # The rest is grey and darker, so that what was looked at stands out for a weak eye too.
    dim = 0.45 * photo.mean(axis=2, keepdims=True)
    lit = dim + (photo - dim) * heat**0.7
    mixed = lit + (colours - lit) * STRONGEST * heat
    return Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8))
