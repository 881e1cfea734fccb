"""The server's door: keys, scopes, tenants, what browsers may do, what is written down."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from assistant.api.audit import Audit, harmless
from assistant.api.auth import (
    Keyring,
    check_door,
    is_loopback,
    is_public,
    scope_of,
    why_not_open,
)
from assistant.api.headers import request_id
from assistant.cli import app as commands
from assistant.engine import Engine
from assistant.errors import InputError, StoreError
from assistant.settings import Settings
from assistant.store import ApiKey, Store
from tests import tiny
from tests.api_server import Served, served
from tests.raw_http import Reply, ask
from tests.scripted_desk import Counter
from tests.scripted_page import ScriptedEngine

OPERATORS = "an-operators-key"
SHOP = "https://shop.example"
CANARY = "canary-7f3a"


class Seeing(ScriptedEngine):
    """Remembers for whom it was asked."""

    tenants: list[str]

    def stream(self, *args: Any, tenant: str = "", **options: Any) -> Any:
        self.tenants.append(tenant)
        return super().stream(*args, **options)


def engine(*answers: str) -> Seeing:
    found = Seeing(list(answers) or ["A banana."])
    found.tenants = []
    return found


def settings(tmp_path: Path, **more: Any) -> Settings:
    return Settings(data_dir=tmp_path / "data", **more)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a key, and with pages that may call it."""
    folder = tmp_path_factory.mktemp("closed")
    with served(
        engine(),
        settings=settings(
            folder, api_key=SecretStr(OPERATORS), allowed_origins=f"{SHOP}; http://localhost:3000"
        ),
    ) as here:
        yield here


def bearer(key: str) -> str:
    return f"Authorization: Bearer {key}"


def key_of(here: Served, **options: Any) -> tuple[ApiKey, str]:
    return here.service.store.create_key("test", **options)


def chat(url: str, key: str, text: str = "Hello", *headers: str, **more: Any) -> Reply:
    body = {"model": "embedded", "messages": [{"role": "user", "content": text}]} | more
    return ask(
        url,
        "/v1/chat/completions",
        bearer(key),
        "Content-Type: application/json",
        *headers,
        method="POST",
        body=json.dumps(body).encode(),
    )


# --- keys


def test_a_server_without_keys_answers_its_own_machine(tmp_path: Path) -> None:
    with served(engine(), settings=settings(tmp_path)) as here:
        assert ask(here.url).status == 200
        assert ask(here.url, "/v1/models", bearer("sk-anything")).status == 200
        refused = ask(here.url, "/v1/models", "Host: evil.example")
        assert refused.status == 403
        assert "localhost" in refused.error["message"]
        assert ask(here.url, "/v1/models", f"Origin: {SHOP}").status == 403
        assert ask(here.url, "/v1/models", "X-Forwarded-For: 1.2.3.4").status == 403
        # The first key closes the door; that it was revoked does not open it again.
        made, key = key_of(here)
        time.sleep(2.1)
        assert ask(here.url).status == 401
        assert ask(here.url, "/v1/models", bearer(key)).status == 200
        here.service.store.revoke_key(made.id)
        time.sleep(2.1)
        assert ask(here.url, "/v1/models", bearer(key)).status == 401
        assert ask(here.url).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        (), ("Authorization: ",), ("Authorization: Bearer",), ("Authorization: Bearer ",),
        ("Authorization: Basic YTpi",), (f"Authorization: {OPERATORS}",),
        (bearer("wrong"),), (bearer(f"{OPERATORS} "[:-2]),), (bearer(f"{OPERATORS}x"),),
        (bearer(f"sk-sd-{'a' * 12}-{'b' * 43}"),), (bearer("\xe4\xff" * 40),),
        (bearer("a" * 9_000),),
        (f"X-Api-Key: {OPERATORS}",), (f"Cookie: key={OPERATORS}",),
    ],
)  # fmt: skip
def test_without_a_good_key(closed: Served, headers: tuple[str, ...]) -> None:
    for path in ("/v1/models", "/v1/threads", "/nothing", "/metrics", "/mcp"):
        found = ask(closed.url, path, *headers)
        assert found.status == 401
        assert found.error["type"] == "authentication_error"
        assert found.error["code"] == "invalid_api_key"
        assert found.headers["www-authenticate"] == "Bearer"


