"""The page "Find" in Debian's Chromium: the grid, its keys, its address, a dropped picture."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.image_index import ImageIndex
from assistant.settings import Settings
from assistant.store import Store
from tests.chromium import Visitor, serve_scripted
from tests.coloured_pictures import make_pictures
from tests.tiny_space import TinySpace

pytestmark = pytest.mark.browser

COUNT = 240
RED = re.compile(r"red-\d{4}\.png, 99 % likely")
PHONE = {"width": 375, "height": 720}
TOP = "document.querySelector('[data-testid=stMain]').scrollTop"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("found") / "colours"
    make_pictures(place, COUNT, side=48)
    return place


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    places = {name: str(folder.parent / name) for name in ("data", "cache")}
    settings = Settings(data_dir=Path(places["data"]), cache_dir=Path(places["cache"]))
    with Store.open(settings) as store:
        ImageIndex.open(store=store, embedder=TinySpace()).add(folder)
    with serve_scripted(
        SIGHTDESK_DATA_DIR=places["data"], SIGHTDESK_CACHE_DIR=places["cache"]
    ) as url:
        yield url


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    opened = browser.new_context(viewport={"width": 1200, "height": 820}, locale="en-GB")
    yield opened
    opened.close()


class Seeker(Visitor):
    """Somebody at the page."""

    def __init__(self, context: Any, url: str) -> None:
        super().__init__(context, url, ready=False)
        self.words = self.page.get_by_role("searchbox")
        self.tiles = self.page.get_by_role("gridcell")
        self.grid = self.page.get_by_role("grid")
        self.expect(self.tiles.first).to_be_visible()
        self.filled()

    def filled(self) -> None:
        """Wait until each picture in view is there."""
        seen = ".sightdesk-row:not([hidden]) .sightdesk-waits"
        self.expect(self.page.locator(seen).locator("visible=true")).to_have_count(0)

    def look_for(self, words: str) -> None:
        """Type and press Enter."""
        self.words.fill(words)
        self.words.press("Enter")

    def focused(self) -> str:
        """The name of what has the focus."""
        name: str = self.page.evaluate("document.activeElement.getAttribute('aria-label') || ''")
        return name


def test_words_the_address_back_and_a_dropped_picture(
    context: Any, address: str, folder: Path
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    visitor = Seeker(context, f"{address}/find")
    visitor.expect(visitor.page.get_by_text(f"{COUNT} pictures")).to_be_visible()
    visitor.look_for("red")
    visitor.expect(visitor.tiles.first).to_have_accessible_name(RED)
    visitor.expect(visitor.page).to_have_url(f"{address}/find?q=red")
    visitor.look_for("blue")
    visitor.expect(visitor.tiles.first).to_contain_text("blue-")
    visitor.page.go_back()
    visitor.expect(visitor.tiles.first).to_contain_text("red-")
    visitor.expect(visitor.words).to_have_value("red")
    visitor.filled()

    content = base64.b64encode((folder / "green-0001.png").read_bytes()).decode()
    give = """([content, kind]) => {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], 'dropped.png', {type: 'image/png'}));
        const given = {bubbles: true, cancelable: true, dataTransfer: transfer};
        document.querySelector('[data-testid=stMain]').dispatchEvent(new DragEvent(kind, given));
    }"""
    visitor.words.fill("")
    visitor.words.press("Enter")
    visitor.expect(visitor.page.get_by_text(f"{COUNT} pictures")).to_be_visible()
    visitor.page.evaluate(give, [content, "dragenter"])
    visitor.expect(visitor.page.get_by_text("Drop a picture to find")).to_be_visible()
    visitor.page.evaluate(give, [content, "drop"])
    visitor.expect(visitor.page.get_by_text("Like dropped.png")).to_be_visible()
    visitor.expect(visitor.page.get_by_text("Drop a picture to find")).to_be_hidden()
    visitor.expect(visitor.tiles.first).to_contain_text("green-")
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers, "the page asks nobody but its own server"


def test_the_keyboard_moves_opens_and_comes_back_and_only_rows_in_view_are_there(
    context: Any, address: str
) -> None:
    visitor = Seeker(context, f"{address}/find?sort=name")
    columns = int(visitor.grid.get_attribute("aria-colcount") or 0)
    rows = int(visitor.grid.get_attribute("aria-rowcount") or 0)
    assert columns * rows >= COUNT > columns * (rows - 1)
    names = [tile.get_attribute("title") for tile in visitor.tiles.all()]
    assert len(names) < COUNT / 2, "not all are elements"
    visitor.tiles.first.focus()
    visitor.page.keyboard.press("ArrowRight")
    visitor.page.keyboard.press("ArrowDown")
    assert visitor.focused() == names[columns + 1]
    visitor.page.keyboard.press("Control+End")
    visitor.expect(visitor.tiles.last).to_have_accessible_name(f"yellow-{COUNT - 5:04d}.png")
    visitor.filled()
    assert visitor.page.evaluate(TOP) > 1000
    visitor.page.keyboard.press("Enter")
    visitor.expect(visitor.dialog.get_by_text(f"{COUNT} of {COUNT}")).to_be_visible()
    visitor.dialog.get_by_role("button", name="Previous").click()
    visitor.expect(visitor.dialog.get_by_text(f"{COUNT - 1} of {COUNT}")).to_be_visible()
    visitor.close_dialog()
    visitor.expect(visitor.tiles.last).to_be_focused()
    assert visitor.page.evaluate(TOP) > 1000, "still where it was"
    visitor.page.keyboard.press("Control+Home")
    assert visitor.focused() == names[0]


def test_describe_and_ask_about_a_picture(context: Any, address: str) -> None:
    visitor = Seeker(context, f"{address}/find?q=purple")
    visitor.tiles.nth(1).click()
    visitor.dialog.get_by_role("button", name="Describe").click()
    visitor.expect(visitor.dialog.get_by_text("Three ripe bananas lie on a wooden")).to_be_visible()
    visitor.dialog.get_by_role("button", name="Ask about this").click()
    visitor.expect(visitor.button("Remove purple")).to_be_visible()
    visitor.ask("What colour is it?")
    visitor.expect(visitor.answers.nth(0)).to_contain_text("They are yellow.")


def faults(visitor: Visitor) -> dict[str, list[str]]:
    """What axe finds to be serious."""
    from axe_playwright_python.sync_playwright import Axe

    return {
        each["id"]: [node["html"][:300] for node in each["nodes"]]
        for each in Axe().run(visitor.page).response["violations"]
        if each["impact"] in ("serious", "critical")
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_names_and_enough_contrast(
    browser: Any, address: str, scheme: Any
) -> None:
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": 1200, "height": 820}, locale="en-GB"
    )
    visitor = Seeker(context, f"{address}/find?q=red")
    visitor.settle()
    assert not faults(visitor)
    visitor.tiles.first.click()
    visitor.expect(visitor.dialog.get_by_role("button", name="Describe")).to_be_visible()
    visitor.settle()
    assert not faults(visitor)
    context.close()


def test_a_phone_shows_everything_within_its_width(browser: Any, address: str) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, locale="en-GB")
    visitor = Seeker(context, f"{address}/find?q=red&least=0")
    visitor.settle()
    assert int(visitor.grid.get_attribute("aria-colcount") or 0) == 2
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    wide = visitor.page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] :is(button, img, p, input)')]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert not wide
    context.close()
