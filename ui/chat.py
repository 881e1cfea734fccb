"""The chat page: drop a photo, ask about it, read the answer as it is written.

One run of this script draws the page once. `ui.desk` remembers, `ui.engine_room` holds the model,
one module a panel draws. Questions, answers, file names, titles and errors are untrusted: they are
drawn with `st.text`, which knows no Markdown and no HTML, or escaped, so that no answer can load a
remote image, style itself as a link or pose as the page.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui.composer import draw_composer, take_message
from ui.desk import Desk, Job
from ui.desk_welcome import draw_desk_welcome
from ui.dialogs import draw_dialog
from ui.exchange import draw_exchange, draw_live
from ui.plain import escape_markdown
from ui.replies import draw_ticket_line
from ui.session import desk_answers, get_agents, get_desk, get_room, get_words
from ui.style import draw_style
from ui.threads import draw_list, draw_model, draw_sidebar
from ui.troubles import draw_error, draw_notices, draw_trouble

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from assistant.engine import Engine
    from ui.words import Words

ICON = Path(__file__).parent / "assets" / "icon.svg"


def main() -> None:
    """Draw the page, and answer when there is something to answer."""
    # An icon by name would be fetched from a server of fonts; this one is ours.
    st.set_page_config(page_title="Sightdesk", page_icon=ICON)
    desk = get_desk()
    desk.wait()
    st.session_state.pop("writing", None)  # this run draws what became of it
    if desk.begin(st.query_params.get("thread")) and desk.trouble is None:
        desk.notices.append("gone")
    say = get_words(desk)
    draw_style(say.language)
    threads, place, search = draw_sidebar(desk, say)
    # While the model loads, the list is there; else it waits for what a message changes in it.
    loading = not get_room().ready
    if loading:
        draw_list(threads, desk, say, search)
    body = st.container()
    engine = load_engine(body, say)
    job = None
    if engine is not None:
        by_desk = desk_answers(desk)
        if by_desk:
            get_agents().warm()
        draw_model(place, desk, engine, say, get_agents() if by_desk else None)
        message = draw_composer(desk, say, by_desk=by_desk)
        if message is not None:
            job = send(desk, say, message.text, message.files, from_box=True)
        elif st.session_state.pop("describe", False):
            job = send(desk, say, "", [], from_box=False)
        else:
            job = take_up(desk)
    remember_thread(desk)
    if not loading:
        draw_list(threads, desk, say, search)
    with body:
        draw_body(desk, say, engine, job)
    if job is None:
        draw_dialog(desk, say, engine)


def draw_body(desk: Desk, say: Words, engine: Engine | None, job: Job | None) -> None:
    """The conversation, and the answer that is being written."""
    # In a place of its own: what a run has not yet redrawn stays on the page while it streams.
    welcome = st.empty()
    if desk.thread_id is not None:
        welcome.empty()
        draw_title(desk, say)
    elif engine is not None:
        with welcome.container():
            if desk_answers(desk):
                draw_desk_welcome(desk, say, engine)
            else:
                draw_welcome(desk, say, engine)
    draw_trouble(desk, say)
    if desk.hidden:
        st.button(
            say("earlier", n=min(desk.hidden, 20)),
            key="earlier",
            icon=":material/expand_less:",
            type="tertiary",
            on_click=desk.show_earlier,
        )
    live = None
    for exchange in desk.exchanges:
        if job is not None and exchange.id == job.exchange.id:
            live = st.empty()
        else:
            with st.container():
                draw_exchange(exchange, desk, say, engine)
    # What stood in the place of an answer, and below it, must not stay while it is written anew.
    for _ in range(desk.drawn - len(desk.exchanges)):
        st.empty()
    desk.drawn = len(desk.exchanges)
    draw_ticket_line(desk, say)
    if desk.hint:
        st.info(say("add_photo_hint"), icon=":material/add_photo_alternate:")
    draw_notices(desk, say)
    if job is not None and live is not None and engine is not None:
        with live.container():
            draw_live(job, desk, say, engine, desk.preferences.sampling(again=job.again))
        st.rerun()


def draw_welcome(desk: Desk, say: Words, engine: Engine) -> None:
    """What a visitor sees first."""
    st.header(say("welcome"), anchor=False)
    st.write(say("welcome_hint"))
    suggestions = {
        "What is in this picture?": say("suggest_what"),
        "What colour is it?": say("suggest_colour"),
        "How many are there?": say("suggest_count"),
    }
    with st.container(horizontal=True):
        for question, text in suggestions.items():
            st.button(text, key=f"suggest-{question}", on_click=_suggest, args=(desk, question))
    if say.language != "en" and engine.name == "embedded":
        st.caption(say("english_only"))
    st.caption(f":material/lock: {say('welcome_local')}")


def _suggest(desk: Desk, question: str) -> None:
    desk.draft, desk.hint = question, True


def draw_title(desk: Desk, say: Words) -> None:
    """The conversation's name, and what can be done with it."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", key="title"
    ):
        st.subheader(escape_markdown(desk.title or say("untitled")), anchor=False, width="content")
        options = {"rename": say("rename"), "export": say("export"), "delete": say("delete")}
        st.menu_button(
            say("thread_menu"),
            list(options),
            key="thread-menu",
            icon=":material/more_horiz:",
            type="tertiary",
            format_func=lambda option: options[option],
            on_click=_choose_thread_menu,
            args=(desk,),
        )


