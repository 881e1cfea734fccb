"""Invented products: what a shop's passages say of them, and what customers ask.

The passages take many forms (data sheet, list, prose, a grocer's two-facts-a-line), so that what is
learnt is to read, not where a fact stands.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass

from adapters.tool_use import attributes as facts
from adapters.tool_use.attributes import Attribute
from adapters.tool_use.descriptions import description
from adapters.tool_use.more_attributes import OTHERS
from adapters.tool_use.nutrients import NUTRIENTS
from adapters.tool_use.words import SAYINGS, WORDS, brand, variety

_FRESH = ("Class 1", "Klass 1", "Class 2", "loose", "in a net", "")
_ALL = (
    *NUTRIENTS,
    facts.ORIGIN,
    facts.MADE_IN,
    facts.WEIGHT,
    facts.VOLUME,
    facts.MAKER,
    facts.CONTENTS,
    *OTHERS,
)
# Attributes that are asked for in the same words: one of them answers for the other.
_SAME = (
    {"origin", "made in"},
    {"weight", "volume", "size"},
    {"ingredients", "material", "allergens"},
    {"storage", "shelf life"},
    {"certificate", "ingredients"},
)
_ASKED = dict.fromkeys(("origin", "made in", "weight", "volume", "maker", "ingredients"), 2.0)
_ASKED |= {"taste": 4.0, "use": 5.0, "inside": 3.0, "energy": 2.5, "kilojoule": 1.5}
# What customers ask for and few passages tell.
_RARE = ("price", "price", "stock", "article number", "certificate", "season", "warranty")
# A description may tell these in words of its own.
_KEEPING = {"storage", "shelf life"}
_WORDS_ONLY = re.compile(r"\([^)]*\)|[\d%(),.]+")


@dataclass(frozen=True)
class Fact:
    """Something that a passage says of its product, and how it is asked for.

    ``questions`` have the product as ``{p}``; ``answer`` is a sentence.
    """

    name: str
    questions: tuple[str, ...]
    answer: str


@dataclass(frozen=True)
class Product:
    """A product with its passage.

    Attributes:
        title: its name, as a passage's title.
        kind: what sort of thing it is.
        text: of the passage.
        facts: what can be asked of it.
        absent: questions that the passage does not answer, with ``{p}``.
    """

    title: str
    kind: str
    text: str
    facts: tuple[Fact, ...]
    absent: tuple[str, ...]


def product(rng: random.Random, title: str = "", kind: str = "") -> Product:
    """An invented product."""
    sort = rng.choice(("fresh", "fresh", "packed", "packed", "goods"))
    if sort == "fresh":
        kind = kind or rng.choice(WORDS["foods"])
        title = title or variety(rng)
    elif sort == "packed":
        kind = kind or rng.choice(WORDS["packed"])
        title = title or f"{brand(rng)} {_described(rng, kind)}"
    else:
        kind = kind or rng.choice(WORDS["goods"])
        title = title or f"{brand(rng)} {kind}"
    lines, known, said = _lines(rng, sort, title, kind)
    absent: list[str] = []
    if sort != "goods" and rng.random() < 0.9:
        described = description(
            rng, title, kind, fresh=sort == "fresh", without=("keeping",) if _KEEPING & said else ()
        )
        known += [Fact(*fact) for fact in described.told]
        if any(fact.name == "keeping" for fact in known):
            said |= _KEEPING
        absent += rng.sample(described.absent, min(4, len(described.absent)))
        label = rng.choice(("Description: ", "", "", "About: "))
        place = 0 if rng.random() < 0.6 else rng.randrange(len(lines) + 1)
        lines.insert(place, label + " ".join(described.sentences))
    joint = rng.choice((" ", " ", " ", ". ", "; ", " | "))
    text = joint.join(line.rstrip(".") if joint == ". " else line for line in lines)
    return Product(title, kind, text, tuple(known), (*absent, *_absent(rng, said)))


def drawn(rng: random.Random, facts: tuple[Fact, ...]) -> Fact:
    """One of a product's facts, those that customers ask for more often than a table's line."""
    (fact,) = rng.choices(facts, [_ASKED.get(fact.name, 1.0) for fact in facts])
    return fact


def _described(rng: random.Random, kind: str) -> str:
    extra = (
        "Organic",
        "Light",
        "Natural",
        "Vanilla",
        "Strawberry",
        "Lactose Free",
        "Extra",
        "Mild",
    )
    return f"{rng.choice(extra)} {kind}" if rng.random() < 0.5 else kind


def _lines(
    rng: random.Random, sort: str, title: str, kind: str
) -> tuple[list[str], list[Fact], set[str]]:
    """The lines of a passage, its facts, and the names of the attributes that it tells."""
    chosen: list[Attribute] = []
    lines: list[str] = []
    known: list[Fact] = []
    if rng.random() < 0.3 and kind.lower() not in title.lower():
        lines.append(f"Kind: {kind}")
    if rng.random() < 0.6:
        lines.append(f"Title: {kind} {title} {rng.choice(_FRESH)}".strip())
    if sort == "fresh":
        if rng.random() < 0.6:
            lines.append(_pair(rng, known, title, "Country and", facts.ORIGIN))
            chosen += [facts.ORIGIN, facts.WEIGHT]
        else:
            chosen += rng.sample([facts.ORIGIN, facts.WEIGHT], rng.randint(0, 2))
        pool = [a for a in OTHERS if a.name in _FOOD]
    elif sort == "packed":
        if rng.random() < 0.6:
            lines.append(_pair(rng, known, title, "Manufacturer and", facts.MAKER))
            chosen += [facts.MAKER, facts.VOLUME]
        for attribute in (facts.MADE_IN, facts.CONTENTS):
            if rng.random() < 0.7:
                chosen.append(attribute)
        nutrients = rng.sample(NUTRIENTS[:-2], rng.choice((0, 0, 2, 4, 6, 9, 12)))
        if nutrients and rng.random() < 0.85:  # in both units, as the law wants it, or in one
            chosen += rng.sample(NUTRIENTS[-2:], rng.choice((1, 2, 2, 2, 2)))
        chosen += sorted(nutrients, key=NUTRIENTS.index)
        pool = [a for a in OTHERS if a.name in _FOOD]
    else:
        pool = [a for a in OTHERS if a.name not in ("season", "allergens", "shelf life")]
        pool += [facts.MAKER, facts.MADE_IN, facts.WEIGHT]
    chosen += rng.sample(pool, rng.choice((0, 0, 1, 2) if sort != "goods" else (2, 3, 4, 5)))
    told = {fact.name for fact in known}
    table: list[str] = []
    for attribute in chosen:
        if attribute.name in told:
            continue
        told.add(attribute.name)
        value = attribute.value(rng)
        nutrient = attribute in NUTRIENTS
        prose = rng.random() < 0.25 and not nutrient
        form = rng.choice(attribute.prose if prose else attribute.lines)
        if nutrient:
            form = attribute.lines[_language(title) % len(attribute.lines)]
        (table if nutrient else lines).append(form.format(p=title, v=value))
        known.append(_fact(rng, attribute, title, value))
    if table:
        head = rng.choice(("Nutrition values per 100 gram: ", "Per 100 g: "))
        lines.append(head + "; ".join(table) + ".")
    return lines, known, told


_FOOD = (
    "price",
    "stock",
    "allergens",
    "shelf life",
    "storage",
    "certificate",
    "season",
    "article number",
)


def _language(title: str) -> int:
    """One form for all lines of a table, by its product."""
    return sum(map(ord, title))


def _pair(rng: random.Random, known: list[Fact], title: str, head: str, first: Attribute) -> str:
    """A grocer's line of two facts: ``Country and volume: Italy, ca 180g``."""
    second = facts.WEIGHT if first is facts.ORIGIN else facts.VOLUME
    one, two = first.value(rng), second.value(rng)
    known.append(_fact(rng, first, title, one))
    known.append(_fact(rng, second, title, two))
    gap = rng.choice((", ", " , "))
    about = "ca " if first is facts.ORIGIN else ""
    return f"{head} volume: {one}{gap}{about}{two}"


def _fact(rng: random.Random, attribute: Attribute, title: str, value: str) -> Fact:
    questions = list(attribute.questions)
    for check in attribute.checks:
        parts = value.split(", ") if attribute is facts.CONTENTS else [value]
        named = rng.choice(parts) if rng.random() < 0.5 else attribute.value(rng).split(", ")[0]
        questions.append(check.replace("{w}", _WORDS_ONLY.sub("", named).strip().lower()))
    answer = attribute.answer.replace("{p}", title).replace("{v}", value)
    return Fact(attribute.name, tuple(questions), answer)


def _absent(rng: random.Random, told: set[str]) -> tuple[str, ...]:
    """Questions about what was not told."""
    near = set(told)
    for group in _SAME:
        if group & told:
            near |= group
    questions = [
        question
        for attribute in _ALL
        if attribute.name not in near
        for question in attribute.questions
    ]
    hard = [
        question
        for attribute in _ALL
        if attribute.name in _RARE and attribute.name not in near
        for question in attribute.questions
    ]
    return (*rng.sample(questions, 6), *rng.sample([*hard, *SAYINGS["never"]], 8))
