"""The tower for onnxruntime, which runs it several times as fast on a CPU as torch does.

Convolutions one channel at a time are what the tower consists of, and what onnxruntime is good at.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from assistant.onnx_bytes import Attribute, model, node, tensor, value
from assistant.vision import ConvNorm, EfficientNetLiteModel, InvertedResidual, fused

_OPSET = 17


class TowerSession:
    """A folded tower as a session of onnxruntime: the weights that it has now.

    Args:
        tower: one that `assistant.vision.fused` has made.
        image_size: side in pixels of its square input.
        threads: that compute one batch.
        until: stage, and block of it, in front of which it ends; by default it is the whole.
        levels: stages that `levels` gives the ends of.
    """

    def __init__(
        self,
        tower: EfficientNetLiteModel,
        image_size: int,
        threads: int,
        until: tuple[int, int] | None = None,
        levels: Sequence[int] = (),
    ) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            tower_bytes(tower, image_size, until, levels),
            options,
            providers=["CPUExecutionProvider"],
        )

    def __call__(self, pixels: torch.Tensor) -> torch.Tensor:
        """``[n, 3, size, size]`` to ``[n, channels, side, side]``; usable from several threads."""
        return self.levels(pixels)[0]

    def levels(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        """As `__call__`, and behind it what the stages of ``levels`` gave."""
        found = self._session.run(None, {"pixels": pixels.contiguous().numpy()})
        return [torch.from_numpy(each) for each in found]


class QuickTower(nn.Module):
    """A tower on the CPU as LLaVA calls it, computed by onnxruntime in float32; for inference only.

    Args:
        tower: as it is when it is first looked through; in any precision, which it keeps.
    """

    def __init__(self, tower: EfficientNetLiteModel) -> None:
        super().__init__()
        self._tower = weakref.ref(tower)
        self._building = threading.Lock()
        self._sessions: dict[int, TowerSession] = {}

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """See `EfficientNetLiteModel.forward`; the pictures are square.

        The features have the tower's precision, what is pooled has float32.
        """
        tower = self._tower()
        assert tower is not None, "whoever looks through a tower holds it"
        pixels = pixel_values.float()
        last, *levels = self._session(tower, pixels.shape[-1]).levels(pixels)
        seen = tower.gathered(last, [*levels, pixels])
        features = seen.last_hidden_state
        assert features is not None
        features = features.to(tower.dtype)
        seen.last_hidden_state, seen.hidden_states = features, (features,)
        return seen

    def prepare(self) -> None:
        """Make ready for pictures of the size that the tower is made for."""
        tower = self._tower()
        if tower is not None:
            self._session(tower, int(tower.config.image_size))

    def _session(self, tower: EfficientNetLiteModel, image_size: int) -> TowerSession:
        with self._building:
            if image_size not in self._sessions:
                stages = tower.config.feature_stages
                threads = torch.get_num_threads()
                self._sessions[image_size] = TowerSession(
                    fused(tower), image_size, threads, levels=stages
                )
            return self._sessions[image_size]


def tower_bytes(
    tower: EfficientNetLiteModel,
    image_size: int,
    until: tuple[int, int] | None = None,
    levels: Sequence[int] = (),
) -> bytes:
    """The folded tower, from ``pixels`` to ``grid`` and ``level.N`` of stages, as an ONNX model."""
    graph = _Graph()
    x = graph.conv("pixels", tower.stem, image_size)
    grid = ["n", "channels", "rows", "columns"]
    outputs = [value("grid", grid)]
    for number, stage in enumerate(tower.stages):
        blocks: Any = stage
        for place, block in enumerate(blocks):
            if until is None or (number, place) < until:
                x = graph.block(x, block)
        if number in levels:
            graph.nodes.append(node("Identity", [x[0]], [f"level.{number}"]))
            outputs.append(value(f"level.{number}", [f"{side}.{number}" for side in grid]))
    if until is None:
        x = graph.conv(x[0], tower.head, x[1])
    graph.nodes.append(node("Identity", [x[0]], ["grid"]))
    return model(
        graph.nodes,
        graph.weights,
        [value("pixels", ["n", 3, image_size, image_size])],
        outputs,
        {"": _OPSET},
    )


class _Graph:
    """Nodes and weights; what is between nodes is named ``x1``, ``x2``, …"""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.weights = [tensor("zero", np.float32(0)), tensor("six", np.float32(6))]
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
            tensor(f"{y}.w", _array(conv.weight)),
            tensor(f"{y}.b", _array(conv.bias)),
        ]
        attributes: dict[str, Attribute] = {
            "group": int(conv.groups),
            "kernel_shape": [kernel, kernel],
            "pads": [first, first, last, last],
            "strides": [stride, stride],
        }
        self.nodes.append(node("Conv", [x, f"{y}.w", f"{y}.b"], [y], attributes))
        if layer.linear:
            return y, out
        z = self.name()
        self.nodes.append(node("Clip", [y, "zero", "six"], [z]))
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
        self.nodes.append(node("Add", [given[0], x[0]], [y]))
        return y, x[1]


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().numpy()
