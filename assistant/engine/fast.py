"""A Llama language model read with as little Python as there can be around its products.

The forward of transformers serves every model; for the one token of a step of a small model a fifth
of its time is Python. Here all that does not change from step to step is looked up once an answer,
keys and values are written into tensors that have room for more, and the heads that share keys are
attended to as one. The linear layers are called as they are: packed (`assistant.packed`), quantized
or with adapters beside them. It computes what `LlamaModel` does (RMSNorm: Zhang and Sennrich,
NeurIPS 2019; rotary positions: Su et al., arXiv 2104.09864; grouped queries: Ainslie et al., EMNLP
2023), which a test holds.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn import functional
from transformers import LlamaModel, LlavaForConditionalGeneration
from transformers.activations import SiLUActivation
from transformers.models.llama.modeling_llama import (
    LlamaAttention,
    LlamaDecoderLayer,
    LlamaMLP,
    LlamaRMSNorm,
)

from assistant.engine.caches import Layers
from assistant.engine.reading import Reader
from assistant.packed import PackedLinear, product

Apply = Callable[[torch.Tensor], torch.Tensor]

_MORE = 128  # tokens that are made room for at once


class _Block(NamedTuple):
    """One layer of the model: what its forward uses."""

    before: torch.Tensor  # weights of the norms
    between: torch.Tensor
    epsilon: float
    queries: Apply
    keys: Apply
    values: Apply
    mix: Apply
    gate: Apply
    up: Apply
    down: Apply
    bend: Apply


class FastReader(Reader):
    """As `Reader`, for a model that `can_read`."""

    def __init__(self, model: Any, layers: Layers | None = None) -> None:
        language = model.model.language_model
        config = language.config
        attention = language.layers[0].self_attn
        self._width: int = attention.head_dim
        self._heads: int = config.num_attention_heads
        self._shared: int = config.num_key_value_heads
        self._scale: float = attention.scaling
        self._blocks = [_block(layer) for layer in language.layers]
        self._rotary = language.rotary_emb
        self._norm = language.norm
        self._output = _apply(model.get_output_embeddings())
        self._length = layers[0][0].shape[2] if layers else 0
        self._memory: torch.Tensor | None = None  # [layers, 2, key heads, room, width]
        if layers:
            self._memory = self._room(layers[0][0])
            for memory, kept in zip(self._memory, layers, strict=True):
                memory[0, :, : self._length] = kept[0][0]
                memory[1, :, : self._length] = kept[1][0]

    @property
    def length(self) -> int:
        return self._length

    def read(self, embeds: torch.Tensor) -> torch.Tensor:
        count, start = len(embeds), self._length
        end = start + count
        memory = self._memory
        if memory is None or memory.shape[3] < end:
            grown = self._room(embeds, count)
            if memory is not None:
                grown[:, :, :, :start] = memory[:, :, :, :start]
            self._memory = memory = grown
        cosine, sine = self._turns(embeds, start, end)
        sight = self._sight(start, end, embeds.device)
        heads, shared, width = self._heads, self._shared, self._width
        hidden = embeds
        for block, kept in zip(self._blocks, memory, strict=True):
            normed = functional.rms_norm(hidden, hidden.shape[-1:], block.before, block.epsilon)
            both = torch.cat((block.queries(normed), block.keys(normed)), -1)
            both = both.view(count, heads + shared, width)
            both = torch.addcmul(both * cosine, both.roll(width // 2, -1), sine).transpose(0, 1)
            kept[0, :, start:end] = both[heads:]
            kept[1, :, start:end] = block.values(normed).view(count, shared, width).transpose(0, 1)
            # Queries of one key head stand below each other: [1, shared, group * T, width].
            asked = both[:heads].reshape(1, shared, -1, width)
            seen = functional.scaled_dot_product_attention(
                asked, kept[:1, :, :end], kept[1:, :, :end], sight, scale=self._scale
            )
            seen = seen.reshape(heads, count, width).transpose(0, 1).reshape(count, heads * width)
            hidden = hidden + block.mix(seen)
            normed = functional.rms_norm(hidden, hidden.shape[-1:], block.between, block.epsilon)
            hidden = hidden + block.down(block.bend(block.gate(normed)) * block.up(normed))
        self._length = end
        return self._output(self._norm(hidden[-1:]))

    def kept(self) -> Layers | None:
        if self._memory is None:
            return None
        memory = self._memory[:, :, :, : self._length].clone()
        return tuple((keys[None], values[None]) for keys, values in memory)

    def _room(self, like: torch.Tensor, count: int = 0) -> torch.Tensor:
        """Room for ``count`` more tokens than were read, and some that may follow."""
        room = self._length + count
        room += max(_MORE, room // 2)
        return like.new_empty((len(self._blocks), 2, self._shared, room, self._width))

    def _turns(
        self, embeds: torch.Tensor, start: int, end: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines ``[T, 1, width]`` of the positions.

        Half of a head turns against the other half: where transformers negates what it adds, here
        the sines are negative.
        """
        places = torch.arange(start, end, device=embeds.device)[None]
        cosine, sine = self._rotary(embeds[None], places)
        half = self._width // 2
        sine = torch.cat((-sine[0, :, :half], sine[0, :, half:]), -1)
        return cosine[0, :, None], sine[:, None]

    def _sight(self, start: int, end: int, device: torch.device) -> torch.Tensor | None:
        """What each token of each query head of a group sees; None is everything."""
        count = end - start
        if count == 1:
            return None
        seen = torch.ones((count, end), dtype=torch.bool, device=device).tril(start)
        return seen.repeat(self._heads // self._shared, 1)


def can_read(model: Any) -> bool:
    """Whether a model is of the form that `FastReader` computes, and on the CPU, where it pays."""
    if type(model) is not LlavaForConditionalGeneration or model.device.type != "cpu":
        return False
    language = model.model.language_model
    if type(language) is not LlamaModel or type(language.norm) is not LlamaRMSNorm:
        return False
    if str(language.rotary_emb.rope_type) not in ("default", "linear", "llama3", "yarn"):
        return False  # the others turn long conversations by other angles
    return all(
        type(layer) is LlamaDecoderLayer
        and type(layer.self_attn) is LlamaAttention
        and type(layer.mlp) is LlamaMLP
        and type(layer.input_layernorm) is LlamaRMSNorm
        and type(layer.post_attention_layernorm) is LlamaRMSNorm
        for layer in language.layers
    )


def _block(layer: Any) -> _Block:
    attention, mlp = layer.self_attn, layer.mlp
    return _Block(
        layer.input_layernorm.weight,
        layer.post_attention_layernorm.weight,
        layer.input_layernorm.variance_epsilon,
        _apply(attention.q_proj),
        _apply(attention.k_proj),
        _apply(attention.v_proj),
        _apply(attention.o_proj),
        _apply(mlp.gate_proj),
        _apply(mlp.up_proj),
        _apply(mlp.down_proj),
        functional.silu if isinstance(mlp.act_fn, (nn.SiLU, SiLUActivation)) else mlp.act_fn,
    )


def _apply(layer: Any) -> Apply:
    """A linear layer, without the way through `nn.Module` where nothing is on it."""
    if type(layer) is PackedLinear and layer.packed:
        return partial(product, weight=layer.weight, bias=layer.bias)
    return layer  # type: ignore[no-any-return]
