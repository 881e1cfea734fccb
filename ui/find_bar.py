"""The upper part of the page "Find": words, a picture, filters, order; and their address.

The address and the widgets say the same. Whoever opens an address, or goes back to one, finds the
widgets set as it says; whoever changes a widget gets a new address.
"""

from __future__ import annotations

import base64
import binascii
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from assistant.errors import SightdeskError
from assistant.images import fit_within, open_image
from assistant.settings import get_settings
from ui.find_query import EARLIEST, LATEST, LONGEST, MOST_LEAST, SIZES, SORTS, Query, Sort
from ui.find_terms import folder_names, name_of
from ui.photos import Photo
from ui.plain import escape_markdown, one_line
from ui.troubles import draw_error

if TYPE_CHECKING:
    from assistant.image_index import ImageIndex, IndexedFolder
    from ui.find_query import Size
    from ui.words import Words

WORDS: Final = "find-words"
PICTURE: Final = "find-picture"
"""Of the session: the `Photo` that was dropped; it has no address."""

LIKE: Final = "find-like"
ASKED: Final = "find-asked"
"""Of the session: the address that the widgets were last set to, or gave."""

_LABELS, _FOLDER, _SIZE, _LEAST = "find-labels", "find-folder", "find-size", "find-least"
_SINCE, _UNTIL, _ALIKE = "find-since", "find-until", "find-alike"
_SORT, _ORDER = "find-sort", "find-order"
"""Of pictures by likeness, and of all."""

ORDERS: Final[tuple[Sort, ...]] = ("newest", "oldest", "name")
_TROUBLE = "find-picture-trouble"
_CHIP = 96
_ASSETS = Path(__file__).parent / "assets"

