"""What an answer rests on, opened: a passage with its document and picture, or the photo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from assistant.telling import citations_of
from ui.plain import escape_markdown
from ui.session import get_agents

if TYPE_CHECKING:
    from assistant.knowledge import Passage
    from assistant.sources import Source
    from assistant.store import Exchange
    from ui.desk import Desk
    from ui.words import Words

PICTURE_WIDTH = 180
_ID_LENGTH = 32


def find_source(exchange: Exchange, number: str) -> Source | None:
    """The citation of that number; None where there is none that can be read."""
    citations = citations_of(exchange.details)
    place = int(number) if number.isascii() and number.isdigit() else 0
    return citations[place - 1] if 1 <= place <= len(citations) else None


def draw_source(source: Source | None, desk: Desk, say: Words) -> None:
    """The dialog of one citation."""
    if source is None:
        st.caption(say("source_unreadable"))
    elif source.kind == "image":
        draw_seen(source, desk, say)
    else:
        draw_passage(source, desk, say)


def draw_seen(source: Source, desk: Desk, say: Words) -> None:
    """A photo, and what a tool saw in it."""
    _draw_picture(source, desk, say)
    if source.text and source.text != source.title:
        st.caption(say("source_seen"))
        st.text(source.text)


def draw_passage(source: Source, desk: Desk, say: Words) -> None:
    """A passage as it was when the answer was given."""
    passage, known = _passage_now(source.id)
    place = f" · {passage.place}" if passage is not None and passage.place else ""
    if source.origin:
        origin = say("source_from", document=source.origin)
        st.caption(escape_markdown(f"{origin}{place}"))
    if source.image_id:
        _draw_picture(source, desk, say, PICTURE_WIDTH)
    st.text(source.text)
    # The id of a passage holds only as long as its document says the same there.
    if known and passage is None and len(source.id) == _ID_LENGTH:
        st.caption(f":material/history: {say('source_gone')}")


def _draw_picture(source: Source, desk: Desk, say: Words, width: int | None = None) -> None:
    assert desk.keeper is not None
    name = source.title or say("photo")
    id = source.image_id or source.id
    try:
        data = desk.keeper.image_bytes(id)
    except SightdeskError:
        try:
            data = get_agents().indexed_picture(id)
        except SightdeskError:
            st.caption(say("photo_gone"))
            return
    st.image(data, width=width or "content", alt=say("photo_alt", name=name))


def _passage_now(id: str) -> tuple[Passage | None, bool]:
    """The passage as the knowledge base has it now, and whether that could be asked."""
    try:
        knowledge = get_agents().knowledge()
    except SightdeskError:
        return None, False
    try:
        return knowledge.passage(id), True
    except SightdeskError:
        return None, True
