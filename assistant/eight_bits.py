"""Linear layers in eight bits for a token at a time, as onnxruntime multiplies by them.

The one token of a step of writing waits for memory: all weights pass by once. In blocks of 32
weights of a row, each block with a scale of its own, eight bits give nearly what the full weights
give, and half as many bytes pass by. onnxruntime's ``MatMulNBits`` rounds what it is given to eight
bits as well, block by block, and has kernels for AVX2, AVX-512 and NEON.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from assistant.onnx_bytes import model, node, tensor, value

BLOCK: Final = 32
"""Weights of a row that share a scale."""

OPSETS: Final = {"": 17, "com.microsoft": 1}
BYTES_A_WEIGHT: Final = 1 + 4 / BLOCK

_ZERO = 128  # what stands for 0 where a node says nothing else
_ROUNDED_ACTIVATIONS = 4  # ``accuracy_level``: what a layer is given is rounded to eight bits
_ROWS = 4096  # that are rounded at once


def can_hold(layer: Any) -> bool:
    """Whether a layer's rows are whole blocks."""
    return isinstance(layer, nn.Linear) and layer.in_features % BLOCK == 0


def rounded(weight: torch.Tensor) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Weights ``[out, in]`` in eight bits, some rows at a time.

    Yields:
        ``uint8 [rows, in / 32, 32]``, where 128 stands for 0, and scales ``float32 [rows, in /
        32]``.
    """
    for part in weight.detach().split(_ROWS):
        blocks = part.float().reshape(len(part), -1, BLOCK)
        scales = (blocks.abs().amax(-1) / 127).clamp(min=torch.finfo(torch.float32).tiny)
        eight = (blocks / scales[..., None]).round_().add_(_ZERO).clamp_(1, 255)
        yield eight.to(torch.uint8).numpy(), scales.numpy()


def product(given: str, name: str, outputs: int, inputs: int) -> bytes:
    """The node ``name``: what a layer with weights ``name.q`` and scales ``name.s`` gives."""
    return node(
        "MatMulNBits",
        [given, f"{name}.q", f"{name}.s"],
        [name],
        {
            "K": inputs,
            "N": outputs,
            "bits": 8,
            "block_size": BLOCK,
            "accuracy_level": _ROUNDED_ACTIVATIONS,
        },
        domain="com.microsoft",
    )


def session_options(threads: int) -> Any:
    """For sessions that compute one step at a time."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return options


class Products:
    """Layers of some shapes one beside the other, to see how long their products take.

    Args:
        linears: ``(outputs, inputs)`` of each.
        copies: of all of them, with weights of their own.
    """

    def __init__(self, linears: Sequence[tuple[int, int]], copies: int) -> None:
        import onnxruntime

        nodes, weights, outputs = [], [], []
        for number in range(copies):
            for place, (rows, columns) in enumerate(linears):
                name = f"y{number}.{place}"
                blocks = columns // BLOCK
                weights += [
                    tensor(f"{name}.q", np.full((rows, blocks, BLOCK), 130, np.uint8)),
                    tensor(f"{name}.s", np.full((rows, blocks), 0.01, np.float32)),
                ]
                nodes.append(product(f"x{columns}", name, rows, columns))
                outputs.append(value(name, [1, rows]))
        widths = {columns for _, columns in linears}
        inputs = [value(f"x{width}", [1, width]) for width in widths]
        content = model(nodes, weights, inputs, outputs, OPSETS)
        self._session = onnxruntime.InferenceSession(
            content, session_options(torch.get_num_threads()), providers=["CPUExecutionProvider"]
        )
        self._given = {f"x{width}": np.ones((1, width), np.float32) for width in widths}

    def seconds(self) -> float:
        """That one token takes."""
        started = time.perf_counter()
        self._session.run(None, self._given)
        return time.perf_counter() - started
