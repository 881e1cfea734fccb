"""A training of the space from data to a directory that `assistant.space` loads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from adapters.evaluate import Options
from adapters.retrieval.calibration import calibrate
from adapters.retrieval.card import write_space_card
from adapters.retrieval.judging import encode_rows
from adapters.retrieval.material import Material, Pictures, Sources, read_material
from adapters.retrieval.metrics import mean_average_precision, score_retrieval
from adapters.retrieval.recipe import SpaceRecipe
from adapters.retrieval.saving import Precision, Trained, save_space, write_about
from adapters.retrieval.task import Captioned, Labelled, SpaceTask
from adapters.retrieval.texts import TextStore, UpperText
from adapters.retrieval.views import Cut, ViewStore
from adapters.tune.loop import Limits, StepReport, run_stage
from adapters.tune.processes import Processes, StopRequest
from adapters.tune.save import made_with, replacing, today
from assistant.errors import InputError
from assistant.fingerprint import part_fingerprint
from assistant.images import open_image
from assistant.settings import Settings
from assistant.space import Calibration, PictureEmbedder, Vectors
from assistant.space.assembling import load_text, load_tower, tower_fingerprint
from assistant.space.choosing import embedded_space
from assistant.space.files import CalibrationPart, SpaceAbout
from assistant.space.modules import ImageHead
from assistant.vision import fused

Progress = Callable[[str, float | None], None]
_LOOSE = frozenset({"save_every_s"})  # knobs that do not make it another training


@dataclass(frozen=True)
class Ground:
    """What a space rests on: directories of the base and of the text encoder."""

    base: Path
    text: Path
    text_name: str = "all-MiniLM-L6-v2"


def train_space(
    sources: Sources,
    out: Path,
    recipe: SpaceRecipe,
    ground: Ground,
    settings: Settings,
    *,
    precision: Precision = Precision(),  # noqa: B008 (frozen)
    terms: str = "",
    progress: Progress | None = None,
    watch: Callable[[StepReport], None] | None = None,
) -> bool:
    """Train, calibrate, measure, and write ``out/space``; False if it was stopped before.

    The same call goes on where a training in ``out`` was stopped or killed.

    Args:
        settings: the cache folder keeps what is computed of pictures and texts.
        terms: of the data, for the card.

    Raises:
        DataError: a file, row or picture cannot be used, the loss is no number, or a checkpoint is
            damaged or of another training.
        InputError: there are too few pictures, or a knob does not fit the encoders.
    """
    report = progress or (lambda _message, _fraction: None)
    files = sources.told()
    material = read_material(sources, recipe.held_out, recipe.seed)
    tower_is, text_is = tower_fingerprint(ground.base), part_fingerprint(ground.text)
    folded: Any = fused(load_tower(ground.base))
    tower = folded.to(memory_format=torch.channels_last)
    before = {name: p.detach().clone() for name, p in tower.named_parameters()}
    words = load_text(ground.text, recipe.max_tokens)
    _check(recipe, tower, words.model)
    task = _task(recipe, material, tower, words, (tower_is, text_is), settings, report)
    known = [recipe.model_dump(exclude=set(_LOOSE)), files, tower_is, text_is]
    every = max(1, recipe.steps // recipe.validations)
    with StopRequest() as stop:
        finished = run_stage(
            task,
            out,
            Limits(recipe.steps, recipe.warmup, every, recipe.steps, 1, recipe.clip,
                   recipe.save_every_s),
            identity=hashlib.sha256(json.dumps(known).encode()).hexdigest(),
            processes=Processes(),
            stop=stop,
            watch=watch,
        )  # fmt: skip
    if not finished:
        return False
    changes = {
        name: parameter.detach() - before[name] for name, parameter in task.cut.trained().items()
    }
    if not recipe.tower_rate:
        changes = {}
    projection = task.words.projection
    about = SpaceAbout.model_validate(
        {
            "format": 1,
            "dimensions": projection.out_features,
            "tower": {"fingerprint": tower_is, "image_size": recipe.use_size},
            "head": {
                "channels": tower.config.head_channels,
                "queries": recipe.queries,
                "hidden": recipe.hidden,
            },
            "text": {
                "name": ground.text_name,
                "fingerprint": text_is,
                "max_tokens": recipe.max_tokens,
                "width": projection.in_features,
            },
            "calibration": {"words": (1.0, 0.0), "pictures": (1.0, 0.0)},
            "data": {
                "captioned": len(material.learnt.captioned),
                "labelled": len(material.learnt.labelled),
                "labels": len(material.meanings),
                "held_out": len(material.held.captioned) + len(material.held.labelled),
                "files": files,
                "terms": terms,
            },
            "recipe": recipe.model_dump(),
            "versions": made_with(),
            "made": today(),
        }
    )
    trained = Trained(changes, task.head, task.words.changes(), projection)
    with replacing(out / "space") as folder:
        save_space(folder, trained, about, precision)
        space = embedded_space(folder, "cpu", settings.cache_dir, base=ground.base,
                               text=ground.text)  # fmt: skip
        calibration, scores = judge_space(space, material, report)
        part = CalibrationPart(
            words=calibration.words,
            pictures=calibration.pictures,
            threshold=calibration.threshold,
        )
        about = about.model_copy(update={"calibration": part, "scores": scores})
        write_about(folder, about)
        write_space_card(folder, about)
    return True


def judge_space(
    space: PictureEmbedder, material: Material, report: Progress
) -> tuple[Calibration, dict[str, dict[str, float]]]:
    """Calibrate a space on the held-out pictures, and measure it there as it is used."""
    message = "Measuring"
    options = Options(progress=lambda done, total: report(message, done / max(total, 1)))
    encoded = encode_rows(space, list(material.held.captioned), options)
    found, _ = score_retrieval(encoded.pictures, encoded.captions, encoded.own)
    scores: dict[str, dict[str, float]] = {"held-out captions": dict(vars(found))}
    rows = material.held.labelled
    labels = labelled = again = None
    if rows:
        names = sorted(material.meanings)
        labels = np.array([names.index(row.label) for row in rows])
        labelled = _pictures(space, [row.path for row in rows], report)
        asked = space.encode_texts([material.meanings[name][0] for name in names])
        right = np.arange(len(names))[:, None] == labels
        cosines = asked @ labelled.T
        scores["held-out labels"] = {
            "mean_average_precision": mean_average_precision(cosines, right),
            "accuracy": float((cosines.argmax(0) == labels).mean()),
            "n": len(rows),
        }
    if labels is None or len(set(labels.tolist())) == len(labels):  # no two show the same thing
        labels = labelled = None
        paths = list(dict.fromkeys(row.path for row in material.held.captioned))
        again = _pictures(space, paths, report, changed=True)
    calibration, told = calibrate(
        encoded.pictures, encoded.captions, encoded.own, labels, labelled, again
    )
    for name, part in told.items():
        scores[f"calibration of {name}"] = part
    rounded = {
        name: {key: round(value, 4) for key, value in part.items()} for name, part in scores.items()
    }
    return calibration, rounded


def _pictures(
    space: PictureEmbedder, paths: Sequence[Path], report: Progress, *, changed: bool = False
) -> Vectors:
    parts = []
    for start in range(0, len(paths), 16):
        opened = [open_image(path).pixels for path in paths[start : start + 16]]
        parts.append(space.encode_pictures([_part(p) if changed else p for p in opened]))
        report("Measuring pictures", min(1.0, (start + 16) / len(paths)))
    return np.concatenate(parts)


def _part(picture: Image.Image) -> Image.Image:
    """Most of a picture, mirrored."""
    width, height = picture.size
    box = (width // 10, height // 10, width - width // 20, height - height // 20)
    return ImageOps.mirror(picture.crop(box)) if min(picture.size) > 4 else picture


def _check(recipe: SpaceRecipe, tower: Any, model: Any) -> None:
    stages = [len(stage) for stage in tower.stages]
    if recipe.tower_stage >= len(stages) or recipe.tower_block >= stages[recipe.tower_stage]:
        raise InputError(
            f"The tower has no block {recipe.tower_block} in stage {recipe.tower_stage}; its "
            f"stages have {', '.join(map(str, stages))} blocks."
        )
    if recipe.text_layers > model.config.num_hidden_layers:
        raise InputError(
            f"The text encoder has {model.config.num_hidden_layers} layers, not "
            f"{recipe.text_layers}; give text_layers accordingly."
        )


def _task(
    recipe: SpaceRecipe,
    material: Material,
    tower: Any,
    words: Any,
    revisions: tuple[str, str],
    settings: Settings,
    report: Progress,
) -> SpaceTask:
    """Everything computed once, and what trains on it."""
    cut = Cut(tower, recipe.tower_stage, recipe.tower_block)
    folder = settings.cache_dir / "space"

    def views(rows: Sequence[Any], name: str, *, learnt: bool) -> ViewStore:
        message = f"Looking at {name}"
        return ViewStore.build(
            cut,
            [row.path for row in rows],
            folder,
            size=recipe.size if learnt else recipe.use_size,
            views=recipe.views if learnt else 1,
            revision=revisions[0],
            seed=recipe.seed,
            progress=lambda done, total: report(message, done / total),
        )

    def texts(said: Sequence[str], name: str) -> TextStore:
        message = f"Reading {name}"
        return TextStore.build(
            words,
            said,
            folder,
            layers=recipe.text_layers,
            revision=revisions[1],
            progress=lambda done, total: report(message, done / total),
        )

    def captioned(pictures: Pictures, name: str, *, learnt: bool) -> Captioned:
        rows = pictures.captioned
        said = [text.strip() for row in rows for text in row.references]
        ends = np.cumsum([len(row.references) for row in rows])
        places = [
            range(end - len(row.references), end) for end, row in zip(ends, rows, strict=True)
        ]
        return Captioned(
            views(rows, name, learnt=learnt), texts(said, f"captions of {name}"), places
        )

    names = sorted(material.meanings)
    meanings = [text for name in names for text in material.meanings[name]]
    store = texts(meanings, "labels") if names else None

    def labelled(pictures: Pictures, name: str, *, learnt: bool) -> Labelled | None:
        rows = pictures.labelled
        if store is None or not rows:
            return None
        ends = np.cumsum([len(material.meanings[label]) for label in names])
        places = [
            range(end - len(material.meanings[label]), end)
            for end, label in zip(ends, names, strict=True)
        ]
        numbers = [names.index(row.label) for row in rows]
        return Labelled(views(rows, name, learnt=learnt), numbers, store, places)

    held = captioned(material.held, "held-out pictures", learnt=False)
    judged = labelled(material.held, "held-out labelled pictures", learnt=False)
    learnt = captioned(material.learnt, "pictures", learnt=True)
    shown = labelled(material.learnt, "labelled pictures", learnt=True)
    torch.manual_seed(recipe.seed)
    width = words.model.config.hidden_size
    head = ImageHead(
        tower.config.head_channels, recipe.queries, recipe.hidden, width, recipe.dropout
    )
    upper = UpperText(words, recipe.text_layers, recipe.rank, width, recipe.text_dropout)
    return SpaceTask(cut, head, upper, recipe, learnt, held, shown, judged)
