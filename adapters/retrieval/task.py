"""The stage that the loop runs: pictures and words are drawn together, all others pushed apart.

The loss is symmetrical InfoNCE (Radford et al., "CLIP", ICML 2021) with a learnt temperature. A
caption that means nearly the same as another picture's is no clean negative: a share of each
target goes to such pictures, by what the text encoder said before training. Labelled pictures come
in steps of their own, against one text of every label.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from adapters.retrieval.metrics import mean_average_precision, score_retrieval
from adapters.retrieval.recipe import SpaceRecipe
from adapters.retrieval.texts import TextStore, UpperText
from adapters.retrieval.views import Cut, ViewStore
from adapters.tune.average import RunningMean
from adapters.tune.encoder import Order
from adapters.tune.loop import Group
from assistant.space.modules import ImageHead

_NEAREST = 20  # pictures that count as a picture's neighbours
_BATCH = 64
_COOLEST = 100.0  # of the factor of cosines, as in CLIP


@dataclass(frozen=True)
class Captioned:
    """Pictures as views, captions as states, and which captions each picture has."""

    views: ViewStore
    texts: TextStore
    captions: Sequence[Sequence[int]]


@dataclass(frozen=True)
class Labelled:
    """Pictures as views, their labels' numbers, texts as states, and which texts each label has."""

    views: ViewStore
    labels: Sequence[int]
    texts: TextStore
    meanings: Sequence[Sequence[int]]


