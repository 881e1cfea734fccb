"""Stage one: the encoder learns to tell the labels apart, and to see other pictures as before.

A linear label head on the pooled features is trained with it (cross-entropy on augmented pictures)
and is kept: it gives the labels' probabilities in a hundredth of the language model's time. Replay
pictures, which have no label, must keep the features that the base gives them (learning without
forgetting, Li & Hoiem, ECCV 2016), since the language model was taught to read those.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional as F

from adapters.tune.average import RunningMean
from adapters.tune.loop import Group
from adapters.tune.pictures import PictureStore, cutmix_box
from adapters.tune.settings import Tuning
from adapters.tune.tower import TrainableTower


class Order:
    """Places ``0 … n-1`` shuffled anew every epoch; the k-th place depends only on seed and k."""

    def __init__(self, count: int, seed: str) -> None:
        self._count, self._seed = count, seed
        self._known: tuple[int, list[int]] = (-1, [])

    def __getitem__(self, place: int) -> int:
        epoch, offset = divmod(place, self._count)
        if self._known[0] != epoch:
            order = list(range(self._count))
            random.Random(f"{self._seed} {epoch}").shuffle(order)
            self._known = (epoch, order)
        return self._known[1][offset]


class EncoderTask(RunningMean):
    """See the module."""

    name = "encoder"
    score_name = "accuracy"

    def __init__(
        self,
        tower: TrainableTower,
        recipe: Tuning,
        labelled: tuple[PictureStore, Sequence[int]],
        held: tuple[PictureStore, Sequence[int]],
        replay: PictureStore | None,
        *,
        classes: int,
    ) -> None:
        self.tower, self.recipe = tower, recipe
        self._store, self._targets = labelled[0], torch.tensor(labelled[1])
        self._held, self._held_targets = held[0], torch.tensor(held[1])
        self._replay = replay if replay is not None and len(replay) and recipe.remember else None
        channels = tower.tower.config.head_channels
        self.head = nn.Linear(channels, classes)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self._order = Order(len(self._store), f"{recipe.seed} labelled")
        share = recipe.remember_share if self._replay is not None else 0.0
        self._replayed = round(recipe.encoder_batch * share)
        self._replay_order = Order(len(self._replay or ()) or 1, f"{recipe.seed} replay")
        self._before: nn.Module | None = None
        if self._replayed:
            self._before = copy.deepcopy(tower.tower).requires_grad_(False)
        super().__init__(self._named(), recipe.average)

    def steps(self) -> int:
        """Steps of the recipe's epochs on one process, without accumulation."""
        return round(self.recipe.encoder_epochs * len(self._store) / self.recipe.encoder_batch)

    def _named(self) -> dict[str, nn.Parameter]:
        head = {f"label_head.{name}": p for name, p in self.head.named_parameters()}
        return {**self.tower.changing(), **head}

    def groups(self) -> list[Group]:
        """The tower slowly, its new head faster."""
        recipe = self.recipe
        head = {f"label_head.{name}": p for name, p in self.head.named_parameters()}
        groups = [Group(head, recipe.head_rate, recipe.weight_decay)]
        changing = self.tower.changing()
        if changing:
            groups.append(Group(changing, recipe.encoder_rate, recipe.weight_decay))
        return groups

    def loss(self, draw: int) -> torch.Tensor:
        """Cross-entropy of a batch, and the drift of the replay's features."""
        recipe = self.recipe
        batch = recipe.encoder_batch
        places = range(draw * batch, (draw + 1) * batch)
        indices = [self._order[place] for place in places]
        rngs = [random.Random(f"{recipe.seed} view {place}") for place in places]
        pixels, targets = self._store.pixels(indices, rngs), self._targets[indices]
        others, kept = targets, 1.0
        rng = random.Random(f"{recipe.seed} batch {draw}")
        if rng.random() < recipe.cutmix:
            rows, columns, covered = cutmix_box(rng, self._store.image_size)
            pixels = pixels.clone()
            pixels[:, :, rows, columns] = pixels.roll(1, 0)[:, :, rows, columns]
            others, kept = targets.roll(1, 0), 1.0 - covered
        shown = pixels
        if self._replayed and self._replay is not None:
            first = draw * self._replayed
            again = [self._replay_order[place] for place in range(first, first + self._replayed)]
            views = [random.Random(f"{recipe.seed} replay view {place}") for place in again]
            shown = torch.cat([pixels, self._replay.pixels(again, views)])
        output = self.tower(shown.contiguous(memory_format=torch.channels_last))
        logits = self.head(output.pooler_output[:batch].float())
        loss = kept * F.cross_entropy(logits, targets, label_smoothing=recipe.smoothing)
        if kept < 1.0:
            loss = loss + (1 - kept) * F.cross_entropy(
                logits, others, label_smoothing=recipe.smoothing
            )
        if self._before is not None:
            with torch.inference_mode():
                before = self._before(shown[batch:]).last_hidden_state
            now = output.last_hidden_state[batch:]
            loss = loss + recipe.remember * F.mse_loss(now, before.clone())
        return loss

    def validate(self) -> dict[str, float]:
        """Accuracy and cross-entropy of the held-out pictures, with the weights to be kept."""
        current = self.weights_now()
        self.adopt(self.weights())
        logits = self.logits(self._held)
        self.adopt(current)
        right = (logits.argmax(1) == self._held_targets).float().mean()
        entropy = F.cross_entropy(logits, self._held_targets)
        return {"accuracy": float(right), "cross_entropy": float(entropy)}

    @torch.inference_mode()
    def logits(self, store: PictureStore) -> torch.Tensor:
        """``[n, classes]`` for all pictures of a store as they are."""
        rows = []
        for start in range(0, len(store), 16):
            indices = range(start, min(start + 16, len(store)))
            rows.append(self.head(self.tower(store.pixels(indices, None)).pooler_output.float()))
        return torch.cat(rows)
