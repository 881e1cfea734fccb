"""Label heads: what an adapter's own classifier says of a picture, beside the language model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from assistant.adapter_files import LABEL_HEAD_FILE, AdapterFiles
from assistant.errors import AdapterError


@dataclass(frozen=True)
class LabelHead:
    """Weight ``[labels, channels]`` and bias ``[labels]`` over pooled features, in float32."""

    weight: torch.Tensor
    bias: torch.Tensor

    def __call__(self, pooled: torch.Tensor) -> torch.Tensor:
        """Log-probabilities ``[B, labels]`` of features ``[B, channels]``."""
        return torch.nn.functional.linear(pooled.float(), self.weight, self.bias).log_softmax(-1)


def read_head(files: AdapterFiles, channels: int | None) -> LabelHead | None:
    """The label head that an adapter brings, None where it brings none.

    Args:
        channels: of the tower's pooled features; None where they are not known.

    Raises:
        AdapterError: it is damaged, or not of the labels or the tower.
    """
    file = files.label_head
    if file is None:
        return None
    try:
        tensors = load_file(file)
        weight, bias = tensors["label_head.weight"].float(), tensors["label_head.bias"].float()
    except (OSError, SafetensorError, KeyError) as error:
        raise AdapterError(
            f"{file} holds no label head; restore it from where it came, or remove it."
        ) from error
    labels = len(files.labels)
    fits = weight.ndim == 2 and weight.shape[0] == labels and bias.shape == (labels,)
    if not fits or (channels is not None and weight.shape[1] != channels):
        raise AdapterError(
            f"{LABEL_HEAD_FILE} of the adapter {files.name!r} does not go with its {labels} labels "
            "or with the base's tower; train it again."
        )
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise AdapterError(
            f"{LABEL_HEAD_FILE} of the adapter {files.name!r} holds values that are no numbers; "
            "train it again."
        )
    return LabelHead(weight, bias)


def pooled_width(model: Any) -> int | None:
    """Channels of the tower's pooled features; None where they are not known."""
    config = getattr(getattr(model.model, "vision_tower", None), "config", None)
    return getattr(config, "head_channels", None)
