"""How well `assistant.ocr` reads: character error rate on drawn receipts, labels and screens.

    python -m tests.benchmarks.reading --json

Each of ``--pages`` pages (see `tests.rendered`) is read clean and as if photographed. The rate is
the Levenshtein distance between what was read and what was drawn, white space made one space, over
the characters drawn, summed over all pages. `seconds` is the wall clock a picture.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from PIL import Image

from assistant.images import open_image
from assistant.ocr import read
from tests.rendered import SEED, pages, photographed


def distance(one: str, other: str) -> int:
    """Levenshtein's: how many characters are to be put in, left out or changed."""
    before = list(range(len(other) + 1))
    for row, left in enumerate(one, start=1):
        now = [row]
        for column, right in enumerate(other, start=1):
            swap = before[column - 1] + (left != right)
            now.append(min(swap, before[column] + 1, now[-1] + 1))
        before = now
    return before[-1]


def spaced(text: str) -> str:
    """White space of any kind as one space."""
    return " ".join(text.split())


class Tally:
    """Errors and characters of some pages."""

    def __init__(self) -> None:
        self.errors = self.characters = self.pages = 0
        self.seconds = 0.0

    def add(self, errors: int, characters: int, seconds: float) -> None:
        self.errors += errors
        self.characters += characters
        self.pages += 1
        self.seconds += seconds

    def to_dict(self) -> dict[str, Any]:
        return {
            "pages": self.pages,
            "characters": self.characters,
            "character_error_rate": round(self.errors / max(self.characters, 1), 4),
            "seconds_a_page": round(self.seconds / max(self.pages, 1), 2),
        }


def measure(count: int, seed: int, keep: Path | None, ways: Iterable[str]) -> dict[str, Any]:
    """The figures, of all pages and of each kind and language."""
    read(open_image(Image.new("RGB", (64, 64))))  # loads the models
    tallies: dict[str, dict[str, Tally]] = {way: defaultdict(Tally) for way in ways}
    worst: list[tuple[float, str, str, str]] = []
    for page in pages(count, seed=seed):
        for way in tallies:
            picture = page.picture if way == "clean" else photographed(page, seed=seed)
            image = open_image(picture)
            began = time.perf_counter()
            said = spaced(read(image).text)
            seconds = time.perf_counter() - began
            truth = spaced(page.text)
            errors = distance(said, truth)
            for group in ("all", page.kind, page.language):
                tallies[way][group].add(errors, len(truth), seconds)
            worst.append((errors / len(truth), f"{page.name}-{way}", truth, said))
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                picture.save(keep / f"{page.name}-{way}.png")
    worst.sort(reverse=True)
    return {
        **{way: {g: t.to_dict() for g, t in groups.items()} for way, groups in tallies.items()},
        "worst": [
            {"page": page, "rate": round(rate, 3), "drawn": truth, "read": said}
            for rate, page, truth, said in worst[:5]
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pages", type=int, default=50)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--keep", type=Path, help="a folder for the pictures")
    parser.add_argument("--only", choices=("clean", "photographed"))
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    ways = (given.only,) if given.only else ("clean", "photographed")
    found = measure(given.pages, given.seed, given.keep, ways)
    print(json.dumps(found, ensure_ascii=False, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
