"""The widget in Debian's Chromium, on a page of another origin that does its worst."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image

from assistant.settings import Settings
from assistant.store import Store
from tests.chromium import free_port, serve
from tests.scripted_desk import ORIGIN, RETURNS
from tests.scripted_page import HOSTILE

pytestmark = pytest.mark.browser

DESKTOP: Any = {"width": 1200, "height": 800}
PHONE: Any = {"width": 375, "height": 720}
WHERE = "Where does this come from?"

# What pages do to what they did not make.
WORST = """
:not(html, body, head) { all: revert; color: red !important; font-size: 40px !important;
    display: block !important;
    visibility: hidden; opacity: 0.1 !important; transform: rotate(3deg); pointer-events: none;
    animation: none !important; z-index: -1 !important; float: left; letter-spacing: 9px; }
html { font-size: 62.5%; }
div { display: none !important; position: static !important; width: 3px !important; }
.cover { position: fixed !important; inset: 0 !important; z-index: 2147483647 !important;
    display: block !important; width: auto !important; opacity: 0 !important; }
button, textarea { border: 9px solid red !important; }
"""


class Shop(BaseHTTPRequestHandler):
    """A shop's page: `?dir=rtl`, `?style=worst`, and any attribute of the tag."""

    desk = ""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query)
        if self.path == "/worst.css":
            self.tell(WORST, "text/css")
            return
        given = {name: values[0] for name, values in asked.items()}
        direction, worst = given.pop("dir", "ltr"), given.pop("style", "")
        theme = given.pop("page-theme", "")
        tag = " ".join(f'data-{name}="{value}"' for name, value in given.items())
        sheet = '<link rel="stylesheet" href="/worst.css">' if worst else ""
        cover = '<div class="cover"></div>' if worst else ""
        self.tell(
            f'<!doctype html><html lang="en" dir="{direction}" data-theme="{theme}"><head>'
            f'<meta charset="utf-8"><title>Shop</title>'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">{sheet}'
            f'<script src="{self.desk}/widget.js" async {tag}></script></head>'
            f"<body>{cover}<main><h1>Shop</h1><button type=button>Before</button></main>"
            "</body></html>",
            "text/html",
        )

    def tell(self, text: str, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        # The strictest policy that lets the widget in.
        self.send_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src {self.desk}; connect-src {self.desk}; "
            "style-src 'self'; require-trusted-types-for 'script'; base-uri 'none'",
        )
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def shop_of(desk: str, port: int) -> Iterator[str]:
    handler: Any = type("ThisShop", (Shop,), {"desk": desk})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def desk(data: Path) -> Iterator[tuple[str, int]]:
    port, shop = free_port(), free_port()
    command = [sys.executable, "-m", "tests.scripted_widget", str(port)]
    with serve(
        command,
        port,
        path="/healthz",
        SIGHTDESK_DATA_DIR=str(data),
        SIGHTDESK_WIDGET_ORIGINS=f"http://127.0.0.1:{shop}",
        SCRIPTED_DELAY="0.03",
    ) as url:
        yield url, shop


@pytest.fixture(scope="module")
def shop(desk: tuple[str, int]) -> Iterator[str]:
    with shop_of(*desk) as url:
        yield url


