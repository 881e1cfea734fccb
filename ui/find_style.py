"""What the page "Find" adds to the style sheet; as constant as that one."""

from __future__ import annotations

from typing import Final

import streamlit as st

STYLE: Final = """
<style>
/* Pictures take the room that there is; text does not. */
[data-testid="stMainBlockContainer"] { max-width: 1680px; padding-top: 3.2rem; }
[data-testid="stMain"] h2 { font-size: 1.9rem; padding-bottom: 0.2rem; }
.st-key-find-ask { flex-wrap: nowrap; }
.st-key-find-ask [data-testid="stTextInput"] { flex: 1 1 auto; }
.st-key-find-asked-picture img {
  width: 56px !important; height: 56px !important; object-fit: cover; border-radius: 0.5rem; }
.st-key-find-asked-picture [data-testid="stElementToolbar"] { display: none; }
.st-key-find-steps { margin-top: -1.1rem; }
.st-key-find-steps [data-testid="stCaptionContainer"] { white-space: nowrap; }
.st-key-find-facts [data-testid="stText"] { text-align: right; overflow-wrap: anywhere; }
[role="dialog"] [data-testid="stImage"] img {
  max-height: 70vh; object-fit: contain; border-radius: 0.6rem; }
[role="dialog"] h3 { font-size: 1.2rem; overflow-wrap: anywhere; padding-top: 0; }
[data-testid="stCode"] pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.st-key-threads button :is(div, span) { min-width: 0; }
.st-key-threads button [data-testid="stIconMaterial"] { flex-shrink: 0; }
/* Small pictures come while one scrolls: nothing may fade or say "running" each time. */
[data-testid="stStatusWidget"] { display: none; }
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
/* The button is there before its script is, so that nothing moves. */
.st-key-find-drop-box { min-width: 10.2rem; min-height: 2.5rem; }
[data-testid="stSliderThumbValue"] { color: inherit; }
@media (max-width: 640px) {
  .st-key-find-ask { flex-wrap: wrap; }
  .st-key-find-ask > * { flex: 1 0 100% !important; }
  .st-key-find-drop-box { width: 100% !important; }
}
</style>
"""


def draw_find_style() -> None:
    """Put it into the page."""
    st.html(STYLE)
