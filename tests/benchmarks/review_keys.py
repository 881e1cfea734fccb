"""How long a key takes on the review page, in Chromium: until the next picture, until it is kept.

    python -m tests.benchmarks.review_keys [--pictures 300] [--keys 100] [--pause 0.25]

Pictures are the photos of the tests, each cut and enlarged in another way to 1600 × 1200 pixels. A
key is pressed, then another after the pause, once the picture is there. Told are the median and the
95th percentile of the time from the key to the frame in which the next picture is drawn, and from
the key to the answer that the decision is on the disk; and the load of the machine.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from assistant.annotate.job import Job
from assistant.annotate.values import Task
from assistant.images import open_image
from assistant.settings import Settings
from tests.chromium import ROOT, free_port, open_browser, serve
from tests.reviewed_jobs import LABELS, add_rows, label_row

PHOTOS = Path(__file__).parent.parent / "photos"

# Two frames after the change, the picture that was put up has been drawn.
MEASURE = """board => new Promise(resolve => {
    const frame = board.querySelector('.frame');
    const before = frame.dataset.of;
    const began = performance.now();
    const watch = () => {
        const picture = frame.querySelector('img');
        if (frame.dataset.of === before || !picture?.complete) return requestAnimationFrame(watch);
        requestAnimationFrame(() => {
            const drawn = performance.now() - began;
            const wait = () => board.dataset.waiting === 'true'
                ? setTimeout(wait, 1) : resolve([drawn, performance.now() - began]);
            wait();
        });
    };
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true}));
    watch();
})"""


def make_job(data: Path, count: int) -> Job:
    """A job of so many different pictures."""
    folder, chance = data / "pictures", random.Random(0)
    folder.mkdir()
    photos = [open_image(path).pixels for path in sorted(PHOTOS.glob("*.webp"))]
    rows = []
    job = Job.start(
        folder, data / "found", Task("label", labels=LABELS), settings=Settings(data_dir=data)
    )
    for number in range(count):
        photo = photos[number % len(photos)]
        left, top = chance.uniform(0, 40), chance.uniform(0, 40)
        box = (left, top, photo.width - 40 + left, photo.height - 40 + top)
        path = folder / f"{number:05}.jpg"
        photo.resize((1600, 1200), Image.Resampling.BICUBIC, box).save(path, quality=90)
        rows.append(label_row(folder, path, LABELS[number % len(LABELS)], chance.random()))
    add_rows(job, rows)
    return job


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=300)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--pause", type=float, default=0.25, help="seconds of looking")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightdesk-review-") as folder:
        data = Path(folder)
        job = make_job(data, given.pictures)
        port = free_port()
        command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "app.py")]
        options = {"server.port": port, "server.address": "127.0.0.1", "server.headless": "true"}
        options |= {"server.fileWatcherType": "none", "browser.gatherUsageStats": "false"}
        command += [f"--{name}={value}" for name, value in options.items()]
        drawn, kept = [], []
        with serve(command, port, SIGHTDESK_DATA_DIR=folder) as url, open_browser() as browser:
            page = browser.new_page(viewport={"width": 1280, "height": 860})
            page.goto(f"{url}/review?job={job.id}")
            board: Any = page.locator(".board")
            board.locator(".frame img").wait_for(timeout=300_000)
            page.wait_for_timeout(3000)
            for _ in range(given.keys):
                first, second = board.evaluate(MEASURE)
                drawn.append(first)
                kept.append(second)
                page.wait_for_timeout(1000 * given.pause)
        lines = (job.path / "review.jsonl").read_text().splitlines()
    print(f"{len(lines)} of {given.keys} decisions on the disk")
    for name, times in (("next picture drawn", drawn), ("decision kept", kept)):
        times.sort()
        middle, high = times[len(times) // 2], times[int(0.95 * len(times))]
        print(f"{name}: median {middle:.0f} ms, 95 % within {high:.0f} ms, most {times[-1]:.0f} ms")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
