"""Texts as they are compared: a claim, a question, what a source says and whom it is about."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from assistant.grounding import tables
from assistant.grounding.numbers import Amount, amounts
from assistant.grounding.words import (
    CLAUSE_WORDS,
    LINE_ENDS,
    Word,
    has_wide,
    is_foreign,
    plain,
    stems,
    words,
)

_COMPARED = re.compile(
    r"\b(?:than|unlike|resembl\w+|reminds?(?: one)? of|reminiscent of|similar to|instead of|like"
    r"|compared (?:to|with))\s+((?:[^\W\d_]+[ ]?){1,4})",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Text:
    """A text, read.

    Attributes:
        plain: the text itself, evened out.
        words: all of them, in order; numbers and their units are not among them.
        amounts: all numbers, in order.
        places: clause and line of each amount, counted as those of words.
        stems: of the words that claim something.
        compared: those of them that something is only compared with: "sweeter than *Royal Gala*".
        foreign: it is in another language than English.
        wide: it has Chinese or Japanese characters.
    """

    plain: str
    words: tuple[Word, ...]
    amounts: tuple[Amount, ...]
    places: tuple[tuple[int, int], ...]
    stems: frozenset[str]
    compared: frozenset[str]
    foreign: bool
    wide: bool


@dataclass(frozen=True)
class Facts:
    """What a source says, and whom it is about.

    Attributes:
        text: title, label and text.
        label: stems of the product's label; empty for other passages.
        own: those of label and title.
        said: all stems.
        polarity: for each stem, whether it stands there plainly (False) or denied (True).
        pairs: words of which the first qualifies the second.
    """

    text: Text
    label: frozenset[str]
    own: frozenset[str]
    said: frozenset[str]
    polarity: dict[str, frozenset[bool]]
    pairs: frozenset[tuple[str, str]]


@lru_cache(maxsize=512)
def read(text: str) -> Text:
    """Read a text; the same one is read once."""
    even = plain(text)
    numbers = amounts(even)
    masked = list(even)
    for number in numbers:
        masked[number.start : number.end] = " " * (number.end - number.start)
    rest = "".join(masked)
    found = words(rest)
    content = frozenset(word.stem for word in found if not word.is_free)
    compared = frozenset().union(*(stems(each[1]) for each in _COMPARED.finditer(rest)))
    places = _places(rest, numbers)
    foreign, wide = is_foreign(rest), has_wide(rest)
    return Text(even, found, numbers, places, content, compared, foreign, wide)


def _places(text: str, numbers: tuple[Amount, ...]) -> tuple[tuple[int, int], ...]:
    """Clause and line of each amount, counted as `words` counts them."""
    ends = [
        (found.start(), found[0] in LINE_ENDS)
        for found in re.finditer(r"[.,;:!?。，、；：！？|•\n]|[^\W\d_]+", text)
        if not found[0][0].isalpha() or found[0].lower() in CLAUSE_WORDS
    ]
    clauses = [place for place, _ in ends]
    lines = [place for place, ends_line in ends if ends_line]
    return tuple(
        (bisect_left(clauses, number.start), bisect_left(lines, number.start)) for number in numbers
    )


@lru_cache(maxsize=512)
def facts_of(label: str, title: str, text: str) -> Facts:
    """What a source says. Read once, for its sentences are many."""
    whole = read(f"{title}\n{label}\n{text}")
    polarity: dict[str, set[bool]] = {}
    for word in whole.words:
        if word.negated:
            polarity.setdefault(word.stem, set()).add(True)
    followed = pairs(whole)
    for word in whole.words:
        # "lactose intolerance" does not say that there is lactose in what is free of it.
        if not word.negated and not (word.start in followed and word.stem in polarity):
            polarity.setdefault(word.stem, set()).add(False)
    own = stems(label) | stems(title)
    fixed = {stem: frozenset(found) for stem, found in polarity.items()}
    return Facts(whole, stems(label), own, whole.stems | own, fixed, frozenset(followed.values()))


def pairs(text: Text) -> dict[int, tuple[str, str]]:
    """Where a word stands that qualifies the next one, as "lactose" in "lactose intolerance"."""
    return {
        word.start: (word.stem, after.stem)
        for word, after in pairwise(text.words)
        if not word.is_free and not after.is_free and word.clause == after.clause
    }


def countries_in(claim: Text) -> list[tuple[str, str]]:
    """Names of countries in the claim, each with its stem in English."""
    found = {word.shown.lower() for word in claim.words}
    return [
        (name, english)
        for name, english in _countries().items()
        if (name in claim.plain if has_wide(name) else name in found)
    ]


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    """Name of a country in another language → its stem in English."""
    found: dict[str, str] = {}
    for names in filter(None, map(str.split, tables.COUNTRIES.split("\n"))):
        (english,) = stems(names[0])
        found.update({name: english for name in names})
    return found
