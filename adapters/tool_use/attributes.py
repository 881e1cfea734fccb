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


def _pick(*values: str) -> Draw:
    return lambda rng: rng.choice(values)


def _of(values: list[str] | tuple[str, ...]) -> Draw:
    return lambda rng: rng.choice(values)


def _several(values: list[str], low: int, high: int, joint: str = ", ") -> Draw:
    return lambda rng: joint.join(rng.sample(values, rng.randint(low, high)))


def number(rng: random.Random, low: float, high: float) -> str:
    """A number as data sheets write it."""
    value = rng.uniform(low, high)
    return f"{value:.{rng.choice((0, 0, 1, 1, 2))}f}" if value < 20 else str(round(value))


def _amount(low: float, high: float, *units: str) -> Draw:
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


def _price(rng: random.Random) -> str:
    value = f"{rng.randint(1, 400)}{rng.choice(('', '.50', '.90', '.95', '.99'))}"
    return rng.choice((f"{value} kr", f"${value}", f"{value} euros", f"€{value}", f"£{value}"))


def _size(rng: random.Random) -> str:
    count = rng.choice((2, 3))
    sides = [str(rng.randint(4, 220)) for _ in range(count)]
    return f"{' x '.join(sides)} {rng.choice(('cm', 'mm', 'cm', 'inches'))}"


