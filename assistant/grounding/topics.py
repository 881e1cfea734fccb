"""Whether a sentence tells what was asked for: a true weight is no answer to a question on prices.

Only sentences of the form "The weight of … is …" say plainly what they tell, and only questions
with a word for something of that kind say what they ask for; all others pass.
"""

from __future__ import annotations

import re
from functools import lru_cache

from assistant.grounding.numbers import amounts
from assistant.grounding.words import plain, stems

# Each line is one topic: its name, then words for it, in sentences and in questions.
_WORDS = """
price price cost costs expensive cheap cheaper pay discount offer euros dollars kronor
weight weight weigh volume size heavy big large small quantity mass litre litres gram grams kilo
weight dimensions measures measurements pack
origin origin country grown imported land
maker manufacturer maker brand company firm manufactured produced
ingredients ingredients ingredient allergens material
energy energy calories kcal kilocalories kilojoule kilojoules kj
fat fat
saturated saturatedfat
carbohydrate carbohydrates
sugar sugars
protein protein
salt salt
fibre fibre
calcium calcium
taste taste flavour aroma sweet sour bitter
colour colour pulp flesh peel
use dish dishes meal meals recipe recipes cook kitchen serve use
stock stock availability available
number barcode sku
certificate certification certificate certified organic
keeping shelf expire storage store
warranty warranty guarantee
season season
power power watts
battery battery
farm farm farmer farmers
harvest harvest harvested picked
packaging packaging recyclable recycle
"""
# What is asked for without a word of its own.
_PHRASES = (
    ("origin", re.compile(r"\b(where|from)\b", re.IGNORECASE)),
    ("battery", re.compile(r"\bcharged?\b", re.IGNORECASE)),
    ("maker", re.compile(r"\b(who|whose)\b", re.IGNORECASE)),
    (
        "ingredients",
        re.compile(
            r"\b(any|is there|are there|put into|made|make|consists?|contains?|inside|in it"
            r"|what'?s in)\b",
            re.IGNORECASE,
        ),
    ),
    ("use", re.compile(r"\b(make|made|do|prepare|go|goes|suit\w*|good|fits?)\b", re.IGNORECASE)),
    ("keeping", re.compile(r"\b(where|keeps?|how long|good for)\b", re.IGNORECASE)),
    ("number", re.compile(r"\b(article|item|order|receipt|serial)\b|\bnumber\b", re.IGNORECASE)),
    ("stock", re.compile(r"\bhow many\b(?!.*\bper\b)|\b(left|sold out|get)\b", re.IGNORECASE)),
    ("weight", re.compile(r"\bhow (?:much|many)\b.*\b(get|in)\b", re.IGNORECASE)),
)
_PRICE = re.compile(r"\bhow much (?:is|are|for)\b(?! (?:in|there))", re.IGNORECASE)
_TOLD = re.compile(r"^\W*the (?P<what>(?:[^\W\d_]+ ){1,3})of (?P<rest>[^.]*)", re.IGNORECASE)
_VERB = re.compile(r"\b(?:is|are|was|were)\b|:")
_LETTERS = re.compile(r"[^\W\d_]+")
_CALORIES = re.compile(r"\b(?:k?cals?|calor\w*|kilocalor\w*)\b", re.IGNORECASE)
_JOULES = re.compile(r"\b(?:kj|kilojoules?|joules?)\b", re.IGNORECASE)


def is_off_topic(sentence: str, question: str) -> bool:
    """Whether a sentence without its marks plainly tells something that was not asked for.

    >>> is_off_topic("The weight of Peach is about 175g.", "how much is peach right now")
    True
    >>> is_off_topic("The weight of Peach is about 175g.", "how heavy is a peach?")
    False
    """
    told = _TOLD.match(plain(sentence))
    if told is None:
        return False
    what = _topics(told["what"])
    # What else the sentence has, such as the name of a "Sour Cream", is not what is asked for.
    name = _VERB.split(told["rest"], maxsplit=1)[0]
    beside = {word.lower() for word in _LETTERS.findall(name)}
    asked = _asked(
        " ".join(w for w in plain(question).split() if w.lower().strip(",.?!:") not in beside)
    )
    if what and asked and not what & asked:
        return True
    if "energy" in what:
        units = {amount.unit for amount in amounts(plain(sentence)) if not amount.per}
        in_calories, in_joules = _CALORIES.search(question), _JOULES.search(question)
        # A bare number, and none at all, may be right; another unit is not.
        if in_calories and not in_joules:
            return bool(units) and not units & {"kcal", ""}
        if in_joules and not in_calories:
            return bool(units) and not units & {"kJ", ""}
    return False


def _asked(question: str) -> frozenset[str]:
    """Topics of a question; none where none is known."""
    even = plain(question)
    found = _topics(even)
    if not found and _PRICE.search(even):
        return frozenset(("price",))
    if not found:
        return frozenset()
    return found | {topic for topic, phrase in _PHRASES if phrase.search(even)}


def _topics(text: str) -> frozenset[str]:
    known = _known()
    words = frozenset(_LETTERS.findall(text.lower()))
    found = {known[stem] for stem in stems(text) if stem in known}
    found |= {known[word] for word in words if word in known}
    if re.search(r"\b(?:article|item|serial|receipt|order) number\b", text, re.IGNORECASE):
        found.add("number")
    return frozenset(found)


@lru_cache(maxsize=1)
def _known() -> dict[str, str]:
    """Stem of a word, and the word, → its topic."""
    found: dict[str, str] = {}
    for line in filter(None, _WORDS.split("\n")):
        topic, *words = line.split()
        for word in words:
            found.update(dict.fromkeys((word, *stems(word)), topic))
    return found
