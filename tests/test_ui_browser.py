"""The page in Debian's Chromium, with an engine that answers from a script."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chromium import Visitor, serve_scripted
from tests.scripted_page import HOSTILE

pytestmark = pytest.mark.browser

PHONE = {"width": 375, "height": 720}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    data = str(tmp_path_factory.mktemp("data"))
    with serve_scripted(SIGHTDESK_DATA_DIR=data) as url:
        yield url


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    opened = browser.new_context(viewport={"width": 1200, "height": 820}, locale="en-GB")
    yield opened
    opened.close()


def test_a_photo_a_follow_up_a_stop_another_answer_and_a_reload(
    context: Any, address: str, photos: Path
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    visitor = Visitor(context, address)
    visitor.attach(photos / "phone-portrait-banana.jpg")
    visitor.send()
    visitor.expect(visitor.answers.nth(0)).to_contain_text("Three ripe bananas lie on a wooden")
    visitor.expect(visitor.questions.nth(0).locator("img")).to_have_count(1)
    visitor.ask("Say something hostile")
    visitor.expect(visitor.answers.nth(1)).to_contain_text(HOSTILE)
    visitor.expect(visitor.answers.nth(1).locator("img, script, a, b")).to_have_count(0)
    visitor.settle()

    visitor.ask("Tell me a long story")
    visitor.expect(visitor.answers.nth(2)).to_contain_text("word5 ")
    visitor.stop()
    visitor.expect(visitor.answers.nth(2)).to_contain_text("Stopped.")
    visitor.expect(visitor.answers.nth(2)).not_to_contain_text("word499")
    visitor.settle()

    visitor.button("Answer again").click()
    visitor.expect(visitor.answers.nth(2)).not_to_contain_text("Stopped.")
    visitor.expect(visitor.answers.nth(2)).to_contain_text("word3 ")
    visitor.button("Stop", exact=True).last.click()
    visitor.expect(visitor.answers.nth(2)).to_contain_text("Stopped.")

    visitor.page.reload()
    visitor.expect(visitor.answers).to_have_count(3)
    visitor.expect(visitor.answers.nth(2)).to_contain_text("word3")
    visitor.settle()
    visitor.ask("And now?")
    visitor.expect(visitor.answers.nth(3)).to_contain_text("The end.")
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers, "the page asks nobody but its own server"


def test_a_photo_is_dropped_pasted_and_enlarged(context: Any, address: str, photos: Path) -> None:
    visitor = Visitor(context, address)
    content = base64.b64encode((photos / "Lemon.webp").read_bytes()).decode()
    give = """([content, kind, name, x, y]) => {
        const bytes = Uint8Array.from(atob(content), letter => letter.charCodeAt(0));
        const transfer = new DataTransfer();
        transfer.items.add(new File([bytes], name, {type: 'image/webp'}));
        const [maker, field] = kind === 'paste'
            ? [ClipboardEvent, 'clipboardData'] : [DragEvent, 'dataTransfer'];
        const event = new maker(kind, {bubbles: true, cancelable: true, [field]: transfer});
        document.elementFromPoint(x, y).dispatchEvent(event);
    }"""
    chips = visitor.page.get_by_test_id("stChatInput").get_by_text("KB")
    place = visitor.box.bounding_box()
    assert place is not None
    x, y = place["x"] + place["width"] / 2, place["y"] + place["height"] / 2
    for kind in ("dragenter", "dragover", "drop"):
        visitor.page.evaluate(give, [content, kind, "dropped.webp", x, y])
        visitor.page.wait_for_timeout(500)  # the page puts up a place to drop it on
    visitor.expect(chips).to_have_count(1)
    visitor.box.focus()
    place = visitor.box.bounding_box()
    assert place is not None
    y = place["y"] + place["height"] / 2
    visitor.page.evaluate(give, [content, "paste", "pasted.webp", x, y])
    visitor.expect(chips).to_have_count(2)
    visitor.expect(visitor.page.get_by_test_id("stChatInputSubmitButton")).to_be_enabled()
    visitor.send()
    visitor.expect(visitor.answers.nth(0)).to_contain_text("Three ripe bananas")
    visitor.settle()
    visitor.expect(visitor.questions.nth(0).locator("img")).to_have_count(1)
    visitor.button("Enlarge").first.click()
    visitor.expect(visitor.dialog.get_by_role("img")).to_be_visible()
    visitor.close_dialog()


def test_a_photo_from_the_camera_waits_and_is_described(context: Any, address: str) -> None:
    visitor = Visitor(context, address)
    visitor.button("Camera").click()
    visitor.page.wait_for_function("document.querySelector('video')?.currentTime > 0.5")
    visitor.page.get_by_role("button", name="Take Photo").click()
    visitor.button("Use this photo").click()
    visitor.expect(visitor.button("Remove camera.jpg")).to_be_visible()
    visitor.settle()
    visitor.page.keyboard.press("Escape")
    visitor.button("Describe it").click()
    visitor.expect(visitor.answers.nth(0)).to_contain_text("Three ripe bananas")


def test_threads_are_found_searched_renamed_exported_and_deleted(
    context: Any, address: str, photos: Path
) -> None:
    visitor = Visitor(context, address)
    visitor.attach(photos / "Kiwi.webp")
    visitor.ask("What colour is this kiwi?")
    visitor.expect(visitor.answers.nth(0)).to_contain_text("They are yellow.")
    visitor.settle()
    visitor.choose("Conversation", "Rename")
    visitor.dialog.get_by_role("textbox").fill("Green fruit")
    visitor.dialog.get_by_role("button", name="Save").click()
    entry = visitor.button("Green fruit")
    visitor.expect(entry).to_be_visible()
    visitor.button("New conversation").click()
    visitor.expect(visitor.page.get_by_role("heading", name="Ask about a photo")).to_be_visible()
    search = visitor.page.get_by_role("searchbox", name="Search conversations")
    search.fill("kiwi")
    visitor.expect(entry).to_be_visible()
    search.fill("nothing like it")
    visitor.expect(visitor.page.get_by_text("No conversation has these words.")).to_be_visible()
    search.fill("")
    entry.click()
    visitor.expect(visitor.answers.nth(0)).to_contain_text("They are yellow.")
    visitor.settle()
    visitor.choose("Conversation", "Export")
    with visitor.page.expect_download() as download:
        visitor.dialog.get_by_role("button", name="Markdown").click()
    assert download.value.path().read_bytes()[:2] == b"PK"
    visitor.close_dialog()
    visitor.choose("Conversation", "Delete")
    visitor.dialog.get_by_role("button", name="Delete for good").click()
    visitor.expect(entry).to_have_count(0)
    visitor.expect(visitor.page.get_by_role("heading", name="Ask about a photo")).to_be_visible()


def test_a_closed_tab_leaves_the_partial_answer_and_a_free_engine(
    context: Any, address: str, photos: Path
) -> None:
    visitor = Visitor(context, address)
    visitor.attach(photos / "Garlic.webp")
    visitor.ask("Tell me a long story")
    visitor.expect(visitor.answers.nth(0)).to_contain_text("word5 ")
    link = visitor.page.url
    visitor.page.close()
    other = Visitor(context, address)
    other.attach(photos / "Garlic.webp")
    other.ask("What colour is it?")
    other.expect(other.answers.nth(0)).to_contain_text("They are yellow.")
    again = Visitor(context, link)
    again.expect(again.answers.nth(0)).to_contain_text("word5")
    again.expect(again.answers.nth(0)).to_contain_text("Stopped.")


def test_two_tabs_on_one_thread(context: Any, address: str, photos: Path) -> None:
    first = Visitor(context, address)
    first.attach(photos / "Orange.webp")
    first.ask("What colour is it?")
    first.expect(first.answers.nth(0)).to_contain_text("They are yellow.")
    first.settle()
    second = Visitor(context, first.page.url)
    second.ask("And now?")
    second.expect(second.answers.nth(1)).to_contain_text("The end.")
    second.settle()
    first.ask("Which one?")
    first.expect(first.page.get_by_text("went on in another tab")).to_be_visible()
    first.expect(first.answers).to_have_count(2)
    first.expect(first.box).to_have_value("Which one?")


def test_a_huge_file_and_a_huge_text_are_messages(
    context: Any, address: str, tmp_path: Path
) -> None:
    visitor = Visitor(context, address)
    huge = tmp_path / "huge.jpg"
    with huge.open("wb") as stream:
        os.truncate(stream.fileno(), 500 * 2**20)
    visitor.page.set_input_files("[data-testid=stChatInputFileUploadButton] input[type=file]", huge)
    refused = visitor.page.get_by_test_id("stChatInput").get_by_text("huge.jpg")
    visitor.expect(refused).to_be_visible()
    visitor.expect(visitor.page.get_by_text("File must be 32.0MB or smaller")).to_be_visible()
    visitor.ask("a" * 50_000)
    visitor.expect(visitor.page.get_by_text("50,000 characters")).to_be_visible()
    visitor.expect(visitor.box).to_have_value("a" * 50_000)
    visitor.expect(visitor.answers).to_have_count(0)


def test_chinese_is_chosen_by_the_browser_and_switched(browser: Any, address: str) -> None:
    context = browser.new_context(locale="zh-CN", viewport={"width": 1200, "height": 820})
    visitor = Visitor(context, address)
    visitor.expect(visitor.page.get_by_role("heading", name="拿一张照片来问")).to_be_visible()
    visitor.expect(visitor.page.locator("html")).to_have_attribute("lang", "zh-CN")
    context.close()


def test_a_phone_shows_everything_within_its_width(
    browser: Any, address: str, photos: Path
) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    visitor = Visitor(context, address)
    visitor.attach(photos / "Lemon.webp", photos / "Banana.webp", photos / "Kiwi.webp")
    visitor.ask("What colour are they?")
    visitor.expect(visitor.answers.nth(0)).to_contain_text("They are yellow.")
    visitor.settle()
    width = visitor.page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"]
    wide = visitor.page.evaluate(
        """() => [...document.querySelector('[data-testid=stMainBlockContainer]')
            .querySelectorAll('button, img, p')]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert not wide
    context.close()


