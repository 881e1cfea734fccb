"""Debian's Chromium for the tests that need a real browser, and the page served to it.

Where `SIGHTDESK_TEST_BROWSER=required` is set, as CI does, a missing Chromium is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 60.0
"""Patience with one step, on a machine that does other things too."""

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def find_chromium() -> str:
    """The path of Chromium; skips the test, or fails it, where there is none."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("SIGHTDESK_TEST_BROWSER") == "required":
            pytest.fail("Chromium is required here, and there is none on the path.")
        pytest.skip("no chromium on the path")
    return found


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A headless Chromium."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=1000 * SECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=find_chromium(), args=list(OPTIONS), timeout=1000 * SECONDS
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serve(
    command: Sequence[str], port: int, *, path: str = "/_stcore/health", **variables: str
) -> Iterator[str]:
    """The page's address while a process of its own serves it; it is up once `path` answers."""
    server = subprocess.Popen(
        list(command),
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        stdin=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 2 * SECONDS
        while not _is_up(f"{url}{path}"):
            assert server.poll() is None, "the page's server ended"
            assert time.monotonic() < deadline, "the page's server did not start"
            time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        try:
            server.wait(timeout=20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve_scripted(**variables: str) -> AbstractContextManager[str]:
    """The page with the engine of `tests.scripted_page`."""
    port = free_port()
    command = [sys.executable, str(ROOT / "tests" / "scripted_page.py"), str(port)]
    return serve(command, port, **variables)


def free_port() -> int:
    """A port that nobody has right now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _is_up(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


class Visitor:
    """Somebody at the page: what they do, in their words."""

    def __init__(self, context: BrowserContext, url: str, *, ready: bool = True) -> None:
        from playwright.sync_api import expect

        self.expect = expect
        self.page: Page = context.new_page()
        self.page.set_default_timeout(1000 * SECONDS)
        self.page.goto(url)
        self.box = self.page.get_by_test_id("stChatInputTextArea")
        self.messages = self.page.get_by_test_id("stChatMessage")
        self.questions = self.messages.filter(
            has=self.page.get_by_test_id("stChatMessageAvatarUser")
        )
        self.answers = self.messages.filter(
            has=self.page.get_by_test_id("stChatMessageAvatarAssistant")
        )
        if ready:
            # The model may have to be read first, torch before it.
            expect(self.box).to_be_enabled(timeout=5 * 1000 * SECONDS)
            self.settle()

    def settle(self) -> None:
        """Wait until the page has drawn what it was asked for."""
        self.page.wait_for_timeout(400)
        self.expect(self.page.get_by_test_id("stApp")).to_have_attribute(
            "data-test-script-state", "notRunning"
        )

    def attach(self, *paths: Path) -> None:
        """Pick photos for the next message."""
        chooser = "[data-testid=stChatInputFileUploadButton] input[type=file]"
        self.page.set_input_files(chooser, list(paths))
        self.expect(self.page.get_by_test_id("stChatInputSubmitButton")).to_be_enabled()

    def send(self) -> None:
        """Press the button of the message box."""
        self.page.get_by_test_id("stChatInputSubmitButton").click()

    def ask(self, text: str) -> None:
        """Type and send."""
        self.expect(self.box).to_be_enabled()
        self.box.fill(text)
        self.box.press("Enter")

    def stop(self) -> None:
        """Press the stop button of the message box."""
        self.page.get_by_test_id("stChatInputStopButton").click()

    def button(self, name: str, *, exact: bool = False) -> Locator:
        """A button by its accessible name."""
        return self.page.get_by_role("button", name=name, exact=exact)

    def choose(self, menu: str, option: str) -> None:
        """Take an option of the last menu of that name."""
        self.button(menu, exact=True).last.click()
        self.page.get_by_role("menuitem", name=option).click()
        self.settle()

    @property
    def dialog(self) -> Locator:
        """The open dialog."""
        return self.page.get_by_role("dialog")

    def close_dialog(self) -> None:
        """Press Escape; where the page was busy and the dialog lost the focus, click it first."""
        for attempt in range(3):
            if attempt:
                self.dialog.click(position={"x": 8, "y": 8})
            self.page.keyboard.press("Escape")
            try:
                self.expect(self.dialog).to_have_count(0, timeout=5000)
                break
            except AssertionError:
                continue
        self.expect(self.dialog).to_have_count(0)
        self.settle()
