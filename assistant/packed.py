"""Linear layers whose weights lie as the processor's kernels read them, value for value the same.

oneDNN brings the weights of a bfloat16 product into blocks before it multiplies. For the one token
of a step of writing that takes longer than the product itself, so it is done once, when the model
is loaded: the blocked weights take the place of the plain ones and as much memory.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Self, cast

import torch
from torch import nn


class PackedLinear(nn.Linear):
    """A linear layer in bfloat16 on the CPU with packed weights; only for inference.

    Another precision or device gives it plain weights again.
    """

    def __init__(self, full: nn.Linear) -> None:
        super().__init__(full.in_features, full.out_features, False, device="meta")
        weight = full.weight.detach()
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), 1)
        self.weight = nn.Parameter(packed, requires_grad=False)
        self.bias = full.bias
        self.train(full.training)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.packed:
            return product(input, self.weight, self.bias)
        return super().forward(input)

    @property
    def packed(self) -> bool:
        """Whether the weights are packed."""
        return self.weight.is_mkldnn

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        # What moves or converts a model knows plain tensors only.
        if self.packed:
            self.weight = nn.Parameter(self.weight.to_dense(), requires_grad=False)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def product(input: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """``input`` ``[…, in]`` times packed weights ``[out, in]``."""
    return cast(
        torch.Tensor, torch.ops.mkldnn._linear_pointwise(input, weight, bias, "none", [], "")
    )


@cache
def can_pack() -> bool:
    """Whether this processor and this build of torch have such products in bfloat16."""
    try:
        return bool(
            torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
        )
    except (AttributeError, RuntimeError):
        return False


@torch.no_grad()
def pack_linears(model: Any) -> int:
    """Pack the linear layers of a LLaVA-family model's language model and its output layer.

    Layers that are quantized, on another device or in another precision stay as they are. Where the
    output layer shares its weights with the embedding table it gets packed ones of its own.

    Returns:
        How many were packed.
    """
    language = getattr(getattr(model, "model", model), "language_model", None)
    if not isinstance(language, nn.Module):
        return 0
    count = 0
    for name, module in list(language.named_modules()):
        if can_be_packed(module):
            language.set_submodule(name, PackedLinear(cast(nn.Linear, module)))
            count += 1
    output = model.get_output_embeddings()
    if count and can_be_packed(output):
        model.set_output_embeddings(PackedLinear(output))
        count += 1
    return count


def can_be_packed(module: nn.Module) -> bool:
    """Whether a layer can be packed here."""
    if type(module) is not nn.Linear:
        return False
    weight = module.weight
    return weight.dtype == torch.bfloat16 and weight.device.type == "cpu" and can_pack()
