"""Take the README's pictures: the real page with the real model, in Chromium.

    python -m tests.benchmarks.screenshot --out ui/assets [--browser /usr/bin/chromium]
        [--training FOLDER [--only-training]] [--desk [--products PRODUCTS.jsonl]] [--widget]
        [--find] [--review PHOTOS]

Starts `sightdesk chat` on a free port and on an empty data folder, hands it a photo, asks what the
README asks, and waits for each answer: `chat.png`. Then, in the dark, it looks at where the model
looked for a word of a description: `gaze.png`. Of a training that runs or ran in FOLDER, only the
text files are copied, and the page that shows it is `train.png`. With `--desk` only one picture is
taken, `desk.png`: `sightdesk demo` is asked where a photographed product is from, about returns,
and for a person. With `--widget` the chat widget is taken instead, on the shop's page of
`sightdesk serve`: see `widget_pictures`. With `--find` only `find.png` is taken: the photos of the
tests are indexed with `sightdesk index`, and searched by words. With `--review` only `review.png`
is taken: a folder of photos is labelled with `sightdesk label`, and looked through.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.benchmarks.review_pictures import label_photos, take_review
from tests.benchmarks.widget_pictures import fill_shop, take_widget

PHOTOS = Path(__file__).parent.parent / "photos"
PHOTO = PHOTOS / "Yellow-Bell-Pepper.webp"
QUESTIONS = ("What product is this?", "Is there a dog in the picture?", "How much does it cost?")
GAZE_PHOTO = PHOTOS / "phone-landscape-watermelon.jpg"
GAZE_QUESTION = "What product is this?"
DESK_PHOTO = PHOTOS / "Granny-Smith.webp"
DESK_QUESTIONS = (
    "Where does this come from?",
    "How do I return something that I have not opened?",
    "I would like to talk to a person, please.",
)
FIND_WORDS = "a yellow fruit"
VIEW: Any = {"width": 1200, "height": 820}
TALL: Any = {"width": 1200, "height": 1100}  # the photo and all that is said of it
TALLER: Any = {"width": 1200, "height": 1440}  # three questions with all that is said of them
ANSWER_MS = 180_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, server: subprocess.Popen[bytes], path: str = "/_stcore/health") -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise SystemExit("The page ended before it was there; see what it printed above.")
        try:
            with urllib.request.urlopen(f"{url}{path}", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit("The page did not answer within two minutes.")


def settle(page: Page) -> None:
    """Wait until the page has drawn what it was asked for, the animated scroll included."""
    page.wait_for_timeout(800)
    app = page.get_by_test_id("stApp")
    expect(app).to_have_attribute("data-test-script-state", "notRunning", timeout=ANSWER_MS)
    page.wait_for_timeout(1500)


def ask(page: Page, question: str, number: int, photo: Path | None = None) -> None:
    """Send a question, the `number`th of its conversation, and wait for the whole answer."""
    chooser = page.locator('[data-testid="stChatInputFileUploadButton"] input[type="file"]')
    chooser.wait_for(state="attached", timeout=ANSWER_MS)
    if photo is not None:
        chooser.set_input_files(photo)
        send = page.get_by_test_id("stChatInputSubmitButton")
        expect(send).to_be_enabled(timeout=ANSWER_MS)
    box = page.get_by_test_id("stChatInputTextArea")
    expect(box).to_be_enabled(timeout=ANSWER_MS)
    box.fill(question)
    box.press("Enter")
    messages = page.get_by_test_id("stChatMessage")
    expect(messages).to_have_count(2 * number, timeout=ANSWER_MS)
    expect(page.get_by_role("button", name="Answer again")).to_be_visible(timeout=ANSWER_MS)
    settle(page)
    expect(page.get_by_test_id("stAlert")).to_have_count(0)


def take_chat(browser: Browser, url: str, path: Path) -> None:
    """A photo and three questions about it."""
    page = browser.new_page(viewport=TALL)
    page.goto(url)
    for number, question in enumerate(QUESTIONS, start=1):
        ask(page, question, number, PHOTO if number == 1 else None)
    page.screenshot(path=path)
    page.close()


def take_gaze(browser: Browser, url: str, path: Path) -> None:
    """Where it looked for the last word of an answer, in the dark."""
    page = browser.new_page(viewport=VIEW, color_scheme="dark")
    page.goto(url)
    ask(page, GAZE_QUESTION, 1, GAZE_PHOTO)
    page.get_by_role("button", name="Where it looked").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("radio").last.click(timeout=ANSWER_MS)
    settle(page)
    page.screenshot(path=path)
    page.close()


def take_desk(browser: Browser, url: str, path: Path) -> None:
    """The support desk: a photo and two hops, a page of the shop, a person."""
    page = browser.new_page(viewport=TALLER)
    page.goto(url)
    box = page.get_by_test_id("stChatInputTextArea")
    for number, question in enumerate(DESK_QUESTIONS, start=1):
        chooser = page.locator('[data-testid="stChatInputFileUploadButton"] input[type="file"]')
        chooser.wait_for(state="attached", timeout=ANSWER_MS)
        if number == 1:
            chooser.set_input_files(DESK_PHOTO)
            expect(page.get_by_test_id("stChatInputSubmitButton")).to_be_enabled(timeout=ANSWER_MS)
        expect(box).to_be_enabled(timeout=ANSWER_MS)
        box.fill(question)
        box.press("Enter")
        messages = page.get_by_test_id("stChatMessage")
        expect(messages).to_have_count(2 * number, timeout=ANSWER_MS)
        expect(page.get_by_role("button", name="More", exact=True)).to_have_count(
            number, timeout=ANSWER_MS
        )
        settle(page)
        expect(page.get_by_test_id("stAlert")).to_have_count(0)
    page.screenshot(path=path)
    page.close()


def index_photos(data: str) -> None:
    """Have the photos of the tests indexed in a data folder."""
    command = [str(Path(sys.executable).with_name("sightdesk")), "index", str(PHOTOS)]
    done = subprocess.run(command, env={**os.environ, "SIGHTDESK_DATA_DIR": data}, check=False)
    if done.returncode not in (0, 2):  # 2: some files are no pictures
        raise SystemExit("The photos could not be indexed; see what was printed above.")


def take_find(browser: Browser, url: str, path: Path) -> None:
    """Pictures found by words."""
    page = browser.new_page(viewport=VIEW)
    page.goto(f"{url}/find")
    box = page.get_by_role("searchbox")
    box.wait_for(timeout=ANSWER_MS)
    settle(page)
    box.fill(FIND_WORDS)
    box.press("Enter")
    settle(page)
    waiting = page.locator(".sightdesk-tile:visible .sightdesk-waits")
    expect(waiting).to_have_count(0, timeout=ANSWER_MS)
    settle(page)
    page.screenshot(path=path)
    page.close()


def copy_training(folder: Path, data: Path) -> None:
    """What the page reads of a training, under its name, in a data folder."""
    target = data / "trainings" / folder.name
    target.mkdir(parents=True)
    kinds = {".csv", ".json", ".jsonl", ".toml", ".png"}
    for file in folder.iterdir():
        if file.suffix in kinds:
            shutil.copy2(file, target)
    if (folder / "adapter").is_dir():
        shutil.copytree(folder / "adapter", target / "adapter")


def take_train(browser: Browser, url: str, name: str, path: Path) -> None:
    """The page of a training, with its curves."""
    page = browser.new_page(viewport=TALL)
    page.goto(f"{url}/train?training={name}")
    chart = page.get_by_test_id("stVegaLiteChart").first
    chart.wait_for(timeout=ANSWER_MS)
    page.wait_for_timeout(
        3000
    )  # the charts are drawn after the page; while it runs, it never rests
    page.screenshot(path=path)
    page.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a folder")
    parser.add_argument("--browser", type=Path, help="a Chromium other than Playwright's own")
    parser.add_argument("--training", type=Path, help="a folder of checkpoints and curves")
    parser.add_argument("--only-training", action="store_true", help="take that picture alone")
    parser.add_argument("--desk", action="store_true", help="take the support desk alone")
    parser.add_argument("--widget", action="store_true", help="take the chat widget alone")
    parser.add_argument("--find", action="store_true", help="take the page Find alone")
    parser.add_argument("--review", type=Path, help="label this folder, take the page Review alone")
    parser.add_argument("--products", type=Path, help="a products file for the desk")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("sightdesk")), "chat", "--no-browser"]
    if given.desk:
        command[1:2] = ["demo", *([str(given.products)] if given.products else [])]
    if given.widget:
        command[1:] = ["serve"]
    with tempfile.TemporaryDirectory(prefix="sightdesk-pictures-") as data:
        if given.widget:
            fill_shop(Path(data))
        if given.find:
            index_photos(data)
        if given.review is not None:
            label_photos(given.review, Path(data))
        if given.training is not None:
            copy_training(given.training, Path(data))
        server = subprocess.Popen(
            [*command, "--port", str(port)],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "SIGHTDESK_DATA_DIR": data},
        )
        try:
            wait_for(url, server, "/readyz" if given.widget else "/_stcore/health")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path=str(given.browser) if given.browser else None,
                    args=["--no-sandbox"],
                )
                if given.widget:
                    take_widget(browser, url, given.out)
                elif given.find:
                    take_find(browser, url, given.out / "find.png")
                elif given.review is not None:
                    take_review(browser, url, given.out / "review.png")
                elif given.desk:
                    take_desk(browser, url, given.out / "desk.png")
                elif not given.only_training:
                    take_chat(browser, url, given.out / "chat.png")
                    take_gaze(browser, url, given.out / "gaze.png")
                if given.training is not None and not given.desk and not given.widget:
                    take_train(browser, url, given.training.name, given.out / "train.png")
                browser.close()
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
