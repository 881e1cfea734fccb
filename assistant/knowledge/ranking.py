"""Two lists of passages into one: reciprocal rank fusion, with a word for titles that are named.

Formula: Cormack, Clarke and Büttcher, "Reciprocal Rank Fusion outperforms Condorcet and individual
Rank Learning Methods", SIGIR 2009.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from assistant.knowledge.words import mentions, singular, tokens

DEPTH = 40
"""Passages that each list contributes."""

_SMOOTH = 60
"""The paper's constant: how little the first ranks stand out."""

_NAMED = 1.0 / _SMOOTH
"""For a title that the question names: as much as the first rank in one more list."""


def fuse(lists: Sequence[Sequence[int]]) -> dict[int, float]:
    """Score of each key in any of the lists."""
    scores: dict[int, float] = {}
    for ranked in lists:
        for rank, key in enumerate(ranked, 1):
            scores[key] = scores.get(key, 0.0) + 1 / (_SMOOTH + rank)
    return scores


def named(
    titles: Mapping[int, str], kinds: Mapping[int, str], words: Sequence[str]
) -> dict[int, float]:
    """What titles that the words name are worth: the longer they are, the more.

    A title inside another one that is named too ("Orange" in "Orange Bell Pepper") is not named,
    nor is one that a kind of other things follows ("orange juice" is no orange).

    Args:
        titles: of passages, by key.
        kinds: their coarse labels, empty where there is none.
        words: of the question.
    """
    said = [kind for kind in map(tokens, set(kinds.values())) if mentions(kind, words)]
    found = {key: tokens(title) for key, title in titles.items()}
    found = {
        key: title
        for key, title in found.items()
        if mentions(title, words) and not any(mentions([*title, *kind], words) for kind in said)
    }
    whole = {tuple(title) for title in found.values()}
    longer = [
        title
        for title in whole
        if not any(len(other) > len(title) and _inside(title, other) for other in whole)
    ]
    return {key: _NAMED * len(title) for key, title in found.items() if tuple(title) in set(longer)}


def _inside(title: Sequence[str], other: Sequence[str]) -> bool:
    return mentions(title, [singular(word) for word in other])
