"""Choose the weights of re-ranking on every second picture, and measure them on the others.

    python -m tests.benchmarks.tune_rerank --captions dev.jsonl --json

Prints BLEU-4 and CIDEr of greedy decoding, of beam search and of the re-ranked candidates, with the
weights that gave the best BLEU-4 on the first. The candidates are kept in --cache, so that a
stopped run goes on; it is of one captions file and one adapter.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from adapters.metrics import score_captions
from adapters.rows import read_captions
from assistant.engine import Engine
from assistant.images import open_image
from assistant.rerank import Evidence, score

HABIT = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7)
AGREEMENT = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
BATCH = 8
ERRORS = Console(stderr=True)


def collect(captions: Path, cache: Path, limit: int | None) -> list[dict[str, Any]]:
    """One entry a picture: references, greedy and beam descriptions, weighed candidates."""
    rows = read_captions(captions)[:limit]
    done = cache.read_text(encoding="utf-8").splitlines() if cache.exists() else []
    if len(done) < len(rows):
        engine = Engine.load()
        with cache.open("a", encoding="utf-8") as file:
            for start in track(range(len(done), len(rows), BATCH), "Describing", console=ERRORS):
                part = rows[start : start + BATCH]
                images = engine.encode_images([open_image(row.path) for row in part])
                greedy = engine.describe(images, mode="greedy")
                beam = engine.describe(images, mode="beam")
                lines = []
                for row, image, first, second in zip(part, images, greedy, beam, strict=True):
                    entry = {
                        "references": list(row.references),
                        "greedy": first.text,
                        "beam": second.text,
                        "candidates": [
                            [text, evidence.seen, evidence.habit, evidence.agreement]
                            for text, evidence in engine.candidates(image, seed=0)
                        ],
                    }
                    lines.append(json.dumps(entry) + "\n")
                file.write("".join(lines))
                file.flush()
        done = cache.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in done[: len(rows)]]


def chosen(entry: dict[str, Any], habit: float, agreement: float) -> str:
    """The candidate that these weights prefer."""
    best = max(entry["candidates"], key=lambda c: score(Evidence(*c[1:]), habit, agreement))
    return str(best[0])


def scored(
    entries: Sequence[dict[str, Any]], describe: Callable[[dict[str, Any]], str]
) -> dict[str, float | None]:
    """BLEU-4 and CIDEr of one description a picture."""
    scores = score_captions(
        [describe(entry) for entry in entries], [entry["references"] for entry in entries]
    )
    return {"bleu4": scores.bleu4, "cider": scores.cider}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    entries = collect(given.captions, given.cache, given.limit)
    tuning, held_out = entries[::2], entries[1::2]

    def on_tuning(weights: tuple[float, float]) -> float:
        return scored(tuning, lambda entry: chosen(entry, *weights))["bleu4"] or 0.0

    best = max(product(HABIT, AGREEMENT), key=on_tuning)
    result: dict[str, Any] = {"habit": best[0], "agreement": best[1]}
    for name, part in (("tuning", tuning), ("held_out", held_out), ("all", entries)):
        result[name] = {
            "n": len(part),
            "greedy": scored(part, lambda entry: str(entry["greedy"])),
            "beam": scored(part, lambda entry: str(entry["beam"])),
            "rerank": scored(part, lambda entry: chosen(entry, *best)),
        }
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