class SpaceTask(RunningMean):
    """See the module.

    Args:
        cut: the tower; what is above changes.
        head, words: the rest of what changes.
        learnt, held: captioned pictures to learn from and to validate on.
        labelled, judged: labelled ones, if any.
    """

    name = "space"
    score_name = "score"

    def __init__(
        self,
        cut: Cut,
        head: ImageHead,
        words: UpperText,
        recipe: SpaceRecipe,
        learnt: Captioned,
        held: Captioned,
        labelled: Labelled | None = None,
        judged: Labelled | None = None,
    ) -> None:
        self.cut, self.head, self.words, self.recipe = cut, head, words, recipe
        self._learnt, self._held = learnt, held
        self._labelled = labelled if recipe.label_every else None
        self._judged = judged
        cut.tower.requires_grad_(False)
        self._moving = cut.trained() if recipe.tower_rate else {}
        for parameter in self._moving.values():
            parameter.requires_grad_(True)
        self.factor = nn.Parameter(torch.tensor(math.log(1 / recipe.temperature)))
        self._order = Order(len(learnt.views), f"{recipe.seed} captioned")
        if self._labelled is not None:
            self._label_order = Order(len(self._labelled.views), f"{recipe.seed} labelled")
        self._near = _neighbours(learnt) if recipe.neighbours else None
        super().__init__(self._named(), recipe.average)

    def _named(self) -> dict[str, nn.Parameter]:
        parts = {"tower": self._moving, "head": dict(self.head.named_parameters())}
        parts["words"] = {n: p for n, p in self.words.named_parameters() if p.requires_grad}
        named = {f"{part}.{n}": p for part, found in parts.items() for n, p in found.items()}
        return {**named, "factor": self.factor}

    def groups(self) -> list[Group]:
        """Heads at once, the tower later and slowly."""
        recipe, named = self.recipe, self._named()

        def part(prefix: str) -> dict[str, nn.Parameter]:
            return {name: p for name, p in named.items() if name.startswith(prefix)}

        decay = recipe.weight_decay
        groups = [
            Group(part("words."), recipe.text_rate, decay),
            Group(part("head."), recipe.head_rate, decay),
            Group({"factor": self.factor}, recipe.head_rate, 0.0),
        ]
        if self._moving:
            groups.append(Group(part("tower."), recipe.tower_rate, decay, recipe.head_steps))
        return groups

    def loss(self, draw: int) -> torch.Tensor:
        """The loss of a step; it depends on the seed and on ``draw`` alone."""
        recipe = self.recipe
        torch.manual_seed(_number(f"{recipe.seed} dropout {draw}"))
        rng = random.Random(f"{recipe.seed} draw {draw}")
        self.head.train()
        self.words.train()
        every = recipe.label_every
        if self._labelled is not None and draw % every == every - 1:
            return self._label_loss(self._labelled, draw // every, draw, rng)
        drawn = draw - draw // every if self._labelled is not None else draw
        return self._caption_loss(drawn, draw, rng)

    def _seen(self, maps: torch.Tensor, draw: int) -> torch.Tensor:
        moves = bool(self._moving) and draw >= self.recipe.head_steps
        with torch.set_grad_enabled(moves):
            grid = self.cut.above(maps.contiguous(memory_format=torch.channels_last))
        return F.normalize(self.head.vector(grid), dim=-1)

    def _caption_loss(self, drawn: int, draw: int, rng: random.Random) -> torch.Tensor:
        recipe, learnt = self.recipe, self._learnt
        places = self._pictures(drawn, rng)
        seen = self._seen(learnt.views.maps(places, rng), draw)
        chosen = [_drawn(learnt.captions[place], recipe.captions, rng) for place in places]
        flat = [row[number] for number in range(recipe.captions) for row in chosen]
        said = self.words(*learnt.texts.rows(flat))
        loss = seen.new_zeros(())
        for number in range(recipe.captions):
            part = slice(number * len(places), (number + 1) * len(places))
            cosines = self._scale() * seen @ said[part].T
            target = torch.eye(len(places))
            if recipe.soft:
                base = learnt.texts.base[flat[part]]
                near = F.softmax(base @ base.T / recipe.soft_temperature, -1)
                target = (1 - recipe.soft) * target + recipe.soft * near
            loss = loss + _both_ways(cosines, target, target)
        return loss / recipe.captions

    def _label_loss(
        self, labelled: Labelled, drawn: int, draw: int, rng: random.Random
    ) -> torch.Tensor:
        recipe = self.recipe
        size = min(recipe.label_batch, len(labelled.views))
        places = [self._label_order[drawn * size + number] for number in range(size)]
        seen = self._seen(labelled.views.maps(places, rng), draw)
        said = self.words(*labelled.texts.rows([rng.choice(each) for each in labelled.meanings]))
        cosines = self._scale() * seen @ said.T  # [pictures, labels]
        wanted = torch.tensor([labelled.labels[place] for place in places])
        right = F.one_hot(wanted, len(labelled.meanings)).float()
        there = right.sum(0) > 0
        back = right.T[there] / right.T[there].sum(1, keepdim=True)
        forth = F.cross_entropy(cosines, wanted, label_smoothing=recipe.smoothing)
        return (forth + F.cross_entropy(cosines.T[there], back)) / 2

    def _scale(self) -> torch.Tensor:
        return self.factor.exp().clamp(max=_COOLEST)

    def _pictures(self, drawn: int, rng: random.Random) -> list[int]:
        """Places of a batch, each once: drawn ones, and hard negatives where they are wanted."""
        size = min(self.recipe.batch, len(self._learnt.views))
        if self._near is None:
            places = [self._order[drawn * size + number] for number in range(size)]
            return list(dict.fromkeys(places))
        seeds = max(1, size // (1 + self.recipe.neighbours))
        found: dict[int, None] = {}
        for number in range(seeds):
            place = self._order[drawn * seeds + number]
            near = self._near[place].tolist()
            found |= dict.fromkeys(
                [place, *rng.sample(near, min(self.recipe.neighbours, len(near)))]
            )
        return list(found)

    def validate(self) -> dict[str, float]:
        """Recalls of the held-out captions and pictures, with the weights to be kept.

        ``score`` is their mean, with the labels' mean average precision as a seventh.
        """
        current = self.weights_now()
        self.adopt(self.weights())
        held = self._held
        own = [place for place, texts in enumerate(held.captions) for _ in texts]
        said = self._texts(held.texts, [text for texts in held.captions for text in texts])
        found, _ = score_retrieval(self._views(held.views), said, np.array(own))
        scores = {k: v for k, v in vars(found).items() if k != "n"}
        whole = list(scores.values())
        if self._judged is not None and len(self._judged.views):
            judged = self._judged
            asked = self._texts(judged.texts, [texts[0] for texts in judged.meanings])
            labels = np.array(judged.labels)
            right = np.arange(len(judged.meanings))[:, None] == labels
            scores["label_map"] = mean_average_precision(asked @ self._views(judged.views).T, right)
            whole.append(scores["label_map"])
        self.adopt(current)
        return {**scores, "score": sum(whole) / len(whole)}

    @torch.inference_mode()
    def _views(self, views: ViewStore) -> np.ndarray:
        self.head.eval()
        parts = []
        for start in range(0, len(views), _BATCH):
            maps = views.maps(range(start, min(start + _BATCH, len(views))), None)
            grid = self.cut.above(maps.contiguous(memory_format=torch.channels_last))
            parts.append(F.normalize(self.head.vector(grid), dim=-1))
        return torch.cat(parts).numpy()

    @torch.inference_mode()
    def _texts(self, texts: TextStore, places: Sequence[int]) -> np.ndarray:
        self.words.eval()
        parts = [
            self.words(*texts.rows(places[start : start + _BATCH]))
            for start in range(0, len(places), _BATCH)
        ]
        return torch.cat(parts).numpy()


def _both_ways(cosines: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    return (F.cross_entropy(cosines, rows) + F.cross_entropy(cosines.T, columns)) / 2


def _drawn(captions: Sequence[int], count: int, rng: random.Random) -> list[int]:
    """``count`` captions of a picture, no one twice unless there are too few."""
    if len(captions) >= count:
        return rng.sample(list(captions), count)
    return [rng.choice(list(captions)) for _ in range(count)]


def _neighbours(learnt: Captioned) -> torch.Tensor:
    """For each picture the pictures with the likest captions, ``[n, k]``."""
    mean = torch.stack([learnt.texts.base[list(texts)].mean(0) for texts in learnt.captions])
    mean = F.normalize(mean, dim=-1)
    count = min(_NEAREST + 1, len(mean))
    parts = [(part @ mean.T).topk(count).indices for part in mean.split(1024)]
    own = torch.arange(len(mean))[:, None]
    found = torch.cat(parts)
    # Oneself is the first, or hidden behind one with the same captions.
    return torch.stack(
        [row[row != place][: count - 1] for row, place in zip(found, own, strict=True)]
    )


def _number(text: str) -> int:
    return random.Random(text).getrandbits(62)
