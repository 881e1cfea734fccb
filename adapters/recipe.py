"""The knobs of a training run."""

from __future__ import annotations

from dataclasses import dataclass

from assistant.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """Every knob of a run; it is saved with the result.

    ``tokens`` is the size of a step. The learning rate rises over ``warmup`` steps, stays, and
    falls linearly to zero over the last ``decay`` share of the run, which ends after ``steps`` or,
    where ``minutes`` is set, when that time is spent.

    Where ``self_critical``, descriptions are learnt from rewards on ``samples`` of the model's own
    for each picture, and ``anchor_tokens`` a step of the whole mixture, which count ``anchor``.
    """

    steps: int = 2_000
    minutes: float | None = None
    projector_steps: int = 60
    tokens: int = 1_440
    rank: int = 32
    alpha: int = 64
    lora_rate: float = 5e-4
    projector_rate: float = 1e-3
    warmup: int = 30
    decay: float = 0.5
    weight_decay: float = 0.01
    clip: float = 1.0
    seed: int = 0
    save_every_s: float = 120.0
    self_critical: bool = False
    samples: int = 5
    anchor: float = 0.5
    anchor_tokens: int = 480

    def __post_init__(self) -> None:
        lowest = {
            "steps": 1, "tokens": 1, "rank": 1, "alpha": 1, "samples": 2, "anchor_tokens": 1,
        }  # fmt: skip
        for name, least in lowest.items():
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; give {least} or more.")