class Customer:
    """Somebody at a shop's page: what they do, in their words."""

    def __init__(self, browser: Any, url: str, **how: Any) -> None:
        from playwright.sync_api import expect

        how.setdefault("viewport", DESKTOP)
        how.setdefault("locale", "en-GB")
        self.expect = expect
        self.context = browser.new_context(**how)
        self.page = self.context.new_page()
        self.asked: list[str] = []
        self.trouble: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("console", self._note)
        self.page.goto(url)
        self.bubble = self.page.locator(".bubble-button")
        self.window = self.page.locator(".window")
        self.box = self.page.locator("textarea")
        self.answers = self.page.locator(".turn:has(.question) .said")
        self.expect(self.page.locator("[data-sightdesk]")).to_be_attached()

    def _note(self, message: Any) -> None:
        if message.type == "error" or "Content Security Policy" in message.text:
            self.trouble.append(message.text)

    def open(self) -> None:
        self.bubble.click()
        self.expect(self.window).to_be_visible()

    def attach(self, *paths: Path) -> None:
        self.page.set_input_files("input[type=file]", list(paths))
        self.expect(self.page.locator(".preview")).to_have_count(len(paths))
        self.settle_photos()

    def settle_photos(self) -> None:
        self.expect(self.page.locator(".preview .bar:not([hidden])")).to_have_count(0)

    def ask(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def settle(self) -> None:
        self.expect(self.page.get_by_role("button", name="Send")).to_have_count(1)
        self.expect(self.page.locator("[aria-busy]")).to_have_count(0)

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def complaints(self) -> dict[str, list[str]]:
        """What axe finds, of any weight."""
        from axe_playwright_python.sync_playwright import Axe

        return {
            each["id"]: [str(node["target"]) + node["html"][:200] for node in each["nodes"]]
            for each in Axe().run(self.page).response["violations"]
        }

    def focused(self) -> str:
        """The class or kind of what has the focus inside the widget; empty where nothing has."""
        return str(
            self.page.evaluate(
                """() => { const { activeElement: now } =
                document.querySelector('[data-sightdesk]').shadowRoot;
                return now === null ? "" : now.className || now.localName; }"""
            )
        )

    def leave(self) -> None:
        self.context.close()


def test_a_page_of_another_origin_that_does_its_worst(
    browser: Any, shop: str, desk: tuple[str, int], data: Path, photos: Path
) -> None:
    customer = Customer(browser, f"{shop}/?style=worst&title=Corner+Shop")
    # nobody is asked anything before it is opened
    assert [url for url in customer.asked if url.startswith(f"{desk[0]}/widget/")] == []
    box = customer.bubble.bounding_box()
    assert box["width"] == box["height"] == 60, "the page's style does not reach it"
    customer.open()
    customer.attach(photos / "Granny-Smith.webp")
    customer.ask(WHERE)
    first = customer.answers.nth(0)
    customer.expect(first).to_contain_text(ORIGIN.rstrip("."))
    customer.settle()
    style = first.evaluate(
        "node => [getComputedStyle(node).color, getComputedStyle(node).fontSize]"
    )
    assert style == ["rgb(29, 38, 36)", "15px"]

    # a citation opens, and focus comes back
    chip = customer.page.get_by_role("button", name="1 · Granny Smith")
    chip.click()
    customer.expect(customer.page.locator(".over")).to_contain_text("France")
    customer.expect(customer.page.locator(".picture.coming")).to_have_count(0)
    assert customer.page.locator(".picture").evaluate("node => node.width") > 100
    customer.page.keyboard.press("Escape")
    customer.expect(customer.page.locator(".over")).to_be_hidden()
    assert customer.focused() == "chip"
    customer.page.get_by_role("button", name="Source 2").click()
    customer.expect(customer.page.locator(".over")).to_contain_text("Your photo")
    customer.button("Back to the chat").click()

    # text of ill will is text
    customer.ask("What does the note say?")
    customer.expect(customer.answers.nth(1)).to_contain_text(HOSTILE[:40])
    customer.settle()
    assert customer.answers.nth(1).locator("img, script, b, a").count() == 0

    # stopped, and another question
    customer.ask("Tell me a story")
    customer.expect(customer.answers.nth(2)).to_contain_text("Deliveries come from Monday")
    customer.button("Stop the answer").click()
    customer.expect(customer.page.locator(".note", has_text="Stopped.")).to_be_visible()
    customer.settle()

    # a person
    customer.ask("I want to talk to a human")
    card = customer.page.locator(".ticket")
    customer.expect(card).to_contain_text("A person will answer here")
    customer.settle()
    with Store.open(Settings(data_dir=data)) as store:
        (ticket,) = store.tickets()
        assert ticket.id in card.inner_text()
        customer.button("Close the chat").first.click()
        store.reply(ticket.id, "See https://shop.example/help, or javascript:alert(1)")
    customer.expect(customer.page.locator(".badge")).to_have_text("1")
    customer.expect(customer.bubble).to_have_attribute(
        "aria-label", "Open the chat, new messages: 1"
    )
    customer.open()
    reply = customer.page.locator("[data-by=person]")
    customer.expect(reply).to_contain_text("See https://shop.example/help")
    link = reply.get_by_role("link")
    assert link.count() == 1 and link.get_attribute("href") == "https://shop.example/help"
    assert "noopener" in link.get_attribute("rel")
    customer.expect(card).to_contain_text("A person has answered")

    # a reload goes on, in this tab alone
    customer.page.reload()
    customer.expect(customer.window).to_be_visible()
    customer.expect(customer.answers.nth(0)).to_contain_text(ORIGIN.rstrip("."))
    customer.expect(customer.page.locator(".photo canvas.coming")).to_have_count(0)
    customer.expect(customer.page.locator("[data-by=person]")).to_be_visible()
    customer.expect(customer.page.locator(".ticket")).to_contain_text(ticket.id)
    other = customer.context.new_page()
    other.goto(shop)
    other.locator(".bubble-button").click()
    other.wait_for_timeout(300)
    assert other.locator(".question").count() == 0
    other.close()

    # what a person wrote before the next question is not passed over
    with Store.open(Settings(data_dir=data)) as store:
        customer.page.route("**/widget/v1/thread**", lambda route: route.abort())
        store.reply(ticket.id, "And by the way.")
        customer.ask("Thank you!")
        customer.settle()
        customer.page.unroute("**/widget/v1/thread**")
    customer.expect(customer.page.locator("[data-by=person]").nth(1)).to_contain_text(
        "By the way", ignore_case=True
    )
    order = customer.page.locator(".turn:has(.question)").all_inner_texts()
    assert "by the way" in order[-2] and "Thank you!" in order[-1]
    customer.trouble.clear()

    # a new conversation asks first, since a person would be missed
    customer.button("New conversation").click()
    customer.expect(customer.page.locator(".over")).to_contain_text(ticket.id)
    customer.button("Start anew").click()
    customer.expect(customer.page.locator(".question")).to_have_count(0)

    strangers = [url for url in customer.asked if not url.startswith((shop, desk[0]))]
    assert not strangers and customer.context.cookies() == []
    kept = customer.page.evaluate("[Object.keys(localStorage).length, document.cookie]")
    assert kept == [0, ""]
    assert not customer.trouble
    customer.leave()


def test_a_lost_connection_asks_again_and_is_answered_once(
    browser: Any, shop: str, data: Path
) -> None:
    customer = Customer(browser, shop)
    customer.open()
    calls: list[Any] = []

    def flaky(route: Any) -> None:
        calls.append(route.request.post_data_json)
        if len(calls) == 1:
            answer = route.fetch()  # the desk answers, and the answer is lost
            assert answer.ok
            route.abort()
        elif len(calls) == 2:
            route.fulfill(
                status=429,
                headers={
                    "Retry-After": "2",
                    "Access-Control-Allow-Origin": shop,
                    "Access-Control-Expose-Headers": "Retry-After",
                },
                json={"error": {"code": "too_many", "message": "Later."}},
            )
        else:
            route.continue_()

    customer.page.route("**/widget/v1/messages", flaky)
    customer.ask("How do I return something?")
    customer.expect(customer.page.locator(".doing", has_text="Going on in")).to_be_visible()
    customer.expect(customer.answers).to_have_count(1)
    customer.expect(customer.answers.nth(0)).to_contain_text(RETURNS.rstrip("."))
    customer.settle()
    assert len(calls) == 3 and calls[0] == calls[1] == calls[2]
    token = customer.page.evaluate("Object.entries(sessionStorage)[0][1]")
    assert "eyJ" in token
    with Store.open(Settings(data_dir=data)) as store:
        asked = [
            each
            for thread in store.threads(limit=100)
            for each in store.thread(thread.id).exchanges
            if each.details.get("message") == calls[0]["message_id"]
        ]
        assert len(asked) == 1

    # a full desk says so in the stream
    customer.page.unroute("**/widget/v1/messages")
    busy = 'data: {"type":"error","code":"busy","message":"Full.","retry_after":1}\n\n'

    customer.page.route(
        "**/widget/v1/messages",
        lambda route: route.fulfill(headers={"Access-Control-Allow-Origin": shop}, body=busy),
        times=1,
    )
    customer.ask("How much is delivery?")
    customer.expect(customer.page.locator(".doing", has_text="Going on in 1 s")).to_be_visible()
    customer.settle()
    customer.expect(customer.answers).to_have_count(2)

    # for good: one sentence, and a button
    customer.page.route("**/widget/v1/messages", lambda route: route.fulfill(
        status=500, headers={"Access-Control-Allow-Origin": shop}, body="<html>"
    ))  # fmt: skip
    customer.ask("When are you open?")
    customer.expect(customer.page.locator(".log .note.bad")).to_contain_text("Something went wrong")
    customer.page.unroute("**/widget/v1/messages")
    customer.button("Try again").click()
    customer.settle()
    customer.expect(customer.page.locator(".log .note.bad")).to_have_count(0)
    customer.expect(customer.answers).to_have_count(3)
    customer.leave()


def test_an_answer_goes_on_over_a_change_of_page(browser: Any, shop: str) -> None:
    customer = Customer(browser, shop)
    customer.open()
    customer.ask("Tell me a story")
    customer.expect(customer.answers.nth(0)).to_contain_text("Deliveries come from Monday")
    customer.page.goto(f"{shop}/?title=Another+page")
    customer.expect(customer.answers).to_have_count(1)
    customer.expect(customer.answers.nth(0)).to_contain_text("Deliveries come from Monday")
    customer.button("Stop the answer").click()
    customer.expect(customer.page.locator(".note", has_text="Stopped.")).to_be_visible()
    customer.leave()


def test_photos_come_by_drop_and_paste_and_are_made_small(
    browser: Any, shop: str, data: Path, photos: Path, tmp_path: Path
) -> None:
    customer = Customer(browser, shop)
    customer.open()
    huge = tmp_path / "huge.jpg"
    turned = Image.effect_noise((4_000, 2_600), 60).convert("RGB")
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned.save(huge, "JPEG", quality=95, exif=exif)
    assert huge.stat().st_size > 3_000_000
    customer.attach(huge)
    size = customer.page.locator(".preview canvas").evaluate("node => [node.width, node.height]")
    assert size[1] > size[0], "it stands upright"
    deliver = """([kind, names]) => {
        const root = document.querySelector('[data-sightdesk]').shadowRoot;
        const bring = new DataTransfer();
        for (const name of names) {
            bring.items.add(new File([window.png], name, {type: 'image/png'}));
        }
        const target = root.querySelector(kind === 'paste' ? 'textarea' : '.window');
        const event = kind === 'paste'
            ? new ClipboardEvent('paste', {clipboardData: bring, bubbles: true, cancelable: true})
            : new DragEvent('drop', {dataTransfer: bring, bubbles: true, cancelable: true});
        target.dispatchEvent(event);
    }"""
    customer.page.evaluate(
        """async () => { const canvas = new OffscreenCanvas(60, 40);
        canvas.getContext('2d').fillRect(0, 0, 30, 30);
        window.png = await canvas.convertToBlob(); }"""
    )
    customer.page.evaluate(deliver, ["drop", ["dropped.png"]])
    customer.page.evaluate(deliver, ["paste", ["pasted.png"]])
    customer.expect(customer.page.locator(".preview")).to_have_count(3)
    customer.settle_photos()
    customer.button("Remove pasted.png").click()
    customer.expect(customer.page.locator(".preview")).to_have_count(2)

    # what is none, and too many
    bad = tmp_path / "notes.txt"
    bad.write_text("no picture")
    lie = tmp_path / "lie.png"
    lie.write_text("no picture either")
    alert = customer.page.get_by_role("alert")
    customer.page.set_input_files("input[type=file]", [bad])
    customer.expect(alert).to_contain_text("notes.txt is no picture")
    customer.page.set_input_files("input[type=file]", [lie])
    customer.expect(alert).to_contain_text("lie.png is no picture")
    customer.expect(customer.page.locator(".preview")).to_have_count(2)
    customer.page.set_input_files("input[type=file]", [photos / "Banana.webp"] * 7)
    customer.expect(alert).to_contain_text("Only 8 photos")
    customer.expect(customer.page.locator(".preview")).to_have_count(8)
    for _ in range(6):
        customer.button("Remove Banana.webp").first.click()
    customer.ask("What do you see?")
    customer.expect(customer.answers.nth(0)).to_contain_text("A green apple lies")
    customer.settle()
    assert customer.page.locator(".question .photo").count() == 2
    with Store.open(Settings(data_dir=data)) as store:
        asked = [
            each
            for thread in store.threads(limit=100)
            for each in store.thread(thread.id).exchanges
            if "huge.jpg" in each.names
        ]
        info = store.image_info(asked[0].images[0])
        assert (info.height, info.width) == (2_048, 1_331)
    customer.leave()


def test_keys_alone(browser: Any, shop: str) -> None:
    customer = Customer(browser, f"{shop}/?suggestions=How+do+I+return+something%3F")
    keys = customer.page.keyboard
    customer.page.evaluate(
        "document.addEventListener('keydown', event => { window.heard = event.key; })"
    )
    customer.button("Before").focus()
    keys.press("Tab")
    assert customer.focused() == "bubble-button"
    keys.press("Enter")
    customer.expect(customer.box).to_be_focused()
    keys.press("x")
    assert customer.page.evaluate("window.heard") != "x", "shortcuts of the page stay out"
    keys.press("Backspace")
    keys.press("Shift+Enter")
    keys.press("Escape")
    customer.expect(customer.window).to_be_hidden()
    assert customer.focused() == "bubble-button"
    keys.press("Enter")
    for _ in range(8):
        if customer.focused() == "hint":
            break
        keys.press("Shift+Tab")
    keys.press("Enter")
    customer.expect(customer.answers.nth(0)).to_contain_text(RETURNS.rstrip("."))
    customer.settle()
    # no trap on a large screen: Tab leads out of it
    customer.box.focus()
    seen = set()
    for _ in range(30):
        keys.press("Tab")
        seen.add(customer.focused())
    assert "" in seen and {"mark", "chip", "small", "log", "bubble-button"} <= seen
    # a half-written word of an input method is not sent
    customer.box.fill("nihao")
    customer.box.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "keyCode": 229})
    customer.expect(customer.box).to_have_value("nihao")
    customer.leave()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, shop: str, photos: Path, scheme: Any) -> None:
    customer = Customer(
        browser, f"{shop}/?suggestions=When+are+you+open%3F", color_scheme=scheme,
        reduced_motion="reduce",
    )  # fmt: skip
    assert not customer.complaints()
    customer.open()
    assert not customer.complaints()
    customer.attach(photos / "Granny-Smith.webp")
    assert not customer.complaints()
    customer.ask(WHERE)
    customer.settle()
    customer.ask("Who owns the moon?")
    customer.expect(customer.button("Ask for a person")).to_be_visible()
    customer.settle()
    assert not customer.complaints()
    customer.page.get_by_role("button", name="1 · Granny Smith").click()
    assert not customer.complaints()
    customer.page.keyboard.press("Escape")
    customer.button("Ask for a person").click()
    customer.expect(customer.page.locator(".ticket")).to_be_visible()
    customer.settle()
    assert not customer.complaints()
    moving = customer.page.locator(".turn").first.evaluate(
        "node => getComputedStyle(node).animationName"
    )
    assert moving == "none"
    customer.leave()


