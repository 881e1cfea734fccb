"""The dialogs: a photo enlarged, settings, details, corrections, and what is done to a thread."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import streamlit as st

from assistant.errors import SightdeskError
from ui.agent_exchange import name_of
from ui.details import rows
from ui.evidence import draw_evidence
from ui.gaze import draw_gaze
from ui.plain import escape_markdown
from ui.session import get_agents
from ui.settings_dialog import draw_settings
from ui.sources import draw_source, find_source
from ui.troubles import draw_error

if TYPE_CHECKING:
    from collections.abc import Callable

    from assistant.engine import Engine
    from ui.desk import Desk
    from ui.words import Words

Width = Literal["small", "medium", "large"]


def draw_dialog(desk: Desk, say: Words, engine: Engine | None) -> None:
    """The dialog that is open, if any: until it is dismissed, or has done what it is for."""
    if desk.dialog is None:
        return
    kind, what = desk.dialog
    exchange = desk.find(what)
    draw: Callable[[], None]
    if kind == "photo":
        id, _, name = what.partition(" ")
        title, draw = name or say("photo"), lambda: draw_photo_large(id, name, desk, say)
    elif kind == "settings":
        title, draw = say("settings"), lambda: draw_settings(desk, say, engine)
    elif kind == "rename":
        title, draw = say("rename"), lambda: draw_rename(desk, say)
    elif kind == "export":
        title, draw = say("export"), lambda: draw_export(desk, say)
    elif kind == "delete":
        title, draw = say("delete_title"), lambda: draw_delete(desk, say)
    elif kind == "source":
        id, _, number = what.partition(" ")
        if (cited := desk.find(id)) is None:
            return
        source = find_source(cited, number)
        title, draw = name_of(source, say), lambda: draw_source(source, desk, say)
    elif exchange is None:
        return
    elif kind == "correct":
        title, draw = say("correct"), lambda: draw_correct(exchange.id, desk, say)
    elif kind == "details":
        title, draw = say("details"), lambda: draw_table(rows(exchange, say))
    elif kind == "evidence":
        title, draw = say("evidence"), lambda: draw_evidence(exchange, desk, say)
    elif kind == "gaze" and engine is not None:
        title, draw = say("gaze"), lambda: draw_gaze(exchange, desk, say, engine)
    else:
        return
    widths: dict[str, Width] = {"photo": "large", "gaze": "medium", "source": "medium"}
    width: Width = widths.get(kind, "small")
    st.dialog(escape_markdown(title), width=width, on_dismiss=partial(close, desk))(draw)()


def close(desk: Desk) -> None:
    """Draw no dialog from the next run on."""
    desk.dialog = None


def draw_photo_large(id: str, name: str, desk: Desk, say: Words) -> None:
    """A photo as large as it fits."""
    assert desk.keeper is not None
    try:
        st.image(desk.keeper.image_bytes(id), width="content", alt=say("photo_alt", name=name))
    except SightdeskError as error:
        draw_error(str(error), say)


def draw_table(pairs: list[tuple[str, str]]) -> None:
    """Names and values, one pair a line."""
    for name, value in pairs:
        with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
            st.caption(name, width="content")
            st.text(value)


def draw_correct(exchange_id: str, desk: Desk, say: Words) -> None:
    """What the answer should have been."""
    exchange = desk.find(exchange_id)
    if exchange is None:
        return
    with st.form("correction", border=False):
        text = st.text_area(
            say("correct_label"), value=exchange.correction or exchange.answer, max_chars=2000
        )
        st.caption(say("correct_hint"))
        if st.form_submit_button(say("save"), type="primary"):
            given = (text or "").strip()
            correction = given if given and given != exchange.answer else None
            desk.set_feedback(exchange.id, exchange.thumb, correction)
            close(desk)
            st.rerun()


# --- threads


def draw_rename(desk: Desk, say: Words) -> None:
    """A title of one's own."""
    with st.form("rename", border=False):
        title = st.text_input(say("rename_label"), value=desk.title, max_chars=120)
        if st.form_submit_button(say("save"), type="primary"):
            _do(desk, lambda store: store.rename_thread(desk.thread_id, title or ""), say)


def draw_delete(desk: Desk, say: Words) -> None:
    """Are you sure?"""
    st.text(desk.title or say("untitled"))
    st.caption(say("delete_hint"))
    with st.container(horizontal=True):
        if st.button(say("cancel"), key="delete-no"):
            close(desk)
            st.rerun()
        if st.button(say("delete_yes"), key="delete-yes", type="primary", icon=":material/delete:"):
            _do(desk, partial(_delete, desk), say, after=desk.start_anew)


def _delete(desk: Desk, store: Any) -> None:
    if desk.thread_id is not None:
        get_agents().forget(desk.thread_id)
    store.delete_thread(desk.thread_id)


def draw_export(desk: Desk, say: Words) -> None:
    """The conversation as a file."""
    st.caption(say("export_hint"))
    keeper: Any = desk.keeper
    thread_id = desk.thread_id
    for form, text in (("markdown", say("export_markdown")), ("json", say("export_json"))):

        def make(form: str = form) -> bytes:
            data: bytes = keeper.export_thread(thread_id, form=form)
            return data

        st.download_button(
            text,
            make,
            file_name=f"sightdesk-{form}.zip",
            mime="application/zip",
            key=f"export-{form}",
            on_click="ignore",
            icon=":material/download:",
            width="stretch",
        )


def _do(
    desk: Desk,
    change: Callable[[Any], None],
    say: Words,
    after: Callable[[], None] | None = None,
) -> None:
    try:
        change(desk.keeper)
    except SightdeskError as error:
        draw_error(str(error), say)
        return
    close(desk)
    (after or desk.reload)()
    st.rerun()
