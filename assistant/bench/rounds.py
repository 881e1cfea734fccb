"""Turn about: every job by every contender, in each round in another order.

Within a round a job is done by all contenders one right after the other, so that a moment in which
the machine is busy hits all of them. Before each turn the OpenMP helpers of the thread that had the
last one are sent home: they would slow down whoever computes next (`assistant.engine.lock`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from assistant.bench.processes import ProcessError
from assistant.bench.values import JOBS, OURS, SAID, Sheet, rotated
from assistant.engine.lock import dismiss_helpers
from assistant.errors import SightdeskError
from assistant.weights import Progress

# Seconds that a job may take, for the time that is left until it has been done once.
_GUESSES: Final = {"followup": 4.0, "together": 6.0, "start": 9.0}
_GUESS: Final = 1.5
_STARTS: Final = 3
"""Rounds in which processes are started: each takes as long as everything else."""

_WARM: Final = ("encode", "prefill", "decode", "answer")


class Contender(Protocol):
    """Whoever is measured."""

    @property
    def name(self) -> str:
        """As figures are kept by."""

    @property
    def what(self) -> str:
        """What exactly it is."""

    @property
    def jobs(self) -> Mapping[str, Callable[[], dict[str, float]]]:
        """What it can do; each does it once and gives the figures that it measured."""

    def close(self) -> None:
        """Give back what it holds."""


@dataclass(frozen=True)
class Turn:
    """One job of one contender in one round; round 0 warms up and is not noted."""

    number: int
    job: str
    contender: Contender


def turns_of(contenders: Sequence[Contender], jobs: Sequence[str], rounds: int) -> list[Turn]:
    """All turns in their order."""
    found = [
        Turn(0, job, each)
        for job in jobs
        if job in _WARM
        for each in contenders
        if job in each.jobs
    ]
    for number in range(1, rounds + 1):
        for job in jobs:
            if job == "start" and number > _STARTS:
                continue
            found += [
                Turn(number, job, each) for each in rotated(contenders, number) if job in each.jobs
            ]
    return found


def measure(
    contenders: Sequence[Contender],
    jobs: Sequence[str],
    rounds: int,
    sheet: Sheet,
    report: Progress,
) -> None:
    """Do all jobs and note their figures.

    A job that somebody fails at is left out for that one from then on, and the reason noted.

    Raises:
        Exception: whatever this engine raises in this process.
    """
    turns = turns_of(contenders, [job for job in JOBS if job in jobs], rounds)
    took: dict[tuple[str, str], float] = {}
    failed: set[tuple[str, str]] = set()
    began = time.perf_counter()
    for done, turn in enumerate(turns):
        key = turn.job, turn.contender.name
        if key in failed:
            continue
        left = sum(
            _seconds(each, took)
            for each in turns[done:]
            if (each.job, each.contender.name) not in failed
        )
        spent = time.perf_counter() - began
        stage = f"round {turn.number} of {rounds}" if turn.number else "warming up"
        who = SAID[turn.contender.name]
        report(
            f"Measuring · {stage}, {turn.job}, {who}, about {left:.0f} s left",
            spent / (spent + left),
        )
        started = time.perf_counter()
        try:
            figures = turn.contender.jobs[turn.job]()
        except Exception as error:
            if turn.contender.name == OURS and not isinstance(error, ProcessError):
                raise
            sheet.notes.append(_failure(turn, error))
            failed.add(key)
            continue
        finally:
            dismiss_helpers()
        took[key] = time.perf_counter() - started
        if turn.number:
            sheet.note(turn.number, turn.contender.name, figures)


def _seconds(turn: Turn, took: Mapping[tuple[str, str], float]) -> float:
    guess = _GUESSES.get(turn.job, _GUESS)
    return took.get((turn.job, turn.contender.name), guess)


def _failure(turn: Turn, error: Exception) -> str:
    if isinstance(error, SightdeskError):
        return str(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = lines[0].rstrip(".")[:200] if lines else type(error).__name__
    return f"{turn.job} of {SAID[turn.contender.name]} is left out: it failed ({reason})."
