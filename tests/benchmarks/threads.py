"""Measure the store with as much in it as a person gathers in a year: 200 threads of 50 turns.

    python -m tests.benchmarks.threads --json
    python -m tests.benchmarks.threads --threads 1000 --url postgresql://user@host/empty

Prints milliseconds of what the page does: list the first threads,
search, open a thread whole and its end, add a question, write an answer while it streams. The store
is made in a temporary folder, or in an empty database of the server that --url names.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from sqlalchemy import delete, insert

from assistant.images import LoadedImage, open_image
from assistant.settings import Settings
from assistant.store import NewExchange, Store
from assistant.store.models import ExchangePictureRow, ExchangeRow, PictureRow, ThreadRow
from assistant.store.streaming import searchable
from assistant.store.text import fold

PHOTOS = Path(__file__).parent.parent / "photos"
QUESTION = "What is on the table, and is the fruit in the bowl beside it ripe already?"
ANSWER = "A bowl of yellow bananas and two lemons stands on a wooden table by the window. " * 3
# As much as an answer's timings, evidence and gaze take.
DETAILS = {"model": "embedded", "evidence": [["banana", 0.5]] * 5, "gaze": [[0.01] * 81] * 4}


def fill(store: Store, threads: int, turns: int) -> None:
    """Rows as the store writes them, but many in one statement; every tenth turn has a photo."""
    photos = [open_image(path) for path in sorted(PHOTOS.glob("*.webp"))]
    ids = [store.put_image(photo, name="photo.webp").id for photo in photos]
    start = datetime.now(UTC) - timedelta(days=300)
    for index in range(threads):
        thread, when = uuid4().hex, start + timedelta(hours=index)
        title = f"Fruit in bowl {index}"
        exchanges: list[dict[str, Any]] = []
        links: list[dict[str, Any]] = []
        for turn in range(turns):
            question = f"{QUESTION} {index}/{turn}"
            exchanges.append(
                {
                    "id": uuid4().hex,
                    "tenant": "",
                    "thread_id": thread,
                    "position": turn,
                    "created": when,
                    "updated": when,
                    "writer": "elsewhere/1/1",
                    "question": question,
                    "shown": question,
                    "answer": ANSWER,
                    "state": "done",
                    "details": DETAILS,
                    "folded": searchable(question, ANSWER),
                }
            )
            if turn % 10 == 0:
                picture = ids[(index + turn) % len(ids)]
                links.append(
                    {
                        "exchange_id": exchanges[-1]["id"],
                        "place": 0,
                        "tenant": "",
                        "shown_id": picture,
                        "used_id": picture,
                        "name": "photo.webp",
                    }
                )
        row = {"tenant": "", "id": thread, "title": title, "named": False, "folded": fold(title)}
        with store.database.write() as session:
            session.execute(insert(ThreadRow), [row | {"created": when, "updated": when}])
            session.execute(insert(ExchangeRow), exchanges)
            session.execute(insert(ExchangePictureRow), links)


def timed(action: Callable[[], object], repeat: int) -> dict[str, float]:
    """Milliseconds of `repeat` calls, after one that is not counted.

    `cpu` is what the process itself computed, which other work on the machine does not lengthen;
    for Postgres it leaves out the server's part.
    """
    action()
    taken, computed = [], []
    for _ in range(repeat):
        start, computing = time.perf_counter(), time.process_time()
        action()
        taken.append((time.perf_counter() - start) * 1000)
        computed.append((time.process_time() - computing) * 1000)
    return {
        "median": statistics.median(taken),
        "fastest": min(taken),
        "slowest": max(taken),
        "cpu": statistics.median(computed),
    }


def photo_of(megapixels: float) -> LoadedImage:
    """A photo of the tests, enlarged and with the noise of a sensor."""
    pixels = open_image(PHOTOS / "phone-landscape-watermelon.jpg").pixels
    scale = (megapixels * 1e6 / (pixels.width * pixels.height)) ** 0.5
    size = (round(pixels.width * scale), round(pixels.height * scale))
    values = np.asarray(pixels.resize(size, Image.Resampling.LANCZOS)).astype(np.int16)
    noise = np.random.default_rng(0).normal(0, 2, values.shape).astype(np.int16)
    return open_image(Image.fromarray(np.clip(values + noise, 0, 255).astype(np.uint8)))


def measure(store: Store, repeat: int) -> dict[str, dict[str, float]]:
    """Timings by what is done."""
    middle = store.threads(limit=1, offset=store.count_threads() // 2)[0].id
    thread = store.create_thread("measured").id
    state: dict[str, Any] = {"after": None}

    def add() -> None:
        new = NewExchange(question=QUESTION, shown=QUESTION)
        exchange = store.add_exchange(thread, new, after=state["after"])
        state.update(after=exchange.position, id=exchange.id)

    result = {
        "list 50 threads": timed(store.threads, repeat),
        "count threads": timed(store.count_threads, repeat),
        "search, all match": timed(lambda: store.threads("bananas"), repeat),
        "search, one matches": timed(lambda: store.threads("7/42"), repeat),
        "search, none matches": timed(lambda: store.threads("香蕉"), repeat),
        "open a thread": timed(lambda: store.thread(middle), repeat),
        "open its last 10 turns": timed(lambda: store.thread(middle, last=10), repeat),
        "add a question": timed(add, repeat),
        "write while it streams": timed(
            lambda: store.set_answer(state["id"], answer=ANSWER, state="streaming"), repeat
        ),
        "write the whole answer": timed(
            lambda: store.set_answer(state["id"], answer=ANSWER, state="done", details=DETAILS),
            repeat,
        ),
        "export as Markdown": timed(
            lambda: store.export_thread(middle, form="markdown"), min(repeat, 5)
        ),
        "open the store": timed(lambda: Store.open(store.settings).close(), min(repeat, 10)),
    }
    image = photo_of(12)

    def put() -> None:
        with store.database.write() as session:
            session.execute(delete(PictureRow).where(PictureRow.id == image.id))
        store.put_image(image, name="large.jpg")

    result["put 12 megapixels"] = timed(put, 2)
    result["thumbnail"] = timed(lambda: store.thumbnail(image.id), repeat)
    return result


def main() -> None:
    """Make the store, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=200)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--url", help="an empty Postgres database; default: SQLite")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightdesk-threads-") as folder:
        settings = Settings(data_dir=Path(folder), database_url=options.url)
        with Store.open(settings) as store:
            fill(store, options.threads, options.turns)
            timings = measure(store, options.repeat)
            files = [path for path in Path(folder).glob("sightdesk.db*") if path.is_file()]
            size = sum(path.stat().st_size for path in files) / 2**20
    if options.json:
        sizes = {"threads": options.threads, "turns": options.turns, "database_mebibytes": size}
        print(json.dumps(sizes | {"milliseconds": timings}, indent=2))
        return
    columns = ("median", "fastest", "slowest", "cpu")
    table = Table("milliseconds", *columns)
    for what, taken in timings.items():
        table.add_row(what, *(f"{taken[column]:.1f}" for column in columns))
    Console().print(table)


if __name__ == "__main__":
    main()
