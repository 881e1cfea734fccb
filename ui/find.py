"""The page "Find": words or a picture in, a grid of this machine's pictures out.

Whoever serves the page reads it, not its visitors: it shows no picture where it is served to a
network. File names, labels and descriptions are untrusted, as on the chat page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui import find_folders
from ui.find_bar import (
    PICTURE,
    clear_filters,
    draw_bar,
    read_query,
    show_closest,
)
from ui.find_details import VIEW, draw_details
from ui.find_grid import OPEN, draw_grid, percent
from ui.find_indexing import Indexings
from ui.find_pictures import MOST, PictureRoom, View, look
from ui.find_style import draw_find_style
from ui.find_terms import pictures
from ui.session import get_desk, get_shelf, get_words, served_here
from ui.style import draw_style
from ui.troubles import draw_error, draw_notices

if TYPE_CHECKING:
    from assistant.image_index import ImageIndex
    from ui.desk import Desk
    from ui.find_query import Query
    from ui.words import Words

ICON = Path(__file__).parent / "assets" / "icon.svg"


@st.cache_resource(show_spinner=False)
def get_pictures() -> PictureRoom:
    """The image index that all sessions of this server share."""
    return PictureRoom(get_shelf().open)


def main() -> None:
    """Draw the page once."""
    desk = get_desk()
    desk.begin()
    say = get_words(desk)
    st.set_page_config(page_title=f"Sightdesk · {say('find')}", page_icon=ICON)
    draw_style(say.language)
    draw_find_style()
    find_folders.draw_frame(say)
    if not served_here():
        st.info(say("find_not_here"), icon=":material/lock:")
        return
    draw_notices(desk, say)
    try:
        draw(get_pictures(), desk, say)
    except SightdeskError as error:
        st.header(say("find_title"), anchor=False)
        draw_error(str(error), say)
        st.button(say("try_again"), key="find-again", icon=":material/refresh:")


def draw(room: PictureRoom, desk: Desk, say: Words) -> None:
    """All of the page but its frame.

    Raises:
        SightdeskError: the index cannot be used.
    """
    indexings = Indexings.of()
    index = room.index()
    folders = index.folders()
    if not folders:
        find_folders.draw_empty(indexings, say)
        return
    room.warm()
    usual = round(100 * index.embedder.calibration.threshold)
    query = read_query(folders, usual)
    find_folders.draw_folder_list(folders, query.folder, indexings, say)
    st.header(say("find_title"), anchor=False)
    draw_bar(query, index, folders, usual, say)
    view = find(query, index, say)
    draw_count(view, usual, say)
    if view.found:
        draw_grid(view, index, say)
    else:
        draw_nothing(view, usual, say)
    if OPEN in st.session_state:
        draw_details(index, desk, say)
    else:
        find_folders.draw_dialog(folders, index, indexings, say)


def find(query: Query, index: ImageIndex, say: Words) -> View:
    """What is found; looked for again only when something else is asked."""
    photo = st.session_state.get(PICTURE)
    asked = (query, photo and photo.image.id)
    known: View | None = st.session_state.get(VIEW)
    if known is None or st.session_state.get("find-view-of") != asked:
        st.session_state.pop(OPEN, None)
        with st.spinner(say("find_alike_looking") if query.alike else say("find_looking")):
            known = look(index, query, photo.image if photo else None)
        st.session_state[VIEW], st.session_state["find-view-of"] = known, asked
    return known


def draw_count(view: View, usual: int, say: Words) -> None:
    """How many there are."""
    count = pictures(len(view.found), say)
    if view.alike:
        groups = len(view.groups)
        if groups:
            told = say("find_groups_one") if groups == 1 else say("find_groups", n=f"{groups:,}")
            st.caption(f"{told} · {count}")
        return
    if not view.found:
        return
    if len(view.found) >= MOST:
        count = say("find_first", n=f"{MOST:,}")
    if view.by_likeness:
        least = usual if view.query.least is None else view.query.least
        count += f" · {say('find_from', n=least)}" if least else ""
    st.caption(count)


def draw_nothing(view: View, usual: int, say: Words) -> None:
    """What stands in the place of the grid, and the ways on."""
    query = view.query
    with st.container(key="find-nothing"):
        if view.alike:
            st.subheader(say("find_no_alike"), anchor=False)
            st.write(say("find_no_alike_hint"))
            return
        if view.nothing:
            least = usual if query.least is None else query.least
            st.subheader(say("find_nothing"), anchor=False)
            st.write(say("find_nothing_hint", n=percent(view.best), least=least))
            st.button(
                say("find_closest"), key="find-closest", icon=":material/expand_more:",
                on_click=show_closest,
            )  # fmt: skip
        elif query.filters:
            st.subheader(say("find_none_fits"), anchor=False)
            st.write(say("find_none_fits_hint"))
        else:
            st.subheader(say("find_no_pictures"), anchor=False)
            st.write(say("find_no_pictures_hint"))
        if query.filters:
            st.button(
                say("find_clear"), key="find-clear-all", icon=":material/filter_alt_off:",
                on_click=clear_filters, args=(usual,),
            )  # fmt: skip


if __name__ == "__main__":
    main()
