"""What goes into the engine and what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from assistant.errors import InputError

Mode = Literal["greedy", "beam", "sample", "rerank"]


@dataclass(frozen=True)
class Turn:
    """One turn of a conversation; ``images`` are the ids of the pictures that it shows.

    ``tool`` is what a tool gave back; not every chat template knows it.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    images: tuple[str, ...] = ()


@dataclass
class Glance:
    """What the ground's tower needs to look at a picture that an adapter's own tower encoded.

    ``pixels`` is ``[1, 3, H, W]``, as towers take it; ``pooled`` is there once it has looked.
    """

    pixels: torch.Tensor
    pooled: torch.Tensor | None = None


@dataclass(frozen=True)
class EncodedImage:
    """A picture as the language model sees it.

    ``features`` is ``[tokens, hidden_size]``; ``pooled`` is ``[channels]``, the vision tower's own
    summary in float32, None where the tower has none. ``eyes`` is the revision of the adapter whose
    tower and projector encoded it, empty for the ground's, which adapters without their own share.
    ``glance`` is there where it was not the ground's tower that encoded the picture.

    What else a family of models needs to read a picture: ``layout`` is what stands for it in the
    text, one image token for each of the features and what is around them, empty where there is
    nothing around; ``grid`` is how many rows and columns the features are, where rotary positions
    tell them apart; ``among`` are the features, ``[tokens, hidden_size]``, for a text with several
    pictures, where a family takes fewer of each then.
    """

    id: str
    features: torch.Tensor = field(repr=False, compare=False)
    pooled: torch.Tensor | None = field(default=None, repr=False, compare=False)
    eyes: str = ""
    glance: Glance | None = field(default=None, repr=False, compare=False)
    layout: str = field(default="", repr=False, compare=False)
    grid: tuple[int, int] | None = None
    among: torch.Tensor | None = field(default=None, repr=False, compare=False)

    def features_among(self, count: int) -> torch.Tensor:
        """The features ``[tokens, hidden_size]`` in a text that shows ``count`` pictures."""
        return self.features if count < 2 or self.among is None else self.among

    @property
    def nbytes(self) -> int:
        """Bytes of the tensors that it came with."""
        tensors = (
            self.features,
            self.pooled,
            self.glance.pixels if self.glance else None,
            self.among,
        )
        return sum(tensor.nbytes for tensor in tensors if tensor is not None)


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn; the default is greedy."""

    max_tokens: int = 96
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    beams: int = 1
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        limits = (
            ("max_tokens", 1 <= self.max_tokens <= 4096, "between 1 and 4096"),
            ("temperature", 0.0 <= self.temperature <= 5.0, "between 0 and 5"),
            ("top_p", 0.0 < self.top_p <= 1.0, "above 0 and at most 1"),
            ("beams", 1 <= self.beams <= 16, "between 1 and 16"),
            ("seed", -(2**63) <= (self.seed or 0) < 2**63, "that fits 64 bits"),
            ("stop", all(self.stop), "without empty strings"),
        )
        for name, good, allowed in limits:
            if not good:
                raise InputError(f"{name} is {getattr(self, name)}; give a value {allowed}.")


GREEDY = Sampling()


def one_for_each(
    conversations: Sequence[Any], adapter: str | None, adapters: Sequence[str | None] | None
) -> list[str | None]:
    """The adapter of each conversation of a batch: one for all, or one each.

    Raises:
        InputError: there are not as many adapters as conversations.
    """
    named = [adapter] * len(conversations) if adapters is None else list(adapters)
    if len(named) != len(conversations):
        raise InputError(
            f"There are {len(named)} adapters for {len(conversations)} conversations; give one "
            "for each."
        )
    return named


@dataclass(frozen=True)
class Answer:
    """An answer and what it took.

    ``finish`` says whether the model ended it, ran out of ``max_tokens``, or was cancelled by its
    reader. ``computed`` and ``reused`` count the tokens of the prompt that were computed and those
    that the prefix cache had; ``first_word`` is the seconds to the first word of a stream.
    """

    text: str
    tokens: int
    seconds: float
    finish: Literal["stop", "length", "cancelled"]
    computed: int = 0
    reused: int = 0
    first_word: float | None = None


@dataclass(frozen=True)
class Gaze:
    """Where the model looked for a word: ``grid`` is rows of columns over the picture ``image``.

    Its values are not negative; over all pictures of the conversation they sum to 1. ``weight`` is
    what the word loses in log-likelihood, in nats, where it loses most: near 0 for words such as
    "the", which rest on no part of the picture.
    """

    word: str
    image: str
    grid: tuple[tuple[float, ...], ...]
    weight: float = 0.0
