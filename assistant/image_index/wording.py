"""What is noted of pictures, against the words of a search.

A picture of which all is noted that was asked for has twenty times the odds that its vector alone
gives it; of which a part is noted, the part of that.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from assistant.image_index.finders import Finder
from assistant.image_index.knowing import batches
from assistant.knowledge.words import mentions, query_words, singular, tokens
from assistant.space import Vectors
from assistant.store.image_rows import IndexedImageRow

_WORTH = log(20.0)
_LOOKED_AT = 500
_LEAST = 0.5
"""The part of the words below which it is chance."""

# Words about pictures say nothing of what they show.
_FRAME = frozenset(
    ["photo", "picture", "image", "photograph", "snapshot", "pic", "showing", "shown", "show"]
)


class Wording:
    """The words of one search.

    Attributes:
        keys: of pictures of which some of the words are noted, at most 500.
    """

    def __init__(self, session: Session, tenant: str, finder: Finder, text: str) -> None:
        self._said = tokens(text)
        asked = dict.fromkeys(map(singular, query_words(text)))
        self._words = [word for word in asked if word not in _FRAME]
        self._tenant = tenant
        self.keys = finder.by_words(session, self._words, _LOOKED_AT) if self._words else []

    def bonuses(self, session: Session, keys: Sequence[int]) -> Vectors:
        """What is to be added to each picture's log odds, float32 [n]."""
        rows = IndexedImageRow
        noted = (rows.label != "") | (rows.coarse_label != "") | (rows.caption != "")
        found: dict[int, float] = {}
        for part in batches(keys):
            columns = (rows.key, rows.label, rows.coarse_label, rows.caption)
            for key, *said in session.execute(select(*columns).where(rows.key.in_(part), noted)):
                found[key] = self._share(*said)
        return np.array([_WORTH * found.get(key, 0.0) for key in keys], np.float32)

    def _share(self, label: str, coarse_label: str, caption: str) -> float:
        """How much of what was asked for is noted, 0 to 1; all where the whole label is said."""
        if mentions(tokens(label), self._said):
            return 1.0
        noted = set(map(singular, tokens(" ".join((label, coarse_label, caption)))))
        share = sum(word in noted for word in self._words) / len(self._words)
        return share if share >= _LEAST else 0.0
