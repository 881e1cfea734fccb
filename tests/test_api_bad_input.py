"""What no client should send: refused with 4xx in OpenAI's shape, without a stack trace."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from assistant.batching import SharedEngine
from assistant.engine import Engine
from assistant.settings import Settings
from tests import tiny
from tests.api_server import Served, served
from tests.test_api_chat import WEATHER, data_uri

USER: Any = {"role": "user", "content": "Hello"}
HELLO: Any = {"model": "embedded", "messages": [USER], "max_tokens": 4}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("bad")
    settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache")
    with (
        SharedEngine(Engine.load(str(tiny.directory()))) as engine,
        served(engine, settings=settings) as server,
    ):
        yield server


def post(server: Served, body: Any, **headers: str) -> httpx.Response:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = {"Content-Type": "application/json", **headers}
    return httpx.post(f"{server.v1}/chat/completions", content=data, headers=kind, timeout=60)


def refused(answer: httpx.Response, status: int = 400) -> dict[str, Any]:
    assert answer.status_code == status, answer.text[:500]
    error: dict[str, Any] = answer.json()["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    assert error["message"] and error["type"]
    assert not any(word in answer.text for word in ("Traceback", "site-packages", 'File "'))
    assert len(error["message"]) < 1000
    return error


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"[]", b"null", b"1", b'"text"', b"{'model': 1}",
        b'{"model": "embedded", "messages": [{"role": "user", "content": "\xff\xfe"}]}',
        b'{"model": "embedded", "messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"model": "embedded", "messages": [{"role": "user", "content": "a"}], "top_p": NaN}',
        b'{"model": "embedded", "messages": [{"role": "user", "content": "a"}], "seed": 1e999}',
        b"[" * 100_000, b'{"a":' * 50_000, b"\x00\x01\x02",
        zlib.compress(b"{}" * 1000),
    ],
    ids=range(16),
)  # fmt: skip
def test_broken_json(server: Served, body: bytes) -> None:
    refused(post(server, body))


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"model": None}, "model"),
        ({"model": 5}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hello"}, "messages"),
        ({"messages": [1]}, "messages.0"),
        ({"messages": [{"content": "a"}]}, "messages.0"),
        ({"messages": [{"role": "king", "content": "a"}]}, "messages.0"),
        ({"messages": [{"role": "user"}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages.0.content"),
        ({"messages": [{"role": "user", "content": [7]}]}, "messages.0.content"),
        ({"messages": [USER], "temperature": "1"}, "temperature"),
        ({"temperature": 2.5}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_completion_tokens": 10**400}, "max_completion_tokens"),
        ({"stop": 5}, "stop"),
        ({"stop": [5]}, "stop"),
        ({"stop": ["a"] * 99}, "stop"),
        ({"seed": "a"}, "seed"),
        ({"seed": 2**70}, "seed"),
        ({"n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"n": "1"}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 5}, "stream_options"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"logit_bias": {"5": "a"}}, "logit_bias.5"),
        ({"metadata": "a"}, "metadata"),
        ({"tools": 5}, "tools"),
        ({"tools": [{}]}, "tools.0.type"),
        ({"tools": [{"type": "web_search"}]}, "tools.0.type"),
        ({"tools": [{"type": "function"}]}, "tools.0.function"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools.0.function.name"),
        ({"tools": [WEATHER] * 99}, "tools"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "perhaps"}, "tool_choice"),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "function", "function": {"name": "no"}},
            },
            "tool_choice",
        ),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"sightdesk": {"thread_id": 5}}, "sightdesk.thread_id"),
    ],
    ids=range(47),
)
def test_wrong_types_and_values(server: Served, change: dict[str, Any], param: str) -> None:
    error = refused(post(server, {**HELLO, **change}))
    assert error["param"] == param, error


@pytest.mark.parametrize(
    "url",
    [
        "data:image/png;base64,%%%not-base64%%%",
        "data:image/png;base64,",
        "data:image/png,plain",
        "data:",
        "",
        "data:image/png;base64," + base64.b64encode(b"no picture at all").decode(),
        "data:text/html;base64," + base64.b64encode(b"<script>").decode(),
        data_uri(1)[:-60],
        "http://127.0.0.1/a.png",
        "https://example.org/a.png",
        "file:///etc/passwd",
        "ftp://example.org/a.png",
        "sightdesk:../../etc/passwd",
        "javascript:alert(1)",
        "x" * 10_000,
    ],
    ids=range(15),
)
def test_what_is_no_picture(server: Served, url: str) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    body = {**HELLO, "messages": [{"role": "user", "content": [part]}]}
    status = 404 if url.startswith("sightdesk:") else 400
    error = refused(post(server, body), status)
    assert error["param"] == "messages.0.content.0.image_url.url"
    streaming = post(server, {**body, "stream": True})
    refused(streaming, status)


def test_pictures_stand_in_messages_of_the_user(server: Served) -> None:
    part = {"type": "image_url", "image_url": {"url": data_uri(1)}}
    for role in ("system", "assistant"):
        messages = [{"role": role, "content": [part]}, USER]
        error = refused(post(server, {**HELLO, "messages": messages}))
        assert error["param"] == "messages.0.content.0"


def test_parts_that_are_not_taken(server: Served) -> None:
    for part in (
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
        {"type": "image_url"},
        {"type": "image_url", "image_url": "data:image/png;base64,AAAA"},
        {"type": "text"},
        {"text": "a"},
    ):
        refused(post(server, {**HELLO, "messages": [{"role": "user", "content": [part]}]}))


def test_two_hundred_pictures(server: Served) -> None:
    part = {"type": "image_url", "image_url": {"url": data_uri(1)}}
    body = {**HELLO, "messages": [{"role": "user", "content": [part] * 200}]}
    error = refused(post(server, body))
    assert error["code"] == "too_many_images" and "200" in error["message"]


def test_a_system_prompt_of_a_hundred_thousand_characters(server: Served) -> None:
    for text in ("word " * 20_000, "x" * 100_000, "\u4f60" * 100_000):
        messages = [{"role": "system", "content": text}, USER]
        for stream in (False, True):
            answer = post(server, {**HELLO, "messages": messages, "stream": stream})
            assert refused(answer)["code"] == "context_length_exceeded"


def test_an_unknown_model(server: Served) -> None:
    for model in ("gpt-4o", "", "a" * 10_000, "../../etc", "\u0000", "<script>"):
        error = refused(post(server, {**HELLO, "model": model}), 404)
        assert error["code"] == "model_not_found" and "embedded" not in error["code"]


def test_unknown_fields_are_passed_over(server: Served) -> None:
    body = {**HELLO, "nonsense": {"a": [1, 2]}, "top_k": "x", "reasoning_effort": "low"}
    body["messages"] = [{**USER, "name": "somebody", "weird": None}]
    assert post(server, body).status_code == 200


def test_a_tool_message_without_a_call(server: Served) -> None:
    messages = [USER, {"role": "tool", "tool_call_id": "c9", "content": "42"}]
    error = refused(post(server, {**HELLO, "messages": messages}))
    assert error["param"] == "messages.1.tool_call_id"


def test_an_empty_question(server: Served) -> None:
    for content in ("", "   ", [], [{"type": "text", "text": ""}]):
        refused(post(server, {**HELLO, "messages": [{"role": "user", "content": content}]}))


def doubling(levels: int) -> dict[str, Any]:
    """A schema of few words that is enormous once its references are followed."""
    defs: dict[str, Any] = {
        f"d{n}": {
            "type": "object",
            "properties": {k: {"$ref": f"#/$defs/d{n + 1}"} for k in ("a", "b")},
        }
        for n in range(levels)
    }
    defs[f"d{levels}"] = {"type": "string"}
    return {"$ref": "#/$defs/d0", "$defs": defs}


def deep(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#/$defs/missing"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"$ref": "file:///etc/passwd"},
        doubling(40),
        deep(45),
        {"type": "string", "enum": ["x" * 200_000]},
    ],
    ids=range(6),
)
def test_schemas_that_cannot_be_followed(server: Served, schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = post(server, {**HELLO, "response_format": form})
    assert answer.status_code in (200, 400)
    if answer.status_code == 400:
        refused(answer)
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    again = post(server, {**HELLO, "tools": [tool]})
    assert again.status_code in (200, 400)
    if again.status_code == 400:
        refused(again)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
        {"type": "string", "pattern": "(a+)+$(?=b)[z-a]"},
        {"type": "object", "properties": {"a": 5}, "required": ["b", 7]},
        {"type": ["string", "null", 7]},
        {"type": "nonsense"},
        {"enum": []},
        {"anyOf": []},
        {"allOf": [{"type": "string"}, {"type": "number"}]},
        {"minimum": "a", "type": "integer"},
        {"type": "array", "minItems": 10**9, "items": {"type": "string"}},
        {},
    ],
    ids=range(12),
)
def test_odd_schemas_break_nothing(server: Served, schema: dict[str, Any]) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    for body in (
        {**HELLO, "response_format": form},
        {**HELLO, "tools": [{"type": "function", "function": {"name": "f", "parameters": schema}}],
         "tool_choice": "required"},
    ):  # fmt: skip
        answer = post(server, body)
        assert answer.status_code < 500, answer.text
        if answer.status_code != 200:
            refused(answer)
    assert post(server, HELLO).status_code == 200


def test_paths_and_methods_that_are_not_there(server: Served) -> None:
    refused(httpx.get(f"{server.url}/nope"), 404)
    refused(httpx.get(f"{server.v1}/chat/completions"), 405)
    refused(httpx.request("PUT", f"{server.v1}/models"), 405)
    refused(httpx.get(f"{server.v1}/threads?limit=a"))
    refused(httpx.get(f"{server.v1}/threads?limit=100000"))
    refused(httpx.get(f"{server.v1}/tickets?state=lost"))
    refused(httpx.get(f"{server.v1}/threads/%00"), 404)
    refused(httpx.patch(f"{server.v1}/threads/x", json={"title": 5}))
    refused(httpx.post(f"{server.v1}/tickets/x/reply", json={"text": ""}))
    refused(httpx.post(f"{server.v1}/tickets/x/reply", json={"text": "a"}), 404)
    refused(httpx.post(f"{server.v1}/threads", content=b"[", headers={"content-type": "a"}))


def test_the_body_need_not_say_its_type(server: Served) -> None:
    data = json.dumps(HELLO).encode()
    url = f"{server.v1}/chat/completions"
    assert httpx.post(url, content=data).status_code == 200
    kind = {"content-type": "application/x-www-form-urlencoded"}
    form = httpx.post(url, content=data, headers=kind)
    assert "Content-Type: application/json" in refused(form)["message"]
