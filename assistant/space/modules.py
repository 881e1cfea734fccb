"""The parts of the picture's way into the space, as modules of sentence-transformers.

They are put together in code (`assistant.space.assembling`), since sentence-transformers loads
foreign classes from a directory only where it may run any code that lies there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from sentence_transformers.base.modules import InputModule, Module
from torch import nn
from torch.nn import functional as F

from assistant.errors import InputError
from assistant.onnx_tower import TowerSession
from assistant.vision import EfficientNetLiteModel

_REDUCE = 3.0
"""Large photos are first made smaller by whole factors, down to so many times the input's side."""


class PictureTower(InputModule):
    """The vision tower, batch norms folded in: a picture as a grid of features.

    Args:
        tower: one that `assistant.vision.fused` has made.
        image_size: side in pixels of its square input.
    """

    def __init__(self, tower: EfficientNetLiteModel, image_size: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.tower, self.image_size = tower, image_size
        self._building = threading.Lock()
        self._session: TowerSession | None = None

    @property
    def modalities(self) -> list[Any]:
        """Pictures only."""
        return ["image"]

    def preprocess(
        self, inputs: Sequence[Any], prompt: str | None = None, **_: Any
    ) -> dict[str, Any]:
        """Pictures as ``pixel_values [n, 3, size, size]``.

        Raises:
            InputError: they are no pictures: a path or an address is never opened here.
        """
        return {"pixel_values": pixel_values([_picture(each) for each in inputs], self.image_size)}

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds ``token_embeddings [n, cells, channels]``, row by row from the top left."""
        pixels = features["pixel_values"]
        if pixels.device.type == "cpu" and not torch.is_grad_enabled():
            grid = self._quick()(pixels)
            features["token_embeddings"] = grid.flatten(2).transpose(1, 2)
        else:
            features["token_embeddings"] = grid_features(self.tower, pixels)
        return features

    def _quick(self) -> TowerSession:
        with self._building:
            if self._session is None:
                threads = torch.get_num_threads()
                self._session = TowerSession(self.tower, self.image_size, threads)
            return self._session

    def __getstate__(self) -> dict[str, Any]:
        """Without what cannot be copied: a copy, in another process, builds its own."""
        return {k: v for k, v in self.__dict__.items() if k not in ("_building", "_session")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._building, self._session = threading.Lock(), None

    def save(self, output_path: str, *args: Any, **kwargs: Any) -> None:
        """The tower in transformers' form."""
        self.tower.save_pretrained(output_path)


class ImageHead(Module):
    """A grid as one vector: its mean and what some learnt queries look for, through two layers.

    Args:
        channels: of the grid.
        queries: places that are looked at at once, each with a softmax over the cells.
        hidden: units of the layer that is not linear.
        dimensions: of the vector.
        dropout: share of what is left out in training.
    """

    def __init__(
        self, channels: int, queries: int, hidden: int, dimensions: int, dropout: float = 0.0
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.norm = nn.LayerNorm(channels)
        self.query = nn.Linear(channels, queries)
        self.mix = nn.Linear(queries, 1, bias=False)
        self.linear = nn.Linear(2 * channels, dimensions)
        self.up = nn.Linear(2 * channels, hidden)
        self.down = nn.Linear(hidden, dimensions)
        self.dropout = nn.Dropout(dropout)
        nn.init.zeros_(self.query.weight)  # begins as the mean
        nn.init.constant_(self.mix.weight, 1 / queries)

    def vector(self, grid: torch.Tensor) -> torch.Tensor:
        """``[n, cells, channels]`` to ``[n, dimensions]``, of any length."""
        cells = self.norm(grid.float())
        weights = self.query(cells).softmax(1)  # [n, cells, queries]
        seen = torch.einsum("bnc,bnq->bcq", cells, weights)
        seen = self.mix(seen).squeeze(-1)  # [n, channels]
        joined = self.dropout(torch.cat([cells.mean(1), seen], -1))
        bent = self.down(self.dropout(F.gelu(self.up(joined))))
        vector: torch.Tensor = bent + self.linear(joined)
        return vector

    def forward(self, features: dict[str, Any], **_: Any) -> dict[str, Any]:
        """Adds ``sentence_embedding [n, dimensions]``."""
        features["sentence_embedding"] = self.vector(features["token_embeddings"])
        return features

    def get_embedding_dimension(self) -> int:
        """Numbers in a vector."""
        return self.down.out_features

    def save(self, output_path: str, *args: Any, safe_serialization: bool = True, **_: Any) -> None:
        """The weights."""
        self.save_torch_weights(output_path, safe_serialization=safe_serialization)


def pixel_values(pictures: Sequence[Image.Image], size: int) -> torch.Tensor:
    """``[n, 3, size, size]`` as ``(value - 127) / 128``, squashed to the square as in training."""
    rows = np.empty((len(pictures), size, size, 3), np.uint8)
    for row, picture in zip(rows, pictures, strict=True):
        squashed = picture.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=_REDUCE)
        row[:] = np.asarray(squashed)
    values = torch.from_numpy(rows).permute(0, 3, 1, 2).float()
    return (values - 127) / 128


def grid_features(tower: EfficientNetLiteModel, pixels: torch.Tensor) -> torch.Tensor:
    """The last grid of a tower, ``[n, cells, channels]``, without pooling or earlier stages."""
    x = tower.stem(pixels.contiguous(memory_format=torch.channels_last))
    for stage in tower.stages:
        x = stage(x)
    grid: torch.Tensor = tower.head(x).flatten(2).transpose(1, 2)
    return grid


def _picture(given: Any) -> Image.Image:
    picture = given.get("image") if isinstance(given, dict) else given
    if not isinstance(picture, Image.Image):
        raise InputError(
            f"A {type(picture).__name__} is no picture; open the file first, with "
            "`assistant.images.open_image`."
        )
    return picture if picture.mode == "RGB" else picture.convert("RGB")
