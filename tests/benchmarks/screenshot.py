"""Take the README's picture: the real page with the real model, in Chromium.

    python -m tests.benchmarks.screenshot --out ui/assets/chat.png [--browser /usr/bin/chromium]

Starts `sightdesk chat` on a free port, hands it a photo, asks what the README asks, and waits for
each answer.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

PHOTO = Path(__file__).parent.parent / "photos" / "Yellow-Bell-Pepper.webp"
QUESTIONS = ("What product is this?", "Is there a dog in the picture?", "How much does it cost?")
ANSWER_MS = 120_000


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(240):
        if server.poll() is not None:
            raise SystemExit("The page ended before it was there; see what it printed above.")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise SystemExit("The page did not answer within two minutes.")


def converse(page: Page) -> None:
    chooser = page.locator('[data-testid="stChatInputFileUploadButton"] input[type="file"]')
    chooser.wait_for(state="attached", timeout=ANSWER_MS)
    for number, question in enumerate(QUESTIONS, start=1):
        if number == 1:
            chooser.set_input_files(PHOTO)
            send = page.locator('[data-testid="stChatInputSubmitButton"]')
            expect(send).to_be_enabled(timeout=ANSWER_MS)
        box = page.locator('[data-testid="stChatInputTextArea"]')
        expect(box).to_be_enabled(timeout=ANSWER_MS)
        box.fill(question)
        box.press("Enter")
        messages = page.locator('[data-testid="stChatMessage"]')
        expect(messages).to_have_count(2 * number, timeout=ANSWER_MS)
        expect(messages.last).to_contain_text(".", timeout=ANSWER_MS)
        expect(page.locator('[data-testid="stAlert"]')).to_have_count(0)
    time.sleep(2)  # the scroll to the newest answer is animated


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--browser", type=Path, help="a Chromium other than Playwright's own")
    given = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).with_name("sightdesk")), "chat", "--no-browser"]
    server = subprocess.Popen([*command, "--port", str(port)], stdin=subprocess.DEVNULL)
    try:
        wait_for(url, server)
        with sync_playwright() as playwright:
            path = str(given.browser) if given.browser else None
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1200, "height": 820})
            page.goto(url)
            converse(page)
            page.screenshot(path=given.out)
            browser.close()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    main()
