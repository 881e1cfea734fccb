"""The review page in Debian's Chromium: keys, what is written when, and who cannot see or press."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.data.formats import read_dataset
from adapters.data.validate import validate
from assistant.annotate.job import Job
from assistant.annotate.review import Review
from assistant.settings import Settings
from tests.chromium import ROOT, SECONDS, Visitor, free_port, serve
from tests.reviewed_jobs import describing_job, labelling_job

pytestmark = pytest.mark.browser

PHONE = {"width": 375, "height": 720}
DESKTOP = {"width": 1280, "height": 860}

# What is shown within the very task in which a key comes, before any server can have answered.
PRESS = """(board, key) => {
    const frame = board.querySelector('.frame');
    const before = frame.dataset.of;
    document.body.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
    return [before, frame.dataset.of, Boolean(frame.querySelector('img')?.complete)];
}"""
SWIPE = """(frame, across) => {
    const place = frame.getBoundingClientRect();
    const give = (kind, x) => frame.dispatchEvent(new PointerEvent(kind, {
        bubbles: true, pointerType: 'touch', isPrimary: true, pointerId: 7,
        clientX: place.x + place.width / 2 + x, clientY: place.y + 40}));
    give('pointerdown', 0);
    for (let part = 1; part <= 4; part += 1) give('pointermove', across * part / 4);
    give('pointerup', across);
}"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def address(data: Path) -> Iterator[str]:
    """The page as it is: a review needs no engine, so none is read."""
    port = free_port()
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "viewer",
    }
    command = [sys.executable, "-m", "streamlit", "run", str(ROOT / "ui" / "app.py")]
    command += [f"--{name}={value}" for name, value in options.items()]
    with serve(command, port, SIGHTDESK_DATA_DIR=str(data)) as url:
        yield url


@pytest.fixture
def context(browser: Any) -> Iterator[Any]:
    opened = browser.new_context(viewport=DESKTOP, locale="en-GB")
    yield opened
    opened.close()


class Reviewer(Visitor):
    """Somebody at the review page of a job."""

    def __init__(self, context: Any, address: str, job: Job) -> None:
        self.job = job
        super().__init__(context, f"{address}/review?job={job.id}", ready=False)
        self.board = self.page.locator(".board")
        self.frame = self.page.locator(".frame")
        # The first visit has the server read its modules.
        self.expect(self.frame.locator("img")).to_be_visible(timeout=5 * 1000 * SECONDS)

    def ahead(self, count: int) -> None:
        """Wait until the next pictures are there."""
        self.expect(self.board.locator(".strip canvas")).to_have_count(count)

    def press(self, *keys: str) -> None:
        """One key after the other, each once the one before is kept."""
        for key in keys:
            before = len(self.decided)
            self.page.keyboard.press(key)
            wait_until(lambda: len(self.decided) > before)  # noqa: B023
            self.counts(None)

    def counts(self, text: str | None) -> None:
        """What the line above the picture says, once everything is kept."""
        if text is not None:
            self.expect(self.board.locator(".counts")).to_have_text(text)
        self.expect(self.board.locator(".saving")).to_be_hidden()

    @property
    def decided(self) -> list[tuple[str, str]]:
        """Pictures and verdicts on the disk."""
        try:
            lines = (self.job.path / "review.jsonl").read_text().splitlines()
        except FileNotFoundError:
            return []
        rows = [json.loads(line) for line in lines]
        return [(row["image"][8:12], row.get("label") or row.get("caption") or row["verdict"])
                for row in rows]  # fmt: skip


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 3 * SECONDS
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def labels(data: Path, tmp_path: Path, count: int = 12) -> Job:
    settings = Settings(data_dir=data)
    return labelling_job(tmp_path / "fruit", tmp_path / "out", count=count, settings=settings)


