"""Reading one English photo caption: clean sentence, noun mentions, subject and action.

A small deterministic reader for sentences such as "A black dog is running through the snow ." It
knows the nouns in ``nouns.py`` and the verbs in ``verbs.py``, finds noun phrases by walking back
from a noun, and rather finds nothing than something doubtful.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from adapters.questions.cleaning import detokenize
from adapters.questions.lists import word_set
from adapters.questions.verbs import (
    ADJECTIVES,
    BASES,
    COLOUR_WORDS,
    DETERMINERS,
    FUNCTION,
    GERUNDS,
    NUMBERS,
    PARTICIPLES,
    POSSESSIVES,
    PUNCTUATION,
    SHADES,
    STATIC,
    THIRD,
    VAGUE,
)
from adapters.questions.vocabulary import vocabulary

_TOKEN = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*|'s\b|[^\sA-Za-z0-9]")
ANIMATE = frozenset({"people", "animal"})
# "toy car", "stuffed dog", "painting of a horse": the thing itself is not there.
_UNREAL = word_set(
    """toy stuffed fake plastic inflatable painted statue picture photo photograph painting drawing
    poster image cardboard costume cartoon model imaginary sculpture mural without no not shadow
    silhouette reflection"""
)


@dataclass(frozen=True)
class Mention:
    """A noun phrase whose head is a known noun; ``start:end`` are its tokens.

    ``count`` is the number that the phrase states (1 for "a dog"), 0 where it states none ("dogs",
    "the water") and -1 for a vague one ("several dogs").
    """

    concept: str
    word: str
    head: int
    start: int
    end: int
    plural: bool
    count: int
    colour: str
    plain: bool


@dataclass(frozen=True)
class Caption:
    """A caption, read.

    ``tokens`` are in lower case, ``written`` as they stand in the caption (but for its first
    word). ``touched`` holds every concept that any of its words names, however. ``verb`` is the
    base form of what the subject does, at ``verb_at``, or "".
    """

    tokens: tuple[str, ...]
    written: tuple[str, ...]
    mentions: tuple[Mention, ...]
    touched: frozenset[str]
    subjects: tuple[Mention, ...]
    verb: str
    verb_at: int

    def text(self, start: int, end: int) -> str:
        """Tokens ``start:end`` as running text."""
        return detokenize(self.written[start:end])


def is_verb(token: str) -> bool:
    """Whether a token is a form of a known verb, whatever else it may be."""
    return token in GERUNDS or token in THIRD or token in BASES or token in PARTICIPLES


def _noun_before(tokens: tuple[str, ...], at: int) -> bool:
    """Whether the token at ``at`` stands where a noun, not a verb, is expected."""
    if at == 0:
        return True
    before = tokens[at - 1]
    if before in COLOUR_WORDS and at > 1 and tokens[at - 2] in {"in", "wearing"}:
        # "a player in white swings": clothes of that colour, then the verb.
        return tokens[at] not in THIRD
    if before in DETERMINERS or before in POSSESSIVES or before in COLOUR_WORDS:
        return True
    if before in {"'s", "of", "in", "on", "with", "at", "by", "from", "into", "through"}:
        return True
    return before in ADJECTIVES


def _head_follows(tokens: tuple[str, ...], end: int, is_plural: bool, animate: bool) -> bool:
    """Whether the noun that ends before ``end`` is a head and no modifier of a next noun."""
    if end >= len(tokens):
        return True
    after = tokens[end]
    if after in FUNCTION or after in PUNCTUATION or after.endswith("ly"):
        return True
    if after in GERUNDS:
        # "dog running" is a head, "soccer playing field" or "rock climbing" are not.
        return animate or end + 1 >= len(tokens) or tokens[end + 1] in FUNCTION
    if after in PARTICIPLES or (after.endswith("ed") and len(after) > 4):
        return True
    if after in THIRD and (not is_plural):
        return animate or after not in vocabulary().surface
    if after in BASES:
        return is_plural
    return False


def _mention(tokens: tuple[str, ...], start: int, end: int, concept: str, plural: bool) -> Mention:
    colours: list[str] = []
    count = 0
    at = start - 1
    unreal = False
    words: list[str] = []
    while at >= 0 and start - at <= 7:
        token = tokens[at]
        if token in DETERMINERS:
            break
        if (
            token in {"and", ","}
            and words
            and words[-1] in COLOUR_WORDS | dict.fromkeys(SHADES, "")
        ):
            if at and tokens[at - 1] in COLOUR_WORDS:
                at -= 1
                continue
            break
        if token == "," and at and tokens[at - 1] in ADJECTIVES:
            at -= 1
            continue
        if token in PUNCTUATION or (token in FUNCTION and token not in ADJECTIVES):
            break
        if (token in GERUNDS or token in THIRD) and token not in ADJECTIVES:
            before = tokens[at - 1] if at else ""
            if token in THIRD or before not in DETERMINERS:
                break
        words.append(token)
        if token in COLOUR_WORDS:
            colours.insert(0, COLOUR_WORDS[token])
        unreal = unreal or token in _UNREAL
        at -= 1
    first = at + 1
    if at >= 0 and tokens[at] in DETERMINERS:
        token = tokens[at]
        first = at
        if token in NUMBERS:
            count = NUMBERS[token]
        elif token in VAGUE or token in {"both", "all", "other", "these", "those", "any"}:
            count = -1
        elif not plural and token in {"a", "an", "another", "one"}:
            count = 1
        if token == "no":
            unreal = True
        if at >= 1 and tokens[at - 1] in {"the", "these", "those", "his", "her"} and count > 1:
            first = at - 1
        if token == "other" and at >= 1 and tokens[at - 1] in NUMBERS:
            count = NUMBERS[tokens[at - 1]]
            first = at - 1
    elif at >= 0 and tokens[at] == "of":
        pass
    if first >= 2 and tokens[first - 1] == "of" and plural:
        before = tokens[first - 2]
        if before in VAGUE:
            count = count if count > 1 else -1
            first -= 2
        elif before in {"couple", "pair"}:
            count = 2
            first -= 2
        elif before in {"team", "row", "line", "trio", "herd", "flock"}:
            count = -1
        if first > 0 and tokens[first - 1] in {"a", "the", "large", "small", "big"}:
            while first > 0 and tokens[first - 1] in {"a", "the", "large", "small", "big", "huge"}:
                first -= 1
    if first >= 2 and tokens[first - 1] == "of" and tokens[first - 2] in _UNREAL:
        unreal = True
    if first >= 1 and tokens[first - 1] in {"without", "no", "not", "like", "as"}:
        unreal = True
    return Mention(
        concept=concept,
        word=" ".join(tokens[start:end]),
        head=start,
        start=first,
        end=end,
        plural=plural,
        count=count,
        colour=_join_colours(colours),
        plain=not unreal and not _elsewhere(concept, tokens[max(0, first - 2) : first]),
    )


def _elsewhere(concept: str, before: tuple[str, ...]) -> bool:
    """Whether the two tokens before a mention say that it is not in the picture."""
    if before[-1:] == ("for",) and before[0] in {"waiting", "waits", "wait", "looking", "looks"}:
        return True
    # "at the camera" is the one that takes the picture, "for a picture" the one that is taken.
    aside = {"at", "for", "to", "toward", "towards", "into", "off", "near"}
    return concept in {"camera", "picture"} and bool(aside.intersection(before[-1:]))


def _join_colours(colours: list[str]) -> str:
    unique = list(dict.fromkeys(colours))
    if len(unique) > 3:
        return ""
    order = ["black", "brown", "tan", "grey", "red", "pink", "orange", "yellow", "green", "blue"]
    ranked = sorted(unique, key=lambda colour: order.index(colour) if colour in order else 99)
    if len(ranked) < 2:
        return "".join(ranked)
    return ", ".join(ranked[:-1]) + " and " + ranked[-1]


@lru_cache(maxsize=65536)
def read_caption(text: str) -> Caption:
    """Read one caption. Never fails: what is not understood is left out."""
    words = vocabulary()
    written = tuple(_TOKEN.findall(text.replace("``", '"')))
    tokens = tuple(token.lower() for token in written)
    if sum(token[:1].isupper() for token in written) > 4:
        written = tokens
    written = tokens[:1] + written[1:]
    mentions: list[Mention] = []
    touched: set[str] = set()
    at = 0
    while at < len(tokens):
        noun = None
        for width in range(min(words.longest, len(tokens) - at), 0, -1):
            noun = words.surface.get(" ".join(tokens[at : at + width]))
            if noun is not None:
                break
        if noun is None:
            at += 1
            continue
        end = at + width
        touched.add(noun.concept)
        for part in tokens[at:end] if width > 1 else ():
            # The rock of a "rock wall" cannot be ruled out either.
            if part in words.surface:
                touched.add(words.surface[part].concept)
        token = tokens[at]
        verb_too = width == 1 and is_verb(token)
        acts = words.group[noun.concept] in ANIMATE | {"clothing", "body", "vehicle"}
        if (not verb_too or _noun_before(tokens, at)) and _head_follows(
            tokens, end, noun.plural, acts
        ):
            mentions.append(_mention(tokens, at, end, noun.concept, noun.plural))
        at = end
    subjects = _subjects(tokens, mentions)
    verb, verb_at = _action(tokens, mentions, subjects)
    return Caption(tokens, written, tuple(mentions), frozenset(touched), subjects, verb, verb_at)


_LEADING = word_set("there is are in this picture , a an the of photo we see")


def _subjects(tokens: tuple[str, ...], mentions: list[Mention]) -> tuple[Mention, ...]:
    groups = vocabulary().group
    if not mentions:
        return ()
    first = mentions[0]
    if groups[first.concept] not in ANIMATE | {"vehicle"} or not first.plain:
        return ()
    if any(token not in {"there", "is", "are"} for token in tokens[: first.start]):
        return ()
    found = [first]
    for mention in mentions[1:3]:
        gap = tokens[found[-1].end : mention.start]
        if gap in {("and",), (",",), (",", "and")} and groups[mention.concept] in ANIMATE:
            found.append(mention)
        else:
            break
    return tuple(found)


def _action(
    tokens: tuple[str, ...], mentions: list[Mention], subjects: tuple[Mention, ...]
) -> tuple[str, int]:
    """The first verb that says what the subject does, as a base form with its position."""
    if not subjects:
        return "", -1
    many = len(subjects) > 1 or subjects[0].plural
    end = subjects[-1].end
    groups = vocabulary().group
    heads = {mention.end: mention for mention in mentions}
    other = False
    at = end
    while at < len(tokens):
        token = tokens[at]
        if at > end and at in heads and groups[heads[at].concept] in ANIMATE | {"vehicle"}:
            other = True
        if (
            token in {"who", "that", "which", "while", "as", "because", "one", ";", "."}
            and at > end
        ):
            return "", -1
        if token in {"is", "are", "was", "were"}:
            after = at + 1
            while after < len(tokens) and (
                tokens[after] in {"also", "all", "both", "each", "about", "just", "now"}
                or tokens[after].endswith("ly")
            ):
                after += 1
            if after < len(tokens) and tokens[after] in GERUNDS:
                base = GERUNDS[tokens[after]]
                if base in STATIC:
                    at = after + 1
                    continue
                return base, after
            return "", -1
        before = tokens[at - 1]
        if token in GERUNDS and not other:
            base = GERUNDS[token]
            follows = before not in FUNCTION and before not in ADJECTIVES
            if before in COLOUR_WORDS and tokens[at - 2] not in {"in", "wearing"}:
                # "a red bowling ball"
                follows = False
            last = heads.get(at)
            if last is not None and at > end and groups[last.concept] not in {"clothing", "body"}:
                # "runs from a wave coming in": the wave does.
                follows = tokens[last.start - 1] in {"in", "on", "at", "and", "with", "near"}
            if follows or before in {"together", "outside", "outdoors", ","}:
                if base in STATIC:
                    at += 1
                    continue
                return base, at
        finite = BASES if many else THIRD
        in_colour = before in COLOUR_WORDS and tokens[at - 2] in {"in", "wearing"}
        if token in finite and (at == end or at in heads or in_colour or before.endswith("ly")):
            base = token if many else THIRD[token]
            if base in STATIC:
                at += 1
                continue
            return base, at
        at += 1
    return "", -1
