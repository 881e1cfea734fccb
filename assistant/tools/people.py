"""The tool that calls a person."""

from __future__ import annotations

from assistant.tools.clean import as_line
from assistant.tools.desk import Desk, HandOver
from assistant.tools.guard import Call, Result, result, trouble

NOBODY = "No person can be reached here; say so, and that the customer can write again later."


def hand_over(desk: Desk, call: Call, reason: str) -> Result:
    """Call a person to the conversation."""
    if desk.hand_over is None:
        return trouble(NOBODY, "nobody")
    reason = as_line(reason, 500) or "The customer asked for a person."
    ticket = desk.hand_over(HandOver(reason, image_ids=tuple(desk.images or ())))
    id = str(getattr(ticket, "id", "") or "")
    said = f"A person was called (ticket {id})." if id else "A person was called."
    return result(said, ticket=id)
