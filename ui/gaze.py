"""Where it looked: the photo with the weight that its parts had for each word of the answer.

The engine hides parts of the photo and sees which words suffer, which takes a while; what it found
is kept while the conversation is open.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from assistant.errors import SightdeskError
from ui.conversation import make_turns, pictures_in
from ui.heat import by_word, overlay, strongest, whole
from ui.plain import escape_markdown, one_line
from ui.session import get_room
from ui.troubles import draw_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from assistant.engine import Engine, Gaze
    from assistant.store import Exchange
    from ui.desk import Desk
    from ui.words import Words


def draw_gaze(exchange: Exchange, desk: Desk, say: Words, engine: Engine) -> None:
    """The panel for one answer."""
    if exchange.id not in desk.gazes:
        bar = st.progress(0.0, text=say("gaze_computing"))

        def report(share: float) -> None:
            bar.progress(min(max(share, 0.0), 1.0), text=say("gaze_computing"))

        try:
            desk.gazes[exchange.id] = compute(exchange, desk, engine, report)
        except SightdeskError as error:
            draw_error(str(error), say)
            return
        finally:
            bar.empty()
    words = by_word(desk.gazes[exchange.id])
    if not words:
        st.caption(say("gaze_none"))
        return
    st.caption(say("gaze_hint"))
    labels = [say("gaze_whole"), *(one_line(word, 40) for word, _ in words)]
    chosen = st.pills(
        say("gaze_words"),
        range(len(labels)),
        format_func=lambda place: escape_markdown(labels[place]),
        default=0,
        required=True,
        key=f"word-{exchange.id}",
        label_visibility="collapsed",
    )
    place = chosen or 0
    grids = whole(words) if place == 0 else words[place - 1][1]
    names = desk.names()
    draw_sentence(labels[place], place, grids, names, say)
    peak = max(float(grid.max()) for grid in grids.values())
    columns = st.columns(len(grids))
    for column, (id, grid) in zip(columns, grids.items(), strict=True):
        with column:
            try:
                picture = overlay(desk.picture(id).pixels, grid, peak)
            except SightdeskError:
                st.caption(say("photo_gone"))
                continue
            st.image(picture, width="stretch", alt=say("photo_alt", name=names.get(id, "")))


def draw_sentence(
    word: str, place: int, grids: dict[str, Any], names: dict[str, str], say: Words
) -> None:
    """The same in words, for whoever cannot see the overlay."""
    id, part, share = strongest(grids)
    where = {
        "at_top_left": say("at_top_left"),
        "at_top": say("at_top"),
        "at_top_right": say("at_top_right"),
        "at_left": say("at_left"),
        "at_middle": say("at_middle"),
        "at_right": say("at_right"),
        "at_bottom_left": say("at_bottom_left"),
        "at_bottom": say("at_bottom"),
        "at_bottom_right": say("at_bottom_right"),
    }[part]
    fields = {"place": where, "name": names.get(id, ""), "share": round(100 * share)}
    st.text(say("gaze_text", word=word, **fields) if place else say("gaze_text_whole", **fields))


def compute(
    exchange: Exchange, desk: Desk, engine: Engine, report: Callable[[float], None]
) -> list[Gaze]:
    """Ask the engine; the whole conversation up to this answer counts.

    Args:
        report: is told the share that is done; may raise to give up.
    """
    turns = make_turns([e for e in desk.exchanges if e.position <= exchange.position])
    if asked := exchange.details.get("asked"):
        turns[-1] = replace(turns[-1], text=asked)
    pictures = [desk.picture(id) for id in pictures_in(turns)]
    with get_room().turn(lambda: report(0.0)):
        return engine.look(
            turns, pictures, exchange.answer, adapter=_adapter(exchange, engine), progress=report
        )


def _adapter(exchange: Exchange, engine: Engine) -> str | None:
    """The adapter that gave the answer, if it can be asked again."""
    name = exchange.details.get("adapter")
    return name if isinstance(name, str) and name in engine.choices() else None
