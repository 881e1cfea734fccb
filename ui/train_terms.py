"""What the training page calls states, stages, scores, kinds of findings, knobs and times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapters.data.kinds import title
from ui.plain import escape_markdown
from ui.words_train import KINDS, KNOBS, PHASES

if TYPE_CHECKING:
    from ui.training import State
    from ui.words import Words


def state_word(state: State, say: Words) -> str:
    """A training's state in a word."""
    words: dict[State, str] = {
        "starting": say("train_state_starting"),
        "running": say("train_state_running"),
        "stopping": say("train_state_stopping"),
        "stopped": say("train_state_stopped"),
        "interrupted": say("train_state_interrupted"),
        "failed": say("train_state_failed"),
        "done": say("train_state_done"),
    }
    return words[state]


def state_icon(state: State) -> str:
    """A training's state as an icon, beside the word."""
    icons: dict[State, str] = {
        "starting": ":material/hourglass_top:",
        "running": ":material/trending_up:",
        "stopping": ":material/hourglass_top:",
        "stopped": ":material/pause_circle:",
        "interrupted": ":material/power_off:",
        "failed": ":material/error:",
        "done": ":material/check_circle:",
    }
    return icons[state]


def stage_name(stage: str, say: Words) -> str:
    """What a stage is called."""
    names = {"encoder": say("train_stage_encoder"), "language": say("train_stage_language")}
    return names.get(stage, stage)


def part_name(part: str, say: Words) -> str:
    """What a part of the model is called."""
    names = {
        "encoder": say("train_part_encoder"),
        "projector": say("train_part_projector"),
        "language model": say("train_part_language"),
        "label head": say("train_part_head"),
    }
    return names.get(part, part)


def score_name(score: str, say: Words) -> str:
    """What a score is called, as Markdown; one that is not known by its own name."""
    names = {
        "accuracy": say("train_accuracy"),
        "accuracy_fine": say("train_accuracy_fine"),
        "accuracy_coarse": say("train_accuracy_coarse"),
        "calibration_error": say("train_calibration_error"),
        "ece": say("train_calibration_error"),
        "cross_entropy": say("train_cross_entropy"),
        "n": say("train_pictures_measured"),
    }
    return names.get(score) or escape_markdown(score[:60])


def kind_title(kind: str, say: Words) -> str:
    """The heading of a kind of finding, as Markdown."""
    own = KINDS.get(kind) if say.language == "zh" else None
    return escape_markdown(own or title(kind))


def knob_help(name: str, english: str, say: Words) -> str:
    """What a knob does."""
    return KNOBS.get(name, english) if say.language == "zh" else english.replace("``", "`")


def phase_text(message: str, say: Words) -> str:
    """What a command says that it does, in the page's language where that is known."""
    if say.language != "zh":
        return message
    known = next((zh for en, zh in PHASES.items() if message.startswith(en)), None)
    return known or message


def duration(seconds: float, say: Words) -> str:
    """A time that people can use: seconds up to a minute and a half, then minutes, then hours."""
    if seconds < 90:
        return say("train_s", n=max(0, round(seconds)))
    minutes = round(seconds / 60)
    if minutes < 90:
        return say("train_min", n=minutes)
    return say("train_h", h=minutes // 60, min=minutes % 60)
