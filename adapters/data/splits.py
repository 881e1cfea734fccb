"""Seeded, stratified splits that keep what belongs together on one side.

Rows of one picture, of copies of it, and of near copies (`adapters.data.near`) go into one part:
else a model would be judged by what it was trained on.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from adapters.data.form import Example
from adapters.data.near import groups, near_pairs
from adapters.data.pictures import Look, Progress, Trouble, good, look_at, paths_of, stack
from assistant.errors import DataError, InputError
from assistant.settings import Settings


def split(
    examples: Sequence[Example],
    *,
    share: float = 0.1,
    seed: int = 0,
    looks: Mapping[Path, Look | Trouble] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> tuple[list[Example], list[Example]]:
    """Training and validation examples, each in the order given.

    The validation part gets ``share`` of the rows, and of each label as nearly as whole rows allow.
    The same examples, share and seed give the same parts.

    Args:
        looks: what `validate` saw of the pictures, else they are opened for it.

    Raises:
        InputError: ``share`` is not between 0 and 1.
        DataError: all rows belong together, so that one part would be empty.
    """
    if not 0 < share < 1:
        raise InputError(f"A validation share of {share} cannot be made; give one between 0 and 1.")
    if looks is None:
        looks = look_at(paths_of(examples), settings=settings, progress=progress)
    tied: list[list[int]] = _tied(examples, looks)
    if len(tied) < 2:
        raise DataError(
            f"The data set has {len(tied)} different pictures, too few for a training and a "
            f"validation part; add pictures, or give a validation file."
        )
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for members in tied:
        labels = Counter(examples[member].label or "" for member in members)
        by_label[min(labels, key=lambda label: (-labels[label], label))].append(members)
    chosen: set[int] = set()
    rng = random.Random(seed)
    quotas = _quotas({label: sum(map(len, many)) for label, many in by_label.items()}, share, rng)
    for label in sorted(by_label):
        chosen.update(_take(by_label[label], quotas[label], rng))
    if not chosen:
        chosen.update(min((len(members), members) for members in tied)[1])
    held = [example for place, example in enumerate(examples) if place in chosen]
    kept = [example for place, example in enumerate(examples) if place not in chosen]
    return kept, held


def named_splits(examples: Sequence[Example]) -> dict[str | None, list[Example]]:
    """The examples by the split that the data itself names; None for those without."""
    named: dict[str | None, list[Example]] = defaultdict(list)
    for example in examples:
        named[example.split].append(example)
    return dict(named)


def _tied(examples: Sequence[Example], looks: Mapping[Path, Look | Trouble]) -> list[list[int]]:
    """Places of the examples that have to stay together, group by group."""
    known = good(looks)
    number = {name: place for place, name in enumerate(known)}
    group = groups(len(known), near_pairs(*stack(known.values())))
    holders: dict[object, int] = {}
    pairs = []
    for place, example in enumerate(examples):
        for path in example.images:
            look = looks.get(path)
            key = group[number[look.id]] if isinstance(look, Look) else path
            pairs.append((holders.setdefault(key, place), place))
    members: dict[int, list[int]] = defaultdict(list)
    for place, first in enumerate(groups(len(examples), pairs)):
        members[first].append(place)
    return list(members.values())


def _quotas(sizes: Mapping[str, int], share: float, rng: random.Random) -> dict[str, int]:
    """Rows of each label for the smaller part, by largest remainders; ties are drawn."""
    exact = {label: share * size for label, size in sorted(sizes.items())}
    quotas = {label: int(rows) for label, rows in exact.items()}
    left = round(share * sum(sizes.values())) - sum(quotas.values())
    drawn = sorted(exact, key=lambda label: (quotas[label] - exact[label], rng.random()))
    for label in drawn[: max(0, left)]:
        quotas[label] += 1
    return quotas


def _take(many: list[list[int]], quota: int, rng: random.Random) -> list[int]:
    """Whole groups, drawn, as many as fit; the last group of a label is never taken."""
    drawn = rng.sample(many, len(many))
    taken: list[int] = []
    left_over = len(drawn)
    for members in drawn:
        if left_over > 1 and len(taken) + len(members) <= quota:
            taken += members
            left_over -= 1
    return taken
