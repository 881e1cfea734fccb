"""What the encoder sees: its own names for a photo, as bars, and whether it knows such photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import streamlit as st

from assistant.errors import SightdeskError
from ui.plain import escape_markdown

if TYPE_CHECKING:
    from assistant.store import Exchange
    from ui.desk import Desk
    from ui.words import Words


def read(details: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Evidence by image id, as `ui.answering` kept it; what cannot be read is left out."""
    seen = details.get("evidence")
    if not isinstance(seen, dict):
        return {}
    return {id: value for id, value in seen.items() if isinstance(value, dict)}


def names(evidence: dict[str, Any]) -> list[tuple[str, float]]:
    """Names with their share, 0 to 1, the likeliest first."""
    return [
        (str(name), min(max(float(share), 0.0), 1.0)) for name, share in evidence.get("names", [])
    ]


def draw_evidence(exchange: Exchange, desk: Desk, say: Words) -> None:
    """The panel for one exchange."""
    st.caption(say("evidence_hint"))
    for id, evidence in read(exchange.details).items():
        picture, bars = st.columns([1, 2])
        with picture:
            try:
                assert desk.keeper is not None
                name = dict(zip(exchange.used, exchange.names, strict=False)).get(id, "")
                st.image(desk.keeper.thumbnail(id), alt=say("photo_alt", name=name))
            except SightdeskError:
                st.caption(say("photo_gone"))
        with bars:
            for thing, share in names(evidence):
                st.progress(share, text=f"{escape_markdown(thing)} · {share:.0%}")
        if not evidence.get("familiar", True):
            st.warning(say("unfamiliar"), icon=":material/help:")
        familiarity = evidence.get("familiarity")
        if isinstance(familiarity, int | float):
            st.caption(say("evidence_familiar", share=round(100 * familiarity)))
