"""Linear layers whose weights lie as the processor's kernels read them, value for value the same.

oneDNN brings the weights of a bfloat16 product into blocks before it multiplies. For the one token
of a step of writing that takes longer than the product itself, so it is done once, when the model
is loaded: the blocked weights take the place of the plain ones and as much memory. Layers that are
given the same input are packed as one, so that it is one product.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Self, cast

import torch
from torch import nn

# Layers of one block that are given the same input, in families such as Llama.
_TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class PackedWeights:
    """The packed weights of layers that are given the same input, and their biases."""

    def __init__(self, layers: Sequence[nn.Linear]) -> None:
        plain = [layer.weight.detach() for layer in layers]
        whole = torch.cat(plain) if len(plain) > 1 else plain[0].contiguous()
        packed = torch.ops.mkldnn._reorder_linear_weight(whole, 1)
        self.weight = nn.Parameter(packed, requires_grad=False)
        biases = [layer.bias.detach() for layer in layers if layer.bias is not None]
        self.bias = torch.cat(biases) if biases else None
        self._layers = len(layers)
        self._last: tuple[torch.Tensor, torch.Tensor] | None = None
        self._asked = 0

    def product(self, input: torch.Tensor) -> torch.Tensor:
        """What all layers give for ``input`` ``[…, in]``, side by side."""
        return cast(
            torch.Tensor,
            torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], ""),
        )

    def product_for_one(self, input: torch.Tensor) -> torch.Tensor:
        """The same, computed once for all layers that ask for it one after the other."""
        last = self._last
        if last is None or last[0] is not input:
            last = input, self.product(input)
            self._last, self._asked = last, 0
        self._asked += 1
        if self._asked >= self._layers:
            self._last = None  # nobody needs it any more
        return last[1]


class PackedLinear(nn.Linear):
    """A linear layer in bfloat16 on the CPU with packed weights; only for inference.

    Another precision or device gives it plain weights again.

    Args:
        full: the layer with plain weights.
        shared: packed weights that hold those of ``full`` from output ``start`` on; by default
            they are packed alone.
    """

    def __init__(
        self, full: nn.Linear, shared: PackedWeights | None = None, start: int = 0
    ) -> None:
        super().__init__(full.in_features, full.out_features, False, device="meta")
        self.weights: PackedWeights | None = shared or PackedWeights([full])
        self._start, self._end = start, start + full.out_features
        self.weight = self.weights.weight
        self.bias = full.bias
        self.train(full.training)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self.weights is None:
            return super().forward(input)
        if len(self.weight) == self.out_features:
            return self.weights.product(input)
        return self.weights.product_for_one(input)[..., self._start : self._end]

    @property
    def packed(self) -> bool:
        """Whether its weights are packed."""
        return self.weights is not None

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        # What moves or converts a model knows plain tensors only.
        if self.weights is not None:
            plain = self.weight.to_dense()[self._start : self._end]
            self.weight = nn.Parameter(plain.clone(), requires_grad=False)
            self.weights = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


class LatePackedLinear(nn.Linear):
    """As `PackedLinear`, but packed when it is first used: it may never be.

    Its plain weights stay beside the packed ones, as those of an embedding table do anyway.
    """

    def __init__(self, full: nn.Linear) -> None:
        super().__init__(full.in_features, full.out_features, False, device="meta")
        self.weight, self.bias = full.weight, full.bias
        self._packed: PackedWeights | None = None
        self.train(full.training)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if self._packed is None:
            self._packed = PackedWeights([self])
        return self._packed.product(input)

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        self._packed = None
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


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
def pack_linears(model: Any, *, late_output: bool = False) -> int:
    """Pack the linear layers of a LLaVA-family model's language model and its output layer.

    Layers that are quantized, on another device or in another precision stay as they are. Where the
    output layer shares its weights with the embedding table it gets packed ones of its own.

    Args:
        late_output: pack the output layer when it is first used.

    Returns:
        How many were packed.
    """
    language = getattr(getattr(model, "model", model), "language_model", None)
    if not isinstance(language, nn.Module):
        return 0
    count = 0
    for parent in list(language.modules()):
        for names in _groups(parent):
            layers = [cast(nn.Linear, getattr(parent, name)) for name in names]
            weights, start = PackedWeights(layers), 0
            for name, layer in zip(names, layers, strict=True):
                setattr(parent, name, PackedLinear(layer, weights, start))
                start += layer.out_features
            count += len(layers)
    output = model.get_output_embeddings()
    if count and can_be_packed(output):
        packed = LatePackedLinear(output) if late_output else PackedLinear(output)
        model.set_output_embeddings(packed)
        count += 1
    return count


def _groups(parent: nn.Module) -> list[tuple[str, ...]]:
    """Names of a module's layers that can be packed, those that belong together as one."""
    names = [name for name, child in parent.named_children() if can_be_packed(child)]
    groups: list[tuple[str, ...]] = []
    for together in _TOGETHER:
        layers = [cast(nn.Linear, getattr(parent, name)) for name in together if name in names]
        alike = {(layer.in_features, layer.bias is None) for layer in layers}
        if len(layers) == len(together) and len(alike) == 1:
            groups.append(together)
            names = [name for name in names if name not in together]
    return [*groups, *((name,) for name in names)]


def can_be_packed(module: nn.Module) -> bool:
    """Whether a layer can be packed here."""
    if type(module) is not nn.Linear:
        return False
    weight = module.weight
    return weight.dtype == torch.bfloat16 and weight.device.type == "cpu" and can_pack()
