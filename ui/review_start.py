"""A job that is begun from the review page: which folder, labels or descriptions, how far it is.

It runs the `sightdesk` command as a process of its own (see `ui.jobs`), which goes on when the page
is closed and registers its job itself, as one that was started in a terminal does.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import streamlit as st

from assistant.adapter_files import find_adapter, known_adapters
from assistant.errors import InputError, SightdeskError
from assistant.settings import get_settings
from ui import jobs
from ui.plain import escape_markdown, one_line
from ui.trainings import clean_path
from ui.troubles import draw_error

if TYPE_CHECKING:
    from ui.words import Words

COMMAND: Final = "sightdesk label FOLDER --adapter grocery --out FOUND"
DESCRIBE: Final = "sightdesk describe FOLDER --out FOUND"
EVERY_SECONDS: Final = 2.0
SEEN: Final = "review-starts-seen"
_RESULTS: Final = "found"
_MOST: Final = 20
_TOLD_S: Final = 3600.0


@dataclass(frozen=True)
class Start:
    """A command that was started here.

    Attributes:
        out: the directory of its job.
        source: the folder that it works on.
    """

    out: Path
    source: str
    state: jobs.State
    error: str
    said: str


def home() -> Path:
    """Where what is started here is kept, a folder each."""
    return get_settings().data_dir / "labelled"


def begin(folder: str, *, adapter: str | None) -> Path:
    """Start labelling with an adapter's labels, or describing where there is none; its directory.

    Raises:
        InputError: the folder is none, or the command cannot be started.
    """
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", Path(folder).name).strip("-._")[:60] or "pictures"
    place, number = home() / name, 1
    while place.exists():
        number += 1
        place = home() / f"{name}-{number}"
    out = place / _RESULTS
    words = ["describe"] if adapter is None else ["label", "--adapter", adapter]
    jobs.start(place, [*jobs.sightdesk(), *words, folder, "--out", str(out)])
    return out


def started() -> list[Start]:
    """What was started here and runs, or has just failed, the newest first."""
    try:
        places = sorted(home().iterdir(), key=lambda place: place.stat().st_mtime, reverse=True)
    except OSError:
        return []
    found = []
    for place in places[:_MOST]:
        job = jobs.look(place, briefly=True)
        if job is None:
            continue
        if job.active or (job.state == "failed" and time.time() - job.note.born < _TOLD_S):
            words = job.note.command
            told = [line for line in jobs.tail(place / jobs.ERRORS).splitlines() if line.strip()]
            source = words[words.index("--out") - 1] if "--out" in words else ""
            found.append(
                Start(place / _RESULTS, source, job.state, job.error, told[-1] if told else "")
            )
    return found


def draw_start(say: Words, *, first: bool) -> None:
    """How a job is made: the commands, and a form that runs one of them."""
    if first:
        st.header(say("review_none"), anchor=False)
        st.write(say("review_none_hint"))
        st.code(f"{COMMAND}\n{DESCRIBE}", language=None)
        st.subheader(say("review_start_title"), anchor=False)
    else:
        st.header(say("review_start_new"), anchor=False)
    kinds = {"label": say("review_start_label"), "describe": say("review_start_describe")}
    with st.container(width=640):
        kind = st.segmented_control(
            say("review_start_what"), list(kinds), default="label", required=True,
            format_func=lambda name: kinds[name], key="review-start-kind",
        )  # fmt: skip
        with st.form("review-start", border=False):
            folder = st.text_input(
                say("review_start_folder"), key="review-start-folder", max_chars=4096,
                placeholder="/home/me/photos",
            )  # fmt: skip
            adapter = None
            if kind == "label":
                adapter = st.selectbox(
                    say("review_start_by"), labelling_adapters(), key="review-start-adapter"
                )
            wanted = st.form_submit_button(
                say("review_start"), type="primary", icon=":material/play_arrow:"
            )
    if not wanted:
        return
    try:
        path = clean_path(folder or "")
        if not path:
            raise InputError(say("review_start_empty"))
        if not Path(path).is_dir():
            raise InputError(say("review_start_lost", path=path[:300]))
        begin(path, adapter=adapter if kind == "label" else None)
    except SightdeskError as error:
        draw_error(str(error), say)
        return
    st.rerun()


def labelling_adapters() -> list[str]:
    """Adapters that have labels to choose from."""
    settings = get_settings()
    found = []
    for name in known_adapters(settings):
        try:
            if find_adapter(name, settings).labels:
                found.append(name)
        except SightdeskError:
            continue
    return found


def draw_started(say: Words) -> None:
    """What was started here and has not come to an end."""
    found = started()
    if any(start.state in ("running", "stopping") for start in found):
        _watch(say)
    else:
        _draw(found, say)


@st.fragment(run_every=EVERY_SECONDS)
def _watch(say: Words) -> None:
    """Drawn anew while something runs; the page is, when a job has come up or ended."""
    found = started()
    up = {start.out for start in found if (start.out / "job.json").exists()}
    now = (up, [(start.out, start.state) for start in found])
    before: tuple[set[Path], Any] | None = st.session_state.get(SEEN)
    st.session_state[SEEN] = now
    if before is not None and before != now:
        for out in up - before[0]:
            _open(out)
        st.rerun(scope="app")
    _draw(found, say)


def _open(out: Path) -> None:
    """Show the job that has just come up."""
    from assistant.annotate.job import Job

    try:
        st.session_state["review-open"] = Job.open(out).id
    except SightdeskError:
        return


def _draw(found: list[Start], say: Words) -> None:
    for start in found:
        name = escape_markdown(one_line(Path(start.source).name or start.source, 60))
        if start.state == "failed":
            said = escape_markdown(one_line(start.error, 400))
            st.error(say("review_start_failed", folder=name, said=said), icon=":material/error:")
            continue
        with st.container(horizontal=True, vertical_alignment="center"):
            if start.said:
                text = f"{name} · {escape_markdown(one_line(start.said, 200))}"
            else:
                text = say("review_starting", folder=name)
            st.caption(f":material/hourglass_top: {text}")
            st.button(
                say("review_start_stop"), key=f"review-stop-{start.out.parent.name}",
                icon=":material/stop:", type="tertiary",
                on_click=jobs.stop, args=(start.out.parent,),
            )  # fmt: skip
