"""What a run looks like while it goes and afterwards: a line in the terminal, a picture, CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

_BARS = "▁▂▃▄▅▆▇█"
STAGES = ("encoder", "language")


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """The values as a line of bars, each the mean of its share; empty for none."""
    if not values:
        return ""
    width = min(width, len(values))
    means = []
    for place in range(width):
        part = values[place * len(values) // width : (place + 1) * len(values) // width]
        means.append(sum(part) / len(part))
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    return "".join(_BARS[round((value - low) / span * (len(_BARS) - 1))] for value in means)


def read_log(folder: Path, stage: str) -> tuple[list[int], list[float], list[tuple[int, dict]]]:
    """Steps and losses of a stage so far, and its validations as (step, scores)."""
    file = folder / f"{stage}.csv"
    steps: list[int] = []
    losses: list[float] = []
    scores: list[tuple[int, dict]] = []
    if file.exists():
        with file.open(encoding="utf-8", newline="") as stream:
            for row in csv.DictReader(stream):
                if not row["loss"] or row["scores"] is None:
                    continue  # a line that is being written
                steps.append(int(row["step"]))
                losses.append(float(row["loss"]))
                if row["scores"]:
                    scores.append((steps[-1], json.loads(row["scores"])))
    return steps, losses, scores


def draw_curves(folder: Path, picture: Path) -> bool:
    """Draw losses and validation scores of both stages; False where there is nothing yet."""
    from matplotlib.figure import Figure

    logs = {stage: read_log(folder, stage) for stage in STAGES}
    logs = {stage: log for stage, log in logs.items() if log[0]}
    if not logs:
        return False
    figure = Figure(figsize=(5.5 * len(logs), 3.6), layout="constrained")
    for place, (stage, (steps, losses, scores)) in enumerate(logs.items(), start=1):
        axes = figure.add_subplot(1, len(logs), place, xlabel="step", ylabel="loss", title=stage)
        smooth, mean = [], losses[0]
        for loss in losses:
            mean += (loss - mean) * 0.05
            smooth.append(mean)
        axes.plot(steps, losses, color="#c3cedd", linewidth=0.8)
        axes.plot(steps, smooth, color="#1f4e8c", label="loss, running mean")
        axes.spines[["top"]].set_visible(False)
        name = "accuracy" if stage == "encoder" else "cross_entropy"
        told = [(step, found[name]) for step, found in scores if name in found]
        if told:
            other = axes.twinx()
            other.plot(*zip(*told, strict=True), "o-", color="#b5541c", markersize=3)
            other.set_ylabel(f"validation {name.replace('_', '-')}", color="#b5541c")
            other.spines[["top"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(picture, dpi=120)
    return True
