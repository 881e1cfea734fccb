"""What of a passage is embedded: one text or several, each short enough to be read whole.

A model reads some 256 pieces of words and passes over the rest, and a vector of a text about five
things lies near none of them. So a product is its description, its facts and its nutrition table,
each with its name.
"""

from __future__ import annotations

import hashlib
import re

from assistant.knowledge.blocks import count_words, sentences
from assistant.knowledge.products import KIND
from assistant.knowledge.words import readable

_WORDS = 50
"""Words of a text that is embedded; longer passages are several."""

_TABLE = re.compile(r"^nutrition values?\b", re.IGNORECASE)


def facets(title: str, text: str, label: str = "", coarse_label: str = "") -> list[str]:
    """The texts that stand for a passage; the same ones each time."""
    if label:
        kind = readable(coarse_label)
        name = title if not kind or kind.casefold() in title.casefold() else f"{title}, {kind}"
        # The kind is in the name; alone it would be near every question about such things.
        lines = [line for line in text.split("\n") if not line.startswith(KIND)]
        table = [line for line in lines if _TABLE.match(line)]
        said = [line for line in lines if not _TABLE.match(line)]
        facts = [line for line in said if re.match(r"^[^.:]{1,40}: ", line)]
        prose = [line for line in said if line not in facts]
        groups = [" ".join(prose), " ".join(facts), *table]
        return [f"{name}. {part}" for group in groups for part in _parts(group)] or [name]
    return [f"{title}. {part}" if title else part for part in _parts(text)]


def digest(text: str) -> str:
    """What a text is known by in the cache of vectors."""
    return hashlib.sha256(text.encode()).hexdigest()


def _parts(text: str) -> list[str]:
    """`text` in pieces of about the same length, each of at most some `_WORDS`."""
    total = count_words(text)
    if total == 0:
        return []
    if total <= _WORDS:
        return [text]
    most = total / -(-total // _WORDS)
    parts: list[str] = []
    size = most
    for sentence in sentences(text):
        words = count_words(sentence)
        if size + words / 2 > most:
            parts.append(sentence)
            size = 0.0
        else:
            parts[-1] += " " + sentence
        size += words
    return parts
