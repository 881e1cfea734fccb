"""One picture of the page "Find": large, with all that is known of it and what can be done."""

from __future__ import annotations

from contextlib import closing
from io import BytesIO
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from assistant.image_index import Note
from assistant.images import fit_within
from assistant.prompts import DESCRIBE
from ui.find_bar import find_similar
from ui.find_grid import OPEN, percent
from ui.find_terms import day_of, name_of, size_of
from ui.photos import Photo
from ui.plain import escape_markdown, one_line
from ui.session import get_room
from ui.troubles import draw_error

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from assistant.image_index import ImageIndex, IndexedFile
    from assistant.images import LoadedImage
    from ui.desk import Desk
    from ui.find_pictures import View
    from ui.words import Words

VIEW = "find-view"
LARGEST = 1600
MOST_OTHERS = 20


def draw_details(index: ImageIndex, desk: Desk, say: Words) -> None:
    """The dialog, where a picture is open."""
    view: View | None = st.session_state.get(VIEW)
    if view is None or not 0 <= st.session_state.get(OPEN, -1) < len(view.found):
        st.session_state.pop(OPEN, None)
        return

    @st.dialog(say("find_details"), width="large", on_dismiss=close)
    def show() -> None:
        now: View = st.session_state[VIEW]
        place = min(st.session_state.get(OPEN, 0), len(now.found) - 1)
        draw_picture(now, place, index, desk, say)

    show()


def close() -> None:
    """Draw it no more."""
    st.session_state.pop(OPEN, None)


def draw_picture(view: View, place: int, index: ImageIndex, desk: Desk, say: Words) -> None:
    """What the dialog shows of one."""
    file = view.found[place].file
    draw_steps(view, place, say)
    left, right = st.columns([3, 2], gap="medium")
    image = None
    with left:
        try:
            image = index.open_picture(file)
        except SightdeskError as error:
            draw_error(str(error), say)
        else:
            stream = BytesIO()
            fit_within(image.pixels, LARGEST).save(stream, "WEBP", quality=88)
            st.image(stream.getvalue(), width="stretch", alt=say("photo_alt", name=name_of(file)))
    with right:
        st.subheader(escape_markdown(one_line(name_of(file), 80)), anchor=False)
        caption = st.empty()
        if file.caption:
            caption.text(file.caption)
        wanted = draw_actions(file, image, desk, say)
        draw_facts(view, place, say)
    if wanted and image is not None:
        write_caption(caption, place, image, index, desk, say)


def draw_steps(view: View, place: int, say: Words) -> None:
    """Which one it is, and the ways to those beside it."""
    with st.container(
        horizontal=True, horizontal_alignment="distribute", vertical_alignment="center",
        key="find-steps",
    ):  # fmt: skip
        st.button(
            say("find_previous"), key="find-previous", icon=":material/chevron_left:",
            type="tertiary", disabled=place == 0, shortcut="Left", on_click=_step, args=(-1,),
        )  # fmt: skip
        st.caption(say("find_place", n=f"{place + 1:,}", most=f"{len(view.found):,}"),
                   width="content")  # fmt: skip
        st.button(
            say("find_next"), key="find-next", icon=":material/chevron_right:",
            icon_position="right", type="tertiary", disabled=place + 1 == len(view.found),
            shortcut="Right", on_click=_step, args=(1,),
        )  # fmt: skip


def _step(by: int) -> None:
    if OPEN in st.session_state:
        st.session_state[OPEN] += by


def draw_actions(file: IndexedFile, image: LoadedImage | None, desk: Desk, say: Words) -> bool:
    """Describe, similar, ask about this; returns whether it is to be described."""
    with st.container(horizontal=True, key="find-actions"):
        wanted = st.button(
            say("find_describe_again") if file.caption else say("find_describe"),
            key="find-describe",
            icon=":material/notes:",
            disabled=image is None,
        )
        if st.button(say("find_similar"), key="find-similar", icon=":material/image_search:",
                     on_click=_similar, args=(file.image_id,)):  # fmt: skip
            st.rerun(scope="app")
        if st.button(say("find_ask"), key="find-ask-about", type="primary", icon=":material/forum:",
                     disabled=image is None) and image is not None:  # fmt: skip
            ask_about(Photo(one_line(name_of(file), 200), image), desk)
    return wanted


def _similar(image_id: str) -> None:
    close()
    find_similar(image_id)


def ask_about(photo: Photo, desk: Desk) -> None:
    """Open the chat with the picture attached; it is stored when a question is sent."""
    close()
    desk.start_anew()
    desk.tray = [photo]
    st.switch_page("chat.py")


def draw_facts(view: View, place: int, say: Words) -> None:
    """Label, likelihood, size, day, and where it is."""
    found = view.found[place]
    file = found.file
    facts: list[tuple[str, str]] = []
    if view.by_likeness:
        facts.append((say("find_fact_likely"), f"{percent(found.likelihood)} %"))
    if file.label:
        facts.append((say("find_fact_label"), file.label))
    if file.coarse_label and file.coarse_label != file.label:
        facts.append((say("find_fact_kind"), file.coarse_label))
    size = f"{file.width} × {file.height} · {size_of(file.size)}"
    facts.append((say("find_fact_size"), size))
    taken = say("find_fact_taken") if file.taken else say("find_fact_written")
    facts.append((taken, f"{day_of(file):%Y-%m-%d %H:%M}"))
    with st.container(gap="xxsmall", key="find-facts"):
        for name, value in facts:
            with st.container(horizontal=True, horizontal_alignment="distribute", gap="small"):
                st.caption(name, width="content")
                st.text(one_line(value, 200))
    if view.by_likeness:
        st.caption(escape_markdown(say("find_likely_means", n=percent(found.likelihood))))
    st.caption(say("find_fact_path"))
    st.code(str(file.location) if file.location.as_posix().isprintable() else file.shown,
            language=None, wrap_lines=True)  # fmt: skip
    if found.others:
        st.caption(say("find_fact_others", n=f"{len(found.others):,}"))
        for other in found.others[:MOST_OTHERS]:
            st.text(other.shown)


def write_caption(
    box: DeltaGenerator, place: int, image: LoadedImage, index: ImageIndex, desk: Desk, say: Words
) -> None:
    """Have the model describe the picture, word by word in `box`, and keep what it said."""
    from assistant.engine import Turn

    box.progress(0.0, text=say("find_describing"))

    def report(message: str, fraction: float | None) -> None:
        share = min(max(fraction or 0.0, 0.0), 1.0)
        box.progress(share, text=escape_markdown(message))

    try:
        engine, room = get_room().get(report), get_room()
        adapter = desk.preferences.adapter or None
        said = ""
        with room.turn(lambda: box.caption(say("find_waiting"))):
            encoded = engine.encode_images([image], adapter=adapter)
            turns = [Turn("user", DESCRIBE["sentence"], (image.id,))]
            with closing(engine.stream(turns, encoded, adapter=adapter)) as stream:
                for piece in stream:
                    said += piece
                    box.text(said.strip())
        view: View = st.session_state[VIEW]
        file = view.found[place].file
        note = Note(file.label, file.coarse_label, " ".join(said.split()))
        index.annotate({file.image_id: note})
        st.session_state[VIEW] = view.with_note(place, note)
    except SightdeskError as error:
        box.empty()
        draw_error(str(error), say)
