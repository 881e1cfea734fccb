"""An answer of the support desk as the page tells and keeps it; it is `assistant.telling`."""

from __future__ import annotations

from assistant.telling import (
    BY,
    Step,
    Telling,
    citations_of,
    is_by_desk,
    outcome_of,
    past_of,
    steps_of,
    ticket_of,
    without_marks,
)

__all__ = [
    "BY",
    "Step",
    "Telling",
    "citations_of",
    "is_by_desk",
    "outcome_of",
    "past_of",
    "steps_of",
    "ticket_of",
    "without_marks",
]
