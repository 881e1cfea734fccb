"""The chat page: drop a photo, ask about it, read the answer as it is written.

    streamlit run ui/app.py

It draws; `ui.conversation` remembers and `ui.engine_room` holds the model. Questions, answers,
file names and errors are untrusted: they are drawn with `st.text`, which knows no Markdown and no
HTML, so that no answer can load a remote image, style itself as a link or pose as the page.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Final

import streamlit as st

from assistant.errors import SightdeskError
from assistant.images import open_image
from assistant.settings import get_settings
from ui.conversation import MAX_PHOTOS, Conversation, Exchange
from ui.engine_room import EngineRoom

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator
    from streamlit.typing import ChatInputValue, UploadedFile

    from assistant.engine import Engine
    from assistant.images import LoadedImage

SUGGESTIONS: Final = ("What is in this picture?", "What colour is it?", "How many are there?")
FILE_TYPES: Final = ("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff", "heic", "heif")
THUMBNAIL_WIDTH: Final = 150


@st.cache_resource(show_spinner=False)
def get_room() -> EngineRoom:
    """The engine room that all sessions of this server share."""
    return EngineRoom()


def main() -> None:
    """Draw the page, and answer when there is something to answer."""
    st.set_page_config(page_title="Sightdesk", page_icon=":material/visibility:")
    conversation: Conversation = st.session_state.setdefault("conversation", Conversation())
    sidebar = draw_sidebar(conversation)
    body = st.container()
    engine = load_engine(body)
    if engine is None:
        return
    draw_model(sidebar, engine, conversation)
    if (draft := st.session_state.pop("draft", None)) is not None:
        st.session_state["message"] = draft
    message = st.chat_input(
        "Ask about a photo: drop, paste or pick it",
        key="message",
        max_chars=get_settings().max_question_chars,
        max_upload_size=-(-get_settings().max_image_bytes // 2**20),
        accept_file="multiple",
        file_type=FILE_TYPES,
        submit_mode="stop",
    )
    with body:
        # In a place of its own: what a run has not yet redrawn stays on the page while it streams.
        welcome = st.empty()
        if message is None and not conversation.exchanges:
            with welcome.container():
                draw_welcome()
        for exchange in conversation.exchanges:
            draw_exchange(exchange, conversation)
        if message is not None:
            reply(message, conversation, engine)
        elif hint := st.session_state.get("hint"):
            st.info(hint, icon=":material/add_photo_alternate:")
    draw_model(sidebar, engine, conversation)


# --- the frame


def draw_sidebar(conversation: Conversation) -> DeltaGenerator:
    """Name and new-conversation button; returns the place for what the engine can tell."""
    with st.sidebar:
        st.subheader("Sightdesk")
        st.button(
            "New conversation",
            icon=":material/add:",
            width="stretch",
            on_click=start_anew,
        )
        return st.empty()


def draw_model(place: DeltaGenerator, engine: Engine, conversation: Conversation) -> None:
    """Model, adapter and the time of the last answer."""
    seconds = conversation.last_seconds
    rows = {
        "Model": engine.name,
        "Adapter": engine.adapter or "none",
        "Last answer": "–" if seconds is None else f"{seconds:.1f} s",
    }
    with place.container():
        for title, value in rows.items():
            with st.container(gap=None):
                st.caption(title)
                st.text(value)


def start_anew() -> None:
    """Forget the conversation and its photos."""
    st.session_state["conversation"] = Conversation()
    st.session_state.pop("hint", None)


def load_engine(body: DeltaGenerator) -> Engine | None:
    """The engine, with a progress bar while it loads; None where it cannot be loaded."""
    place = body.empty()

    def report(message: str, fraction: float | None) -> None:
        with place.container():
            st.subheader("Getting the model ready")
            st.progress(min(max(fraction or 0.0, 0.0), 1.0), text=escape_markdown(message))
            st.caption("The first start takes a minute or two, later ones some seconds.")

    try:
        engine = get_room().get(report)
    except SightdeskError as error:
        place.empty()
        with body:
            draw_error(str(error))
            st.button("Try again", icon=":material/refresh:")
        return None
    place.empty()
    return engine


def draw_welcome() -> None:
    """What a visitor sees first."""
    st.header("Ask about a photo", anchor=False)
    st.write("Drop, paste or pick a photo below. Sent without a question, it gets described.")
    columns = st.columns(len(SUGGESTIONS))
    for column, suggestion in zip(columns, SUGGESTIONS, strict=True):
        column.button(suggestion, width="stretch", on_click=write_draft, args=(suggestion,))


def write_draft(text: str) -> None:
    """Put a text into the message box, where a photo can be added to it."""
    st.session_state["draft"] = text
    st.session_state["hint"] = "Now add a photo below, then send."


# --- an exchange


def draw_question(exchange: Exchange, conversation: Conversation) -> None:
    """The visitor's side: thumbnails, then the text."""
    with st.chat_message("user"):
        if exchange.photos:
            with st.container(horizontal=True):
                for photo in exchange.photos:
                    st.image(conversation.photos[photo].thumbnail, width=THUMBNAIL_WIDTH)
        st.text(exchange.shown)


