"""What a form of the weights costs in captions: BLEU-4 of each on the same pictures.

    python -m tests.benchmarks.quantized_captions DEV.jsonl --kinds none w8 --json

Each picture is described alone, as somebody who drops a photo has it done: prompt and steps go the
way that each form has for them. `same` is the share of captions that are the first kind's, word
for word; `seconds` are the median of a caption.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from rich.console import Console
from rich.progress import track

from adapters.metrics import score_captions
from adapters.rows import read_captions
from assistant.engine import Engine
from assistant.images import open_image


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help='rows {"image": ..., "references": [...]}')
    parser.add_argument("--kinds", nargs="+", default=["none", "w8"])
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    rows = read_captions(options.data)[: options.limit]
    said: dict[str, list[str]] = {}
    found: dict[str, dict[str, float]] = {}
    for kind in options.kinds:
        engine = Engine.load("embedded", quantize=kind)
        answers = []
        for row in track(rows, f"Describing, {kind}", console=Console(stderr=True)):
            (answer,) = engine.describe([engine.encode_image(open_image(row.path))])
            answers.append(answer)
        said[kind] = [answer.text for answer in answers]
        first = said[options.kinds[0]]
        scores = score_captions(said[kind], [row.references for row in rows])
        found[kind] = {
            "bleu4": round(100 * (scores.bleu4 or 0.0), 2),
            "same": round(sum(map(str.__eq__, first, said[kind])) / len(rows), 4),
            "seconds": round(statistics.median(answer.seconds for answer in answers), 3),
        }
    if options.json:
        print(json.dumps(found))
        return
    for kind, values in found.items():
        print(f"{kind:<6}" + "".join(f"{name} {value:<10}" for name, value in values.items()))


if __name__ == "__main__":
    main()
