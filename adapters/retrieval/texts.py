"""The text side in training: what the frozen lower layers say, kept, and upper ones with LoRA."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from sentence_transformers.base.modules import Transformer
from torch import nn
from torch.nn import functional as F

from adapters.tune.loop import write_tensors
from assistant.errors import WeightsError

Progress = Callable[[int, int], None]
_BATCH = 64
_PLACES = (
    "attention.self.query", "attention.self.key", "attention.self.value",
    "attention.output.dense", "intermediate.dense", "output.dense",
)  # fmt: skip


class TextStore:
    """Hidden states of texts below the layers that train, and what the whole encoder makes of them.

    Attributes:
        base: ``[n, width]``, of length 1: the mean of the last layer, before any training.
    """

    def __init__(self, states: torch.Tensor, starts: torch.Tensor, base: torch.Tensor) -> None:
        self._states, self._starts, self.base = states, starts, base

    def __len__(self) -> int:
        return len(self.base)

    @classmethod
    def build(
        cls,
        words: Transformer,
        texts: Sequence[str],
        folder: Path,
        *,
        layers: int,
        revision: str,
        progress: Progress | None = None,
    ) -> TextStore:
        """Compute them, or find them where they were kept.

        Args:
            layers: upper layers that train.
            revision: what identifies the encoder's weights.
        """
        key = repr([revision, layers, words.max_seq_length, list(texts)]).encode()
        file = folder / f"{hashlib.sha256(key).hexdigest()[:24]}.texts"
        if file.exists():
            kept = load_file(file)
            return cls(kept["states"], kept["starts"], kept["base"])
        model: Any = words.model
        below = len(_layers(model)) - layers
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]))
        states: list[torch.Tensor] = [torch.empty(0)] * len(texts)
        base = torch.zeros(len(texts), model.config.hidden_size)
        with torch.inference_mode():
            for start in range(0, len(order), _BATCH):
                places = order[start : start + _BATCH]
                given = words.preprocess([{"text": texts[place]} for place in places])
                mask = given["attention_mask"]
                output = model(
                    input_ids=given["input_ids"], attention_mask=mask, output_hidden_states=True
                )
                for row, place in enumerate(places):
                    real = mask[row].bool()
                    states[place] = output.hidden_states[below][row][real].half()
                    mean = output.last_hidden_state[row][real].mean(0)
                    base[place] = F.normalize(mean, dim=-1)
                if progress is not None:
                    progress(min(start + _BATCH, len(order)), len(order))
        starts = torch.tensor([0, *np.cumsum([len(each) for each in states])])
        folder.mkdir(parents=True, exist_ok=True)
        kept = {"states": torch.cat(states).clone(), "starts": starts, "base": base}
        write_tensors(file, kept)
        return cls(kept["states"], kept["starts"], kept["base"])

    def rows(self, places: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """States ``[n, tokens, width]``, padded with zeros, and the mask ``[n, tokens]``."""
        parts = [self._states[self._starts[p] : self._starts[p + 1]].float() for p in places]
        mask = torch.zeros(len(parts), max(len(part) for part in parts))
        for row, part in enumerate(parts):
            mask[row, : len(part)] = 1
        return nn.utils.rnn.pad_sequence(parts, batch_first=True), mask


class UpperText(nn.Module):
    """The upper layers of the encoder with LoRA, mean pooling and a projection.

    Args:
        words: the encoder, whose upper layers are changed.
        layers: how many of them train.
        rank: of LoRA.
        dimensions: of the space; the projection begins as the identity.
        dropout: of the pooled vector in training.
    """

    def __init__(
        self, words: Transformer, layers: int, rank: int, dimensions: int, dropout: float
    ) -> None:
        super().__init__()
        model: Any = words.model
        whole = _layers(model)
        self.below = len(whole) - layers
        self.layers = nn.ModuleList(list(whole)[self.below :]).requires_grad_(False)
        for layer in self.layers:
            for place in _PLACES:
                owner, _, name = place.rpartition(".")
                parent: Any = layer.get_submodule(owner)
                setattr(parent, name, LowRankLinear(getattr(parent, name), rank))
        width = model.config.hidden_size
        self.projection = nn.Linear(width, dimensions)
        nn.init.eye_(self.projection.weight)
        nn.init.zeros_(self.projection.bias)
        self.dropout = nn.Dropout(dropout)

    def train(self, mode: bool = True) -> UpperText:
        """Only the pooled vector is dropped out; the layers stay as in use."""
        super().train(mode)
        self.layers.eval()
        return self

    def forward(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """``[n, tokens, width]`` and ``[n, tokens]`` to ``[n, dimensions]`` of length 1."""
        hidden = (1 - mask)[:, None, None, :] * -1e9
        x = states
        for layer in self.layers:
            output = layer(x, hidden)
            x = output[0] if isinstance(output, tuple) else output
        pooled = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return F.normalize(self.projection(self.dropout(pooled)), dim=-1)

    def changes(self) -> dict[str, torch.Tensor]:
        """The LoRA factors by their places in the encoder."""
        found = {}
        for number, layer in enumerate(self.layers, start=self.below):
            for place in _PLACES:
                part: Any = layer.get_submodule(place)
                name = f"encoder.layer.{number}.{place}"
                found[f"{name}.lora_a"] = part.lora_a.detach()
                found[f"{name}.lora_b"] = part.lora_b.detach()
        return found


class LowRankLinear(nn.Module):
    """A linear layer with ``W + B A`` for its weight."""

    def __init__(self, linear: nn.Linear, rank: int) -> None:
        super().__init__()
        self.weight, self.bias = linear.weight, linear.bias
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=5**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[..., in]`` to ``[..., out]``."""
        return F.linear(x, self.weight + self.lora_b @ self.lora_a, self.bias)


def _layers(model: Any) -> nn.ModuleList:
    layers: Any = getattr(getattr(model, "encoder", None), "layer", None)
    if not isinstance(layers, nn.ModuleList):
        raise WeightsError("Only a text encoder of BERT's form can be trained here; use another.")
    return layers
