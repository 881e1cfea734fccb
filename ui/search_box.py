"""The box that looks through a list while one types."""

from __future__ import annotations

import streamlit as st


def draw_search_box(label: str, *, key: str) -> str:
    """What is looked for; empty where nothing is."""
    return (
        st.text_input(
            label,
            key=key,
            type="search",
            icon=":material/search:",
            placeholder=label,
            label_visibility="collapsed",
            live=True,
            max_chars=200,
        )
        or ""
    )
