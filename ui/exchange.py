"""One exchange on the page: the visitor's photos and question, the answer, what is said of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from assistant.errors import SightdeskError
from assistant.telling import is_by_desk
from ui.agent_answering import write_reply
from ui.agent_exchange import LiveReply, draw_reply, fixed
from ui.answering import write_answer
from ui.evidence import read as read_evidence
from ui.plain import escape_markdown, name_model, one_line
from ui.replies import draw_by_person, is_by_person
from ui.session import desk_answers, get_agents, get_room
from ui.troubles import draw_error

if TYPE_CHECKING:
    from assistant.engine import Engine, Sampling
    from assistant.store import Exchange
    from ui.desk import Desk, Job
    from ui.words import Words

THUMBNAIL_WIDTH = 150


def draw_exchange(exchange: Exchange, desk: Desk, say: Words, engine: Engine | None) -> None:
    """An exchange that is over, or that another tab is at."""
    if is_by_person(exchange):
        draw_by_person(exchange, say)
        return
    draw_question(exchange, desk, say)
    with st.chat_message("assistant"):
        if is_by_desk(exchange):
            draw_reply(exchange, desk, say)
        elif exchange.answer:
            st.text(exchange.answer)
        draw_outcome(exchange, say)
        draw_beside(exchange, say)
        if exchange.state != "streaming":
            draw_under(exchange, desk, say, engine)


# --- the question


def draw_question(exchange: Exchange, desk: Desk, say: Words, *, live: bool = False) -> None:
    """The visitor's side: photos, text, and the way to change it."""
    with st.chat_message("user"):
        if exchange.enhancement:
            draw_before_after(exchange, desk, say)
        elif exchange.images:
            draw_photos(exchange.images, exchange.names, exchange.id, desk, say)
        if desk.editing == exchange.id:
            draw_editor(exchange, desk, say)
            return
        with st.container(
            horizontal=True,
            horizontal_alignment="distribute",
            vertical_alignment="bottom",
            key=f"under-q-{exchange.id}",
        ):
            st.text(exchange.shown or say("describe_shown"))
            if not live and not fixed(exchange, desk):
                st.button(
                    say("edit"),
                    key=f"edit-{exchange.id}",
                    icon=":material/edit:",
                    type="tertiary",
                    on_click=_edit,
                    args=(desk, exchange.id),
                )
        if left_out := exchange.details.get("left_out"):
            st.caption(say("too_many", n=left_out[0], most=left_out[1]))


def draw_photos(
    ids: Sequence[str], names: Sequence[str], where: str, desk: Desk, say: Words
) -> None:
    """Thumbnails in a row; each is pressed to enlarge it."""
    with st.container(horizontal=True):
        for place, (id, name) in enumerate(zip(ids, names, strict=False)):
            draw_photo(id, name, f"{where}-{place}", desk, say)


def draw_photo(
    id: str, name: str, where: str, desk: Desk, say: Words, alt: str | None = None
) -> None:
    """A thumbnail with a button over it."""
    assert desk.keeper is not None
    with st.container(key=f"photo-{where}", width=THUMBNAIL_WIDTH, gap=None):
        try:
            thumbnail = desk.keeper.thumbnail(id)
        except SightdeskError:
            st.caption(say("photo_gone"))
            return
        st.image(thumbnail, width="stretch", alt=alt or say("photo_alt", name=name))
        st.button(
            escape_markdown(say("enlarge", name=one_line(name, 60))),
            key=f"enlarge-{where}",
            on_click=_open_dialog,
            args=(desk, "photo", f"{id} {name}"),
        )


def draw_before_after(exchange: Exchange, desk: Desk, say: Words) -> None:
    """Each photo as it was taken and as the model was given it."""
    pairs = zip(exchange.images, exchange.used, exchange.names, strict=False)
    for place, (before, after, name) in enumerate(pairs):
        with st.container(horizontal=True):
            for id, title, alt in (
                (before, say("before"), say("before_alt", name=name)),
                (after, say("after"), say("after_alt", name=name)),
            ):
                with st.container(width="content", gap="xxsmall"):
                    draw_photo(id, name, f"{exchange.id}-{place}-{title}", desk, say, alt)
                    st.caption(title)


