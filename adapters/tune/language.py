"""Stage two: projector and language model learn to say what the encoder sees.

Pictures are drawn by place in a shuffled order, a fixed number a step, so that a step depends only
on the seed and its number. Everything asked about a picture is packed behind one copy of it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from peft import PeftModel

from adapters.lora import MergedLora
from adapters.objectives import packed_loss
from adapters.packing import PromptTokens, Tree, collate, fill_rows
from adapters.tune.encoder import Order
from adapters.tune.examples import Known, branches
from adapters.tune.loop import Group, Tensors
from adapters.tune.parts import counted, split_parameters
from adapters.tune.pictures import PictureStore
from adapters.tune.settings import Tuning
from adapters.tune.tower import TrainableTower

_SAMPLED = 48  # trees whose mean length tells how many pictures fill a step
_HELD_BATCH = 24


class Features(Protocol):
    """What `adapters.features.FeatureStore` offers."""

    variants: int

    def __getitem__(self, key: tuple[int, int]) -> torch.Tensor:
        """Features ``[tokens, channels]`` of a picture in one of its versions."""
        ...


@dataclass(frozen=True)
class Pictured:
    """What is known of pictures, and where their features are; each has a row for each picture."""

    knowns: Sequence[Known]
    rows: dict[Path, int]
    features: Features | None
    pixels: PictureStore | None


class LanguageTask:
    """See the module; also trains the encoder where a `TrainableTower` is given."""

    name = "language"
    score_name = "score"

    def __init__(
        self,
        adapted: PeftModel,
        recipe: Tuning,
        prompts: PromptTokens,
        own: Pictured,
        held: Pictured,
        replay: Pictured | None,
        *,
        pad_id: int,
        tower: TrainableTower | None = None,
        autocast: bool = True,
    ) -> None:
        self._model, self.recipe, self._prompts = adapted, recipe, prompts
        self._own, self._held, self._pad_id = own, held, pad_id
        self._replay = replay if replay is not None and replay.knowns and recipe.replay else None
        self._tower, self._autocast = tower, autocast
        share = recipe.replay if self._replay is not None else 0.0
        self._own_count = self._fill(own, recipe.tokens * (1 - share))
        self._replay_count = self._fill(self._replay, recipe.tokens * share) if share else 0
        self._own_order = Order(len(own.knowns), f"{recipe.seed} own")
        replayed = self._replay.knowns if self._replay is not None else ()
        self._replay_order = Order(len(replayed) or 1, f"{recipe.seed} again")
        self._merged: MergedLora | None = None
        if recipe.quantize == "none" and recipe.language == "lora":
            self._merged = MergedLora(adapted)
            self._merged.__enter__()
        llava: Any = adapted.get_base_model()
        llava.model.language_model.train()

    def close(self) -> None:
        """Give the layers their own way of computing back."""
        if self._merged is not None:
            self._merged.__exit__(None, None, None)
            self._merged = None

    def steps(self) -> int:
        """Steps of the recipe's epochs on one process, without accumulation."""
        return round(self.recipe.language_epochs * len(self._own.knowns) / self._own_count)

    def _fill(self, source: Pictured | None, tokens: float) -> int:
        assert source is not None
        rng = random.Random(f"{self.recipe.seed} lengths")
        sample = rng.choices(range(len(source.knowns)), k=_SAMPLED)
        lengths = [len(self._tree(source, index, rng)) for index in sample]
        return max(1, round(tokens / (sum(lengths) / len(lengths))))

    def _tree(self, source: Pictured, index: int, rng: random.Random) -> Tree:
        known = source.knowns[index]
        images = [(source, source.rows[path], rng.randrange(1 << 30)) for path in known.images]
        return self._prompts.tree(images, branches(known, rng))

    def groups(self) -> list[Group]:
        """Projector, language model, and the encoder where it trains as well."""
        recipe = self.recipe
        projector, language = split_parameters(self._model)
        groups = [
            Group(projector, recipe.projector_rate, recipe.weight_decay),
            Group(language, recipe.language_rate, recipe.weight_decay),
            Group(
                self._tower.changing() if self._tower is not None else {},
                recipe.encoder_rate,
                recipe.weight_decay,
            ),
        ]
        return [group for group in groups if group.parameters]

    def loss(self, draw: int) -> torch.Tensor:
        """Cross-entropy of the answers of a step's trees."""
        trees = self._drawn(self._own, self._own_order, self._own_count, draw)
        if self._replay is not None:
            trees += self._drawn(self._replay, self._replay_order, self._replay_count, draw)
        return self._loss(trees, augment=True)

    def _drawn(self, source: Pictured, order: Order, count: int, draw: int) -> list[Tree]:
        return [
            self._tree(source, order[place], random.Random(f"{self.recipe.seed} tree {place}"))
            for place in range(draw * count, (draw + 1) * count)
        ]

    def _loss(self, trees: Sequence[Tree], *, augment: bool) -> torch.Tensor:
        batch = collate(fill_rows([tree for tree in trees if len(tree.segments) > 1]), self._pad_id)
        features = self._features(batch.images, augment)
        device = self._model.device.type
        with torch.autocast(device, torch.bfloat16, enabled=self._autocast):
            return packed_loss(self._model, batch, features)

    def _features(self, images: Sequence[Any], augment: bool) -> torch.Tensor:
        rows = []
        for source, row, draw in images:
            if source.features is not None:
                variant = draw % source.features.variants if augment else 0
                rows.append(source.features[row, variant])
                continue
            rngs = [random.Random(f"{self.recipe.seed} view {draw}")] if augment else None
            assert source.pixels is not None
            rows.append(source.pixels.pixels([row], rngs)[0])
        stacked = torch.stack(rows)
        if self._tower is None or images[0][0].features is not None:
            return stacked
        seen = self._tower(stacked.contiguous(memory_format=torch.channels_last))
        features: torch.Tensor = seen.last_hidden_state
        return features

    def updated(self, step: int) -> None:
        """Merge the factors anew."""
        if self._merged is not None:
            self._merged.refresh()

    def buffers(self) -> Tensors:
        """None: everything is in the parameters."""
        return {}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Cross-entropy of the held-out answers, each asked in one fixed way."""
        total, count = 0.0, 0
        indices = list(range(len(self._held.knowns)))
        for start in range(0, len(indices), _HELD_BATCH):
            part = indices[start : start + _HELD_BATCH]
            trees = [self._tree(self._held, i, random.Random(f"held {i}")) for i in part]
            total += float(self._loss(trees, augment=False)) * len(part)
            count += len(part)
        mean = total / max(count, 1)
        return {"cross_entropy": mean, "score": -mean}

    def weights(self) -> Tensors:
        """Everything that trains."""
        named = [pair for group in self.groups() for pair in group.parameters.items()]
        return {name: parameter.detach().clone() for name, parameter in named}

    def counted(self) -> dict[str, int]:
        """How many numbers train in each part."""
        projector, language = split_parameters(self._model)
        found = {
            "projector": counted(projector.values()),
            "language model": counted(language.values()),
        }
        return {name: count for name, count in found.items() if count}

    @torch.no_grad()
    def adopt(self, weights: Tensors) -> None:
        """Take those weights."""
        for group in self.groups():
            for name, parameter in group.parameters.items():
                parameter.copy_(weights[name])
        self.updated(0)
