"""Labels of pictures: of an adapter, of a list that is given, or the encoder's own names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch

from assistant.engine.adapters import Adapter
from assistant.engine.eyes import ground_pooled, knows_imagenet
from assistant.engine.likelihood import log_likelihoods
from assistant.engine.values import EncodedImage, Turn
from assistant.errors import InputError
from assistant.evidence import NOTABLE, TEMPERATURE, imagenet_names
from assistant.labelling import (
    MOST_LABELS,
    TOP,
    Calibration,
    Labelled,
    LabelScores,
    check_threshold,
    checked_list,
    decide,
)
from assistant.prompts import LABEL_QUESTION, spoken_label

if TYPE_CHECKING:
    from assistant.engine.core import Engine

_ROWS: Final = 4  # pictures that are read at once


def label(
    engine: Engine,
    images: Sequence[EncodedImage],
    *,
    adapter: str | None = None,
    labels: Sequence[str] | None = None,
    threshold: float | None = None,
    top: int = TOP,
) -> list[Labelled]:
    """One of the labels for each picture, or none of them.

    Args:
        labels: the list; by default the adapter's, or the encoder's 1,000 names where it has none.
        threshold: probability from which a label is given, in place of the calibrated one.
        top: how many of the likeliest are told.

    Raises:
        InputError: no list, one that cannot be used, or a threshold out of range.
    """
    check_threshold(threshold)
    chosen = engine.resolve(adapter)
    if labels is None and not chosen.labels:
        return recognise(engine, images, threshold=threshold, top=top)
    wanted = _checked(chosen, labels)
    known = set(wanted) <= set(chosen.labels)
    # What was measured of an adapter's own labels says nothing of others.
    calibration = chosen.calibration if known else Calibration()
    weight = _head_weight(chosen, images) if known else 0.0
    if threshold is not None:
        calibration = replace(calibration, threshold=threshold)
    found: list[Labelled] = []
    for start in range(0, len(images), _ROWS):
        scores = _scores(engine, images[start : start + _ROWS], chosen, wanted, weight)
        found += decide(
            scores.mixed(weight),
            wanted,
            coarse=chosen.labels if known else {},
            temperature=calibration.temperature,
            threshold=calibration.threshold,
            top=top,
        )
    return found


def label_scores(
    engine: Engine,
    images: Sequence[EncodedImage],
    *,
    adapter: str | None = None,
    labels: Sequence[str] | None = None,
) -> LabelScores:
    """What language model and label head say of each label, for whoever calibrates them.

    Raises:
        InputError: no list, or one that cannot be used.
    """
    chosen = engine.resolve(adapter)
    wanted = _checked(chosen, labels)
    weight = None if set(wanted) <= set(chosen.labels) else 0.0
    parts = [
        _scores(engine, images[start : start + _ROWS], chosen, wanted, weight)
        for start in range(0, len(images), _ROWS)
    ]
    spoken = [part.language for part in parts if part.language is not None]
    seen = [part.head for part in parts if part.head is not None]
    return LabelScores(
        tuple(wanted), torch.cat(spoken) if spoken else None, torch.cat(seen) if seen else None
    )


def recognise(
    engine: Engine,
    images: Sequence[EncodedImage],
    *,
    threshold: float | None = None,
    top: int = TOP,
) -> list[Labelled]:
    """ImageNet's name for each picture, by the classifier of the ground's encoder.

    Raises:
        InputError: the base's encoder has no such classifier.
    """
    tower = engine.tower
    if not knows_imagenet(tower):
        raise InputError(
            f"Neither the adapter nor the encoder of {engine.name!r} knows labels; give a list."
        )
    if not images:
        return []
    names = tuple(dict.fromkeys(imagenet_names()))
    place = {name: number for number, name in enumerate(names)}
    columns = torch.tensor([place[name] for name in imagenet_names()])
    with engine.alone(engine.ground), torch.inference_mode():
        rows = [ground_pooled(image, tower) for image in images]
        pooled = torch.stack([row for row in rows if row is not None])
        logits = tower.classify(pooled.to(tower.device)).float().cpu()
    shares = (logits / TEMPERATURE).softmax(-1)
    # Classes of one name count together.
    summed = shares.new_zeros((len(shares), len(names))).index_add_(1, columns, shares)
    least = NOTABLE if threshold is None else threshold
    return decide(summed.log(), names, coarse={}, temperature=1.0, threshold=least, top=top)


def _checked(adapter: Adapter, labels: Sequence[str] | None) -> list[str]:
    """The list to choose from, each label once; an adapter's own in the order of its head."""
    if labels is None:
        if not adapter.labels:
            raise InputError(
                f"The adapter {adapter.name!r} has no labels; give a list, or train one on "
                "labelled pictures."
            )
        return sorted(adapter.labels)
    too_many = f"There are {{count}} labels; give between 1 and {MOST_LABELS:,}."
    return checked_list(labels, MOST_LABELS, too_many)


def _head_weight(adapter: Adapter, images: Sequence[EncodedImage]) -> float:
    """The share of the label head in the score; 0 where there is none."""
    if adapter.head is None:
        return 0.0
    if any(image.pooled is None for image in images):
        raise InputError(
            f"The label head of {adapter.name!r} needs an encoder that sums pictures up; use it "
            "with the base that it was trained on."
        )
    return adapter.calibration.head_weight


def _scores(
    engine: Engine,
    images: Sequence[EncodedImage],
    adapter: Adapter,
    labels: Sequence[str],
    weight: float | None,
) -> LabelScores:
    """The scores that are needed for a weight of the head; both, where there are, for None."""
    engine.check_seen(images, adapter)
    head = language = None
    if adapter.head is not None and weight != 0:
        pooled = torch.stack([image.pooled for image in images if image.pooled is not None])
        places = {name: place for place, name in enumerate(sorted(adapter.labels))}
        columns = torch.tensor([places[name] for name in labels])
        head = adapter.head(pooled.cpu())[:, columns]
    if weight != 1:
        answers = [_answer(engine, name) for name in labels]
        turns = [[Turn("user", LABEL_QUESTION, (image.id,))] for image in images]
        prompts = [
            engine.prompts.build(each, [image]) for each, image in zip(turns, images, strict=True)
        ]
        embeds, mask = engine.padded(prompts)
        with engine.alone(adapter):
            language = log_likelihoods(
                engine.model, embeds, mask, answers, engine.places(prompts)
            ).cpu()
    return LabelScores(tuple(labels), language, head)


def _answer(engine: Engine, name: str) -> tuple[int, ...]:
    """The tokens of the answer that stands for a label, as in training, its end included."""
    spoken = engine.tokenizer.encode(
        spoken_label(name) + ".", add_special_tokens=False, split_special_tokens=True
    )
    return (*spoken, int(engine.tokenizer.eos_token_id))
