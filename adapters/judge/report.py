"""The report: one HTML page that holds all it shows, for people who decide on an adapter.

What stands in it is anybody's text: the template escapes all of it, texts and pictures are limited
in size, and the page's own policy lets nothing run but its one script.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from adapters.judge.figures import Figure, Judgement, as_json, sentence
from adapters.judge.intervals import FEW_PAIRS, RESAMPLES, Interval
from adapters.judge.pictures import draw_confusion, draw_reliability
from adapters.judge.writing import write_whole
from assistant.errors import SightdeskError
from assistant.images import fit_within, open_image

THUMBNAIL = 320
MOST_PICTURE_BYTES = 6 * 2**20
_WIDE, _HIGH = 170, 24


@dataclass(frozen=True)
class Side:
    """One of the adapters: its name and what it is."""

    name: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Report:
    """All that a page or a program is told."""

    own: Side
    other: Side | None
    judgements: tuple[Judgement, ...]
    settings: tuple[tuple[str, str], ...] = ()
    made: str = field(default_factory=lambda: datetime.now().astimezone().isoformat(" ", "minutes"))

    @property
    def sides(self) -> list[Side]:
        """The adapters that answered."""
        return [self.own, *([self.other] if self.other is not None else [])]

    @property
    def forgets(self) -> bool:
        """Whether forgetting was looked for."""
        return any(judgement.forgetting for judgement in self.judgements)

    def sentences(self) -> list[str]:
        """The findings in plain text, one for each judgement."""
        return [self.sentence(judgement) for judgement in self.judgements]

    def sentence(self, judgement: Judgement) -> str:
        """The finding of a judgement."""
        return sentence(judgement, self.own.name, self.other.name if self.other else "")

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "format": 1,
            "made": self.made,
            "adapter": {"name": self.own.name, **dict(self.own.facts)},
            "against": None
            if self.other is None
            else {"name": self.other.name, **dict(self.other.facts)},
            "settings": dict(self.settings),
            "findings": self.sentences(),
            "judgements": [as_json(one) for one in self.judgements if not one.forgetting],
            "forgetting": [as_json(one) for one in self.judgements if one.forgetting],
        }


def write_report(report: Report, path: Path) -> None:
    """Write the page; an earlier one is replaced whole or not at all.

    Raises:
        InputError: it cannot be written there.
    """
    write_whole(path, render(report).encode("utf-8"))


def render(report: Report) -> str:
    """The page as text."""
    here = files("adapters.judge")
    script = here.joinpath("report.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode("utf-8")).digest()).decode()
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    environment.filters |= {
        "bars": _bars,
        "change": _change,
        "chance": _chance,
        "cider": lambda value: "" if value is None else f", CIDEr {value:.2f}",
        "compared": _compared,
        "confusion": lambda one: _uri(draw_confusion(one.labels.confusion), "image/svg+xml"),
        "duration": _duration,
        "file": lambda where: _short(where.replace("\\", "/").rpartition("/")[2], 120),
        "percent": lambda value: f"{100 * value:.1f}",
        "reliability": _reliability(report),
        "sentence": report.sentence,
        "short": _short,
        "signed": lambda figure, value: _value(figure, value, "+"),
        "sureness": lambda value: "" if value is None else f", {100 * value:.0f} % sure",
        "thumbnail": _thumbnails(),
        "value": _value,
    }
    template = environment.from_string(here.joinpath("report.html").read_text(encoding="utf-8"))
    title = report.own.name + (f" against {report.other.name}" if report.other else "")
    return template.render(
        report=report,
        title=_short(title, 200),
        script=Markup(script),
        script_hash=digest,
        resamples=RESAMPLES,
        few=FEW_PAIRS,
    )


def _value(figure: Figure, value: float, sign: str = "") -> str:
    digits = 1 if figure.percent else 3
    text = f"{figure.scale * value:{sign}.{digits}f}"
    return text.lstrip("+-") if float(text) == 0 else text.replace("-", "−")


def _chance(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _short(text: str, most: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def _duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 90 else f"{minutes} min"


def _compared(judgement: Judgement) -> bool:
    return any(figure.difference is not None for figure in judgement.figures)


def _bars(figure: Figure, judgement: Judgement) -> Markup:
    """Both scores with their intervals on one scale: shares from 0 to 1, others from 0."""
    parts = [("own", figure.own), *([("other", figure.other)] if figure.other else [])]
    high = max(part.high for _, part in parts)
    top = 1.0 if judgement.kind != "captions" and figure.name != "ece" else max(1.1 * high, 1e-9)
    rows = (8, 17) if len(parts) == 2 else (_HIGH / 2,)
    lines = [_line("axis", 0, top, _HIGH - 1, 0, top)]
    lines += [_whisker(name, part, y, 0, top) for (name, part), y in zip(parts, rows, strict=True)]
    return _drawing(lines, f"on a scale from 0 to {_value(figure, top)}")


def _change(figure: Figure, judgement: Judgement) -> Markup:
    """The difference with its interval around 0, on one scale for a whole table."""
    delta = figure.difference
    if delta is None:
        return Markup("")
    same = [other.difference for other in judgement.figures if other.percent == figure.percent]
    top = max([max(abs(d.low), abs(d.high)) for d in same if d is not None] + [1e-9]) * 1.1
    if not figure.more_is_better:  # to the right is better
        delta = Interval(-delta.value, -delta.high, -delta.low, delta.n)
    lines = [
        _line("axis", -top, top, _HIGH / 2, -top, top),
        f'<line class="zero" x1="{_WIDE / 2}" x2="{_WIDE / 2}" y1="2" y2="{_HIGH - 2}"/>',
        _whisker(figure.verdict or "unclear", delta, _HIGH / 2, -top, top),
    ]
    return _drawing(lines, f"{figure.verdict}, on a scale to {_value(figure, top)} either way")


def _drawing(lines: list[str], label: str) -> Markup:
    return Markup(
        f'<svg class="bars" width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" '
        f'role="img" aria-label="{label}">{"".join(lines)}</svg>'
    )


def _whisker(name: str, part: Interval, y: float, low: float, high: float) -> str:
    x = _place(part.value, low, high)
    line = _line(name, part.low, part.high, y, low, high, width=3)
    return f'{line}<circle class="{name}" cx="{x:.1f}" cy="{y}" r="3.5"/>'


def _line(
    name: str, start: float, end: float, y: float, low: float, high: float, *, width: int = 1
) -> str:
    first, last = _place(start, low, high), _place(end, low, high)
    return (
        f'<line class="{name}" stroke-width="{width}" x1="{first:.1f}" x2="{last:.1f}" '
        f'y1="{y}" y2="{y}"/>'
    )


def _place(value: float, low: float, high: float) -> float:
    """Where a value stands in a drawing that spans ``low`` to ``high``."""
    return 4 + (_WIDE - 8) * min(1.0, max(0.0, (value - low) / (high - low)))


def _reliability(report: Report) -> Callable[[Judgement], str]:
    def draw(judgement: Judgement) -> str:
        details = judgement.labels
        if details is None or details.calibration is None:
            return ""
        names = (report.own.name, report.other.name if report.other else "")
        picture = draw_reliability(details.calibration, details.other_calibration, names)
        return _uri(picture, "image/svg+xml")

    return draw


def _thumbnails() -> Callable[[Path], str]:
    """Makes small copies of pictures, each once, until there are `MOST_PICTURE_BYTES` of them."""
    made: dict[Path, str] = {}
    spent = 0

    def thumbnail(path: Path) -> str:
        nonlocal spent
        if path in made:
            return made[path]
        if spent > MOST_PICTURE_BYTES:
            return ""
        try:
            small = fit_within(open_image(path).pixels, THUMBNAIL)
        except SightdeskError:  # it was there a minute ago; the report is worth more
            return ""
        buffer = io.BytesIO()
        small.save(buffer, "WEBP", quality=72)
        made[path] = _uri(buffer.getvalue(), "image/webp")
        spent += len(made[path])
        return made[path]

    return thumbnail


def _uri(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
