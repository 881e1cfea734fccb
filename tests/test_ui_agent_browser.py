"""The support desk in Debian's Chromium: the real agent, with a model and eyes from a script."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.settings import Settings
from assistant.store import Store
from tests.chromium import Visitor, free_port, serve
from tests.scripted_desk import ORIGIN, RETURNS
from tests.scripted_page import HOSTILE

pytestmark = pytest.mark.browser

PHONE: Any = {"width": 375, "height": 720}
WHERE = "Where does this come from?"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(data: Path) -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "tests.scripted_desk", str(port)]
    with serve(command, port, SIGHTDESK_DATA_DIR=str(data)) as url:
        yield url


def test_a_customer_and_a_person(browser: Any, address: str, data: Path, photos: Path) -> None:
    context = browser.new_context(viewport={"width": 1200, "height": 820}, locale="en-GB")
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    visitor = Visitor(context, address)
    visitor.expect(visitor.page.get_by_role("heading", name="How can we help?")).to_be_visible()
    visitor.expect(visitor.page.get_by_text("8 documents and 10 products")).to_be_visible()

    # a photo and two hops, cited; the numbers and the buttons open the same
    visitor.attach(photos / "Granny-Smith.webp")
    visitor.ask(WHERE)
    first = visitor.answers.nth(0)
    visitor.expect(first).to_contain_text("Looked at the photo: Granny-Smith (Apple)")
    visitor.expect(first).to_contain_text(ORIGIN)
    visitor.settle()
    first.get_by_role("button", name="Granny Smith").click()
    visitor.expect(visitor.dialog).to_contain_text("Country and weight: France")
    visitor.expect(visitor.dialog.get_by_role("img")).to_be_visible()
    visitor.close_dialog()
    first.get_by_role("button", name="Source 2").click()
    visitor.expect(visitor.dialog).to_be_visible()
    visitor.close_dialog()
    first.locator("summary").click()
    visitor.expect(first.get_by_text("confidence 0.97")).to_be_visible()

    # text of ill will is text
    visitor.ask("What does the note say?")
    second = visitor.answers.nth(1)
    visitor.expect(second).to_contain_text(HOSTILE[:40])
    visitor.settle()
    visitor.expect(second.locator("img, script, b, a[href]")).to_have_count(0)

    # stopped, asked anew, reloaded
    visitor.ask("Tell me a story")
    third = visitor.answers.nth(2)
    visitor.expect(third).to_contain_text("Deliveries come from Monday")
    visitor.stop()
    visitor.expect(third).to_contain_text("Stopped.")
    visitor.settle()
    visitor.page.reload()
    visitor.expect(visitor.answers.nth(2)).to_contain_text("Stopped.")
    visitor.settle()

    # not known, a person is asked for, and answers
    visitor.ask("Who owns the moon?")
    visitor.expect(visitor.answers.nth(3)).to_contain_text("I don’t know")
    visitor.button("Ask for a person").click()
    visitor.expect(visitor.answers.nth(4)).to_contain_text("with a person")
    visitor.settle()
    with Store.open(Settings(data_dir=data)) as store:
        (ticket,) = store.tickets()
        store.reply(ticket.id, "It is nobody’s, as far as I know.")
    visitor.expect(visitor.page.get_by_text("It is nobody’s, as far as I know.")).to_be_visible()
    visitor.ask("Thank you!")
    visitor.expect(visitor.answers.nth(5)).to_contain_text(ticket.id)
    visitor.settle()
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers, "the page asks nobody but its own server"
    context.close()


def serious(visitor: Visitor) -> dict[str, list[str]]:
    """What keeps people out who read with other senses, by axe's name for it."""
    from axe_playwright_python.sync_playwright import Axe

    return {
        each["id"]: [node["html"][:200] for node in each["nodes"]]
        for each in Axe().run(visitor.page).response["violations"]
        if each["impact"] in ("serious", "critical")
    }


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_and_a_screen_reader(browser: Any, address: str, photos: Path, scheme: Any) -> None:
    context = browser.new_context(
        viewport=PHONE, has_touch=True, is_mobile=True, color_scheme=scheme
    )
    visitor = Visitor(context, address)
    visitor.attach(photos / "Granny-Smith.webp")
    visitor.ask(WHERE)
    visitor.expect(visitor.answers.nth(0)).to_contain_text(ORIGIN)
    visitor.expect(visitor.button("Answer again")).to_be_visible()
    visitor.settle()
    assert not serious(visitor)
    visitor.ask("How do I return something?")
    visitor.expect(visitor.answers.nth(1)).to_contain_text(RETURNS)
    visitor.settle()
    visitor.ask("I want to talk to a human")
    visitor.expect(visitor.answers.nth(2)).to_contain_text("with a person")
    visitor.settle()
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    wide = visitor.page.evaluate(
        """() => [...document.querySelector('[data-testid=stMainBlockContainer]')
            .querySelectorAll('button, img, p, .sightdesk-said')]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert not wide
    assert not serious(visitor)
    context.close()
