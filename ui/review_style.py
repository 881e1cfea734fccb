"""What the review page adds to the style sheet; as constant as that one."""

from __future__ import annotations

from typing import Final

import streamlit as st

STYLE: Final = """
<style>
/* The picture is what one looks at: the page begins high, and is as wide as can be overlooked. */
[data-testid="stMainBlockContainer"] { padding-top: 2.6rem; max-width: 84rem; }
.st-key-review-title h2 { font-size: 1.4rem; padding: 0; overflow-wrap: anywhere; }
.st-key-review-title [data-testid="stMarkdownContainer"] { margin-bottom: 0; }
.st-key-review-title [data-testid="stCaptionContainer"] { margin: 0; }
.st-key-review-title [data-testid="stCaptionContainer"] p { margin: 0; overflow-wrap: anywhere; }
.st-key-review-set { max-width: 60rem; }
[data-testid="stCode"] pre { white-space: pre-wrap; overflow-wrap: anywhere; }
.st-key-threads button svg, .st-key-threads button span { flex-shrink: 0; }
/* Each decision has the page drawn anew behind the board: nothing of it must fade or blink. */
[data-testid="stStatusWidget"] { display: none; }
[data-stale="true"] { opacity: 1 !important; transition: none !important; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"] { padding-top: 3.2rem; }
  .st-key-review-title [data-testid="stCaptionContainer"] { display: none; }
}
</style>
"""


def draw_review_style() -> None:
    """Put it into the page."""
    st.html(STYLE)
