"""Who does what to what, and where, as the captions of a picture say it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from adapters.questions.attributes import count
from adapters.questions.captions import Caption, Mention
from adapters.questions.cleaning import detokenize
from adapters.questions.forms import MASS, article, plural
from adapters.questions.lists import word_set
from adapters.questions.phrases import action_phrase
from adapters.questions.scene import Scene
from adapters.questions.verbs import (
    DETERMINERS,
    NUMBER_WORDS,
    POSSESSIVES,
    PREPOSITIONS,
    gerund,
)
from adapters.questions.vocabulary import one_of, vocabulary


@dataclass(frozen=True)
class Fact:
    """What a subject does, or with ``verb`` the object of what it does, or where it is."""

    subject: str
    plural: bool
    answer: str
    verb: str = ""


_OBJECT_VERBS = word_set(
    """ride hold carry throw catch chase push pull eat drink kick read drive chew bite fetch
    retrieve lick hit lift drag climb paint cut kiss hug pet feed play cross"""
)
# Idioms whose object answers nothing ("making a turn", "taking a break").
_LIGHT_VERBS = word_set("make take do have give get perform go try start begin use")
# Where a scene can be set, with the preposition and article that fit best.
_PLACES = {
    "beach": "on the", "sand": "in the", "water": "in the", "ocean": "in the", "lake": "in a",
    "river": "in a", "pool": "in a", "puddle": "in a", "snow": "in the", "ice": "on the",
    "mountain": "on a", "hill": "on a", "cliff": "on a", "desert": "in the", "forest": "in the",
    "field": "in a", "park": "in a", "playground": "at a", "garden": "in a", "yard": "in a",
    "street": "on a", "sidewalk": "on a", "path": "on a", "bridge": "on a", "dock": "on a",
    "tunnel": "in a", "cave": "in a", "city": "in a", "parking_lot": "in a", "track": "on a",
    "court": "on a", "stadium": "in a", "gym": "in a", "stage": "on a", "kitchen": "in a",
    "bathroom": "in a", "bedroom": "in a", "living_room": "in a", "room": "in a",
    "restaurant": "in a", "store": "in a", "market": "at a", "train_station": "in a",
    "museum": "in a", "church": "in a", "farm": "on a", "grass": "in the", "dirt": "in the",
}  # fmt: skip
# Words that take another preposition or article than others for their concept.
_UNLIKE = {
    "lawn": "on a", "snowbank": "in a", "snowdrift": "in a", "canyon": "in a",
    "pavement": "on the", "step": "on a", "intersection": "at a", "playground": "at a",
    "rink": "on a", "ice rink": "on a", "staircase": "on a", "stairway": "on a",
    "woodland": "in a", "jungle": "in a",
}  # fmt: skip
# What something can be on or in without the whole scene being there.
_SUPPORTS = {
    "rock": "on a", "fountain": "in a", "couch": "on a", "bed": "on a", "bench": "on a",
    "bathtub": "in a", "boat": "in a", "stairs": "on the", "escalator": "on an",
    "trampoline": "on a", "swing": "on a",
    "chair": "on a", "table": "at a", "slide": "on a", "ramp": "on a", "tree": "in a",
}  # fmt: skip
_STAYS = frozenset({"in", "on", "at"})
_MOVES = word_set("through across along into down up onto around")
_LOOKS = frozenset({"look", "watch", "gaze", "stare", "peer", "point", "stand", "sit", "lean"})
_CLAD = {(word,) for word in ("covered", "dressed", "surrounded", "filled", "interested")}
_SPORTS = (
    "soccer", "tennis", "basketball", "baseball", "football", "hockey", "volleyball", "rugby",
    "golf", "lacrosse", "cricket", "softball", "badminton",
)  # fmt: skip
_NO_OBJECT = frozenset({"object", "back", "edge", "hand", "arm", "area", "air", "head", "line"})


def _phrase(caption: Caption) -> str:
    return action_phrase(caption, gerund_of=gerund(caption.verb)) if caption.verb else ""


def actions(scene: Scene) -> list[Fact]:
    """What the subjects do, one a caption, in at most eight words."""
    facts = []
    for caption, subject in scene.subjects:
        phrase = _phrase(caption)
        if phrase:
            facts.append(Fact(subject.text, subject.plural, phrase))
    return facts


# -- who ------------------------------------------------------------------------------------------


def _people_of(scene: Scene, caption: Caption) -> str:
    """The people that a caption is about: "two boys", "a man and a woman"."""
    parts = []
    for mention in caption.subjects:
        if scene.group(mention.concept) != "people" or mention.concept in scene.distrusted:
            return ""
        if not mention.plural:
            parts.append(f"{article(mention.word)} {mention.word}")
        elif mention.count > 1:
            parts.append(f"{NUMBER_WORDS[mention.count].lower()} {mention.word}")
        elif "group" in caption.tokens[mention.start : mention.head]:
            parts.append(f"a group of {mention.word}")
        else:
            return ""
    if len(parts) > 2 or len(set(parts)) < len(parts):
        return ""
    return " and ".join(parts)


def who(scene: Scene) -> str:
    """The people whom two captions or more are about, "" where that leaves somebody out."""
    found = Counter(text for text in (_people_of(scene, c) for c in scene.captions) if text)
    if not found:
        return ""
    text, votes = found.most_common(1)[0]
    one = text.startswith(("a ", "an ")) and " and " not in text and " of " not in text
    stated = {
        m.count for c in scene.captions for m in c.subjects
        if scene.group(m.concept) == "people" and m.plural and m.count > 1 and len(c.subjects) == 1
    }  # fmt: skip
    if votes < 2 or (one and scene.people_total != 1) or len(stated) > 1:
        return ""
    return text


def who_does(scene: Scene) -> list[str]:
    """What those people do or are on, definite, to ask who it is: "riding the bike"."""
    people = who(scene)
    found = []
    for caption in scene.captions:
        if not people or _people_of(scene, caption) != people:
            continue
        phrase = _phrase(caption)
        if len(phrase.split()) > 1 and caption.verb not in _LIGHT_VERBS:
            found.append(_definite(phrase))
        for mention in caption.mentions:
            between = caption.tokens[caption.subjects[-1].end : mention.start]
            whole = caption.tokens[mention.end : mention.end + 1] != ("of",)
            if between == ("on",) and mention.plain and not mention.plural and whole:
                found.append(f"on the {mention.word}")
    return found


def _definite(phrase: str) -> str:
    """``riding a bike`` → ``riding the bike``: the first article, if it comes at once."""
    words = phrase.split()
    for index in (1, 2):
        if index < len(words) and words[index] in {"a", "an"}:
            words[index] = "the"
            break
        if index < len(words) and words[index] not in PREPOSITIONS:
            break
    return " ".join(words)


# -- what -----------------------------------------------------------------------------------------


def objects(scene: Scene) -> list[Fact]:
    """Objects of actions: the boy / riding / a red bike; and what is worn or in the mouth."""
    facts = []
    for caption, subject in scene.subjects:
        for mention in caption.mentions:
            if not mention.plain or mention.concept in _NO_OBJECT:
                continue
            if scene.group(mention.concept) == "body" or _disputed(scene, mention):
                continue
            verb = _verb_of(scene, caption, mention)
            if not verb:
                continue
            answer = _noun_phrase(caption, mention)
            if verb == "wearing":
                answer = _clothes(scene, caption, mention, answer)
            if answer and len(answer.split()) <= 7:
                facts.append(Fact(subject.text, subject.plural, answer, verb))
    return facts


def _disputed(scene: Scene, mention: Mention) -> bool:
    """Whether another caption gives the same noun another colour."""
    others = {m.colour for m in scene.mentions(mention.concept) if m.colour}
    return bool(mention.colour) and others != {mention.colour}


def _verb_of(scene: Scene, caption: Caption, mention: Mention) -> str:
    """The verb, in -ing, that makes this mention the object of the caption's subject."""
    tokens = caption.tokens
    group = scene.group(mention.concept)
    if caption.verb in _OBJECT_VERBS and mention.start == caption.verb_at + 1:
        played = mention.word in _SPORTS or scene.words.related(mention.concept, "instrument")
        if caption.verb == "play" and not played:
            return ""
        return gerund(caption.verb)
    if mention.start < 1 or not caption.subjects:
        return ""
    before = tokens[mention.start - 1]
    end = caption.subjects[-1].end
    if group == "clothing":
        worn = before == "wearing" and mention.start - 1 in {end, end + 1}
        return "wearing" if worn else ""
    mouth = tokens[mention.end : mention.end + 3]
    animal = scene.group(caption.subjects[0].concept) == "animal"
    if animal and before == "with" and len(mouth) == 3 and mouth[0] == "in" and mouth[2] == "mouth":
        return "carrying"
    return ""


