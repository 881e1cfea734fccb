"""What facts are made of. Names of goods are invented, so that they can only be read, not known."""

from __future__ import annotations

import json
import random
from importlib.resources import files
from typing import Any, Final

_FOLDER = files("adapters.tool_use")

WORDS: Final[dict[str, list[str]]] = json.loads(
    _FOLDER.joinpath("words.json").read_text(encoding="utf-8")
)
SAYINGS: Final[dict[str, Any]] = json.loads(
    _FOLDER.joinpath("requests.json").read_text(encoding="utf-8")
)
"""What customers say, by what they want, and what is said to them."""


def brand(rng: random.Random) -> str:
    """An invented name such as ``Corander`` or ``Velvet Sky``."""
    if rng.random() < 0.5:
        middle = rng.choice(WORDS["middles"]) if rng.random() < 0.6 else ""
        return rng.choice(WORDS["starts"]) + middle + rng.choice(WORDS["ends"])
    first, second = rng.sample(WORDS["words"], 2)
    return f"{first} {second}" if rng.random() < 0.6 else first


def variety(rng: random.Random) -> str:
    """A name of a fruit's or vegetable's variety, or the plain kind."""
    draw = rng.random()
    if draw < 0.4:
        return " ".join(rng.sample(WORDS["words"], 2))
    if draw < 0.6:
        return f"{rng.choice(WORDS['words'])} {rng.choice(WORDS['foods'])}"
    if draw < 0.8:
        return brand(rng).split()[0]
    return rng.choice(WORDS["foods"])
