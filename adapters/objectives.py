"""What a step learns from: the mixture's answers, each token by its cross-entropy.

An objective draws its own pictures; every draw depends only on the seed and on counters that the
training loop saves, so that a stopped run goes on as if it had not been.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from peft import PeftModel
from torch.nn import functional as F

from adapters.features import FeatureStore
from adapters.mixture import Source
from adapters.packing import Batch, PromptTokens, Tree, collate, fill_rows
from adapters.recipe import Recipe


@dataclass
class Counters:
    """How often each source was visited, and how many tokens it got; saved with the weights."""

    visits: list[int] = field(default_factory=list)
    spent: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Drawn:
    """The loss of a step, the answers and tokens that went into it, the mean reward if any."""

    loss: torch.Tensor
    answers: int
    tokens: int
    reward: float | None = None


class Objective(Protocol):
    """What the training loop asks for at every step."""

    def counters(self) -> Counters:
        """Counters at the start of a run."""
        ...

    def draw(self, model: Any, counters: Counters) -> Drawn:
        """Draw a batch, advance the counters, and return its loss with a graph behind it."""
        ...


def llava_of(model: Any) -> Any:
    """The LLaVA itself, also where it is inside a PEFT model."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def embed(llava: Any, ids: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Embeddings ``[*ids.shape, hidden]``, projected features in the places of image tokens."""
    features = features.to(llava.device, llava.dtype)
    projected = llava.model.multi_modal_projector(features)
    embedded: torch.Tensor = llava.get_input_embeddings()(ids)
    at_image = (ids == llava.config.image_token_id).unsqueeze(-1)
    return embedded.masked_scatter(at_image, projected.to(embedded.dtype))


def packed_logits(model: Any, batch: Batch, features: torch.Tensor) -> torch.Tensor:
    """Logits ``[n, vocab]`` of a packed batch, only where there is a label; see `packed_loss`."""
    llava = llava_of(model)
    device = llava.device
    embedded = embed(llava, batch.ids.to(device), features)
    visible = batch.visible.to(device)
    bias = torch.zeros(visible.shape, dtype=embedded.dtype, device=device)
    bias.masked_fill_(~visible, torch.finfo(embedded.dtype).min)
    hidden = llava.model.language_model(
        inputs_embeds=embedded,
        attention_mask=bias,
        position_ids=batch.positions.to(device),
        use_cache=False,
    ).last_hidden_state.flatten(0, 1)
    logits: torch.Tensor = llava.lm_head(hidden[batch.sources.to(device)])
    return logits


def packed_loss(
    model: Any, batch: Batch, features: torch.Tensor, *, mean: bool = True
) -> torch.Tensor:
    """Cross-entropy of a packed batch; logits only where there is a label.

    Args:
        model: a `LlavaForConditionalGeneration`, or one inside a PEFT model.
        features: ``[images, tokens, channels]``, the tower's output for ``batch.images``.
        mean: the weighted mean over the tokens, else their weighted sum.
    """
    logits = packed_logits(model, batch, features)
    device = logits.device
    losses = F.cross_entropy(logits.float(), batch.targets.to(device), reduction="none")
    weights = batch.weights.to(device)
    total = (losses * weights).sum()
    return total / weights.sum() if mean else total


class Feeder:
    """Draws the trees of a step from the sources, in proportion to their shares of tokens."""

    def __init__(
        self,
        sources: Sequence[tuple[Source, FeatureStore, float]],
        prompts: PromptTokens,
        recipe: Recipe,
        pad_id: int,
    ) -> None:
        self._sources, self._prompts, self._recipe = sources, prompts, recipe
        self._pad_id = pad_id
        self._orders: dict[int, tuple[int, list[int]]] = {}  # source: its epoch and shuffle

    def visit(self, number: int, count: int) -> tuple[int, random.Random]:
        """Picture of the ``count``-th visit to a source: a fresh shuffle for every epoch."""
        source = self._sources[number][0]
        epoch, place = divmod(count, len(source.paths))
        known, order = self._orders.get(number, (-1, []))
        if known != epoch:
            order = list(range(len(source.paths)))
            random.Random(f"{self._recipe.seed} {source.name} {epoch}").shuffle(order)
            self._orders[number] = (epoch, order)
        return order[place], random.Random(f"{self._recipe.seed} {source.name} {count}")

    def counters(self) -> Counters:
        """Counters of a fresh run, one of each a source."""
        return Counters([0] * len(self._sources), [0] * len(self._sources))

    def trees(self, counters: Counters, tokens: int) -> list[Tree]:
        """The next trees, together at least ``tokens`` long; advances the counters."""
        visits, spent = counters.visits, counters.spent
        trees: list[Tree] = []
        total = 0
        while total < tokens:
            # The source that lags most behind its share: deterministic, and right in the long run.
            number = min(
                range(len(self._sources)), key=lambda n: (spent[n] + 1) / self._sources[n][2]
            )
            source = self._sources[number][0]
            index, rng = self.visit(number, visits[number])
            branches = source.branches(index, rng)
            tree = self._prompts.tree((number, index, self.variant(number, rng)), branches)
            visits[number] += 1
            spent[number] += len(tree)
            total += len(tree)
            trees.append(tree)
        return trees

    def number(self, source: Source) -> int:
        """The source's place, which its pictures and counters go by."""
        return next(n for n, (known, _, _) in enumerate(self._sources) if known is source)

    def variant(self, number: int, rng: random.Random) -> int:
        """One of a source's versions of its pictures."""
        return rng.randrange(self._sources[number][1].variants)

    def batch(self, trees: Sequence[Tree]) -> tuple[Batch, torch.Tensor]:
        """The trees packed, and the features of their pictures."""
        batch = collate(fill_rows(trees), self._pad_id)
        return batch, torch.stack([self.features(image) for image in batch.images])

    def features(self, image: tuple[int, int, int]) -> torch.Tensor:
        """Features of a picture, given as (source, index, variant)."""
        number, index, variant = image
        return self._sources[number][1][index, variant]


class CrossEntropy:
    """Every answer of the mixture, weighted as its source asks."""

    def __init__(self, feeder: Feeder, tokens: int) -> None:
        self._feeder, self._tokens = feeder, tokens

    def counters(self) -> Counters:
        """Counters of a fresh run."""
        return self._feeder.counters()

    def draw(self, model: Any, counters: Counters) -> Drawn:
        """The loss of the next trees."""
        trees = self._feeder.trees(counters, self._tokens)
        batch, features = self._feeder.batch(trees)
        loss = packed_loss(model, batch, features)
        answers = sum(segment.weight > 0 for tree in trees for segment in tree.segments)
        return Drawn(loss, answers, sum(map(len, trees)))