@pytest.mark.parametrize("color", ["%23ffe04a", "%23222", "hotpink", "%23777777", "rgb(0,120,255)"])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_any_colour_stays_readable(browser: Any, shop: str, color: str, theme: str) -> None:
    customer = Customer(browser, f"{shop}/?color={color}&theme={theme}&open=true&suggestions=Hello")
    customer.expect(customer.window).to_be_visible()
    customer.ask("How do I return something?")
    customer.expect(customer.page.locator(".chip")).to_be_visible()
    customer.settle()
    assert not customer.complaints()
    customer.leave()


def test_a_phone(browser: Any, shop: str, photos: Path) -> None:
    customer = Customer(browser, shop, viewport=PHONE, has_touch=True, is_mobile=True)
    customer.bubble.tap()
    customer.expect(customer.window).to_have_attribute("aria-modal", "true")
    box = customer.window.bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 375, 720)
    assert customer.focused() == "window", "no keyboard comes up by itself"
    customer.attach(photos / "Granny-Smith.webp")
    customer.ask(WHERE)
    customer.expect(customer.answers.nth(0)).to_contain_text(ORIGIN.rstrip("."))
    customer.settle()
    assert not customer.complaints()
    wide = customer.page.evaluate(
        """() => [...document.querySelector('[data-sightdesk]').shadowRoot
            .querySelectorAll('button, canvas, p, .said, textarea')]
            .filter(each => each.getBoundingClientRect().right > innerWidth + 1)
            .map(each => each.outerHTML.slice(0, 200))"""
    )
    assert not wide
    # the focus stays inside
    customer.box.focus()
    for _ in range(25):
        customer.page.keyboard.press("Tab")
        assert customer.focused() != ""
    customer.page.keyboard.press("Escape")
    customer.expect(customer.bubble).to_be_visible()
    customer.leave()


