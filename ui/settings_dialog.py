"""The settings dialog: language, who answers and how, what is done to new photos."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import streamlit as st

from assistant.engines import is_elsewhere
from assistant.settings import get_settings
from ui.preferences import MAX_SEED, MAX_TEMPERATURE, MAX_TOKENS, Preferences
from ui.session import desk_by_default
from ui.words import LANGUAGES

if TYPE_CHECKING:
    from assistant.engine import Engine
    from ui.desk import Desk
    from ui.words import Words


def draw_settings(desk: Desk, say: Words, engine: Engine | None) -> None:
    """The form; it is kept when it is saved.

    Without an engine there are no adapters to choose from, and the choice stays as it is.
    """
    now = desk.preferences
    own = str(engine.adapter or say("none")) if engine is not None else ""
    names = [""]
    if engine is not None:
        others = [name for name in engine.choices() if name != engine.adapter]
        names += others if now.adapter in ("", engine.adapter, *others) else [now.adapter, *others]
    with st.form("settings", border=False):
        languages = ["auto", *LANGUAGES]
        language = st.selectbox(
            say("language"),
            languages,
            index=languages.index(now.language) if now.language in languages else 0,
            format_func=lambda name: LANGUAGES.get(name, say("language_auto")),
        )
        by_default = say("desk") if desk_by_default() else say("photo_model")
        whos = {
            None: say("answers_auto", name=by_default),
            True: say("desk"),
            False: say("photo_model"),
        }
        who = st.selectbox(
            say("answers_by"),
            list(whos),
            index=list(whos).index(now.desk),
            format_func=lambda name: whos[name],
            help=say("answers_hint"),
        )
        adapter = now.adapter
        if engine is not None:
            adapter = st.selectbox(
                say("adapter"),
                names,
                index=names.index(now.adapter) if now.adapter in names else 0,
                format_func=lambda name: name or say("adapter_own", name=own),
                help=say("adapter_hint"),
            )
        temperature = st.slider(
            say("temperature"), 0.0, MAX_TEMPERATURE, now.temperature, 0.05,
            help=say("temperature_hint"),
        )  # fmt: skip
        max_tokens = st.slider(say("max_tokens"), *MAX_TOKENS, now.max_tokens, 8)
        seed = st.number_input(
            say("seed"), 0, MAX_SEED, now.seed, 1, help=say("seed_hint"), placeholder="–"
        )
        keep = st.toggle(
            say("adjust_default"),
            value=bool(now.enhancement) and now.starting_enhancement().active,
            disabled=not (desk.how.active or now.enhancement),
            help=say("adjust_hint"),
        )
        st.caption(say("theme_hint"))
        if st.form_submit_button(say("save"), type="primary"):
            how = desk.how if desk.how.active else now.starting_enhancement()
            desk.set_preferences(
                replace(
                    Preferences(),
                    language=language or "auto",
                    temperature=temperature,
                    max_tokens=max_tokens,
                    seed=None if seed is None else int(seed),
                    adapter=adapter or "",
                    desk=who,
                    enhancement=how.to_dict() if keep and how.active else {},
                )
            )
            desk.dialog = None
            st.rerun()
    if engine is not None and not is_elsewhere(get_settings().base):
        _draw_slower(say, str(engine.quantization))


def _draw_slower(say: Words, kept_as: str) -> None:
    """Why the model is kept as it is, what this machine lacks, and what is done instead."""
    from assistant.quantize import choose_quantization
    from assistant.slower import slower_paths

    settings = get_settings()
    with st.expander(say("slower", kind=kept_as)):
        # In plain text: folders may be called anything.
        st.text(choose_quantization(settings).reason, width="stretch")
        for each in slower_paths(settings):
            st.text(f"{each}.", width="stretch")
