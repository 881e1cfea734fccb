"""Every picture of a data set, opened once: does it decode, what is it, what does it look like.

Decoding releases Python's lock, so threads use all cores; only a few hundred bytes a picture are
kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from adapters.data.form import Example
from assistant.errors import ImageError
from assistant.images import open_image
from assistant.settings import Settings, get_settings
from assistant.sketch import Sketch, sketch

Progress = Callable[[int, int], None]
"""Takes how many pictures were opened, and of how many."""

_BATCH = 256


@dataclass(frozen=True)
class Look:
    """A picture that can be used: its id (of its pixels), its size, and its sketch."""

    id: str
    width: int
    height: int
    sketch: Sketch


@dataclass(frozen=True)
class Trouble:
    """A picture that cannot: whether there is a file at all, and why it does not open."""

    missing: bool
    message: str


def paths_of(examples: Iterable[Example]) -> list[Path]:
    """Each picture once, in the order of the examples."""
    return list(dict.fromkeys(path for example in examples for path in example.images))


def look_at(
    paths: Iterable[Path],
    *,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> dict[Path, Look | Trouble]:
    """Open every picture; never raises for one that cannot be opened."""
    settings = settings or get_settings()
    paths = list(dict.fromkeys(paths))
    looks: dict[Path, Look | Trouble] = {}
    with ThreadPoolExecutor(max_workers=_cores()) as pool:
        # In batches, so that an interrupt does not wait for a hundred thousand pictures.
        for start in range(0, len(paths), _BATCH):
            batch = paths[start : start + _BATCH]
            for path, look in zip(
                batch, pool.map(lambda one: _look(one, settings), batch), strict=True
            ):
                looks[path] = look
                if progress is not None:
                    progress(len(looks), len(paths))
    return looks


def good(looks: Mapping[Path, Look | Trouble]) -> dict[str, Look]:
    """Each different picture once, by its id, in the order of the paths."""
    return {look.id: look for look in looks.values() if isinstance(look, Look)}


def _look(path: Path, settings: Settings) -> Look | Trouble:
    try:
        image = open_image(path, settings=settings)
    except ImageError as error:
        return Trouble(isinstance(error.__cause__, FileNotFoundError), str(error))
    return Look(image.id, image.width, image.height, sketch(image.pixels))


def _cores() -> int:
    try:
        return min(16, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on macOS and Windows
        return min(16, os.cpu_count() or 1)


def stack(looks: Iterable[Look]) -> tuple[np.ndarray, np.ndarray]:
    """The sketches of pictures as arrays for `adapters.data.near.near_pairs`."""
    sketches = [look.sketch for look in looks]
    if not sketches:
        return np.zeros((0, 4), np.uint64), np.zeros((0, 768), np.uint8)
    return np.stack([one.bits for one in sketches]), np.stack([one.colours for one in sketches])
