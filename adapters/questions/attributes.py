"""Colours and numbers that the captions of a picture agree on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from adapters.questions.captions import Mention
from adapters.questions.forms import MASS, PAIRS
from adapters.questions.lists import word_set
from adapters.questions.people import COLLECTIVE
from adapters.questions.scene import Scene
from adapters.questions.verbs import COLOUR_WORDS, FUNCTION, NUMBER_WORDS, PUNCTUATION


@dataclass(frozen=True)
class ColourFact:
    """``text`` has this colour; ``worn`` where it is all that is known of a person's clothes."""

    text: str
    plural: bool
    colour: str
    worn: bool = False


_NO_COLOUR = word_set(
    """object area background edge ground air view line light shadow sky person eye face picture
    paint animal sunset instrument head body water room sun fire"""
)
_OTHERS = word_set("another other others each both two together second")
# Words for a role may fit some of the people only, and not in every caption.
_UNCOUNTED = COLLECTIVE | {
    "animal", "sign", "owner", "adult", "player", "athlete", "worker", "performer", "rider",
    "student", "friend", "racer", "toy", "vehicle", "seat", "object", "obstacle", "food",
}  # fmt: skip


def colours(scene: Scene) -> list[ColourFact]:
    """Colours that at least one caption states and none disputes.

    People have none. Clothes are asked about where there is one person, whose they then are.
    """
    found: dict[str, list[Mention]] = {}
    twice: set[str] = set()
    for caption in scene.captions:
        seen: set[str] = set()
        for mention in caption.mentions:
            if mention.concept in seen:
                twice.add(mention.concept)
            seen.add(mention.concept)
            if mention.plain:
                found.setdefault(mention.concept, []).append(mention)
    facts = []
    for concept, mentions in found.items():
        if concept in twice or concept in _NO_COLOUR or scene.group(concept) == "people":
            continue
        if scene.group(concept) == "body" and concept not in {"hair", "beard"}:
            continue
        facts += _colour_facts(scene, concept, mentions)
    worn = _worn(scene)
    if scene.one_person and len(worn) == 1:
        facts.append(ColourFact(f"the {scene.one_person}", False, worn.pop(), worn=True))
    return facts


def _colour_facts(scene: Scene, concept: str, mentions: list[Mention]) -> list[ColourFact]:
    stated = {m.colour for m in mentions if m.colour}
    if len(stated) != 1 or len({m.plural for m in mentions}) > 1:
        return []
    many = mentions[0].plural
    colour = stated.pop()
    group = scene.group(concept)
    if many and " and " in colour and group != "clothing":
        # "black and white dogs" may be one of each.
        return []
    noun = Counter(m.word for m in mentions if m.colour).most_common(1)[0][0]
    if concept == "hair":
        owned = scene.one_person
        return [ColourFact(f"the {owned}'s hair", False, colour)] if owned else []
    if group == "clothing" and scene.people_named:
        if not scene.one_person or (
            many and noun not in PAIRS and concept not in {"shoe", "glove"}
        ):
            return []
        owned = f"the {scene.one_person}'s {noun}"
        return [ColourFact(owned, many, colour), ColourFact(f"the {noun}", many, colour)]
    return [ColourFact(f"the {noun}", many, colour)]


def _worn(scene: Scene) -> set[str]:
    """Colours of clothes without a noun: "a man in red"."""
    found: set[str] = set()
    for caption in scene.captions:
        tokens = caption.tokens
        for at in range(1, len(tokens)):
            if tokens[at] not in COLOUR_WORDS or tokens[at - 1] not in {"in", "wearing"}:
                continue
            after = tokens[at + 1] if at + 1 < len(tokens) else "."
            if not (after in PUNCTUATION or (after in FUNCTION and after != "and")):
                return set()
            found.add(COLOUR_WORDS[tokens[at]])
    return found


def numbers(scene: Scene) -> list[tuple[str, str]]:
    """``(noun in the singular, number word)`` where the captions agree on a count."""
    facts = []
    if scene.people_total:
        facts.append(("person", NUMBER_WORDS[scene.people_total]))
    for concept in scene.present:
        if scene.group(concept) not in {"people", "animal", "vehicle", "thing"}:
            continue
        if concept == "person" or concept in _UNCOUNTED | scene.distrusted | MASS | PAIRS:
            continue
        number = count(scene, concept)
        if number:
            facts.append((concept, NUMBER_WORDS[number]))
    return facts


def count(scene: Scene, concept: str) -> int:
    """How many of a concept there are, 0 where the captions leave it open.

    More than one: two captions or more state the number and no other. One: three captions or more
    speak of one, none of several or of "another".
    """
    counts: list[int] = []
    broader: set[int] = set()
    for caption in scene.captions:
        same = [m for m in caption.mentions if m.concept == concept]
        # "people" beside "a man": the others may be men as well.
        broader.update(
            m.count
            for m in caption.mentions
            if m.plural and m.concept != concept and scene.words.related(m.concept, concept)
        )
        if any(m.count < 0 for m in same):
            return 0
        if any(m.plural and not m.count for m in same):
            counts.append(0)
        elif same:
            counts.append(sum(m.count or 1 for m in same))
    known = {number for number in counts if number}
    if len(known) != 1 or not broader <= known:
        return 0
    number = known.pop()
    if number == 1:
        alone = counts.count(1) >= 3 and 0 not in counts and not scene.tokens & _OTHERS
        return 1 if alone else 0
    return number if counts.count(number) >= 2 and number in NUMBER_WORDS else 0
