"""Who is in the picture, as far as captions agree: gender, age, how many, and who surely is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from adapters.questions.captions import Caption
from adapters.questions.lists import word_set
from adapters.questions.verbs import NUMBER_WORDS
from adapters.questions.vocabulary import vocabulary

_MALE = frozenset({"man", "boy"})
_FEMALE = frozenset({"woman", "girl"})
_GROWN = frozenset({"man", "woman", "adult"})
_YOUNG = frozenset({"boy", "girl", "child", "baby"})
_SPECIFIC = frozenset({"man", "woman", "boy", "girl"})
COLLECTIVE = frozenset({"crowd", "team", "band", "family", "couple"})
# Words that leave room for somebody whom no caption describes.
_UNCOUNTED = word_set(
    """group crowd people others other another team audience together background onlookers several
    many some few street city market parade festival party game match race family spectators
    friends each someone person lot bunch crowded busy watches watch watching student students
    players"""
)
# Who can be ruled out, by exactly who is named.
_EXCLUDED = {
    frozenset({"man"}): {"woman", "girl", "child", "baby"},
    frozenset({"woman"}): {"man", "boy", "child", "baby"},
    frozenset({"man", "woman"}): {"child", "baby"},
    frozenset({"boy"}): {"girl", "woman"},
    frozenset({"girl"}): {"boy", "man"},
}
_EVERYBODY = frozenset({"person", "man", "woman", "child", "boy", "girl", "baby"})
_LIMBS = word_set("hand arm finger shoulder lap leg foot face hair")
_WORN_BY_DOGS = frozenset({"collar", "harness", "muzzle", "leash"})


def _people(caption: Caption) -> set[str]:
    groups = vocabulary().group
    return {m.concept for m in caption.mentions if groups[m.concept] == "people" and m.plain}


def distrusted_people(captions: Sequence[Caption]) -> frozenset[str]:
    """People words that captions contradict: "man" here and "woman" there, never both in one.

    A side that is outvoted three to one is distrusted alone; otherwise both are.
    """
    found: set[str] = set()
    named = [_people(caption) for caption in captions]
    for one, other in ((_MALE, _FEMALE), (_GROWN, _YOUNG)):
        if any(names & one and names & other for names in named):
            continue
        if any(names & {"couple", "family", "crowd"} for names in named):
            continue
        first = sum(bool(names & one) for names in named)
        second = sum(bool(names & other) for names in named)
        if not first or not second:
            continue
        if first < 3 * second:
            found |= one & _SPECIFIC
        if second < 3 * first:
            found |= other & (_SPECIFIC | {"child", "baby"})
    return frozenset(found)


def people_total(captions: Sequence[Caption]) -> int:
    """The number of people that at least three captions state and none disputes, else 0."""
    groups = vocabulary().group
    totals: Counter[int] = Counter()
    for caption in captions:
        people = [m for m in caption.mentions if groups[m.concept] == "people"]
        touched = {c for c in caption.touched if groups[c] == "people"}
        if not people:
            if touched:
                return 0
            continue
        total = 0
        for mention in people:
            vague = mention.plural and mention.count < 1
            if vague or mention.count < 0 or mention.concept in COLLECTIVE - {"couple"}:
                return 0
            total += 2 if mention.concept == "couple" else max(1, mention.count)
        totals[total] += 1
        if total == 1 and set(caption.tokens) & {"another", "others", "other", "each"}:
            return 0
    if len(totals) != 1:
        return 0
    total, votes = totals.most_common(1)[0]
    return total if votes >= 3 and total in NUMBER_WORDS else 0


def absent_people(captions: Sequence[Caption]) -> frozenset[str]:
    """People words that a question may deny.

    Everybody where no caption names or hints at a person; the other gender or age where three
    captions say plainly who is there and none leaves room for more.
    """
    words = vocabulary()
    touched = {concept for caption in captions for concept in caption.touched}
    tokens = {token for caption in captions for token in caption.tokens}
    people = {concept for concept in touched if words.group[concept] == "people"}
    if not people:
        dressed = any(
            words.group[c] in {"clothing", "vehicle"} and c not in _WORN_BY_DOGS for c in touched
        )
        implied = "person" in words.implied_by(tokens - {"playing", "plays", "play"})
        hinted = bool(tokens & _UNCOUNTED - {"each", "other", "another", "together"})
        if dressed or implied or hinted or touched & _LIMBS or "leash" in touched:
            return frozenset()
        return _EVERYBODY
    if tokens & _UNCOUNTED or not people <= _SPECIFIC:
        return frozenset()
    for name in people:
        named = sum(name in _people(caption) for caption in captions)
        if named < 3:
            return frozenset()
    excluded = set(_EXCLUDED.get(frozenset(people), ()))
    if "young" in tokens or "teenage" in tokens:
        excluded -= {"child", "girl", "boy"}
    return frozenset(excluded)