def test_two_keys_at_once_are_none(closed: Served) -> None:
    assert ask(closed.url, "/v1/models", bearer(OPERATORS), bearer("x")).status == 400


def test_with_the_operators_key(closed: Served) -> None:
    for written in (f"Bearer {OPERATORS}", f"bearer {OPERATORS}", f"BEARER   {OPERATORS}  "):
        assert ask(closed.url, "/v1/models", f"authorization: {written}").status == 200
    assert ask(closed.url, "/metrics", bearer(OPERATORS)).status == 200


def test_openais_client_understands(closed: Served) -> None:
    with openai.OpenAI(base_url=closed.v1, api_key="wrong", max_retries=0) as client:
        with pytest.raises(openai.AuthenticationError) as caught:
            client.models.list()
        assert caught.value.code == "invalid_api_key"
        assert caught.value.request_id
        good = client.with_options(api_key=OPERATORS)
        assert good.models.list().data[0].id == "embedded"


def test_what_is_public_needs_no_key(closed: Served) -> None:
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json", "/widget.js"):
        assert ask(closed.url, path).status == 200, path
    script = ask(closed.url, "/widget.js").headers
    assert script["cross-origin-resource-policy"] == "cross-origin"
    assert script["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/v1/chat/completions", "chat"), ("/v1/models", "chat"), ("/v1/images", "images"),
        ("/v1/images/x/content", "images"), ("/v1/threads/x", "threads"), ("/v1", "chat"),
        ("/v1/tickets", "tickets"), ("/mcp", "mcp"), ("/mcp/", "mcp"), ("/metrics", "admin"),
        ("/v1/imagesx", "chat"), ("/", None), ("/elsewhere", None),
    ],
)  # fmt: skip
def test_scopes_of_paths(path: str, scope: str | None) -> None:
    assert scope_of(path) == scope
    assert not is_public(path)


def test_every_route_has_its_scope(closed: Served) -> None:
    from assistant.api.app import create_app

    paths = create_app(closed.service).openapi()["paths"]
    assert len(paths) > 8
    for path in paths:
        assert is_public(path) or scope_of(path) is not None, path


def test_a_key_opens_what_its_scopes_say(closed: Served) -> None:
    _, key = key_of(closed, scopes=["images", "admin"])
    assert ask(closed.url, "/v1/images", bearer(key)).status == 200
    assert ask(closed.url, "/metrics", bearer(key)).status == 200
    for path in ("/v1/models", "/v1/threads", "/v1/tickets", "/mcp"):
        refused = ask(closed.url, path, bearer(key))
        assert refused.status == 403, path
        assert refused.error["code"] == "insufficient_scope"
    _, usual = key_of(closed)
    assert ask(closed.url, "/metrics", bearer(usual)).status == 403


def test_keys_that_are_made_work_at_once_and_revoked_ones_soon_do_not(closed: Served) -> None:
    made, key = key_of(closed)
    assert ask(closed.url, "/v1/models", bearer(key)).status == 200
    closed.service.store.revoke_key(made.id)
    began = time.monotonic()
    while ask(closed.url, "/v1/models", bearer(key)).status == 200:
        assert time.monotonic() - began < 4
        time.sleep(0.1)
    assert ask(closed.url, "/v1/models", bearer(key)).status == 401


class _Keys:
    """A store of keys that counts how often it is asked, and can be out of order."""

    def __init__(self, *keys: ApiKey) -> None:
        self.keys, self.asked, self.broken = list(keys), 0, False
        self.used: dict[str, datetime] = {}

    def api_keys(self) -> list[ApiKey]:
        self.asked += 1
        if self.broken:
            raise StoreError("The database cannot be reached.")
        return self.keys

    def note_key_use(self, used: dict[str, datetime]) -> None:
        self.used |= used


@pytest.fixture
def made(tmp_path: Path) -> tuple[ApiKey, str]:
    with Store.open(settings(tmp_path)) as store:
        return store.create_key("k", tenant="acme", scopes=["chat"], expires=timedelta(days=1))


