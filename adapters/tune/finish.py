"""After the last step: confidence calibrated, scores measured, the card written, the adapter in.

Calibration uses the held-out pictures, which no step has learnt from. Where they were taken out of
the same data they are easier than new ones: `sightdesk adapters evaluate` measures those.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from adapters.card import write_card
from adapters.registry.keeping import publish
from adapters.tune.examples import Known
from adapters.tune.save import write_about
from assistant.adapter_files import AdapterFiles, read_adapter
from assistant.engine import Engine
from assistant.errors import AdapterError
from assistant.images import open_image
from assistant.labelling import (
    Calibration,
    LabelScores,
    calibrate,
    choose_weight,
    decide,
    expected_calibration_error,
)

if TYPE_CHECKING:
    from adapters.tune.run import Run

Progress = Callable[[str, float | None], None]

_PICTURES = 400  # held-out pictures that calibrate; more would only take longer
_BATCH = 8


def finish(run: Run, require: list[str], *, progress: Progress) -> dict[str, Any]:
    """Calibrate, score and install a finished adapter; what was done, for the user.

    Raises:
        AdapterError: it misses a requirement; it stays in the training's folder then.
    """
    folder = run.order.out / "adapter"
    files = read_adapter(folder, run.order.name)
    if files.labels:
        _measure(run, files, progress)
    else:
        _note_likelihood(run, folder)
    write_card(folder, read_adapter(folder, run.order.name))
    try:
        installed = publish(
            folder, run.order.name, require, settings=run.settings, replace=True
        ).path
    except AdapterError as error:
        raise AdapterError(f"{str(error).rstrip('.')}. It stays in {folder}.") from error
    about = read_adapter(folder, run.order.name).about
    told = [f"The adapter {run.order.name!r} is in {installed}."]
    for data, scores in about["scores"].items():
        said = ", ".join(
            f"{name} {value:.3f}" for name, value in scores.items() if isinstance(value, float)
        )
        told.append(f"On {data}: {said}.")
    told += [
        f"Ask with it: sightdesk ask PICTURE QUESTION --adapter {run.order.name}",
        f"Judge it on other pictures: sightdesk adapters evaluate {run.order.name} --data FILE",
    ]
    return {
        "adapter": str(installed),
        "name": run.order.name,
        "scores": about["scores"],
        "calibration": about["calibration"],
        "told": told,
    }


def _measure(run: Run, files: AdapterFiles, progress: Progress) -> None:
    """Fit the label head's share, temperature and threshold; note scores on the held-out part."""
    held = [k for k in run.held if k.label is not None and len(k.images) == 1][:_PICTURES]
    if not held:
        return
    engine = Engine.load(
        adapter=str(files.path),
        quantize=run.recipe.quantize,
        settings=run.settings.model_copy(update={"adapter": None}),
    )
    scores = _label_scores(engine, held, progress)
    places = {name: number for number, name in enumerate(scores.labels)}
    truth = [places[known.label] for known in held if known.label is not None]
    calibration, results = fit(scores, truth, files.labels)
    about = dict(files.about)
    about["calibration"] = calibration
    about["scores"] = {**about.get("scores", {}), "held out of the training data": results}
    write_about(files.path, about)


def _label_scores(engine: Engine, held: Sequence[Known], progress: Progress) -> LabelScores:
    spoken, seen = [], []
    labels: tuple[str, ...] = ()
    for start in range(0, len(held), _BATCH):
        part = [open_image(known.images[0]) for known in held[start : start + _BATCH]]
        scores = engine.label_scores(engine.encode_images(part))
        labels = scores.labels
        if scores.language is not None:
            spoken.append(scores.language)
        if scores.head is not None:
            seen.append(scores.head)
        progress("Measuring its confidence", (start + len(part)) / len(held))
    return LabelScores(
        labels, torch.cat(spoken) if spoken else None, torch.cat(seen) if seen else None
    )


def fit(
    scores: LabelScores, truth: Sequence[int], coarse: dict[str, str]
) -> tuple[dict[str, float], dict[str, float]]:
    """Calibration for ``sightdesk.json``, and the scores under it.

    Args:
        truth: place of the true label in ``scores.labels`` for each picture.
        coarse: coarse label of each label.
    """
    weight = 1.0 if scores.language is None else 0.0
    if scores.language is not None and scores.head is not None:
        weight = choose_weight(scores.language.numpy(), scores.head.numpy(), truth)
    mixed = scores.mixed(weight)
    temperature, threshold = calibrate(mixed.numpy(), truth)
    chosen = Calibration(temperature, threshold, weight)
    found = decide(
        mixed, scores.labels, coarse=coarse, temperature=chosen.temperature, threshold=0.0
    )
    right = [
        labelled.label == scores.labels[place] for labelled, place in zip(found, truth, strict=True)
    ]
    kind = [
        labelled.coarse == coarse.get(scores.labels[place])
        for labelled, place in zip(found, truth, strict=True)
    ]
    sure = [labelled.confidence for labelled in found]
    count = len(right)
    results = {
        "accuracy_fine": round(sum(right) / count, 4),
        "accuracy_coarse": round(sum(kind) / count, 4),
        "calibration_error": round(expected_calibration_error(sure, right), 4),
        "n": count,
    }
    calibration = {
        "temperature": round(chosen.temperature, 4),
        "threshold": round(chosen.threshold, 4),
        "head_weight": round(chosen.head_weight, 3),
        "ece": results["calibration_error"],
        "n": count,
    }
    return calibration, results


def _note_likelihood(run: Run, folder: Path) -> None:
    """Without labels, the best validation of stage two is the score."""
    from adapters.tune.curves import read_log

    _, _, told = read_log(run.order.out, "language")
    best = min((found["cross_entropy"] for _, found in told), default=None)
    about = json.loads((folder / "sightdesk.json").read_text(encoding="utf-8"))
    if best is not None:
        scores = {"cross_entropy": round(best, 4), "n": len(run.held)}
        about["scores"] = {"held out of the training data": scores}
    write_about(folder, about)
