"""From which doubt on nothing is said: two thresholds, fitted on questions that were held out.

Before an answer the model gives ``unknown`` a probability, its *doubt*. That is compared with what
the grounding check makes of the answer: one that also has the question's words may be said with
more doubt than one that has not. Doubt alone is no probability of being wrong: in training a
short ``unknown`` weighs more than the first word of a long answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.tool_use.answers import Sheet, Sheets
from adapters.tune.save import write_about
from assistant import desk_prompts
from assistant.adapter_files import read_adapter
from assistant.chat_model.grammars import answer as answer_form
from assistant.desk_prompts import PHOTO, PICTURE, TEXT_IN_PHOTO, UNKNOWN
from assistant.engine import Engine, Sampling, Turn
from assistant.grounding import check, is_off_topic, sentences, without_marks
from assistant.settings import Settings
from assistant.sources import Source

SHEETS = 60
_TOKENS = 96
_STEPS = [*(n / 50 for n in range(1, 50)), 0.985, 0.99, 0.995, 0.998, 1.01]

Progress = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Judged:
    """A question, what the model thought of it, and what the check makes of its answer.

    Attributes:
        known: the sources answer it.
        right: the answer has the numbers and names of the expected one.
        strict, loose: the check with and without the question's words.
    """

    known: bool
    doubt: float
    right: bool
    strict: bool
    loose: bool

    def said(self, strict_from: float, loose_from: float) -> bool:
        """Whether the answer is given at these thresholds."""
        return (self.strict and self.doubt < strict_from) or (
            self.loose and self.doubt < loose_from
        )


def judge(
    engine: Engine, adapter: str, *, sheets: int = SHEETS, progress: Progress | None = None
) -> list[Judged]:
    """Ask held-out questions of an adapter."""
    drawn = [_drawn(n) for n in range(sheets)]
    found: list[Judged] = []
    for number, sheet in enumerate(drawn):
        if progress is not None:
            progress("Calibrating", number / len(drawn))
        found += _judged(engine, adapter, sheet)
    return found


def _drawn(number: int) -> Sheet:
    """Mostly sheets of products, which is what customers ask about, and some of everything."""
    rng, sheets = random.Random(f"calibration {number}"), Sheets(held=True)
    kinds = (sheets.one, sheets.goods, sheets.one, sheets.draw)
    return kinds[number % len(kinds)](rng)


def _judged(engine: Engine, adapter: str, sheet: Sheet) -> Iterator[Judged]:
    sources = [as_source(title, text) for title, text in sheet.sources]
    form = answer_form(len(sources), unknown=False)
    for asked in sheet.asked:
        lines = desk_prompts.answer(sheet.sources, asked.question)
        turns = [Turn(role, text) for role, text in lines]
        (doubt,) = engine.chances(turns, [UNKNOWN], adapter=adapter)
        written = engine.generate(
            turns, sampling=Sampling(_TOKENS), adapter=adapter, constraint=form
        )
        parts = sentences(written.text)
        fits = not is_off_topic(without_marks("".join(parts[-1:])), asked.question)
        strict = [fits and check(part, sources, asked.question).supported for part in parts]
        loose = [fits and check(part, sources).supported for part in parts]
        known = asked.answer != UNKNOWN
        right = known and without_marks(asked.answer) == without_marks(written.text)
        yield Judged(known, doubt, right, any(strict[-1:]), any(loose[-1:]))


def as_source(title: str, text: str) -> Source:
    """A sheet's source as tools give it."""
    label = text.partition(" (")[0].replace(" ", "-")
    if title == PHOTO:
        return Source("image", "a" * 64, label.replace("-", " "), text, "label_image", label)
    if title == TEXT_IN_PHOTO:
        return Source("image", "a" * 64, title, text, "read_text")
    if title == PICTURE:
        return Source("image", "b" * 64, text, text, "search_images", text.replace(" ", "-"))
    return Source("passage", title, title, text, "pages.md")


def thresholds(judged: Sequence[Judged], *, unknown: float = 0.9) -> dict[str, Any]:
    """The two thresholds at which most known questions are answered.

    Args:
        unknown: least share of the unknown ones of which nothing may be said.
    """
    known = [each for each in judged if each.known]
    others = [each for each in judged if not each.known]
    best: tuple[float, float, float, float] | None = None
    for strict_from in _STEPS:
        for loose_from in _STEPS:
            if loose_from > strict_from:
                break
            kept = _share(not each.said(strict_from, loose_from) for each in others)
            answered = _share(each.said(strict_from, loose_from) for each in known)
            rank = (min(kept, unknown), answered, -strict_from, -loose_from)
            if best is None or rank > best:
                best = rank
    assert best is not None
    strict_from, loose_from = -best[2], -best[3]
    said = [each for each in known if each.said(strict_from, loose_from)]
    return {
        "unknown_from": strict_from,
        "unasked_from": loose_from,
        "answered": round(len(said) / max(len(known), 1), 4),
        "to_the_letter": round(_share(each.right for each in said), 4),
        "left_unknown": round(_share(not each.said(strict_from, loose_from) for each in others), 4),
        "known": len(known),
        "unknown": len(others),
    }


def _share(values: Any) -> float:
    found = list(values)
    return sum(found) / len(found) if found else 1.0


def calibrate(folder: Path, settings: Settings, progress: Progress | None = None) -> dict[str, Any]:
    """Fit the thresholds of an adapter and write them into its ``sightdesk.json``."""
    engine = Engine.load("embedded", quantize="none", settings=settings, progress=progress)
    found = thresholds(judge(engine, str(folder), progress=progress))
    about = dict(read_adapter(folder, folder.name).about)
    write_about(folder, {**about, "release": found})
    return found
