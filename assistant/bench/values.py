"""Figures, their spread, ratios and bars: what a benchmark's numbers are and how they are compared.

A ratio is always a speed-up, so that larger is better, and the median of ratios that were taken
round by round: a moment in which the machine was busy hits both sides of it.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

OURS: Final = "sightdesk"
PLAIN: Final = "transformers"
LLAMACPP: Final = "llamacpp"
MACHINE: Final = "machine"

SAID: Final[dict[str, str]] = {
    OURS: "Sightdesk",
    PLAIN: "transformers",
    LLAMACPP: "llama.cpp",
    MACHINE: "the machine",
}
"""Contenders as people read of them."""

OTHERS: Final = (PLAIN, LLAMACPP)
"""Contenders that can be left out."""

Unit = Literal["s", "tokens/s", "bytes", "bytes/s", "FLOP/s", "x", "share"]


@dataclass(frozen=True)
class Figure:
    """Something that is measured.

    ``larger`` says whether more of it is better, ``bar`` how much of it this engine should have
    with the embedded base: at least that where more is better, else at most.
    """

    name: str
    said: str
    unit: Unit
    larger: bool
    bar: float | None = None

    def holds(self, value: float) -> bool | None:
        """Whether a value is as good as the bar asks; None where there is no bar."""
        if self.bar is None:
            return None
        return value >= self.bar if self.larger else value <= self.bar


AT_ONCE: Final = (1, 4, 16)

FIGURES: Final = (
    Figure("encode", "picture encode", "s", False),
    Figure("prefill", "prefill", "tokens/s", True),
    Figure("decode", "decode", "tokens/s", True),
    Figure("first_word", "photo + question, first word", "s", False),
    Figure("answer", "photo + question, 32 tokens", "s", False),
    Figure("follow_up", "follow-up, first word", "s", False),
    Figure("follow_up_uncached", "the same, cache cleared", "s", False),
    *(Figure(f"at_once_{count}", f"{count} at once", "tokens/s", True) for count in AT_ONCE),
    Figure("cold_start", "cold start, first word", "s", False, 6.0),
    Figure("memory_steady", "memory, steady", "bytes", False, 1.0e9),
    Figure("memory_peak", "memory, peak", "bytes", False, 1.3e9),
)

JOBS: Final[dict[str, tuple[str, ...]]] = {
    "encode": ("encode",),
    "prefill": ("prefill",),
    "decode": ("decode",),
    "answer": ("first_word", "answer"),
    "followup": ("follow_up", "follow_up_uncached"),
    "together": tuple(f"at_once_{count}" for count in AT_ONCE),
    "roofline": (),
    "start": ("cold_start", "memory_steady", "memory_peak"),
}
"""What can be measured alone, with the figures that it gives."""


@dataclass(frozen=True)
class Ratio:
    """How many times better one figure is than another, each of a contender.

    ``ours`` and ``theirs`` are names of figures, both rates or both times; ``bar`` is as a
    figure's.
    """

    name: str
    said: str
    ours: str
    theirs: str
    against: str
    bar: float

    def of(self, ours: float, theirs: float) -> float | None:
        """The speed-up, larger is better; None where a time or rate is 0."""
        more, less = (ours, theirs) if figure(self.ours).larger else (theirs, ours)
        return more / less if less > 0 else None


RATIOS: Final = (
    Ratio("decode_vs_llamacpp", "decode, times llama.cpp", "decode", "decode", LLAMACPP, 1.0),
    Ratio("prefill_vs_llamacpp", "prefill, times llama.cpp", "prefill", "prefill", LLAMACPP, 3.0),
    Ratio(
        "answer_vs_transformers",
        "photo + question, times transformers",
        "answer",
        "answer",
        PLAIN,
        2.86,
    ),
    Ratio(
        "followup_vs_uncached",
        "follow-up, times without the cache",
        "follow_up",
        "follow_up_uncached",
        OURS,
        4.0,
    ),
    Ratio(
        "batch16_vs_transformers",
        "16 at once, times one of transformers",
        "at_once_16",
        "at_once_1",
        PLAIN,
        12.0,
    ),
)

BANDWIDTH_BAR: Final = 0.6
"""Share of what memory bandwidth allows that decoding should reach."""


def figure(name: str) -> Figure:
    """The figure of this name."""
    return next(each for each in FIGURES if each.name == name)


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of what was measured several times."""

    median: float
    low: float
    high: float
    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread | None:
        """Of some values; None where there are none.

        The quartiles are those of the values themselves, the least and the largest being the ends
        (type 7 of Hyndman and Fan, The American Statistician 1996).
        """
        found = tuple(values)
        if not found:
            return None
        if len(found) == 1:
            return cls(found[0], found[0], found[0], found)
        low, median, high = statistics.quantiles(found, n=4, method="inclusive")
        return cls(median, low, high, found)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "median": self.median,
            "low": self.low,
            "high": self.high,
            "values": list(self.values),
        }


@dataclass
class Sheet:
    """Everything that was measured: by figure and contender, round by round.

    Attributes:
        left_out: why a contender is missing.
        notes: what a reader of the figures should know.
    """

    rounds: dict[tuple[str, str], dict[int, float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, number: int, contender: str, figures: dict[str, float]) -> None:
        """Take what a contender reached in a round."""
        for name, value in figures.items():
            self.rounds.setdefault((name, contender), {})[number] = value

    def values(self, name: str, contender: str) -> dict[int, float]:
        """What was measured, by round."""
        return self.rounds.get((name, contender), {})

    def spread(self, name: str, contender: str) -> Spread | None:
        """Median and quartiles over the rounds; None where nothing was measured."""
        return Spread.of(self.values(name, contender).values())

    def ratio(self, ratio: Ratio) -> Spread | None:
        """Of the rounds in which both sides were measured."""
        theirs = self.values(ratio.theirs, ratio.against)
        pairs = (
            ratio.of(value, theirs[number])
            for number, value in self.values(ratio.ours, OURS).items()
            if number in theirs
        )
        return Spread.of(found for found in pairs if found is not None)

    def share(self, name: str, most: str, cost: float) -> Spread | None:
        """What part of the machine's rate this engine uses.

        Args:
            name: a rate of this engine, in tokens a second.
            most: the machine's rate, in units a second.
            cost: units that one token takes.
        """
        limits = self.values(most, MACHINE)
        return Spread.of(
            value * cost / limits[number]
            for number, value in self.values(name, OURS).items()
            if limits.get(number)
        )


def rotated(contenders: Sequence[Any], number: int) -> list[Any]:
    """The contenders in the order of a round: each begins once in as many rounds."""
    start = number % len(contenders) if contenders else 0
    return [*contenders[start:], *contenders[:start]]
