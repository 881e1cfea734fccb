"""The server while it runs: clients that go, too many of them, loading, figures, stopping."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import openai
import pytest
from typer.testing import CliRunner

from assistant.api.app import create_app
from assistant.api.service import Service
from assistant.batching import client as who_asks
from assistant.cli import app
from assistant.cli.serve import example
from assistant.errors import BusyError, WeightsError
from assistant.settings import Settings, get_settings
from tests import tiny
from tests.api_server import Served, served
from tests.scripted_engine import SayingEngine

HELLO: Any = {"model": "embedded", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def engine() -> SayingEngine:
    return SayingEngine()


@pytest.fixture
def server(engine: SayingEngine) -> Iterator[Served]:
    with served(engine) as server:
        yield server


def wait(until: Any, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < ends, "it took too long"
        time.sleep(0.005)


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_goes_frees_its_place(
    server: Served, engine: SayingEngine, stream: bool
) -> None:
    engine.text, engine.delay = " ".join(["word"] * 200), 60.0  # it waits for its first word
    address = urlsplit(server.url)
    body = json.dumps({**HELLO, "stream": stream}).encode()
    for _ in range(3):
        with socket.create_connection((str(address.hostname), int(address.port or 0))) as talking:
            talking.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
                b"application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            wait(lambda: engine.streams and engine.streams[-1].closed_at is None)
            left = time.perf_counter()
        wait(lambda: engine.streams[-1].closed_at is not None)
        closed = engine.streams[-1].closed_at
        assert closed is not None and closed - left < 0.2
        wait(lambda: server.service.running == 0)
        engine.streams.clear()
    engine.delay = 0.0
    assert httpx.post(f"{server.v1}/chat/completions", json=HELLO).status_code == 200


def test_a_full_queue_says_when_to_come_back(
    server: Served, engine: SayingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise BusyError("Too many requests wait already; ask again in 3 seconds.", 2.2)

    monkeypatch.setattr(engine, "stream", full)
    for stream in (False, True):
        told = httpx.post(f"{server.v1}/chat/completions", json={**HELLO, "stream": stream})
        assert told.status_code == 429 and told.headers["retry-after"] == "3"
        assert told.json()["error"]["type"] == "rate_limit_error"
    assert server.service.running == 0


def test_more_than_there_is_room_for(tmp_path: Any) -> None:
    engine = SayingEngine("word", delay=1.0)
    settings = Settings(data_dir=tmp_path, cache_dir=tmp_path, batch_size=2, queue_size=1)
    with served(engine, settings=settings) as server:
        found: list[int] = []

        def ask() -> None:
            answer = httpx.post(f"{server.v1}/chat/completions", json=HELLO, timeout=30)
            found.append(answer.status_code)

        threads = [threading.Thread(target=ask) for _ in range(5)]
        for thread in threads:
            thread.start()
        wait(lambda: server.service.running == 3)
        assert httpx.get(f"{server.url}/readyz").json()["queue"] == "full"
        for thread in threads:
            thread.join()
    assert sorted(found) == [200, 200, 200, 429, 429]


def test_trouble_in_the_middle_of_a_stream_is_an_event(
    server: Served, engine: SayingEngine
) -> None:
    class Breaks:
        def __next__(self) -> str:
            if not hasattr(self, "said"):
                self.said = True
                return "A "
            raise RuntimeError("secret of the inside")

        def __iter__(self) -> Any:
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def close(self) -> None:
            return None

        answer = None

    engine.stream = lambda *_, **__: Breaks()  # type: ignore[method-assign, assignment]
    told = httpx.post(f"{server.v1}/chat/completions", json={**HELLO, "stream": True})
    *_, last, end = told.text.split("\n\n")
    error = json.loads(last.removeprefix("data: "))["error"]
    assert error["type"] == "server_error" and "secret" not in told.text and end == ""
    assert "[DONE]" not in told.text
    client = openai.OpenAI(base_url=server.v1, api_key="x", max_retries=0)
    with pytest.raises(openai.APIError):
        list(client.chat.completions.create(**HELLO, stream=True))
    whole = httpx.post(f"{server.v1}/chat/completions", json=HELLO)
    assert whole.status_code == 500 and "secret" not in whole.text and "Trace" not in whole.text
    assert httpx.get(f"{server.url}/healthz").json() == {"status": "ok"}


def test_the_queue_knows_who_asks(server: Served, engine: SayingEngine) -> None:
    names: list[str] = []

    def text(_turns: Any) -> str:
        names.append(who_asks.get())
        return "x"

    engine.text = text
    httpx.post(f"{server.v1}/chat/completions", json=HELLO)
    assert names == ["//"]


def test_the_model_is_loaded_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    engine = SayingEngine()

    def slow(*_: Any, **__: Any) -> Any:
        go_on.wait(30)
        return engine

    monkeypatch.setattr("assistant.engines.open_engine", slow)
    monkeypatch.setattr("assistant.batching.SharedEngine", lambda given, **_: given)
    with served(None) as server:
        early = httpx.get(f"{server.url}/readyz")
        assert early.status_code == 503 and early.json()["engine"] == "loading"
        for asked in (
            httpx.post(f"{server.v1}/chat/completions", json=HELLO),
            httpx.get(f"{server.v1}/models"),
        ):
            assert asked.status_code == 503 and asked.headers["retry-after"] == "5"
        assert httpx.get(f"{server.v1}/threads").status_code == 200
        go_on.set()
        assert server.service.wait(10)
        ready = httpx.get(f"{server.url}/readyz")
        assert ready.status_code == 200 and ready.json()["status"] == "ready"
        assert httpx.post(f"{server.v1}/chat/completions", json=HELLO).status_code == 200


def test_a_model_that_cannot_be_loaded_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise WeightsError("The base is damaged; fetch it again.")

    monkeypatch.setattr("assistant.engines.open_engine", broken)
    with served(None) as server:
        assert not server.service.wait(10)
        assert httpx.get(f"{server.url}/readyz").json()["engine"] == "failed"
        told = httpx.post(f"{server.v1}/chat/completions", json=HELLO)
        assert told.status_code == 503 and "damaged" in told.json()["error"]["message"]


def test_figures(server: Served, engine: SayingEngine) -> None:
    httpx.post(f"{server.v1}/chat/completions", json=HELLO)
    httpx.post(f"{server.v1}/chat/completions", json=[])
    httpx.get(f"{server.url}/no/such/path/with-a-secret")
    answer = httpx.get(f"{server.url}/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.text.splitlines()
    asked = 'sightdesk_requests_total{method="POST",route="/v1/chat/completions",status="%d"} 1.0'
    assert asked % 200 in lines and asked % 400 in lines
    assert 'sightdesk_tokens_total{kind="prompt",model="embedded"} 12.0' in lines
    assert "sightdesk_ready 1.0" in lines and "sightdesk_answers_running 0.0" in lines
    assert any(line.startswith("sightdesk_request_seconds_bucket") for line in lines)
    assert "with-a-secret" not in answer.text
    assert 'route="(none)",status="404"' in answer.text


def test_figures_of_the_engine_and_its_queue() -> None:
    from assistant.batching import SharedEngine
    from assistant.engine import Engine

    with (
        SharedEngine(Engine.load(str(tiny.directory()))) as engine,
        served(engine) as server,
    ):
        httpx.post(f"{server.v1}/chat/completions", json={**HELLO, "max_tokens": 3})
        text = httpx.get(f"{server.url}/metrics").text
    assert "sightdesk_engine_waiting 0.0" in text and "sightdesk_engine_answers_total 1.0" in text
    assert "sightdesk_engine_tokens_total 3.0" in text


def test_the_page_loads_nothing_and_shows_all(server: Served) -> None:
    page = httpx.get(f"{server.url}/docs")
    schema = httpx.get(f"{server.url}/openapi.json").json()
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    loads = re.findall(r'(?:src|href)="([^"]*)"', page.text)
    assert all(link.startswith("#") or link == "/openapi.json" for link in loads)
    assert not re.search(r"<script|@import|url\(", page.text)
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in page.headers["content-security-policy"]
    for path in schema["paths"]:
        assert path in page.text
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert operation["summary"] and operation["description"], path
            assert operation["responses"].keys() & {"200"}, path
            if path.startswith("/v1"):
                assert {"400", "401", "429", "500"} <= operation["responses"].keys()
                assert {"bearer": []} in operation["security"]
    assert schema["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_stopping_lets_what_runs_come_to_its_end(server: Served, engine: SayingEngine) -> None:
    engine.text, engine.delay = "one two three four", 0.2
    found: list[httpx.Response] = []

    def ask() -> None:
        found.append(httpx.post(f"{server.v1}/chat/completions", json=HELLO, timeout=30))

    asking = threading.Thread(target=ask)
    asking.start()
    wait(lambda: server.service.running == 1)
    server.service.drain()
    late = httpx.post(f"{server.v1}/chat/completions", json=HELLO)
    assert late.status_code == 503 and late.headers["retry-after"]
    server.server.should_exit = True
    asking.join(20)
    assert found[0].json()["choices"][0]["message"]["content"] == "one two three four"


def test_a_host_for_others_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    result = CliRunner().invoke(app, ["serve", "--host", "0.0.0.0", "--port", "0"])
    assert result.exit_code == 2 and "no key" in result.output


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = CliRunner().invoke(app, ["serve", "--port", port])
    assert result.exit_code == 2 and "--port" in result.output
    result = CliRunner().invoke(app, ["serve", "--host", "no.such.host.invalid", "--port", "0"])
    assert result.exit_code == 2 and "--host" in result.output


def test_the_example_names_no_key() -> None:
    line = example("http://127.0.0.1:8000", with_key=True)
    assert line.endswith('-H "Authorization: Bearer $SIGHTDESK_API_KEY"')
    assert shlex.split(line)[0] == "curl"


def test_the_command_serves_until_it_is_told_to_stop(tmp_path: Any) -> None:
    environment = {**os.environ, "SIGHTDESK_API_KEY": "a-key-for-this-test"}
    run = [sys.executable, "-c", "from assistant.cli import main; main()"]
    command = [*run, "serve", "--port", "0", "--base", str(tiny.directory())]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        line = ""
        try:
            for line in process.stdout:
                if line.startswith("curl"):
                    break
            answer = subprocess.run(
                ["sh", "-c", line], env=environment, capture_output=True, text=True, timeout=60
            )
            told = json.loads(answer.stdout)
            assert told["object"] == "chat.completion", told
            url = shlex.split(line)[1]
            assert httpx.post(url, json=HELLO).status_code == 401
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
        assert code == 0
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_an_app_can_be_opened_twice() -> None:
    with Service.open(get_settings(), engine=SayingEngine()) as service:
        create_app(service)
        create_app(service)