def _clothes(scene: Scene, caption: Caption, first: Mention, answer: str) -> str:
    for mention in caption.mentions:
        follows = caption.tokens[first.end : mention.start] == ("and",)
        if follows and scene.group(mention.concept) == "clothing":
            return f"{answer} and {caption.text(mention.start, mention.end)}"
    return answer


def _noun_phrase(caption: Caption, mention: Mention) -> str:
    """The mention as an answer: "his red bike" and "the red bike" become "a red bike"."""
    words = list(caption.written[mention.start : mention.end])
    first = caption.tokens[mention.start]
    noun = vocabulary().surface[mention.word]
    bare = first not in DETERMINERS
    if first in POSSESSIVES or first in {"the", "another", "this", "that"}:
        words = words[1:]
        bare = True
    text = detokenize(words)
    if not bare or not text or mention.plural or noun.singular in MASS or mention.word in _SPORTS:
        return text
    return f"{article(text)} {text}"


def animal(scene: Scene) -> str:
    """The only kind of animal that is named, twice or more: "a dog", "dogs"."""
    kinds = {c for c in scene.present if scene.group(c) == "animal" and c != "animal"}
    if len(kinds) != 1:
        return ""
    kind = kinds.pop()
    if scene.votes[kind] < 2:
        return ""
    if count(scene, kind) != 1 and scene.several(kind):
        return plural(kind)
    return one_of(kind)


