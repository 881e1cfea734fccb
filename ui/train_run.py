"""Step three of the training page: a training while it runs and after, live, with its buttons."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from ui import jobs
from ui.plain import escape_markdown
from ui.train_curves import draw_curves
from ui.train_result import draw_result
from ui.train_terms import duration, part_name, phase_text, stage_name, state_icon, state_word
from ui.trainings import CHAT
from ui.troubles import draw_error

if TYPE_CHECKING:
    from typing import Literal

    from ui.desk import Desk
    from ui.training import State, Training
    from ui.trainings import Trainings
    from ui.words import Words

EVERY_SECONDS = 2.0


def draw_training(
    training: Training, trainings: Trainings, desk: Desk, say: Words, *, may_act: bool
) -> None:
    """One training, from its plan to what came of it.

    Args:
        may_act: whether it may be stopped, resumed, compared and used from here.
    """
    with st.container(horizontal=True, vertical_alignment="center", key="training-title"):
        st.header(escape_markdown(training.name), anchor=False, width="content")
        colours: dict[State, Literal["green", "blue", "orange", "red"]] = {
            "done": "green", "stopped": "orange", "interrupted": "orange", "failed": "red",
        }  # fmt: skip
        colour = colours.get(training.state, "blue")
        st.badge(state_word(training.state, say), icon=state_icon(training.state), color=colour)
    draw_order(training, say)
    st.subheader(f"3 · {say('train_run')}", anchor=False)
    name, was = training.name, training.state

    # Drawn again by itself while the process lives; the whole page when its state changes.
    @st.fragment(run_every=EVERY_SECONDS if training.active else None)
    def live() -> None:
        now = trainings.get(name)
        if now is None or now.state != was:
            st.rerun(scope="app")
        draw_live(now, trainings, say, may_act=may_act)

    live()
    draw_printed(training, trainings, say)
    if training.adapter is not None and training.state == "done":
        draw_result(training, trainings, desk, say, may_act=may_act)
    elif training.state != "done":
        st.subheader(f"4 · {say('train_result')}", anchor=False)
        st.caption(say("train_result_later"))


def draw_order(training: Training, say: Words) -> None:
    """What it learns from, and when it was started."""
    started = training.started.astimezone().strftime("%Y-%m-%d %H:%M")
    st.caption(say("train_started", when=started))
    if training.data:
        shown = say("train_from_chat") if training.data == CHAT else training.data
        st.text(f"1 · {say('train_data')}: {shown}")
    if preset := training.option("--preset"):
        st.text(f"2 · {say('train_recipe')}: {preset}")


def draw_live(training: Training, trainings: Trainings, say: Words, *, may_act: bool) -> None:
    """Plan, progress, curves, and what can be done now."""
    draw_plan(training, say)
    draw_progress(training, say)
    if may_act:
        draw_buttons(training, trainings, say)
    draw_curves(training, say)


def draw_plan(training: Training, say: Words) -> None:
    """What the command said that it would do, from a measured step."""
    plan = training.plan
    if plan is None:
        return
    figures = {
        say("train_pictures"): f"{plan.pictures:,}",
        say("train_held_out"): f"{plan.held_out:,}",
        say("train_labels"): f"{plan.labels:,}",
        say("train_planned_time"): duration(sum(plan.seconds.values()), say),
        say("train_memory"): f"{plan.memory_bytes / 2**30:.1f} GiB",
    }
    with st.container(horizontal=True):
        for name, value in figures.items():
            st.metric(name, value, width=118)
    parts = plan.trainable.items()
    numbers = ", ".join(f"{part_name(part, say)} {count:,}" for part, count in parts)
    if numbers:
        st.caption(escape_markdown(say("train_trainable", parts=numbers)))


def draw_progress(training: Training, say: Words) -> None:
    """How far it is, or why it is no further."""
    state = training.state
    if state == "failed":
        draw_error(training.error or say("train_failed_silently"), say)
        if training.begun:
            st.caption(say("train_failed_hint"))
        return
    if state in ("stopped", "interrupted"):
        told = say("train_stopped") if state == "stopped" else say("train_interrupted")
        hint = say("train_resume_hint") if training.begun else say("train_anew_hint")
        st.warning(f"{told} {hint}", icon=state_icon(state))
        return
    if state == "done":
        st.success(say("train_done"), icon=":material/check_circle:")
        return
    if state == "stopping":
        st.info(say("train_stopping"), icon=":material/hourglass_top:")
        return
    current = list(training.stages)[-1] if training.stages else None
    left = training.seconds_left
    if training.phase is not None:
        text = escape_markdown(phase_text(training.phase[0], say))
        st.progress(training.phase[1], text=text)
    elif current is None:
        st.progress(0.0, text=say("train_starting"))
    else:
        stage = training.stages[current]
        total = training.total(current)
        steps = f"{stage.step:,} / {total:,}" if total else f"{stage.step:,}"
        text = say("train_step", stage=stage_name(current, say), step=steps)
        if left is not None:
            text += f" · {say('train_left', left=duration(left, say))}"
        st.progress(training.fraction or 0.0, text=text)


def draw_buttons(training: Training, trainings: Trainings, say: Words) -> None:
    """Stop, stop at once, resume."""
    name = training.name
    with st.container(horizontal=True):
        if training.state == "stopping":
            st.button(
                say("train_kill"), key=f"kill-{name}", icon=":material/dangerous:",
                help=say("train_kill_help"), on_click=_stop, args=(name, trainings, True),
            )  # fmt: skip
        elif training.active:
            st.button(
                say("stop"), key=f"stop-{name}", icon=":material/stop:",
                help=say("train_stop_help"), on_click=_stop, args=(name, trainings, False),
            )  # fmt: skip
        elif training.state != "done":
            if not trainings.resume_command(training):
                st.caption(say("train_no_command"))
                return
            text = say("train_resume") if training.begun else say("train_anew")
            if st.button(text, key=f"resume-{name}", type="primary", icon=":material/play_arrow:"):
                try:
                    trainings.resume(training)
                except SightdeskError as error:
                    draw_error(str(error), say)
                    return
                st.rerun(scope="app")


def _stop(name: str, trainings: Trainings, at_once: bool) -> None:
    trainings.stop(name, at_once=at_once)


def draw_printed(training: Training, trainings: Trainings, say: Words) -> None:
    """The command line, where its files are, and the end of what it printed."""
    if not training.command:
        return
    with st.expander(say("train_command_title"), icon=":material/terminal:"):
        st.code(shlex.join(training.command), language=None, wrap_lines=True)
        if training.state in ("stopped", "interrupted", "failed") and training.begun:
            st.caption(say("train_resume_command"))
            command = trainings.resume_command(training)
            st.code(shlex.join(command), language=None, wrap_lines=True)
        st.caption(say("train_folder"))
        st.code(str(training.folder), language=None, wrap_lines=True)
        if printed := jobs.tail(training.folder / jobs.ERRORS, 4000).strip():
            st.caption(say("train_printed"))
            st.code(printed, language=None, wrap_lines=True, height=220)