class _Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.asyncio
async def test_the_store_is_asked_now_and_then_only(made: tuple[ApiKey, str]) -> None:
    key, text = made
    store, clock = _Keys(key), _Clock()
    ring = Keyring(store, Settings(), clock=clock)  # type: ignore[arg-type]
    for _ in range(50):
        opened = await ring.find(text)
        assert opened is not None
        assert (opened.caller.tenant, opened.caller.key_id) == ("acme", key.id)
        assert opened.caller.scopes == {"chat"}
    assert store.asked == 1
    for _ in range(50):
        assert await ring.find(text[:-1] + ("a" if text[-1] != "a" else "b")) is None
        assert await ring.find("nonsense") is None
    assert store.asked == 1
    clock.now += 0.1
    wrong = [ring.find(f"sk-sd-{number:012}-{'a' * 43}") for number in range(100)]
    assert set(await asyncio.gather(*wrong)) == {None}
    assert store.asked == 2
    clock.now += 2.1
    store.keys = []
    assert await ring.find(text) is None
    ring.close()
    assert set(store.used) == {key.id}


@pytest.mark.asyncio
async def test_when_the_store_is_out_of_order(made: tuple[ApiKey, str]) -> None:
    key, text = made
    store, clock = _Keys(key), _Clock()
    ring = Keyring(store, Settings(), clock=clock)  # type: ignore[arg-type]
    store.broken = True
    with pytest.raises(StoreError):
        await ring.is_open()
    with pytest.raises(StoreError):
        await ring.find(text)
    store.broken = False
    assert await ring.find(text) is not None
    store.broken = True
    clock.now += 50
    assert await ring.find(text) is not None
    clock.now += 11
    with pytest.raises(StoreError):
        await ring.find(text)
    ring.close()


@pytest.mark.asyncio
async def test_a_key_ends_by_itself(made: tuple[ApiKey, str]) -> None:
    from dataclasses import replace

    key, text = made
    over = replace(key, expires=datetime.now(UTC) - timedelta(seconds=1))
    ring = Keyring(_Keys(over), Settings())  # type: ignore[arg-type]
    assert await ring.find(text) is None
    assert not await ring.is_open()
    ring.close()