def test_twice_as_large(browser: Any, shop: str) -> None:
    customer = Customer(browser, shop, viewport={"width": 640, "height": 400})  # 1280 at 200 %
    customer.open()
    customer.ask("How do I return something?")
    customer.settle()
    box = customer.window.bounding_box()
    assert box["height"] == 400 and customer.box.bounding_box()["y"] < 400
    assert customer.page.locator(".log").bounding_box()["height"] > 150
    customer.leave()


def test_right_to_left_themes_and_chinese(browser: Any, shop: str) -> None:
    customer = Customer(browser, f"{shop}/?dir=rtl", locale="zh-CN")
    assert customer.bubble.bounding_box()["x"] < 100
    customer.expect(customer.bubble).to_have_attribute("aria-label", "打开聊天")
    customer.open()
    assert customer.window.get_attribute("lang") == "zh-CN"
    assert (
        customer.page.locator(".said").first.evaluate("node => getComputedStyle(node).direction")
        == "ltr"
    )
    customer.expect(customer.box).to_have_attribute("placeholder", "请提问，也可以添加照片")
    assert not customer.complaints()
    customer.leave()
    customer = Customer(browser, f"{shop}/?lang=en&position=left&page-theme=dark", locale="zh-CN")
    customer.expect(customer.bubble).to_have_attribute("aria-label", "Open the chat")
    paper = "getComputedStyle(node).getPropertyValue('--paper').trim()"
    assert customer.page.locator(".top").evaluate(f"node => {paper}") == "#171d1c"
    customer.page.evaluate("document.documentElement.dataset.theme = 'light'")
    customer.expect(customer.page.locator(".top")).to_have_attribute("data-theme", "light")
    customer.leave()


def test_a_site_that_may_not_is_told_in_one_sentence(browser: Any, desk: tuple[str, int]) -> None:
    with shop_of(desk[0], free_port()) as url:
        customer = Customer(browser, url)
        customer.open()
        customer.ask("How do I return something?")
        customer.expect(customer.page.locator(".log .note.bad")).to_contain_text(
            "cannot be reached"
        )
        customer.leave()


def test_the_demo_page(browser: Any, desk: tuple[str, int]) -> None:
    customer = Customer(browser, f"{desk[0]}/widget/demo")
    customer.expect(customer.page.get_by_role("heading", name="Fresh today")).to_be_visible()
    assert not customer.complaints()
    customer.open()
    customer.button("How do I return something?").click()
    customer.expect(customer.answers.nth(0)).to_contain_text(RETURNS.rstrip("."))
    customer.button("Copy").click()
    customer.expect(customer.button("Copied")).to_be_visible()
    customer.page.evaluate("sightdesk.close()")
    customer.expect(customer.window).to_be_hidden()
    customer.page.evaluate("sightdesk.ask('When are you open?')")
    customer.expect(customer.answers).to_have_count(2)
    customer.settle()
    assert not customer.trouble
    customer.leave()
