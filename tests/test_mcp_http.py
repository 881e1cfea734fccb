"""MCP at /mcp of the server, with its keys: clients of several tenants, sessions, bad requests."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from mcp import ClientSession, McpError
from mcp.types import CancelledNotification, CancelledNotificationParams, ClientNotification
from starlette.applications import Starlette

from assistant.api.app import create_app
from assistant.api.service import Service
from assistant.cli.mcp import http_app
from assistant.images import open_image
from assistant.knowledge import Knowledge
from assistant.mcp_server.http import mcp_app
from assistant.settings import Settings
from tests import tiny
from tests.indexed_pictures import indexed
from tests.mcp_clients import Client, Served, encoded, opened, over_http, text_of
from tests.scripted_desk import Counter, fill
from tests.scripted_mcp import LABEL, SEEN, Eyes
from tests.test_knowledge.conftest import BagOfWords
from tests.tiny_space import TinySpace

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
HELLO = {
    "jsonrpc": "2.0", "id": 1, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {},
               "clientInfo": {"name": "raw", "version": "1"}},
}  # fmt: skip


@dataclass
class Shop:
    """A server with two tenants: the demo's shop, and one with a page of its own."""

    service: Service
    eyes: Eyes
    url: str
    keys: dict[str, str]

    def ask(self, message: Any, key: str = "shop", **headers: str) -> httpx.Response:
        """One request of somebody's own making."""
        given = {**HEADERS, "Authorization": f"Bearer {self.keys[key]}", **headers}
        content = message if isinstance(message, bytes) else json.dumps(message).encode()
        return httpx.post(self.url, content=content, headers=given, timeout=30)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("mcp")
    settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache", audit="file")
    fill(folder / "files", settings=settings)
    (folder / "acme.md").write_text("# Rockets\n\nRockets fly to the moon in 3 days.\n")
    eyes = Eyes()
    with Service.open(
        settings, engine=eyes, agent_model=Counter().model, embedder=BagOfWords(),
        picture_embedder=TinySpace(),
    ) as service:  # fmt: skip
        store = service.store
        Knowledge.open(store=store, tenant="acme", embedder=BagOfWords()).add(folder / "acme.md")
        indexed(store, folder / "secret", tenant="acme")
        keys = {
            "shop": store.create_key("shop")[1],
            "other": store.create_key("other")[1],
            "acme": store.create_key("acme", tenant="acme")[1],
            "chat": store.create_key("chat", scopes=["chat"])[1],
            "none": "sk-none",
        }
        with Served(create_app(service)) as served:
            yield Shop(service, eyes, served.url, keys)


@pytest.fixture(scope="module")
def client(shop: Shop) -> Iterator[Client]:
    with opened(lambda: over_http(shop.url, shop.keys["shop"])) as found:
        yield found


@pytest.fixture(scope="module")
def acme(shop: Shop) -> Iterator[Client]:
    with opened(lambda: over_http(shop.url, shop.keys["acme"])) as found:
        yield found


def test_every_tool_answers(client: Client) -> None:
    id = client.told("add_image", image=encoded(1))["image_id"]
    assert client.told("describe_image", image=id)["description"] == SEEN
    assert client.told("ask_image", image=id, question="What is it?")["answer"] == SEEN
    assert client.told("label_image", image=id)["label"] == LABEL
    assert client.told("read_text", image=id)["lines"] == []
    assert client.told("search_knowledge", query="returned packages")["passages"]
    assert client.told("search_images", query="Granny Smith")["pictures"]
    told = client.told("ask_desk", message="Where does this come from?", images=[id])
    assert "France" in told["answer"] and told["citations"]
    assert client.told("hand_over", reason="angry")["ticket_id"]


