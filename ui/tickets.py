"""The tickets page: conversations that were handed over, to be read and answered by a person.

Whoever serves the page reads it, not its visitors: it shows nothing where it is served to a
network. What customers wrote is untrusted, as on the chat page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui.dialogs import draw_dialog
from ui.plain import label
from ui.search_box import draw_search_box
from ui.session import get_desk, get_shelf, get_words, served_here
from ui.style import draw_style
from ui.ticket import draw_ticket
from ui.ticket_terms import state_icon, state_word
from ui.tickets_style import draw_tickets_style
from ui.troubles import draw_error, draw_notices

if TYPE_CHECKING:
    from assistant.store import Store, TicketState, TicketSummary
    from ui.words import Words

ICON = Path(__file__).parent / "assets" / "icon.svg"
OPEN, SHOWN = "ticket-open", "tickets-shown"
PAGE = 30
EVERY_SECONDS = 4.0


def main() -> None:
    """Draw the page once."""
    desk = get_desk()
    desk.begin()
    say = get_words(desk)
    st.set_page_config(page_title=f"Sightdesk · {say('tickets')}", page_icon=ICON)
    draw_style(say.language)
    draw_tickets_style()
    if not served_here():
        draw_frame(say)
        st.info(say("tickets_not_here"), icon=":material/lock:")
        return
    try:
        store = get_shelf().open()
        draw_frame(say)
        with st.sidebar:
            state, search = draw_filter(say)
        limit = st.session_state.setdefault(SHOWN, PAGE)
        found = store.tickets(state, search=search, limit=limit)
        total = store.count_tickets(state, search=search)
        id = choose(store, say)
        draw_list(found, total, id, state, search, say)
        watch(store, id, state, search, limit)
        draw_notices(desk, say)
        if id is None:
            draw_none(store, found, say)
            return
        draw_ticket(store.ticket(id), store, desk, say)
        draw_dialog(desk, say, None)
    except SightdeskError as error:
        draw_error(str(error), say)


def draw_frame(say: Words) -> None:
    """The way back."""
    with st.sidebar:
        st.subheader("Sightdesk", anchor=False)
        st.caption(say("tickets_tagline"))
        st.page_link("chat.py", label=say("tickets_back"), icon=":material/arrow_back:")


def draw_filter(say: Words) -> tuple[TicketState | None, str]:
    """Which tickets are listed, and with which words."""
    names = {"open": say("tickets_open"), "closed": say("tickets_closed"), "": say("tickets_all")}
    chosen = st.segmented_control(
        say("tickets_which"),
        list(names),
        key="tickets-state",
        default="open",
        format_func=lambda state: names[state],
        label_visibility="collapsed",
        width="stretch",
    )
    search = draw_search_box(say("tickets_search"), key="tickets-search")
    states: dict[str | None, TicketState | None] = {"open": "open", "closed": "closed"}
    return states.get(chosen, "open" if chosen is None else None), search


def choose(store: Store, say: Words) -> str | None:
    """The ticket that is open: the one chosen last, or the address's."""
    if OPEN not in st.session_state:
        st.session_state[OPEN] = st.query_params.get("ticket")
    id: str | None = st.session_state[OPEN]
    if id is not None:
        try:
            id = store.ticket(id).id
        except SightdeskError:
            st.warning(say("ticket_gone"), icon=":material/warning:")
            id = st.session_state[OPEN] = None
    if id is None:
        st.query_params.clear()
    elif st.query_params.get("ticket") != id:
        st.query_params["ticket"] = id
    return id


def draw_list(
    found: list[TicketSummary],
    total: int,
    id: str | None,
    state: TicketState | None,
    search: str,
    say: Words,
) -> None:
    """The tickets, who waits first."""
    with st.sidebar, st.container(key="threads", gap="xxsmall"):
        if not found:
            st.caption(_nothing(state, search, say))
        for each in found:
            about = label(each.summary or each.reason, 34) or each.id
            st.button(
                f"{about} · {state_word(each, say)}",
                key=f"thread-{each.id}",
                icon=state_icon(each),
                type="secondary" if each.id == id else "tertiary",
                width="stretch",
                on_click=_open,
                args=(each.id,),
            )
        if total > len(found):
            st.button(
                say("tickets_more"),
                key="tickets-more",
                icon=":material/expand_more:",
                type="tertiary",
                on_click=_show_more,
            )


def _nothing(state: TicketState | None, search: str, say: Words) -> str:
    if search.strip():
        return say("tickets_no_match")
    if state == "open":
        return say("tickets_none_open")
    return say("tickets_none_closed") if state == "closed" else say("tickets_none")


def draw_none(store: Store, found: list[TicketSummary], say: Words) -> None:
    """What stands in the place of a ticket."""
    st.header(say("tickets"), anchor=False)
    if found:
        st.write(say("tickets_choose"))
    elif store.count_tickets():
        st.write(say("tickets_none_open"))
    else:
        st.write(say("tickets_none"))


@st.fragment(run_every=EVERY_SECONDS)
def watch(store: Store, id: str | None, state: TicketState | None, search: str, limit: int) -> None:
    """Draw the page anew when a ticket came or changed; what is being typed stays."""
    try:
        listed = store.tickets(state, search=search, limit=limit)
        opened = store.ticket(id) if id is not None else None
    except SightdeskError:
        return
    now = (
        id, state, search, limit,
        [(each.id, each.updated) for each in listed], opened and opened.updated,
    )  # fmt: skip
    before = st.session_state.get("tickets-seen")
    st.session_state["tickets-seen"] = now
    if before is not None and before[:4] == now[:4] and before != now:
        st.rerun(scope="app")


def _open(id: str) -> None:
    st.session_state[OPEN] = id


def _show_more() -> None:
    st.session_state[SHOWN] += 2 * PAGE


if __name__ == "__main__":
    main()
