"""The sidebar: a new conversation, the list of those that are kept, search, settings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING

import streamlit as st

from ui.desk import THREADS_PAGE
from ui.plain import label, name_model
from ui.search_box import draw_search_box
from ui.session import served_here

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from assistant.engine import Engine
    from assistant.store import ThreadSummary
    from ui.desk import Desk
    from ui.engine_room import AgentRoom
    from ui.words import Words

TITLE_LENGTH = 40


def draw_sidebar(desk: Desk, say: Words) -> tuple[DeltaGenerator, DeltaGenerator, str]:
    """The frame of the sidebar.

    Returns:
        Places for the list and for what the engine can tell, and what is searched for.
    """
    with st.sidebar:
        st.subheader("Sightdesk", anchor=False)
        st.caption(say("tagline"))
        st.button(
            say("new"),
            key="new",
            icon=":material/add:",
            type="primary",
            width="stretch",
            on_click=_start_anew,
            args=(desk,),
        )
        search = draw_search_box(say("search"), key="search")
        threads = st.container(key="threads", gap="xxsmall")
        st.space("small")
        st.page_link("train.py", label=say("train"), icon=":material/model_training:")
        if served_here():
            st.page_link("find.py", label=say("find"), icon=":material/image_search:")
            st.page_link("review.py", label=say("review"), icon=":material/fact_check:")
            _draw_tickets_link(desk, say)
        st.button(
            say("settings"),
            key="settings",
            icon=":material/settings:",
            type="tertiary",
            on_click=_open_settings,
            args=(desk,),
        )
        return threads, st.empty(), search


def _draw_tickets_link(desk: Desk, say: Words) -> None:
    """The way to the tickets, with how many wait."""
    waiting = desk.waiting_tickets()
    text = say("tickets_waiting", n=waiting) if waiting else say("tickets")
    st.page_link("tickets.py", label=text, icon=":material/support_agent:")


def draw_list(place: DeltaGenerator, desk: Desk, say: Words, search: str) -> None:
    """The conversations, by the day of their last answer, the newest first."""
    with place:
        _draw_list(desk, say, search)


def _draw_list(desk: Desk, say: Words, search: str) -> None:
    threads, total = desk.threads(search)
    if not threads:
        st.caption(say("no_match") if search.strip() else say("no_threads"))
        return
    for title, group in by_day(threads, datetime.now().astimezone(), say):
        st.caption(title)
        for thread in group:
            st.button(
                label(thread.title, TITLE_LENGTH) or say("untitled"),
                key=f"thread-{thread.id}",
                type="secondary" if thread.id == desk.thread_id else "tertiary",
                width="stretch",
                on_click=_open,
                args=(desk, thread.id),
            )
    if total > len(threads):
        st.button(
            say("more_threads"),
            key="more-threads",
            icon=":material/expand_more:",
            type="tertiary",
            on_click=_show_more,
            args=(desk,),
        )


def by_day(
    threads: Iterable[ThreadSummary], now: datetime, say: Words
) -> Iterator[tuple[str, list[ThreadSummary]]]:
    """Groups of threads with their titles, in the order given.

    Args:
        threads: newest first.
        now: with the visitor's time zone.
    """

    def group(thread: ThreadSummary) -> str:
        day = thread.updated.astimezone(now.tzinfo).date()
        if day >= now.date():
            return say("today")
        if day == now.date() - timedelta(days=1):
            return say("yesterday")
        return say("week") if day > now.date() - timedelta(days=7) else say("older")

    return ((title, list(those)) for title, those in groupby(threads, group))


def draw_model(
    place: DeltaGenerator,
    desk: Desk,
    engine: Engine,
    say: Words,
    agents: AgentRoom | None = None,
) -> None:
    """Which model, adapter and quantization answer, quietly.

    Args:
        agents: where the support desk answers.
    """
    if agents is not None:
        text = f"{say('desk')}: {name_model(agents.model_name, '', '')}"
        if agents.untrained:
            text = f"{text}  \n:material/warning: {say('desk_untrained')}"
        place.caption(text)
        return
    shown = name_model(
        engine.name,
        desk.preferences.adapter or engine.adapter,
        getattr(engine, "quantization", None),
    )
    place.caption(f"{say('model')}: {shown}")


def _start_anew(desk: Desk) -> None:
    desk.start_anew()
    desk.notices.clear()


def _open(desk: Desk, thread_id: str) -> None:
    if not desk.open(thread_id) and desk.trouble is None:
        desk.notices.append("gone")


def _show_more(desk: Desk) -> None:
    desk.threads_shown += 2 * THREADS_PAGE


def _open_settings(desk: Desk) -> None:
    desk.dialog = ("settings", "")
