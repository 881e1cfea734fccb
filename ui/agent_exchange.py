"""An answer of the support desk on the page: what it did, what it said, what that rests on.

Passages, what tools said and what the model wrote are untrusted: they are drawn as plain text, or
escaped to the last sign. The numbers of citations are all that is put in.
"""

from __future__ import annotations

import html
import re
import time
from typing import TYPE_CHECKING, Final

import streamlit as st

from assistant.errors import SightdeskError
from assistant.store import Store
from assistant.telling import citations_of, outcome_of, steps_of, ticket_of
from ui.plain import escape_markdown, label
from ui.trace import doing, draw_trace

if TYPE_CHECKING:
    from assistant.sources import Source
    from assistant.store import Exchange, Ticket
    from assistant.telling import Telling
    from ui.desk import Desk
    from ui.words import Words

_MARKS: Final = re.compile(r"\s*\[\d{1,3}\](?:\s*\[\d{1,3}\])*")
_SHOWN_FROM_SECONDS: Final = 2.0
"""What takes longer says how long it has taken."""


def draw_reply(exchange: Exchange, desk: Desk, say: Words) -> None:
    """An answer that is over, as it was kept."""
    details = exchange.details
    draw_trace(steps_of(details), exchange.id, say)
    citations = citations_of(details)
    if exchange.answer:
        with st.container(key=f"cited-{exchange.id}"):
            st.html(as_html(exchange.answer, len(citations), say))
    draw_citations(citations, exchange.id, desk, say)
    draw_ending(exchange, desk, say)


def as_html(text: str, citations: int, say: Words) -> str:
    """An answer that reads as it was written, with the numbers of its citations as buttons.

    HTML, since Markdown makes a link of every address, escaped or not; all that is not put in here
    is escaped. A number that names no citation is text like any other.
    """
    lines = []
    for line in text.splitlines():
        parts, place = [], 0
        for run in _MARKS.finditer(line):
            numbers = [int(number) for number in re.findall(r"\d+", run[0])]
            if all(1 <= number <= citations for number in numbers):
                parts.append(html.escape(line[place : run.start()]))
                parts.append(_buttons(numbers, say))
                place = run.end()
        parts.append(html.escape(line[place:]))
        lines.append("".join(parts))
    return f'<div class="sightdesk-said">{"<br>".join(lines)}</div>'


def _buttons(numbers: list[int], say: Words) -> str:
    """Numbers of citations, which stay on one line with each other."""
    buttons = (
        f'<button type="button" class="sightdesk-mark" '
        f'aria-label="{html.escape(say("source_number", n=number))}">{number}</button>'
        for number in numbers
    )
    return f' <span class="sightdesk-marks">{"&thinsp;".join(buttons)}</span>'


def draw_citations(
    citations: list[Source | None], exchange_id: str, desk: Desk, say: Words
) -> None:
    """A button for each thing that the answer rests on."""
    if not citations:
        return
    with st.container(horizontal=True, gap="xsmall", key=f"sources-{exchange_id}"):
        for number, source in enumerate(citations, 1):
            st.button(
                f"{number} · {label(name_of(source, say), 40)}",
                key=f"source-{exchange_id}-{number}",
                icon=icon_of(source),
                on_click=_open_source,
                args=(desk, exchange_id, number),
            )


def name_of(source: Source | None, say: Words) -> str:
    """What a source is called on the page."""
    if source is None:
        return say("source_unreadable")
    if source.kind == "passage":
        return source.title or source.origin
    if source.origin == "search_images":
        return source.title or say("source_picture")
    return say("source_photo")


def icon_of(source: Source | None) -> str:
    """Whether it is a text or a picture."""
    if source is None:
        return ":material/help:"
    return ":material/image:" if source.kind == "image" else ":material/description:"


def _open_source(desk: Desk, exchange_id: str, number: int) -> None:
    desk.dialog = ("source", f"{exchange_id} {number}")


# --- how it ended