# --- the open door


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.8.9.1", "localhost", "LOCALHOST", "::1", "[::1]"]
)
def test_hosts_that_need_no_key(tmp_path: Path, host: str) -> None:
    assert is_loopback(host)
    with Store.open(settings(tmp_path)) as store:
        check_door(settings(tmp_path), store, host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.org", "", "*", "[::]"])
def test_hosts_that_need_a_key(tmp_path: Path, host: str) -> None:
    assert not is_loopback(host)
    with Store.open(settings(tmp_path)) as store:
        with pytest.raises(InputError, match="there is no key yet; make one with") as caught:
            check_door(settings(tmp_path), store, host)
        assert str(caught.value).count(". ") == 0
        check_door(settings(tmp_path, api_key=SecretStr("k")), store, host)
        store.create_key("k")
        check_door(settings(tmp_path), store, host)


def test_the_command_refuses_too(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(commands, ["serve", "--host", "0.0.0.0", "--port", "0"])
    assert result.exit_code == 2
    assert "others can call the server, and there is no key yet" in result.stderr


@pytest.mark.parametrize(
    ("server", "headers", "refused"),
    [
        ("127.0.0.1", {"host": "localhost:8000"}, ""),
        ("127.0.0.1", {"host": "127.0.0.1"}, ""),
        ("::1", {"host": "[::1]:8000"}, ""),
        ("testserver", {"host": "testserver"}, ""),
        ("127.0.0.1", {}, ""),
        (None, {"host": "localhost"}, ""),
        ("192.168.1.2", {"host": "localhost"}, "own machine"),
        ("::ffff:10.0.0.1", {"host": "localhost"}, "own machine"),
        ("127.0.0.1", {"host": "rebound.example"}, "name localhost"),
        ("127.0.0.1", {"host": "127.0.0.1.rebound.example"}, "name localhost"),
        ("127.0.0.1", {"host": "localhost.rebound.example:80"}, "name localhost"),
        ("127.0.0.1", {"host": "10.0.0.1"}, "name localhost"),
        ("127.0.0.1", {"host": "[2001:db8::1]"}, "name localhost"),
        ("127.0.0.1", {"host": "localhost", "x-forwarded-for": ""}, "proxy"),
        ("127.0.0.1", {"host": "localhost", "forwarded": "for=1.2.3.4"}, "proxy"),
        ("127.0.0.1", {"host": "localhost:8000", "origin": "http://localhost:8000"}, ""),
        ("127.0.0.1", {"host": "localhost", "origin": SHOP}, ""),
        ("127.0.0.1", {"host": "localhost:8000", "origin": "http://localhost:3000"}, "web pages"),
        ("127.0.0.1", {"host": "localhost", "origin": "https://evil.example"}, "web pages"),
        ("127.0.0.1", {"host": "localhost", "origin": "null"}, "web pages"),
        ("127.0.0.1", {"host": "localhost", "origin": ""}, "web pages"),
    ],
)
def test_who_is_answered_without_keys(
    server: str | None, headers: dict[str, str], refused: str
) -> None:
    found = why_not_open(server, headers, (SHOP,))
    assert refused in found
    assert bool(found) == bool(refused)


# --- tenants


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[Served, str, str]]:
    """A server with a key of each of two tenants."""
    with served(engine(), settings=settings(tmp_path)) as here:
        yield here, key_of(here, tenant="a")[1], key_of(here, tenant="b")[1]


def test_a_picture_is_its_tenants(two: tuple[Served, str, str], photos: Path) -> None:
    here, mine, others = two
    photo = (photos / "Banana.webp").read_bytes()
    sent = ask(
        here.url, "/v1/images", bearer(mine), "Content-Type: image/webp", method="POST", body=photo
    )
    assert sent.status == 200
    id = json.loads(sent.body)["id"]
    shown = [{"type": "image_url", "image_url": {"url": f"sightdesk:{id}"}}]
    for key, status in ((mine, 200), (others, 404)):
        for path in (f"/v1/images/{id}", f"/v1/images/{id}/content"):
            assert ask(here.url, path, bearer(key)).status == status
        assert (id in ask(here.url, "/v1/images", bearer(key)).body.decode()) == (status == 200)
        found = chat(here.url, key, messages=[{"role": "user", "content": shown}])
        assert (found.status == 200) == (status == 200)
    # What is another's and what was never there look the same.
    never = "0" * 64
    told = ask(here.url, f"/v1/images/{id}", bearer(others))
    nothing = ask(here.url, f"/v1/images/{never}", bearer(others))
    assert told.body.replace(id.encode(), b"") == nothing.body.replace(never.encode(), b"")
    assert ask(here.url, f"/v1/images/{id}", bearer(others), method="DELETE").status == 404
    assert ask(here.url, f"/v1/images/{id}", bearer(mine)).status == 200


def test_threads_and_tickets_are_their_tenants(two: tuple[Served, str, str]) -> None:
    here, mine, others = two
    store = here.service.store
    thread = store.create_thread(CANARY, tenant="a").id
    ticket = store.open_ticket(
        key="k", thread_id=thread, reason=CANARY, kind="asked", tenant="a"
    ).id
    store.create_thread("the operator's")
    for path in (f"/v1/threads/{thread}", f"/v1/tickets/{ticket}"):
        assert CANARY in ask(here.url, path, bearer(mine)).body.decode()
        refused = ask(here.url, path, bearer(others))
        assert refused.status == 404
        assert CANARY not in refused.body.decode()
        assert ask(here.url, path, bearer(others), method="DELETE").status in (404, 405)
    for path in ("/v1/threads", "/v1/tickets"):
        assert json.loads(ask(here.url, path, bearer(mine)).body)["total"] == 1
        assert json.loads(ask(here.url, path, bearer(others)).body)["total"] == 0
    assert store.thread(thread, tenant="a").id == thread


def test_what_the_engine_keeps_is_kept_by_tenant(two: tuple[Served, str, str]) -> None:
    here, mine, others = two
    for key in (mine, others, mine):
        assert chat(here.url, key).status == 200
    seen = here.service.engine._engine
    assert seen.tenants == ["a", "b", "a"]


def test_no_tenant_is_answered_from_anothers_prefix(tmp_path: Path) -> None:
    """How quickly an answer begins would tell what somebody else has asked."""
    tiny_engine = Engine.load(str(tiny.directory()))
    with served(tiny_engine, settings=settings(tmp_path)) as here:
        _, mine = key_of(here, tenant="a")
        _, others = key_of(here, tenant="b")
        secret = "what is in the picture " * 20

        def cached(key: str) -> int:
            usage = json.loads(chat(here.url, key, secret, max_tokens=2).body)["usage"]
            return int(usage["prompt_tokens_details"]["cached_tokens"])

        assert [cached(mine), cached(others)] == [0, 0]
        assert cached(mine) > 0
        assert cached(others) > 0


def test_an_agents_thread_is_its_tenants(tmp_path: Path) -> None:
    model = Counter().model
    with served(engine(), settings=settings(tmp_path), agent_model=model) as here:
        _, mine = key_of(here, tenant="a")
        _, others = key_of(here, tenant="b")
        told = chat(here.url, mine, f"Hello, I am {CANARY}.", model="sightdesk-agent")
        thread = json.loads(told.body)["choices"][0]["message"]["sightdesk"]["thread_id"]
        assert ask(here.url, f"/v1/threads/{thread}", bearer(mine)).status == 200
        assert ask(here.url, f"/v1/threads/{thread}", bearer(others)).status == 404
        more = {"model": "sightdesk-agent", "sightdesk": {"thread_id": thread}}
        assert chat(here.url, mine, "And now?", **more).status == 200
        refused = chat(here.url, others, "And now?", **more)
        assert refused.status == 404
        assert CANARY not in refused.body.decode()


# --- headers


def test_every_answer_has_the_headers(closed: Served) -> None:
    answers = [
        ask(closed.url, "/healthz"),
        ask(closed.url, "/v1/models", bearer(OPERATORS)),
        ask(closed.url, "/v1/models"),
        ask(closed.url, "/nothing", bearer(OPERATORS)),
        ask(closed.url, "/v1/models", bearer(OPERATORS), method="DELETE"),
        ask(closed.url, "/v1/" + "x" * 9_000, bearer(OPERATORS)),
        ask(closed.url, "/docs"),
        chat(closed.url, OPERATORS),
        chat(closed.url, OPERATORS, stream=True),
        chat(closed.url, OPERATORS, temperature="hot"),
    ]
    assert [each.status for each in answers] == [200, 200, 401, 404, 405, 414, 200, 200, 200, 400]
    for each in answers:
        assert each.headers["x-content-type-options"] == "nosniff"
        assert each.headers["x-frame-options"] == "DENY"
        assert each.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in each.headers["content-security-policy"]
        assert each.headers["cache-control"].startswith(("no-store", "no-cache"))
        assert each.headers["x-request-id"].startswith("req_")
        assert "server" not in each.headers
        assert "access-control-allow-origin" not in each.headers


def test_a_bug_is_told_without_its_trace(
    closed: Served, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise KeyError(CANARY)

    monkeypatch.setattr(Store, "count_threads", broken)
    monkeypatch.setattr(Store, "threads", broken)
    with caplog.at_level(logging.ERROR):
        found = ask(closed.url, "/v1/threads", bearer(OPERATORS))
    assert found.status == 500
    assert found.error["type"] == "server_error"
    assert CANARY not in found.body.decode()
    assert found.headers["x-content-type-options"] == "nosniff"
    assert CANARY in caplog.text


@pytest.mark.parametrize("id", ["a", "req_1", "A-b.c_9", "f" * 100])
def test_the_clients_request_id_comes_back(closed: Served, id: str) -> None:
    assert ask(closed.url, "/healthz", f"X-Request-Id: {id}").headers["x-request-id"] == id


@pytest.mark.parametrize("id", ["", " ", "a b", "a;b", "f" * 101, "\xe4", "<b>", 'a"', "a\tb"])
def test_a_request_id_that_could_do_harm_is_replaced(closed: Served, id: str) -> None:
    found = ask(closed.url, "/healthz", f"X-Request-Id: {id}")
    assert found.headers["x-request-id"].startswith("req_")
    assert request_id("x\r\nSet-Cookie: a=b").startswith("req_")


# --- browsers


def preflight(url: str, origin: str, method: str = "POST", headers: str = "authorization") -> Reply:
    return ask(
        url,
        "/v1/chat/completions",
        f"Origin: {origin}",
        f"Access-Control-Request-Method: {method}",
        f"Access-Control-Request-Headers: {headers}",
        method="OPTIONS",
    )


def test_pages_that_may_call(closed: Served) -> None:
    for origin in (SHOP, "http://localhost:3000"):
        found = preflight(closed.url, origin, headers="authorization,content-type,x-stainless-lang")
        assert found.status == 204
        assert found.headers["access-control-allow-origin"] == origin
        assert "POST" in found.headers["access-control-allow-methods"]
        assert "Authorization" in found.headers["access-control-allow-headers"]
        assert "access-control-allow-credentials" not in found.headers
        assert "Origin" in found.headers["vary"]
        for key, status in ((OPERATORS, 200), ("wrong", 401)):
            answer = ask(closed.url, "/v1/models", bearer(key), f"Origin: {origin}")
            assert answer.status == status
            assert answer.headers["access-control-allow-origin"] == origin
            assert "Retry-After" in answer.headers["access-control-expose-headers"]
            assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "http://shop.example", f"{SHOP}.evil.example", f"{SHOP}:444", "null",
     "https://SHOP.example", f"{SHOP}/", "https://xshop.example", "*", ""],
)  # fmt: skip
def test_pages_that_may_not(closed: Served, origin: str) -> None:
    found = preflight(closed.url, origin)
    assert found.status == 403
    assert found.error["code"] == "origin_not_allowed"
    assert "access-control-allow-origin" not in found.headers
    answer = ask(closed.url, "/v1/models", bearer(OPERATORS), f"Origin: {origin}")
    assert "access-control-allow-origin" not in answer.headers


