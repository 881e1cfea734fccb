"""Fit what tells pictures like the training ones from others (`assistant.evidence.Domain`).

    python -m adapters.domain --captions train.jsonl --labels train.jsonl --easy-vqa \\
        --held-captions dev.jsonl --held-labels val.jsonl --out domain.safetensors

Pooled features of all training pictures give the directions, the centres (k-means, in each kind of
pictures apart) and their common covariance. Every second held-out picture of a kind says which
distances are usual there; the others are left for `tests.benchmarks.out_of_domain`. The same files
and seed give the same result on one machine.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from PIL import Image
from rich.console import Console
from rich.progress import Progress as Bar
from rich.progress import TaskID
from safetensors.torch import load_file, save_file

from adapters.features import Progress, pixel_values
from adapters.mixture import PairSource
from adapters.rows import Row, read_captions, read_labels
from assistant.errors import InputError, SightdeskError
from assistant.evidence import Domain, spread
from assistant.images import open_image
from assistant.llava import ensure_embedded, load_base
from assistant.settings import get_settings
from assistant.vision import EfficientNetLiteModel, fused

# Chosen among others by AUROC on the first kinds of `tests.unlike` and folders of photos.
DIMENSIONS: Final = 256
CENTRES: Final = 50
_PICTURES_A_CENTRE = 30
_ROUNDS = 20
_SHRINK = 1e-3  # of the mean variance, added to every direction
_MARKS = 201
_BATCH = 8
_DRAWINGS, _DRAWINGS_HELD = 1000, 300  # of easy-VQA: one more is like another


def pooled_features(
    tower: EfficientNetLiteModel,
    pictures: Sequence[Path | Image.Image],
    *,
    progress: Progress | None = None,
) -> torch.Tensor:
    """``[pictures, channels]`` in float32.

    Raises:
        ImageError: a picture cannot be opened.
    """
    encoder: Any = fused(tower)
    encoder = encoder.to(torch.bfloat16).to(memory_format=torch.channels_last)
    rows = []
    for start in range(0, len(pictures), _BATCH):
        part = [open_image(picture).pixels for picture in pictures[start : start + _BATCH]]
        stacked = torch.stack([pixel_values(pixels, tower.config.image_size) for pixels in part])
        stacked = stacked.to(tower.device, torch.bfloat16)
        with torch.inference_mode():
            output = encoder(stacked.contiguous(memory_format=torch.channels_last))
        rows.append(output.pooler_output.float().cpu())
        if progress is not None:
            progress(start + len(part), len(pictures))
    return torch.cat(rows)


def fit(
    kinds: Sequence[tuple[torch.Tensor, torch.Tensor]],
    *,
    dimensions: int = DIMENSIONS,
    centres: int = CENTRES,
    seed: int = 0,
) -> Domain:
    """Fit a domain to kinds of pictures and calibrate it on others of each kind.

    Args:
        kinds: pooled features ``[n, channels]`` to fit to and ``[m, channels]`` held out.
        centres: at most this many a kind, fewer for a small one.
    """
    spreads = [spread(trained).double() for trained, _ in kinds]
    everything = torch.cat(spreads)
    mean = everything.mean(0)
    covariance = (everything - mean).T @ (everything - mean) / len(everything)
    dimensions = min(dimensions, len(covariance))
    directions = torch.linalg.eigh(covariance).eigenvectors[:, -dimensions:]  # [channels, dims]
    generator = torch.Generator().manual_seed(seed)
    middles, scatter = [], torch.zeros(dimensions, dimensions, dtype=torch.float64)
    for rows in spreads:
        projected = (rows - mean) @ directions
        count = max(1, min(centres, len(rows) // _PICTURES_A_CENTRE))
        found = _k_means(projected, count, generator)
        apart = projected - found[torch.cdist(projected, found).argmin(1)]
        scatter += apart.T @ apart
        middles.append(found)
    within = scatter / len(everything)
    within += _SHRINK * within.trace() / dimensions * torch.eye(dimensions, dtype=torch.float64)
    whiten = torch.linalg.cholesky(torch.linalg.inv(within))  # [dims, dims]
    uncalibrated = Domain(
        mean=mean.float(),
        # As the file will hold it, so that distances are calibrated for what is loaded.
        projection=(directions @ whiten).T.to(torch.float16).float(),
        centres=(torch.cat(middles) @ whiten).float(),
        kinds=torch.cat([torch.full((len(m),), float(k)) for k, m in enumerate(middles)]),
        quantiles=torch.zeros(len(kinds), _MARKS),
    )
    marks = torch.linspace(0, 1, _MARKS)
    usual = [
        uncalibrated.distances(held)[:, kind].quantile(marks)
        for kind, (_, held) in enumerate(kinds)
    ]
    return replace(uncalibrated, quantiles=torch.stack(usual))


def _k_means(rows: torch.Tensor, count: int, generator: torch.Generator) -> torch.Tensor:
    """Lloyd's algorithm from rows drawn at random; an empty cluster starts anew at a row."""
    middles = rows[torch.randperm(len(rows), generator=generator)[:count]]
    for _ in range(_ROUNDS):
        nearest = torch.cdist(rows, middles).argmin(1)
        sums = torch.zeros_like(middles).index_add_(0, nearest, rows)
        sizes = torch.bincount(nearest, minlength=count)
        fresh = rows[torch.randint(len(rows), (count,), generator=generator)]
        middles = torch.where((sizes > 0)[:, None], sums / sizes.clamp_min(1)[:, None], fresh)
    return middles


