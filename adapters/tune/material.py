"""What a fine-tuning learns from: its pictures, those held out, those that keep old skills."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adapters.data.form import Dataset, Example
from adapters.data.formats import read_dataset
from adapters.data.splits import split
from adapters.tune.examples import Known, gather, pictures_of
from adapters.tune.settings import Tuning
from assistant.engine import Engine
from assistant.errors import DataError
from assistant.images import open_image
from assistant.llava import Base
from assistant.settings import Settings

Progress = Callable[[str, float | None], None]

_REPLAYED = 2000  # of the replay's pictures: more would only take longer
_SELF_REPLAY = 600  # pictures that the base describes itself, where no replay is given


@dataclass(frozen=True)
class Order:
    """What was asked for.

    Attributes:
        data: the data set, in any format that `read_dataset` takes.
        validation: another one to validate on; None holds a share of ``data`` out.
        replay: captioned pictures that keep old skills alive; None has the base describe some of
            the data's own pictures before it changes, and learns those descriptions again.
        out: folder of checkpoints, curves and the finished ``adapter``.
    """

    data: Path
    validation: Path | None
    replay: Path | None
    out: Path
    recipe: Tuning
    name: str
    terms: str = ""
    format: str | None = None


@dataclass(frozen=True)
class Material:
    """Usable pictures, by what they are for.

    Attributes:
        own: to learn from.
        held: to validate on.
        labels: of ``own``, each with its coarse label, sorted.
        left_out: rows that cannot be used.
    """

    dataset: Dataset
    own: list[Known]
    held: list[Known]
    labels: dict[str, str | None]
    left_out: int


def read_material(order: Order, settings: Settings) -> Material:
    """Read the data and hold a part out, unless there are others to validate on.

    Raises:
        DataError: nothing to learn from, or nothing to tell apart.
    """
    recipe = order.recipe
    dataset = read_dataset(order.data, format=order.format, settings=settings)
    own = [example for example in dataset.examples if _opens(example)]
    usable = len(own)
    left_out = len(dataset.examples) - usable
    left_out += sum(found.severity == "error" for found in dataset.findings)
    if order.validation is not None:
        given = read_dataset(order.validation, settings=settings).examples
        held = [example for example in given if _opens(example)]
    else:
        own, held = split(own, share=recipe.held_out, seed=recipe.seed)
    if len(own) < 2 or not held:
        raise DataError(
            f"{order.data} has {usable} usable rows, too few to learn from and to validate on; "
            "give at least ten, or run `sightdesk adapters validate` to see what is wrong."
        )
    labels = {e.label: e.coarse_label for e in own if e.label is not None}
    if len(labels) == 1:
        raise DataError(
            f"All labelled pictures of {order.data} are {next(iter(labels))!r}; give pictures of "
            "at least two labels, or captions."
        )
    known = [k for k in gather(held) if k.label is None or k.label in labels]
    return Material(dataset, gather(own), known, dict(sorted(labels.items())), left_out)


def replay_of(
    order: Order, material: Material, settings: Settings, base: Base, progress: Progress
) -> list[Known]:
    """Captioned pictures to learn again: those that were given, or the base's own words."""
    recipe = order.recipe
    if not recipe.replay and not recipe.remember:
        return []
    rng = random.Random(recipe.seed)
    if order.replay is not None:
        found = read_dataset(order.replay, settings=settings).examples
        captioned = gather(e for e in found if e.references and _opens(e))
        return rng.sample(captioned, min(_REPLAYED, len(captioned)))
    file = order.out / "described.json"
    paths = pictures_of(material.own)
    chosen = rng.sample(paths, min(_SELF_REPLAY, len(paths)))
    if file.exists():
        said = json.loads(file.read_text(encoding="utf-8"))
    else:
        said = _described(base, chosen, progress)
        partial = file.with_suffix(".partial")
        partial.write_text(json.dumps(said), encoding="utf-8")
        partial.replace(file)
    return [Known((path,), [said[str(path)]]) for path in chosen if str(path) in said]


def _described(base: Base, paths: Sequence[Path], progress: Progress) -> dict[str, str]:
    """What the base says of pictures before it changes, so that it can be said again."""
    engine = Engine(base, None, {}, prefix_bytes=0)
    said: dict[str, str] = {}
    for start in range(0, len(paths), 8):
        part = paths[start : start + 8]
        images = engine.encode_anew([open_image(path) for path in part])
        answers = engine.describe(images)
        said |= {str(path): answer.text for path, answer in zip(part, answers, strict=True)}
        progress("Noting what the base says of the pictures", (start + len(part)) / len(paths))
    return said


def _opens(example: Example) -> bool:
    return all(path.is_file() for path in example.images)
