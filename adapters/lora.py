"""LoRA in training: as one product with the merged weight, and going on from an adapter.

peft computes ``x W^T + s (x A^T) B^T`` with three products and two more passes over the output. On
a CPU, where small products and passes over memory are what costs, one product with
``W' = W + s B A`` is a third faster; the gradients of A and B (Hu et al., LoRA, ICLR 2022, eq. 3)
do not need W' to have one. W' is rounded to the base's dtype, as it is when the adapter is merged
for use, so the adapter learns with the rounding that it will meet.
"""

from __future__ import annotations

from pathlib import Path
from types import MethodType
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, set_peft_model_state_dict
from peft.tuners.lora import Linear as LoraLinear
from safetensors.torch import load_file

from assistant.adapter_files import WEIGHTS_FILE
from assistant.errors import AdapterError


class _MergedLinear(torch.autograd.Function):
    """``x W'^T`` with the gradients of the LoRA factors that W' was merged from.

    Shapes: x ``[..., n_in]``, merged ``[n_out, n_in]``, a ``[rank, n_in]``, b ``[n_out, rank]``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        merged: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        output = x @ merged.t()
        # Under autocast the product may have another dtype than what went in.
        ctx.save_for_backward(x.to(output.dtype), merged.to(output.dtype), a, b)
        ctx.scale, ctx.dtype = scale, x.dtype
        return output

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, merged, a, b = ctx.saved_tensors
        down = a.to(x.dtype)
        up = b.to(x.dtype)
        rows, grads = x.flatten(0, -2), grad.flatten(0, -2)
        grad_a = ((grads @ up).t() @ rows).to(a.dtype) * ctx.scale
        grad_b = (grads.t() @ (rows @ down.t())).to(b.dtype) * ctx.scale
        return (grad @ merged).to(ctx.dtype), None, grad_a, grad_b, None


class MergedLora:
    """While entered, a model's LoRA layers compute with merged weights.

    Call `refresh` whenever the factors have changed. Layers with a bias, LoRA dropout or DoRA keep
    peft's own way.
    """

    def __init__(self, model: PeftModel) -> None:
        layers = (layer for layer in model.modules() if isinstance(layer, LoraLinear))
        self._layers = [layer for layer in layers if _plain(layer)]

    def __enter__(self) -> MergedLora:
        self.refresh()
        for layer in self._layers:
            layer.forward = MethodType(_forward, layer)  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        for layer in self._layers:
            del layer.forward, layer.merged_weight

    @torch.no_grad()
    def refresh(self) -> None:
        """Merge the present values of the factors."""
        for layer in self._layers:
            weight: Any = layer.base_layer.weight
            a, b = _factors(layer)
            layer.merged_weight = torch.addmm(
                weight, b.to(weight.dtype), a.to(weight.dtype), alpha=layer.scaling["default"]
            )


def _plain(layer: Any) -> bool:
    dropout = layer.lora_dropout["default"]
    return (
        layer.base_layer.bias is None
        and isinstance(dropout, torch.nn.Identity)
        and not layer.use_dora.get("default")
    )


def _factors(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return layer.lora_A["default"].weight, layer.lora_B["default"].weight


def _forward(layer: Any, x: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    a, b = _factors(layer)
    output: torch.Tensor = _MergedLinear.apply(
        x, layer.merged_weight, a, b, layer.scaling["default"]
    )
    return output


def start_from(model: PeftModel, adapter: Path) -> None:
    """Give a freshly prepared model the values of an adapter.

    Raises:
        AdapterError: it is of another rank, scale or base, or lacks the projector.
    """
    own: Any = model.peft_config["default"]
    rank, alpha = rank_and_alpha(adapter)
    if (rank, alpha) != (own.r, own.lora_alpha):
        raise AdapterError(
            f"The adapter {adapter} is of rank {rank} and alpha {alpha}, not {own.r} and "
            f"{own.lora_alpha}; leave --rank out."
        )
    try:
        result: Any = set_peft_model_state_dict(model, load_file(adapter / WEIGHTS_FILE))
    except (RuntimeError, KeyError) as error:
        raise AdapterError(
            f"The adapter {adapter} was made for another base or without its projector; "
            "choose one made for this one."
        ) from error
    missing = [name for name in result.missing_keys if "lora_" in name]
    if missing or result.unexpected_keys:
        raise AdapterError(
            f"The adapter {adapter} was made for another base; choose one made for this one."
        )


def rank_and_alpha(adapter: Path) -> tuple[int, int]:
    """Rank and alpha of an adapter on disk.

    Raises:
        AdapterError: its configuration is damaged, or it is of another kind than plain LoRA.
    """
    try:
        config = PeftConfig.from_pretrained(str(adapter))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AdapterError(
            f"{adapter / 'adapter_config.json'} is damaged; restore it from where it came."
        ) from error
    plain = isinstance(config, LoraConfig) and not (
        config.use_rslora or config.use_dora or config.rank_pattern or config.alpha_pattern
    )
    if not plain:
        raise AdapterError(f"The adapter {adapter} is not plain LoRA; choose one that is.")
    return int(config.r), int(config.lora_alpha)