def test_a_key_is_enough_for_each_picture_and_nothing_is_lost(
    context: Any, address: str, data: Path, tmp_path: Path
) -> None:
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.url))
    visitor = Reviewer(context, address, labels(data, tmp_path))
    visitor.ahead(8)
    visitor.counts("0 done · 4 low-confidence left · 12 left")
    before, after, complete = visitor.board.evaluate(PRESS, "a")
    assert before != after, "the next picture is there in the task of the key"
    assert complete
    wait_until(lambda: visitor.decided == [("0000", "Banana")])
    visitor.press("3", "x", "s")
    assert visitor.decided[1:] == [("0001", "Kiwi"), ("0002", "reject"), ("0003", "skip")]
    visitor.counts("3 done · 1 low-confidence left · 9 left")

    visitor.page.keyboard.press("e")
    box = visitor.page.get_by_role("combobox", name="Another label")
    visitor.expect(box).to_be_focused()
    visitor.page.keyboard.type("sax 2 granny-s")
    assert len(visitor.decided) == 4, "keys are text while one types"
    box.fill("")
    visitor.page.keyboard.type("smi")
    options = visitor.page.get_by_role("option")
    visitor.expect(options).to_have_text(["Granny Smith", "New label “smi”"])
    visitor.press("Enter")
    assert visitor.decided[4] == ("0004", "Granny-Smith")
    visitor.expect(box).to_have_value("")
    visitor.expect(visitor.board.get_by_role("status")).to_contain_text(
        "Corrected to Granny Smith. 4 of 12 done. Next: Banana"
    )
    visitor.press("u")
    visitor.expect(visitor.board).to_contain_text("Before: corrected to Granny Smith")
    visitor.counts("3 done · 1 low-confidence left · 9 left")
    visitor.press("Enter")
    assert visitor.decided[-1] == ("0004", "Royal-Gala")

    other = Reviewer(context, address, visitor.job)
    other.ahead(7)
    other.press("a")
    visitor.press("x")
    other.page.keyboard.press("a")
    other.page.close()  # at once
    wait_until(lambda: len(visitor.decided) == 10)
    visitor.page.reload()
    visitor.expect(visitor.frame.locator("img")).to_be_visible()
    left = Review(visitor.job).counts.left
    visitor.counts(f"{12 - left} done · 1 low-confidence left · {left} left")
    visitor.press("Backspace")
    assert visitor.decided[-1] == (visitor.decided[-2][0], "open")
    strangers = [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    assert not strangers, "the page asks nobody but its own server"


def test_the_next_picture_but_one_waits_until_a_decision_is_kept(
    context: Any, address: str, data: Path, tmp_path: Path
) -> None:
    """With a server whose answers are held up on the way."""
    held: list[Any] = []
    gate = {"open": True}

    def connect(socket: Any) -> None:
        server = socket.connect_to_server()

        def to_page(message: Any) -> None:
            if gate["open"]:
                socket.send(message)
            else:
                held.append(lambda: socket.send(message))

        server.on_message(to_page)

    context.route_web_socket("**/_stcore/stream", connect)
    visitor = Reviewer(context, address, labels(data, tmp_path))
    visitor.ahead(8)
    gate["open"] = False
    first, second, _ = visitor.board.evaluate(PRESS, "a")
    same, still, _ = visitor.board.evaluate(PRESS, "x")
    assert (same, still) == (second, second), "decided, and still shown"
    visitor.board.evaluate(PRESS, "x")  # nothing that anybody has seen
    visitor.expect(visitor.board.locator(".saving")).to_be_visible()
    wait_until(lambda: len(visitor.decided) == 2)
    gate["open"] = True
    for send in held:
        send()
    visitor.expect(visitor.frame).not_to_have_attribute("data-of", second)
    visitor.counts("2 done · 2 low-confidence left · 10 left")
    assert [verdict for _, verdict in visitor.decided] == ["Banana", "reject"]
    assert first != second


def test_descriptions_are_edited_in_place_and_become_a_training_set(
    context: Any, address: str, data: Path, tmp_path: Path
) -> None:
    settings = Settings(data_dir=data)
    job = describing_job(tmp_path / "squares", tmp_path / "out", count=3, settings=settings)
    visitor = Reviewer(context, address, job)
    visitor.ahead(2)
    visitor.press("a")
    visitor.page.keyboard.press("e")
    caption = visitor.page.get_by_role("textbox", name="Description")
    visitor.expect(caption).to_be_focused()
    caption.fill("A dark green square")
    visitor.expect(visitor.board.get_by_role("button", name="Save the correction")).to_be_visible()
    visitor.page.keyboard.press("Shift+Enter")
    assert len(visitor.decided) == 1
    visitor.press("Enter")
    visitor.press("x")
    assert visitor.decided[1:] == [("0001", "A dark green square"), ("0002", "reject")]
    visitor.expect(visitor.board).to_contain_text("1 accepted, 1 corrected, 1 rejected")
    visitor.button("Make a training set").click()
    visitor.expect(visitor.page.get_by_test_id("stCode").first).to_contain_text("training.jsonl")
    assert validate(read_dataset(job.path / "training.jsonl")).usable == 2
    visitor.button("Train an adapter with it").click()
    path = visitor.page.get_by_role("textbox", name="Folder or file")
    visitor.expect(path).to_have_value(str(job.path / "training.jsonl"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_screen_reader_finds_names_and_enough_contrast(
    browser: Any, address: str, data: Path, tmp_path: Path, scheme: Any
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, viewport=DESKTOP, locale="en-GB")
    visitor = Reviewer(context, address, labels(data, tmp_path))
    visitor.ahead(8)
    visitor.page.keyboard.press("e")
    visitor.page.keyboard.type("le")
    visitor.expect(visitor.page.get_by_role("option").first).to_be_visible()
    found = Axe().run(visitor.page).response["violations"]
    serious = {
        each["id"]: [node["html"][:300] for node in each["nodes"]]
        for each in found
        if each["impact"] in ("serious", "critical")
    }
    assert not serious
    bar = visitor.page.get_by_role("progressbar", name="Decided")
    visitor.expect(bar).to_have_attribute("aria-valuemax", "12")
    visitor.page.keyboard.press("Escape")
    visitor.page.keyboard.press("Tab")
    reached = []
    for _ in range(12):
        element = "document.activeElement.shadowRoot?.activeElement?.innerText ?? ''"
        reached.append(visitor.page.evaluate(element).split("\n")[0].strip())
        visitor.page.keyboard.press("Tab")
    order = [name for name in reached if name in ("1", "Accept", "Reject", "Skip")]
    assert order == ["1", "Accept", "Reject", "Skip"], reached
    keys = visitor.page.get_by_role("checkbox", name="Keys")
    keys.uncheck()
    visitor.page.keyboard.press("x")
    keys.check()
    assert not visitor.decided, "one who speaks to the browser can switch the keys off"
    context.close()


def test_a_phone_shows_everything_within_its_width_and_takes_swipes(
    browser: Any, address: str, data: Path, tmp_path: Path
) -> None:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True, locale="en-GB")
    visitor = Reviewer(context, address, labels(data, tmp_path))
    visitor.ahead(8)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    wide = visitor.board.evaluate(
        """board => [...board.querySelectorAll('button, .frame, p, input')]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert not wide
    accept = visitor.board.get_by_role("button", name="Accept")
    visitor.expect(accept).to_be_in_viewport()
    accept.tap()
    wait_until(lambda: len(visitor.decided) == 1)
    visitor.counts(None)
    visitor.frame.evaluate(SWIPE, 40)
    visitor.frame.evaluate(SWIPE, -160)
    wait_until(lambda: len(visitor.decided) == 2)
    visitor.counts("2 done · 2 low-confidence left · 10 left")
    visitor.frame.evaluate(SWIPE, 160)
    wait_until(lambda: len(visitor.decided) == 3)
    assert [said for _, said in visitor.decided] == ["Banana", "reject", "Kiwi"]
    context.close()
