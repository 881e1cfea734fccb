"""Facts put into words: from what captions agree on to question–answer pairs of one kind."""

from __future__ import annotations

import random
from collections.abc import Sequence

from adapters.questions import activities, attributes
from adapters.questions import templates as wording
from adapters.questions.forms import MASS, PAIRS, plural
from adapters.questions.pairs import QA, capitalised, sentence
from adapters.questions.scene import Scene
from adapters.questions.vocabulary import many_of, one_of, spoken


def fill(choices: Sequence[str], rng: random.Random, **fields: str) -> str:
    """One of the templates, filled; "colour" in either spelling, "picture" in several words."""
    colour = "colour" if rng.random() < 0.5 else "color"
    text = rng.choice(choices).format(pic=rng.choice(wording.PICTURES), colour=colour, **fields)
    return capitalised(text)


def presence_question(word: str, rng: random.Random, many: bool) -> str:
    """Asks in one of many wordings whether there is such a thing (or, ``many``, such things)."""
    if word in MASS:
        return fill(wording.PRESENCE_MASS, rng, x=spoken(word))
    if many or word in PAIRS:
        return fill(wording.PRESENCE_MANY, rng, many=many_of(word))
    return fill(wording.PRESENCE, rng, a=one_of(word))


def canonical_presence(concept: str, answer: str, hard: str) -> QA:
    """The presence question in the one wording that evaluations use."""
    if concept in PAIRS:
        text = wording.PRESENCE_CANONICAL_MANY.format(many=many_of(concept))
    else:
        text = wording.PRESENCE_CANONICAL.format(a=one_of(concept))
    return QA(text, answer, "presence", hard)


def colour_pairs(scene: Scene, rng: random.Random) -> list[QA]:
    """What colour is the dog? Black."""
    pairs = []
    for fact in attributes.colours(scene):
        texts: tuple[str, ...] = wording.COLOUR_MANY if fact.plural else wording.COLOUR
        if fact.worn:
            texts = wording.COLOUR_WORN
        pairs.append(QA(fill(texts, rng, s=fact.text), sentence(fact.colour), "colour"))
    return pairs


def number_pairs(scene: Scene, rng: random.Random) -> list[QA]:
    """How many dogs are there? Two. Most counts are one, so most of those are left out."""
    pairs = []
    for noun, word in attributes.numbers(scene):
        if word == "One" and rng.random() < 0.75:
            continue
        many = plural(spoken(noun))
        pairs.append(QA(fill(wording.NUMBER, rng, many=many), sentence(word), "number"))
    return pairs


def who_pairs(scene: Scene, rng: random.Random) -> list[QA]:
    """Who is riding the bike? A boy."""
    people = activities.who(scene)
    if not people:
        return []
    answer = sentence(people)
    pairs = [QA(fill(wording.WHO, rng), answer, "who")]
    for phrase in activities.who_does(scene):
        pairs.append(QA(fill(wording.WHO_DOES, rng, phrase=phrase), answer, "who"))
    return pairs


def what_pairs(scene: Scene, rng: random.Random) -> list[QA]:
    """What is the boy riding? A bike. What animal is this? A dog. What sport is this? Tennis."""
    pairs = []
    for fact in activities.objects(scene):
        fields = {"s": fact.subject, "is": "are" if fact.plural else "is", "v": fact.verb}
        pairs.append(QA(fill(wording.WHAT_OBJECT, rng, **fields), sentence(fact.answer), "what"))
    animal = activities.animal(scene)
    if animal:
        pairs.append(QA(fill(wording.WHAT_ANIMAL, rng), sentence(animal), "what"))
    sport = activities.sport(scene)
    if sport:
        pairs.append(QA(fill(wording.WHAT_GAME, rng), sentence(sport), "what"))
    return pairs


def where_pairs(scene: Scene, rng: random.Random) -> list[QA]:
    """Where is this? On the beach. Where is the ball? In the dog's mouth."""
    pairs = []
    place, support = activities.places(scene)
    subject = scene.subject(rng)
    if place:
        pairs.append(QA(fill(wording.WHERE, rng), sentence(place), "where"))
    if subject is not None and (support or place):
        fields = {"s": subject.text, "is": "are" if subject.plural else "is"}
        text = fill(wording.WHERE_SUBJECT, rng, **fields)
        pairs.append(QA(text, sentence(support or place), "where"))
    for fact in activities.found_at(scene):
        fields = {"s": fact.subject, "is": "are" if fact.plural else "is"}
        text = fill(wording.WHERE_THING, rng, **fields)
        pairs.append(QA(text, sentence(fact.answer), "where"))
    return pairs


def doing_pairs(scene: Scene, rng: random.Random) -> list[QA]:
    """What is the dog doing? Running through the snow."""
    pairs = []
    for fact in activities.actions(scene):
        fields = {"s": fact.subject, "is": "are" if fact.plural else "is"}
        texts: Sequence[str] = wording.DOING
        if fact.plural:
            texts = tuple(text for text in texts if "does" not in text)
        pairs.append(QA(fill(texts, rng, **fields), sentence(fact.answer), "doing"))
    return pairs
