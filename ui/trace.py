"""What the desk did for an answer: one quiet line, which opens to what each tool gave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import streamlit as st

from ui.plain import escape_markdown, one_line

if TYPE_CHECKING:
    from assistant.telling import Step
    from ui.words import Words

ICONS: Final = {
    "describe_image": ":material/visibility:",
    "ask_image": ":material/visibility:",
    "label_image": ":material/sell:",
    "read_text": ":material/document_scanner:",
    "search_images": ":material/image_search:",
    "search_knowledge": ":material/menu_book:",
    "hand_over": ":material/support_agent:",
}
TOOL_ICON: Final = ":material/build:"
TROUBLE_ICON: Final = ":material/warning:"
LINE_CHARS: Final = 90
QUERY_CHARS: Final = 60

_PICTURES: Final = ("describe_image", "ask_image")


def icon_of(step: Step) -> str:
    """The icon of a step."""
    return TROUBLE_ICON if step.trouble else ICONS.get(step.name, TOOL_ICON)


def doing(step: Step, say: Words) -> str:
    """What a tool that is at work does, as plain text."""
    query = one_line(step.args.get("query", ""), QUERY_CHARS)
    if step.name in _PICTURES:
        return say("desk_looking")
    if step.name == "label_image":
        return say("desk_labelling")
    if step.name == "read_text":
        return say("desk_reading")
    if step.name == "search_knowledge":
        return say("desk_looking_up", query=query)
    if step.name == "search_images":
        return say("desk_looking_for_pictures")
    if step.name == "hand_over":
        return say("desk_calling")
    return say("desk_using", tool=one_line(step.name, 40))


def done(step: Step, say: Words) -> str:
    """What a tool did, as plain text."""
    if step.trouble == "timeout":
        return say("desk_too_slow", what=_what(step, say))
    if step.trouble:
        return say("desk_in_vain", what=_what(step, say))
    if step.name == "label_image":
        # "Golden-Delicious (Apple), confidence 0.97": how sure it is stands in what opens.
        return say("desk_labelled", label=one_line(step.text.split(", confidence")[0], QUERY_CHARS))
    if step.name in ("search_knowledge", "search_images"):
        query = one_line(step.args.get("query", ""), QUERY_CHARS)
        if query and step.name == "search_knowledge":
            return say("desk_looked_up", query=query)
        return say("desk_looked_for_pictures")
    return _what(step, say)


def summary(steps: Sequence[Step], say: Words) -> str:
    """All that was done in one line, as Markdown."""
    return " · ".join(
        f"{icon_of(step)} {escape_markdown(one_line(done(step, say), LINE_CHARS))}"
        for step in steps
    )


def draw_trace(steps: Sequence[Step], where: str, say: Words) -> None:
    """The line, and under it what each tool gave."""
    if not steps:
        return
    with (
        st.container(key=f"trace-{where}"),
        st.expander(summary(steps, say), type="compact"),
    ):
        draw_steps(steps, say)


def draw_steps(steps: Sequence[Step], say: Words) -> None:
    """What each tool was asked and gave, with the time that it took."""
    for step in steps:
        line = f"{icon_of(step)} {escape_markdown(done(step, say))}"
        if step.seconds is not None:
            line = f"{line} · {say('took', seconds=f'{step.seconds:.1f}')}"
        with st.container(gap="xxsmall"):
            st.caption(line)
            if step.name == "ask_image" and step.args.get("question"):
                st.text(one_line(step.args["question"], 400))
            if step.text:
                st.text(step.text)


def _what(step: Step, say: Words) -> str:
    """What a tool does, said of one that is over."""
    if step.name in _PICTURES:
        return say("desk_looked")
    return {
        "label_image": say("desk_labelled_short"),
        "read_text": say("desk_read"),
        "search_knowledge": say("desk_looked_up_short"),
        "search_images": say("desk_looked_for_pictures"),
        "hand_over": say("desk_called"),
    }.get(step.name) or say("desk_used", tool=one_line(step.name, 40))
