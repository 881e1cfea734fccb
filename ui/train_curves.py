"""Loss and validation scores of a training as charts, each with its message in words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import streamlit as st

from ui.train_terms import score_name, stage_name

if TYPE_CHECKING:
    from ui.training import Stage, Training
    from ui.words import Words

MOST_POINTS = 300
SMOOTH = 0.05
"""Weight of the newest loss in the running mean, as in the picture that the command draws."""

HEIGHT = 210
QUIET, LOUD, SCORE = "#8aa6a1", "#2a8f84", "#c2641f"
_CHIEF = ("accuracy", "cross_entropy")


def draw_curves(training: Training, say: Words) -> None:
    """A row of two charts for each stage that has begun."""
    if not training.stages:
        if training.active:
            st.caption(say("train_no_curves"))
        return
    for name, stage in training.stages.items():
        st.markdown(f"**{stage_name(name, say)}**")
        left, right = st.columns(2)
        with left:
            draw_loss(name, stage, say)
        with right:
            draw_scores(name, stage, say)


def draw_loss(name: str, stage: Stage, say: Words) -> None:
    """The loss of every step, thinned, and its running mean."""
    import altair as alt

    rows = thinned(stage.steps, stage.losses)
    described = say(
        "train_loss_alt",
        stage=stage_name(name, say),
        first=f"{rows[0]['mean']:.2f}",
        last=f"{rows[-1]['mean']:.2f}",
        step=f"{stage.step:,}",
    )
    base = alt.Chart(alt.Data(values=rows)).encode(x=_steps(say))
    y = alt.Y("loss:Q", title=say("train_loss"), scale=alt.Scale(zero=False))
    chart = base.mark_line(color=QUIET, strokeWidth=1, opacity=0.55).encode(y=y)
    mean = base.mark_line(color=LOUD, strokeWidth=2).encode(y=alt.Y("mean:Q"))
    st.altair_chart((chart + mean).properties(height=HEIGHT), key=f"loss-{name}", alt=described)


def draw_scores(name: str, stage: Stage, say: Words) -> None:
    """The chief score of every validation."""
    import altair as alt

    known = {key for _, scores in stage.scores for key in scores}
    chief = next((key for key in _CHIEF if key in known), None)
    rows: list[dict[str, Any]] = [
        {"step": step, "score": scores[chief]}
        for step, scores in stage.scores
        if chief in scores and math.isfinite(scores[chief])
    ]
    if chief is None or not rows:
        st.caption(say("train_no_scores"))
        return
    title = score_name(chief, say)
    values = ", ".join(f"{row['score']:.3f}" for row in rows[-8:])
    described = say(
        "train_score_alt", stage=stage_name(name, say), score=title, n=len(rows), values=values
    )
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(color=SCORE, point=alt.OverlayMarkDef(color=SCORE, size=45))
        .encode(
            x=_steps(say),
            y=alt.Y("score:Q", title=title, scale=alt.Scale(zero=False)),
            tooltip=["step:Q", alt.Tooltip("score:Q", title=title, format=".3f")],
        )
        .properties(height=HEIGHT)
    )
    st.altair_chart(chart, key=f"score-{name}", alt=described)


def _steps(say: Words) -> Any:
    import altair as alt

    axis = alt.Axis(tickCount=5, tickMinStep=1, format=",d")
    return alt.X("step:Q", title=say("train_steps"), axis=axis)


def thinned(steps: list[int], losses: list[float]) -> list[dict[str, Any]]:
    """At most `MOST_POINTS` rows of step, loss and the loss's running mean.

    A loss is the mean of those that its row stands for; one that is no number is left out.
    """
    pairs = [(s, v) for s, v in zip(steps, losses, strict=True) if math.isfinite(v)]
    if not pairs:
        return [{"step": 0, "loss": 0.0, "mean": 0.0}]
    mean, smooth = pairs[0][1], []
    for _, value in pairs:
        mean += (value - mean) * SMOOTH
        smooth.append(mean)
    count = min(MOST_POINTS, len(pairs))
    rows = []
    for place in range(count):
        first, end = place * len(pairs) // count, (place + 1) * len(pairs) // count
        part = [value for _, value in pairs[first:end]]
        rows.append(
            {"step": pairs[end - 1][0], "loss": sum(part) / len(part), "mean": smooth[end - 1]}
        )
    return rows
