"""Examples as pictures that can be asked about: what stage two draws its prompt trees from."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.data.form import Example
from adapters.mixture import COARSE_REQUESTS, LABEL_REQUESTS, SENTENCE_REQUESTS
from adapters.packing import Branch
from adapters.questions import clean_caption
from assistant.prompts import DESCRIBE, LABEL_QUESTION, spoken_label

_MOST_CAPTIONS = 8  # a visit: rows stay short, whatever the data
_MOST_CONVERSATIONS = 6


@dataclass
class Known:
    """Everything that the data say about one picture, or about a few shown together."""

    images: tuple[Path, ...]
    references: list[str] = field(default_factory=list)
    label: str | None = None
    coarse_label: str | None = None
    conversations: list[Example] = field(default_factory=list)


def gather(examples: Iterable[Example]) -> list[Known]:
    """Examples about the same pictures together, in the order in which they first occur."""
    found: dict[tuple[Path, ...], Known] = {}
    for example in examples:
        known = found.setdefault(example.images, Known(example.images))
        known.references += example.references
        if example.label is not None:
            known.label, known.coarse_label = example.label, example.coarse_label
        if example.exchanges:
            known.conversations.append(example)
    return list(found.values())


def branches(known: Known, rng: random.Random) -> list[Branch]:
    """What is asked at a visit: label, coarse label now and then, captions, conversations."""
    asked: list[Branch] = []
    if known.label is not None:
        request = LABEL_QUESTION if rng.random() < 0.6 else rng.choice(LABEL_REQUESTS)
        asked.append(Branch(request, (spoken_label(known.label) + ".",), 2.0))
        if known.coarse_label and rng.random() < 0.3:
            request = rng.choice(COARSE_REQUESTS)
            asked.append(Branch(request, (spoken_label(known.coarse_label) + ".",), 2.0))
    captions = dict.fromkeys(clean_caption(text) for text in known.references)
    said = [text for text in captions if text]
    if said:
        rng.shuffle(said)
        request = DESCRIBE["sentence"] if rng.random() < 0.6 else rng.choice(SENTENCE_REQUESTS)
        asked.append(Branch(request, tuple(said[:_MOST_CAPTIONS])))
    conversations = list(known.conversations)
    rng.shuffle(conversations)
    for example in conversations[:_MOST_CONVERSATIONS]:
        first, *later = example.exchanges
        then = tuple((turn.question, turn.answer) for turn in later)
        asked.append(Branch(first.question, (first.answer,), first.weight, then=then))
    return asked


def pictures_of(knowns: Sequence[Known]) -> list[Path]:
    """Every picture once, in order."""
    return list(dict.fromkeys(path for known in knowns for path in known.images))
