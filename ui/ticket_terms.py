"""What the tickets page calls states and reasons, and how it writes a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime

    from assistant.store import TicketKind, TicketSummary
    from ui.words import Words


def state_word(ticket: TicketSummary, say: Words) -> str:
    """A ticket's state in a word or two."""
    if ticket.state == "closed":
        return say("ticket_state_closed")
    return say("ticket_state_waits") if ticket.waiting else say("ticket_state_answered")


def state_icon(ticket: TicketSummary) -> str:
    """A ticket's state as an icon, beside the word."""
    if ticket.state == "closed":
        return ":material/check_circle:"
    return ":material/mark_chat_unread:" if ticket.waiting else ":material/chat_bubble:"


def state_colour(ticket: TicketSummary) -> Literal["gray", "orange", "green"]:
    """A ticket's state as a colour, beside the word."""
    if ticket.state == "closed":
        return "gray"
    return "orange" if ticket.waiting else "green"


def kind_words(kind: TicketKind, say: Words) -> str:
    """Why a person was called."""
    words: dict[TicketKind, str] = {
        "asked": say("ticket_kind_asked"),
        "topic": say("ticket_kind_topic"),
        "failures": say("ticket_kind_failures"),
        "tool": say("ticket_kind_tool"),
    }
    return words[kind]


def moment(time: datetime) -> str:
    """A time, in that of the machine."""
    return f"{time.astimezone():%Y-%m-%d %H:%M}"