def test_pictures_of_indexed_folders_are_their_tenants(client: Client, acme: Client) -> None:
    found = acme.call("search_images", query="a green thing")
    assert not found.isError and found.structuredContent is not None
    (hit,) = found.structuredContent["pictures"]
    assert hit["title"] == "forest.png" and hit["score"] > 0.9
    kinds = [block.type for block in found.content]
    assert kinds == ["text", "image", "resource_link"]
    assert "secret" not in found.model_dump_json() and "deep" not in found.model_dump_json()
    (content,) = acme.read(hit["uri"])
    image = open_image(base64.b64decode(content.blob))
    assert (image.width, image.height) == (64, 48)
    assert acme.told("describe_image", image=hit["image_id"])["description"] == SEEN
    assert acme.told("add_image", image=hit["image_id"])["name"] == "forest.png"
    assert client.told("search_images", query="a green thing")["pictures"] != [hit]
    assert "no picture" in client.refused("describe_image", image=hit["image_id"])
    with pytest.raises(McpError):
        client.read(hit["uri"])


def test_progress_comes_on_the_requests_own_stream(client: Client, shop: Shop) -> None:
    told: list[str | None] = []

    async def follow(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    shop.eyes.delay = 0.05
    try:
        client.call("describe_image", follow, image=encoded(2))
    finally:
        shop.eyes.delay = 0
    assert any(message and SEEN.startswith(message) for message in told)


def test_cancelling_stops_the_model(client: Client, shop: Shop, tmp_path: Path) -> None:
    async def begin(session: ClientSession) -> None:
        id, seen = session._request_id, asyncio.Event()

        async def follow(progress: float, total: float | None, message: str | None) -> None:
            if message and SEEN.startswith(message):
                seen.set()

        given = {"image": encoded(3)}
        asked = asyncio.create_task(
            session.call_tool("describe_image", given, progress_callback=follow)
        )
        await asyncio.wait_for(seen.wait(), 20)
        params = CancelledNotificationParams(requestId=id)
        await session.send_notification(ClientNotification(CancelledNotification(params=params)))
        with pytest.raises(McpError, match="cancelled"):
            await asked

    shop.eyes.delay, shop.eyes.stopped = 0.1, tmp_path / "stopped"
    try:
        client.run(begin)
        began = time.monotonic()
        while not (tmp_path / "stopped").exists() and time.monotonic() - began < 5:
            time.sleep(0.01)
        assert (tmp_path / "stopped").exists(), "words were left"
    finally:
        shop.eyes.delay, shop.eyes.stopped = 0, None


def test_a_client_that_hangs_up_stops_the_model(shop: Shop, tmp_path: Path) -> None:
    session = greeted(shop)
    call = {"jsonrpc": "2.0", "id": 5, "method": "tools/call",
            "params": {"name": "describe_image", "arguments": {"image": encoded(4)}}}  # fmt: skip
    headers = {**HEADERS, **session, "Authorization": f"Bearer {shop.keys['shop']}"}
    before = len(shop.eyes.asked)
    shop.eyes.delay, shop.eyes.stopped = 0.1, tmp_path / "stopped"
    try:
        with httpx.stream("POST", shop.url, json=call, headers=headers, timeout=30) as response:
            assert response.status_code == 200
            while len(shop.eyes.asked) == before:
                time.sleep(0.01)
        began = time.monotonic()
        while not (tmp_path / "stopped").exists() and time.monotonic() - began < 5:
            time.sleep(0.01)
        assert (tmp_path / "stopped").exists(), "words were left"
    finally:
        shop.eyes.delay, shop.eyes.stopped = 0, None
    assert shop.ask(listing(), **session).status_code == 200, "its session lives on"


def test_nobody_names_files_over_http(client: Client, tmp_path: Path) -> None:
    tiny.pixels(1).save(tmp_path / "a.png")
    for name in (str(tmp_path / "a.png"), (tmp_path / "a.png").as_uri(), "a.png", "/etc/passwd"):
        assert "means nothing to this server" in client.refused("add_image", image=name)


def test_tenants_see_nothing_of_each_other(client: Client, acme: Client) -> None:
    mine = client.told("add_image", image=encoded(11))
    passage = client.told("search_knowledge", query="returned packages")["passages"][0]
    thread = client.told("ask_desk", message="Do you take returns?")["thread_id"]
    assert "There is no picture" in acme.refused("label_image", image=mine["image_id"])
    assert "no such conversation" in acme.refused("hand_over", reason="x", thread_id=thread)
    for uri in (mine["uri"], passage["uri"]):
        assert client.read(uri)
        with pytest.raises(McpError) as caught:
            acme.read(uri)
        assert caught.value.error.code == -32002
    assert acme.run(lambda s: s.list_resources()).resources == []
    found = acme.told("search_knowledge", query="rockets to the moon")["passages"]
    assert "3 days" in found[0]["text"]
    assert acme.told("search_images", query="Granny Smith")["pictures"] == []
    # The same bytes are the same picture, and still each tenant's own.
    assert acme.told("add_image", image=encoded(11))["image_id"] == mine["image_id"]
    assert acme.read(mine["uri"])


def test_text_alone_where_the_address_says_so(shop: Shop) -> None:
    with opened(lambda: over_http(f"{shop.url}?content=text", shop.keys["shop"])) as client:
        found = client.call("search_images", query="Granny Smith")
        assert [block.type for block in found.content] == ["text"] and text_of(found)
        assert found.structuredContent and found.structuredContent["pictures"][0]["uri"]


# --- who may


def greeted(shop: Shop, key: str = "shop") -> dict[str, str]:
    """The header of a session that was just opened."""
    response = shop.ask(HELLO, key)
    assert response.status_code == 200, response.text
    return {"Mcp-Session-Id": response.headers["mcp-session-id"]}


def listing(id: int = 2) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": id, "method": "tools/list"}


def test_keys_are_asked_for(shop: Shop) -> None:
    assert httpx.post(shop.url, json=HELLO, headers=HEADERS).status_code == 401
    assert shop.ask(HELLO, "none").status_code == 401
    assert shop.ask(HELLO, "chat").status_code == 403, "this key's scopes have no mcp"


def test_a_session_is_its_keys_alone(shop: Shop) -> None:
    session = greeted(shop)
    assert shop.ask(listing(), **session).status_code == 200
    for key in ("other", "acme"):
        assert shop.ask(listing(), key, **session).status_code == 404
    assert shop.ask(listing(), "none", **session).status_code == 401
    authorization = {"Authorization": f"Bearer {shop.keys['shop']}"}
    gone = httpx.delete(shop.url, headers={**HEADERS, **session, **authorization})
    assert gone.status_code == 200
    assert shop.ask(listing(), **session).status_code == 404


def test_pages_of_others_are_refused(shop: Shop) -> None:
    assert shop.ask(HELLO, Origin="https://evil.example").status_code == 403
    assert shop.ask(HELLO, Origin=shop.url.removesuffix("/mcp")).status_code == 200
    # With a key, whatever name leads here is a good one.
    assert shop.ask(HELLO, Host="desk.shop.example").status_code == 200


def test_without_keys_it_is_for_this_machine(tmp_path: Path) -> None:
    """`sightdesk mcp --http` on its own."""
    settings = Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache", audit="off")
    with (
        Service.open(settings, engine=Eyes(), embedder=BagOfWords()) as service,
        Served(http_app(service)) as served,
    ):
        with opened(lambda: over_http(served.url)) as client:
            assert client.told("label_image", image=encoded(1))["label"] == LABEL
        for headers in ({"Host": "desk.evil.example"}, {"Origin": "https://evil.example"}):
            response = httpx.post(served.url, json=HELLO, headers={**HEADERS, **headers})
            assert response.status_code in (403, 421)
        assert httpx.get(served.url.removesuffix("/mcp")).status_code == 404


@dataclass
class Someone:
    """Who calls, where a test has no guard."""

    tenant: str
    key_id: str


@contextmanager
def unguarded(folder: Path, **options: Any) -> Iterator[Callable[..., int]]:
    """A server with sessions bounded by `options`; the status of a request with a key."""

    async def caller_of(request: Any) -> Someone:
        return Someone("", request.headers["x-key"])

    settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache")
    with Service.open(settings, engine=Eyes(), embedder=BagOfWords()) as service:
        mcp = mcp_app(service, caller_of=caller_of, **options)
        app = Starlette(routes=list(mcp.routes), lifespan=lambda _: mcp.running())
        with Served(app) as served:

            def ask(key: str, message: Any = HELLO) -> int:
                headers = {**HEADERS, "X-Key": key}
                content = message if isinstance(message, bytes) else json.dumps(message).encode()
                return httpx.post(served.url, content=content, headers=headers).status_code

            yield ask


def test_sessions_are_bounded(tmp_path: Path) -> None:
    """Those of one key, and those of all; what opens none takes no place."""
    with unguarded(tmp_path, most_of_one=2, most_sessions=3) as ask:
        assert [ask("a", b"{"), ask("a", listing()), ask("a", b"")] == [400, 400, 400]
        assert [ask("a"), ask("a"), ask("a")] == [200, 200, 429]
        assert [ask("b"), ask("b"), ask("c")] == [200, 503, 503]


def test_sessions_that_nobody_uses_end(tmp_path: Path) -> None:
    with unguarded(tmp_path, most_of_one=1, idle_s=0.3) as ask:
        assert ask("a") == 200
        end = time.monotonic() + 30
        while (status := ask("a")) == 429 and time.monotonic() < end:
            time.sleep(0.1)
        assert status == 200


def test_it_can_be_started_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", cache_dir=tmp_path / "cache")
    with Service.open(settings, engine=Eyes(), embedder=BagOfWords()) as service:
        app = http_app(service)
        for _ in range(2):
            with Served(app) as served:
                assert httpx.post(served.url, json=HELLO, headers=HEADERS).status_code == 200


# --- bad requests


@pytest.mark.parametrize(
    ("content", "headers", "statuses"),
    [
        (b"", {}, {400}),
        (b"{", {}, {400}),
        (b"\xff\xfe", {}, {400}),
        (b"[" * 50_000, {}, {400}),
        (b"null", {}, {400}),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', {}, {400}),
        (json.dumps(HELLO).encode(), {"Accept": "text/html"}, {406}),
        (json.dumps(HELLO).encode(), {"Content-Type": "text/plain"}, {400, 415}),
        (json.dumps(HELLO).encode(), {"Mcp-Session-Id": "0" * 32}, {404}),
        (json.dumps(HELLO).encode(), {"Mcp-Session-Id": "x" * 9_000}, {404, 431}),
    ],
    ids=["empty", "cut", "bytes", "deep", "null", "no-hello", "accept", "type", "session", "long"],
)
def test_bad_requests(
    shop: Shop, content: bytes, headers: dict[str, str], statuses: set[int]
) -> None:
    response = shop.ask(content, **headers)
    assert response.status_code in statuses and "Traceback" not in response.text


def test_methods_that_are_not_taken(shop: Shop) -> None:
    authorization = {"Authorization": f"Bearer {shop.keys['shop']}"}
    for method in ("PUT", "PATCH"):
        response = httpx.request(method, shop.url, headers={**HEADERS, **authorization})
        assert response.status_code == 405


def test_a_picture_that_is_too_large(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path / "data", cache_dir=tmp_path / "cache", max_image_bytes=100_000
    )
    with (
        Service.open(settings, engine=Eyes(), embedder=BagOfWords()) as service,
        Served(http_app(service)) as served,
        opened(lambda: over_http(served.url)) as client,
    ):
        assert "larger than" in client.refused("add_image", image="A" * 140_000)
        body = {**HELLO, "params": {"x": "A" * 300_000}}
        assert httpx.post(served.url, json=body, headers=HEADERS).status_code == 413


def test_the_audit_log_has_no_words(shop: Shop, client: Client) -> None:
    client.told("ask_desk", message="A secret: pomegranate")
    time.sleep(0.3)
    written = "".join(
        path.read_text(errors="replace")
        for path in shop.service.settings.data_dir.rglob("*audit*")
        if path.is_file()
    )
    assert '"/mcp"' in written and "pomegranate" not in written
