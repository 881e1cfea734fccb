"""Pictures of the chat widget on the shop's page; `screenshot --widget` takes them.

The shop's documents go into a new data folder, `sightdesk serve` answers with the real model, and
in each picture a customer asks about a photo, about returns, and for a person.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, expect

PHOTO = Path(__file__).parent.parent / "photos" / "Granny-Smith.webp"
QUESTIONS: Final = (
    "Where does this come from?",
    "How do I return something that I have not opened?",
    "I would like to talk to a person, please.",
)
DESKTOP: Final[dict[str, Any]] = {"viewport": {"width": 1200, "height": 880}}
PHONE: Final[dict[str, Any]] = {
    "viewport": {"width": 390, "height": 800}, "device_scale_factor": 2, "has_touch": True,
    "is_mobile": True,
}  # fmt: skip
ANSWER_MS: Final = 180_000

# A name, how the browser is set, the page's address, and how many questions are asked.
PICTURES: Final[tuple[tuple[str, dict[str, Any], str, int], ...]] = (
    ("widget", DESKTOP, "", 2),
    ("widget-dark", DESKTOP | {"color_scheme": "dark"}, "", 3),
    ("widget-phone", PHONE, "", 2),
    ("widget-zh", DESKTOP | {"locale": "zh-CN"}, "?lang=zh", 1),
    ("widget-source", DESKTOP, "", 1),
)


def fill_shop(data: Path) -> None:
    """Put the demo's shop into a data folder."""
    from assistant.cli.demo import fill
    from assistant.settings import Settings

    fill(Settings(data_dir=data), None, lambda _message, _fraction: None)


def take_widget(browser: Browser, url: str, folder: Path) -> None:
    """All pictures, as PNG files in a folder."""
    for name, how, query, questions in PICTURES:
        context = browser.new_context(**how)
        page = context.new_page()
        page.goto(f"{url}/widget/demo{query}")
        page.locator(".bubble-button").click()
        for number in range(questions):
            _ask(page, number)
        if name == "widget-source":
            page.locator(".chip").first.click()
            expect(page.locator(".picture.coming")).to_have_count(0, timeout=ANSWER_MS)
        page.wait_for_timeout(800)
        page.screenshot(path=folder / f"{name}.png")
        context.close()


def _ask(page: Page, number: int) -> None:
    if number == 0:
        page.set_input_files("input[type=file]", PHOTO)
        expect(page.locator(".preview .bar")).to_be_hidden(timeout=ANSWER_MS)
    page.locator("textarea").fill(QUESTIONS[number])
    page.locator(".send").click()
    expect(page.locator(".turn:has(.question)")).to_have_count(number + 1, timeout=ANSWER_MS)
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=ANSWER_MS)
    expect(page.locator(".note.bad:not([hidden])")).to_have_count(0)
