"""Other models by one setting: an OpenAI-compatible server on this machine, good and bad."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from assistant.agent import Agent
from assistant.agent.models import open_model, speaks_only_english, takes_images
from assistant.chat_model import ChatLlava
from assistant.errors import InputError
from assistant.languages import say
from assistant.settings import Settings
from tests.agent_desk import Shop
from tests.scripted_model import ScriptedChat

WHERE = "Where do Golden Delicious come from?"


class Server(ThreadingHTTPServer):
    """Streams chat completions as it was told; a number is a status without an answer."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies: list[Any] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked.append(json.loads(body))
        server.keys.append(self.headers.get("Authorization", ""))
        said = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
        if isinstance(said, int):
            self.send_response(said)
            self.end_headers()
            self.wfile.write(b"<html>Internal error: /srv/secret</html>")
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        if isinstance(said, bytes):
            self.wfile.write(said)
            return
        for delta, end in _deltas(said):
            chunk = {
                "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                "choices": [{"index": 0, "delta": delta, "finish_reason": end}],
            }  # fmt: skip
            self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
        self.wfile.write(b"data: [DONE]\n\n")


def _deltas(said: Any) -> Iterator[tuple[dict[str, Any], str | None]]:
    if isinstance(said, str):
        for word in said.split(" "):
            yield {"role": "assistant", "content": word + " "}, None
        yield {}, "stop"
    else:
        name, arguments = said
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        function = {"name": name, "arguments": text}
        call = {"index": 0, "id": "c1", "type": "function", "function": function}
        yield {"role": "assistant", "content": "One moment.", "tool_calls": [call]}, None
        yield {}, "tool_calls"


@pytest.fixture
def server() -> Iterator[Server]:
    pytest.importorskip("langchain_openai")
    server = Server()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def shop(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL", "openai:some-model")
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL_URL", server.url)
    monkeypatch.setenv("OPENAI_API_KEY", "a-key-for-somebody-else")
    shop = Shop(settings=Settings())
    yield shop
    shop.store.close()


def opened(shop: Shop) -> Agent:
    return shop.driven(open_model(shop.desk, shop.settings))


def test_an_openai_compatible_server_drives_the_agent(server: Server, shop: Shop) -> None:
    server.replies = [
        ("search_knowledge", {"query": "origin"}), "Golden Delicious come from Italy. [1]",
    ]  # fmt: skip
    with opened(shop) as agent:
        reply = agent.answer("t", WHERE)
    assert reply.answer == "Golden Delicious come from Italy. [1]"
    assert reply.tools == ["search_knowledge"]
    first, second = server.asked
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"search_knowledge"}
    assert "[1] Golden Delicious" in second["messages"][-1]["content"]
    # Nobody's key is sent to a server of one's own.
    assert "somebody" not in "".join(server.keys)


def test_the_server_is_shown_photos_where_one_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL", "openai:some-model")
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL_URL", server.url)
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL_IMAGES", "true")
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL_KEY", "own-key")
    shop = Shop(settings=Settings())
    server.replies = ["Hello! Which one do you mean?"]
    with opened(shop) as agent:
        agent.answer("t", "Is this ripe?", [shop.photo()])
    content = server.asked[0]["messages"][-1]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text"]
    assert content[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")
    assert server.keys == ["Bearer own-key"]
    shop.store.close()


@pytest.mark.parametrize(
    "broken",
    [
        500, 429, 404, b"", b"<html>garbage</html>", b"data: {not json}\n\n",
        b'data: {"choices": "none"}\n\n', b'data: {"choices": []}\n\ndata: [DONE]\n\n',
        ("search_knowledge", '{"query": '),
    ],
)  # fmt: skip
def test_a_server_that_fails_is_told_in_a_sentence(server: Server, shop: Shop, broken: Any) -> None:
    server.replies = [broken]
    with opened(shop) as agent:
        reply = agent.answer("t", WHERE)
        assert reply.answer == say("failed", "en") and reply.outcome == "abstained"
        assert "secret" not in str(agent.messages("t"))
        server.replies = [
            ("search_knowledge", {"query": "origin"}), "Golden Delicious come from Italy. [1]",
        ]  # fmt: skip
        assert agent.answer("t", WHERE).outcome == "answered"


def test_a_server_that_recovers_is_asked_again(server: Server, shop: Shop) -> None:
    server.replies = [500, b"", "Hello! What can I do for you?"]
    with opened(shop) as agent:
        assert agent.answer("t", "hi").answer == "Hello! What can I do for you?"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("nonsense", "SIGHTDESK_AGENT_MODEL"), ("nobody:model", "SIGHTDESK_AGENT_MODEL")],
)
def test_a_model_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, name: str, reason: str) -> None:
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL", name)
    shop = Shop(settings=Settings())
    with pytest.raises(InputError, match=reason):
        open_model(shop.desk, shop.settings)
    shop.store.close()


def test_the_embedded_model_is_the_default_and_speaks_english() -> None:
    shop = Shop()
    model = open_model(shop.desk, shop.settings)
    assert isinstance(model, ChatLlava) and speaks_only_english(model)
    assert not takes_images(model, shop.settings)
    other = ScriptedChat(replies=["x"])
    assert not speaks_only_english(other) and not takes_images(other, shop.settings)
    shop.store.close()
