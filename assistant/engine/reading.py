"""Reading: a conversation's tokens go in, what may follow comes out, keys and values are kept.

Any model is read by its own forward (`Reader`); one of the Llama family by less Python
(`assistant.engine.fast`).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from assistant.engine.caches import Layers


class Reader:
    """One conversation as the model has read it so far.

    Args:
        model: a LLaVA-family model.
        layers: keys and values of what was read before, cut to its length; None is nothing.
    """

    def __init__(self, model: Any, layers: Layers | None = None) -> None:
        self._model = model
        self._cache = DynamicCache(list(layers)) if layers else DynamicCache()

    @property
    def length(self) -> int:
        """Tokens that were read."""
        return int(self._cache.get_seq_length())

    def read(self, embeds: torch.Tensor) -> torch.Tensor:
        """Read ``embeds`` ``[T, hidden]``; logits ``[1, vocab]`` for what follows the last."""
        output = self._model(
            inputs_embeds=embeds[None],
            cache=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **self.placed(len(embeds)),
        )
        logits: torch.Tensor = output.logits[:, -1]
        return logits

    def placed(self, count: int) -> dict[str, torch.Tensor]:
        """What the model is told of where the next tokens stand: nothing where it can count."""
        return {}

    def kept(self) -> Layers | None:
        """Keys and values of all that was read; None where they cannot be cut to a beginning."""
        kept = []
        for layer in self._cache.layers:
            if type(layer) is not DynamicLayer or layer.keys is None or layer.values is None:
                return None
            kept.append((layer.keys, layer.values))
        return tuple(kept)
