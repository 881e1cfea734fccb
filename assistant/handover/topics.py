"""Topics on which a person takes over: three that are known in many languages, and an operator's.

A known topic has two kinds of words: those of a case, which hands over ("I want my money back"),
and those of the topic itself, which also a question about a policy has ("what is your refund
policy?") and which count only where the operator wants that.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from assistant.handover.text import normalised, sentences
from assistant.handover.topic_words import CASES, MENTIONS, POLICY

KNOWN: Final = tuple(CASES)
_MOST_WORDS = 200


def listed_topic(text: str, topics: Sequence[str], *, questions: bool = False) -> str | None:
    """The first of `topics` that the customer has a case of; None where it is none.

    Args:
        text: what the customer writes, in any of the languages that are known here.
        topics: ``refunds``, ``injuries`` and ``legal`` are known; one of an operator's own is
            matched by its name and by the words after a colon, ``allergy: nut, gluten``, which may
            be added to a known one as well.
        questions: also questions about a known topic, such as those on a refund policy.

    Returns:
        the topic's name, without the words after the colon.
    """
    said = [sentence for sentence, _ in sentences(normalised(text))]
    for topic in topics:
        name, _, words = topic.partition(":")
        name = name.strip()
        known = name.casefold()
        if known in CASES and any(_is_case(known, one, questions) for one in said):
            return name
        own = _own_words("" if known in CASES else name, words)
        if own is not None and any(own.search(one) for one in said):
            return name
    return None


def _is_case(topic: str, sentence: str, questions: bool) -> bool:
    if questions and MENTIONS[topic].search(sentence):
        return True
    if POLICY[topic].search(sentence):
        return False
    return CASES[topic].search(sentence) is not None


@lru_cache(maxsize=256)
def _own_words(name: str, words: str) -> re.Pattern[str] | None:
    """A pattern for an operator's words; None where there are none."""
    wanted = [normalised(word).strip() for word in [name, *words.split(",")][:_MOST_WORDS]]
    rules = [_rule(word) for word in wanted if word]
    return re.compile("|".join(rules)) if rules else None


def _rule(word: str) -> str:
    """A whole word, its plural too; a part of a text where writing has no spaces."""
    escaped = r"\s+".join(map(re.escape, word.split()))
    if re.search(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]", word):
        return escaped
    stem = escaped.removesuffix("s") if len(word) > 4 else escaped
    return rf"(?<!\w){stem}(?:s|es)?(?!\w)"