def sport(scene: Scene) -> str:
    """The only sport that two captions or more name, where people play."""
    played = {"game", "match", "player", "players", "playing", "plays", "play"}
    if not scene.people_named or not scene.tokens & played:
        return ""
    votes = Counter(name for c in scene.captions for name in _SPORTS if name in c.tokens)
    if len(votes) != 1:
        return ""
    name, named = votes.most_common(1)[0]
    return name if named >= 2 else ""


# -- where ----------------------------------------------------------------------------------------


def places(scene: Scene) -> tuple[str, str]:
    """``(scene, support)``: where most captions set the scene, and what the subject is on or in."""
    return _most_named(scene, _PLACES), _most_named(scene, _SUPPORTS, subject_only=True)


def _most_named(scene: Scene, table: dict[str, str], *, subject_only: bool = False) -> str:
    found: dict[str, Counter[str]] = {}
    for caption in scene.captions:
        end = caption.subjects[-1].end if caption.subjects else -1
        for mention in caption.mentions:
            if mention.concept not in table or mention.start < 1 or not mention.plain:
                continue
            before = caption.tokens[mention.start - 1]
            if before not in (_STAYS if subject_only else _STAYS | _MOVES):
                continue
            if caption.tokens[mention.start - 2 : mention.start - 1] in _CLAD:
                continue
            if before in _MOVES and caption.verb in _LOOKS:
                # "looks across the water" is said of somebody on the shore.
                continue
            if subject_only and mention.start - 1 not in {end, end + 1, caption.verb_at + 1}:
                continue
            phrase = _place(mention, table[mention.concept])
            if phrase:
                found.setdefault(mention.concept, Counter())[phrase] += 1
    if not found:
        return ""
    best = max(found, key=lambda c: (sum(found[c].values()), scene.votes[c], c))
    return min(found[best].items(), key=lambda item: (-item[1], len(item[0]), item[0]))[0]


def _place(mention: Mention, fitting: str) -> str:
    """``in the snow``, ``on a street``, ``on the rocks``: always in the same form for a noun."""
    preposition, determiner = _UNLIKE.get(mention.word, fitting).split()
    if mention.plural:
        if mention.concept not in {"forest", "stairs", "mountain", "rock"}:
            return ""
        if mention.concept == "mountain":
            preposition = "in"
        return f"{preposition} the {mention.word}"
    if mention.concept == "train_station" and mention.word == "subway":
        determiner = "the"
    if determiner == "a":
        determiner = article(mention.word)
    return f"{preposition} {determiner} {mention.word}"


def found_at(scene: Scene) -> list[Fact]:
    """Where things are: the ball / in the dog's mouth, the bench / in a park."""
    facts = []
    for caption in scene.captions:
        for mention in caption.mentions:
            if scene.group(mention.concept) not in {"thing", "vehicle"} or not mention.plain:
                continue
            if mention.concept in {"sign", "object"} or scene.several(mention.concept):
                continue
            after = caption.tokens[mention.end : mention.end + 3]
            noun = f"the {mention.word}"
            animal_subject = [s for s in caption.subjects if scene.group(s.concept) == "animal"]
            if len(after) == 3 and after[0] == "in" and after[2] == "mouth":
                if len(animal_subject) == 1 == len(caption.subjects):
                    owner = animal_subject[0]
                    if not owner.plural and not scene.several(owner.concept):
                        facts.append(Fact(noun, mention.plural, f"in the {owner.word}'s mouth"))
                continue
            for place in caption.mentions:
                fitting = {**_PLACES, **_SUPPORTS}.get(place.concept)
                stays = caption.tokens[mention.end : place.start] in {("in",), ("on",)}
                phrase = _place(place, fitting) if fitting and stays and place.plain else ""
                if phrase:
                    facts.append(Fact(noun, mention.plural, phrase))
    return facts
