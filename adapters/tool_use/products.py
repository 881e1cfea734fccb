"""Invented products: what a shop's passages say of them, and what customers ask.

The passages take many forms (data sheet, list, prose, a grocer's two-facts-a-line), so that what is
learnt is to read, not where a fact stands.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from adapters.tool_use import attributes as facts
from adapters.tool_use.attributes import Attribute
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
    *facts.OTHERS,
)
# Attributes that are asked for in the same words: one of them answers for the other.
_SAME = (
    {"origin", "made in"},
    {"weight", "volume", "size"},
    {"ingredients", "material", "allergens"},
    {"storage", "shelf life"},
    {"certificate", "ingredients"},
)


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
    described, told = _description(rng, title, sort)
    known += told
    if described:
        label = rng.choice(("Description: ", "Description: ", "", "About: "))
        place = 0 if rng.random() < 0.6 else rng.randrange(len(lines) + 1)
        lines.insert(place, label + " ".join(described))
    joint = rng.choice((" ", ". ", "; ", " | ", " - "))
    text = joint.join(line.rstrip(".") if joint == ". " else line for line in lines)
    return Product(title, kind, text, tuple(known), _absent(rng, said))


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
    if rng.random() < 0.6:
        lines.append(f"Title: {kind} {title} {rng.choice(_FRESH)}".strip())
    if sort == "fresh":
        if rng.random() < 0.6:
            lines.append(_pair(rng, known, title, "Country and", facts.ORIGIN))
            chosen += [facts.ORIGIN, facts.WEIGHT]
        else:
            chosen += rng.sample([facts.ORIGIN, facts.WEIGHT], rng.randint(0, 2))
        pool = [a for a in facts.OTHERS if a.name in _FOOD]
    elif sort == "packed":
        if rng.random() < 0.6:
            lines.append(_pair(rng, known, title, "Manufacturer and", facts.MAKER))
            chosen += [facts.MAKER, facts.VOLUME]
        for attribute in (facts.MADE_IN, facts.CONTENTS):
            if rng.random() < 0.7:
                chosen.append(attribute)
        chosen += sorted(
            rng.sample(NUTRIENTS, rng.choice((0, 0, 2, 4, 6, 9, 12))),
            key=NUTRIENTS.index,
        )
        pool = [a for a in facts.OTHERS if a.name in _FOOD]
    else:
        pool = [a for a in facts.OTHERS if a.name not in ("season", "allergens", "shelf life")]
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
        questions.append(check.replace("{w}", named))
    answer = attribute.answer.replace("{p}", title).replace("{v}", value)
    return Fact(attribute.name, tuple(questions), answer)


def _description(rng: random.Random, title: str, sort: str) -> tuple[list[str], list[Fact]]:
    """Sentences about a product, each asked for by what it tells."""
    if sort == "goods" or rng.random() < 0.12:
        return [], []
    taste, texture = rng.choice(WORDS["tastes"]), rng.choice(WORDS["textures"])
    colour, inside = rng.choice(WORDS["colours"]), rng.choice(WORDS["colours"])
    use, other = rng.sample(WORDS["uses"], 2)
    skin = rng.choice(("shell", "skin", "peel"))
    pulp = rng.choice(("pulp", "flesh", "inside"))
    more = rng.choice(WORDS["tastes"])
    likeness = variety(rng)
    options = {
        "look": (
            f"{title} has a {texture} {inside} {pulp} and a {colour} {skin}.",
            f"It is {colour} with {inside} spots.",
            f"The {skin} is {colour} and the {pulp} is {inside}.",
            f"{title} is a {texture} variety with {colour} {skin}.",
        ),
        "taste": (
            f"The taste is {taste}.",
            f"The taste is {taste}, making {title} suitable for {use}.",
            f"It has a {taste} taste with {more} notes.",
            f"{title} tastes {taste} and a little {more}.",
            f"The {pulp} is {texture} with a {taste} taste.",
        ),
        "use": (
            f"It is suitable for {use} and {other}.",
            f"{title} goes very well with {use}, but is also good for {other}.",
            f"Can be used for {use}.",
            f"Perfect for {use} or as part of {other}.",
            f"It is mainly used in {use}, although it is fine for {other}.",
        ),
        "likeness": (
            f"{title} reminds of {likeness}, though it is {taste} and {texture}.",
            f"It is a cross between {likeness} and {variety(rng)}.",
            f"It is related to {likeness}.",
        ),
        "ripe": (
            f"It is ripe when the {skin} turns {colour}.",
            f"It is ready to eat when it feels {texture}.",
        ),
    }
    names = rng.sample(sorted(options), rng.randint(1, 4))
    sentences = {name: rng.choice(options[name]) for name in names}
    asked = {
        "look": (
            "What does {p} look like?",
            "what colour is {p}",
            "How does {p} look?",
            "What is the colour of {p}?",
            "how do i recognise {p}?",
            "what colour is {p} inside",
            "the flesh of {p}, what colour is it?",
            "which colour does {p} have under the peel",
            "Colour of {p}, please.",
        ),
        "taste": (
            "What does {p} taste like?",
            "how does {p} taste",
            "Is {p} sweet?",
            "what is the taste of {p}?",
            "Is {p} sour or sweet?",
            "what flavour does {p} have",
            "describe the taste of {p}",
            "is {p} bitter?",
            "never had {p}, what is it like to eat?",
            "How does the flavour of {p} come across?",
            "what should i expect {p} to taste like",
            "in a few words, the taste of {p}?",
        ),
        "use": (
            "What is {p} good for?",
            "what can i use {p} for",
            "What can I cook with {p}?",
            "how do you use {p}?",
            "Can I use {p} for " + use + "?",
            "Is {p} good for " + other + "?",
            "what goes well with {p}?",
            "any ideas what to make with {p}",
            "What meals suit {p}?",
            "recipe ideas for {p}?",
            "how would you serve {p}",
            "i bought {p}, what do i do with it now?",
            "what would a cook use {p} for?",
            "Which dishes is {p} made for?",
            "is {p} for cooking or for eating raw?",
            "what should I eat {p} with?",
            "What is the best use of {p}?",
            "where does {p} go in cooking",
        ),
        "likeness": (
            "What is {p} similar to?",
            "which variety is {p} like",
            "What does {p} remind of?",
            "is {p} like " + likeness + "?",
            "what is {p} related to?",
        ),
        "ripe": (
            "When is {p} ripe?",
            "how do i know that {p} is ripe",
            "How can I tell if {p} is ready to eat?",
            "when can i eat {p}?",
        ),
    }
    told = [Fact(name, asked[name], sentence) for name, sentence in sentences.items()]
    about = (
        "Tell me about {p}.",
        "what is {p}",
        "What kind of thing is {p}?",
        "describe {p} please",
        "What can you tell me about {p}?",
        "give me some information about {p}",
    )
    told.append(Fact("about", about, next(iter(sentences.values()))))
    return list(sentences.values()), told


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
    return tuple(rng.sample([*questions, *SAYINGS["never"]], 12))
