"""The step of one token, or of a few, through a Llama as a graph for onnxruntime.

It computes what `assistant.engine.fast.Llama` does, with weights in eight bits and everything else
in float32. Keys and values are given and given back in memory that has room for more, in one place:
nothing is copied. The weights lie in a file of their own (`assistant.engine.step_weights`).

An adapter beside the layers is two more products for each (LoRA: Hu et al., ICLR 2022), whose
factors a step is given; a graph without places for them is a tenth faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch

from assistant.eight_bits import OPSETS, product
from assistant.engine.step_weights import WeightFile
from assistant.onnx_bytes import model, node, tensor, value

LONGEST: Final = 32_768
"""Tokens of a text that positions are computed for; longer ones are read without the graph."""

_MICROSOFT = "com.microsoft"


def longest_text(llava: Any) -> int:
    """Tokens up to which a model's step can be computed by its graph."""
    return min(int(llava.config.get_text_config().max_position_embeddings), LONGEST)


def graph_bytes(llava: Any, weights: WeightFile, *, factors: bool) -> bytes:
    """The whole graph.

    Args:
        llava: whose language model can be read by `assistant.engine.fast`.
        weights: that were written of it.
        factors: whether it has places for those of adapters.

    Inputs are the embedded tokens ``x [B, T, hidden]`` of B texts, ``past [B]``, how many tokens
    stand before the last of each, ``total [1]``, how many there are in the longest, and keys and
    values of each layer, ``keys.N`` and ``values.N`` ``[B, key heads, room, width]``, which come
    back as ``keys.N.new`` and ``values.N.new``; then factors ``NAME.down [in, rank]`` and ``NAME.up
    [rank, out]``. ``logits [B, 1, vocab]`` of the last tokens come last. Several texts read one
    token each.
    """
    return _Writer(llava, weights, factors=factors).bytes()


class _Writer:
    def __init__(self, llava: Any, weights: WeightFile, *, factors: bool) -> None:
        self._llava, self._weights, self._factors = llava, weights, factors
        self._language = llava.model.language_model
        self._attention = self._language.layers[0].self_attn
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []
        self._inputs: list[bytes] = []
        self._outputs: list[bytes] = []

    def bytes(self) -> bytes:
        config = self._language.config
        self._inputs += [
            value("x", ["texts", "tokens", config.hidden_size]),
            value("past", ["texts"], np.int32),
            value("total", [1], np.int32),
        ]
        self._turns()
        hidden, added = "x", ""
        for number, layer in enumerate(self._language.layers):
            hidden, added = self._layer(number, layer, hidden, added)
        normed, _ = self._norm("end", hidden, added, self._language.norm)
        self._tensors.append(tensor("end", np.array([-1], np.int64)))
        self._nodes.append(node("Gather", [normed, "end"], ["told"], {"axis": 1}))
        self._product("told", "logits", [self._llava.get_output_embeddings()])
        self._outputs.append(value("logits", ["texts", 1, "vocabulary"]))
        return model(self._nodes, self._tensors, self._inputs, self._outputs, OPSETS)

    def _turns(self) -> None:
        """Cosines and sines of all positions ``[positions, width / 2]``."""
        places = torch.arange(longest_text(self._llava))[None]
        like = torch.zeros(1, 1, dtype=torch.float32)
        half = self._attention.head_dim // 2
        for name, turns in zip(
            ("cosines", "sines"), self._language.rotary_emb(like, places), strict=True
        ):
            self._tensor(name, turns[0, :, :half])

    def _layer(self, number: int, layer: Any, hidden: str, added: str) -> tuple[str, str]:
        """What went on beside a layer, and what it adds to that."""
        attention, mlp, name = layer.self_attn, layer.mlp, f"{number}"
        config = self._language.config
        heads, shared = config.num_attention_heads, config.num_key_value_heads
        normed, hidden = self._norm(f"{name}.before", hidden, added, layer.input_layernorm)
        look = self._product(
            normed, f"{name}.look", [attention.q_proj, attention.k_proj, attention.v_proj]
        )
        sides = ["texts", shared, "room", attention.head_dim]
        memory = [f"keys.{number}", f"values.{number}"]
        self._inputs += [value(each, sides) for each in memory]
        self._outputs += [value(f"{each}.new", sides) for each in memory]
        self._node(
            "GroupQueryAttention",
            [look, "", "", *memory, "past", "total", "cosines", "sines"],
            [f"{name}.seen", *(f"{each}.new" for each in memory)],
            num_heads=heads,
            kv_num_heads=shared,
            do_rotary=1,
            scale=float(attention.scaling),
        )
        mixed = self._product(f"{name}.seen", f"{name}.mix", [attention.o_proj])
        normed, hidden = self._norm(
            f"{name}.between", hidden, mixed, layer.post_attention_layernorm
        )
        gate = self._product(normed, f"{name}.gate", [mlp.gate_proj])
        through = self._product(normed, f"{name}.through", [mlp.up_proj])
        # GELU's quick form is SiLU where its factor is 1.
        self._node("QuickGelu", [gate], [f"{name}.bent"], alpha=1.0)
        self._nodes.append(node("Mul", [f"{name}.bent", through], [f"{name}.wide"]))
        return hidden, self._product(f"{name}.wide", f"{name}.down", [mlp.down_proj])

    def _norm(self, name: str, hidden: str, added: str, norm: Any) -> tuple[str, str]:
        """RMSNorm of a sum, and the sum."""
        self._tensor(f"{name}.weight", norm.weight)
        epsilon = float(norm.variance_epsilon)
        weight, normed, whole = f"{name}.weight", f"{name}.normed", f"{name}.sum"
        if not added:
            nodes = node(
                "SimplifiedLayerNormalization",
                [hidden, weight],
                [normed],
                {"epsilon": epsilon, "axis": -1},
            )
            self._nodes.append(nodes)
            return normed, hidden
        self._node(
            "SkipSimplifiedLayerNormalization",
            [hidden, added, weight],
            [normed, "", "", whole],
            epsilon=epsilon,
        )
        return normed, whole

    def _product(self, given: str, name: str, layers: Sequence[Any]) -> str:
        """What layers give side by side, with their biases and the factors of an adapter."""
        outputs = sum(layer.out_features for layer in layers)
        inputs = int(layers[0].in_features)
        self._tensors += self._weights.tensors(name)
        self._nodes.append(product(given, name, outputs, inputs))
        last = name
        if any(layer.bias is not None for layer in layers):
            biases = [
                layer.bias if layer.bias is not None else torch.zeros(layer.out_features)
                for layer in layers
            ]
            self._tensor(f"{name}.bias", torch.cat([bias.float() for bias in biases]))
            self._nodes.append(node("Add", [last, f"{name}.bias"], [f"{name}.biased"]))
            last = f"{name}.biased"
        if self._factors and name != "logits":
            down, up, rank = f"{name}.down", f"{name}.up", f"{name}.rank"
            self._inputs += [value(down, [inputs, rank]), value(up, [rank, outputs])]
            self._nodes += [
                node("MatMul", [given, down], [f"{name}.low"]),
                node("MatMul", [f"{name}.low", up], [f"{name}.beside"]),
                node("Add", [last, f"{name}.beside"], [f"{name}.whole"]),
            ]
            last = f"{name}.whole"
        return last

    def _node(
        self, kind: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any
    ) -> None:
        self._nodes.append(node(kind, inputs, outputs, attributes, domain=_MICROSOFT))

    def _tensor(self, name: str, values: torch.Tensor) -> None:
        self._tensors.append(tensor(name, values.detach().float().cpu().numpy()))