ORIGIN = Attribute(
    "origin",
    _of(WORDS["countries"]),
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
    ),
    "The country of origin of {p} is {v}.",
    ("Is {p} from {w}?", "does {p} come from {w}?", "is {p} grown in {w}"),
)
MADE_IN = Attribute(
    "made in",
    _of(WORDS["countries"]),
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
        "whose product is {p}",
    ),
    "The manufacturer of {p} is {v}.",
)
CONTENTS = Attribute(
    "ingredients",
    _several(WORDS["ingredients"], 2, 8),
    ("Ingredients: {v}.", "Ingredients: INGREDIENSER: {v}.", "Contains: {v}.", "Made from: {v}."),
    ("It is made of {v}.",),
    (
        "What are the ingredients of {p}?",
        "what is in {p}",
        "What's {p} made of?",
        "which ingredients does {p} have?",
        "ingredients of {p}?",
        "What does {p} contain?",
        "list what's in {p} please",
        "is there anything artificial in {p}?",
        "what do they put into {p}",
        "what is used to make {p}?",
    ),
    "The ingredients of {p} are {v}.",
    ("Does {p} contain {w}?", "is there {w} in {p}?", "any {w} in {p}?"),
)
OTHERS = (
    Attribute(
        "price",
        _price,
        ("Price: {v}", "Price incl. VAT: {v}", "Our price: {v}"),
        ("It costs {v}.", "{p} sells for {v}."),
        (
            "How much does {p} cost?",
            "what is the price of {p}",
            "What does {p} cost?",
            "price of {p}?",
            "how much is {p}?",
            "how much do you charge for {p}?",
            "is {p} expensive?",
            "how many dollars for {p}",
        ),
        "The price of {p} is {v}.",
    ),
    Attribute(
        "size",
        _size,
        ("Size: {v}", "Dimensions: {v}", "Measures: {v}"),
        ("It measures {v}.",),
        (
            "What are the dimensions of {p}?",
            "how big is {p}",
            "What size is {p}?",
            "how wide and tall is {p}?",
            "measurements of {p}?",
            "how long is {p}?",
        ),
        "The size of {p} is {v}.",
    ),
    Attribute(
        "material",
        _of(WORDS["materials"]),
        ("Material: {v}", "Made of: {v}"),
        ("It is made of {v}.", "The body of {p} is {v}."),
        (
            "What material is {p}?",
            "what is {p} made of?",
            "Which material is used for {p}?",
            "is {p} real wood or what",
            "what's {p} built from?",
        ),
        "The material of {p} is {v}.",
        ("Is {p} made of {w}?",),
    ),
    Attribute(
        "warranty",
        _pick("1 year", "2 years", "3 years", "5 years", "24 months", "10 years", "90 days"),
        ("Warranty: {v}", "Guarantee: {v}"),
        ("It comes with a warranty of {v}.",),
        (
            "How long is the warranty on {p}?",
            "does {p} have a guarantee?",
            "What warranty does {p} come with?",
            "for how long is {p} guaranteed",
            "warranty of {p}?",
        ),
        "The warranty of {p} is {v}.",
    ),
    Attribute(
        "stock",
        _pick("in stock", "sold out", "3 left", "available from May", "12 in stock", "on order"),
        ("Stock: {v}", "Availability: {v}"),
        ("At the moment it is {v}.",),
        (
            "Is {p} in stock?",
            "do you have {p} available?",
            "When can I get {p}?",
            "is {p} sold out",
            "how many of {p} are left?",
        ),
        "The availability of {p}: {v}.",
    ),
    Attribute(
        "allergens",
        _several(WORDS["allergens"], 1, 3, " and "),
        ("Allergens: {v}", "Contains allergens: {v}"),
        ("It contains {v}, which some people are allergic to.",),
        (
            "Which allergens are in {p}?",
            "is {p} safe for allergics?",
            "What allergens does {p} contain?",
            "i am allergic, what should i know about {p}",
            "allergens of {p}?",
        ),
        "The allergens of {p} are {v}.",
    ),
    Attribute(
        "shelf life",
        _pick("5 days", "7 days", "2 weeks", "6 months", "12 months", "10 days", "2 years"),
        ("Shelf life: {v}", "Best before: {v} after packing", "Keeps for: {v}"),
        ("Unopened it keeps for {v}.",),
        (
            "How long does {p} keep?",
            "what is the shelf life of {p}",
            "when does {p} expire?",
            "How many days can I keep {p}?",
            "how long is {p} good for?",
        ),
        "The shelf life of {p} is {v}.",
    ),
    Attribute(
        "storage",
        _of(WORDS["stores"]),
        ("Storage: {v}", "Keep {v}", "Store {v}"),
        ("It is best kept {v}.", "{p} should be stored {v}."),
        (
            "How should I store {p}?",
            "where do i keep {p}",
            "Does {p} go in the fridge?",
            "how do you store {p}?",
            "best way to keep {p}?",
        ),
        "{p} should be kept {v}.",
    ),
    Attribute(
        "certificate",
        _of(WORDS["certificates"]),
        ("Certification: {v}", "Label: {v}", "Certified: {v}"),
        ("It carries the label {v}.",),
        (
            "Is {p} certified?",
            "which labels does {p} carry?",
            "What certification does {p} have?",
            "does {p} have any eco label",
            "is {p} organic?",
        ),
        "The certification of {p} is {v}.",
    ),
    Attribute(
        "power",
        _amount(5, 2400, "W", "watts"),
        ("Power: {v}", "Rated power: {v}"),
        ("It draws {v}.",),
        (
            "How many watts does {p} use?",
            "what is the power of {p}",
            "how strong is {p}?",
            "power consumption of {p}?",
        ),
        "The power of {p} is {v}.",
    ),
    Attribute(
        "battery",
        _pick("8 hours", "10 hours", "24 hours", "30 hours", "6 hours", "2 days", "5 days"),
        ("Battery life: {v}", "Battery: up to {v}"),
        ("The battery lasts {v}.",),
        (
            "How long does the battery of {p} last?",
            "battery life of {p}?",
            "how many hours does {p} run?",
            "how often must i charge {p}",
        ),
        "The battery life of {p} is {v}.",
    ),
    Attribute(
        "article number",
        lambda rng: f"{rng.choice('ABCDKMPX')}{rng.randint(100, 99999)}",
        ("Article number: {v}", "Item no.: {v}", "SKU: {v}"),
        ("Its article number is {v}.",),
        (
            "What is the article number of {p}?",
            "item number for {p}",
            "sku of {p}?",
            "which number do I order {p} under?",
        ),
        "The article number of {p} is {v}.",
    ),
    Attribute(
        "season",
        _pick(
            "May to August",
            "all year",
            "October to March",
            "June and July",
            "late summer",
            "autumn",
            "winter",
            "early spring",
        ),
        ("Season: {v}", "In season: {v}"),
        ("Its season is {v}.",),
        (
            "When is {p} in season?",
            "what time of year can i buy {p}",
            "which months is {p} best?",
            "season of {p}?",
        ),
        "The season of {p} is {v}.",
    ),
)
