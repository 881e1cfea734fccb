"""Fit what tells pictures like the training ones from others (`assistant.evidence.Domain`).

    python -m adapters.domain --captions train.jsonl --labels train.jsonl --easy-vqa \\
        --held-captions dev.jsonl --held-labels val.jsonl --out domain.safetensors

Pooled features of all training pictures, as they are and cropped a little, give the directions, the
centres (k-means in each file apart, so that a large one does not take them all) and their common
covariance. Every second held-out picture, likewise in both versions, says which distances are
usual; the others are left for `tests.benchmarks.out_of_domain`. The same seed and files give the
same result on one machine.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file, save_file

from adapters.features import Progress, fused, jittered, pixel_values
from adapters.mixture import PairSource
from adapters.rows import read_captions, read_labels
from assistant.errors import DataError, InputError, SightdeskError
from assistant.evidence import Domain, spread
from assistant.images import open_image
from assistant.llava import ensure_embedded, load_base
from assistant.settings import get_settings
from assistant.vision import EfficientNetLiteModel

# Chosen among others by AUROC on the first kinds of `tests.unlike` and folders of photos.
DIMENSIONS: Final = 256
CENTRES: Final = 100
_PICTURES_A_CENTRE = 30
_ROUNDS = 20
_SHRINK = 1e-3  # of the mean variance, added to every direction
_MARKS = 201
_BATCH = 8
_DRAWINGS = 1000  # of easy-VQA: one more is like another


def pooled_features(
    tower: EfficientNetLiteModel,
    pictures: Sequence[Any],
    *,
    seed: int | None = None,
    progress: Progress | None = None,
) -> torch.Tensor:
    """``[pictures, channels]`` float32 of paths or Pillow images, cropped by chance with a seed.

    Raises:
        ImageError: a picture cannot be opened.
    """
    encoder: Any = fused(tower).to(torch.bfloat16).to(memory_format=torch.channels_last)
    size = tower.config.image_size
    rows = []
    for start in range(0, len(pictures), _BATCH):
        inputs = []
        for place, source in enumerate(pictures[start : start + _BATCH], start):
            pixels = open_image(source).pixels
            if seed is not None:
                pixels = jittered(pixels, random.Random(f"{seed} {place}"), size)
            inputs.append(pixel_values(pixels, size))
        stacked = torch.stack(inputs).to(tower.device, torch.bfloat16)
        with torch.inference_mode():
            output = encoder(stacked.contiguous(memory_format=torch.channels_last))
        rows.append(output.pooler_output.float().cpu())
        if progress is not None:
            progress(min(start + _BATCH, len(pictures)), len(pictures))
    return torch.cat(rows)


def fit(
    groups: Sequence[torch.Tensor],
    held: torch.Tensor,
    *,
    dimensions: int = DIMENSIONS,
    centres: int = CENTRES,
    seed: int = 0,
) -> Domain:
    """Fit a domain to groups of pooled features ``[n, channels]`` and calibrate it on others.

    Args:
        centres: at most this many for a group, fewer for a small one.
        held: ``[m, channels]`` of pictures that belong to the domain but to no group.
    """
    spreads = [spread(group).double() for group in groups]
    everything = torch.cat(spreads)
    mean = everything.mean(0)
    covariance = (everything - mean).T @ (everything - mean) / len(everything)
    dimensions = min(dimensions, len(covariance))
    directions = torch.linalg.eigh(covariance).eigenvectors[:, -dimensions:]  # [channels, dims]
    generator = torch.Generator().manual_seed(seed)
    middles, scatter = [], torch.zeros(dimensions, dimensions, dtype=torch.float64)
    for rows in spreads:
        projected = (rows - mean) @ directions
        found = _k_means(
            projected, max(1, min(centres, len(rows) // _PICTURES_A_CENTRE)), generator
        )
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
        quantiles=torch.tensor([0.0, 1.0]),
    )
    marks = torch.linspace(0, 1, _MARKS)
    quantiles = uncalibrated.distances(held).quantile(marks)
    return Domain(uncalibrated.mean, uncalibrated.projection, uncalibrated.centres, quantiles)


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


def main() -> None:
    """The command of the module's docstring."""
    from rich.console import Console
    from rich.progress import Progress as Bar

    parser = argparse.ArgumentParser(prog="python -m adapters.domain", description=__doc__)
    for option in ("--captions", "--labels", "--held-captions", "--held-labels"):
        parser.add_argument(option, type=Path, action="append", default=[])
    parser.add_argument("--easy-vqa", action="store_true")
    parser.add_argument("--cache", type=Path, help="folder that keeps features of these files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    try:
        trained = [[row.path for row in read_captions(file)] for file in given.captions]
        trained += [[row.path for row in read_labels(file)] for file in given.labels]
        held = [[row.path for row in read_captions(file)] for file in given.held_captions]
        held += [[row.path for row in read_labels(file)] for file in given.held_labels]
        if not trained or not held:
            raise InputError("Give --captions or --labels, and --held-captions or --held-labels.")
        if given.easy_vqa:
            trained.append(list(PairSource.easy_vqa().paths)[:_DRAWINGS])
        base: Any = load_base(
            ensure_embedded(get_settings()), "embedded", torch.device("cpu"), torch.float32
        )
        tower = base.model.model.vision_tower
        with Bar(console=Console(stderr=True)) as bar:

            def encode(name: str, paths: list[Path]) -> torch.Tensor:
                versions = []
                for version, seed in enumerate((None, given.seed)):
                    task = bar.add_task(f"{name}, {'cropped' if version else 'as they are'}")

                    def report(done: int, total: int, task: Any = task) -> None:
                        bar.update(task, completed=done, total=total)

                    versions.append(
                        _kept(
                            given.cache,
                            f"{name}-{version}",
                            lambda seed=seed, report=report: pooled_features(
                                tower, paths, seed=seed, progress=report
                            ),
                        )
                    )
                return torch.cat(versions)

            groups = [encode(f"training-{i}", paths) for i, paths in enumerate(trained)]
            others = [encode(f"held-{i}", paths[::2]) for i, paths in enumerate(held)]
        fit(groups, torch.cat(others), seed=given.seed).save(given.out)
    except (SightdeskError, DataError) as error:
        parser.exit(2, f"{error}\n")
    print(f"{given.out}: {given.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
