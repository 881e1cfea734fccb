"""The captions of one picture, compared: what is named, what cannot be ruled out, who it is about.

:class:`Scene` counts in how many captions each noun is named and keeps what is contradicted
nowhere. What it offers is read by ``attributes.py`` (colour, number), ``activities.py`` (who, what,
where, doing) and ``descriptions.py``.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

from adapters.questions.captions import Caption, Mention, read_caption
from adapters.questions.forms import PAIRS, plural
from adapters.questions.people import COLLECTIVE, absent_people, distrusted_people, people_total
from adapters.questions.verbs import COLOUR_WORDS
from adapters.questions.vocabulary import vocabulary


@dataclass(frozen=True)
class Subject:
    """Somebody a question can be about, as it is written there ("the dogs")."""

    text: str
    plural: bool
    concept: str


# Broader words that people do use for what they see ("a toy" for a ball, they do not).
_PLAIN_WORDS = frozenset({"person", "child", "animal", "food", "fruit", "water", "instrument"})


class Scene:
    """The captions of one picture.

    ``named`` counts the captions that name a concept, ``votes`` those that name it or something
    that is plainly one (a dog is an animal).
    """

    def __init__(self, references: tuple[str, ...]) -> None:
        self.references = references
        self.captions = tuple(read_caption(text) for text in references)
        self.words = vocabulary()
        self.tokens = frozenset(token for c in self.captions for token in c.tokens)
        self.distrusted = distrusted_people(self.captions)
        self.named: Counter[str] = Counter()
        self.votes: Counter[str] = Counter()
        for caption in self.captions:
            named: set[str] = set()
            for mention in caption.mentions:
                if not mention.plain:
                    continue
                if mention.concept in self.distrusted:
                    named.add("person")
                    continue
                named.add(mention.concept)
            self.named.update(named)
            for concept in list(named):
                named |= self.words.ancestors(concept) & _PLAIN_WORDS
            self.votes.update(named)

    def group(self, concept: str) -> str:
        """The group of the noun table that a concept belongs to."""
        return self.words.group[concept]

    # -- presence ---------------------------------------------------------------------------------

    @cached_property
    def present(self) -> list[str]:
        """Concepts that at least one caption names, most often named first."""
        return sorted(self.votes, key=lambda concept: (-self.votes[concept], concept))

    @cached_property
    def possible(self) -> frozenset[str]:
        """Concepts that cannot be ruled out. People are judged by :attr:`absent_people` instead."""
        found: set[str] = set()
        for caption in self.captions:
            for concept in caption.touched:
                found |= self.words.entailed(concept)
        found |= self.words.implied_by(self.tokens)
        found |= self.words.implied_by(self.votes)
        return frozenset(concept for concept in found if self.group(concept) != "people")

    @cached_property
    def absent_people(self) -> frozenset[str]:
        """People words that the captions rule out."""
        return absent_people(self.captions)

    def is_plural(self, concept: str) -> bool:
        """Whether every caption that names the concept means several of it ("woods" is one)."""
        found = [
            mention.plural and self.words.surface[mention.word].singular not in PAIRS
            for mention in self.mentions(concept)
        ]
        return bool(found) and all(found)

    def surface(self, concept: str, rng: random.Random) -> str:
        """One of the table's words that the captions use for the concept."""
        forms = {self.words.surface[m.word].singular for m in self.mentions(concept) if m.plain}
        return rng.choice(sorted(forms)) if forms else concept

    def mentions(self, concept: str) -> Iterator[Mention]:
        """Every mention of exactly this concept."""
        for caption in self.captions:
            for mention in caption.mentions:
                if mention.concept == concept:
                    yield mention

    # -- people and subjects ----------------------------------------------------------------------

    @cached_property
    def people_total(self) -> int:
        """How many people the captions agree on, 0 where they do not."""
        return people_total(self.captions)

    @cached_property
    def people_named(self) -> bool:
        """Whether any caption names a person."""
        return any(self.group(m.concept) == "people" for c in self.captions for m in c.mentions)

    def several(self, concept: str) -> bool:
        """Whether there may be more than one of the concept in the picture."""
        for caption in self.captions:
            same = [m for m in caption.mentions if self.words.related(m.concept, concept)]
            if len(same) > 1 or any(m.plural or m.count < 0 for m in same):
                return True
            if same and "another" in caption.tokens:
                return True
        return False

    def _noun(self, caption: Caption, mention: Mention, alone: bool) -> str:
        if mention.concept in self.distrusted:
            noun = "child" if mention.concept in {"boy", "girl", "baby", "child"} else "person"
            if {"man", "boy"} <= self.distrusted or {"woman", "girl"} <= self.distrusted:
                noun = "person"
            return plural(noun) if mention.plural else noun
        if mention.plural or not alone or not self.several(mention.concept):
            return mention.word
        # One of several can only be told from the others by its colour, and people by nothing.
        before = caption.tokens[mention.start : mention.head]
        colours = [token for token in before if token in COLOUR_WORDS]
        if len(colours) != 1 or self.group(mention.concept) == "people":
            return ""
        return f"{colours[0]} {mention.word}"

    def _subject_of(self, caption: Caption) -> Subject | None:
        found = caption.subjects
        if not found or len(found) > 2 or any(not m.plain for m in found):
            return None
        if any(m.concept in COLLECTIVE for m in found):
            return None
        if len(found) == 2 and "vehicle" in {self.group(m.concept) for m in found}:
            return None
        if len(found) == 2 and self.words.related(found[0].concept, found[1].concept):
            return None
        nouns = [self._noun(caption, mention, len(found) == 1) for mention in found]
        if not all(nouns) or len(set(nouns)) < len(nouns):
            return None
        many = len(nouns) > 1 or found[0].plural
        return Subject("the " + " and the ".join(nouns), many, found[0].concept)

    @cached_property
    def subjects(self) -> list[tuple[Caption, Subject]]:
        """Captions whose subject is understood, with it."""
        pairs = [(caption, self._subject_of(caption)) for caption in self.captions]
        return [(caption, subject) for caption, subject in pairs if subject is not None]

    def subject(self, rng: random.Random) -> Subject | None:
        """Somebody whom the captions are about, if anybody."""
        animate = [s for _, s in self.subjects if self.group(s.concept) != "vehicle"]
        return rng.choice(animate) if animate else None

    @cached_property
    def one_person(self) -> str:
        """The word for the only person, "" where there may be more or nobody is named."""
        if self.people_total != 1:
            return ""
        nouns = [
            subject.text.removeprefix("the ")
            for _, subject in self.subjects
            if self.group(subject.concept) == "people" and not subject.plural
        ]
        return Counter(nouns).most_common(1)[0][0] if nouns else ""


@lru_cache(maxsize=4096)
def read_scene(references: tuple[str, ...]) -> Scene:
    """The scene that these captions describe."""
    return Scene(references)
