"""What the decisions are good for: a training set, and the way to a training with it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui.plain import one_line
from ui.troubles import draw_error

if TYPE_CHECKING:
    from assistant.annotate.review import Review
    from assistant.annotate.training_set import TrainingSet
    from ui.words import Words

MOST_LEFT_OUT = 20


def draw_training_set(review: Review, say: Words) -> None:
    """The button that makes one, once there is something to learn; what was made."""
    counts, key = review.counts, f"review-made-{review.job.id}"
    finished = counts.total > 0 and not counts.left
    useful = counts.accepted + counts.corrected
    if not useful:
        return
    with st.container(border=True, gap="small", key="review-set"):
        with st.container(
            horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"
        ):
            st.markdown(f"**{say('review_set')}**  \n{say('review_set_hint', n=f'{useful:,}')}")
            wanted = st.button(
                say("review_make"),
                key="review-make",
                type="primary" if finished else "secondary",
                icon=":material/dataset:",
            )
        if wanted:
            from assistant.annotate.training_set import write_training_set

            st.session_state.pop(key, None)
            try:
                st.session_state[key] = write_training_set(review)
            except SightdeskError as error:
                draw_error(str(error), say)
        made: TrainingSet | None = st.session_state.get(key)
        if made is not None:
            draw_made(made, say)


def draw_made(made: TrainingSet, say: Words) -> None:
    """Where it is, what to do with it, and what is not in it."""
    file, rows = str(made.file), f"{made.rows:,}"
    if made.labels:
        st.markdown(say("review_made_labels", n=rows, labels=f"{made.labels:,}"))
    else:
        st.markdown(say("review_made", n=rows))
    st.code(file, language=None)
    st.markdown(say("review_command"))
    st.code(shlex.join(["sightdesk", "adapters", "train", file]), language=None)
    if made.left_out:
        with st.expander(say("review_left_out", n=f"{len(made.left_out):,}")):
            for _, sentence in made.left_out[:MOST_LEFT_OUT]:
                st.text(one_line(sentence, 400))
    if st.button(say("review_train"), key="review-train", icon=":material/model_training:"):
        # A new training, its first field filled in.
        st.session_state["train-open"] = None
        st.session_state.pop("train-source", None)
        st.session_state["train-path"] = file
        st.session_state.pop("train-checked", None)
        st.switch_page("train.py")
