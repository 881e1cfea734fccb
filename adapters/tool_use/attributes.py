"""What products have: how it is written in a passage, asked for by customers, and answered.

``{p}`` is the product, ``{v}`` the value. A value may come with another one on its line, as in
``Country and volume: Italy, ca 180g``; see `products`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from adapters.tool_use.words import WORDS, brand

Draw = Callable[[random.Random], str]


@dataclass(frozen=True)
class Attribute:
    """One kind of fact.

    Attributes:
        name: of the kind.
        value: draws a value.
        lines: how a table or data sheet writes it.
        prose: how a sentence says it.
        questions: of customers; with ``this`` in the place of ``{p}`` they ask about a photo.
        answer: the reply, in words that suit one or many.
        checks: questions that name a value ``{w}``, the right one or another.
    """

    name: str
    value: Draw
    lines: tuple[str, ...]
    prose: tuple[str, ...]
    questions: tuple[str, ...]
    answer: str
    checks: tuple[str, ...] = ()


def pick(*values: str) -> Draw:
    """Draws one of a few values."""
    return lambda rng: rng.choice(values)


def one_of(values: list[str] | tuple[str, ...]) -> Draw:
    """Draws one of a list."""
    return lambda rng: rng.choice(values)


def several(values: list[str], low: int, high: int, joint: str = ", ") -> Draw:
    """Draws some of a list, joined."""
    return lambda rng: joint.join(rng.sample(values, rng.randint(low, high)))


def number(rng: random.Random, low: float, high: float) -> str:
    """A number as data sheets write it."""
    value = rng.uniform(low, high)
    return f"{value:.{rng.choice((0, 0, 1, 1, 2))}f}" if value < 20 else str(round(value))


def amount(low: float, high: float, *units: str) -> Draw:
    """Draws a number with a unit."""
    return lambda rng: f"{number(rng, low, high)}{rng.choice((' ', ''))}{rng.choice(units)}"


def weight(rng: random.Random) -> str:
    """Such as ``180g`` or ``1.05kg``."""
    kind = rng.random()
    if kind < 0.6:
        return f"{rng.choice((5, 10, 25)) * rng.randint(2, 60)}{rng.choice(('g', ' g', ' gram'))}"
    if kind < 0.7:
        return f"{rng.randint(2, 12)} pieces"
    return f"{rng.uniform(0.2, 9):.{rng.choice((0, 1, 2))}f}{rng.choice(('kg', ' kg'))}"


def volume(rng: random.Random) -> str:
    """Such as ``1l`` or ``250 ml``."""
    if rng.random() < 0.6:
        amount = rng.choice(("1", "1.5", "2", "0.5", "0.75", "1.75", "3", "0.9"))
        return f"{amount}{rng.choice(('l', ' l', ' liter', ' litres'))}"
    amount = rng.choice(("150", "200", "250", "300", "330", "400", "500", "700", "750"))
    return f"{amount}{rng.choice(('ml', ' ml', 'g'))}"


def maker(rng: random.Random) -> str:
    """A brand as data sheets write it."""
    name = brand(rng)
    return name.upper() if rng.random() < 0.5 else name


def ingredients(rng: random.Random) -> str:
    """A list as packages have it: shares, brackets, capitals, a sentence at the end."""
    found = rng.sample(WORDS["ingredients"], rng.randint(1, 9))
    for place, name in enumerate(found):
        draw = rng.random()
        if draw < 0.12:
            found[place] = name.upper()
        elif draw < 0.3:
            share = f"{rng.randint(1, 60)}{rng.choice(('', ',5', '.2'))}{rng.choice(('%', ' %'))}"
            found[place] = f"{name} {share}" if rng.random() < 0.4 else f"{name} ({share})"
        elif draw < 0.4:
            inner = rng.sample(WORDS["ingredients"], rng.randint(1, 2))
            found[place] = f"{name} ({', '.join(inner)})"
    text = ", ".join(found)
    text = text[:1].upper() + text[1:] if rng.random() < 0.7 else text
    return text + rng.choice(("", "", "", ". Pastöriserad", ". From concentrate", ". Pasteurized"))


ORIGIN = Attribute(
    "origin",
    one_of(WORDS["countries"]),
    ("Origin: {v}", "Country of origin: {v}", "Country: {v}", "Grown in: {v}"),
    ("It comes from {v}.", "{p} is grown in {v}.", "Our {p} is imported from {v}."),
    (
        "Where does {p} come from?",
        "where is {p} from",
        "What is the country of origin of {p}?",
        "Which country is {p} from?",
        "Where is {p} grown?",
        "what's the origin of {p}",
        "From what country do you get {p}?",
        "In which country was {p} harvested?",
        "can you tell me where {p} was grown?",
        "i'd like to know which country {p} comes from",
        "where do you import {p} from?",
        "My neighbour asked where your {p} was grown.",
        "do you know the country {p} was picked in?",
        "{p} - grown where?",
        "origin {p}",
        "where does the {p} in your shop come from",
        "What part of the world is {p} from?",
        "has {p} come a long way? from where",
        "My aunt is asking in which country {p} is grown.",
        "could you look up where {p} is imported from",
        "Tell me the country of {p}.",
        "country of {p} please",
        "which country did the {p} on your shelf grow in",
        "My wife wants to know where {p} comes from.",
    ),
    "The country of origin of {p} is {v}.",
    ("Is {p} from {w}?", "does {p} come from {w}?", "is {p} grown in {w}"),
)
MADE_IN = Attribute(
    "made in",
    one_of(WORDS["countries"]),
    (
        "Manufacturing country: {v}",
        "Made in: {v}",
        "Produced in: {v}",
        "Country of manufacture: {v}",
    ),
    ("It is made in {v}.", "{p} is produced in {v}."),
    (
        "Where is {p} made?",
        "in which country is {p} produced?",
        "Where does {p} come from?",
        "what is the manufacturing country of {p}",
        "Which country is {p} from?",
        "where was {p} manufactured",
        "where is {p} from?",
        "What country makes {p}?",
        "made where? {p}",
        "Where do you produce {p}?",
        "i wonder in what country {p} gets made",
        "Could you say in what country {p} is made?",
        "production country of {p}?",
        "which country's factory makes {p}",
        "{p}: produced where?",
    ),
    "The manufacturing country of {p} is {v}.",
    ("Is {p} made in {w}?", "does {p} come from {w}?"),
)
WEIGHT = Attribute(
    "weight",
    weight,
    ("Weight: {v}", "Net weight: {v}", "Weight per piece: {v}", "weighs {v}"),
    ("It weighs about {v}.", "One weighs {v}."),
    (
        "How much does {p} weigh?",
        "how heavy is {p}",
        "What is the weight of {p}?",
        "what's the weight of one {p}?",
        "How many grams is {p}?",
        "about how much does a {p} weigh",
        "how big is {p}?",
        "what does {p} weigh",
        "tell me the weight of {p} please",
        "weight of {p}?",
        "how many grams do i get with one {p}",
        "Roughly what is the weight of one {p}?",
        "{p}, how heavy?",
        "how much do I get if I buy {p}?",
        "what is the size of a {p}",
        "How large is the pack of {p}?",
        "what is the weight of a single {p}",
        "I need to know how heavy {p} is.",
        "weight or size of {p}",
        "what amount of {p} is in one of these",
        "We are five people: how heavy is one {p}?",
        "how much of {p} do i get when i order one",
    ),
    "The weight of {p} is about {v}.",
)
VOLUME = Attribute(
    "volume",
    volume,
    ("Volume: {v}", "Contents: {v}", "Pack size: {v}", "Net contents: {v}"),
    ("The package holds {v}.", "It comes in packs of {v}."),
    (
        "How much is in a pack of {p}?",
        "what size is {p}",
        "What is the volume of {p}?",
        "How big is the package of {p}?",
        "how many litres is {p}?",
        "How much {p} do I get in one carton?",
        "is {p} one litre?",
        "what volume does {p} come in",
        "package size of {p}?",
        "how large is {p}?",
        "how much {p} is in one package",
        "what amount of {p} do i get for my money",
        "{p} comes in which size?",
        "how many ml is {p}",
        "what's the weight or size of a pack of {p}",
        "how much does {p} weigh?",
        "How heavy or how big is {p}?",
        "How much of {p} do I get when I order one?",
        "what quantity is in a pack of {p}",
    ),
    "The volume of {p} is {v}.",
)
MAKER = Attribute(
    "maker",
    maker,
    ("Manufacturer: {v}", "Brand: {v}", "Producer: {v}", "Made by: {v}"),
    ("It is made by {v}.", "{p} is a product of {v}."),
    (
        "Who makes {p}?",
        "what brand is {p}",
        "Who is the manufacturer of {p}?",
        "Which company produces {p}?",
        "who produces {p}?",
        "what's the brand of {p}?",
        "which maker is {p} from?",
        "by whom is {p} made?",
        "{p} is from which firm?",
        "Tell me the brand that makes {p}.",
        "what manufacturer is given for {p}",
        "whose brand is {p}",
        "Could you find out which company makes {p}?",
        "maker of {p}?",
    ),
    "The manufacturer of {p} is {v}.",
)
CONTENTS = Attribute(
    "ingredients",
    ingredients,
    ("Ingredients: {v}.", "Ingredients: INGREDIENSER: {v}.", "Contains: {v}.", "Made from: {v}."),
    ("It is made of {v}.",),
    (
        "Which ingredients are there in {p}?",
        "what is in {p}",
        "What's {p} made of?",
        "which ingredients does {p} have?",
        "ingredients of {p}?",
        "What does {p} contain?",
        "list what's in {p} please",
        "is there anything artificial in {p}?",
        "what do they put into {p}",
        "what is used to make {p}?",
        "What does {p} consist of?",
        "give me the ingredient list of {p}",
        "tell me everything that is in {p}, i have allergies",
        "what stuff is in {p}? the ingredients",
        "read me the ingredients of {p}",
        "May I have a list of what {p} is made from?",
    ),
    "The ingredients of {p} are {v}.",
    ("Does {p} contain {w}?", "is there {w} in {p}?", "any {w} in {p}?"),
)
