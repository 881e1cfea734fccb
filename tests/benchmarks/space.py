"""How good the space is, how much of it can be left out, and how quick it is.

    python -m tests.benchmarks.space --captions dev.jsonl [--learnt train.jsonl] --dims
    python -m tests.benchmarks.space --grocery val.jsonl [--products products.jsonl]
    python -m tests.benchmarks.space --captions dev.jsonl --speed

``--dims`` gives the recalls at 384, 256, 128, 64 and 32 numbers: the first ones (as they were
trained), and by PCA, whose axes are fitted on ``--learnt`` (by default on half of the pictures and
captions that are searched, and then measured on the other half). ``--grocery`` gives the mean
average precision of "photo of {label}" over the pictures of labels. ``--embedder`` names another
embedder than the one that ships. One JSON object is printed; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from adapters.evaluate import Options
from adapters.retrieval.judging import Encoded, encode_rows
from adapters.retrieval.material import spoken
from adapters.retrieval.metrics import mean_average_precision, score_retrieval
from adapters.rows import read_captions, read_labels
from assistant.errors import SightdeskError
from assistant.images import open_image
from assistant.space import PictureEmbedder, Vectors, picture_embedder
from assistant.space.reduction import Projection, first, fitted

DIMENSIONS = (384, 256, 128, 64, 32)


def recalls(encoded: Encoded, projection: Projection) -> dict[str, float]:
    """Scores in per cent with shorter vectors."""
    shown, said = projection(encoded.pictures), projection(encoded.captions)
    found = asdict(score_retrieval(shown, said, encoded.own)[0])
    return {name: round(100 * value, 1) for name, value in found.items() if name != "n"}


def by_dimensions(encoded: Encoded, learnt: Encoded | None) -> dict[str, Any]:
    """Recalls at every size, by the first numbers and by PCA."""
    source = learnt
    if source is None:
        source, encoded = halves(encoded)
    fit_to = np.concatenate([source.pictures, source.captions])
    d = encoded.pictures.shape[1]
    sizes = [size for size in DIMENSIONS if size <= d]
    return {
        "pictures": len(encoded.pictures),
        "first": {size: recalls(encoded, first(d, size)) for size in sizes},
        "pca": {size: recalls(encoded, fitted(fit_to, size)) for size in sizes},
    }


def halves(encoded: Encoded) -> tuple[Encoded, Encoded]:
    """Every second picture with its captions, and the others."""
    found = []
    for rest in (0, 1):
        chosen = np.arange(rest, len(encoded.pictures), 2)
        mine = encoded.own % 2 == rest
        found.append(
            Encoded(
                [encoded.images[place] for place in chosen],
                [text for text, own in zip(encoded.texts, mine, strict=True) if own],
                encoded.pictures[chosen],
                encoded.captions[mine],
                encoded.own[mine] // 2,
                0,
            )
        )
    return found[0], found[1]


def grocery(embedder: PictureEmbedder, data: Path, form: str) -> dict[str, float]:
    """Mean average precision of labels asked for by words, and the share named rightly by them."""
    rows = read_labels(data)
    names = sorted({row.label for row in rows})
    parts: list[Vectors] = []
    for start in range(0, len(rows), 16):
        opened = [open_image(row.path).pixels for row in rows[start : start + 16]]
        parts.append(embedder.encode_pictures(opened))
        told(f"{min(start + 16, len(rows))} of {len(rows)} pictures")
    asked = embedder.encode_texts([form.format(label=spoken(name)) for name in names])
    cosines = asked @ np.concatenate(parts).T
    labels = np.array([names.index(row.label) for row in rows])
    right = np.arange(len(names))[:, None] == labels
    return {
        "mean_average_precision": round(mean_average_precision(cosines, right), 4),
        "accuracy": round(float((cosines.argmax(0) == labels).mean()), 4),
        "labels": len(names),
        "n": len(rows),
    }


def speed(embedder: PictureEmbedder, data: Path) -> dict[str, float]:
    """Pictures and captions a second, decoded before; the best of three."""
    rows = read_captions(data)[:64]
    pictures = [open_image(row.path).pixels for row in rows]
    texts = [text for row in rows for text in row.references]
    embedder.encode_pictures(pictures[:4])
    embedder.encode_texts(texts[:4])
    found = {}
    measured: tuple[tuple[str, Any, Any], ...] = (
        ("pictures_a_second", embedder.encode_pictures, pictures),
        ("texts_a_second", embedder.encode_texts, texts),
    )
    for name, encode, given in measured:
        times = []
        for _ in range(3):
            started = time.perf_counter()
            encode(given)
            times.append(time.perf_counter() - started)
        found[name] = round(len(given) / min(times), 1)
    return found


def told(message: str) -> None:
    """A line on stderr that the next one replaces."""
    print(f"\r{message}   ", end="", file=sys.stderr, flush=True)


def encoded_rows(embedder: PictureEmbedder, data: Path, limit: int | None) -> Encoded:
    """Vectors of a file of captions, or of its first rows."""
    progress = Options(progress=lambda done, total: told(f"{data.name}: {done} of {total}"))
    return encode_rows(embedder, read_captions(data)[:limit], progress)


def main() -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.space", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("--captions", type=Path)
    parser.add_argument("--learnt", type=Path, help="captions that PCA is fitted to")
    parser.add_argument("--limit", type=int, help="rows of --learnt that are looked at")
    parser.add_argument("--grocery", type=Path)
    parser.add_argument("--form", default="photo of {label}")
    parser.add_argument("--embedder")
    parser.add_argument("--dims", action="store_true")
    parser.add_argument("--speed", action="store_true")
    given = parser.parse_args()
    if not given.grocery and not (given.captions and (given.dims or given.speed)):
        parser.error("give --grocery, or --captions with --dims or --speed")
    found: dict[str, Any] = {}
    try:
        embedder = picture_embedder(given.embedder)
        found["embedder"] = embedder.name
        if given.captions and given.dims:
            learnt = given.learnt and encoded_rows(embedder, given.learnt, given.limit)
            found["dims"] = by_dimensions(encoded_rows(embedder, given.captions, None), learnt)
        if given.captions and given.speed:
            found["speed"] = speed(embedder, given.captions)
        if given.grocery:
            found["grocery"] = grocery(embedder, given.grocery, given.form)
    except SightdeskError as error:
        parser.exit(2, f"{error}\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
