"""Whether a customer wants a person, in any of the languages whose words are known here."""

from __future__ import annotations

from typing import Final

from assistant.handover.english import ENGLISH
from assistant.handover.northern import NORTHERN
from assistant.handover.others import OTHERS
from assistant.handover.romance import ROMANCE
from assistant.handover.text import normalised, sentences
from assistant.handover.wording import Wording

WORDINGS: Final[tuple[Wording, ...]] = (ENGLISH, *ROMANCE, *NORTHERN, *OTHERS)

_LONGEST = 400
"""Characters of a sentence that are looked at: its start."""

_MOST = 30
"""Sentences that are looked at: the last ones."""


def asks_for_person(text: str) -> bool:
    """Whether the customer wants to be put through to a person.

    A sentence counts by itself; one that says that no person is needed, that tells of people or
    asks what is in a photo does not.
    """
    return any(_wished(*each) for each in sentences(normalised(text))[-_MOST:])


def _wished(sentence: str, question: bool) -> bool:
    start = sentence[:_LONGEST]
    # What no wish has in one language means nothing in another.
    if any(wording.nevers.search(start) for wording in WORDINGS):
        return False
    return any(wording.wished(start, question) for wording in WORDINGS)
