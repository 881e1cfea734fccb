"""What the tickets page adds to the style sheet; as constant as that one."""

from __future__ import annotations

from typing import Final

import streamlit as st

STYLE: Final = """
<style>
.st-key-ticket-title h2 { font-size: 1.5rem; padding: 0; }
[data-testid="stMain"] h3 { font-size: 1.1rem; }
.st-key-threads button :is(div, span) { min-width: 0; }
.st-key-threads button [data-testid="stIconMaterial"] { flex-shrink: 0; }
/* What is looked for every few seconds must not fade each time. */
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
</style>
"""


def draw_tickets_style() -> None:
    """Put it into the page."""
    st.html(STYLE)
