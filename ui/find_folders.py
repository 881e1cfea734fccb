"""Which folders are indexed, on the page "Find": listed, added, brought up to date, removed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui.find_bar import choose_folder
from ui.find_terms import folder_names, pictures
from ui.plain import escape_markdown, label, one_line
from ui.train_terms import duration
from ui.troubles import draw_error

if TYPE_CHECKING:
    from assistant.image_index import ImageIndex, IndexedFolder
    from ui.find_indexing import Indexing, Indexings
    from ui.words import Words

EVERY_SECONDS = 2.0
_REMOVING = "find-removing"
"""Of the session: id of the folder of which it is asked whether it is to be removed."""

DIALOG = "find-dialog"
"""Of the session: whether the folders' dialog is open."""

MOST_TROUBLES = 200


def draw_frame(say: Words) -> None:
    """The way back."""
    with st.sidebar:
        st.subheader("Sightdesk", anchor=False)
        st.caption(say("find_tagline"))
        st.page_link("chat.py", label=say("find_back"), icon=":material/arrow_back:")


def draw_folder_list(
    folders: list[IndexedFolder], chosen: str, indexings: Indexings, say: Words
) -> None:
    """The folders to look in, and what is being indexed."""
    with st.sidebar:
        st.button(
            say("find_add"),
            key="find-add",
            icon=":material/create_new_folder:",
            type="primary",
            width="stretch",
            on_click=_open_dialog,
        )
        with st.container(key="threads", gap="xxsmall"):
            rows = [("", say("find_folder_all"), sum(folder.files for folder in folders))]
            names = folder_names(folders)
            rows += [(each.id, names[each.id], each.files) for each in folders]
            for id, name, count in rows:
                st.button(
                    f"{label(name, 26)} · {count:,}",
                    key=f"thread-{id or 'all'}",
                    icon=":material/folder:" if id else ":material/photo_library:",
                    type="secondary" if id == chosen else "tertiary",
                    width="stretch",
                    on_click=choose_folder,
                    args=(id,),
                )
        watch(indexings, say)


def watch(indexings: Indexings, say: Words) -> None:
    """What is being indexed, drawn anew by itself while it is; the page when one has ended."""
    running = [each.name for each in indexings.all() if each.active]

    @st.fragment(run_every=EVERY_SECONDS if running else None)
    def live() -> None:
        now = indexings.all()
        if [each.name for each in now if each.active] != running:
            st.session_state.pop("find-view", None)
            st.rerun(scope="app")
        for each in now:
            draw_indexing(each, indexings, say)

    live()


def draw_indexing(each: Indexing, indexings: Indexings, say: Words) -> None:
    """How far one is, or what came of it."""
    with st.container(border=True, gap="small", key=f"find-indexing-{each.name}"):
        name = each.path.rstrip("/").rpartition("/")[2] or each.path
        st.markdown(f"**{label(name, 40)}**")
        if each.active:
            told = one_line(each.message, 120) or say("find_starting")
            if each.state == "stopping":
                told = say("find_stopping")
            elif (left := each.seconds_left) is not None:
                told += f" · {say('train_left', left=duration(left, say))}"
            st.progress(each.fraction or 0.0, text=escape_markdown(told))
            st.button(
                say("stop"), key=f"find-stop-{each.name}", icon=":material/stop:", type="tertiary",
                disabled=each.state == "stopping", on_click=indexings.stop, args=(each.name,),
            )  # fmt: skip
            return
        if each.state == "failed":
            st.caption(f":material/error: {escape_markdown(each.error or say('find_failed'))}")
        elif each.state == "done":
            st.caption(f":material/check: {escape_markdown(done_text(each, say))}")
        else:
            st.caption(f":material/pause_circle: {say('find_interrupted')}")
        st.button(
            say("find_dismiss"), key=f"find-dismiss-{each.name}", icon=":material/close:",
            type="tertiary", on_click=indexings.dismiss, args=(each.name,),
        )  # fmt: skip


def done_text(each: Indexing, say: Words) -> str:
    """What an indexing did, in figures."""
    result = each.result or {}

    def count(name: str) -> int:
        value = result.get(name, 0)
        if isinstance(value, list):  # of files by the reason that they share
            return sum(row.get("count", 1) for row in value if isinstance(row, dict))
        return value if isinstance(value, int) else 0

    parts = [
        say("find_done_new", n=f"{count('new'):,}"),
        say("find_done_same", n=f"{count('unchanged'):,}"),
    ]
    if changed := count("changed") + count("moved"):
        parts.append(say("find_done_changed", n=f"{changed:,}"))
    if removed := count("removed"):
        parts.append(say("find_done_removed", n=f"{removed:,}"))
    if troubles := count("troubles"):
        parts.append(say("find_done_troubles", n=f"{troubles:,}"))
    return " · ".join(parts)


