"""The review page: what was labelled or described is looked through by a person, quickly.

It shows pictures of this computer's folders and writes to it, so it shows nothing where it is
served to a network. Names of files, labels, captions and pictures are untrusted, as everywhere.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui.plain import escape_markdown, label
from ui.review_board import draw_review
from ui.review_start import draw_start, draw_started
from ui.review_style import draw_review_style
from ui.session import get_desk, get_words, served_here
from ui.style import draw_style
from ui.troubles import draw_error, draw_notices

if TYPE_CHECKING:
    from assistant.annotate.job import Job
    from assistant.annotate.review import Review
    from ui.words import Words

ICON = Path(__file__).parent / "assets" / "icon.svg"
OPEN = "review-open"
NEW = "review-new"
MOST_LISTED = 50


def main() -> None:
    """Draw the page once."""
    desk = get_desk()
    desk.begin()
    say = get_words(desk)
    st.set_page_config(page_title=f"Sightdesk · {say('review')}", page_icon=ICON, layout="wide")
    draw_style(say.language)
    draw_review_style()
    if not served_here():
        draw_frame(say)
        st.info(say("review_not_here"), icon=":material/lock:")
        return
    from assistant.annotate.job import known_jobs

    jobs = known_jobs()[:MOST_LISTED]
    draw_frame(say)
    job = choose(jobs, say)
    draw_list(jobs, job, say)
    draw_notices(desk, say)
    draw_started(say)
    if job is None:
        draw_start(say, first=not jobs)
        return
    try:
        with st.spinner(say("review_reading"), show_time=False):
            review = get_review(str(job.path), job.id)
    except SightdeskError as error:
        draw_error(str(error), say)
        return
    with st.container(key="review-title", gap="xxsmall"):
        st.header(escape_markdown(job.folder.name or str(job.folder)), anchor=False)
        st.caption(escape_markdown(str(job.folder)))
    draw_review(review, say)


@st.cache_resource(show_spinner=False, max_entries=8)
def get_review(path: str, id: str) -> Review:
    """The review of a job, which all sessions of this server share."""
    from assistant.annotate.job import Job
    from assistant.annotate.review import Review

    return Review(Job.open(Path(path)))


def draw_frame(say: Words) -> None:
    """The way back."""
    with st.sidebar:
        st.subheader("Sightdesk", anchor=False)
        st.caption(say("review_tagline"))
        st.page_link("chat.py", label=say("review_back"), icon=":material/arrow_back:")


def choose(jobs: list[Job], say: Words) -> Job | None:
    """The job that is open: the one chosen last, the address's, or the newest."""
    if OPEN not in st.session_state:
        st.session_state[OPEN] = st.query_params.get("job") or (jobs[0].id if jobs else None)
    id: str | None = st.session_state[OPEN]
    if id == NEW:
        st.query_params.clear()
        return None
    found = next((job for job in jobs if job.id == id), None)
    if found is None and jobs:
        if id is not None:
            st.warning(say("review_gone"), icon=":material/warning:")
        found = jobs[0]
        st.session_state[OPEN] = found.id
    if found is None:
        st.session_state.pop(OPEN)
        st.query_params.clear()
    elif st.query_params.get("job") != found.id:
        st.query_params["job"] = found.id
    return found


def draw_list(jobs: list[Job], opened: Job | None, say: Words) -> None:
    """The jobs, the newest first."""
    with st.sidebar:
        if jobs:
            st.button(
                say("review_start_new"),
                key="review-new",
                icon=":material/add:",
                type="primary",
                width="stretch",
                on_click=_open,
                args=(NEW,),
            )
            st.caption(say("review_jobs"))
        with st.container(key="threads", gap="xxsmall"):
            for job in jobs:
                describes = job.kind == "describe"
                name = label(job.folder.name or str(job.folder), 24)
                st.button(
                    say("review_job_describe", folder=name)
                    if describes
                    else say("review_job_label", folder=name),
                    key=f"thread-{job.id}",
                    icon=":material/notes:" if describes else ":material/label:",
                    type="secondary" if opened is not None and job.id == opened.id else "tertiary",
                    width="stretch",
                    on_click=_open,
                    args=(job.id,),
                )


def _open(id: str) -> None:
    st.session_state[OPEN] = id


if __name__ == "__main__":
    main()
