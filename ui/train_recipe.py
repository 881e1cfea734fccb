"""Step two of the training page: how to train, and the command line that would."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import streamlit as st

from adapters.tune.settings import PRESETS, Preset, Tuning, tuning
from assistant.errors import InputError, SightdeskError
from ui.train_terms import knob_help
from ui.training import Order
from ui.trainings import CHAT, clean_path
from ui.troubles import draw_error

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from ui.train_data import Checked
    from ui.trainings import Trainings
    from ui.words import Words

# In the order of the page; what is in none of these comes last.
GROUPS: dict[str, tuple[str, ...]] = {
    "parts": ("encoder", "projector", "language", "quantize", "seed", "held_out"),
    "encoder": (
        "encoder_from", "encoder_epochs", "encoder_batch", "encoder_rate", "head_rate",
        "encoder_rank", "smoothing", "cutmix", "average", "remember", "remember_share",
    ),
    "language": (
        "language_epochs", "tokens", "joint", "rank", "alpha", "language_rate", "projector_rate",
        "replay", "variants",
    ),
    "run": (),
}  # fmt: skip


def draw_recipe(checked: Checked | None, trainings: Trainings, say: Words) -> Order | None:
    """Ask how to train; None until that can be done."""
    st.subheader(f"2 · {say('train_recipe')}", anchor=False)
    if checked is None:
        st.caption(say("train_recipe_later"))
        return None
    presets = {
        "quick": say("train_quick"),
        "balanced": say("train_balanced"),
        "best": say("train_best"),
    }
    hints = {
        "quick": say("train_quick_hint"),
        "balanced": say("train_balanced_hint"),
        "best": say("train_best_hint"),
    }
    preset: Preset = st.segmented_control(
        say("train_preset"),
        list(PRESETS),
        default="quick",
        required=True,
        format_func=lambda name: presets[name],
        key="train-preset",
    )
    st.caption(hints[preset])
    name = st.text_input(
        say("train_name"),
        value=trainings.free_name(_wanted_name(checked.data)),
        key=f"train-name-{checked.data}",
        max_chars=100,
        help=say("train_name_help"),
    )
    replay = st.text_input(
        say("train_replay"), key="train-replay", max_chars=4096, help=say("train_replay_help"),
        placeholder=say("train_replay_none"),
    )  # fmt: skip
    with st.expander(say("train_knobs"), icon=":material/tune:"):
        st.caption(say("train_knobs_hint"))
        knobs = draw_knobs(tuning(preset), say)
    try:
        tuning(preset, None, dict(knobs))
        replay_path = clean_path(replay or "")
        if replay_path and not Path(replay_path).exists():
            raise InputError(f"{replay_path} does not exist; check the path.")
        trainings.check_name(name or "")
    except SightdeskError as error:
        draw_error(str(error), say)
        return None
    order = Order(checked.data, name or "", preset, checked.validation, replay_path, knobs)
    st.caption(say("train_command"))
    st.code(shlex.join(trainings.command(order)), language=None, wrap_lines=True)
    return order


def _wanted_name(data: str) -> str:
    from adapters.tune_cli import name_of

    try:
        return CHAT if data == CHAT else name_of(Path(data))
    except InputError:
        return "photos"


def draw_knobs(preset: Tuning, say: Words) -> Mapping[str, Any]:
    """All knobs, set as the preset sets them; those that were changed."""
    titles = {
        "parts": say("train_group_parts"),
        "encoder": say("train_group_encoder"),
        "language": say("train_group_language"),
        "run": say("train_group_run"),
    }
    grouped = {name for names in GROUPS.values() for name in names}
    rest = [n for n in Tuning.model_fields if n not in grouped and n != "preset"]
    changed: dict[str, Any] = {}
    for group, names in GROUPS.items():
        st.markdown(f"**{titles[group]}**")
        columns = st.columns(2)
        known = [name for name in names if name in Tuning.model_fields] or rest
        for place, name in enumerate(known):
            with columns[place % 2]:
                before = getattr(preset, name)
                value = _draw_knob(name, Tuning.model_fields[name], before, preset.preset, say)
                if value != before:
                    changed[name] = value
    return changed


def _draw_knob(name: str, field: FieldInfo, before: Any, preset: str, say: Words) -> Any:
    """One knob; its key names the preset, so that another preset shows its own values."""
    common: dict[str, Any] = {
        "label": f"`{name}`",
        "help": knob_help(name, field.description or "", say) or None,
        "key": f"knob-{preset}-{name}",
    }
    if get_origin(field.annotation) is not None:
        options = list(get_args(field.annotation))
        return st.selectbox(options=options, index=options.index(before), **common)
    if field.annotation is bool:
        return st.toggle(value=before, **common)
    whole = field.annotation is int
    low, high = _bounds(field)
    if whole:
        return st.number_input(
            min_value=None if low is None else int(low),
            max_value=None if high is None else int(high),
            value=before,
            step=1,
            **common,
        )
    # Rates are small: as many digits as it takes. What is out of range is said in a sentence.
    step = 1.0 if before >= 1 else 10.0 ** _exponent(before)
    return st.number_input(value=float(before), step=step, format="%g", **common)


def _exponent(value: float) -> int:
    return int(f"{value:e}".partition("e")[2]) if value else -1


def _bounds(field: FieldInfo) -> tuple[float | None, float | None]:
    low = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    high = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    return low, high