def draw_editor(exchange: Exchange, desk: Desk, say: Words) -> None:
    """The question in a form, to be changed and sent again."""
    with st.form(f"editor-{exchange.id}", border=False):
        text = st.text_area(
            say("edit_label"),
            value=exchange.shown,
            key=f"edited-{exchange.id}",
            height="content",
            placeholder=say("describe_shown"),
        )
        if following := desk.total - 1 - exchange.position:
            st.caption(say("edit_drops", n=following))
        with st.container(horizontal=True):
            sent = st.form_submit_button(say("send_again"), type="primary")
            left = st.form_submit_button(say("cancel"))
    if left:
        desk.editing = None
        st.rerun()
    if sent:
        st.session_state["edited"] = (exchange.id, text or "")
        st.rerun()


def _edit(desk: Desk, exchange_id: str) -> None:
    desk.editing = exchange_id


# --- the answer


def draw_outcome(exchange: Exchange, say: Words) -> None:
    """What there is to say of how an answer ended."""
    if exchange.error:
        draw_error(exchange.error, say)
    if exchange.state == "streaming":
        st.caption(say("elsewhere"))
        st.button(say("refresh"), key=f"refresh-{exchange.id}", icon=":material/refresh:")
    elif exchange.state == "stopped":
        st.caption(say("stopped"))
    elif exchange.details.get("finish") == "length":
        st.caption(say("cut"))
    elif not exchange.answer and not exchange.error:
        st.caption(say("nothing_said"))
    caution = exchange.details.get("caution")
    if isinstance(caution, list):
        text = say("unfamiliar")
        if caution:
            names = escape_markdown(", ".join(map(str, caution)))
            text = f"{text} {say('unfamiliar_names', names=names)}"
        st.caption(f":material/help: {text}")


def draw_beside(exchange: Exchange, say: Words) -> None:
    """The answer without the adjustment, and the visitor's correction."""
    beside = exchange.details.get("without")
    if isinstance(beside, dict):
        with st.container(border=True, gap="xxsmall"):
            st.caption(say("without_title"))
            st.text(str(beside.get("text") or beside.get("error") or say("nothing_said")))
    if exchange.correction:
        with st.container(border=True, gap="xxsmall"):
            st.text(say("corrected", text=exchange.correction))


