"""The message box at the bottom: text, photos dropped, pasted, picked or taken, and adjustments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from assistant.enhance import Enhancement, enhance
from assistant.errors import SightdeskError
from assistant.images import LoadedImage, fit_within, image_id, open_image
from assistant.settings import get_settings
from ui.conversation import MAX_PHOTOS
from ui.photos import FILE_TYPES, Photo, open_photos
from ui.plain import escape_markdown, one_line
from ui.replies import open_ticket
from ui.session import desk_by_default

if TYPE_CHECKING:
    from streamlit.typing import ChatInputValue

    from ui.desk import Desk
    from ui.words import Words

PREVIEW_PIXELS = 480
PREVIEW_WIDTH = 190
SLIDERS: Final = {
    # name: smallest, largest, step; the ends are where a photo is still one
    "denoise": (0.0, 1.0, 0.05),
    "brightness": (0.3, 2.5, 0.05),
    "contrast": (0.3, 2.5, 0.05),
    "saturation": (0.0, 2.5, 0.05),
    "sharpen": (0.0, 3.0, 0.1),
}
SIDES: Final = (None, 1024, 512, 260, 128)


def draw_composer(desk: Desk, say: Words, *, by_desk: bool = False) -> ChatInputValue | None:
    """The bottom of the page; returns what was sent in this run.

    Args:
        by_desk: the support desk answers, which needs no photo.
    """
    if desk.draft is not None:
        st.session_state["message"] = desk.draft
        desk.draft = None
    with st.bottom:
        draw_tray(desk, say)
        with st.container(horizontal=True, gap="small", key="tools"):
            draw_camera(desk, say)
            with st.popover(
                say("adjust_on") if desk.how.active else say("adjust"),
                icon=":material/tune:",
                type="primary" if desk.how.active else "tertiary",
                key="adjust",
            ):
                draw_adjust(desk, say)
            draw_who(desk, say, by_desk=by_desk)
    # Outside of `st.bottom`, where it goes by itself: only so does the page follow an answer down.
    return st.chat_input(
        _placeholder(desk, say, by_desk=by_desk),
        key="message",
        max_upload_size=-(-get_settings().max_image_bytes // 2**20),
        accept_file="multiple",
        file_type=FILE_TYPES,
        submit_mode="stop",
    )


@dataclass(frozen=True)
class Message:
    """What a visitor sends."""

    text: str
    photos: list[Photo]
    left_out: int = 0
    """Photos that were too many."""


def take_message(
    desk: Desk, say: Words, text: str, files: list[Any], *, needs_photo: bool = True
) -> Message | None:
    """A message that can be sent; None where it cannot, and the notices say why.

    Then nothing is lost: the text is in the box again, the photos are in the tray.

    Args:
        needs_photo: whoever answers can say nothing where no photo was shown yet.
    """
    limit = get_settings().max_question_chars
    opened = open_photos(files, MAX_PHOTOS - len(desk.tray))
    photos = [*desk.tray, *opened.photos]
    problems = opened.problems[:MAX_PHOTOS]
    if len(text) > limit:
        problems.append(say("too_long", n=f"{len(text):,}", most=f"{limit:,}"))
    elif problems:
        problems.append("not_sent")
    if problems:
        desk.draft, desk.tray, desk.notices = text, photos, problems
        return None
    if not photos and (needs_photo or not text.strip()) and not has_photo(desk):
        desk.draft, desk.hint = text, True
        return None
    return Message(text, photos, opened.left_out)


def has_photo(desk: Desk) -> bool:
    """Whether the conversation is about a photo already."""
    return any(e.used or e.details.get("about") for e in desk.exchanges)


# --- who answers


def draw_who(desk: Desk, say: Words, *, by_desk: bool) -> None:
    """Who answers, and the way to change it, where there is a choice to speak of."""
    if not (by_desk or desk.preferences.desk is not None or desk_by_default()):
        return
    names = {"desk": say("desk"), "photo": say("photo_model")}
    st.menu_button(
        names["desk" if by_desk else "photo"],
        list(names),
        key="who",
        icon=":material/support_agent:" if by_desk else ":material/visibility:",
        type="tertiary",
        format_func=lambda name: names[name],
        help=say("answers_hint"),
        on_click=_choose_who,
        args=(desk,),
    )


def _choose_who(desk: Desk) -> None:
    if (chosen := st.session_state["who"]) is not None:
        desk.set_preferences(replace(desk.preferences, desk=chosen == "desk"))


def _placeholder(desk: Desk, say: Words, *, by_desk: bool) -> str:
    """What the message box says when it is empty."""
    if not by_desk:
        return say("ask")
    ticket = open_ticket(desk)
    return say("ask_desk") if ticket is None else say("ask_desk_ticket", id=ticket.id)


# --- photos that wait


def draw_tray(desk: Desk, say: Words) -> None:
    """Photos that go with the next message."""
    if not desk.tray:
        return
    with st.container(horizontal=True, vertical_alignment="bottom", key="tray"):
        for place, photo in enumerate(desk.tray):
            with st.container(width="content", gap="xxsmall"):
                st.image(
                    fit_within(photo.image.pixels, 160),
                    width=80,
                    alt=say("photo_alt", name=photo.name),
                )
                st.button(
                    escape_markdown(say("remove", name=one_line(photo.name, 24))),
                    key=f"remove-{place}",
                    icon=":material/close:",
                    type="tertiary",
                    on_click=desk.tray.remove,
                    args=(photo,),
                )
        st.button(say("describe_it"), key="describe-tray", type="primary", on_click=_describe_tray)


def _describe_tray() -> None:
    st.session_state["describe"] = True


def draw_camera(desk: Desk, say: Words) -> None:
    """A camera; the browser asks for it, and shows it, only while the popover is open."""
    with (
        st.popover(
            say("camera"), icon=":material/photo_camera:", type="tertiary", key="camera-popover"
        ),
        st.container(key="camera-box"),
    ):
        taken = st.camera_input(say("camera_label"), key="camera")
        if taken is not None and st.button(say("camera_add"), type="primary", key="camera-add"):
            taken.name = say("camera_name")
            add_to_tray(desk, [taken])
            st.rerun()


def add_to_tray(desk: Desk, files: list[Any]) -> None:
    """Photos that are sent with the next message."""
    known = {photo.image.id for photo in desk.tray}
    opened = open_photos(files, MAX_PHOTOS - len(desk.tray))
    desk.tray += [photo for photo in opened.photos if photo.image.id not in known]
    desk.notices += opened.problems


# --- adjustments


@st.fragment
def draw_adjust(desk: Desk, say: Words) -> None:
    """Sliders, and the photo before and after."""
    st.caption(say("adjust_hint"))
    photo = preview_photo(desk)
    preview = st.empty()
    values: dict[str, Any] = {}
    generation = desk.sliders
    columns = st.columns(2, gap="medium")
    for place, (name, (low, high, step)) in enumerate(SLIDERS.items()):
        current = min(max(float(getattr(desk.how, name)), low), high)
        values[name] = columns[place % 2].slider(
            _slider_label(name, say), low, high, current, step, key=f"{name}-{generation}"
        )
    values["longest"] = columns[1].select_slider(
        say("resize"),
        SIDES,
        value=desk.how.longest if desk.how.longest in SIDES else None,
        format_func=lambda n: say("resize_keep") if n is None else say("pixels", n=n),
        key=f"longest-{generation}",
    )
    before = desk.how.active
    desk.how = Enhancement.from_dict(values)
    if photo is not None:
        with preview.container():
            draw_preview(photo, desk.how, say)
    else:
        st.caption(say("adjust_no_photo"))
        picked = st.file_uploader(
            say("adjust_pick"), type=list(FILE_TYPES), key=f"pick-{generation}",
            max_upload_size=-(-get_settings().max_image_bytes // 2**20),
        )  # fmt: skip
        if picked is not None:
            add_to_tray(desk, [picked])
            desk.sliders += 1
            st.rerun()
    if photo is not None and not desk.tray and desk.how.active:
        st.caption(say("adjust_again"))
    if desk.how.active and st.button(say("reset"), key="reset", icon=":material/undo:"):
        desk.how = Enhancement()
        desk.sliders += 1
        st.rerun()
    if before != desk.how.active:
        st.rerun()


def _slider_label(name: str, say: Words) -> str:
    return {
        "denoise": say("denoise"),
        "brightness": say("brightness"),
        "contrast": say("contrast"),
        "saturation": say("saturation"),
        "sharpen": say("sharpen"),
    }[name]


def draw_preview(photo: Photo, how: Enhancement, say: Words) -> None:
    """The photo before and after."""
    small = fit_within(photo.image.pixels, PREVIEW_PIXELS)
    image = LoadedImage(image_id(small), small, "PIL")
    after = enhance(image, how).pixels
    with st.container(horizontal=True, key="preview"):
        for pixels, title, alt in (
            (small, say("before"), say("before_alt", name=photo.name)),
            (after, say("after"), say("after_alt", name=photo.name)),
        ):
            with st.container(width=PREVIEW_WIDTH, gap=None):
                st.image(pixels, width="stretch", alt=alt)
                st.caption(title)


def preview_photo(desk: Desk) -> Photo | None:
    """The photo that the sliders are shown on."""
    if desk.tray:
        return desk.tray[0]
    for exchange in reversed(desk.exchanges):
        if exchange.images and desk.keeper is not None:
            try:
                # The small one: this is drawn in every run of the page.
                small = open_image(desk.keeper.thumbnail(exchange.images[0]))
                return Photo(exchange.names[0], small)
            except SightdeskError:
                return None
    return None
