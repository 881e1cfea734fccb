"""Which number format this machine multiplies faster in.

bfloat16 halves memory and, where the processor has fast instructions for it, time. On others its
products take up to three times as long as float32's: that is measured, not looked up.
"""

from __future__ import annotations

import time

import torch

_ROWS, _WIDE, _NARROW = 1024, 1536, 576  # a packed batch at the embedded model's feed-forward layer
_ROUNDS = 3


def faster_dtype(device: torch.device) -> torch.dtype:
    """bfloat16 on an accelerator, and on a CPU where it is no slower than float32."""
    if device.type != "cpu":
        return torch.bfloat16
    return min((torch.bfloat16, torch.float32), key=_seconds)


def _seconds(dtype: torch.dtype) -> float:
    """The best of a few products' times."""
    left, right = torch.ones(_ROWS, _NARROW, dtype=dtype), torch.ones(_WIDE, _NARROW, dtype=dtype)
    times = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        torch.mm(left, right.t())
        times.append(time.perf_counter() - began)
    return min(times)
