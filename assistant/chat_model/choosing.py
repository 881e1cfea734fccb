"""Which sources the embedded model is shown, and the numbers of its own that stand for them.

A model of this size mixes up what stands side by side. Where a question names a product whole, it
is shown what is known of that product, and pages that are about none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from assistant.grounding import named_labels
from assistant.grounding.words import stems
from assistant.sources import Source

# What is said beside "what is this?" by somebody who wants a name, and nothing else.
_NAMING = """
whats identify identified identification recognise recognize item items article articles goods range
assortment stock shop store fruit vegetable variety species pic pics snapshot pack package
hand mine guess tell exact
"""
_MORE = re.compile(
    r"\b(where|who|whose|when|why|how|for|from(?! (?:the|your|our|my|this) ))\b", re.IGNORECASE
)
# What is under the peel is in no photo of the outside.
_UNSEEN = re.compile(
    r"\b(pulp|flesh|(?:cut|slice|open|halve)s?\b.{0,20}\b(?:open|up|in half|apart))\b",
    re.IGNORECASE,
)
_MARK = re.compile(r"\[(\d{1,3})\]")
_BEGUN = re.compile(r"\[\d{0,3}$")


def chosen(question: str, sources: Sequence[Source]) -> tuple[int, ...]:
    """Places of the sources to show, in order.

    Args:
        question: with what it is about before it, as `reading.resolved_question` gives it.
    """
    labels = named_labels(question, [s for s in sources if s.kind == "passage"])
    if not labels:
        return tuple(range(len(sources)))
    return tuple(
        place
        for place, source in enumerate(sources)
        if source.kind == "image" or not source.label or source.label in labels
    )


def asks_more(question: str) -> bool:
    """Whether a question about a photo wants more than the name of what it shows."""
    asked = question[:2_000]
    return _MORE.search(asked) is not None or bool(stems(asked) - stems(_NAMING))


def asks_unseen(question: str) -> bool:
    """Whether a question about a photo is about what no photo shows, such as a fruit's flesh."""
    return _UNSEEN.search(question[:2_000]) is not None


def renumbered(pieces: Iterable[str], places: Sequence[int]) -> Iterator[str]:
    """Words as they come, with the number of each source among all of them in its marks."""
    held = ""
    for piece in pieces:
        text = held + piece
        begun = _BEGUN.search(text)
        held = begun[0] if begun else ""
        text = text[: len(text) - len(held)]
        if text:
            yield _MARK.sub(lambda mark: f"[{_place(int(mark[1]), places)}]", text)
    if held:
        yield held


def _place(number: int, places: Sequence[int]) -> int:
    return places[number - 1] + 1 if 1 <= number <= len(places) else number
