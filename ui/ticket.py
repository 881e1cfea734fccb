"""One ticket on the page: why, what was said, the answer, and what else can be done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from assistant.settings import get_settings
from ui.exchange import draw_photos
from ui.plain import escape_markdown
from ui.ticket_terms import kind_words, moment, state_colour, state_icon, state_word

if TYPE_CHECKING:
    from assistant.store import Reply, Said, Store, Ticket
    from ui.desk import Desk
    from ui.words import Words

PERSON = ":material/support_agent:"


def draw_ticket(ticket: Ticket, store: Store, desk: Desk, say: Words) -> None:
    """A ticket from its reason to the box for an answer."""
    with st.container(horizontal=True, vertical_alignment="center", key="ticket-title"):
        st.header(say("ticket_title", id=ticket.id), anchor=False, width="content")
        st.badge(state_word(ticket, say), icon=state_icon(ticket), color=state_colour(ticket))
    st.caption(
        f"{kind_words(ticket.kind, say)} · {say('ticket_opened', when=moment(ticket.created))}"
    )
    if ticket.reason or ticket.summary:
        with st.container(border=True, gap="xxsmall"):
            for title, text in (
                (say("ticket_reason"), ticket.reason),
                (say("ticket_summary"), ticket.summary),
            ):
                if text:
                    st.caption(title)
                    st.text(text)
    draw_webhook(ticket, store, say)
    names = picture_names(ticket, store, say)
    st.subheader(say("ticket_before"), anchor=False)
    if not ticket.transcript:
        st.caption(say("ticket_nothing_said"))
    for place, said in enumerate(ticket.transcript):
        draw_said(said, names, f"said-{place}", desk, say)
    if ticket.replies:
        st.subheader(say("ticket_since"), anchor=False)
    for reply in ticket.replies:
        draw_reply(reply, names, desk, say)
    if ticket.state == "open":
        draw_answer(ticket, store, say)
    else:
        st.button(
            say("ticket_reopen"),
            key=f"reopen-{ticket.id}",
            icon=":material/undo:",
            on_click=_reopen,
            args=(store, desk, ticket.id),
        )


def picture_names(ticket: Ticket, store: Store, say: Words) -> dict[str, str]:
    """File names of the ticket's pictures by id; numbers where nobody knows them any more."""
    names = {}
    for number, id in enumerate(ticket.image_ids, 1):
        try:
            names[id] = store.image_info(id).name
        except SightdeskError:
            names[id] = say("ticket_photo_name", n=number)
    return names


def draw_said(said: Said, names: dict[str, str], where: str, desk: Desk, say: Words) -> None:
    """One message of the conversation before."""
    role = said["role"]
    avatar = PERSON if role == "person" else None
    speaker = {"customer": "user", "agent": "assistant"}.get(role, role)
    with st.chat_message(speaker, avatar=avatar):
        draw_pictures(said.get("images", []), names, where, desk, say)
        if said["text"]:
            st.text(said["text"])


def draw_reply(reply: Reply, names: dict[str, str], desk: Desk, say: Words) -> None:
    """One message since."""
    by_person = reply.author == "person"
    with st.chat_message("person" if by_person else "user", avatar=PERSON if by_person else None):
        when = moment(reply.created)
        if by_person:
            st.caption(say("ticket_by_person", when=when))
        else:
            st.caption(say("ticket_by_customer", when=when))
        draw_pictures(reply.images, names, f"reply-{reply.id}", desk, say)
        if reply.text:
            st.text(reply.text)


def draw_pictures(
    ids: Sequence[str], names: dict[str, str], where: str, desk: Desk, say: Words
) -> None:
    """Thumbnails of a message; what the ticket does not keep is not asked for."""
    kept = [id for id in ids if id in names]
    if kept:
        draw_photos(kept, [names[id] for id in kept], where, desk, say)


def draw_answer(ticket: Ticket, store: Store, say: Words) -> None:
    """The box for an answer."""
    with st.form(f"answer-{ticket.id}", clear_on_submit=False, border=True):
        text = st.text_area(
            say("ticket_reply"),
            key=_box(ticket.id),
            height=110,
            max_chars=10 * get_settings().max_question_chars,
        )
        st.caption(say("ticket_reply_hint"))
        with st.container(horizontal=True):
            sent = st.form_submit_button(
                say("ticket_send"), type="primary", icon=":material/send:", key="ticket-send"
            )
            ended = st.form_submit_button(
                say("ticket_send_close"), icon=":material/done_all:", key="ticket-send-close"
            )
            closed = st.form_submit_button(
                say("ticket_close"), icon=":material/close:", type="tertiary", key="ticket-close"
            )
    if closed:
        store.close_ticket(ticket.id)
        st.rerun()
    if not (sent or ended):
        return
    if not (text or "").strip():
        st.warning(say("ticket_empty_reply"), icon=":material/warning:")
        return
    answered = store.reply(ticket.id, text or "")
    if ended:
        store.close_ticket(ticket.id)
    # A box of another name is an empty one.
    st.session_state["answers-sent"] = st.session_state.get("answers-sent", 0) + 1
    if answered.exchange_id is None:
        st.toast(say("ticket_sent_nowhere"), icon=":material/link_off:")
    else:
        st.toast(say("ticket_sent"), icon=":material/check:")
    st.rerun()


def _box(id: str) -> str:
    return f"answer-text-{id}-{st.session_state.get('answers-sent', 0)}"


def _reopen(store: Store, desk: Desk, id: str) -> None:
    try:
        store.reopen_ticket(id)
    except SightdeskError as error:
        desk.notices.append(str(error))


def draw_webhook(ticket: Ticket, store: Store, say: Words) -> None:
    """What the operator's webhook knows of it."""
    if get_settings().webhook_url is None:
        return
    calls = store.deliveries(ticket.id)
    dead = next((call for call in calls if call.state == "dead"), None)
    due = next((call for call in calls if call.state == "due" and call.error), None)
    if dead is not None:
        error = escape_markdown(dead.error or "")
        st.warning(say("ticket_given_up", error=error), icon=":material/webhook:")
    elif due is not None:
        error = escape_markdown(due.error or "")
        st.caption(say("ticket_not_told", tries=due.attempts, error=error))
    elif calls and all(call.state == "done" for call in calls):
        st.caption(say("ticket_told"))
