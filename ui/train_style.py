"""What the training page adds to the style sheet; as constant as that one."""

from __future__ import annotations

from typing import Final

import streamlit as st

STYLE: Final = """
<style>
[class*="st-key-pictures-"] img {
  border-radius: 0.4rem; width: 84px !important; height: 84px; object-fit: cover; }
[class*="st-key-pictures-"] [data-testid="stElementToolbar"] { display: none; }
[data-testid="stMetricValue"] { font-size: 1.35rem; }
[data-testid="stMain"] h3 { font-size: 1.35rem; }
[data-testid="stCode"] pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.st-key-threads button svg, .st-key-threads button span { flex-shrink: 0; }
/* Streamlit's own "Stop" ends the drawing of a page, not a training: it would mislead here. */
[data-testid="stStatusWidget"] { display: none; }
/* What is drawn anew every two seconds must not fade each time. */
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
.st-key-training-title h2 { font-size: 1.5rem; overflow-wrap: anywhere; padding: 0; }
</style>
"""


def draw_train_style() -> None:
    """Put it into the page."""
    st.html(STYLE)
