"""A Llama language model read with as little Python as there can be around its products.

The forward of transformers serves every model; for the one token of a step of a small model a fifth
of its time is Python. Here all that does not change from step to step is looked up once an answer,
keys and values are written into tensors that have room for more, and the heads that share keys are
attended to as one. The linear layers are called as they are, packed (`assistant.packed`) or
quantized, with what adapters put beside them (`assistant.engine.products`). It computes what
`LlamaModel` does (RMSNorm: Zhang and Sennrich, NeurIPS 2019; rotary positions: Su et al., arXiv
2104.09864; grouped queries: Ainslie et al., EMNLP 2023), which a test holds.
"""

from __future__ import annotations

from collections.abc import Callable
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
from assistant.engine.products import Product, Spans, in_use, side_by_side
from assistant.engine.reading import Reader
from assistant.engine.step import Bound, step_of

Attend = Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]
"""Given a layer's number, queries and keys ``[T, heads + shared, width]`` and values ``[T, shared,
width]``; what the queries find, ``[T, heads * width]``."""

_MORE = 128  # tokens that are made room for at once
_SHORT = 24  # tokens up to which the graph is the quicker way


class _Block(NamedTuple):
    """One layer of the model: what its forward uses."""

    before: torch.Tensor  # weights of the norms
    between: torch.Tensor
    epsilon: float
    look: Product  # queries, keys and values, side by side
    mix: Product
    widen: Product  # gate and what it lets through, side by side
    down: Product
    bend: Callable[[torch.Tensor], torch.Tensor]


