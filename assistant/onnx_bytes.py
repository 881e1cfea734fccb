"""ONNX models as bytes: nodes, attributes and tensors in the form of onnx.proto (IR version 8).

What is computed here by onnxruntime has few kinds of nodes, so that graphs are written by hand: no
exporter is needed, and none of its dependencies.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

Dimensions = Sequence[int | str]
"""Of a tensor; a name stands for a side of any length."""

Attribute = int | float | str | Sequence[int]

_IR: Final = 8
_FLOAT, _INT, _STRING, _INTS = 1, 2, 3, 7  # AttributeProto.AttributeType
_EXTERNAL = 1  # TensorProto.DataLocation
_KINDS: Final = {
    np.dtype(np.float32): 1,
    np.dtype(np.uint8): 2,
    np.dtype(np.int32): 6,
    np.dtype(np.int64): 7,
    np.dtype(np.float16): 10,
}
"""TensorProto.DataType."""


def node(
    kind: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attributes: Mapping[str, Attribute] | None = None,
    *,
    domain: str = "",
) -> bytes:
    """A node of a graph; an input without a name is left out.

    Args:
        domain: of the operator; empty is ONNX's own.
    """
    return b"".join(
        [
            *(_bytes(1, name.encode()) for name in inputs),
            *(_bytes(2, name.encode()) for name in outputs),
            _bytes(4, kind.encode()),
            *(_bytes(5, _attribute(name, value)) for name, value in (attributes or {}).items()),
            *([_bytes(7, domain.encode())] if domain else []),
        ]
    )


def tensor(name: str, values: np.ndarray | np.generic) -> bytes:
    """Weights of a graph, in the precision that they have."""
    array: Any = np.asarray(values)
    array = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)
    dims = b"".join(_number(1, side) for side in array.shape)
    kind = _number(2, _KINDS[np.dtype(array.dtype.type)])
    return dims + kind + _bytes(8, name.encode()) + _bytes(9, array.tobytes())


def outside(
    name: str,
    sides: Sequence[int],
    kind: type[np.generic],
    file: str,
    offset: int,
) -> bytes:
    """Weights of a graph that lie in a file, row by row, from a byte on.

    Args:
        file: its name, in the folder that the session is told.
    """
    length = math.prod(sides) * np.dtype(kind).itemsize
    told = {"location": file, "offset": str(offset), "length": str(length)}
    entries = (_bytes(1, key.encode()) + _bytes(2, text.encode()) for key, text in told.items())
    return b"".join(
        [
            *(_number(1, side) for side in sides),
            _number(2, _KINDS[np.dtype(kind)]),
            _bytes(8, name.encode()),
            *(_bytes(13, entry) for entry in entries),
            _number(14, _EXTERNAL),
        ]
    )


def value(name: str, sides: Dimensions, kind: type[np.generic] = np.float32) -> bytes:
    """What a graph is given, or gives."""
    dims = b"".join(
        _bytes(1, _number(1, side) if isinstance(side, int) else _bytes(2, side.encode()))
        for side in sides
    )
    shaped = _bytes(1, _number(1, _KINDS[np.dtype(kind)]) + _bytes(2, dims))
    return _bytes(1, name.encode()) + _bytes(2, shaped)


def model(
    nodes: Iterable[bytes],
    weights: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    opsets: Mapping[str, int],
) -> bytes:
    """The whole, for `onnxruntime.InferenceSession`.

    Args:
        opsets: version of each domain's operators.
    """
    content = b"".join(
        [
            *(_bytes(1, each) for each in nodes),
            _bytes(2, b"graph"),
            *(_bytes(5, each) for each in weights),
            *(_bytes(11, each) for each in inputs),
            *(_bytes(12, each) for each in outputs),
        ]
    )
    imports = (_bytes(1, d.encode()) + _number(2, version) for d, version in opsets.items())
    return b"".join([_number(1, _IR), _bytes(7, content), *(_bytes(8, each) for each in imports)])


def _attribute(name: str, given: Attribute) -> bytes:
    named = _bytes(1, name.encode())
    if isinstance(given, int):
        return named + _number(3, given) + _number(20, _INT)
    if isinstance(given, float):
        return named + _varint(2 << 3 | 5) + struct.pack("<f", given) + _number(20, _FLOAT)
    if isinstance(given, str):
        return named + _bytes(4, given.encode()) + _number(20, _STRING)
    return named + b"".join(_number(8, each) for each in given) + _number(20, _INTS)


def _number(field: int, given: int) -> bytes:
    return _varint(field << 3) + _varint(given)


def _bytes(field: int, given: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(given)) + given


def _varint(given: int) -> bytes:
    given &= 2**64 - 1  # negative numbers in two's complement
    found = bytearray()
    while given > 127:
        found.append(given & 127 | 128)
        given >>= 7
    found.append(given)
    return bytes(found)
