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
from typing import Any, NamedTuple, cast

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
from assistant.packed import PackedLinear

Apply = Callable[[torch.Tensor], torch.Tensor]

_MORE = 128  # tokens that are made room for at once


class _Block(NamedTuple):
    """One layer of the model: what its forward uses."""

    before: torch.Tensor  # weights of the norms
    between: torch.Tensor
    epsilon: float
    look: Apply  # queries, keys and values, side by side
    mix: Apply
    widen: Apply  # gate and what it lets through, side by side
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
        self._output = _side_by_side(model.get_output_embeddings())
        self._length = layers[0][0].shape[2] if layers else 0
        self._memory: torch.Tensor | None = None  # [layers, 2, key heads, room, width]
        if layers:
            self._memory = self._room(layers[0][0])
            places = self._memory[:, :, :, : self._length].flatten(0, 1).unbind()
            torch._foreach_copy_(places, [tensor[0] for layer in layers for tensor in layer])

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
        sight = self._sight(start, end, embeds)
        heads, shared, width = self._heads, self._shared, self._width
        hidden = embeds
        for block, kept in zip(self._blocks, memory, strict=True):
            normed = _normed(hidden, block.before, block.epsilon)
            whole = block.look(normed).view(count, heads + 2 * shared, width)
            both = whole[:, : heads + shared]
            both = (both * cosine + both.roll(width // 2, -1) * sine).transpose(0, 1)
            kept[0, :, start:end] = both[heads:]
            kept[1, :, start:end] = whole[:, heads + shared :].transpose(0, 1)
            seen = self._seen(both[:heads], kept[:1, :, :end], kept[1:, :, :end], sight)
            seen = seen.transpose(0, 1).reshape(count, heads * width)
            hidden = hidden + block.mix(seen)
            normed = _normed(hidden, block.between, block.epsilon)
            gate, through = block.widen(normed).chunk(2, -1)
            hidden = hidden + block.down(block.bend(gate) * through)
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

    def _sight(self, start: int, end: int, like: torch.Tensor) -> torch.Tensor | None:
        """What each token sees where there is something before the first, ``[group * T, end]``.

        It is added to the scores: 0 where something is seen, minus infinity elsewhere.
        """
        count = end - start
        if count == 1 or start == 0:
            return None
        hidden = like.new_full((count, end), -torch.inf).triu(start + 1)
        return hidden.repeat(self._heads // self._shared, 1)

    def _seen(
        self,
        asked: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        sight: torch.Tensor | None,
    ) -> torch.Tensor:
        """Attention of queries ``[heads, T, width]`` to keys and values ``[1, shared, L, width]``.

        Queries that share a key head stand below each other, as if they were further tokens, unless
        there is nothing before the first token: then each sees those up to itself.
        """
        heads, count, width = asked.shape
        causal = sight is None and count > 1
        if not causal:
            asked = asked.reshape(self._shared, -1, width)
        found = functional.scaled_dot_product_attention(
            asked[None], keys, values, sight, is_causal=causal, scale=self._scale, enable_gqa=causal
        )
        return found.reshape(heads, count, width)


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
        _side_by_side(attention.q_proj, attention.k_proj, attention.v_proj),
        _side_by_side(attention.o_proj),
        _side_by_side(mlp.gate_proj, mlp.up_proj),
        _side_by_side(mlp.down_proj),
        functional.silu if isinstance(mlp.act_fn, (nn.SiLU, SiLUActivation)) else mlp.act_fn,
    )


def _normed(hidden: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """RMSNorm, rounded where `LlamaRMSNorm` rounds, so that not a bit differs."""
    full = hidden.float()
    full = full * torch.rsqrt(full.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * full.to(hidden.dtype)


def _side_by_side(*layers: Any) -> Apply:
    """What linear layers give, side by side: one product where they are packed as one."""
    packed = {layer.weights if type(layer) is PackedLinear else None for layer in layers}
    weights = packed.pop() if len(packed) == 1 else None
    if weights is not None and len(weights.weight) == sum(each.out_features for each in layers):
        return weights.product
    if len(layers) == 1:
        return cast(Apply, layers[0])
    return lambda given: torch.cat([layer(given) for layer in layers], -1)
