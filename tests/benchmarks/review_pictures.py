"""The README's picture of the review page: photos of a shelf, labelled by the real model.

`tests.benchmarks.screenshot --review FOLDER` calls it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, expect

VIEW: Any = {"width": 1280, "height": 860}
PATIENCE_MS = 180_000
LOOKED_AT = 2


def label_photos(folder: Path, data: Path) -> None:
    """Copy a folder of photos into a data folder and have them labelled."""
    photos = data / "Shelf photos"
    shutil.copytree(folder, photos)
    command = [str(Path(sys.executable).with_name("sightdesk")), "label", str(photos)]
    command += ["--adapter", "grocery", "--out", str(data / "found")]
    done = subprocess.run(command, env={**os.environ, "SIGHTDESK_DATA_DIR": str(data)}, check=False)
    if done.returncode not in (0, 2):  # 2: some files are no pictures
        raise SystemExit("The photos could not be labelled; see what was printed above.")


def take_review(browser: Browser, url: str, path: Path) -> None:
    """Some photos are decided, the next one is on the board."""
    page = browser.new_page(viewport=VIEW)
    page.goto(f"{url}/review")
    board = page.locator(".board")
    frame = board.locator(".frame")
    expect(frame.locator("img")).to_be_visible(timeout=PATIENCE_MS)
    expect(board.locator(".strip canvas")).to_have_count(8, timeout=PATIENCE_MS)
    for _ in range(LOOKED_AT):
        before = frame.get_attribute("data-of") or ""
        page.keyboard.press("a")
        expect(frame).not_to_have_attribute("data-of", before, timeout=PATIENCE_MS)
        expect(board).to_have_attribute("data-waiting", "false", timeout=PATIENCE_MS)
    expect(board.locator(".strip canvas")).to_have_count(8, timeout=PATIENCE_MS)
    page.wait_for_timeout(1500)
    page.screenshot(path=path)
    page.close()
