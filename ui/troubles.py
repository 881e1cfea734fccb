"""What went wrong, in the page: errors as they read, and what can be done about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from ui.plain import escape_markdown

if TYPE_CHECKING:
    from ui.desk import Desk
    from ui.words import Words


def draw_error(sentence: str, say: Words) -> None:
    """An error as it reads: names of files and values in it are not Markdown."""
    st.error(escape_markdown(sentence), icon=":material/error:")


def draw_notices(desk: Desk, say: Words) -> None:
    """What is to be said once."""
    own = {"conflict": say("conflict"), "gone": say("gone"), "not_sent": say("not_sent")}
    for notice in desk.notices:
        st.warning(own.get(notice) or escape_markdown(notice), icon=":material/warning:")
    desk.notices = []


def draw_trouble(desk: Desk, say: Words) -> None:
    """Nothing is being saved: why, and the way to try again."""
    if desk.trouble is None:
        return
    with st.container(border=True, gap="small"):
        st.markdown(f":material/cloud_off: **{say('not_saving')}**")
        st.text(desk.trouble)
        st.caption(say("not_saving_hint"))
        st.button(say("try_again"), key="retry-store", icon=":material/refresh:", on_click=_retry,
                  args=(desk, say))  # fmt: skip


def _retry(desk: Desk, say: Words) -> None:
    if desk.retry():
        st.toast(say("saved_again"), icon=":material/check:")
    else:
        st.toast(say("still_not"), icon=":material/cloud_off:")