def draw_ending(exchange: Exchange, desk: Desk, say: Words) -> None:
    """A person is offered, or has taken over."""
    details = exchange.details
    if details.get("failed") is True:
        st.caption(f":material/cloud_off: {say('desk_failed')}")
    outcome, ticket = outcome_of(details), ticket_of(details)
    last = desk.last is not None and desk.last.id == exchange.id
    if outcome == "abstained" and last and exchange.state == "done":
        st.button(
            say("ask_for_person"),
            key=f"person-{exchange.id}",
            icon=":material/support_agent:",
            on_click=_ask_for_person,
            args=(exchange.id, desk.revision, desk),
        )
    elif outcome == "handed_over" and ticket and _opened_it(exchange, ticket, desk):
        draw_ticket_box(ticket, desk, say)


def draw_ticket_box(id: str, desk: Desk, say: Words) -> None:
    """The ticket's number and state, and what happens next."""
    ticket = _read_ticket(id, desk)
    with st.container(border=True, gap="xxsmall", key=f"ticket-box-{id}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            title = escape_markdown(say("desk_handed", id=id))
            st.markdown(f":material/support_agent: **{title}**", width="content")
            if ticket is not None:
                colour, word = _state(ticket, say)
                st.markdown(f":{colour}-badge[{word}]", width="content")
        if ticket is None:
            st.caption(say("desk_handed_gone"))
        elif ticket.state == "closed":
            st.caption(say("desk_handed_closed"))
        elif ticket.waiting:
            st.caption(say("desk_handed_next"))
        else:
            st.caption(say("desk_handed_answered"))


def fixed(exchange: Exchange, desk: Desk) -> bool:
    """Whether a person was given this question: then it is not edited or asked anew."""
    return any(
        other.position >= exchange.position
        and (ticket_of(other.details) or other.details.get("by") == "person")
        for other in desk.exchanges
    )


def _opened_it(exchange: Exchange, ticket: str, desk: Desk) -> bool:
    """Whether this is the first answer that names the ticket: the others need no box."""
    first = next((e for e in desk.exchanges if ticket_of(e.details) == ticket), None)
    return first is not None and first.id == exchange.id


def _read_ticket(id: str, desk: Desk) -> Ticket | None:
    if not isinstance(desk.keeper, Store):
        return None
    try:
        return desk.keeper.ticket(id)
    except SightdeskError:
        return None


def _state(ticket: Ticket, say: Words) -> tuple[str, str]:
    if ticket.state == "closed":
        return "gray", say("ticket_is_closed")
    if ticket.waiting:
        return "orange", say("ticket_with_person")
    return "green", say("ticket_was_answered")


def _ask_for_person(exchange_id: str, revision: int, desk: Desk) -> None:
    # As with the other buttons: the click of a run that was stopped may come once more.
    if revision == desk.revision:
        st.session_state["task"] = ("person", exchange_id)


# --- while it comes about


class LiveReply:
    """Draws an answer as it comes about, see `ui.agent_answering.Screen`."""

    def __init__(self, exchange_id: str, say: Words) -> None:
        self._id, self._say = exchange_id, say
        self._trace = st.empty()
        with st.container(key=f"cited-{exchange_id}"):
            self._said = st.empty()
        with st.container(key="doing"):
            self._doing = st.empty()
        self._shown, self._done = "", 0
        self._now, self._since = "", time.monotonic()
        self._tell(say("desk_thinking"))

    def opening(self) -> None:
        """The agent is being opened."""
        self._tell(self._say("desk_opening"))

    def waiting(self) -> None:
        """Another conversation has the engine."""
        self._tell(self._say("waiting"))

    def show(self, telling: Telling) -> None:
        """What is known by now."""
        done = [step for step in telling.steps if step.seconds is not None]
        if len(done) > self._done:
            self._done = len(done)
            with self._trace.container():
                draw_trace(done, f"{self._id}-{len(done)}", self._say)
        if telling.text != self._shown:
            self._shown = telling.text
            self._said.html(as_html(telling.text, len(telling.citations), self._say))
        step = telling.at_work
        if step is not None:
            self._tell(doing(step, self._say))
        elif telling.text:
            self._tell(self._say("desk_writing"))
        else:
            self._tell(self._say("desk_thinking"))

    def _tell(self, now: str) -> None:
        """What is being done; drawn each time, since a stop is heard by drawing."""
        if now != self._now:
            self._now, self._since = now, time.monotonic()
        seconds = time.monotonic() - self._since
        if seconds >= _SHOWN_FROM_SECONDS:
            now = self._say("desk_for", doing=now, seconds=int(seconds))
        self._doing.caption(f":material/progress_activity: {escape_markdown(now)}")