def _choose_thread_menu(desk: Desk) -> None:
    if (chosen := st.session_state["thread-menu"]) is not None:
        desk.dialog = (chosen, "")


def load_engine(body: DeltaGenerator, say: Words) -> Engine | None:
    """The engine, with a progress bar while it loads; None where it cannot be loaded."""
    place = body.empty()

    def report(message: str, fraction: float | None) -> None:
        with place.container():
            st.subheader(say("loading"), anchor=False)
            st.progress(min(max(fraction or 0.0, 0.0), 1.0), text=escape_markdown(message))
            st.caption(say("loading_hint"))

    try:
        engine = get_room().get(report)
    except SightdeskError as error:
        with place.container():
            st.subheader(say("load_failed"), anchor=False)
            draw_error(str(error), say)
            st.button(say("try_again"), key="retry-engine", icon=":material/refresh:")
        return None
    place.empty()
    return engine


def send(desk: Desk, say: Words, text: str, files: list, *, from_box: bool) -> Job:
    """A message becomes an exchange whose answer is to be written, or a notice."""
    message = take_message(desk, say, text, files, needs_photo=not desk_answers(desk))
    if message is None:
        st.rerun()
    exchange = desk.ask(message.text, message.photos, left_out=message.left_out)
    if exchange is None:
        st.rerun()
    return Job(exchange, from_box=from_box)


def take_up(desk: Desk) -> Job | None:
    """What a button of the last run asked for."""
    edited = st.session_state.pop("edited", None)
    task = st.session_state.pop("task", None)
    if edited is not None and (exchange := desk.find(edited[0])) is not None:
        added = desk.ask_again(exchange, edited[1])
        return Job(added) if added is not None else None
    if task is not None and (exchange := desk.find(task[1])) is not None:
        if task[0] == "person":
            added = desk.ask(words_for_a_person(exchange.shown), [])
            return Job(added) if added is not None else None
        return Job(exchange, again=task[0] == "again", without=task[0] == "without")
    return None


def words_for_a_person(question: str) -> str:
    """How a customer asks for a person, in the language of the question before."""
    from assistant.languages import language_of
    from assistant.languages import say as say_in

    return say_in("ask_person", language_of(question))


def remember_thread(desk: Desk) -> None:
    """Keep the conversation in the address, so that a reload finds it."""
    known = desk.thread_id if desk.thread_id and not desk.thread_id.startswith("scratch") else None
    if known != st.query_params.get("thread"):
        if known is None:
            st.query_params.clear()
        else:
            st.query_params["thread"] = known


if __name__ == "__main__":
    main()
