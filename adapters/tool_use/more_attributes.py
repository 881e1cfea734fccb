"""What else goods have: prices, sizes, warranties and so on; see `attributes`."""

from __future__ import annotations

import random

from adapters.tool_use.attributes import Attribute, amount, one_of, pick, several
from adapters.tool_use.words import WORDS


def _price(rng: random.Random) -> str:
    value = f"{rng.randint(1, 400)}{rng.choice(('', '.50', '.90', '.95', '.99'))}"
    return rng.choice((f"{value} kr", f"${value}", f"{value} euros", f"€{value}", f"£{value}"))


def _size(rng: random.Random) -> str:
    count = rng.choice((2, 3))
    sides = [str(rng.randint(4, 220)) for _ in range(count)]
    return f"{' x '.join(sides)} {rng.choice(('cm', 'mm', 'cm', 'inches'))}"


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
        one_of(WORDS["materials"]),
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
        pick("1 year", "2 years", "3 years", "5 years", "24 months", "10 years", "90 days"),
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
        pick("in stock", "sold out", "3 left", "available from May", "12 in stock", "on order"),
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
        several(WORDS["allergens"], 1, 3, " and "),
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
        pick("5 days", "7 days", "2 weeks", "6 months", "12 months", "10 days", "2 years"),
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
        one_of(WORDS["stores"]),
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
        one_of(WORDS["certificates"]),
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
        amount(5, 2400, "W", "watts"),
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
        pick("8 hours", "10 hours", "24 hours", "30 hours", "6 hours", "2 days", "5 days"),
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
        pick(
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
