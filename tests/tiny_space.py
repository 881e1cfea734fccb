"""A picture embedder without weights: pictures by their colours, words by the colours they name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from assistant.space import Calibration, Vectors

COLOURS = {
    "red": (220, 30, 30),
    "green": (30, 180, 60),
    "blue": (40, 60, 210),
    "yellow": (235, 220, 50),
    "white": (245, 245, 245),
    "black": (15, 15, 15),
    "orange": (240, 140, 30),
    "purple": (130, 50, 160),
}
_SIDE = 16
_EVEN = 0.02
"""What every colour has at least, so that nothing has no direction."""


class TinySpace:
    """See the module. A picture's vector is how much of it has each colour, 2 × 8 numbers: of its
    upper and its lower half; a text's is the colours that it names, in both halves."""

    def __init__(self, name: str = "tiny", calibration: Calibration | None = None) -> None:
        self.name, self.dimensions = name, 2 * len(COLOURS)
        self.calibration = calibration or Calibration((12.0, -6.0), (20.0, -16.0), 0.5)
        self.encoded = 0

    def encode_pictures(self, pictures: Sequence[Image.Image]) -> Vectors:
        """Float32 [n, 16]; counts in ``encoded`` how many it was given."""
        self.encoded += len(pictures)
        palette = np.array(list(COLOURS.values()), np.float32)
        rows = []
        for picture in pictures:
            small = picture.convert("RGB").resize((_SIDE, _SIDE), Image.Resampling.BOX)
            pixels = np.asarray(small, np.float32).reshape(-1, 1, 3)
            nearest = ((pixels - palette) ** 2).sum(-1).argmin(1).reshape(2, -1)
            rows.append([np.bincount(half, minlength=len(COLOURS)) for half in nearest])
        return _units(np.array(rows, np.float32).reshape(len(rows), self.dimensions))

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Float32 [n, 16]."""
        rows = [[word in text.casefold() for word in COLOURS] * 2 for text in texts]
        return _units(np.array(rows, np.float32).reshape(len(rows), self.dimensions))


def _units(rows: Vectors) -> Vectors:
    rows = rows + _EVEN * (rows.max(axis=1, keepdims=True, initial=0.0) + 1)
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
