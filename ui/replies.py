"""A person's answer in the chat: drawn as one, and seen without a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from assistant.store import Store

if TYPE_CHECKING:
    from assistant.store import Exchange, Ticket
    from ui.desk import Desk
    from ui.words import Words

EVERY_SECONDS = 4.0


def is_by_person(exchange: Exchange) -> bool:
    """Whether a person wrote this answer, to no question."""
    return exchange.details.get("by") == "person"


def draw_by_person(exchange: Exchange, say: Words) -> None:
    """An answer that a person wrote."""
    with (
        st.chat_message("person", avatar=":material/support_agent:"),
        st.container(key=f"by-person-{exchange.id}", gap="xxsmall"),
    ):
        st.caption(say("person_answered"))
        st.text(exchange.answer)


def open_ticket(desk: Desk) -> Ticket | None:
    """The ticket with which a person has the conversation; None where none has."""
    if desk.thread_id is None or not isinstance(desk.keeper, Store):
        return None
    try:
        return desk.keeper.ticket_of(desk.thread_id)
    except SightdeskError:
        return None


def draw_ticket_line(desk: Desk, say: Words) -> None:
    """That a person has the conversation, and the watch for the answer."""
    ticket = open_ticket(desk)
    if ticket is None:
        return
    st.caption(f":material/support_agent: {say('ticket_open_here', id=ticket.id)}")
    watch_replies(desk, ticket.id)


@st.fragment(run_every=EVERY_SECONDS)
def watch_replies(desk: Desk, ticket_id: str) -> None:
    """Draw the page anew when a person answered or closed the ticket, not while one is answered."""
    if desk.thread_id is None or not isinstance(desk.keeper, Store) or desk.busy.locked():
        return
    try:
        total = desk.keeper.thread(desk.thread_id, last=1).total
        ticket = desk.keeper.ticket_of(desk.thread_id)
    except SightdeskError:
        return
    if total != desk.total or ticket is None or ticket.id != ticket_id:
        desk.reload()
        st.rerun(scope="app")
