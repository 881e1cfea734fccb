"""The widget's side of the server: origins, tokens, isolation, answers that go on, bad input."""

from __future__ import annotations

import gzip
import json
import re
import stat
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import jwt
import pytest
from fastapi import Request
from fastapi.testclient import TestClient
from PIL import Image

from assistant.api.app import create_app
from assistant.api.errors import ApiError
from assistant.api.service import Service
from assistant.api.widget import answers
from assistant.api.widget.bodies import read_picture
from assistant.api.widget.origins import Origins
from assistant.api.widget.rates import Pace, Rates, network
from assistant.api.widget.tokens import BadTokenError, Tokens, kept_secret
from assistant.errors import BusyError, InputError, StoreError, WeightsError
from assistant.settings import Settings, get_settings
from assistant.store import Exchange, Store
from assistant.widget import FOLDER, PARTS, script
from tests.scripted_desk import LONG, NOTE, ORIGIN, RETURNS, Counter
from tests.scripted_widget import scripted_service

SHOP = "https://shop.example"
OTHER = "https://acme.example"
HOST = "testserver"
MOST = 400_000
"""Bytes of a photo in these tests."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, Service, Counter]]:
    folder = tmp_path_factory.mktemp("desk")
    settings = Settings(
        data_dir=folder, widget_origins=(SHOP, f"{OTHER}=acme"), max_image_bytes=MOST,
        max_body_bytes=2 * MOST, audit="off",
    )  # fmt: skip
    with (
        scripted_service(settings) as (service, counter),
        TestClient(create_app(service)) as client,
    ):
        yield client, service, counter


@pytest.fixture(autouse=True)
def patience(desk: tuple[TestClient, Service, Counter]) -> None:
    widget = desk[0].app.state.widget  # type: ignore[attr-defined]
    widget.rates = Rates()
    desk[2].delay, desk[2].failing = 0.0, False


class Visit:
    """A tab with the script in it, as the server sees it."""

    def __init__(self, client: TestClient, origin: str = SHOP, token: str | None = None) -> None:
        self.client, self.origin = client, origin
        self.session = self.renew(token)
        self.thread = "a" * 16
        self.asked = 0

    def renew(self, token: str | None) -> dict[str, Any]:
        body = {"token": token} if token else {}
        answer = self.client.post("/widget/v1/session", json=body, headers={"Origin": self.origin})
        assert answer.status_code == 200, answer.text
        self.token = answer.json()["token"]
        return dict(answer.json())

    @property
    def headers(self) -> dict[str, str]:
        return {"Origin": self.origin, "Authorization": f"Bearer {self.token}"}

    def post(self, path: str, **how: Any) -> Any:
        how["headers"] = self.headers | how.get("headers", {})
        return self.client.post(f"/widget/v1/{path}", **how)

    def get(self, path: str, **how: Any) -> Any:
        return self.client.get(f"/widget/v1/{path}", headers=self.headers, **how)

    def question(self, text: str, *images: str, id: str | None = None) -> dict[str, Any]:
        self.asked += 1
        return {
            "thread": self.thread,
            "message_id": id or f"{self.asked:032x}",
            "text": text,
            "images": list(images),
        }

    def ask(self, text: str, *images: str, id: str | None = None) -> list[dict[str, Any]]:
        answer = self.post("messages", json=self.question(text, *images, id=id))
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        return events(answer.text)

    def said(self, text: str, *images: str, id: str | None = None) -> dict[str, Any]:
        last = self.ask(text, *images, id=id)[-1]
        assert last["type"] == "done", last
        return dict(last)

    def upload(self, data: bytes, name: str = "apple.png") -> str:
        answer = self.post(f"images?name={name}", content=data)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    def messages(self, after: int = -1) -> dict[str, Any]:
        answer = self.get("thread", params={"thread": self.thread, "after": after})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def events(text: str) -> list[dict[str, Any]]:
    lines = [line for line in text.split("\n\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def picture(colour: str = "green", size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    written = BytesIO()
    Image.new("RGB", size, colour).save(written, kind)
    return written.getvalue()


@pytest.fixture
def visit(desk: tuple[TestClient, Service, Counter], request: pytest.FixtureRequest) -> Visit:
    return Visit(desk[0])


# --- the script


def test_the_script_is_small_and_does_what_strict_policies_allow() -> None:
    text = script().decode()
    assert len(gzip.compress(script(), 9)) <= 60_000
    # Markup made of text, code made of text, what is kept longer than a tab, other servers.
    for word in ("innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(",
                 "new Function", "document.cookie", "localStorage", "indexedDB", "importScripts",
                 "sendBeacon", "WebSocket"):  # fmt: skip
        assert word not in text, word
    strangers = set(re.findall(r"https?://[\w.]+", text)) - {"http://www.w3.org"}
    assert not strangers


def test_every_word_is_in_both_languages_and_used() -> None:
    text = (FOLDER / "words.js").read_text(encoding="utf-8")
    english, chinese = text.split("  zh: {")
    found = [dict(re.findall(r'^    (\w+): "(.*)",$', part, re.M)) for part in (english, chinese)]
    assert found[0].keys() == found[1].keys() and len(found[0]) > 60
    code = "".join((FOLDER / name).read_text(encoding="utf-8") for name in PARTS[1:])
    for key, words in found[0].items():
        fields = set(re.findall(r"\{(\w+)\}", words))
        assert fields == set(re.findall(r"\{(\w+)\}", found[1][key])), key
        assert f'"{key}"' in code, f"{key} is not used"


def test_the_script_is_served_to_all_and_asked_for_once(desk: Any) -> None:
    client = desk[0]
    answer = client.get("/widget.js", headers={"Accept-Encoding": "gzip"})
    assert answer.content == script()  # unpacked by the client
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert "max-age" in answer.headers["cache-control"]
    assert "set-cookie" not in answer.headers
    again = client.get("/widget.js", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304 and again.content == b""
    plain = client.get("/widget.js", headers={"Accept-Encoding": "identity"})
    assert plain.content == script() and "content-encoding" not in plain.headers


def test_the_demo_page_holds_itself_to_a_strict_policy(desk: Any) -> None:
    client = desk[0]
    page = client.get("/widget/demo", params={"lang": "zh", "theme": "dark"})
    assert page.status_code == 200 and 'data-lang="zh"' in page.text and "{{" not in page.text
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|\sstyle=", page.text)
    for name in re.findall(r'(?:src|href)="(demo/[^"]+)"', page.text):
        assert client.get(f"/widget/{name}").status_code == 200, name
    odd = client.get("/widget/demo", params={"lang": '"><script>', "theme": "<b>"})
    assert "<b>" not in odd.text and '"><script>' not in odd.text
    hostile = client.get("/widget/demo", headers={"Host": 'x"><script>alert(1)</script>'})
    assert "alert(1)" not in hostile.text
    for name in ("../__init__.py", "shop.html", "LICENSE", "%2e%2e%2fwidget.js", "nothing.css"):
        assert client.get(f"/widget/demo/{name}").status_code == 404


# --- origins


@pytest.mark.parametrize(
    ("origin", "tenant"),
    [
        (SHOP, ""),
        (f"{SHOP}:443", ""),
        ("HTTPS://SHOP.EXAMPLE", ""),
        (OTHER, "acme"),
        (f"http://{HOST}", ""),
        (f"https://{HOST}:443", ""),
    ],
)
def test_origins_that_may(origin: str, tenant: str) -> None:
    host = f"{HOST}:443" if origin.endswith(":443") else HOST
    assert Origins((SHOP, f"{OTHER}=acme")).tenant(origin, host) == tenant


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "null",
        "http://shop.example",
        "https://shop.example.evil.example",
        "https://evil.example",
        "https://xshop.example",
        "https://www.shop.example",
        "https://shop.example:8443",
        "https://shop.example@evil.example",
        "https://evil.example/https://shop.example",
        "file://",
        "https://[::1",
        "https://shop.example:99999",
        f"http://{HOST}:81",
        "chrome-extension://abc",
    ],
)
def test_origins_that_may_not(origin: str, desk: Any) -> None:
    assert Origins((SHOP,)).tenant(origin, HOST) is None
    headers = {"Origin": origin} if origin else {}
    answer = desk[0].post("/widget/v1/session", headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("name", "allowed"),
    [("localhost", True), ("127.0.0.1", True), ("[::1]", True), ("mylaptop", True),
     ("evil.example", False), ("192.0.2.7", False)],
)  # fmt: skip
def test_a_name_that_was_made_to_lead_here_is_no_page_of_ours(name: str, allowed: bool) -> None:
    origins = Origins(("https://shop.example",))
    tenant = origins.tenant(f"http://{name}:8000", f"{name}:8000", "127.0.0.1")
    assert tenant == ("" if allowed else None)
    assert origins.tenant(f"http://{name}:8000", f"{name}:8000", "192.0.2.1") == ""
    # a proxy on the same machine: such a site is named in the settings
    assert origins.tenant("https://shop.example", "shop.example", "127.0.0.1") == ""


def test_a_browser_is_told_which_origin_may_read(desk: Any, visit: Visit) -> None:
    client = desk[0]
    asks = {"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    told = client.options("/widget/v1/messages", headers=asks)
    assert told.status_code == 204
    assert told.headers["access-control-allow-origin"] == SHOP
    assert "authorization" in told.headers["access-control-allow-headers"].lower()
    assert "origin" in told.headers["vary"].lower()
    assert "access-control-allow-credentials" not in told.headers
    refused = client.options(
        "/widget/v1/messages", headers=asks | {"Origin": "https://evil.example"}
    )
    assert refused.status_code == 403 and "access-control-allow-origin" not in refused.headers
    # refusals of every kind can be read by the page that may ask
    for answer in (
        visit.post("messages", content=b"{"),
        visit.get("nothing"),
        visit.post("images", content=b""),
        client.post("/widget/v1/messages", headers={"Origin": SHOP}),
    ):
        assert answer.status_code >= 400
        assert answer.headers["access-control-allow-origin"] == SHOP
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize(
    "given", ["shop.example", "ftp://shop.example", "https://shop.example/path", "*", "https://*/"]
)
def test_origins_that_are_none_are_no_setting(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("SIGHTDESK_WIDGET_ORIGINS", given)
    get_settings.cache_clear()
    with pytest.raises(InputError, match="SIGHTDESK_WIDGET_ORIGINS"):
        get_settings()


# --- tokens


def test_a_token_is_short_lived_and_renewed(desk: Any, visit: Visit) -> None:
    tokens: Tokens = desk[0].app.state.widget.tokens
    me = tokens.read(visit.token)
    assert visit.session["expires_in"] <= 3600 and me.origin == SHOP
    renewed = visit.renew(visit.token)
    assert renewed["renewed"] and tokens.read(visit.token).id == me.id
    late = tokens.issue(me, lives_s=-60)
    with pytest.raises(BadTokenError) as caught:
        tokens.read(late)
    assert caught.value.expired
    assert visit.renew(late)["renewed"], "a tab that slept goes on"
    too_late = tokens.issue(me, lives_s=-13 * 3600)
    assert not visit.renew(too_late)["renewed"]
    assert tokens.read(visit.token).id != me.id
    old = tokens.issue(type(me)(me.id, me.tenant, me.origin, me.born - 8 * 86_400))
    assert not visit.renew(old)["renewed"]


def forged(token: str) -> list[tuple[str, str]]:
    head, body, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False})
    other = claims | {"sub": "f" * 16}
    return [
        ("none", ""),
        ("rubbish", "rubbish"),
        ("no signature", f"{head}.{body}."),
        ("another's signature", jwt.encode(other, "x" * 32, algorithm="HS256")),
        ("algorithm none", jwt.encode(other, "", algorithm="none")),
        ("another body", f"{head}.{jwt.encode(other, 'x' * 32).split('.')[1]}.{signature}"),
        ("endless", "a" * 30_000),
        ("two", f"{token} {token}"),
    ]


def test_forged_tokens_open_nothing(desk: Any, visit: Visit) -> None:
    client = desk[0]
    for name, token in forged(visit.token):
        given = {"Origin": SHOP, "Authorization": f"Bearer {token}"}
        answer = client.get("/widget/v1/thread", params={"thread": "a" * 16}, headers=given)
        assert answer.status_code == 401, name
        assert answer.json()["error"]["code"] == "invalid_token"
    me = client.app.state.widget.tokens.read(visit.token)
    ended = client.app.state.widget.tokens.issue(me, lives_s=-1)
    answer = client.get(
        "/widget/v1/thread",
        params={"thread": "a" * 16},
        headers={"Origin": SHOP, "Authorization": f"Bearer {ended}"},
    )
    assert answer.status_code == 401 and answer.json()["error"]["code"] == "token_expired"


def test_a_token_counts_at_its_origin_alone(desk: Any, visit: Visit) -> None:
    stolen = {"Origin": OTHER, "Authorization": f"Bearer {visit.token}"}
    answer = desk[0].get("/widget/v1/thread", params={"thread": "a" * 16}, headers=stolen)
    assert answer.status_code == 401
    elsewhere = Visit(desk[0], OTHER, visit.token)
    assert not elsewhere.session["renewed"]


def test_the_secret_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    found: list[bytes] = []
    makers = [
        threading.Thread(target=lambda: found.append(kept_secret(tmp_path / "d"))) for _ in range(8)
    ]
    for maker in makers:
        maker.start()
    for maker in makers:
        maker.join()
    assert len(set(found)) == 1 and len(found) == 8
    path = tmp_path / "d" / "widget.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["widget.key"]
    path.write_bytes(b"short")
    with pytest.raises(StoreError, match="damaged"):
        kept_secret(path.parent)
    given = Settings(data_dir=tmp_path / "other", widget_secret="s" * 32)  # type: ignore[arg-type]
    Tokens.open(given)
    assert not (tmp_path / "other").exists()


# --- a conversation


def test_a_photo_is_asked_about_and_the_answer_is_cited(visit: Visit) -> None:
    photo = visit.upload(picture())
    told = visit.ask("Where does this come from?", photo)
    kinds = [each["type"] for each in told]
    assert kinds[0] == "started" and kinds[-1] == "done" and "sentence" in kinds
    assert [e["name"] for e in told if e["type"] == "tool"] == ["label_image", "search_knowledge"]
    sentence = next(each for each in told if each["type"] == "sentence")
    message = told[-1]["message"]
    assert ORIGIN.rstrip(".") in message["answer"] and message["outcome"] == "answered"
    assert sentence["citations"] and message["citations"][0]["title"]
    assert told[-1]["ticket"] is None
    for citation in message["citations"]:
        if citation["image"]:
            shown = visit.get(f"images/{citation['image']}", params={"size": "thumb"})
            assert shown.status_code == 200 and shown.headers["content-type"] == "image/webp"
    assert any(citation["image"] for citation in message["citations"])
    # nothing of the inside: names of files, arguments and results of tools
    text = json.dumps(told)
    assert "products.jsonl" not in text and "confidence" not in text.replace(
        json.dumps(message["citations"]), ""
    ).replace(json.dumps(sentence["citations"]), "")


def test_a_reload_finds_the_conversation_again(visit: Visit) -> None:
    photo = visit.upload(picture("red"))
    visit.said("What do you see?", photo)
    visit.said("How do I return something?")
    found = visit.messages()
    assert [each["text"] for each in found["messages"]] == [
        "What do you see?", "How do I return something?",
    ]  # fmt: skip
    assert RETURNS.rstrip(".") in found["messages"][1]["answer"]
    (image,) = found["messages"][0]["images"]
    assert visit.get(f"images/{image['id']}").status_code == 200
    assert [each["position"] for each in visit.messages(after=0)["messages"]] == [1]
    visit.thread = "b" * 16
    assert visit.messages() == {"messages": [], "ticket": None}


def test_a_question_that_is_sent_again_is_asked_once(desk: Any, visit: Visit) -> None:
    counter = desk[2]
    first = visit.said("How do I return something?", id="c" * 32)
    before = len(counter.model.asked)
    second = visit.said("How do I return something?", id="c" * 32)
    assert second["message"] == first["message"]
    assert len(counter.model.asked) == before
    assert len(visit.messages()["messages"]) == 1


def test_readers_who_come_later_are_told_all(desk: Any, visit: Visit) -> None:
    counter = desk[2]
    counter.delay = 0.05
    told: list[list[dict[str, Any]]] = []
    body = visit.question("How do I return something?")

    def read() -> None:
        told.append(events(visit.post("messages", json=body).text))

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
        time.sleep(0.1)
    for reader in readers:
        reader.join()
    assert len(told) == 3 and all(each[-1] == told[0][-1] for each in told)
    assert len(visit.messages()["messages"]) == 1


def test_a_stopped_answer_keeps_what_was_said_and_can_be_asked_anew(
    desk: Any, visit: Visit
) -> None:
    counter = desk[2]
    counter.delay = 0.02
    body = visit.question("Tell me a story")
    told: list[dict[str, Any]] = []
    reader = threading.Thread(
        target=lambda: told.extend(events(visit.post("messages", json=body).text))
    )
    reader.start()
    stop = {"thread": visit.thread, "message_id": body["message_id"]}
    wait(lambda: any(each["answer"] for each in visit.messages()["messages"]))
    another = visit.post("messages", json=visit.question("And another"))
    assert another.status_code == 409 and another.json()["error"]["code"] == "still_answering"
    assert visit.post("stop", json=stop).json() == {"stopped": True}
    reader.join(5)
    assert not reader.is_alive()
    assert told[-1]["message"]["state"] == "stopped" and LONG[:20] in told[-1]["message"]["answer"]
    assert visit.post("stop", json=stop).json() == {"stopped": False}
    counter.delay = 0.0
    photo = visit.upload(picture("blue"))
    counter.failing = True
    failed = visit.said("What do you see?", photo, id="e" * 32)["message"]
    assert failed["failed"]
    counter.failing = False
    again = visit.said("What do you see?", photo, id="e" * 32)["message"]
    assert not again["failed"] and "green apple" in again["answer"]
    assert len(again["images"]) == 1
    assert [each["text"] for each in visit.messages()["messages"]][1:] == ["What do you see?"]


def test_an_answer_that_nobody_reads_ends(
    desk: Any, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "ALONE_S", 0.2)
    desk[2].delay = 0.02
    widget = desk[0].app.state.widget
    me = widget.tokens.read(visit.token)
    widget.answers.ask(me, visit.thread, "d" * 32, "Tell me a story", [], widget.threads(me))
    wait(lambda: visit.messages()["messages"][0]["state"] == "stopped")
    wait(lambda: widget.service.running == 0)


def test_an_answer_of_another_process_is_waited_for(desk: Any, visit: Visit) -> None:
    client, service, counter = desk
    counter.delay = 0.03
    widget = client.app.state.widget
    me = widget.tokens.read(visit.token)
    threads = widget.threads(me)
    id = "9" * 32
    answers.Answers(service).ask(me, visit.thread, id, "How do I return something?", [], threads)
    here = widget.answers.ask(me, visit.thread, id, "How do I return something?", [], threads)
    assert isinstance(here, Exchange) and here.state == "streaming"
    last = visit.said("How do I return something?", id=id)["message"]
    assert last["state"] == "done" and RETURNS.rstrip(".") in last["answer"]
    assert len(visit.messages()["messages"]) == 1


def test_a_thread_is_made_once_under_an_id_of_ones_own(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with Store.open(settings) as one, Store.open(settings) as other:
        makers = [
            threading.Thread(target=store.ensure_thread, args=("a" * 32,), kwargs={"tenant": "x"})
            for store in (one, other, one, other)
        ]
        for maker in makers:
            maker.start()
        for maker in makers:
            maker.join()
        assert [thread.id for thread in one.threads(tenant="x")] == ["a" * 32]
        assert one.threads() == []
        with pytest.raises(StoreError):
            one.ensure_thread("../secret")


def test_a_person_answers_in_the_same_conversation(desk: Any, visit: Visit) -> None:
    service = desk[1]
    told = visit.ask("I want to talk to a human")
    ticket = told[-1]["ticket"]
    assert {"type": "handed_over", "ticket": ticket["id"]} in told
    assert ticket["state"] == "open" and ticket["waiting"]
    service.store.reply(ticket["id"], "Here I am.")
    found = visit.messages(after=told[-1]["message"]["position"])
    (reply,) = found["messages"]
    assert reply["by"] == "person" and reply["answer"] == "Here I am." and reply["text"] == ""
    assert not found["ticket"]["waiting"]
    after = visit.said("Thank you!")
    assert ticket["id"] in after["message"]["answer"]
    service.store.close_ticket(ticket["id"])
    assert visit.messages()["ticket"]["state"] == "closed"
    service.store.delete_ticket(ticket["id"])
    assert visit.messages()["ticket"] is None


def test_a_full_server_says_when_and_forgets_the_question(
    desk: Any, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = desk[1].agent("")

    def busy(*_: Any, **__: Any) -> Iterator[Any]:
        raise BusyError("The server is busy.", 3.2)
        yield

    with monkeypatch.context() as patch:
        patch.setattr(agent, "ask", busy)
        last = visit.ask("How do I return something?", id="f" * 32)[-1]
        assert (last["type"], last["code"], last["retry_after"]) == ("error", "busy", 4)
        assert visit.messages()["messages"] == []
    assert visit.said("How do I return something?", id="f" * 32)["message"]["answer"]

    monkeypatch.setattr(desk[1], "_running", desk[1].seats)
    full = visit.post("messages", json=visit.question("And then?"))
    assert full.status_code == 429 and int(full.headers["retry-after"]) >= 1


def test_what_goes_wrong_inside_is_one_sentence(
    desk: Any, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "the secret /place/of/it"
    troubles: list[Exception] = [ZeroDivisionError(secret), StoreError(secret)]
    troubles.append(WeightsError(secret))

    def broken(*_: Any, **__: Any) -> Iterator[Any]:
        raise troubles.pop()
        yield

    with monkeypatch.context() as patch:
        patch.setattr(desk[1].agent(""), "ask", broken)
        while troubles:
            told = visit.ask("How do I return something?")
            assert told[-1]["message"]["state"] == "failed" and "secret" not in json.dumps(told)

    def unreadable(*_: Any, **__: Any) -> Any:
        raise StoreError(secret)

    monkeypatch.setattr(desk[1].store, "thread", unreadable)
    monkeypatch.setattr(desk[1].store, "threads", unreadable)
    for answer in (
        visit.get("thread", params={"thread": visit.thread}),
        visit.post("messages", json=visit.question("And now?")),
    ):
        assert answer.status_code == 503 and "secret" not in answer.text
        assert answer.json()["error"]["code"] == "unavailable"


def test_text_of_ill_will_stays_text(visit: Visit) -> None:
    message = visit.said("What does the note say?")["message"]
    assert NOTE[:60] in message["answer"]
    evil = "<img src=x onerror=alert(1)>\u202e\0'; DROP TABLE threads;--"
    found = visit.said(evil)
    assert found["message"]["text"].startswith("<img src=x onerror=alert(1)>")
    assert visit.messages()["messages"][-1]["text"] == found["message"]["text"]


# --- isolation


def test_nothing_of_another_visitor_is_reachable(desk: Any, visit: Visit) -> None:
    client, service, _ = desk
    photo = visit.upload(picture("purple"))
    visit.said("What do you see?", photo)
    ticket = visit.said("I want to talk to a human")["ticket"]["id"]
    stranger = Visit(client)
    stranger.thread = visit.thread
    assert stranger.messages() == {"messages": [], "ticket": None}
    assert stranger.get(f"images/{photo}").status_code == 404
    assert stranger.get(f"images/{photo.partition('.')[0]}").status_code == 404
    refused = stranger.post("messages", json=stranger.question("What do you see?", photo))
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "image_not_found"
    bare = stranger.post("messages", json=stranger.question("And?", photo.partition(".")[0]))
    assert bare.status_code == 404
    mine = client.app.state.widget.tokens.read(visit.token)
    for thread in (mine.thread_id(visit.thread), f"../{mine.id}", "A" * 16, "%00"):
        assert stranger.get("thread", params={"thread": thread}).status_code == 400
    stop = {"thread": visit.thread, "message_id": "1".rjust(32, "0")}
    assert stranger.post("stop", json=stop).json() == {"stopped": False}
    stranger.said(f"What is ticket {ticket}?")
    # the operator sees both, under ids that nobody chose for another
    ids = [thread.id for thread in service.store.threads(limit=200)]
    assert mine.thread_id(visit.thread) in ids and len({id[:16] for id in ids}) > 1


def test_another_tenants_desk_is_another_desk(desk: Any) -> None:
    client, service, _ = desk
    visit = Visit(client, OTHER)
    photo = visit.upload(picture("orange"))
    assert visit.said("What do you see?", photo)["message"]["images"]
    assert len(service.store.threads(tenant="acme")) == 1
    here = Visit(client)
    here.thread = visit.thread
    assert here.messages()["messages"] == []
    id = photo.partition(".")[0]
    with pytest.raises(StoreError):
        service.store.image_info(id, tenant="")


# --- bad input


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe{}", b'{"thread": 1}', b"[" * 5_000,
        b'{"thread":"' + b"a" * 16 + b'"}',
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "text": 3}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "text": ""}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "text": " \n "}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "text": "x", "more": 1}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b\n" * 16, "text": "x"}).encode(),
        json.dumps({"thread": "A" * 16, "message_id": "b" * 32, "text": "x"}).encode(),
        json.dumps({"thread": "a" * 16 + "\n", "message_id": "b" * 32, "text": "x"}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "images": ["x"] * 200}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "images": {}}).encode(),
        json.dumps({"thread": "a" * 16, "message_id": "b" * 32, "text": "x" * 2_001}).encode(),
    ],
    ids=range(19),
)  # fmt: skip
def test_bodies_that_are_no_question(visit: Visit, body: bytes) -> None:
    answer = visit.post("messages", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert "Traceback" not in answer.text


def test_a_question_may_be_as_long_as_the_settings_allow_and_no_body_longer(visit: Visit) -> None:
    most = get_settings().max_question_chars
    assert visit.said("\U0001f34f" * most)["message"]["text"].startswith("\U0001f34f")
    answer = visit.post("messages", content=b" " * 200_000)
    assert answer.status_code == 413
    assert visit.post("session", content=b" " * 10_000).status_code == 413


@pytest.mark.parametrize(
    "data",
    [b"", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", picture()[:60],
     b"\x89PNG\r\n\x1a\n" + b"\0" * 100],
    ids=["empty", "text", "svg", "pdf", "cut off", "rubbish"],
)  # fmt: skip
def test_files_that_are_no_picture(visit: Visit, data: bytes) -> None:
    answer = visit.post("images", content=data, headers={"Content-Type": "image/png"})
    assert answer.status_code == 400 and answer.json()["error"]["code"] == "invalid_image"


def test_a_picture_comes_as_a_body_or_in_a_form(visit: Visit) -> None:
    form = visit.post("images", files={"file": ("a\r\nb/../c.png", picture(), "text/html")})
    assert form.status_code == 200 and "/" not in form.json()["name"]
    assert form.json()["id"] == visit.upload(picture())
    two = {"file": ("a.png", picture()), "other": ("b.png", picture())}
    for answer in (
        visit.post("images", files=two),
        visit.post("images", files={"else": ("a.png", picture())}),
        visit.post("images", data={"file": "x" * 100}),
        visit.post("images", content=b"x", headers={"Content-Type": "multipart/form-data"}),
        visit.post("images", content=b"--b", headers={
            "Content-Type": "multipart/form-data; boundary=b"}),
    ):  # fmt: skip
        assert answer.status_code == 400, answer.text


async def test_half_a_gigabyte_is_not_read() -> None:
    received = 0

    async def receive() -> dict[str, Any]:
        nonlocal received
        received += 1
        return {"type": "http.request", "body": b"\0" * 2**16, "more_body": received < 8_000}

    for kind in (b"image/jpeg", b"multipart/form-data; boundary=b"):
        for said in ([], [(b"content-length", b"524288000")]):
            headers = [(b"content-type", kind), *said]
            scope = {"type": "http", "method": "POST", "headers": headers, "query_string": b""}
            received = 0
            with pytest.raises(ApiError) as caught:
                await read_picture(Request(scope, receive), MOST)
            assert caught.value.status in (400, 413)
            assert received <= (0 if said else MOST / 2**16 + 2)


def test_pictures_that_are_too_large_are_told_so(visit: Visit) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(4):
            yield b"\0" * 2**20

    answer = visit.post("images", content=endless(), headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 413
    large = visit.post("images", content=b"\xff\xd8\xff" + b"\0" * MOST)
    assert large.status_code == 413 and large.json()["error"]["code"] == "too_large"
    bomb = BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    assert len(bomb.getvalue()) < MOST / 4
    assert visit.post("images", content=bomb.getvalue()).status_code == 400


# --- rates


def test_too_much_is_told_when_to_go_on(visit: Visit) -> None:
    statuses = [visit.post("images", content=b"x").status_code for _ in range(17)]
    assert statuses == [400] * 16 + [429]
    last = visit.post("images", content=b"x")
    assert 1 <= int(last.headers["retry-after"]) <= 5
    assert last.headers["access-control-expose-headers"] == "Retry-After"
    assert visit.messages()["messages"] == [], "reading goes on"


def test_buckets_fill_and_are_bounded() -> None:
    now = 0.0
    rates = Rates(clock=lambda: now, most=100)
    pace = Pace(60, 2)
    rates.take("a", pace)
    rates.take("a", pace)
    with pytest.raises(ApiError) as caught:
        rates.take("a", pace)
    assert caught.value.status == 429 and caught.value.headers["Retry-After"] == "1"
    now = 1.0
    rates.take("a", pace)
    for number in range(1_000):
        rates.take(f"visitor {number}", pace)
    assert len(rates._buckets) == 100


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("testclient", "testclient"),
    ],
)
def test_an_address_is_a_household(host: str, counted: str) -> None:
    assert network(host) == counted


def wait(what: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)
