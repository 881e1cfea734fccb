"""Descriptions of invented products: sentences that tell of taste, use, looks and more.

Which of them answers is what has to be learnt, so no facet is told twice in one description, and
what none of them tells is asked for as well.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from adapters.tool_use.words import WORDS, variety

_FORMS: Final[dict[str, Any]] = json.loads(
    files("adapters.tool_use").joinpath("descriptions.json").read_text(encoding="utf-8")
)
FACETS: Final[dict[str, dict[str, list[str]]]] = _FORMS["facets"]
"""Facet → its ``sentences`` and the ``questions`` for it."""

VISIBLE: Final = frozenset(("outside", "shape"))
"""Facets that a photo shows."""

_JOINT: Final[list[dict[str, list[str]]]] = _FORMS["joint"]
# Facets of which one may answer for the other: neither is called missing where one is told.
_NEAR: Final = (
    {"inside", "outside", "ripe"},
    {"shape", "outside"},
    {"use", "handle", "taste"},
    {"keeping"},
    {"rich"},
    {"likeness", "also", "taste"},
)
_ABOUT: Final = (
    "Tell me about {p}.",
    "what is {p}",
    "What kind of thing is {p}?",
    "describe {p} please",
    "What can you tell me about {p}?",
    "give me some information about {p}",
)
_SLOT = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class Described:
    """A description.

    Attributes:
        sentences: in order.
        told: facet or ``about``, the questions for it with ``{p}``, and the sentence that answers.
        absent: questions that no sentence answers.
    """

    sentences: tuple[str, ...]
    told: tuple[tuple[str, tuple[str, ...], str], ...]
    absent: tuple[str, ...]


def description(
    rng: random.Random, title: str, kind: str, *, fresh: bool, without: Sequence[str] = ()
) -> Described:
    """A description of one to five sentences.

    Args:
        fresh: of fruit or vegetables; packed food has no peel, pulp, shape or core.
        without: facets that are told elsewhere.
    """
    values = _values(rng, title, kind)
    names = sorted(FACETS) if fresh else ["also", "keeping", "rich", "taste", "use"]
    names = [name for name in names if name not in without]
    # What customers ask for most is told most.
    weights = {"taste": 4.0, "use": 4.0, "inside": 3.0, "outside": 2.0}
    told: dict[str, str] = {}
    sentences: list[str] = []
    for _ in range(rng.choice((1, 2, 2, 3, 3, 4, 5))):
        if rng.random() < 0.15:
            sentences.append(_filled(rng.choice(_FORMS["fillers"]), values))
            continue
        left = [name for name in names if name not in told]
        joint = [each for each in _JOINT if set(each["tells"]) <= set(left)]
        if joint and rng.random() < 0.3:
            chosen = rng.choice(joint)
            facets, forms = chosen["tells"], chosen["sentences"]
        elif left:
            facets = rng.choices(left, [weights.get(name, 1.0) for name in left])
            forms = FACETS[facets[0]]["sentences"]
        else:
            break
        sentence = _filled(rng.choice(forms), values)
        if sentence not in sentences:
            sentences.append(sentence)
            told.update(dict.fromkeys(facets, sentence))
    known = [(name, _asked(name, values), said) for name, said in told.items()]
    if sentences:
        known.append(("about", _ABOUT, sentences[0]))
    near = set(told).union(*(group for group in _NEAR if group & set(told)))
    missing = [name for name in names if name not in near]
    absent = [question for name in missing for question in _asked(name, values)]
    return Described(tuple(dict.fromkeys(sentences)), tuple(known), tuple(absent))


def _asked(name: str, values: dict[str, str]) -> tuple[str, ...]:
    own = {**values, "p": "{p}"}
    return tuple(_filled(question, own) for question in FACETS[name]["questions"])


def _filled(form: str, values: dict[str, str]) -> str:
    text = _SLOT.sub(lambda slot: values[slot[1]], form)
    return text[:1].upper() + text[1:] if not text.startswith("{") else text


def _values(rng: random.Random, title: str, kind: str) -> dict[str, str]:
    taste, more = rng.sample(WORDS["tastes"], 2)
    inside, colour, colour2 = rng.sample(WORDS["colours"], 3)
    use, use2 = rng.sample(WORDS["uses"], 2)
    fruit, fruit2 = (name.lower() for name in rng.sample(WORDS["foods"], 2))
    side, side2 = rng.sample(_FORMS["sides"], 2)
    cook, cook2 = rng.sample(_FORMS["cooks"], 2)
    part, part2 = rng.sample(_FORMS["parts"], 2)
    values = {
        "p": title if rng.random() < 0.8 else f"the {title.lower()}",
        "kind": kind.lower(),
        "taste": taste,
        "Taste": taste,
        "more": more,
        "inside": inside,
        "colour": colour,
        "colour2": colour2,
        "use": use,
        "use2": use2,
        "fruit": fruit,
        "fruit2": fruit2,
        "side": side,
        "side2": side2,
        "cook": cook,
        "cook2": cook2,
        "part": part,
        "part2": part2,
        "texture": rng.choice(WORDS["textures"]),
        "skin": rng.choice(("shell", "skin", "peel")),
        "pulp": rng.choice(("pulp", "pulp", "flesh", "inside")),
        "store": rng.choice(WORDS["stores"]),
        "country": rng.choice(WORDS["countries"]),
        "other": variety(rng),
        "other2": variety(rng),
    }
    one_of = {"shape": "shapes", "size": "sizes", "shine": "shines", "vitamin": "vitamins"}
    values |= {name: rng.choice(_FORMS[several]) for name, several in one_of.items()}
    return values | {"time": rng.choice(_FORMS["times"])}