def test_preflights_for_what_no_page_may_do(closed: Served) -> None:
    assert preflight(closed.url, SHOP, method="TRACE").status == 403
    assert preflight(closed.url, SHOP, headers="x-forwarded-for").status == 403
    assert ask(closed.url, "/v1/models", method="OPTIONS").status == 401


@pytest.mark.parametrize(
    "wrong", ["*", "https://*.example", "shop.example", "https://shop.example/path", "ftp://a.b",
              "https://user@shop.example", "https://", "null", "https://shop.example:x"],
)  # fmt: skip
def test_origins_that_no_setting_takes(wrong: str) -> None:
    with pytest.raises(ValueError):
        Settings(allowed_origins=wrong)  # type: ignore[arg-type]


def test_origins_as_browsers_write_them() -> None:
    given = "HTTPS://Shop.Example/ ; https://shop.example:443;http://[::1]:80;http://a.b:8080"
    found = Settings(allowed_origins=given).allowed_origins  # type: ignore[arg-type]
    assert found == ("https://shop.example", "http://[::1]", "http://a.b:8080")


# --- the audit log


def lines(folder: Path, name: str = "audit") -> list[dict[str, Any]]:
    text = (folder / "data" / "audit" / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_who_asked_what_is_written_and_not_a_word_of_it(tmp_path: Path, photos: Path) -> None:
    with served(engine(f"It is {CANARY}."), settings=settings(tmp_path)) as here:
        made, key = key_of(here, tenant="acme")
        assert CANARY in chat(here.url, key, f"What is {CANARY}?", user=CANARY).body.decode()
        chat(here.url, key, CANARY, stream=True)
        chat(here.url, key, CANARY, model=CANARY)
        chat(here.url, key, CANARY, temperature=CANARY)
        ask(here.url, f"/v1/{CANARY}?{CANARY}={CANARY}", bearer(key))
        ask(here.url, f"/v1/threads/{CANARY}?search={CANARY}", bearer(key), f"User-Agent: {CANARY}")
        ask(here.url, "/v1/models", bearer(f"sk-sd-{CANARY}"))
        ask(here.url, "/v1/images", bearer(key), "Content-Type: image/webp", method="POST",
            body=(photos / "Banana.webp").read_bytes())  # fmt: skip
        ask(here.url, "/healthz", "X-Request-Id: mine-1", method=CANARY.upper())
    text = (tmp_path / "data" / "audit" / "audit.jsonl").read_text(encoding="utf-8")
    assert CANARY not in text.lower()
    assert key not in text and key[19:] not in text
    rows = lines(tmp_path)
    assert [row["status"] for row in rows] == [200, 200, 404, 400, 404, 404, 401, 200, 405]
    first = rows[0]
    assert first["key"] == made.id
    assert first["tenant"] == "acme"
    assert first["method"] == "POST"
    assert first["route"] == "/v1/chat/completions"
    assert first["model"] == "embedded"
    assert first["prompt_tokens"] == 72
    assert first["completion_tokens"] == 3
    assert first["received"] > 50 and first["sent"] > 100 and first["ms"] >= 0
    assert datetime.fromisoformat(first["time"]).tzinfo is not None
    assert rows[5]["route"] == "/v1/threads/{id}"
    assert rows[6]["key"] == ""
    assert rows[7]["images"] == 1
    assert rows[8]["request"] == "mine-1"
    assert rows[8]["method"] == "other"
    mode = (tmp_path / "data" / "audit" / "audit.jsonl").stat().st_mode
    assert mode & 0o077 == 0


def test_what_a_route_notes_is_judged() -> None:
    noted = {
        "model": "openai/gpt-4.1@a:b", "outcome": "two\nlines", "prompt_tokens": 3, "text": "words",
        "completion_tokens": "many", "images": None,
    }  # fmt: skip
    assert harmless(noted) == {"model": "openai/gpt-4.1@a:b", "prompt_tokens": 3}
    assert harmless({"model": "x" * 101, "outcome": "<b>"}) == {}


def test_files_are_rotated_and_each_process_has_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.api.audit._BYTES", 500)
    first, second = Audit(settings(tmp_path)), Audit(settings(tmp_path))
    for number in range(100):
        first.write(number=number)
    second.write(number=-1)
    first.close()
    second.close()
    kept = sorted(path.name for path in (tmp_path / "data" / "audit").glob("audit.jsonl*"))
    assert len(kept) == 10
    assert lines(tmp_path)[-1]["number"] == 99
    assert [row["number"] for row in lines(tmp_path, "audit-2")] == [-1]
    third = Audit(settings(tmp_path))
    third.write(number=100)
    third.close()
    assert lines(tmp_path)[-1]["number"] == 100


def test_to_standard_error_or_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = Audit(settings(tmp_path, audit="stderr"))
    told.write(status=200)
    silent = Audit(settings(tmp_path, audit="off"))
    silent.write(status=200)
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["status"] == 200
    assert not (tmp_path / "data").exists()


def test_a_log_that_cannot_be_written_stops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "audit").write_text("a file")
    audit = Audit(settings(tmp_path))
    audit.write(status=200)
    audit.close()
    assert "There is no audit log" in caplog.text


def test_keys_and_secrets_are_in_no_settings_that_are_printed() -> None:
    shown = repr(Settings(api_key=SecretStr(CANARY)))
    assert CANARY not in shown
    with pytest.raises(ValueError, match="ASCII"):
        Settings(api_key=SecretStr("with space"))
    assert Settings(api_key=SecretStr("")).api_key is None


def test_no_cookie_is_set_and_no_socket_opened(closed: Served) -> None:
    found = httpx.get(f"{closed.url}/docs")
    assert not found.cookies
    upgrade = ask(
        closed.url, "/v1/models", bearer(OPERATORS), "Connection: Upgrade", "Upgrade: websocket",
        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )  # fmt: skip
    assert upgrade.status in (200, 400, 426)