def _kept(cache: Path | None, name: str, make: Callable[[], torch.Tensor]) -> torch.Tensor:
    """Features from the cache folder, else made and put there."""
    file = cache / f"{name}.safetensors" if cache is not None else None
    if file is not None and file.exists():
        return load_file(file)["pooled"]
    pooled = make()
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({"pooled": pooled}, file)
    return pooled


def drawings() -> tuple[list[Path], list[Path]]:
    """Pictures of easy-VQA: of its training split and of its test."""
    trained = PairSource.easy_vqa().paths
    test = trained[0].parents[2] / "test" / "images"
    return _by_number(trained)[:_DRAWINGS], _by_number(test.glob("*.png"))[:_DRAWINGS_HELD]


def _by_number(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: int(path.stem))


def _kinds(given: argparse.Namespace) -> dict[str, tuple[list[Path], list[Path]]]:
    """Pictures to fit to and pictures held out, by kind."""
    kinds: dict[str, tuple[list[Path], list[Path]]] = {}
    reads: tuple[tuple[str, Callable[[Path], Sequence[Row]]], ...] = (
        ("captions", read_captions),
        ("labels", read_labels),
    )
    for kind, read in reads:
        trained, held = (
            [row.path for file in files for row in read(file)]
            for files in (getattr(given, kind), getattr(given, f"held_{kind}"))
        )
        if bool(trained) != bool(held):
            raise InputError(f"Give --{kind} and --held-{kind} together, of different pictures.")
        if trained:
            kinds[kind] = trained, held[::2]
    if given.easy_vqa:
        trained, held = drawings()
        kinds["drawings"] = trained, held[::2]
    if not kinds:
        raise InputError("There is nothing to fit to; give --captions, --labels or --easy-vqa.")
    return kinds


def embedded_tower() -> EfficientNetLiteModel:
    """The vision tower of the embedded base, in float32."""
    base: Any = load_base(
        ensure_embedded(get_settings()), "embedded", torch.device("cpu"), torch.float32
    )
    tower: EfficientNetLiteModel = base.model.model.vision_tower
    return tower


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m adapters.domain", description=__doc__)
    for option in ("--captions", "--labels", "--held-captions", "--held-labels"):
        parser.add_argument(option, type=Path, action="append", default=[])
    parser.add_argument("--easy-vqa", action="store_true")
    parser.add_argument("--cache", type=Path, help="folder that keeps features of these files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        kinds = _kinds(given)
        tower = embedded_tower()
        features = []
        with Bar(console=Console(stderr=True)) as bar:
            for kind, splits in kinds.items():
                pair = []
                for name, paths in zip((kind, f"{kind}, held out"), splits, strict=True):
                    task = bar.add_task(name, total=len(paths))

                    def encode(paths: list[Path] = paths, task: TaskID = task) -> torch.Tensor:
                        return pooled_features(
                            tower, paths, progress=lambda n, _: bar.update(task, completed=n)
                        )

                    pair.append(_kept(given.cache, name.replace(", ", "-"), encode))
                features.append((pair[0], pair[1]))
        fit(features, seed=given.seed).save(given.out)
    except SightdeskError as error:
        parser.exit(2, f"{error}\n")
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
