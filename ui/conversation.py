"""What the model is told of a conversation, and which photos it is about.

Pure values in, pure values out: exchanges of the store, no drawing, no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from assistant.prompts import DESCRIBE
from assistant.telling import is_by_desk, without_marks

if TYPE_CHECKING:
    from assistant.engine import Turn
    from assistant.store import Exchange

MAX_PHOTOS = 4
"""Photos that one turn may bring."""

MAX_TOLD = 6
"""Exchanges that the model is told of: its context is short, and its training was on fewer."""

PAGE = 20
"""Exchanges that are read and drawn at first; "show earlier" adds as many."""


def question_for(text: str) -> str:
    """A message as it is put to the model; an empty one asks for a description."""
    return text.strip() or DESCRIBE["sentence"]


def make_turns(exchanges: Sequence[Exchange]) -> list[Turn]:
    """What the model is told: the answered exchanges, then the question of the last one.

    Photos of an exchange that was left without an answer, or that is too old to be told, go with
    the next question, so that a photo survives a stopped answer and a long conversation.

    Args:
        exchanges: in order, at least one; where the thread's beginning was not read, the photos it
            was about then are taken from the ``about`` of the first one's details.
    """
    from assistant.engine import Turn

    *earlier, last = exchanges
    # What a person answered stands to no question, and the model was not there.
    answered = [each for each in earlier if each.answer and each.details.get("by") != "person"]
    told = {exchange.id for exchange in [*answered[-(MAX_TOLD - 1) :], last]}
    turns: list[Turn] = []
    waiting = carried(exchanges[0])
    for exchange in exchanges:
        if exchange.details.get("by") == "person":
            continue
        if exchange.id not in told:
            waiting = exchange.used or waiting
            continue
        # As it was put to the model, with what the encoder saw; the last one is put anew.
        asked = exchange.question if exchange is last else exchange.details.get("asked")
        turns.append(Turn("user", asked or exchange.question, exchange.used or waiting))
        waiting = ()
        if exchange is not last:
            by_desk, answer = is_by_desk(exchange), exchange.answer
            turns.append(Turn("assistant", without_marks(answer) if by_desk else answer))
    return turns


def carried(exchange: Exchange) -> tuple[str, ...]:
    """Ids of the photos that the conversation was about when this was asked."""
    if exchange.used:
        return ()
    about = exchange.details.get("about")
    return tuple(about) if isinstance(about, list | tuple) else ()


def about(exchanges: Sequence[Exchange]) -> tuple[str, ...]:
    """Ids of the latest photos that these exchanges show to the model."""
    for exchange in reversed(exchanges):
        if exchange.used:
            return exchange.used
    return carried(exchanges[0]) if exchanges else ()


def shown_photos(exchanges: Sequence[Exchange]) -> list[tuple[str, str]]:
    """Ids and file names of the latest photos as the visitor sent them."""
    for exchange in reversed(exchanges):
        if exchange.images:
            return list(zip(exchange.images, exchange.names, strict=False))
    return []


def pictures_in(turns: Sequence[Turn]) -> list[str]:
    """Ids of all pictures of the turns, in order, without repeats."""
    return list(dict.fromkeys(id for turn in turns for id in turn.images))
