"""Pictures a second of `sightdesk index`, beside the bare embedder's.

    python -m tests.benchmarks.indexing ~/Pictures --count 512 --json

Bare is `open_image` and `encode_pictures` in the same batches in one process, one after the other;
indexing reads, hashes, opens, sketches, embeds and writes, into an empty index each time. Both are
measured turn about, after a first batch that warms up, and the median of the rounds' ratios counts.
Also told: the same ratio in seconds of processors, which a busy machine changes less, and how long
it takes to index the same folder again. The bar is 0.9.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from itertools import islice
from pathlib import Path

from rich.console import Console

from assistant.image_index import ImageIndex
from assistant.image_index.folder import BATCH
from assistant.image_index.names import on_disk
from assistant.image_index.scanning import Walk
from assistant.images import open_image
from assistant.settings import get_settings, with_given
from assistant.space import PictureEmbedder, picture_embedder

BAR = 0.9

ERRORS = Console(stderr=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="of pictures")
    parser.add_argument("--count", type=int, default=512, help="pictures of it")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--embedder", help="directory or hub id; the embedded one by default")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    embedder = picture_embedder(given.embedder)
    found = islice(Walk(given.folder).files(), given.count)
    paths = [given.folder / on_disk(file.path) for file in found]
    embedder.encode_pictures([open_image(path).pixels for path in paths[:BATCH]])
    rounds = []
    with tempfile.TemporaryDirectory(dir=given.folder.parent) as scratch:
        chosen = Path(scratch) / "pictures"
        chosen.mkdir()
        for place, path in enumerate(paths):
            os.link(path, chosen / f"{place:06}{path.suffix}")
        for number in range(given.rounds):
            plain = bare(sorted(chosen.iterdir()), embedder)
            indexed, again = index(chosen, Path(scratch) / str(number), embedder)
            rounds.append(
                {
                    "bare": len(paths) / plain.seconds,
                    "indexed": len(paths) / indexed.seconds,
                    "ratio": plain.seconds / indexed.seconds,
                    "processor_ratio": plain.processor / indexed.processor,
                    "again_seconds": again.seconds,
                }
            )
            ERRORS.print(rounds[-1])
    result = {
        "pictures": len(paths),
        "embedder": embedder.name,
        **{name: statistics.median(each[name] for each in rounds) for name in rounds[0]},
        "bar": BAR,
        "rounds": rounds,
    }
    if given.json:
        print(json.dumps(result))
        return
    for name in ("bare", "indexed"):
        print(f"{name:<8} {result[name]:7.1f} pictures a second")
    print(f"ratio    {result['ratio']:7.2f} (bar: {BAR})")
    print(f"again    {result['again_seconds']:7.2f} s for all")


class Spent:
    """Seconds, and seconds of processors, within a ``with``."""

    def __enter__(self) -> Spent:
        self._begun = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.perf_counter() - self._begun[0]
        self.processor = time.process_time() - self._begun[1]


def bare(paths: list[Path], embedder: PictureEmbedder) -> Spent:
    """To open and embed, batch by batch."""
    with Spent() as spent:
        for first in range(0, len(paths), BATCH):
            batch = [open_image(path).pixels for path in paths[first : first + BATCH]]
            embedder.encode_pictures(batch)
    return spent


def index(folder: Path, data: Path, embedder: PictureEmbedder) -> tuple[Spent, Spent]:
    """To index a folder, and to index it again."""
    settings = with_given(get_settings(), data_dir=data, cache_dir=data / "cache")
    opened = ImageIndex.open(settings, embedder=embedder)
    with Spent() as spent:
        done = opened.add(folder)
    assert done.new and not done.troubles, done
    with Spent() as again:
        opened.add(folder)
    opened.store.close()
    return spent, again


if __name__ == "__main__":
    main()
