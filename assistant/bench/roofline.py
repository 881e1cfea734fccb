"""What the machine allows: memory bandwidth for decoding, matrix rate for reading prompts.

The roofline model (Williams, Waterman and Patterson, Communications of the ACM 2009): a token of
decoding reads all weights once and computes little with them, so that memory bounds it; a prompt
reads them once for all of its tokens, so that the products bound it. Both bounds are measured here
with torch's own kernels and as many threads, in every round, as the best of several.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import psutil
import torch

from assistant.bench.task import PREFILL, synchronise
from assistant.bench.values import MACHINE
from assistant.engine.step import step_of
from assistant.shape import Shape

_BUFFER: Final = 512 * 2**20  # bytes: far more than any cache that a core has for itself
_LEAST: Final = 64 * 2**20
_ROW: Final = 4096
_SQUARE: Final = 1536
_REPEATS: Final = 4
_BYTES: Final = {"Linear4bit": 0.5 + 4 / 64, "Linear8bitLt": 1.0}


class Machine:
    """The machine's own limits.

    Args:
        shape: of the language model, None where it is of another family; squares are multiplied
            then.
        dtype: the one that the engine computes in.
    """

    name = MACHINE
    what = "torch's own kernels"

    def __init__(self, device: torch.device, dtype: torch.dtype, shape: Shape | None) -> None:
        self._device, self._dtype = device, dtype
        free = _free(device)
        size = max(_LEAST, min(_BUFFER, free // 8)) // (4 * _ROW) * _ROW
        self._buffer = torch.ones(size, device=device)
        self._vector = torch.ones(_ROW, device=device)
        self._shapes = sorted(set(shape.linears)) if shape is not None else []
        self.jobs: Mapping[str, Callable[[], dict[str, float]]] = {"roofline": self.measure}

    @torch.inference_mode()
    def measure(self) -> dict[str, float]:
        """Bytes that can be read a second, and floating-point operations of products."""
        return {"bandwidth": self.bandwidth(), "matrix_rate": self.matrix_rate()}

    def bandwidth(self) -> float:
        """Bytes a second, the best of reading once and of a product of a matrix and a vector."""
        buffer = self._buffer
        matrix = buffer.view(-1, _ROW)
        seconds = min(
            self._best(lambda: buffer.sum()), self._best(lambda: torch.mv(matrix, self._vector))
        )
        return buffer.nbytes / seconds

    def matrix_rate(self) -> float:
        """Operations a second, the best of the prompt's products and of a large square."""
        given: dict[str, Any] = {"device": self._device, "dtype": self._dtype}
        square: Any = torch.ones(_SQUARE, _SQUARE, **given)
        rates = [2 * _SQUARE**3 / self._best(lambda: square @ square)]
        if self._shapes:
            pairs: list[Any] = [
                (torch.ones(PREFILL, columns, **given), torch.ones(columns, rows, **given))
                for rows, columns in self._shapes
            ]
            work = sum(2 * PREFILL * rows * columns for rows, columns in self._shapes)
            rates.append(work / self._best(lambda: [left @ right for left, right in pairs]))
        return max(rates)

    def _best(self, work: Callable[[], object]) -> float:
        """The least seconds that it takes."""
        found = []
        for _ in range(_REPEATS):
            synchronise(self._device)
            began = time.perf_counter()
            work()
            synchronise(self._device)
            found.append(time.perf_counter() - began)
        return min(found)

    def close(self) -> None:
        """Let go of the buffer."""
        self._buffer = self._buffer.new_empty(0)


def shape_of(model: Any) -> Shape | None:
    """The linear layers of a model's language model; None where they are of an unknown family."""
    with suppress(AttributeError, TypeError):
        return Shape.of(model.config.get_text_config())
    return None


def bytes_a_token(engine: Any) -> int:
    """Bytes of weights that one token of decoding reads: linear layers and the output layer.

    Where the engine has a step of its own for single tokens, that one knows; else it is what the
    layers hold. Norms, and keys and values, are too little to count.
    """
    model = engine.model
    step = step_of(model)
    if step is not None:
        return int(step.nbytes)
    language = getattr(getattr(model, "model", model), "language_model", None)
    layers = {id(each): each for each in language.modules()} if language is not None else {}
    output = model.get_output_embeddings()
    layers[id(output)] = output
    total = 0.0
    for layer in layers.values():
        rows, columns = getattr(layer, "out_features", 0), getattr(layer, "in_features", 0)
        if not rows or not columns:
            continue
        kind = type(layer).__name__
        if kind in _BYTES:
            total += rows * columns * _BYTES[kind]
        else:
            total += rows * columns * layer.weight.element_size()
    return int(total)


def operations_a_token(model: Any, tokens: int) -> float | None:
    """Floating-point operations that a token of a prompt of ``tokens`` takes, on average.

    Two for each weight of a linear layer, the output layer only for the last token; attention
    multiplies each query with half of the keys and values. None where the family is unknown.
    """
    shape, config = shape_of(model), model.config.get_text_config()
    if shape is None:
        return None
    wide = shape.linears[0][0]  # all queries side by side
    output = 2 * config.vocab_size * config.hidden_size / tokens
    return float(2 * shape.weights + output + 2 * shape.blocks * wide * tokens)


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)
