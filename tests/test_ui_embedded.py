"""The page as people meet it: `sightdesk chat` with the embedded model, in Debian's Chromium."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Visitor, free_port, open_browser, serve

pytestmark = [pytest.mark.weights, pytest.mark.browser]

PHONE: Any = {"width": 375, "height": 720}


@pytest.fixture
def address(base_cache: Path, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    program = str(Path(sys.executable).with_name("sightdesk"))
    command = [program, "chat", "--no-browser", "--port", str(port)]
    folders = {
        "SIGHTDESK_CACHE_DIR": str(base_cache),
        "SIGHTDESK_DATA_DIR": str(tmp_path / "data"),
    }
    with serve(command, port, **folders) as url:
        yield url


def test_a_visitor_with_the_embedded_model(address: str, photos: Path) -> None:
    with open_browser() as browser:
        context = browser.new_context(viewport={"width": 1200, "height": 820}, locale="en-GB")
        visitor = Visitor(context, address)
        visitor.attach(photos / "Yellow-Bell-Pepper.webp")
        visitor.ask("What product is this?")
        again = visitor.button("Answer again")
        visitor.expect(visitor.answers.nth(0)).to_contain_text("Pepper")
        visitor.expect(again).to_be_visible()
        visitor.settle()

        visitor.ask("Is there a dog in the picture?")
        visitor.expect(visitor.answers.nth(1)).to_contain_text("No")
        visitor.expect(again).to_have_count(1)
        visitor.settle()
        visitor.choose("More", "Details")
        details = visitor.dialog.inner_text()
        computed = int(details.split(" computed")[0].split()[-1].replace(",", ""))
        reused = int(details.split(" reused")[0].split()[-1].replace(",", ""))
        assert computed < reused, "the photo and the first question are not computed again"
        visitor.close_dialog()

        make_answers_long(visitor)
        visitor.ask("Describe the picture in detail.")
        visitor.page.wait_for_function(
            "document.querySelectorAll('[data-testid=stChatMessage]').length == 6"
        )
        visitor.stop()
        visitor.expect(visitor.answers.nth(2)).to_contain_text("Stopped.")
        visitor.expect(again).to_have_count(1)
        visitor.settle()
        again.click()
        visitor.expect(visitor.answers.nth(2)).to_contain_text("first word")
        visitor.settle()

        visitor.page.reload()
        visitor.expect(visitor.answers).to_have_count(3)
        visitor.expect(visitor.answers.nth(0)).to_contain_text("Pepper")
        visitor.settle()
        visitor.button("New conversation").click()
        visitor.button("What product is this?").click()
        visitor.expect(visitor.answers).to_have_count(3)
        visitor.settle()

        switch_to_chinese(visitor)
        phone = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
        small = Visitor(phone, visitor.page.url)
        small.expect(small.answers.nth(0)).to_contain_text("Pepper")
        assert small.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def make_answers_long(visitor: Any) -> None:
    """As long as the settings allow, so that there is something to stop."""
    visitor.button("Settings").click()
    slider = visitor.dialog.get_by_role("slider", name="Longest answer")
    slider.focus()
    visitor.page.keyboard.press("End")
    visitor.dialog.get_by_role("button", name="Save").click()
    visitor.expect(visitor.dialog).to_have_count(0)
    visitor.settle()


def switch_to_chinese(visitor: Any) -> None:
    visitor.button("Settings").click()
    visitor.dialog.get_by_role("combobox", name="Language").click()
    visitor.page.get_by_role("option", name="中文").click()
    visitor.dialog.get_by_role("button", name="Save").click()
    visitor.expect(visitor.button("新对话")).to_be_visible()
    visitor.settle()
