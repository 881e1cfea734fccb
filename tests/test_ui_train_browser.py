"""The training page in Debian's Chromium, with a command that does as the real one would."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Visitor, serve_scripted

pytestmark = pytest.mark.browser

PHONE = {"width": 375, "height": 720}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(data: Path) -> Iterator[str]:
    with serve_scripted(SIGHTDESK_DATA_DIR=str(data), SCRIPTED_STEP="0.15") as url:
        yield url


@pytest.fixture(scope="module")
def fruit(tmp_path_factory: pytest.TempPathFactory, photos: Path) -> Path:
    folder = tmp_path_factory.mktemp("data set") / "fruit"
    for name in ("Banana", "Lemon", "Kiwi"):
        (folder / name).mkdir(parents=True)
        shutil.copy(photos / f"{name}.webp", folder / name)
    (folder / "Kiwi" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


class Trainer(Visitor):
    """Somebody at the training page."""

    def __init__(self, context: Any, url: str) -> None:
        super().__init__(context, url, ready=False)
        self.main = self.page.get_by_test_id("stMain")

    def sees(self, text: str) -> None:
        """Wait for a text of the page's body."""
        self.expect(self.main.get_by_text(text).first).to_be_visible()

    def press(self, name: str) -> None:
        """Press a button of the page's body."""
        self.main.get_by_role("button", name=name, exact=True).click()

    def check(self, path: Path) -> None:
        """Give a path and have it checked."""
        self.page.get_by_role("textbox", name="Folder or file").fill(str(path))
        self.press("Check the data")
        self.sees("can be used")

    def faults(self) -> dict[str, list[str]]:
        """What axe finds to be serious."""
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(self.page).response["violations"]
        return {
            each["id"]: [node["html"][:300] for node in each["nodes"]]
            for each in found
            if each["impact"] in ("serious", "critical")
        }

    def wide(self) -> list[str]:
        """What reaches out of the page."""
        found: list[str] = self.page.evaluate(
            """() => [...document.querySelectorAll('[data-testid=stMain] :is(button, img, p, pre)')]
                .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
                .map(each => each.outerHTML.slice(0, 200))"""
        )
        return found


def test_from_a_path_to_the_chat_with_a_stop_a_kill_and_a_reload(
    browser: Any, address: str, data: Path, fruit: Path
) -> None:
    asked: list[str] = []
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    context.on("request", lambda request: asked.append(request.url))
    visitor = Trainer(context, address)
    visitor.page.get_by_role("link", name="Train an adapter").click()
    visitor.sees("Train an adapter on your photos")
    assert visitor.page.url == f"{address}/train"
    visitor.check(fruit)
    visitor.sees("3 of 4 rows can be used")
    visitor.main.get_by_text("Pictures that cannot be opened").click()
    visitor.sees("broken.jpg")
    command = visitor.main.get_by_test_id("stCode").first
    visitor.expect(command).to_contain_text(f"adapters train '{fruit}' --preset quick --name fruit")
    visitor.press("Start training")

    visitor.sees("Stage one, encoder: step")
    charts = visitor.main.get_by_test_id("stVegaLiteChart")
    visitor.expect(charts.first).to_be_visible()
    visitor.sees("left")
    visitor.press("Stop")
    visitor.sees("It was stopped.")
    visitor.press("Resume")
    visitor.sees("Stage one, encoder: step")
    note = json.loads((data / "trainings" / "fruit" / "process.json").read_text())
    os.kill(note["pid"], signal.SIGKILL)
    visitor.sees("It was interrupted: its process is gone.")
    visitor.page.reload()
    visitor.sees("It was interrupted: its process is gone.")
    visitor.press("Resume")
    visitor.sees("The adapter is trained.")
    visitor.expect(charts).to_have_count(4)
    visitor.sees("84.1 %")
    visitor.press("Use in the chat")
    visitor.expect(visitor.page.get_by_text("fruit", exact=False).first).to_be_visible()
    visitor.expect(visitor.box).to_be_enabled()
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers, "the page asks nobody but its own server"
    context.close()


def test_a_running_training_is_found_by_a_second_tab(
    browser: Any, address: str, data: Path, fruit: Path
) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    visitor = Trainer(context, f"{address}/train")
    visitor.button("New training").click()
    visitor.check(fruit)
    name = visitor.page.get_by_role("textbox", name="Name of the adapter")
    name.fill("second")
    name.press("Enter")
    visitor.expect(visitor.main.get_by_test_id("stCode").first).to_contain_text("--name second")
    visitor.press("Start training")
    visitor.sees("Stage one, encoder: step")
    visitor.page.close()
    other = Trainer(context, f"{address}/train")
    other.expect(other.main.get_by_role("heading", name="second")).to_be_visible()
    other.sees("The adapter is trained.")
    other.expect(other.button("second · done")).to_be_visible()
    context.close()


def test_the_keyboard_is_enough_to_check_data(browser: Any, address: str, fruit: Path) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 900}, locale="en-GB")
    visitor = Trainer(context, f"{address}/train")
    box = visitor.page.get_by_role("textbox", name="Folder or file")
    visitor.expect(box).to_be_visible()
    reached = ""
    for _ in range(40):
        visitor.page.keyboard.press("Tab")
        reached = visitor.page.evaluate("document.activeElement.getAttribute('aria-label') || ''")
        if reached.startswith("Folder or file"):
            break
    assert reached.startswith("Folder or file")
    visitor.page.keyboard.type(str(fruit))
    visitor.page.keyboard.press("Enter")
    visitor.sees("3 of 4 rows can be used")
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_names_and_enough_contrast(
    browser: Any, address: str, data: Path, fruit: Path, scheme: Any
) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 1200, "height": 900}, locale="en-GB"
    )
    visitor = Trainer(context, f"{address}/train")
    visitor.check(fruit)
    visitor.main.get_by_text("All knobs").click()
    visitor.settle()
    assert not visitor.faults()
    visitor.page.goto(f"{address}/train?training=fruit")
    visitor.sees("The adapter is trained.")
    visitor.settle()
    assert not visitor.faults()
    context.close()


def test_a_phone_shows_everything_within_its_width(browser: Any, address: str, fruit: Path) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, locale="en-GB")
    visitor = Trainer(context, f"{address}/train")
    visitor.check(fruit)
    visitor.settle()
    assert not visitor.wide()
    visitor.page.goto(f"{address}/train?training=fruit")
    visitor.sees("The adapter is trained.")
    visitor.settle()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert not visitor.wide()
    context.close()
