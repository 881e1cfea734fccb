"""The board of the review page: a picture, what it may be, and a key for each thing to do with it.

The board itself is in the browser (`assets/review_board.js`): it has the next pictures already, so
that a decision shows the next one at once; `ui.review_wire` says what the two tell each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from assistant.errors import SightdeskError
from ui.review_previews import Previews
from ui.review_set import draw_training_set
from ui.review_wire import Heard, Said, View, answer, take
from ui.troubles import draw_error

if TYPE_CHECKING:
    from assistant.annotate.review import Review
    from ui.words import Words

_ASSETS: Final = Path(__file__).parent / "assets"
_board = st.components.v2.component(
    "sightdesk_review_board",
    js=(_ASSETS / "review_board.js").read_text(encoding="utf-8"),
    css=(_ASSETS / "review_board.css").read_text(encoding="utf-8"),
)


@st.cache_resource(show_spinner=False)
def get_previews() -> Previews:
    """Those that all sessions of this server share."""
    return Previews()


@st.fragment
def draw_review(review: Review, say: Words) -> None:
    """The board with its filter above, and below it what the decisions are good for."""
    try:
        review.refresh()
        view = draw_filter(review, say)
        key = f"review-board-{review.job.id}"
        said, heard = _hear(key, review)
        data = answer(review, view, said, heard, get_previews())

        def hear() -> None:
            _hear(key, review)

        _board(
            key=key,
            data=data | {"words": board_words(review, view, say), "language": say.language},
            on_said_change=hear,
        )
        if review.counts.bad:
            st.caption(say("review_bad", n=f"{review.counts.bad:,}"))
        draw_training_set(review, say)
    except SightdeskError as error:
        draw_error(str(error), say)


def _hear(key: str, review: Review) -> tuple[Said, Heard]:
    """Take in what the browser said last; called as soon as it comes, and before each answer."""
    said = Said.read((st.session_state.get(key) or {}).get("said"))
    heards: dict[str, Heard] = st.session_state.setdefault(f"{key}-heard", {})
    heard = heards.setdefault(said.client, Heard())
    take(said, heard, review)
    return said, heard


def draw_filter(review: Review, say: Words) -> View:
    """Which pictures are looked at."""
    which = {"all": say("review_all"), "aside": say("review_aside")}
    guesses = review.guesses
    with st.container(horizontal=True, vertical_alignment="center", key="review-filter"):
        chosen: Any = st.segmented_control(
            say("review_which"),
            list(which),
            default="all",
            required=True,
            format_func=lambda name: which[name],
            key=f"review-which-{review.job.id}",
            label_visibility="collapsed",
        )
        label = None
        if len(guesses) > 1:
            label = st.selectbox(
                say("review_label"),
                guesses,
                index=None,
                placeholder=f"{say('review_label')}: {say('review_any_label')}",
                format_func=lambda name: name.replace("-", " ").replace("_", " "),
                key=f"review-label-{review.job.id}",
                label_visibility="collapsed",
                width=260,
            )
    return View(chosen or "all", label)


def board_words(review: Review, view: View, say: Words) -> dict[str, str]:
    """The words of the board; fields in them are filled in where they are shown."""
    counts = review.counts
    if not counts.total:
        empty = say("review_empty_yet")
    elif not counts.left:
        empty = say(
            "review_finished",
            accepted=f"{counts.accepted:,}",
            corrected=f"{counts.corrected:,}",
            rejected=f"{counts.rejected:,}",
        )
    else:
        empty = say("review_empty_label") if view.label else say("review_empty_aside")
    describes = review.job.kind == "describe"
    return {
        "board": say("review_board"),
        "picture": say("review_picture"),
        "loading": say("review_loading"),
        "accept": say("review_accept"),
        "reject": say("review_reject"),
        "skip": say("review_skip"),
        "undo": say("review_undo"),
        "use": say("review_use"),
        "save": say("review_save"),
        "choices": say("review_choices"),
        "other": say("review_other"),
        "otherHint": say("review_other_hint"),
        "newLabel": say("review_new_label"),
        "found": say("review_found"),
        "caption": say("review_caption"),
        "noLabel": say("review_no_label"),
        "unsure": say("review_unsure"),
        "sure": say("review_sure"),
        "copies": say("review_copies"),
        "changed": say("review_changed"),
        "before": say("review_before"),
        "wasAccept": say("review_was_accept"),
        "wasCorrect": say("review_was_correct"),
        "wasReject": say("review_was_reject"),
        "wasSkip": say("review_was_skip"),
        "progress": say("review_progress"),
        "done": say("review_done"),
        "leftAside": say("review_left_aside"),
        "left": say("review_left"),
        "next": say("review_next"),
        "saidAccept": say("review_said_accept"),
        "saidCorrect": say("review_said_correct"),
        "saidCaption": say("review_said_caption"),
        "saidReject": say("review_said_reject"),
        "saidSkip": say("review_said_skip"),
        "saidUndo": say("review_said_undo"),
        "saidNext": say("review_said_next"),
        "saving": say("review_saving"),
        "offline": say("review_offline"),
        "again": say("review_again"),
        "keys": say("review_keys"),
        "help": say("review_keys_describe") if describes else say("review_keys_label"),
        "empty": empty,
    }
