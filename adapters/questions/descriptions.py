"""A short phrase and a few sentences about a picture, both made of its captions."""

from __future__ import annotations

from adapters.questions.captions import Caption
from adapters.questions.cleaning import clean_caption, detokenize
from adapters.questions.forms import article
from adapters.questions.lists import word_set
from adapters.questions.phrases import action_phrase
from adapters.questions.scene import Scene
from adapters.questions.verbs import DETERMINERS, FUNCTION, PREPOSITIONS, PUNCTUATION, gerund

_FINITE = word_set("is are was were has have")
_SHORT_WORDS = range(4, 9)
_LONGEST = 34


def short_caption(scene: Scene) -> str:
    """The shortest good caption as a phrase of four to eight words, "" if there is none."""
    found = [_short(scene, caption) for caption in scene.captions]
    good = [text for text in found if len(text.split()) in _SHORT_WORDS]
    # Four words ("A group of people standing.") often leave out the point.
    best = min(good, key=lambda text: (len(text.split()) < 5, len(text), text), default="")
    return clean_caption(best)


def _short(scene: Scene, caption: Caption) -> str:
    subjects = caption.subjects
    if not subjects or any(m.concept in scene.distrusted or not m.plain for m in subjects):
        return ""
    subject = _with_article(caption)
    if caption.verb:
        room = _SHORT_WORDS[-1] - len(subject.split())
        phrase = action_phrase(caption, most=room, gerund_of=gerund(caption.verb))
        return f"{subject} {phrase}" if phrase and room > 1 else ""
    tokens = caption.tokens
    end = subjects[-1].end
    if set(tokens) & _FINITE or tokens[end : end + 1] == () or tokens[end] not in PREPOSITIONS:
        return ""
    kept = tuple(token for token in caption.written[end:] if token not in PUNCTUATION - {","})
    return f"{subject} {detokenize(kept)}"


def _with_article(caption: Caption) -> str:
    """The subject as a caption begins: "the dog" and "dog" become "a dog"."""
    first, last = caption.subjects[0], caption.subjects[-1]
    words = list(caption.written[first.start : last.end])
    bare = caption.tokens[first.start] not in DETERMINERS
    if not first.plural and (bare or words[0] == "the"):
        words = words if bare else words[1:]
        words.insert(0, article(words[0]))
    return detokenize(words)


def detailed_caption(scene: Scene, count: int) -> str:
    """``count`` captions that overlap least, the longest first, "" if fewer than two fit.

    Captions that count or colour the same noun differently are not put together. A later "A dog …"
    about the one dog of the first sentence becomes "The dog …".
    """
    usable = [
        (caption, text)
        for caption, text in zip(scene.captions, map(clean_caption, scene.references), strict=True)
        if 4 <= len(caption.tokens) <= _LONGEST
        and len(text.rstrip(".").rsplit(" ", 1)[-1]) > 1
        and not any(m.concept in scene.distrusted for m in caption.mentions)
    ]
    if len(usable) < 2:
        return ""
    usable.sort(key=lambda pair: (-len(pair[0].tokens), pair[1]))
    first, opening = usable.pop(0)
    chosen = [first]
    sentences = [opening]
    told = _content(first)
    while len(sentences) < count:
        usable = [pair for pair in usable if not any(_contradict(c, pair[0]) for c in chosen)]
        if not usable:
            break
        best = min(usable, key=lambda pair: (_overlap(_content(pair[0]), told), pair[1]))
        if _overlap(_content(best[0]), told) > 0.8:
            break
        usable.remove(best)
        chosen.append(best[0])
        told |= _content(best[0])
        sentences.append(_continued(first, *best))
    return " ".join(sentences) if len(sentences) > 1 else ""


def _content(caption: Caption) -> frozenset[str]:
    return frozenset(
        t for t in caption.tokens if t not in FUNCTION and t not in PUNCTUATION and len(t) > 2
    )


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / max(1, len(one))


def _contradict(one: Caption, other: Caption) -> bool:
    for first in one.mentions:
        for second in other.mentions:
            if first.concept != second.concept:
                continue
            if first.count > 0 and second.count > 0 and first.count != second.count:
                return True
            if first.colour and second.colour and first.colour != second.colour:
                return True
    return False


def _continued(first: Caption, caption: Caption, text: str) -> str:
    if len(first.subjects) == 1 == len(caption.subjects):
        one, other = first.subjects[0], caption.subjects[0]
        same = one.concept == other.concept and not one.plural and not other.plural
        if same and other.start == 0 and caption.tokens[0] in {"a", "an"}:
            return "The " + text.split(" ", 1)[1]
    return text
