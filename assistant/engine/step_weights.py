"""The weights of the step of one token, in eight bits, in a file of the cache folder.

They are rounded once: later starts find the file, which onnxruntime reads as it lies. What
identifies it is the content of base and adapter; a file of another version has another name.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from assistant.eight_bits import BLOCK, can_hold, rounded
from assistant.onnx_bytes import outside
from assistant.packed import PackedLinear
from assistant.whole_file import drop_abandoned, whole_file

_FORM: Final = 1  # changes with how the weights lie in the file
_ALIGNED: Final = 4096
_KEPT: Final = 4  # files; the oldest go


@dataclass(frozen=True)
class _Place:
    """Where the weights of layers side by side begin in the file, and their scales."""

    rows: int
    blocks: int
    weights: int
    scales: int


@dataclass
class WeightFile:
    """A file that was written of a model.

    Attributes:
        path: of the file.
        passing: whether it goes with this process: it could not be kept.
    """

    path: Path
    passing: bool
    _places: Mapping[str, _Place] = field(repr=False)

    def tensors(self, name: str) -> list[bytes]:
        """Weights ``name.q`` and scales ``name.s``, for `assistant.eight_bits.product`."""
        place, file = self._places[name], self.path.name
        sides = [place.rows, place.blocks, BLOCK]
        return [
            outside(f"{name}.q", sides, np.uint8, file, place.weights),
            outside(f"{name}.s", sides[:2], np.float32, file, place.scales),
        ]

    @property
    def nbytes(self) -> int:
        """Bytes that pass by for one token."""
        return sum(p.rows * p.blocks * (BLOCK + 4) for p in self._places.values())

    def __del__(self) -> None:
        if self.passing:
            with suppress(OSError):
                self.path.unlink()


def products(llava: Any) -> Iterator[tuple[str, list[Any]]]:
    """The linear layers of a step by the names that they have in it, those side by side as one."""
    for number, layer in enumerate(llava.model.language_model.layers):
        attention, mlp = layer.self_attn, layer.mlp
        yield f"{number}.look", [attention.q_proj, attention.k_proj, attention.v_proj]
        yield f"{number}.mix", [attention.o_proj]
        yield f"{number}.gate", [mlp.gate_proj]
        yield f"{number}.through", [mlp.up_proj]
        yield f"{number}.down", [mlp.down_proj]
    yield "logits", [llava.get_output_embeddings()]


def can_be_rounded(llava: Any) -> bool:
    """Whether all linear layers have plain weights here, in blocks."""
    return all(can_hold(each) and _plain(each) for _, layers in products(llava) for each in layers)


def weight_file(llava: Any, identity: str | None, folder: Path) -> WeightFile:
    """The weights of a model, found or written.

    Args:
        llava: one whose weights `can_be_rounded`.
        identity: of what is in it, by content; None where that is not known: then the file goes
            with this process.
        folder: of the cache; where it cannot be written the file goes with this process.

    Raises:
        OSError: there is no place for a file.
    """
    places, size = _places(llava)
    if identity is not None:
        path = folder / f"{identity[:32]}-{_FORM}.step"
        with suppress(OSError):
            if path.stat().st_size == size:
                os.utime(path)
                return WeightFile(path, False, places)
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            _write(llava, places, size, path)
            _tidy(folder, path)
            return WeightFile(path, False, places)
    handle, name = tempfile.mkstemp(".step")
    os.close(handle)
    found = WeightFile(Path(name), True, places)
    _write(llava, places, size, found.path)
    return found


def _places(llava: Any) -> tuple[dict[str, _Place], int]:
    """Where everything lies, and how large the file is."""
    places: dict[str, _Place] = {}
    end = 0
    for name, layers in products(llava):
        rows = sum(layer.out_features for layer in layers)
        blocks = layers[0].in_features // BLOCK
        scales = _aligned(end + rows * blocks * BLOCK)
        places[name] = _Place(rows, blocks, end, scales)
        end = _aligned(scales + rows * blocks * 4)
    return places, end


def _write(llava: Any, places: Mapping[str, _Place], size: int, path: Path) -> None:
    with whole_file(path) as part, part.open("wb") as file:
        for product, layers in products(llava):
            place = places[product]
            at = [place.weights, place.scales]
            for layer in layers:
                for parts in rounded(_weight(layer)):
                    for which, each in enumerate(parts):
                        file.seek(at[which])
                        file.write(each.tobytes())
                        at[which] = file.tell()
        file.truncate(size)


def _tidy(folder: Path, own: Path) -> None:
    """Let the files go that were not used for longest, and what was left half written."""
    drop_abandoned(folder)
    found: Sequence[Path] = sorted(folder.glob("*.step"), key=lambda each: each.stat().st_mtime)
    for path in [each for each in found if each != own][: max(0, len(found) - _KEPT)]:
        with suppress(OSError):
            path.unlink()


def _plain(layer: Any) -> bool:
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.device.type != "cpu":
        return False
    packed = isinstance(layer, PackedLinear) and layer.packed
    return not packed and type(layer) in (torch.nn.Linear, PackedLinear)


def _weight(layer: Any) -> torch.Tensor:
    weight: torch.Tensor = layer.weight
    return weight


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNED) * _ALIGNED
