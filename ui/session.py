"""What the drawing modules share: the tab's desk, its words, the server's store and engine room."""

from __future__ import annotations

import atexit
from threading import Lock

import streamlit as st

from assistant.errors import SightdeskError
from assistant.settings import get_settings
from assistant.store import Store
from assistant.webhook import Courier
from ui.desk import Desk
from ui.engine_room import AgentRoom, EngineRoom
from ui.words import Words, choose_language

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class Shelf:
    """The one store of the server, opened by the first who needs it, again after a failure."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._guard = Lock()

    def open(self) -> Store:
        """The store.

        Raises:
            StoreError: it cannot be opened.
        """
        with self._guard:
            if self._store is None:
                self._store = Store.open()
            return self._store


@st.cache_resource(show_spinner=False)
def get_room() -> EngineRoom:
    """The engine room that all sessions of this server share."""
    return EngineRoom()


@st.cache_resource(show_spinner=False)
def get_shelf() -> Shelf:
    """The store that all sessions of this server share."""
    return Shelf()


@st.cache_resource(show_spinner=False, on_release=AgentRoom.close)
def get_agents() -> AgentRoom:
    """The agent's room that all sessions of this server share."""
    room = AgentRoom(get_room(), get_shelf().open)
    atexit.register(room.close)
    return room


@st.cache_resource(show_spinner=False)
def get_courier() -> Courier | None:
    """Who tells the webhook of tickets while this server runs; None where it cannot begin."""
    try:
        return Courier().start()
    except SightdeskError:
        return None


def get_desk() -> Desk:
    """What this tab has open."""
    if "desk" not in st.session_state:
        st.session_state["desk"] = Desk(get_shelf().open)
    desk: Desk = st.session_state["desk"]
    return desk


def desk_answers(desk: Desk) -> bool:
    """Whether the support desk answers in this tab, and not the photo model."""
    chosen = desk.preferences.desk
    return desk_by_default() if chosen is None else chosen


def desk_by_default() -> bool:
    """Whether the support desk answers where nobody chose: as set, else if it knows something."""
    chosen = get_settings().desk
    return get_agents().knows_something if chosen is None else chosen


def served_here() -> bool:
    """Whether only this machine reaches the page, so that a visitor is who runs it.

    A proxy before it says so in its headers.
    """
    own = st.get_option("server.address") in ("127.0.0.1", "::1", "localhost")
    return own and not any(st.context.headers.get(name) for name in _FORWARDED)


def get_words(desk: Desk) -> Words:
    """The page's words, in the visitor's language."""
    return Words(choose_language(desk.preferences.language, st.context.locale))