def draw_add(indexings: Indexings, say: Words, *, key: str) -> None:
    """A form that starts indexing."""
    with st.form(key, border=False):
        given = st.text_input(
            say("find_path"), key=f"{key}-path", placeholder="/home/me/Pictures", max_chars=4096
        )
        st.caption(say("find_path_hint"))
        if st.form_submit_button(
            say("find_index"), type="primary", icon=":material/play_arrow:", key=f"{key}-start"
        ):
            try:
                indexings.start(given or "")
            except SightdeskError as error:
                draw_error(str(error), say)
            else:
                st.session_state.pop(DIALOG, None)
                st.rerun()


def draw_empty(indexings: Indexings, say: Words) -> None:
    """What stands here before anything is indexed."""
    st.header(say("find_title"), anchor=False)
    st.write(say("find_empty"))
    draw_add(indexings, say, key="find-first")
    watch(indexings, say)
    st.caption(say("find_empty_terminal"))
    st.code("sightdesk index ~/Pictures", language=None)
    st.caption(f":material/lock: {say('find_stays')}")


# --- the dialog


def _open_dialog() -> None:
    st.session_state[DIALOG] = True


def close_dialog() -> None:
    """Draw it no more."""
    st.session_state.pop(DIALOG, None)
    st.session_state.pop(_REMOVING, None)


def _ask_to_remove(id: str) -> None:
    st.session_state[_REMOVING] = id


def draw_removal(folder: IndexedFolder, index: ImageIndex, say: Words) -> None:
    """Are you sure?"""
    st.text(say("find_remove_sure"))
    with st.container(horizontal=True):
        st.button(
            say("cancel"), key=f"find-remove-no-{folder.id}", on_click=_ask_to_remove, args=("",)
        )
        if st.button(
            say("find_remove_yes"), key=f"find-remove-yes-{folder.id}", type="primary",
            icon=":material/delete:",
        ):  # fmt: skip
            try:
                index.remove(folder.id)
            except SightdeskError as error:
                draw_error(str(error), say)
            else:
                st.session_state.pop(_REMOVING, None)
                st.session_state.pop("find-view", None)
                st.rerun()


def draw_dialog(
    folders: list[IndexedFolder], index: ImageIndex, indexings: Indexings, say: Words
) -> None:
    """The folders' dialog, where it is open."""
    if not st.session_state.get(DIALOG):
        return

    @st.dialog(say("find_folders"), width="medium", on_dismiss=close_dialog)
    def show() -> None:
        draw_add(indexings, say, key="find-more")
        for folder in folders:
            draw_folder(folder, index, indexings, say)

    show()


def draw_folder(folder: IndexedFolder, index: ImageIndex, indexings: Indexings, say: Words) -> None:
    """One folder: how much is in it, and what can be done."""
    with st.container(border=True, gap="small", key=f"find-folder-{folder.id}"):
        st.text(folder.shown)
        told = pictures(folder.files, say)
        if folder.troubles:
            told += f" · {say('find_done_troubles', n=f'{folder.troubles:,}')}"
        st.caption(escape_markdown(told))
        with st.container(horizontal=True):
            if st.button(
                say("find_update"), key=f"find-update-{folder.id}", icon=":material/refresh:"
            ):
                try:
                    indexings.start(str(folder.path))
                except SightdeskError as error:
                    draw_error(str(error), say)
                else:
                    close_dialog()
                    st.rerun()
            if st.session_state.get(_REMOVING) != folder.id:
                st.button(
                    say("find_remove"), key=f"find-remove-{folder.id}", icon=":material/delete:",
                    type="tertiary", on_click=_ask_to_remove, args=(folder.id,),
                )  # fmt: skip
        if st.session_state.get(_REMOVING) == folder.id:
            draw_removal(folder, index, say)
        if folder.troubles:
            st.caption(say("find_troubles_terminal"))
            st.code(shlex.join(["sightdesk", "index", str(folder.path)]), language=None,
                    wrap_lines=True)  # fmt: skip
