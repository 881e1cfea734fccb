"""Step four of the training page: scores, the comparison with the base, and into the chat."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from assistant.adapter_files import known_adapters, read_adapter
from assistant.errors import InputError, SightdeskError
from assistant.settings import get_settings
from ui.plain import escape_markdown
from ui.train_terms import duration, score_name
from ui.training import option
from ui.trainings import clean_path
from ui.troubles import draw_error

if TYPE_CHECKING:
    from ui.desk import Desk
    from ui.jobs import Job
    from ui.training import Training
    from ui.trainings import Trainings
    from ui.words import Words

LIMIT = 300
EVERY_SECONDS = 2.0
MOST_REPORT_BYTES = 64 * 2**20


def draw_result(
    training: Training, trainings: Trainings, desk: Desk, say: Words, *, may_act: bool
) -> None:
    """What came of a training that is done."""
    st.subheader(f"4 · {say('train_result')}", anchor=False)
    draw_scores(training, say)
    if may_act:
        draw_use(training, desk, say)
    draw_picture(training, say)
    st.markdown(f"**{say('train_compare')}**")
    if may_act:
        ask_compare(training, trainings, say)
    draw_comparison(training, trainings, say, may_act=may_act)


def draw_scores(training: Training, say: Words) -> None:
    """The scores that are kept with the adapter."""
    assert training.adapter is not None
    try:
        scores = read_adapter(training.adapter, training.name).scores
    except (SightdeskError, OSError) as error:
        draw_error(str(error), say)
        return
    shown = False
    for data, values in scores.items():
        numbers = {key: value for key, value in values.items() if type(value) in (int, float)}
        if not numbers:
            continue
        shown = True
        st.caption(escape_markdown(_data_name(str(data), say)))
        with st.container(horizontal=True):
            for key, value in numbers.items():
                st.metric(score_name(key, say), _score(key, value), width=150)
    if not shown:
        st.caption(say("train_no_result"))


def _data_name(name: str, say: Words) -> str:
    return say("train_held_out_scores") if name == "held out of the training data" else name


def _score(key: str, value: float) -> str:
    if key == "n":
        return f"{value:,.0f}"
    return f"{100 * value:.1f} %" if key.startswith("accuracy") else f"{value:.3f}"


def draw_use(training: Training, desk: Desk, say: Words) -> None:
    """Put the adapter into the chat, or take it out again."""
    name = training.name
    if name not in known_adapters(get_settings()):
        st.caption(say("train_not_installed"))
        return
    used = desk.preferences.adapter == name
    with st.container(horizontal=True, vertical_alignment="center"):
        if used:
            st.markdown(f":material/check: {say('train_used')}", width="content")
            st.page_link("chat.py", label=say("train_to_chat"), icon=":material/chat:")
            st.button(
                say("train_unuse"), key="train-unuse", type="tertiary", on_click=_use,
                args=(desk, ""),
            )  # fmt: skip
        elif st.button(say("train_use"), key="train-use", type="primary", icon=":material/chat:"):
            _use(desk, name)
            st.switch_page("chat.py")


def _use(desk: Desk, name: str) -> None:
    desk.set_preferences(replace(desk.preferences, adapter=name))


def draw_picture(training: Training, say: Words) -> None:
    """The curves as the command drew them, to take along."""
    try:
        content = (training.folder / "curves.png").read_bytes()
    except OSError:
        return
    st.download_button(
        say("train_picture"), content, file_name=f"{training.name}-curves.png", mime="image/png",
        key="train-picture", on_click="ignore", icon=":material/download:", type="tertiary",
    )  # fmt: skip


# --- beside the base


def ask_compare(training: Training, trainings: Trainings, say: Words) -> None:
    """On which pictures, how many, and the command line that compares."""
    job = trainings.comparison(training)
    if job is not None and job.active:
        return
    st.caption(say("train_compare_hint"))
    before = option(job.note.command, "--data") if job is not None else ""
    given = st.text_input(
        say("train_compare_data"), value=before or training.option("--val"), max_chars=4096,
        key=f"compare-data-{training.name}",
    )  # fmt: skip
    limit = st.number_input(
        say("train_compare_limit"), 0, 1_000_000, LIMIT, 100, key=f"compare-limit-{training.name}",
        help=say("train_compare_limit_help"),
    )  # fmt: skip
    try:
        data = clean_path(given or "")
        if data and not Path(data).exists():
            raise InputError(f"{data} does not exist; check the path.")
    except InputError as error:
        draw_error(str(error), say)
        return
    if data:
        command = trainings.compare_command(training, data, int(limit))
        st.code(shlex.join(command), language=None, wrap_lines=True)
    if st.button(say("train_compare_start"), key="train-compare", disabled=not data,
                 icon=":material/balance:"):  # fmt: skip
        try:
            trainings.compare(training, data, int(limit))
        except SightdeskError as error:
            draw_error(str(error), say)
            return
        st.rerun()


def draw_comparison(training: Training, trainings: Trainings, say: Words, *, may_act: bool) -> None:
    """The comparison that runs, or what the last one found."""
    job = trainings.comparison(training)
    if job is None:
        return
    was = job.active

    @st.fragment(run_every=EVERY_SECONDS if was else None)
    def live() -> None:
        now = trainings.comparison(training)
        if now is None or now.active != was:
            st.rerun(scope="app")
        if now.active:
            seconds = max(0.0, time.time() - now.note.born)
            st.progress(0.0, text=say("train_comparing", time=duration(seconds, say)))
            if may_act:
                st.button(
                    say("stop"), key="stop-compare", icon=":material/stop:",
                    on_click=trainings.stop_comparison, args=(training,),
                )  # fmt: skip
        else:
            draw_findings(now, training, trainings, say)

    live()


def draw_findings(job: Job, training: Training, trainings: Trainings, say: Words) -> None:
    """What a comparison that ended has found."""
    if job.state == "failed":
        draw_error(job.error or say("train_failed_silently"), say)
        return
    result = job.events.get("result")
    if result is None:
        st.caption(say("train_compare_ended"))
        return
    for sentence in _list(result.get("findings")):
        st.text(str(sentence))
    for judgement in [*_list(result.get("judgements")), *_list(result.get("forgetting"))]:
        if isinstance(judgement, Mapping):
            draw_judgement(judgement, say)
    try:
        report = trainings.report(training)
        if report.stat().st_size > MOST_REPORT_BYTES:
            return
        content = report.read_bytes()
    except OSError:
        return
    st.download_button(
        say("train_compare_report"), content, file_name=f"{training.name}-report.html",
        mime="text/html", key="train-compare-report", on_click="ignore", type="primary",
        icon=":material/download:",
    )  # fmt: skip


def draw_judgement(judgement: Mapping[str, Any], say: Words) -> None:
    """The scores of both sides as a table."""
    scores = judgement.get("scores")
    rows = []
    for name, figure in (scores if isinstance(scores, Mapping) else {}).items():
        if isinstance(figure, Mapping):
            cells = [_cell(figure.get(part)) for part in ("own", "against", "difference")]
            rows.append([score_name(str(name), say), *cells])
    if not rows:
        return
    names = (
        say("train_score"),
        say("train_own"),
        say("train_base"),
        say("train_difference"),
    )
    table = {name: [row[place] for row in rows] for place, name in enumerate(names)}
    st.table(table, hide_index=True)


def _cell(part: object) -> str:
    try:
        value, low, high = (float(part[key]) for key in ("value", "low", "high"))  # type: ignore[index]
    except (TypeError, KeyError, ValueError):
        return "–"
    return f"{value:.3f} ({low:.3f} – {high:.3f})"


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
