"""A training as values: what was ordered, what it plans, what it has learnt so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Literal

from adapters.tune.curves import STAGES
from adapters.tune.settings import Preset

State = Literal["starting", "running", "stopping", "stopped", "interrupted", "failed", "done"]
ACTIVE: Final = ("starting", "running", "stopping")
RECIPE: Final = "recipe.toml"
"""Written when the first step is made; before, there is nothing to go on from."""


@dataclass(frozen=True)
class Order:
    """What is to be trained; `data` is a path or `CHAT`."""

    data: str
    name: str
    preset: Preset
    validation: str = ""
    replay: str = ""
    knobs: Mapping[str, Any] = field(default_factory=dict)
    """Those that differ from the preset's."""


@dataclass(frozen=True)
class Stage:
    """What is known of a stage: a loss a step, and what its validations gave."""

    steps: list[int]
    losses: list[float]
    scores: list[tuple[int, dict[str, float]]]
    seconds: float = 0.0

    @property
    def step(self) -> int:
        """The last one."""
        return self.steps[-1] if self.steps else 0


@dataclass(frozen=True)
class Plan:
    """What a training said that it would do, from a measured step; zeros where it did not."""

    pictures: int = 0
    held_out: int = 0
    labels: int = 0
    memory_bytes: int = 0
    trainable: Mapping[str, int] = field(default_factory=dict)
    steps: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Plan:
        """From what was printed; what cannot be used counts as nothing."""

        def count(name: str) -> int:
            return int(number(given.get(name)))

        def parts(name: str) -> dict[str, float]:
            values = given.get(name)
            items = values.items() if isinstance(values, Mapping) else ()
            return {str(key)[:60]: number(value) for key, value in list(items)[:20]}

        return cls(
            pictures=count("pictures"),
            held_out=count("held_out"),
            labels=count("labels"),
            memory_bytes=count("memory_bytes"),
            trainable={name: int(value) for name, value in parts("trainable").items()},
            steps={name: int(value) for name, value in parts("steps").items()},
            seconds=parts("seconds"),
        )


@dataclass(frozen=True)
class Entry:
    """A training in the list."""

    name: str
    state: State
    started: datetime


@dataclass(frozen=True)
class Training:
    """A training in full.

    Attributes:
        command: what was run; empty where nobody noted it.
        data: the data set as the command names it.
        plan: as the command told it; None before it did.
        phase: what it does beside steps, and how far that is.
        error: the sentence that it failed with.
    """

    name: str
    folder: Path
    state: State
    started: datetime
    command: tuple[str, ...] = ()
    plan: Plan | None = None
    phase: tuple[str, float] | None = None
    stages: Mapping[str, Stage] = field(default_factory=dict)
    error: str = ""

    @property
    def active(self) -> bool:
        """Whether its process runs."""
        return self.state in ACTIVE

    @property
    def begun(self) -> bool:
        """Whether there is something to go on from."""
        return (self.folder / RECIPE).exists()

    @property
    def adapter(self) -> Path | None:
        """The finished adapter in the training's folder."""
        folder = self.folder / "adapter"
        return folder if (folder / "sightdesk.json").exists() else None

    def option(self, name: str) -> str:
        """The value of an option of its command; empty where it has none."""
        return option(self.command, name)

    @property
    def data(self) -> str:
        """The data set that it learns."""
        return option(self.command, "train")

    def total(self, stage: str) -> int:
        """Steps of a stage as planned; 0 where no plan is known."""
        return 0 if self.plan is None else self.plan.steps.get(stage, 0)

    @property
    def fraction(self) -> float | None:
        """Share of all the work that is done; None where no plan is known."""
        seconds = {} if self.plan is None else self.plan.seconds
        whole = sum(seconds.values())
        if not whole:
            return None
        done = 0.0
        for name, planned in seconds.items():
            if self._is_over(name):
                done += planned
            elif name in self.stages and self.total(name):
                done += planned * min(1.0, self.stages[name].step / self.total(name))
        return min(1.0, done / whole)

    @property
    def seconds_left(self) -> float | None:
        """Time that the steps to come take at the pace so far; None where no plan is known."""
        seconds = {} if self.plan is None else self.plan.seconds
        pace, left = 1.0, 0.0
        for name, planned in seconds.items():
            total = self.total(name)
            if not total:
                continue
            stage = self.stages.get(name)
            if stage is not None and stage.step and planned:
                pace = stage.seconds / stage.step / (planned / total)
            if not self._is_over(name):
                done = stage.step if stage is not None else 0
                left += max(0, total - done) * planned / total * pace
        return left if seconds else None

    def _is_over(self, name: str) -> bool:
        """Whether a later stage has begun, be it that this one ended early."""
        later = STAGES[STAGES.index(name) + 1 :] if name in STAGES else ()
        return self.state == "done" or any(stage in self.stages for stage in later)


def option(command: Sequence[str], name: str) -> str:
    """The word after `name` in a command; empty where there is none."""
    words = list(command)
    return words[words.index(name) + 1] if name in words[:-1] else ""


def number(value: object) -> float:
    """A finite number, else 0."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return 0.0
    return float(value)
