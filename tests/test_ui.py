"""The chat page, with an engine that answers from a script instead of a model."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import assistant.engine
from assistant.errors import WeightsError
from assistant.images import open_image
from assistant.prompts import DESCRIBE
from tests.scripted_page import HOSTILE, PAGE, ScriptedEngine
from ui.app import escape_markdown
from ui.conversation import MAX_EXCHANGES, MAX_PHOTOS, MAX_TOLD, THUMBNAIL_PIXELS, Conversation
from ui.engine_room import EngineRoom

TIMEOUT = 60.0
CHROMIUM_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine(["A yellow banana.", "It is yellow."])
    monkeypatch.setattr(assistant.engine.Engine, "load", scripted.load)
    st.cache_resource.clear()
    yield scripted
    st.cache_resource.clear()


@pytest.fixture
def page(engine: ScriptedEngine) -> AppTest:
    return AppTest.from_file(PAGE, default_timeout=TIMEOUT).run()


@pytest.fixture
def banana(photos: Path) -> bytes:
    return (photos / "phone-portrait-banana.jpg").read_bytes()


def send(page: AppTest, text: str | None = None, **files: bytes) -> AppTest:
    """Submit a message; `jpg=` and so on are files named photo.jpg."""
    for suffix, content in files.items():
        page.chat_input[0].upload(f"photo.{suffix}", content)
    if text is not None:
        page.chat_input[0].set_value(text)
    page.run()
    assert not page.exception
    return page


def said(page: AppTest, who: str) -> list[str]:
    return [text.value for box in page.chat_message if box.name == who for text in box.text]


# --- the page


def test_the_empty_page_offers_suggestions_and_names_the_model(page: AppTest) -> None:
    assert not page.exception
    assert page.header[0].value == "Ask about a photo"
    assert [button.label for button in page.main.button] == [
        "What is in this picture?",
        "What colour is it?",
        "How many are there?",
    ]
    assert [text.value for text in page.sidebar.text] == ["embedded", "shop", "–"]


def test_a_suggestion_lands_in_the_message_box(page: AppTest) -> None:
    page.main.button[1].click().run()
    assert not page.exception
    assert page.chat_input[0].proto.value == "What colour is it?"
    assert page.info[0].value == "Now add a photo below, then send."


def test_a_photo_alone_is_described(page: AppTest, engine: ScriptedEngine, banana: bytes) -> None:
    send(page, jpg=banana)
    name = open_image(banana).id
    assert engine.asked == [[("user", DESCRIBE["sentence"], (name,))]]
    assert engine.given == [[name]]
    assert said(page, "user") == ["Describe this picture"]
    assert said(page, "assistant") == ["A yellow banana."]
    assert page.sidebar.text[2].value.endswith(" s")


def test_a_follow_up_goes_with_the_earlier_turns(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, jpg=banana)
    send(page, "What colour is it?")
    name = open_image(banana).id
    assert engine.asked[1] == [
        ("user", DESCRIBE["sentence"], (name,)),
        ("assistant", "A yellow banana.", ()),
        ("user", "What colour is it?", ()),
    ]
    assert engine.given[1] == [name]
    assert engine.encoded == [name], "encoded once, asked twice"
    assert said(page, "assistant") == ["A yellow banana.", "It is yellow."]


def test_a_question_without_a_photo_stays_in_the_box(page: AppTest, engine: ScriptedEngine) -> None:
    send(page, "What is this?")
    assert engine.asked == []
    assert page.chat_input[0].proto.value == "What is this?"
    assert page.info[0].value == "Now add a photo below, then send."


def test_a_text_file_named_jpg_is_one_sentence(page: AppTest, engine: ScriptedEngine) -> None:
    send(page, "What is this?", jpg=b"just text")
    assert engine.asked == []
    (error,) = page.error
    assert "photo\\.jpg is not a picture" in error.value


def test_no_more_photos_than_allowed_are_taken(
    page: AppTest, engine: ScriptedEngine, photos: Path
) -> None:
    for path in sorted(photos.glob("*.webp"))[: MAX_PHOTOS + 1]:
        page.chat_input[0].upload(path.name, path.read_bytes())
    page.run()
    assert not page.exception
    assert len(engine.given[0]) == MAX_PHOTOS
    assert f"Only the first {MAX_PHOTOS} photos were taken." in [c.value for c in page.caption]


def test_hostile_text_is_shown_as_text(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    engine.answers = [HOSTILE]
    send(page, HOSTILE, jpg=banana)
    assert said(page, "assistant") == [HOSTILE]
    assert said(page, "user") == [HOSTILE]
    assert not any("evil" in element.value for element in page.markdown)


def test_a_new_conversation_forgets_everything(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, jpg=banana)
    page.sidebar.button[0].click().run()
    assert not page.exception
    assert not page.chat_message
    assert page.header[0].value == "Ask about a photo"
    conversation = page.session_state["conversation"]
    assert not conversation.exchanges
    assert not conversation.photos


def test_a_model_that_cannot_be_loaded_is_one_sentence_and_a_second_try(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise WeightsError("The base is missing: run sightdesk fetch.")

    with monkeypatch.context() as patch:
        patch.setattr(assistant.engine.Engine, "load", fail)
        page = AppTest.from_file(PAGE, default_timeout=TIMEOUT).run()
    assert not page.exception
    assert page.error[0].value == r"The base is missing\: run sightdesk fetch\."
    assert not page.chat_input
    page.main.button[0].click().run()
    assert not page.error
    assert page.chat_input


def test_an_error_while_answering_is_shown_and_the_photo_kept(
    page: AppTest, engine: ScriptedEngine, banana: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Iterator[str]:
        raise WeightsError("The model is gone: start again.")
        yield

    with monkeypatch.context() as patch:
        patch.setattr(engine, "stream", fail)
        send(page, jpg=banana)
    assert page.error[0].value == r"The model is gone\: start again\."
    send(page, "What colour is it?")
    assert engine.asked == [[("user", "What colour is it?", (open_image(banana).id,))]]


# --- what it remembers


def picture(shade: int, size: tuple[int, int] = (4, 4)) -> tuple[str, assistant.images.LoadedImage]:
    return f"{shade}.png", open_image(Image.new("RGB", size, (shade, 0, 0)))


def test_thumbnails_are_small() -> None:
    conversation = Conversation()
    exchange = conversation.add("", [picture(1, (2000, 1000))])
    (photo,) = (conversation.photos[name] for name in exchange.photos)
    with closing(Image.open(BytesIO(photo.thumbnail))) as thumbnail:
        assert thumbnail.size == (THUMBNAIL_PIXELS, THUMBNAIL_PIXELS // 2)


def test_the_photo_outlives_the_turns_that_are_forgotten() -> None:
    conversation = Conversation()
    first = conversation.add("", [picture(1)])
    name = first.photos[0]
    first.answer = "Red."
    for number in range(MAX_EXCHANGES + 5):
        conversation.add(f"question {number}", []).answer = "Yes."
    assert len(conversation.exchanges) == MAX_EXCHANGES
    turns = conversation.turns()
    assert [turn.role for turn in turns] == ["user", "assistant"] * (MAX_TOLD - 1) + ["user"]
    assert [turn.images for turn in turns if turn.images] == [(name,)]
    assert turns[0].images == (name,)


def test_forgotten_photos_are_dropped() -> None:
    conversation = Conversation()
    for shade in range(MAX_EXCHANGES + 5):
        conversation.add("", [picture(shade)]).answer = "Red."
    assert len(conversation.photos) == MAX_EXCHANGES


def test_a_photo_sent_again_is_kept_once() -> None:
    conversation = Conversation()
    engine = ScriptedEngine(["Red."])
    for _ in range(2):
        exchange = conversation.add("", [picture(1), picture(1)])
        encoded = conversation.encode(exchange.photos, engine)  # type: ignore[arg-type]
        exchange.answer = "Red."
        assert [image.id for image in encoded] == list(exchange.photos)
    assert len(conversation.photos) == len(engine.encoded) == 1


@pytest.mark.parametrize("mark", list("\\`*_{}[]()<>#+-.!|~$:&@/"))
def test_every_markdown_mark_is_escaped(mark: str) -> None:
    assert escape_markdown(f"a{mark}b") == f"a\\{mark}b"


# --- the engine room


def test_the_engine_is_loaded_once(engine: ScriptedEngine) -> None:
    room = EngineRoom()
    reports: list[tuple[str, float | None]] = []
    first = room.get(lambda message, fraction: reports.append((message, fraction)))
    assert room.get(lambda *_: None) is first
    assert (room.message, room.fraction) == ("Reading the model", 0.5)


def test_the_engine_has_one_user_at_a_time() -> None:
    room = EngineRoom()
    waited: list[bool] = []

    def give_up() -> None:
        waited.append(True)
        raise TimeoutError

    with room.turn(give_up):
        with pytest.raises(TimeoutError), room.turn(give_up):
            pass
        assert waited == [True]
    with room.turn(give_up):
        pass
    assert waited == [True]


def test_a_loading_that_failed_is_tried_again(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise WeightsError("No base.")

    room = EngineRoom()
    with monkeypatch.context() as patch:
        patch.setattr(assistant.engine.Engine, "load", fail)
        with pytest.raises(WeightsError, match="No base"):
            room.get(lambda *_: None)
    assert room.get(lambda *_: None).name == "embedded"


# --- in a browser


@pytest.fixture
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        pytest.skip("no chromium on the path")
    return found


@pytest.fixture
def address(chromium: str) -> Iterator[str]:
    """The page with a scripted engine, served by a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    root = PAGE.parent.parent
    command = [sys.executable, str(root / "tests" / "scripted_page.py"), str(port)]
    server = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(root)})
    try:
        deadline = time.monotonic() + 2 * TIMEOUT
        while not is_up(f"http://127.0.0.1:{port}/_stcore/health"):
            assert server.poll() is None, "the page's server ended"
            assert time.monotonic() < deadline, "the page's server did not start"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(timeout=10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def is_up(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@pytest.mark.browser
def test_a_visitor_sends_a_photo_asks_on_and_stops_an_answer(
    chromium: str, address: str, photos: Path
) -> None:
    from playwright.sync_api import expect, sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=list(CHROMIUM_OPTIONS), timeout=1000 * TIMEOUT
        )
        page = browser.new_page()
        page.set_default_timeout(1000 * TIMEOUT)
        expect.set_options(timeout=1000 * TIMEOUT)
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        box = page.get_by_test_id("stChatInputTextArea")
        send_button = page.get_by_test_id("stChatInputSubmitButton")
        answers = page.get_by_test_id("stChatMessage").filter(
            has=page.get_by_test_id("stChatMessageAvatarAssistant")
        )

        expect(box).to_be_enabled()
        page.set_input_files(
            "[data-testid=stChatInputFileUploadButton] input[type=file]",
            photos / "phone-portrait-banana.jpg",
        )
        expect(send_button).to_be_enabled()
        send_button.click()
        expect(answers.nth(0)).to_contain_text("Three ripe bananas lie on a wooden table.")
        expect(page.get_by_test_id("stChatMessage").nth(0).locator("img")).to_have_count(1)

        expect(box).to_be_enabled()
        box.fill("What colour are they?")
        box.press("Enter")
        expect(answers.nth(1)).to_contain_text(HOSTILE)
        expect(answers.nth(1).locator("img, script, a, b")).to_have_count(0)

        expect(box).to_be_enabled()
        box.fill("Tell me a long story")
        box.press("Enter")
        expect(answers.nth(2)).to_contain_text("word5 ")
        page.get_by_test_id("stChatInputStopButton").click()
        expect(box).to_be_enabled()
        box.fill("And now?")
        box.press("Enter")
        expect(answers.nth(3)).to_contain_text("The end.")
        expect(answers.nth(2)).to_contain_text("word5")
        expect(answers.nth(2)).to_contain_text("Stopped.")
        expect(answers.nth(2)).not_to_contain_text("word499")
        browser.close()
    assert not [url for url in asked if "evil.example" in url]
