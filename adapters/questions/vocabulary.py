"""What the noun tables mean: word → concept, and what a concept entails or is mixed up with."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from adapters.questions.forms import IRREGULAR, MASS, PAIRS, article, plural
from adapters.questions.nouns import CONCEPTS
from adapters.questions.relations import IMPLIES, NEAR


@dataclass(frozen=True)
class Noun:
    """A surface form: the concept that it names, the form in the singular, and its number."""

    concept: str
    singular: str
    plural: bool


class Vocabulary:
    """The noun tables, indexed. Use :func:`vocabulary`; the tables never change."""

    def __init__(self) -> None:
        self.group: dict[str, str] = {}
        self.words: dict[str, list[str]] = {}
        self.parents: dict[str, set[str]] = {}
        self.surface: dict[str, Noun] = {}
        self.longest = 1
        self._read(CONCEPTS)
        self._children: dict[str, set[str]] = {}
        for concept in self.group:
            for ancestor in self.ancestors(concept):
                self._children.setdefault(ancestor, set()).add(concept)
        self._near: dict[str, set[str]] = {}
        for line in NEAR.strip().splitlines():
            names = [self._resolve(name) for name in line.split()]
            for name in names:
                self._near.setdefault(name, set()).update(names)
        self.implied: dict[str, frozenset[str]] = {}
        for line in IMPLIES.strip().splitlines():
            left, right = line.split(":")
            for word in left.split():
                known = self.implied.get(word, frozenset())
                self.implied[word] = known | frozenset(map(self._resolve, right.split()))
        self._entailed: dict[str, frozenset[str]] = {}

    def _resolve(self, name: str) -> str:
        """The concept of a table entry, which may also be another word for one."""
        return name if name in self.group else self.surface[name.replace("_", " ").lower()].concept

    def _read(self, table: str) -> None:
        group = ""
        for raw in table.strip().splitlines():
            line = raw.strip()
            if not line:
                continue
            if line.startswith("["):
                group = line.strip("[]")
                continue
            left, _, right = line.partition(">")
            concept, _, others = left.partition(":")
            concept = concept.strip()
            self.group[concept] = group
            self.parents[concept] = set(right.split())
            self.words[concept] = [concept, *others.split()]
        for concept in self.words:
            name = concept.replace("_", " ").lower()
            self.surface[name] = Noun(concept, concept, concept in PAIRS)
        for concept, words in self.words.items():
            for word in words:
                # A concept's own name wins over the same word in another concept's list.
                if word != concept and word in self.group:
                    continue
                always_plural = word in PAIRS
                one = Noun(concept, word, always_plural)
                many = Noun(concept, word, True)
                text = word.replace("_", " ").lower()
                self.surface.setdefault(text, one)
                if word not in MASS:
                    self.surface.setdefault(plural(text), many)
                self.longest = max(self.longest, text.count(" ") + 1)
        for one_word, many_word in IRREGULAR.items():
            if one_word in self.surface and one_word != many_word:
                self.surface[many_word] = Noun(self.surface[one_word].concept, one_word, True)

    def ancestors(self, concept: str) -> set[str]:
        """Every broader concept, without the concept itself."""
        found: set[str] = set()
        stack = list(self.parents.get(concept, ()))
        while stack:
            parent = stack.pop()
            if parent not in found:
                found.add(parent)
                stack.extend(self.parents.get(parent, ()))
        return found

    def related(self, one: str, other: str) -> bool:
        """Whether one of two concepts is the other or contains it."""
        return one == other or one in self.ancestors(other) or other in self.ancestors(one)

    def entailed(self, concept: str) -> frozenset[str]:
        """Concepts that may be there when ``concept`` is: itself, broader, narrower, mixed up."""
        known = self._entailed.get(concept)
        if known is None:
            found = {concept} | self.ancestors(concept) | self._children.get(concept, set())
            near = set(self._near.get(concept, ()))
            for other in list(near):
                near |= self._children.get(other, set())
            for parent in self.ancestors(concept):
                if self.group.get(parent) not in {"people", "animal"}:
                    near |= self._near.get(parent, set())
            known = frozenset(found | near)
            self._entailed[concept] = known
        return known

    def implied_by(self, words: Iterable[str]) -> set[str]:
        """Concepts that single words make likely, such as a helmet with "cyclist"."""
        found: set[str] = set()
        for word in words:
            for concept in self.implied.get(word, ()):
                found.add(concept)
                found |= self._children.get(concept, set())
        return found

    def narrower(self, concept: str) -> frozenset[str]:
        """Every concept that ``concept`` contains."""
        return frozenset(self._children.get(concept, ()))


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The one vocabulary."""
    return Vocabulary()


def spoken(word: str) -> str:
    """A table word as it is written in a sentence."""
    return word.replace("_", " ")


def one_of(word: str) -> str:
    """``a dog``, ``an umbrella``, ``snow``, ``pants``: with an article if it takes one."""
    text = spoken(word)
    if word in MASS or word in PAIRS:
        return text
    return f"{article(text)} {text}"


def many_of(word: str) -> str:
    """``dogs``, ``women``, ``snow``: the word as a bare plural or mass noun."""
    return plural(spoken(word)) if word not in MASS else spoken(word)