_drop = st.components.v2.component(
    "sightdesk_find_drop",
    js=(_ASSETS / "find_drop.js").read_text(encoding="utf-8"),
    css=(_ASSETS / "find_drop.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


# --- the address


def read_query(folders: list[IndexedFolder], usual: int) -> Query:
    """What is asked for, by the widgets, or by an address that is new to them.

    Args:
        folders: that can be asked for.
        usual: the least likelihood, in per cent, where none is asked for.
    """
    state = st.session_state
    given = Query.read({name: st.query_params.get_all(name) for name in st.query_params})
    address = given.address()
    if WORDS not in state or state.get(ASKED) != address:
        if ASKED in state and state[ASKED] != address:
            state.pop(PICTURE, None)
        set_query(given, usual)
    # What Streamlit forgot of a widget that was not drawn, or cannot match with what is drawn now.
    for key, known, otherwise in (
        (_SORT, SORTS, SORTS[0]),
        (_ORDER, ORDERS, ORDERS[0]),
        (_FOLDER, ("", *(folder.id for folder in folders)), ""),
    ):
        if state.get(key) not in known:
            state[key] = otherwise
    by_likeness = bool(state[WORDS].strip() or state[LIKE] or PICTURE in state)
    order: Sort = "likeness" if state[_ORDER] == ORDERS[0] else state[_ORDER]
    least = state[_LEAST]
    query = Query(
        words=" ".join(state[WORDS].split())[:LONGEST],
        like=state[LIKE],
        labels=tuple(state[_LABELS]),
        folder=state[_FOLDER],
        since=state[_SINCE],
        until=state[_UNTIL],
        size=state[_SIZE],
        least=None if least == usual else least,
        sort=state[_SORT] if by_likeness else order,
        alike=state[_ALIKE] == "alike",
    )
    if query.address() != address:
        st.query_params.from_dict(query.address())
    state[ASKED] = query.address()
    return query


def set_query(query: Query, usual: int) -> None:
    """Set the widgets, before they are drawn."""
    state = st.session_state
    state[WORDS], state[LIKE], state[_LABELS] = query.words, query.like, list(query.labels)
    state[_FOLDER], state[_SINCE], state[_UNTIL] = query.folder, query.since, query.until
    state[_SIZE] = query.size
    by_likeness = bool(query.words or query.like)
    state[_SORT] = query.sort if by_likeness else SORTS[0]
    state[_ORDER] = query.sort if query.sort in ORDERS and not by_likeness else ORDERS[0]
    state[_LEAST] = usual if query.least is None else query.least
    state[_ALIKE] = "alike" if query.alike else "all"


def find_similar(image_id: str) -> None:
    """Look for pictures like an indexed one, in all folders; for callbacks."""
    state = st.session_state
    state.pop(PICTURE, None)
    state[LIKE], state[WORDS], state[_ALIKE], state[_SORT] = image_id, "", "all", "likeness"


def clear_filters(usual: int) -> None:
    """Ask for no filter; for callbacks."""
    state = st.session_state
    state[_LABELS], state[_FOLDER], state[_SIZE] = [], "", None
    state[_SINCE] = state[_UNTIL] = None
    state[_LEAST] = usual


def show_closest() -> None:
    """Leave nothing out; for callbacks."""
    st.session_state[_LEAST] = 0


def choose_folder(id: str) -> None:
    """Look in one folder, or in all; for callbacks."""
    st.session_state[_FOLDER] = id


# --- what is drawn


def draw_bar(
    query: Query, index: ImageIndex, folders: list[IndexedFolder], usual: int, say: Words
) -> None:
    """Words, a picture, and what is looked at."""
    asked = bool(query.words or query.like or st.session_state.get(PICTURE))
    with st.container(horizontal=True, vertical_alignment="center", key="find-ask"):
        st.text_input(
            say("find_words"),
            key=WORDS,
            type="search",
            icon=":material/search:",
            placeholder=say("find_words_hint"),
            label_visibility="collapsed",
            max_chars=LONGEST,
        )
        with st.container(width="content", key="find-drop-box"):
            draw_drop(say)
    draw_asked_picture(query, index, say)
    with st.container(horizontal=True, vertical_alignment="center", key="find-tools"):
        names = {"all": say("find_all"), "alike": say("find_alike")}
        st.segmented_control(
            say("find_what"),
            list(names),
            key=_ALIKE,
            required=True,
            format_func=lambda name: names[name],
            label_visibility="collapsed",
        )
        count = query.filters
        with st.popover(
            say("find_filters_on", n=count) if count else say("find_filters"),
            icon=":material/tune:",
            type="primary" if count else "secondary",
            key="find-filters",
            disabled=query.alike,
        ):
            draw_filters(query, index, folders, usual, say)
        # Streamlit tells options apart by their labels: one widget must always have the same ones.
        orders: dict[Sort, str] = {
            "likeness": say("find_sort_likeness"),
            "newest": say("find_sort_newest"),
            "oldest": say("find_sort_oldest"),
            "name": say("find_sort_name"),
        }
        st.selectbox(
            say("find_sort"),
            SORTS if asked else ORDERS,
            key=_SORT if asked else _ORDER,
            format_func=lambda name: orders[name],
            label_visibility="collapsed",
            disabled=query.alike,
            width=190,
        )


def draw_drop(say: Words) -> None:
    """The button for a picture, and the whole page as a place to drop it on."""
    most = get_settings().max_image_bytes
    words = {
        "choose": say("find_choose"),
        "drop": say("find_drop"),
        "reading": say("find_reading"),
        "large": say("find_too_large", n=most // 2**20),
        "failed": say("find_not_read"),
    }
    given = _drop(
        key="find-drop", data={"words": words, "most": most}, on_picture_change=lambda: None
    ).picture
    if given is not None:
        take_picture(given, say)
        st.rerun()


def take_picture(given: Any, say: Words) -> None:
    """Open what the browser gave, or note why it is no picture."""
    state = st.session_state
    try:
        name = one_line(str(given["name"]), 120) or say("photo")
        content = str(given["content"])
        if len(content) > get_settings().max_image_bytes * 4 // 3 + 4:
            raise binascii.Error
        data = base64.b64decode(content, validate=True)
        image = open_image(BytesIO(data), name=name)
    except (TypeError, KeyError, ValueError):
        state[_TROUBLE] = say("find_not_read")
    except SightdeskError as error:
        state[_TROUBLE] = str(error)
    else:
        state[PICTURE], state[LIKE], state[_ALIKE] = Photo(name, image), "", "all"


def draw_asked_picture(query: Query, index: ImageIndex, say: Words) -> None:
    """The picture that is looked for, or why the one that was given is none."""
    if (trouble := st.session_state.pop(_TROUBLE, None)) is not None:
        draw_error(trouble, say)
    photo: Photo | None = st.session_state.get(PICTURE)
    if query.like:
        try:
            file = index.file(query.like)
            name, content = name_of(file), index.thumbnail(file)
        except SightdeskError as error:
            draw_error(str(error), say)
            name, content = "", b""
    elif photo is not None:
        name = photo.name
        stream = BytesIO()
        fit_within(photo.image.pixels, _CHIP * 2).save(stream, "WEBP", quality=85)
        content = stream.getvalue()
    else:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="find-asked-picture"):
        if content:
            st.image(content, width=56, alt=say("photo_alt", name=name))
        st.text(say("find_like", name=one_line(name, 60)) if name else say("find_like_gone"))
        st.button(
            say("find_like_remove"),
            key="find-like-remove",
            icon=":material/close:",
            type="tertiary",
            on_click=_forget_picture,
        )


def _forget_picture() -> None:
    st.session_state.pop(PICTURE, None)
    st.session_state[LIKE] = ""


def draw_filters(
    query: Query, index: ImageIndex, folders: list[IndexedFolder], usual: int, say: Words
) -> None:
    """Label, folder, days, size, likelihood."""
    labels = sorted({*index.labels(), *query.labels}, key=str.casefold)
    st.multiselect(
        say("find_labels"),
        labels,
        key=_LABELS,
        placeholder=say("find_labels_any") if labels else say("find_labels_none"),
        disabled=not labels,
    )
    names = {"": say("find_folder_all")} | folder_names(folders)
    st.selectbox(
        say("find_folder"), list(names), key=_FOLDER, format_func=lambda id: names.get(id, "")
    )
    with st.container(horizontal=True):
        for name, key in ((say("find_since"), _SINCE), (say("find_until"), _UNTIL)):
            st.date_input(
                name, key=key, format="YYYY-MM-DD", value=None, min_value=EARLIEST,
                max_value=LATEST, width=150,
            )  # fmt: skip
    sizes: dict[Size, str] = {
        "small": say("find_size_small"),
        "medium": say("find_size_medium"),
        "large": say("find_size_large"),
    }
    st.segmented_control(
        say("find_size"), SIZES, key=_SIZE, format_func=lambda size: sizes[size],
        help=say("find_size_help"),
    )  # fmt: skip
    st.slider(say("find_least"), 0, MOST_LEAST, key=_LEAST, format="%d %%")
    st.caption(escape_markdown(say("find_least_hint", n=usual)))
    if query.filters:
        st.button(
            say("find_clear"), key="find-clear", icon=":material/filter_alt_off:",
            on_click=clear_filters, args=(usual,),
        )  # fmt: skip
