"""How smoothly the page "Find" scrolls through thousands of pictures, in Chromium.

    python -m tests.benchmarks.find_scroll [--pictures 5000] [--seconds 8]

Makes coloured pictures, indexes them with the tests' embedder of colours, and scrolls as a wheel
does, 40 pixels a frame: once when small pictures are still to be made, and once again. Told are
frames a second, the share of pictures in view that are not there yet, and what a frame costs the
page's main thread in processor time, which other programs on the machine do not change; a frame
has 16.7 ms.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from assistant.image_index import ImageIndex
from assistant.settings import Settings
from assistant.store import Store
from tests.chromium import open_browser, serve_scripted
from tests.coloured_pictures import make_pictures
from tests.tiny_space import TinySpace

STEP = 40
SCROLL = """async ([seconds, step]) => {
    const main = document.querySelector('[data-testid=stMain]');
    const frames = [];
    let last = performance.now();
    const end = last + 1000 * seconds;
    let waiting = 0, seen = 0;
    await new Promise(done => {
        const next = now => {
            frames.push(now - last);
            last = now;
            main.scrollTop += step;
            if (frames.length % 10 === 0) {
                for (const frame of document.querySelectorAll('.sightdesk-row:not([hidden]) .sightdesk-frame')) {
                    const place = frame.getBoundingClientRect();
                    if (place.bottom < 0 || place.top > innerHeight) continue;
                    seen++;
                    waiting += frame.classList.contains('sightdesk-waits');
                }
            }
            if (now < end) requestAnimationFrame(next); else done();
        };
        requestAnimationFrame(next);
    });
    frames.sort((one, other) => one - other);
    const whole = frames.reduce((sum, each) => sum + each);
    return {
        frames: frames.length,
        frames_a_second: 1000 * frames.length / whole,
        frame_ms_p50: frames[frames.length >> 1],
        frame_ms_p95: frames[Math.floor(0.95 * frames.length)],
        not_there_yet: waiting / Math.max(seen, 1),
        tiles: document.querySelectorAll('.sightdesk-tile').length,
        pixels: main.scrollTop,
    };
}"""  # noqa: E501


def measure(url: str, seconds: float) -> dict[str, Any]:
    """Scroll the page at that address."""
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860})
        page.goto(f"{url}/find?sort=name", timeout=600_000)
        page.wait_for_selector(".sightdesk-tile img[src]", timeout=600_000)
        page.wait_for_timeout(5_000)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def ticks() -> dict[str, float]:
            told = session.send("Performance.getMetrics")["metrics"]
            return {each["name"]: 1000 * each["value"] for each in told}

        before = ticks()
        result: dict[str, Any] = page.evaluate(SCROLL, [seconds, STEP])
        after = ticks()
    for name in ("TaskDuration", "ScriptDuration", "LayoutDuration", "RecalcStyleDuration"):
        result[f"{name}_ms_a_frame"] = (after[name] - before[name]) / result["frames"]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightdesk-scroll-") as place:
        folder = Path(place) / "pictures"
        make_pictures(folder, given.pictures)
        settings = Settings(data_dir=Path(place) / "data", cache_dir=Path(place) / "cache")
        with Store.open(settings) as store:
            ImageIndex.open(store=store, embedder=TinySpace()).add(folder)
        with serve_scripted(
            SIGHTDESK_DATA_DIR=str(settings.data_dir), SIGHTDESK_CACHE_DIR=str(settings.cache_dir)
        ) as url:
            for name in ("first time", "again"):
                result = measure(url, given.seconds)
                told = {key: round(value, 3) for key, value in result.items()}
                print(json.dumps({"scrolled": name, "pictures": given.pictures, **told}))


if __name__ == "__main__":
    main()
