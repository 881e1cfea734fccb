"""Products of linear layers side by side, with what adapters put beside them.

Layers that are packed as one are one product. An adapter adds a product of low rank to each (LoRA:
Hu et al., ICLR 2022); those of layers side by side are one as well, and rows may have different
adapters, each its own span. peft's own forward computes the same, layer by layer, which for one
token takes longer than all products together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch

from assistant.lora_layers import is_lora
from assistant.packed import PackedLinear

Spans = Sequence[tuple[str | None, int, int]]
"""Adapters, by their names beside the layers, with first token and the one behind the last."""

Product = Callable[[torch.Tensor, Spans], torch.Tensor]
"""Of tokens ``[T, in]``, side by side ``[T, out]``."""

_Factors = tuple[torch.Tensor, torch.Tensor]


def side_by_side(*layers: Any) -> Product:
    """What linear layers give for the same tokens; of adapters, as they are at the first time."""
    if not any(is_lora(layer) for layer in layers):
        bare = _bare(*layers)
        return lambda given, _spans: bare(given)
    if not all(is_plain(layer) for layer in layers):
        own = _bare(*layers)  # as peft computes it, for the adapter that it has in use
        return lambda given, _spans: own(given)
    bases = [each.get_base_layer() if is_lora(each) else each for each in layers]
    base = _bare(*bases)
    known: dict[str, _Factors | None] = {}

    def product(given: torch.Tensor, spans: Spans) -> torch.Tensor:
        found = base(given)
        for name, start, end in spans:
            if name is None:
                continue
            if name not in known:
                known[name] = factors_of(layers, name, given)
            factors = known[name]
            if factors is not None:
                down, up = factors
                found[start:end].addmm_(given[start:end] @ down, up)
        return found

    return product


def in_use(model: Any) -> str | None:
    """The adapter that a model speaks with now; None is the bare model."""
    for module in model.modules():
        if is_lora(module):
            return None if module.disable_adapters else cast(str, module.active_adapters[0])
    return None


def _bare(*layers: Any) -> Callable[[torch.Tensor], torch.Tensor]:
    packed = {layer.weights if type(layer) is PackedLinear else None for layer in layers}
    weights = packed.pop() if len(packed) == 1 else None
    if weights is not None and len(weights.weight) == sum(each.out_features for each in layers):
        return weights.product
    if len(layers) == 1:
        return cast(Callable[[torch.Tensor], torch.Tensor], layers[0])
    return lambda given: torch.cat([layer(given) for layer in layers], -1)


def is_plain(layer: Any) -> bool:
    """Whether all that adapters do to a layer is a product of two factors."""
    if not is_lora(layer):
        return True
    biased = any(getattr(up, "bias", None) is not None for up in layer.lora_B.values())
    return not (layer.merged or layer.lora_variant or biased or len(layer.active_adapters) > 1)


def factors_of(layers: Sequence[Any], name: str, like: torch.Tensor) -> _Factors | None:
    """``[in, ranks]`` and ``[ranks, out]`` of an adapter beside layers; None where it has none."""
    sizes = [layer.out_features for layer in layers]
    downs: list[torch.Tensor] = []
    ups: list[torch.Tensor] = []
    for number, layer in enumerate(layers):
        if is_lora(layer) and name in layer.lora_A:
            own: Any = layer  # nn.Module says nothing of its parts' types
            down, up = own.lora_A[name].weight, own.lora_B[name].weight
            whole = up.new_zeros((up.shape[1], sum(sizes)))
            first = sum(sizes[:number])
            whole[:, first : first + sizes[number]] = up.T * layer.scaling[name]
            downs.append(down.T)
            ups.append(whole)
    if not downs:
        return None
    return torch.cat(downs, 1).to(like.dtype), torch.cat(ups).to(like.dtype)
