"""Step one of the training page: which pictures, and what is wrong with them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from assistant.errors import InputError, SightdeskError
from assistant.images import fit_within, open_image
from ui.plain import escape_markdown, one_line
from ui.train_terms import duration, kind_title
from ui.trainings import CHAT, clean_path
from ui.troubles import draw_error

if TYPE_CHECKING:
    from adapters.data.form import Finding
    from adapters.data.validate import Report
    from ui.words import Words

KEY = "train-checked"
MOST_FINDINGS = 12
MOST_PICTURES = 6
MOST_CLASSES = 40
THUMBNAIL = 168


@dataclass(frozen=True)
class Checked:
    """A data set that was looked at; `validation` is empty where a part is held out."""

    data: str
    validation: str
    report: Report


def draw_data(say: Words) -> Checked | None:
    """Ask for the data, check them, show what was found; None until there is something to learn."""
    st.subheader(f"1 · {say('train_data')}", anchor=False)
    sources = {"path": say("train_from_path"), "chat": say("train_from_chat")}
    source = st.segmented_control(
        say("train_source"),
        list(sources),
        default="path",
        required=True,
        format_func=lambda name: sources[name],
        key="train-source",
    )
    with st.form("train-data", border=False):
        given = ""
        if source == "chat":
            st.caption(say("train_chat_hint"))
        else:
            given = st.text_input(
                say("train_path"), key="train-path", placeholder="/home/me/photos", max_chars=4096,
                help=say("train_path_help"),
            )  # fmt: skip
            st.caption(say("train_path_hint"))
        validation = st.text_input(
            say("train_val"), key="train-val", max_chars=4096, help=say("train_val_help"),
            placeholder=say("train_val_none"),
        )  # fmt: skip
        wanted = st.form_submit_button(
            say("train_check"),
            icon=":material/fact_check:",
            type="secondary" if KEY in st.session_state else "primary",
        )
    if wanted:
        st.session_state.pop(KEY, None)
        try:
            data = CHAT if source == "chat" else clean_path(given or "")
            if not data:
                raise InputError(say("train_path_empty"))
            st.session_state[KEY] = check(data, clean_path(validation or ""), say)
        except SightdeskError as error:
            draw_error(str(error), say)
            return None
    checked: Checked | None = st.session_state.get(KEY)
    if checked is None:
        return None
    if (checked.data == CHAT) != (source == "chat"):
        return None  # they are those of the other source
    draw_report(checked, say)
    return checked if checked.report.usable else None


def check(data: str, validation: str, say: Words) -> Checked:
    """Read and validate, with a bar meanwhile.

    Raises:
        SightdeskError: a path cannot be used.
    """
    from adapters.data.formats import read_dataset
    from adapters.data.validate import validate

    place = st.empty()
    place.progress(0.0, text=say("train_reading"))
    dataset = read_dataset(Path(data))
    others = [read_dataset(Path(validation))] if validation else []
    report = validate(dataset, others=others, progress=_bar(place, say))
    place.empty()
    return Checked(data, validation, report)


def _bar(place: Any, say: Words) -> Callable[[int, int], None]:
    began, told = time.monotonic(), -1

    def show(done: int, total: int) -> None:
        nonlocal told
        share = done / max(total, 1)
        if (now := int(100 * share)) == told:
            return
        told = now
        left = (time.monotonic() - began) * (1 - share) / max(share, 1e-6)
        text = say("train_opening", done=f"{done:,}", total=f"{total:,}", left=duration(left, say))
        place.progress(min(share, 1.0), text=text)

    return show


def draw_report(checked: Checked, say: Words) -> None:
    """What was found."""
    report = checked.report
    usable, rows = f"{report.usable:,}", f"{report.rows:,}"
    st.text(checked.data if checked.data != CHAT else say("train_from_chat"))
    if not report.usable:
        st.error(say("train_verdict_none"), icon=":material/error:")
    elif report.errors:
        st.warning(say("train_verdict_errors", n=usable, rows=rows), icon=":material/warning:")
    elif report.warnings:
        st.info(say("train_verdict_warnings", n=usable), icon=":material/info:")
    else:
        st.success(say("train_verdict_fine", n=usable), icon=":material/check_circle:")
    with st.container(horizontal=True):
        for name, count in (
            (say("train_pictures"), report.pictures),
            (say("train_labels"), len(report.classes)),
            (say("train_errors"), report.errors),
            (say("train_warnings"), report.warnings),
        ):
            st.metric(name, f"{count:,}", width=110)
    for kind, findings in report.by_kind().items():
        draw_findings(kind, findings, say)
    if report.classes:
        draw_classes(report.classes, say)

    def page() -> bytes:
        from adapters.data.report import render

        return render(report).encode("utf-8", "replace")

    st.download_button(
        say("train_report"), page, file_name="sightdesk-data.html", mime="text/html",
        key="train-report", on_click="ignore", icon=":material/download:", type="tertiary",
    )  # fmt: skip


def draw_findings(kind: str, findings: list[Finding], say: Words) -> None:
    """All findings of a kind: the first ones in words, a few in pictures."""
    error = findings[0].severity == "error"
    icon = ":material/error:" if error else ":material/info:"
    with st.expander(f"{kind_title(kind, say)} · {len(findings):,}", icon=icon):
        pairs = [
            (path, finding.where)
            for finding in findings
            for path in (finding.image, finding.other)
            if path is not None
        ]
        pictures = [(thumb, where) for path, where in pairs[:MOST_PICTURES]
                    if (thumb := thumbnail(str(path))) is not None]  # fmt: skip
        if pictures:
            with st.container(horizontal=True, key=f"pictures-{kind}"):
                for content, where in pictures:
                    st.image(content, width=84, alt=say("train_picture_at", where=where))
        for finding in findings[:MOST_FINDINGS]:
            st.text(f"{one_line(finding.where, 200)}\n{one_line(finding.message, 400)}")
        if len(findings) > MOST_FINDINGS:
            st.caption(say("train_more_findings", n=f"{len(findings) - MOST_FINDINGS:,}"))


@st.cache_data(max_entries=400, show_spinner=False)
def thumbnail(path: str) -> bytes | None:
    """A small JPEG of a picture; None where it does not open."""
    import io

    try:
        pixels = fit_within(open_image(Path(path)).pixels, THUMBNAIL)
    except SightdeskError:
        return None
    stream = io.BytesIO()
    pixels.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def draw_classes(classes: dict[str, int], say: Words) -> None:
    """How many rows each label has."""
    import altair as alt

    counts = list(classes.values())
    with st.expander(
        say("train_classes", n=f"{len(classes):,}", most=f"{counts[0]:,}", least=f"{counts[-1]:,}"),
        icon=":material/bar_chart:",
    ):
        first = list(classes.items())[:MOST_CLASSES]
        rows = [{"label": one_line(name, 40), "rows": count} for name, count in first]
        chart = (
            alt.Chart(alt.Data(values=rows))
            .mark_bar(color="#2a8f84")
            .encode(
                x=alt.X("rows:Q", title=say("train_rows")),
                y=alt.Y("label:N", sort=None, title=None, axis=alt.Axis(labelLimit=220)),
            )
            .properties(height=alt.Step(18))
        )
        described = ", ".join(f"{row['label']} {row['rows']}" for row in rows[:10])
        st.altair_chart(chart, alt=escape_markdown(described))
        if len(classes) > MOST_CLASSES:
            st.caption(say("train_more_classes", n=f"{len(classes) - MOST_CLASSES:,}"))
