"""How well familiar pictures are told from others, kind by kind.

    python -m tests.benchmarks.out_of_domain --captions dev.jsonl --labels val.jsonl --json

Familiar are every second picture of the files (the others calibrated the shipped domain, see
`adapters.domain`) and easy-VQA's test drawings. Unlike are the pictures that `tests.unlike` draws,
and with ``--unlike FOLDER``, as often as wanted, the pictures in a folder. Prints for each kind the
AUROC of the familiarity's distance and the share that is taken for familiar at the threshold, which
also is the false-positive rate at the true-positive rate that is printed for familiar pictures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from rich.console import Console
from rich.progress import track

from adapters.domain import drawings, embedded_tower, pooled_features
from adapters.rows import read_captions, read_labels
from assistant.errors import ImageError
from assistant.evidence import THRESHOLD, Domain, shipped_domain
from assistant.images import open_image
from tests.unlike import CHOSEN_ON, KINDS, draw

SMALLEST = 64
LARGEST = 1024
ERRORS = Console(stderr=True)


def farness(domain: Domain, pooled: torch.Tensor) -> torch.Tensor:
    """``[B]``: the distance in shares of the farthest usual one, of the kind where it is least.

    Familiarity itself is 0 for all that lie farther out than every held-out picture.
    """
    return (domain.distances(pooled) / domain.quantiles[:, -1]).amin(dim=1)


def auroc(familiar: torch.Tensor, unlike: torch.Tensor) -> float:
    """The chance that an unlike picture lies farther out than a familiar one."""
    ahead = (unlike[:, None] > familiar).double() + 0.5 * (unlike[:, None] == familiar)
    return float(ahead.mean())


def pictures_in(folder: Path, limit: int) -> list[Image.Image]:
    """Pictures in a folder that are large enough to show something, at an even spacing."""
    found: list[Image.Image] = []
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    for path in paths[:: max(1, len(paths) // (2 * limit))]:
        try:
            pixels = open_image(path).pixels.copy()
        except ImageError:
            continue
        if min(pixels.size) >= SMALLEST and len(found) < limit:
            pixels.thumbnail((LARGEST, LARGEST))
            found.append(pixels)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--unlike", type=Path, action="append", default=[])
    parser.add_argument("--domain", type=Path, help="another file than the shipped one")
    parser.add_argument("--count", type=int, default=40, help="pictures of a kind")
    parser.add_argument("--limit", type=int, default=1000, help="familiar pictures of a file")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    tower = embedded_tower()
    domain = Domain.load(given.domain) if given.domain else shipped_domain()
    sets: dict[str, list[Any]] = {"drawings": list(drawings()[1][1::2])}
    if given.captions:
        sets["captions"] = [row.path for row in read_captions(given.captions)[1::2]]
    if given.labels:
        sets["labels"] = [row.path for row in read_labels(given.labels)[1::2]]
    result: dict[str, Any] = {"familiar": {}, "unlike": {}}
    distances = []
    for name, pictures in track(list(sets.items()), "Familiar ones", console=ERRORS):
        pooled = pooled_features(tower, pictures[: given.limit])
        distances.append(farness(domain, pooled))
        share = float((domain.familiarity(pooled) >= THRESHOLD).float().mean())
        result["familiar"][name] = {"n": len(pooled), "taken_for_familiar": round(share, 3)}
    unlike: dict[str, list[Image.Image]] = {
        kind: [draw(kind, number) for number in range(given.count)] for kind in KINDS
    }
    unlike |= {str(folder): pictures_in(folder, given.count) for folder in given.unlike}
    for kind, drawn in track(list(unlike.items()), "Unlike ones", console=ERRORS):
        if not drawn:
            continue
        pooled = pooled_features(tower, drawn)
        result["unlike"][kind] = {
            "n": len(pooled),
            "chosen_on": kind in CHOSEN_ON,
            "auroc": round(auroc(torch.cat(distances), farness(domain, pooled)), 4),
            "taken_for_familiar": round(
                float((domain.familiarity(pooled) >= THRESHOLD).float().mean()), 3
            ),
        }
    if given.json:
        print(json.dumps(result))
        return
    for group, rows in result.items():
        print(group)
        for name, row in rows.items():
            print("  ", name, *(f"{key} {value}" for key, value in row.items()), sep="  ")


if __name__ == "__main__":
    main()