def test_the_keyboard_is_enough(context: Any, address: str, photos: Path) -> None:
    visitor = Visitor(context, address)
    visitor.attach(photos / "Lemon.webp")
    visitor.ask("What colour is it?")
    visitor.expect(visitor.answers.nth(0)).to_contain_text("They are yellow.")
    visitor.expect(visitor.button("Answer again")).to_be_visible()
    visitor.settle()
    visitor.page.mouse.click(700, 5)
    reached: list[str] = []
    while len(reached) < 60 and reached[-1:] != ["Where it looked"]:
        visitor.page.keyboard.press("Tab")
        button = "(({tagName, innerText}) => tagName === 'BUTTON' ? innerText : '')"
        text: str = visitor.page.evaluate(f"{button}(document.activeElement)")
        reached.append(text.strip().rpartition("\n")[2].strip())
    assert reached[-1] == "Where it looked", reached
    visitor.page.keyboard.press("Enter")
    visitor.expect(visitor.dialog.get_by_role("img").first).to_be_visible()
    visitor.close_dialog()
    order = [name for name in reached if name in ("Enlarge Lemon.webp", "Edit", "Answer again")]
    assert list(dict.fromkeys(order)) == ["Enlarge Lemon.webp", "Edit", "Answer again"], (
        "as they are read"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_names_and_enough_contrast(
    browser: Any, address: str, photos: Path, scheme: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, viewport={"width": 1200, "height": 820})
    visitor = Visitor(context, address)
    visitor.attach(photos / "Lemon.webp")
    visitor.ask("What colour is it?")
    visitor.expect(visitor.answers.nth(0)).to_contain_text("They are yellow.")
    visitor.settle()
    found = Axe().run(visitor.page).response["violations"]
    serious = {
        each["id"]: [node["html"][:200] for node in each["nodes"]]
        for each in found
        if each["impact"] in ("serious", "critical")
    }
    assert not serious
    context.close()


def test_the_loading_and_the_failed_model_are_shown(browser: Any) -> None:
    with serve_scripted(SCRIPTED_LOADING="6", SCRIPTED_FAILURE="No base: fetch it.") as url:
        context = browser.new_context()
        visitor = Visitor(context, url, ready=False)
        visitor.expect(visitor.page.get_by_text("Getting the model ready")).to_be_visible()
        visitor.expect(visitor.page.get_by_text("No base: fetch it.")).to_be_visible()
        visitor.button("Try again").click()
        visitor.expect(visitor.box).to_be_enabled()
        context.close()
