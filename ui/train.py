"""The page that trains an adapter: data, recipe, run, result, from top to bottom.

It starts the `sightdesk` command as a process of its own and reads what that writes, so a training
goes on when the page is closed, and any tab finds it (see `ui.trainings`). Names, paths, messages
and pictures are untrusted, as on the chat page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui.plain import label
from ui.session import get_desk, get_words, served_here
from ui.style import draw_style
from ui.train_data import draw_data
from ui.train_recipe import draw_recipe
from ui.train_run import draw_training
from ui.train_style import draw_train_style
from ui.train_terms import state_icon, state_word
from ui.training import ACTIVE
from ui.trainings import Trainings
from ui.troubles import draw_error, draw_notices

if TYPE_CHECKING:
    from ui.training import Entry
    from ui.words import Words

ICON = Path(__file__).parent / "assets" / "icon.svg"
OPEN = "train-open"


def main() -> None:
    """Draw the page once."""
    desk = get_desk()
    desk.begin()
    say = get_words(desk)
    st.set_page_config(page_title=f"Sightdesk · {say('train')}", page_icon=ICON)
    draw_style(say.language)
    draw_train_style()
    try:
        trainings = Trainings.of()
    except SightdeskError as error:
        draw_error(str(error), say)
        return
    entries = trainings.entries()
    name = choose(entries, say)
    draw_sidebar(entries, name, say)
    local = served_here()
    if not local:
        st.info(say("train_not_here"), icon=":material/lock:")
    draw_notices(desk, say)
    training = trainings.get(name) if name is not None else None
    if training is not None:
        draw_training(training, trainings, desk, say, may_act=local)
    elif local:
        draw_new(trainings, entries, say)
    elif not entries:
        st.caption(say("train_none"))


def choose(entries: list[Entry], say: Words) -> str | None:
    """The training that is open: the one chosen last, the address's, or one that runs."""
    names = [entry.name for entry in entries]
    if OPEN not in st.session_state:
        running = next((entry.name for entry in entries if entry.state in ACTIVE), None)
        st.session_state[OPEN] = st.query_params.get("training") or running
    name: str | None = st.session_state[OPEN]
    if name is not None and name not in names:
        st.warning(say("train_gone"), icon=":material/warning:")
        name = st.session_state[OPEN] = None
    if name is None:
        st.query_params.clear()
    elif st.query_params.get("training") != name:
        st.query_params["training"] = name
    return name


def draw_sidebar(entries: list[Entry], name: str | None, say: Words) -> None:
    """The way back, a new training, and those that there are."""
    with st.sidebar:
        st.subheader("Sightdesk", anchor=False)
        st.caption(say("train_tagline"))
        st.page_link("chat.py", label=say("train_back"), icon=":material/arrow_back:")
        st.button(
            say("train_new"),
            key="train-new",
            icon=":material/add:",
            type="primary",
            width="stretch",
            on_click=_open,
            args=(None,),
        )
        with st.container(key="threads", gap="xxsmall"):
            if not entries:
                st.caption(say("train_none"))
            for entry in entries:
                st.button(
                    f"{label(entry.name, 28)} · {state_word(entry.state, say)}",
                    key=f"thread-{entry.name}",
                    icon=state_icon(entry.state),
                    type="secondary" if entry.name == name else "tertiary",
                    width="stretch",
                    on_click=_open,
                    args=(entry.name,),
                )


def _open(name: str | None) -> None:
    st.session_state[OPEN] = name


def draw_new(trainings: Trainings, entries: list[Entry], say: Words) -> None:
    """Data and recipe of a new training, and the button that starts it."""
    st.header(say("train_title"), anchor=False)
    st.write(say("train_hint"))
    checked = draw_data(say)
    order = draw_recipe(checked, trainings, say)
    st.subheader(f"3 · {say('train_start_title')}", anchor=False)
    if order is None:
        st.caption(say("train_start_later"))
        return
    if any(entry.state in ACTIVE for entry in entries):
        st.warning(say("train_other_runs"), icon=":material/speed:")
    st.caption(say("train_start_hint"))
    if st.button(say("train_start"), key="train-start", type="primary",
                 icon=":material/play_arrow:"):  # fmt: skip
        try:
            trainings.start(order)
        except SightdeskError as error:
            draw_error(str(error), say)
            return
        _open(order.name)
        st.rerun()


if __name__ == "__main__":
    main()