def draw_exchange(exchange: Exchange, conversation: Conversation) -> None:
    """An exchange that is over."""
    draw_question(exchange, conversation)
    with st.chat_message("assistant"):
        if exchange.answer:
            st.text(exchange.answer)
        draw_outcome(exchange)


def draw_outcome(exchange: Exchange) -> None:
    """What there is to say of an answer beside its text."""
    if exchange.error:
        draw_error(exchange.error)
    if exchange.stopped:
        st.caption("Stopped.")
    if exchange.note:
        st.caption(exchange.note)


def draw_error(sentence: str) -> None:
    """An error as it reads: names of files and values in it are not Markdown."""
    st.error(escape_markdown(sentence), icon=":material/error:")


def escape_markdown(text: str) -> str:
    """Markdown that reads as `text`; for boxes that have no plain form."""
    return "".join(
        f"\\{mark}" if mark in "\\`*_{}[]()<>#+-.!|~$:&\"'=^/@" else mark for mark in text
    )


def reply(message: ChatInputValue, conversation: Conversation, engine: Engine) -> None:
    """Answer one message, drawing the answer as it comes."""
    pictures, error = open_photos(message.files)
    if not pictures and not conversation.photos and error is None:
        write_draft(message.text)
        st.rerun()
    st.session_state.pop("hint", None)
    exchange = conversation.add(message.text, pictures)
    if len(message.files) > MAX_PHOTOS:
        exchange.note = f"Only the first {MAX_PHOTOS} photos were taken."
    exchange.error = error
    draw_question(exchange, conversation)
    with st.chat_message("assistant"):
        if error is None:
            answer(exchange, conversation, engine)
        draw_outcome(exchange)


def open_photos(
    files: list[UploadedFile],
) -> tuple[list[tuple[str, LoadedImage]], str | None]:
    """Pictures with their names, and the sentence on the first file that is none."""
    pictures, error = [], None
    for file in files[:MAX_PHOTOS]:
        try:
            pictures.append((file.name, open_image(file, name=file.name)))
        except SightdeskError as problem:
            error = error or str(problem)
    return pictures, error


def answer(exchange: Exchange, conversation: Conversation, engine: Engine) -> None:
    """Stream the model's answer to the last question of `conversation` into the page."""
    from assistant.engine import Sampling

    place = st.empty()
    place.caption("Looking at the photo …")
    began = time.perf_counter()
    # Streamlit stops a script with a BaseException at the next drawing call: until an answer is
    # complete, it counts as stopped, and what there is of it lies in the exchange already.
    exchange.stopped = True
    try:
        with get_room().turn(lambda: place.caption("Waiting for another conversation …")):
            began = time.perf_counter()
            turns = conversation.turns()
            images = conversation.encode([name for turn in turns for name in turn.images], engine)
            with closing(relay(engine.stream(turns, images, sampling=Sampling()))) as pieces:
                for piece in pieces:
                    exchange.answer += piece
                    place.text(exchange.answer.lstrip())
        exchange.stopped = False
        exchange.seconds = time.perf_counter() - began
    except SightdeskError as error:
        exchange.stopped = False
        exchange.error = str(error)
    finally:
        exchange.answer = exchange.answer.strip()
    if exchange.answer:
        place.text(exchange.answer)
    else:
        place.empty()
        if exchange.error is None:
            exchange.note = "The model had nothing to say: ask in other words."


def relay(pieces: Iterator[str]) -> Generator[str, None, None]:
    """The same pieces; closing it closes `pieces`, which ends the model's work."""
    yield from pieces


if __name__ == "__main__":
    main()
