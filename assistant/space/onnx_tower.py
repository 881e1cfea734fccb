"""The tower for onnxruntime, which runs it several times as fast on a CPU as torch does.

Convolutions one channel at a time are what the tower consists of, and what onnxruntime is good at.
The graph has three kinds of nodes, so that it is written here by hand, as the bytes of ONNX's
protocol buffers (onnx.proto, IR version 8): no exporter is needed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch

from assistant.vision import ConvNorm, EfficientNetLiteModel, InvertedResidual

_IR, _OPSET = 8, 17
_FLOAT = 1
_INT, _INTS = 2, 7  # AttributeProto.AttributeType


class TowerSession:
    """A folded tower as a session of onnxruntime: the weights that it has now.

    Args:
        tower: one that `assistant.vision.fused` has made.
        image_size: side in pixels of its square input.
        threads: that compute one batch.
    """

    def __init__(self, tower: EfficientNetLiteModel, image_size: int, threads: int) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            tower_bytes(tower, image_size), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """``[n, 3, size, size]`` to ``[n, channels, side, side]``; usable from several threads."""
        (found,) = self._session.run(None, {"pixels": pixels.contiguous().numpy()})
        return torch.from_numpy(found)


def tower_bytes(tower: EfficientNetLiteModel, image_size: int) -> bytes:
    """The folded tower, from ``pixels`` to ``grid``, as an ONNX model."""
    graph = _Graph()
    x = graph.conv("pixels", tower.stem, image_size)
    for stage in tower.stages:
        blocks: Any = stage
        for block in blocks:
            x = graph.block(x, block)
    last, _ = graph.conv(x[0], tower.head, x[1])
    graph.nodes.append(_node("Identity", [last], ["grid"]))
    shape = ["n", 3, image_size, image_size]
    content = b"".join(
        [
            *(_bytes(1, node) for node in graph.nodes),
            _bytes(2, b"tower"),
            *(_bytes(5, tensor) for tensor in graph.weights),
            _bytes(11, _value("pixels", shape)),
            _bytes(12, _value("grid", ["n", "channels", "rows", "columns"])),
        ]
    )
    opset = _bytes(1, b"") + _number(2, _OPSET)
    return _number(1, _IR) + _bytes(7, content) + _bytes(8, opset)


class _Graph:
    """Nodes and weights; what is between nodes is named ``x1``, ``x2``, …"""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.weights = [_tensor("zero", np.float32(0)), _tensor("six", np.float32(6))]
        self._names = 0

    def name(self) -> str:
        self._names += 1
        return f"x{self._names}"

    def conv(self, x: str, layer: ConvNorm, side: int) -> tuple[str, int]:
        """A convolution padded as TensorFlow's "SAME", and ReLU6 unless it is linear."""
        conv: Any = layer.conv
        kernel, stride = int(conv.kernel_size[0]), int(conv.stride[0])
        out = -(-side // stride)
        both = max((out - 1) * stride + kernel - side, 0) if stride > 1 else 2 * (kernel // 2)
        first, last = both // 2, both - both // 2
        y = self.name()
        self.weights += [
            _tensor(f"{y}.w", _array(conv.weight)),
            _tensor(f"{y}.b", _array(conv.bias)),
        ]
        attributes = [
            _attribute("group", int(conv.groups)),
            _attribute("kernel_shape", [kernel, kernel]),
            _attribute("pads", [first, first, last, last]),
            _attribute("strides", [stride, stride]),
        ]
        self.nodes.append(_node("Conv", [x, f"{y}.w", f"{y}.b"], [y], attributes))
        if layer.linear:
            return y, out
        z = self.name()
        self.nodes.append(_node("Clip", [y, "zero", "six"], [z]))
        return z, out

    def block(self, given: tuple[str, int], block: InvertedResidual) -> tuple[str, int]:
        """Expand, depthwise, project, and the skip where there is one."""
        x = given
        for layer in (block.expand, block.depthwise, block.project):
            if isinstance(layer, ConvNorm):
                x = self.conv(x[0], layer, x[1])
        if not block.skip:
            return x
        y = self.name()
        self.nodes.append(_node("Add", [given[0], x[0]], [y]))
        return y, x[1]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()


def _node(
    kind: str, inputs: Sequence[str], outputs: Sequence[str], attributes: Iterable[bytes] = ()
) -> bytes:
    return b"".join(
        [
            *(_bytes(1, name.encode()) for name in inputs),
            *(_bytes(2, name.encode()) for name in outputs),
            _bytes(4, kind.encode()),
            *(_bytes(5, attribute) for attribute in attributes),
        ]
    )


def _attribute(name: str, value: int | Sequence[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name.encode()) + _number(3, value) + _number(20, _INT)
    numbers = b"".join(_number(8, each) for each in value)
    return _bytes(1, name.encode()) + numbers + _number(20, _INTS)


def _tensor(name: str, values: np.ndarray | np.float32) -> bytes:
    array = np.asarray(values, "<f4")
    dims = b"".join(_number(1, side) for side in array.shape)
    return dims + _number(2, _FLOAT) + _bytes(8, name.encode()) + _bytes(9, array.tobytes())


def _value(name: str, shape: Sequence[object]) -> bytes:
    dims = b"".join(
        _bytes(1, _number(1, side) if isinstance(side, int) else _bytes(2, str(side).encode()))
        for side in shape
    )
    kind = _bytes(1, _number(1, _FLOAT) + _bytes(2, dims))
    return _bytes(1, name.encode()) + _bytes(2, kind)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found += struct.pack("B", value & 127 | 128)
        value >>= 7
    found += struct.pack("B", value)
    return bytes(found)
