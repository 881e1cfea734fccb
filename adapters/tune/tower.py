"""The tower while it trains: batch norms folded into the convolutions, early stages frozen.

Folding saves a third of a step and changes no output. What was learnt goes back into a tower of
the usual form, whose norms then only add a bias, so that adapters on disk are plain PEFT.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from adapters.tune.settings import Tuning
from assistant.vision import ConvNorm, EfficientNetLiteModel, fused


class LowRankConv(nn.Module):
    """A pointwise convolution whose weight is ``W + scale * B A`` (LoRA), made anew each time."""

    def __init__(self, conv: nn.Conv2d, rank: int) -> None:
        super().__init__()
        out, inputs = conv.weight.shape[:2]
        self.weight, self.bias = conv.weight, conv.bias
        self.kernel_size = conv.kernel_size
        self.lora_a = nn.Parameter(torch.empty(rank, inputs))
        self.lora_b = nn.Parameter(torch.zeros(out, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=5**0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, in, H, W]`` to ``[B, out, H, W]``."""
        weight = self.weight + (self.lora_b @ self.lora_a)[:, :, None, None]
        return F.conv2d(x, weight, self.bias)


def trainable_parts(tower: EfficientNetLiteModel, first: int) -> dict[str, nn.Module]:
    """Stages from ``first`` on and the head, by their names in the tower."""
    parts: dict[str, nn.Module] = {
        f"stages.{number}": stage for number, stage in enumerate(tower.stages) if number >= first
    }
    return {**parts, "head": tower.head}


def pointwise(tower: EfficientNetLiteModel, first: int) -> Iterator[tuple[str, ConvNorm]]:
    """Names and layers of the pointwise convolutions that LoRA may change."""
    for part, module in trainable_parts(tower, first).items():
        for name, layer in module.named_modules():
            if isinstance(layer, ConvNorm) and layer.conv.kernel_size == (1, 1):
                yield f"{part}.{name}" if name else part, layer


class TrainableTower(nn.Module):
    """A folded copy of a tower, in float32, of which the upper stages train."""

    def __init__(self, tower: EfficientNetLiteModel, recipe: Tuning) -> None:
        super().__init__()
        self.kind, self.first = recipe.encoder, recipe.encoder_from
        if self.first > len(tower.stages):
            self.first = len(tower.stages)
        unordered: Any = fused(tower)
        folded: EfficientNetLiteModel = unordered.to(memory_format=torch.channels_last)
        folded.requires_grad_(False)
        if self.kind == "full":
            for part in trainable_parts(folded, self.first).values():
                part.requires_grad_(True)
        elif self.kind == "lora":
            torch.manual_seed(recipe.seed)
            layers: list[Any] = [layer for _, layer in pointwise(folded, self.first)]
            for layer in layers:
                layer.conv = LowRankConv(layer.conv, recipe.encoder_rank)
        self.tower = folded

    def forward(self, pixels: torch.Tensor) -> Any:
        """As `EfficientNetLiteModel`'s."""
        return self.tower(pixels)

    def changing(self) -> dict[str, nn.Parameter]:
        """The parameters that train, by name."""
        return {name: p for name, p in self.tower.named_parameters() if p.requires_grad}

    @torch.no_grad()
    def write_back(self, target: EfficientNetLiteModel) -> None:
        """Give ``target``, of the usual form, what this one has learnt.

        With LoRA the merged weights are written; `low_rank` has the factors.
        """
        for part, module in trainable_parts(self.tower, self.first).items():
            there = target.get_submodule(part)
            for name, layer in module.named_modules():
                if isinstance(layer, ConvNorm):
                    _unfold(layer, there.get_submodule(name))

    def low_rank(
        self, ground: EfficientNetLiteModel
    ) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """LoRA factors (A ``[r, in]``, B ``[out, r]``) for the unfolded convolutions of ``ground``.

        A folded weight is ``g W`` with ``g`` the norm's gain per output channel, so B is divided by
        it; a channel without gain cannot change and gets zeros.
        """
        found = {}
        for name, layer in pointwise(self.tower, self.first):
            conv: Any = layer.conv
            norm: Any = ground.get_submodule(name).norm
            gain = norm.weight.float() / torch.sqrt(norm.running_var.float() + norm.eps)
            safe = torch.where(gain.abs() < 1e-6, torch.inf, gain)
            found[name] = (conv.lora_a.detach(), conv.lora_b.detach() / safe[:, None])
        return found


def _unfold(layer: Any, target: Any) -> None:
    """A folded convolution as convolution and norm: the norm keeps scale one and adds the bias."""
    conv, norm = layer.conv, target.norm
    weight = conv.weight
    if isinstance(conv, LowRankConv):
        weight = weight + (conv.lora_b @ conv.lora_a)[:, :, None, None]
    target.conv.weight.copy_(weight)
    norm.weight.fill_(1.0)
    norm.bias.copy_(conv.bias)
    norm.running_mean.zero_()
    norm.running_var.fill_(1.0 - norm.eps)
