"""Question–answer pairs from the captions of a picture, by rule and with a seed.

The caption reader (``captions.py``) finds what every caption names, of which colour, how many,
where and doing what; a question is asked only where the captions that speak about it agree.
Presence questions follow POPE (Li et al. 2023, "Evaluating Object Hallucination in Large
Vision-Language Models"): absent objects are drawn at random, among those that most pictures show,
and among those that most often come together with what this picture shows.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

from adapters.questions import templates as wording
from adapters.questions import unanswerable as cannot
from adapters.questions.asking import (
    canonical_presence,
    colour_pairs,
    doing_pairs,
    fill,
    number_pairs,
    presence_question,
    what_pairs,
    where_pairs,
    who_pairs,
)
from adapters.questions.captions import read_caption
from adapters.questions.descriptions import detailed_caption, short_caption
from adapters.questions.forms import MASS, PAIRS
from adapters.questions.lists import word_set
from adapters.questions.pairs import CANT_TELL, QA
from adapters.questions.scene import Scene, read_scene
from adapters.questions.vocabulary import many_of, spoken, vocabulary

# Too unspecific to be worth a "Yes.", or visible in almost any picture.
_NEVER_ASKED = word_set(
    """object area picture background edge view line air ground light shadow adult friend owner race
    game trick party obstacle seat room competition team band worker racer performer student
    couple athlete sun parade wedding match wheelie float family camera soccer tennis hockey"""
)
# Often there although no caption says so, or a matter of opinion.
_NEVER_DENIED = _NEVER_ASKED | word_set(
    """sign rope pole wheel tire leash collar harness barrier paint goggles glove shoe sock belt tie
    necklace uniform costume shirt pants shorts jacket hat sunglasses glasses headband scarf skirt
    suit food bag box fruit city yard path hill mountain cliff field park stick flower net goal
    sidewalk street store market animal track instrument robe apron cape sand court stage stairs
    escalator railing statue dress rider athlete climber hiker player crowd teenager garden
    skateboarder snowboarder skier surfer cyclist motorcyclist seesaw innertube skull wave igloo
    muzzle snowsuit diaper forest toy vehicle pipe bubble farm gym stadium skate balloon desert"""
)
_DENIED_GROUPS = frozenset({"people", "animal", "vehicle", "thing", "clothing", "place"})
_PEOPLE = frozenset({"person", "man", "woman", "child", "boy", "girl", "baby"})
_RIDDEN = frozenset({"bicycle", "motorcycle", "skateboard", "horse", "surfboard", "sled"})
_HELD = frozenset({"ball", "guitar", "bottle", "umbrella", "camera", "phone", "cup", "frisbee"})
_POPULAR, _LIKELY, _COMMON = 12, 6, 20


class CaptionQuestions:
    """Asks about pictures by their captions.

    ``corpus`` holds the captions of every training picture: from it come how often a noun is named
    and how often two are named together. Answers never depend on it, only the choice of absent
    objects does. The same ``rng`` state gives the same questions.
    """

    def __init__(self, corpus: Sequence[Sequence[str]]) -> None:
        self.popularity: Counter[str] = Counter()
        self._said: Counter[str] = Counter()
        self._together: dict[str, Counter[str]] = {}
        for references in corpus:
            shown = set()
            for text in references:
                plain = [m for m in read_caption(text).mentions if m.plain]
                shown |= {m.concept for m in plain}
                self._said.update(vocabulary().surface[m.word].singular for m in plain)
            self.popularity.update(shown)
            for concept in shown:
                self._together.setdefault(concept, Counter()).update(shown - {concept})
        groups = vocabulary().group
        self._deniable = sorted(
            concept
            for concept, group in groups.items()
            if group in _DENIED_GROUPS
            and concept not in _NEVER_DENIED
            and (concept in _PEOPLE or group != "people")
        )

    def generate(
        self, references: Sequence[str], rng: random.Random, *, per_kind: int = 2
    ) -> list[QA]:
        """Up to ``per_kind`` pairs of every kind that these captions support, in varied wording."""
        scene = read_scene(tuple(references))
        pairs = self._presence(scene, rng, per_kind)
        for make in (colour_pairs, number_pairs, who_pairs, what_pairs, where_pairs, doing_pairs):
            found = make(scene, rng)
            rng.shuffle(found)
            # Two captions may support the same question with different answers: ask once.
            once = {pair.question: pair for pair in found}
            pairs += list(once.values())[:per_kind]
        return pairs + self.unanswerable(references, rng, per_kind)

    def presence_set(self, references: Sequence[str], rng: random.Random) -> list[QA]:
        """Three "Yes." and three "No." (random, popular, co-occurring) in the canonical wording.

        A "Yes." is about something that two captions or more name. Where there are fewer than three
        such things, as many questions of each answer come back, and which absent objects are left
        out is drawn.
        """
        scene = read_scene(tuple(references))
        agreed = [c for c in scene.present if scene.votes[c] >= 2 and _asked(c)]
        rng.shuffle(agreed)
        agreed.sort(key=lambda concept: scene.named[concept] < 2)
        positives = _distinct(agreed, 3)
        denied = self._denied(scene, rng)
        count = min(len(positives), len(denied), 3)
        rng.shuffle(denied)
        pairs = [canonical_presence(concept, "Yes.", "") for concept in positives[:count]]
        pairs += [canonical_presence(concept, "No.", hard) for concept, hard in denied[:count]]
        return pairs

    def unanswerable(
        self, references: Sequence[str], rng: random.Random, n: int = 1, *, heldout: bool = False
    ) -> list[QA]:
        """``n`` questions that the picture cannot answer, half of them about something absent.

        ``heldout`` takes the wordings that :meth:`generate` never uses.
        """
        scene = read_scene(tuple(references))
        questions: list[str] = []
        premise = rng.random() < 0.5
        for _ in range(8 * n):
            if len(questions) == n:
                break
            asked = (
                self._false_premise(scene, rng, heldout)
                if premise
                else _unknowable(scene, rng, heldout)
            )
            premise = not premise
            if asked and asked not in questions:
                questions.append(asked)
        return [QA(question, CANT_TELL, "unanswerable") for question in questions]

    def answerable(self, references: Sequence[str], rng: random.Random, n: int = 1) -> list[QA]:
        """``n`` pairs that the captions answer, of mixed kinds (fewer if they support fewer)."""
        pairs = [p for p in self.generate(references, rng) if p.kind != "unanswerable"]
        rng.shuffle(pairs)
        return pairs[:n]

    def describe_requests(
        self, references: Sequence[str], rng: random.Random
    ) -> list[tuple[str, str, str]]:
        """``(detail, request, answer)``, "short" and "detailed", where the captions allow them."""
        scene = read_scene(tuple(references))
        found = []
        short = short_caption(scene)
        if short:
            found.append(("short", fill(wording.SHORT, rng), short))
        detailed = detailed_caption(scene, rng.choice((2, 3, 3)))
        if detailed:
            found.append(("detailed", fill(wording.DETAILED, rng), detailed))
        return found

    def _presence(self, scene: Scene, rng: random.Random, count: int) -> list[QA]:
        """``count`` presence pairs, as many "Yes." as "No." on average."""
        positives = [concept for concept in scene.present if _asked(concept)]
        rng.shuffle(positives)
        denied = self._denied(scene, rng)
        rng.shuffle(denied)
        pairs: list[QA] = []
        yes = rng.random() < 0.5
        for _ in range(count):
            if yes and positives:
                concept = positives.pop()
                word = concept if rng.random() < 0.7 else scene.surface(concept, rng)
                question = presence_question(word, rng, scene.is_plural(concept))
                pairs.append(QA(question, "Yes.", "presence"))
            elif not yes and denied:
                concept, hard = denied.pop()
                word = concept if rng.random() < 0.8 else rng.choice(self._known_words(concept))
                place = vocabulary().group[concept] == "place"
                question = presence_question(word, rng, not place and rng.random() < 0.25)
                pairs.append(QA(question, "No.", "presence", hard))
            yes = not yes
        return pairs

    def _known_words(self, concept: str) -> list[str]:
        """The words for a concept that the corpus uses often enough to be natural."""
        common = [w for w in vocabulary().words[concept] if self._said[w] >= _COMMON]
        usual = concept in _PEOPLE or vocabulary().group[concept] == "place"
        return common if common and not usual else [concept]

    def _allowed(self, scene: Scene) -> list[str]:
        """Concepts that the captions safely rule out, in a fixed order."""
        return [
            concept
            for concept in self._deniable
            if (
                concept in scene.absent_people
                if concept in _PEOPLE
                else concept not in scene.possible
            )
        ]

    def _denied(self, scene: Scene, rng: random.Random) -> list[tuple[str, str]]:
        """Up to three ``(absent concept, how it was chosen)``, one of each way."""
        allowed = self._allowed(scene)
        score: Counter[str] = Counter()
        for concept in scene.present:
            together = self._together.get(concept, Counter())
            total = self.popularity[concept] or 1
            for other in allowed:
                score[other] += 10_000 * together[other] // total
        likely = [c for c in sorted(allowed, key=lambda c: (-score[c], c)) if score[c]]
        popular = sorted(allowed, key=lambda c: (-self.popularity[c], c))
        known = [concept for concept in allowed if self.popularity[concept] >= 3] or allowed
        pools = (
            ("co-occurring", likely[:_LIKELY]),
            ("popular", popular[:_POPULAR]),
            ("random", known),
        )
        taken: dict[str, str] = {}
        for hard, pool in pools:
            free = [concept for concept in pool if concept not in taken]
            if free:
                taken[rng.choice(free)] = hard
        return list(taken.items())

    def _false_premise(self, scene: Scene, rng: random.Random, heldout: bool) -> str:
        denied = self._denied(scene, rng)
        if not denied:
            return ""
        concept, _ = rng.choice(denied)
        group = vocabulary().group[concept]
        texts: tuple[str, ...]
        if group == "people":
            texts = cannot.ABSENT_PERSON
        elif group == "animal":
            texts = cannot.ABSENT_ANIMAL
        elif concept in MASS:
            texts = cannot.ABSENT_MASS
        elif concept in PAIRS:
            texts = cannot.ABSENT_MANY
        else:
            texts = cannot.ABSENT
            if concept in _RIDDEN | _HELD and rng.random() < 0.3:
                texts = cannot.ABSENT_RIDDEN if concept in _RIDDEN else cannot.ABSENT_HELD
        chosen = cannot.split(texts, heldout=heldout)
        return fill(chosen, rng, x=spoken(concept), many=many_of(concept))


def _asked(concept: str) -> bool:
    return concept not in _NEVER_ASKED and vocabulary().group[concept] not in {"event", "body"}


def _distinct(concepts: Sequence[str], most: int) -> list[str]:
    """The first ``most`` concepts, those that repeat another (a dog, an animal) last."""
    words = vocabulary()
    chosen: list[str] = []
    repeated: list[str] = []
    for concept in concepts:
        again = any(words.related(concept, other) for other in chosen)
        (repeated if again else chosen).append(concept)
    return (chosen + repeated)[:most]


def _unknowable(scene: Scene, rng: random.Random, heldout: bool) -> str:
    subject = scene.subject(rng)
    texts: tuple[str, ...] = cannot.ANY
    fields = {}
    if subject is not None and rng.random() < 0.65:
        many = subject.plural
        group = vocabulary().group[subject.concept]
        if group == "people":
            texts = cannot.PERSON
        elif not many:
            texts = cannot.ANIMAL
        fields = {
            "s": subject.text,
            "s_own": subject.text + ("'" if many and subject.text.endswith("s") else "'s"),
            "is": "are" if many else "is",
            "is_c": "Are" if many else "Is",
            "was": "were" if many else "was",
            "has": "have" if many else "has",
            "does": "do" if many else "does",
            "does_c": "Do" if many else "Does",
        }
    choices = cannot.split(texts, heldout=heldout)
    if subject is not None and subject.plural:
        # Several people have names and jobs, not "a name" and "a job".
        choices = tuple(text for text in choices if "{s_own}" not in text)
    return fill(choices, rng, **fields)