class Llama:
    """The language model of a LLaVA, looked up for reading; as it is now.

    Args:
        model: one that `can_read`. What changes its layers (an adapter that is put beside them)
            makes this one old.
    """

    def __init__(self, model: Any) -> None:
        language = model.model.language_model
        config = language.config
        attention = language.layers[0].self_attn
        self.width: int = attention.head_dim
        self.heads: int = config.num_attention_heads
        self.shared: int = config.num_key_value_heads
        self.scale: float = attention.scaling
        self.layers = len(language.layers)
        self._blocks = [_block(layer) for layer in language.layers]
        self._rotary = language.rotary_emb
        self._norm = language.norm
        self._speaks = in_use(language)
        self.step = step_of(model)
        self._output = side_by_side(model.get_output_embeddings())

    def remembered(self, dtype: torch.dtype) -> torch.dtype:
        """Precision of keys and values of tokens that have ``dtype``: float32 where a step is."""
        return dtype if self.step is None else torch.float32

    def bind(self, memory: torch.Tensor, speaker: str | None = "") -> Bound | None:
        """The step over the memory of texts, where it can be computed by a graph.

        Args:
            speaker: the adapter; by default the one that was in use when this was looked up.
        """
        return None if self.step is None else self.step.bind(memory, self.speaker(speaker))

    def speaker(self, named: str | None) -> str | None:
        """The adapter of a text; an empty name is that in use when this was looked up."""
        return self._speaks if named == "" else named

    def read(
        self,
        embeds: torch.Tensor,
        places: torch.Tensor,
        attend: Attend,
        spans: Spans | None = None,
    ) -> torch.Tensor:
        """What the last layer makes ``[T, hidden]`` of tokens ``[T, hidden]``.

        Args:
            places: ``[T]``, where each token stands in its text.
            attend: keeps keys and values, and looks among them.
            spans: the adapters of the tokens; by default all have the one that was in use when
                the model was looked up.
        """
        cosine, sine = self._turns(embeds, places)
        heads, shared, width = self.heads, self.shared, self.width
        count, half = len(embeds), width // 2
        spans = spans or ((self._speaks, 0, count),)
        hidden = embeds
        for number, block in enumerate(self._blocks):
            normed = _normed(hidden, block.before, block.epsilon)
            whole = block.look(normed, spans).view(count, heads + 2 * shared, width)
            both = whole[:, : heads + shared]
            both = both * cosine + both.roll(half, -1) * sine
            seen = attend(number, both, whole[:, heads + shared :])
            hidden = hidden + block.mix(seen, spans)
            normed = _normed(hidden, block.between, block.epsilon)
            gate, through = block.widen(normed, spans).chunk(2, -1)
            hidden = hidden + block.down(block.bend(gate) * through, spans)
        return hidden

    def told(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits ``[T, vocab]`` of what the last layer made of tokens ``[T, hidden]``."""
        return self._output(self._norm(hidden), ((self._speaks, 0, len(hidden)),))

    def _turns(
        self, embeds: torch.Tensor, places: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines ``[T, 1, width]`` of the positions.

        Half of a head turns against the other half: where transformers negates what it adds, here
        the sines are negative.
        """
        cosine, sine = self._rotary(embeds[None], places[None])
        half = self.width // 2
        sine = torch.cat((-sine[0, :, :half], sine[0, :, half:]), -1)
        return cosine[0, :, None], sine[:, None]


class FastReader(Reader):
    """As `Reader`, for a model that `can_read`.

    Args:
        llama: the model as it is now, where the caller has looked it up.
    """

    def __init__(
        self, model: Any, layers: Layers | None = None, llama: Llama | None = None
    ) -> None:
        self._llama = llama or Llama(model)
        self._length = layers[0][0].shape[2] if layers else 0
        self._memory: torch.Tensor | None = None  # [layers, 2, key heads, room, width]
        self._dtype: torch.dtype | None = layers[0][0].dtype if layers else None
        self._bound: tuple[torch.Tensor, str | None, Bound | None] | None = None
        if layers:
            self._memory = self._room(layers[0][0])
            # Not flattened: memory on a shelf is no one piece, and flattening it would copy it.
            places = [half for layer in self._memory[:, :, :, : self._length] for half in layer]
            torch._foreach_copy_(places, [tensor[0] for layer in layers for tensor in layer])

    @property
    def length(self) -> int:
        return self._length

    def read(self, embeds: torch.Tensor, speaker: str | None = "") -> torch.Tensor:
        """See `Reader.read`.

        Args:
            speaker: see `Llama.bind`.
        """
        told = self.step(embeds, speaker)
        if told is None and len(embeds) > 1 and self._llama.step is not None:
            # The last token by the graph: it has an output layer of its own.
            self._pass(embeds[:-1], speaker)
            embeds = embeds[-1:]
            told = self.step(embeds, speaker)
        if told is None:
            told = self._llama.told(self._pass(embeds, speaker)[-1:])
        return told

    def _pass(self, embeds: torch.Tensor, speaker: str | None) -> torch.Tensor:
        places = torch.arange(self._length, self._length + len(embeds), device=embeds.device)
        spans = None if speaker == "" else ((speaker, 0, len(embeds)),)
        hidden = self._llama.read(embeds, places, self.looking(embeds), spans)
        self.moved(len(embeds))
        return hidden

    def step(self, embeds: torch.Tensor, speaker: str | None = "") -> torch.Tensor | None:
        """As `read`, by the model's graph; None where it has none, or not for such tokens.

        Args:
            speaker: see `Llama.bind`.
        """
        step, count = self._llama.step, len(embeds)
        speaker = self._llama.speaker(speaker)
        if step is None or count > _SHORT or not 0 < self._length <= step.longest - count:
            return None
        memory = self._memory
        if memory is None or memory.shape[3] < self._length + count:
            memory = self._grow(embeds, count)
        if self._bound is None or self._bound[0] is not memory or self._bound[1] != speaker:
            self._bound = memory, speaker, self._llama.bind(memory[:, :, None], speaker)
        bound = self._bound[2]
        if bound is None:
            return None
        logits = bound(embeds[None], [self._length])
        self.moved(count)
        return logits

    def looking(self, embeds: torch.Tensor) -> Attend:
        """How the next tokens look at what was read before, which they become part of."""
        llama = self._llama
        count, start = len(embeds), self._length
        end = start + count
        memory = self._memory
        if memory is None or memory.shape[3] < end:
            memory = self._grow(embeds, count)
        heads, shared, scale = llama.heads, llama.shared, llama.scale
        sight = _sight(start, end, heads // shared, memory)
        layers = memory.unbind()

        def attend(number: int, both: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            kept = layers[number]
            both, values = both.transpose(0, 1), values.transpose(0, 1)
            kept[0, :, start:end] = both[heads:]
            kept[1, :, start:end] = values
            if start:  # what was read before has the memory's precision
                both, its = both.to(kept.dtype), (kept[:1, :, :end], kept[1:, :, :end])
            else:
                its = both[None, heads:], values[None]
            seen = _seen(both[:heads], *its, sight, scale)
            return seen.transpose(0, 1).reshape(count, -1).to(values.dtype)

        return attend

    def moved(self, count: int) -> None:
        """Note that so many more tokens were read."""
        self._length += count

    def kept(self) -> Layers | None:
        if self._memory is None:
            return None
        memory = self._memory[:, :, :, : self._length].to(self._dtype, copy=True)
        return tuple((keys[None], values[None]) for keys, values in memory)

    def _grow(self, like: torch.Tensor, count: int) -> torch.Tensor:
        """Move to where there is room for ``count`` more tokens."""
        before, length = self._memory, self._length
        memory = self._room(like, count)
        self._dtype = self._dtype or like.dtype
        if before is not None:
            memory[:, :, :, :length] = before[:, :, :, :length]
        self._memory = memory
        return memory

    def _room(self, like: torch.Tensor, count: int = 0) -> torch.Tensor:
        """Room for ``count`` more tokens than were read, and some that may follow."""
        llama = self._llama
        room = self._length + count
        room += max(_MORE, room // 2)
        sides = llama.layers, 2, llama.shared, room, llama.width
        return like.new_empty(sides, dtype=llama.remembered(like.dtype))


def _sight(start: int, end: int, group: int, like: torch.Tensor) -> torch.Tensor | None:
    """What each token sees where there is something before the first, ``[group * T, end]``.

    It is added to the scores: 0 where something is seen, minus infinity elsewhere.
    """
    count = end - start
    if count == 1 or start == 0:
        return None
    return like.new_full((count, end), -torch.inf).triu(start + 1).repeat(group, 1)


def _seen(
    asked: torch.Tensor,
    keys: torch.Tensor,
    values: torch.Tensor,
    sight: torch.Tensor | None,
    scale: float,
) -> torch.Tensor:
    """Attention of queries ``[heads, T, width]`` to keys and values ``[1, shared, L, width]``.

    Queries that share a key head stand below each other, as if they were further tokens, unless
    there is nothing before the first token: then each sees those up to itself.
    """
    heads, count, width = asked.shape
    causal = sight is None and count > 1
    if not causal:
        asked = asked.reshape(keys.shape[1], -1, width)
    found = functional.scaled_dot_product_attention(
        asked[None], keys, values, sight, is_causal=causal, scale=scale, enable_gqa=causal
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
        side_by_side(attention.q_proj, attention.k_proj, attention.v_proj),
        side_by_side(attention.o_proj),
        side_by_side(mlp.gate_proj, mlp.up_proj),
        side_by_side(mlp.down_proj),
        functional.silu if isinstance(mlp.act_fn, (nn.SiLU, SiLUActivation)) else mlp.act_fn,
    )


def _normed(hidden: torch.Tensor, weight: torch.Tensor, epsilon: float) -> torch.Tensor:
    """RMSNorm, rounded where `LlamaRMSNorm` rounds, so that not a bit differs."""
    full = hidden.float()
    full = full * torch.rsqrt(full.pow(2).mean(-1, keepdim=True) + epsilon)
    return weight * full.to(hidden.dtype)
