"""The linear layers of a language model by their sizes: known before it is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Shape:
    """The linear layers of a language model: (outputs, inputs) in one block, and the blocks."""

    linears: tuple[tuple[int, int], ...]
    blocks: int

    @property
    def weights(self) -> int:
        """How many weights all of them have."""
        return self.blocks * sum(rows * columns for rows, columns in self.linears)

    @classmethod
    def of(cls, config: Any) -> Shape:
        """From the configuration of a language model of the Llama family."""
        wide, middle = config.hidden_size, config.intermediate_size
        head = getattr(config, "head_dim", None) or wide // config.num_attention_heads
        queries = head * config.num_attention_heads
        keys = head * (getattr(config, "num_key_value_heads", None) or config.num_attention_heads)
        attention = ((queries, wide), (keys, wide), (keys, wide), (wide, queries))
        return cls(
            (*attention, (middle, wide), (middle, wide), (wide, middle)), config.num_hidden_layers
        )


# SmolLM2-135M: what is asked about before it is fetched.
EMBEDDED_SHAPE = Shape(
    ((576, 576), (192, 576), (192, 576), (576, 576), (1536, 576), (1536, 576), (576, 1536)), 30
)