def draw_under(exchange: Exchange, desk: Desk, say: Words, engine: Engine | None) -> None:
    """Thumbs, and what else can be done with an answer."""
    last = desk.last is not None and exchange.id == desk.last.id
    with st.container(key=f"under-{exchange.id}", gap="xxsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            if exchange.answer:
                thumbs = {1: 1, -1: 0}
                st.feedback(
                    "thumbs",
                    key=f"thumb-{exchange.id}",
                    default=thumbs.get(exchange.thumb or 0),
                    on_change=_set_thumb,
                    args=(desk, exchange.id),
                )
            if engine is not None and last and not fixed(exchange, desk):
                st.button(
                    say("again"),
                    key=f"again-{exchange.id}",
                    icon=":material/refresh:",
                    type="tertiary",
                    on_click=_answer_again,
                    args=(desk, exchange.id, desk.revision),
                )
            if exchange.answer and hasattr(engine, "look") and _has_photo(exchange):
                st.button(
                    say("gaze"),
                    key=f"gaze-{exchange.id}",
                    icon=":material/center_focus_strong:",
                    type="tertiary",
                    on_click=_open_dialog,
                    args=(desk, "gaze", exchange.id),
                )
            options = _more(exchange, say, engine)
            st.menu_button(
                say("more"),
                list(options),
                key=f"more-{exchange.id}",
                type="tertiary",
                format_func=lambda option: options[option],
                on_click=_choose_more,
                args=(desk, exchange.id, desk.revision),
            )
        draw_quietly(exchange, say)


def draw_quietly(exchange: Exchange, say: Words) -> None:
    """Who answered and how long it took, in one small line."""
    details = exchange.details
    total = details.get("total")
    if not isinstance(total, int | float):
        return
    model, adapter, kind = (details.get(key) for key in ("model", "adapter", "quantization"))
    who = (say("desk"), model, "") if is_by_desk(exchange) else (model, adapter, kind)
    model = name_model(*who)
    first = details.get("first_word")
    if isinstance(first, int | float):
        st.caption(say("quiet", model=model, first=f"{first:.1f}", total=f"{total:.1f}"))
    else:
        st.caption(say("quiet_short", model=model, total=f"{total:.1f}"))


def _more(exchange: Exchange, say: Words, engine: Engine | None) -> dict[str, str]:
    options = {}
    if exchange.answer and not is_by_desk(exchange):
        options["correct"] = say("correct")
    changed = bool(exchange.enhancement) and exchange.images != exchange.used
    if changed and engine is not None and not is_by_desk(exchange):
        options["without"] = say("without")
    if read_evidence(exchange.details):
        options["evidence"] = say("evidence")
    options["details"] = say("details")
    return options


def _has_photo(exchange: Exchange) -> bool:
    """Whether the photo model answered about a photo."""
    shown = exchange.used or exchange.details.get("about")
    return bool(shown) and not is_by_desk(exchange)


def _set_thumb(desk: Desk, exchange_id: str) -> None:
    exchange = desk.find(exchange_id)
    chosen = {1: 1, 0: -1}.get(st.session_state[f"thumb-{exchange_id}"])
    if exchange is not None:
        desk.set_feedback(exchange_id, chosen, exchange.correction)


def _answer_again(desk: Desk, exchange_id: str, revision: int) -> None:
    # Streamlit may hand in the click of a run that was stopped once more, with what stopped it.
    if revision == desk.revision:
        st.session_state["task"] = ("again", exchange_id)


def _choose_more(desk: Desk, exchange_id: str, revision: int) -> None:
    chosen = st.session_state[f"more-{exchange_id}"]
    if revision != desk.revision:
        return
    if chosen == "without":
        st.session_state["task"] = ("without", exchange_id)
    elif chosen is not None:
        _open_dialog(desk, chosen, exchange_id)


def _open_dialog(desk: Desk, kind: str, what: str) -> None:
    desk.dialog = (kind, what)


# --- while it is written


class Screen:
    """Draws an answer as it comes, see `ui.answering.Screen`."""

    def __init__(self, say: Words) -> None:
        self._say = say
        self._place = st.empty()
        self._place.caption(say("looking"))

    def waiting(self) -> None:
        """Another conversation has the engine."""
        self._place.caption(self._say("waiting"))

    def looking(self) -> None:
        """The photos are being encoded and the question read."""
        self._place.caption(self._say("looking"))

    def show(self, text: str) -> None:
        """The answer so far."""
        if text:
            self._place.text(text)


def draw_live(job: Job, desk: Desk, say: Words, engine: Engine, sampling: Sampling) -> None:
    """Write an answer into the page."""
    exchange = job.exchange
    draw_question(exchange, desk, say, live=True)
    with st.chat_message("assistant"):
        if job.without:
            st.text(exchange.answer)
            st.caption(say("without_title"))
        by_desk = desk_answers(desk) and not job.without
        screen: Screen | LiveReply = LiveReply(exchange.id, say) if by_desk else Screen(say)
        if not job.from_box:
            # Any button ends the run; what is written by then is kept.
            st.button(say("stop"), key="stop", icon=":material/stop_circle:", type="tertiary")
        watch(desk)
        st.session_state["writing"] = True
        if isinstance(screen, LiveReply):
            write_reply(job, desk, get_agents(), get_room(), screen, say("desk_needs_saving"))
        else:
            write_answer(job, desk, engine, get_room(), screen, sampling)


@st.fragment(run_every=1.0)
def watch(desk: Desk) -> None:
    """Draw the page anew once the answer is there or was stopped.

    Streamlit's own stop ends the script at once, and nothing can be drawn after it; this runs when
    the script does not.
    """
    if not desk.busy.locked() and st.session_state.pop("writing", False):
        st.rerun()
