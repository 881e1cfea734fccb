"""Weights in few bytes: whole numbers of eight or four bits with one scale an output channel.

A tensor ``X`` is stored as it is, in half or full precision, or as whole numbers under its name
with the scales of its rows under ``X:scale``; where two of four bits share a byte, ``uint8``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch

SCALE = ":scale"
Bits = Literal[4, 8, 16]


def packed(name: str, tensor: torch.Tensor, bits: Bits) -> dict[str, torch.Tensor]:
    """What is stored of a tensor ``[out, …]``; one with a single axis stays in half precision."""
    tensor = tensor.detach().float().cpu()
    if bits == 16 or tensor.ndim < 2:
        return {name: tensor.half().contiguous()}
    most = 2 ** (bits - 1) - 1
    rows = tensor.reshape(len(tensor), -1)
    scale = (rows.abs().amax(1) / most).clamp(min=1e-20)
    whole = (rows / scale[:, None]).round().clamp(-most, most).to(torch.int8)
    if bits == 8:
        return {name: whole.reshape(tensor.shape), name + SCALE: scale}
    if whole.shape[1] % 2:
        whole = torch.nn.functional.pad(whole, (0, 1))
    nibbles = (whole + 8).to(torch.uint8)
    return {name: nibbles[:, ::2] | (nibbles[:, 1::2] << 4), name + SCALE: scale}


def unpacked(
    name: str, stored: Mapping[str, torch.Tensor], shape: torch.Size | tuple[int, ...]
) -> torch.Tensor:
    """The tensor of that name in float32.

    Raises:
        ValueError: what is stored is of another shape or type, or no numbers.
    """
    tensor = stored[name]
    if tensor.dtype in (torch.int8, torch.uint8):
        rows, columns = shape[0], torch.Size(shape).numel() // max(shape[0], 1)
        if tensor.dtype == torch.uint8:
            if tensor.shape != (rows, (columns + 1) // 2):
                raise ValueError(f"{name} is of another shape")
            halves = torch.stack([tensor & 15, tensor >> 4], 2)
            whole = halves.reshape(rows, -1)[:, :columns].float() - 8
        else:
            if tuple(tensor.shape) != tuple(shape):
                raise ValueError(f"{name} is of another shape")
            whole = tensor.reshape(rows, columns).float()
        scale = stored[name + SCALE]
        if scale.shape != (rows,) or not scale.is_floating_point():
            raise ValueError(f"the scales of {name} are of another shape")
        found = (whole * scale.float()[:, None]).reshape(shape)
    elif tensor.is_floating_point() and tuple(tensor.shape) == tuple(shape):
        found = tensor.float()
    else:
        raise ValueError(f"{name} is of another shape or type")
    if not bool(torch.isfinite(found).all()):
        raise ValueError(f"{name} holds values that are no numbers")
    return found
