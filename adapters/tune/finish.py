"""After the last step: confidence calibrated, scores measured, the card written, the adapter in.

Calibration uses the held-out pictures, which no step has learnt from, in several cropped and
coloured views each: taken out of the same data they are much like those that were learnt, and as
they are nearly all would be right, which says nothing of how sure to be of new ones. The scores are
of the pictures as they are; `sightdesk adapters evaluate` measures on others.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image

from adapters.card import write_card
from adapters.registry.keeping import publish
from adapters.tune.examples import Known
from adapters.tune.pictures import augmented
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

_PICTURES = 200  # held-out pictures that calibrate; more would only take longer
_VIEWS, _VIEW_SIDE = 3, 512
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
    rng = random.Random(run.recipe.seed)
    viewed = [known for known in held for _ in range(_VIEWS)]
    labels, views = _label_scores(engine, [_view(known, rng) for known in viewed], progress)
    _, plain = _label_scores(engine, [known.images[0] for known in held], progress)
    places = {name: number for number, name in enumerate(labels)}
    calibration = fit(views, [places[str(known.label)] for known in viewed])
    results = scored(plain, [places[str(known.label)] for known in held], files.labels, calibration)
    about = dict(files.about)
    about["calibration"] = calibration
    about["scores"] = {**about.get("scores", {}), "held out of the training data": results}
    write_about(files.path, about)


def _view(known: Known, rng: random.Random) -> Image.Image:
    """A picture as training might have shown it."""
    pixels = open_image(known.images[0]).pixels
    side = min(max(pixels.size), _VIEW_SIDE)
    return Image.fromarray(augmented(pixels, rng, side).astype("uint8"))


def _label_scores(
    engine: Engine, pictures: Sequence[Image.Image | Path], progress: Progress
) -> tuple[tuple[str, ...], LabelScores]:
    spoken, seen = [], []
    labels: tuple[str, ...] = ()
    for start in range(0, len(pictures), _BATCH):
        part = [open_image(picture) for picture in pictures[start : start + _BATCH]]
        scores = engine.label_scores(engine.encode_anew(part))
        labels = scores.labels
        if scores.language is not None:
            spoken.append(scores.language)
        if scores.head is not None:
            seen.append(scores.head)
        progress("Measuring its confidence", (start + len(part)) / len(pictures))
    language, head = (torch.cat(rows) if rows else None for rows in (spoken, seen))
    return labels, LabelScores(labels, language, head)


def fit(scores: LabelScores, truth: Sequence[int]) -> dict[str, float]:
    """The entry ``calibration`` of ``sightdesk.json``.

    Args:
        truth: place of the true label in ``scores.labels`` for each picture.
    """
    weight = 1.0 if scores.language is None else 0.0
    if scores.language is not None and scores.head is not None:
        weight = choose_weight(scores.language.numpy(), scores.head.numpy(), truth)
    temperature, threshold = calibrate(scores.mixed(weight).numpy(), truth)
    return {
        "temperature": round(temperature, 4),
        "threshold": round(threshold, 4),
        "head_weight": round(weight, 3),
        "n": len(truth),
    }


def scored(
    scores: LabelScores,
    truth: Sequence[int],
    coarse: dict[str, str],
    calibration: dict[str, float],
) -> dict[str, float]:
    """Accuracies and calibration error under a calibration.

    Args:
        truth: as in `fit`.
        coarse: coarse label of each label.
    """
    chosen = Calibration.of(calibration)
    found = decide(
        scores.mixed(chosen.head_weight),
        scores.labels,
        coarse=coarse,
        temperature=chosen.temperature,
        threshold=0.0,
    )
    names = [scores.labels[place] for place in truth]
    right = [labelled.label == name for labelled, name in zip(found, names, strict=True)]
    kind = [
        labelled.coarse == coarse.get(name) for labelled, name in zip(found, names, strict=True)
    ]
    error = expected_calibration_error([labelled.confidence for labelled in found], right)
    return {
        "accuracy_fine": round(sum(right) / len(right), 4),
        "accuracy_coarse": round(sum(kind) / len(kind), 4),
        "calibration_error": round(error, 4),
        "n": len(right),
    }


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
