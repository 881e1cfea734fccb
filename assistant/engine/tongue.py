"""The language side of adapters: LoRA beside the language model's linear layers, never merged.

The layers may be quantized: factors stand beside them, and what is in four bits stays as it is. As
long as no adapter changes the language model its layers are bare, so that the ground alone is as
fast as ever. Rows of a batch may have different adapters.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from assistant.lora_layers import is_lora

if TYPE_CHECKING:
    from peft import LoraConfig

Assign = Callable[[Sequence[int]], None]
"""Told before a pass which of the prompts each of its rows belongs to."""

_GROUND = "__base__"  # peft's word for a row without adapter


class Tongue:
    """The adapters of one language model; whoever calls holds the model."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._layers: list[Any] = []
        self._now: str | None = None
        self.changes = 0  # how often something was put beside the layers or taken away

    @property
    def wrapped(self) -> bool:
        """Whether any adapter stands beside the layers."""
        return bool(self._layers)

    @property
    def bare(self) -> bool:
        """Whether the layers' own weights are all that is used now: no adapter is in use."""
        return not self._layers or self._now is None

    def add(self, key: str, factors: Mapping[str, torch.Tensor], config: LoraConfig) -> int:
        """Put an adapter beside the layers.

        Args:
            key: without dots.
            factors: by names such as ``model.language_model.layers.0.mlp.up_proj.lora_A.weight``.
            config: the adapter's, for ranks and scales.

        Returns:
            Bytes that it takes.

        Raises:
            ValueError, KeyError, RuntimeError: the factors have no place in the model; it is as it
                was.
        """
        from peft import get_peft_model_state_dict
        from peft.tuners.lora import LoraModel

        layers = sorted({name.split(".lora_")[0] for name in factors})
        modules = dict(self._model.named_modules())
        for layer in layers:
            target = modules.get(layer)
            base = target.get_base_layer() if is_lora(target) else target
            if not isinstance(base, nn.Linear):
                raise KeyError(f"no linear layer {layer}")
        chosen = copy.copy(config)
        chosen.target_modules, chosen.modules_to_save, chosen.exclude_modules = layers, None, None
        chosen.inference_mode = True
        try:
            LoraModel(self._model, chosen, key)
            # Of the factors only: asked for its whole state, a layer in four bits that has been
            # used on a CPU turns its weights back into their first form, and is wrong from then
            # on (bitsandbytes 0.50).
            own = {name: p for name, p in self._model.named_parameters() if ".lora_" in name}
            expected = get_peft_model_state_dict(
                self._model, state_dict=own, adapter_name=key, save_embedding_layers=False
            )
            if set(expected) != set(factors):
                raise ValueError("the factors are others than the model's")
            self._fill(factors, key)
            self._settle(key)
        except BaseException:
            self.drop(key)
            raise
        return sum(t.nbytes for layer in self._layers for t in _factors(layer, key))

    def _fill(self, factors: Mapping[str, torch.Tensor], key: str) -> None:
        """Give the factors of a new adapter their values."""
        from peft import set_peft_model_state_dict

        places = {
            f"{layer}.{part}.weight": getattr(module, part)[key].weight
            for layer, module in self._model.named_modules()
            if is_lora(module)
            for part in ("lora_A", "lora_B")
            if key in getattr(module, part)
        }
        if places.keys() != factors.keys():  # of another kind, such as DoRA
            set_peft_model_state_dict(self._model, dict(factors), key)
            return
        for name, place in places.items():
            if place.shape != factors[name].shape:
                raise ValueError(f"{name} is of another shape")
            place.data.copy_(factors[name])

    def drop(self, key: str) -> None:
        """Take an adapter away; layers that no other adapter changes are bare again."""
        for name, module in list(self._model.named_modules()):
            if not is_lora(module):
                continue
            if key in module.lora_A:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of an active one, which it may be
                    module.delete_adapter(key)
            if not module.lora_A:
                parent, _, child = name.rpartition(".")
                setattr(self._model.get_submodule(parent), child, module.get_base_layer())
        getattr(self._model, "peft_config", {}).pop(key, None)
        self._collect()
        if not self._layers and hasattr(self._model, "peft_config"):
            del self._model.peft_config
        self._now = "?"  # whatever peft made of it
        self._switch(None)

    @contextmanager
    def speaking(self, keys: Sequence[str | None]) -> Iterator[Assign]:
        """Let each row of what is computed inside have its adapter; None is the ground.

        Yields:
            A function to tell which row has which of ``keys``, where that changes.
        """
        distinct = set(keys)
        if len(distinct) < 2 or not self._layers:
            self._switch(next(iter(distinct), None))
            yield lambda _rows: None
            return
        if self._now is None or self._now not in distinct:  # any of them: each row is told its own
            self._switch(next(key for key in keys if key is not None))
        names = [key or _GROUND for key in keys]
        rows = list(names)

        def assign(prompts: Sequence[int]) -> None:
            rows[:] = [names[prompt] for prompt in prompts]

        hooks = [
            layer.register_forward_pre_hook(partial(_name_rows, rows=rows), with_kwargs=True)
            for layer in self._layers
        ]
        try:
            yield assign
        finally:
            for hook in hooks:
                hook.remove()

    def _switch(self, key: str | None) -> None:
        if key == self._now:
            return
        for layer in self._layers:
            layer.enable_adapters(key is not None)
            if key is not None:
                layer.set_adapter(key, inference_mode=True)
        self._now = key

    def _settle(self, key: str) -> None:
        """Give a new adapter the model's precision and place, and take it out of training."""
        self._collect()
        for layer in self._layers:
            layer.eval()
            for tensor in _factors(layer, key):
                tensor.data = tensor.data.to(self._model.device, self._model.dtype)
        self._now = "?"
        self._switch(None)

    def _collect(self) -> None:
        self._layers = [m for m in self._model.modules() if is_lora(m)]
        self.changes += 1


def _factors(layer: Any, key: str) -> list[torch.Tensor]:
    return [layer.lora_A[key].weight, layer.lora_B[key].weight] if key in layer.lora_A else []


def _name_rows(
    _layer: Any, given: Any, named: dict[str, Any], *, rows: list[str]
) -> tuple[Any, dict[str, Any]]:
    return given, named | {"adapter_names": rows}
