"""How much a client may send, how slowly, and how much of nonsense: one never harms another."""

from __future__ import annotations

import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from assistant.api import guard
from assistant.api.app import server_options
from assistant.api.body import check_json
from assistant.api.bounds import Bounds
from assistant.api.errors import ApiError
from assistant.api.limits import Limiter
from assistant.api.wire import server_options as wired
from assistant.settings import Settings
from assistant.store import KeyLimits
from tests.api_server import Served, served
from tests.raw_http import Line, Reply, ask
from tests.scripted_page import ScriptedEngine

MOST = 300_000
SHORT = Bounds(
    head_s=1.0,
    stall_s=0.6,
    body_s=1.2,
    body_rate=100_000.0,
    write_s=1.2,
    linger_s=1.0,
    idle_s=1,
    connections=40,
    bodies_bytes=1_000_000,
)
JSON = "Content-Type: application/json"


def engine(answer: str = "A banana.", **options: Any) -> ScriptedEngine:
    return ScriptedEngine([answer], **options)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with short bounds."""
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("limits"), max_body_bytes=MOST, audit="off"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(guard, "Bounds", lambda: SHORT)
        options = server_options(5.0) | wired(SHORT)
        with served(engine(), settings=settings, **options) as opened:
            yield opened


@pytest.fixture(autouse=True)
def _others_are_served(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each of these, the next client is answered as ever, and nothing is left behind."""
    yield
    if "here" in request.fixturenames:
        opened: Served = request.getfixturevalue("here")
        assert chat(opened).status == 200


def chat(here: Served, *headers: str, **more: Any) -> Reply:
    body = {"model": "embedded", "messages": [{"role": "user", "content": "Hi"}]} | more
    return post(here, json.dumps(body).encode(), *headers)


def post(here: Served, body: bytes, *headers: str, path: str = "/v1/chat/completions") -> Reply:
    return ask(here.url, path, JSON, *headers, method="POST", body=body)


def begins(body: bytes) -> str:
    """What a test with this body is called."""
    return ascii(body[:20])


def asking(more: str = "", text: str = "Hi") -> bytes:
    """A question in JSON, with more fields behind it."""
    return (
        f'{{"model": "embedded", "messages": [{{"role": "user", "content": "{text}"}}]{more}}}'
    ).encode("latin-1")


# --- buckets


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_requests_a_minute() -> None:
    clock = Clock()
    limiter = Limiter(clock)
    limits = KeyLimits(requests=60)
    told = limiter.enter("a", limits)
    assert told == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "59",
        "x-ratelimit-reset-requests": "1s",
    }
    for _ in range(59):
        told = limiter.enter("a", limits)
    assert told["x-ratelimit-reset-requests"] == "1m0s"
    with pytest.raises(ApiError) as caught:
        limiter.enter("a", limits)
    assert caught.value.status == 429
    assert caught.value.type == "requests"
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.headers["Retry-After"] == "1"
    assert caught.value.headers["x-ratelimit-remaining-requests"] == "0"
    limiter.enter("b", limits)
    clock.now += 1.0
    limiter.enter("a", limits)
    with pytest.raises(ApiError):
        limiter.enter("a", limits)
    clock.now += 10_000
    assert limiter.enter("a", limits)["x-ratelimit-remaining-requests"] == "59"


@pytest.mark.parametrize(
    ("kind", "limits"),
    [("tokens", KeyLimits(tokens=600)), ("bytes", KeyLimits(received=600))],
)
def test_what_is_known_afterwards_is_owed(kind: str, limits: KeyLimits) -> None:
    clock = Clock()
    limiter = Limiter(clock)
    limiter.enter("a", limits)
    limiter.spend("a", kind, 1_200)
    with pytest.raises(ApiError) as caught:
        limiter.enter("a", limits)
    assert caught.value.type == kind
    assert caught.value.headers["Retry-After"] == "61"
    clock.now += 61
    limiter.enter("a", limits)
    limiter.spend("nobody", kind, 1)


def test_requests_at_once() -> None:
    limiter = Limiter(Clock())
    limits = KeyLimits(concurrent=2)
    assert limiter.enter("a", limits) == {}
    limiter.enter("a", limits)
    with pytest.raises(ApiError, match="2 requests at once"):
        limiter.enter("a", limits)
    limiter.enter("b", limits)
    limiter.leave("a")
    limiter.enter("a", limits)
    # A key whose limits change keeps count of what runs.
    with pytest.raises(ApiError):
        limiter.enter("a", replace(limits, requests=5))


def test_buckets_are_forgotten_but_not_who_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.api.limits._MAX_CLIENTS", 10)
    limiter = Limiter(Clock())
    limits = KeyLimits(concurrent=1)
    limiter.enter("runs", limits)
    for number in range(100):
        limiter.enter(f"{number}", limits)
        limiter.leave(f"{number}")
    assert len(limiter._clients) == 10
    with pytest.raises(ApiError):
        limiter.enter("runs", limits)


def test_a_key_is_held_to_its_limits_and_others_are_not(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, audit="off")
    with served(engine(), settings=settings) as opened:
        _, tight = opened.service.store.create_key("tight", limits=KeyLimits(requests=2))
        _, wordy = opened.service.store.create_key("wordy", limits=KeyLimits(tokens=80))
        _, free = opened.service.store.create_key("free")
        with openai.OpenAI(base_url=opened.v1, api_key=tight, max_retries=0) as client:
            raw = client.models.with_raw_response.list()
            assert raw.headers["x-ratelimit-limit-requests"] == "2"
            assert raw.headers["x-ratelimit-remaining-requests"] == "1"
            client.models.list()
            with pytest.raises(openai.RateLimitError) as caught:
                client.models.list()
            assert caught.value.code == "rate_limit_exceeded"
            assert 1 <= int(caught.value.response.headers["retry-after"]) <= 60
        bearer = f"Authorization: Bearer {free}"
        assert chat(opened, bearer).status == 200
        first = chat(opened, f"Authorization: Bearer {wordy}")
        assert first.headers["x-ratelimit-remaining-tokens"] == "80"
        assert chat(opened, f"Authorization: Bearer {wordy}").status == 200
        spent = chat(opened, f"Authorization: Bearer {wordy}")
        assert spent.status == 429
        assert spent.error["type"] == "tokens"
        assert chat(opened, bearer).status == 200


def test_requests_at_once_are_counted_to_their_end(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, audit="off")
    with served(engine("word " * 40, delay=0.02), settings=settings) as opened:
        _, key = opened.service.store.create_key("k", limits=KeyLimits(concurrent=1))
        bearer = f"Authorization: Bearer {key}"
        answers: list[Reply] = []
        running = threading.Thread(target=lambda: answers.append(chat(opened, bearer, stream=True)))
        running.start()
        time.sleep(0.3)
        refused = chat(opened, bearer)
        running.join()
        assert answers[0].status == 200
        assert answers[0].body.rstrip().endswith((b"[DONE]", b"0"))
        assert refused.status == 429
        assert refused.headers["retry-after"] == "1"
        assert chat(opened, bearer).status == 200


# --- bodies


def test_a_body_of_500_mb_is_refused_before_it_is_sent(here: Served) -> None:
    with Line(here.url) as line:
        line.send(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n"
            f"Content-Length: {500 * 2**20}\r\nExpect: 100-continue\r\n\r\n"
        )
        found = line.reply()
        assert found.status == 413
        assert found.error["code"] == "request_too_large"
        assert found.seconds < 1
        assert line.is_closed()


def test_a_body_of_500_mb_that_is_sent_is_cut(here: Served) -> None:
    began = time.monotonic()
    piece = bytes(2**20)
    with Line(here.url) as line:
        line.send(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n"
            f"Transfer-Encoding: chunked\r\n\r\n"
        )
        sent = 0
        while sent < 500 and line.send(b"100000\r\n" + piece + b"\r\n"):
            sent += 1
        assert line.reply().status in (413, 0)
    assert time.monotonic() - began < 20


def test_the_answer_reaches_a_client_that_sends_all_first(here: Served) -> None:
    found = httpx.post(f"{here.v1}/chat/completions", content=bytes(5 * 2**20), timeout=20)
    assert found.status_code == 413
    form = httpx.post(f"{here.v1}/images", files={"file": ("a.png", bytes(2**20))}, timeout=20)
    assert form.status_code == 413
    assert form.json()["error"]["code"] == "request_too_large"

    def chunks() -> Iterator[bytes]:
        for _ in range(50):
            yield bytes(20_000)

    chunked = httpx.post(f"{here.v1}/images", content=chunks(), timeout=20)
    assert chunked.status_code == 413


def test_a_body_at_the_limit_is_taken(here: Served) -> None:
    body = json.dumps({"model": "embedded", "messages": [{"role": "user", "content": "Hi"}]})
    assert post(here, body.encode().ljust(MOST)).status == 200
    assert post(here, body.encode().ljust(MOST + 1)).status == 413


def test_a_length_that_is_a_lie(here: Served) -> None:
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: "
    for lie in ("-1", "1e3", "0x10", "+5", "5, 6", "99999999999999999999999", ""):
        with Line(here.url) as line:
            line.send(f"{head}{lie}\r\n\r\n{{}}")
            assert line.reply().status in (400, 413), lie
    with Line(here.url) as line:  # more is announced than comes
        line.send(f"{head}100\r\n\r\n{{}}")
        line.half_close()
        assert line.reply().status in (0, 400, 408)
    with Line(here.url) as line:  # less is announced: the rest is another request, and none
        line.send(f"{head}2\r\n\r\n{{}}garbage without end\r\n\r\n")
        assert line.reply().status == 400
        assert line.reply().status in (400, 0)
        assert line.is_closed()


@pytest.mark.parametrize(
    ("path", "framing"),
    [
        ("/v1/chat/completions", "Content-Length: 5000"),
        ("/v1/images", "Content-Length: 5000"),
        ("/v1/images", "Transfer-Encoding: chunked"),
        ("/v1/nothing", "Transfer-Encoding: chunked"),
    ],
)
def test_a_body_that_is_dripped(here: Served, path: str, framing: str) -> None:
    kind = "multipart/form-data; boundary=x" if path == "/v1/images" else "application/json"
    with Line(here.url) as line:
        line.send(
            f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{framing}\r\n\r\n"
        )
        each = b"1\r\n{\r\n" if "chunked" in framing else b"{"
        if path == "/v1/images":
            start = b"--x\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n"
            line.send(b"%x\r\n%s\r\n" % (len(start), start) if "chunked" in framing else start)
        began = time.monotonic()
        while time.monotonic() - began < 8 and line.send(each):
            time.sleep(0.1)
            if time.monotonic() - began > 1.6:
                break
        found = line.reply()
        assert found.status in (408, 404)
        assert found.seconds < 6
        assert line.is_closed()


def test_a_body_that_does_not_come(here: Served) -> None:
    with Line(here.url) as line:
        line.send(
            f"POST /v1/models HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\nContent-Length: 9\r\n\r\n"
        )
        found = line.reply()
        assert found.status == 408
        assert found.error["code"] == "too_slow"
        assert found.seconds < 3
        assert line.is_closed()


def test_all_bodies_together_have_a_limit(here: Served) -> None:
    lines = [Line(here.url) for _ in range(8)]
    try:
        for line in lines:
            line.send(
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n"
                f"Content-Length: {MOST}\r\n\r\n"
            )
            line.send(bytes(MOST - 1))
        found = [line.reply() for line in lines]
    finally:
        for line in lines:
            line.__exit__()
    assert {each.status for each in found} == {408, 429}
    busy = next(each for each in found if each.status == 429)
    assert busy.error["code"] == "busy"
    assert busy.headers["retry-after"] == "1"


def test_who_has_no_key_is_given_no_memory(here: Served) -> None:
    guarding = _guard_of(here)
    with Line(here.url) as line:
        line.send(
            f"POST /widget/v1/messages HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n"
            f"Content-Length: {MOST}\r\n\r\n"
        )
        line.send(bytes(MOST - 1))
        found = line.reply()
    assert found.status in (400, 401, 403, 413)
    assert found.seconds < 3
    assert guarding.held == 0


# --- JSON


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"nonsense", b"[]", b"null", b"1", b'"text"', b"{}", b'{"model": "embedded"}',
        b"\xff\xfe\x00", b"\x80" * 50, b"\0" * 50, asking(text="\xff\xff"), asking(text="\xc3("),
        asking(text="\\ud800"), asking(text="\\udc00\\ud800"), asking(', "temperature": NaN'),
        asking(', "temperature": 1e999'), asking(f', "seed": {"9" * 5_000}'),
        b"[" * 100_000, b'{"a":' * 50_000, b"[" * 101 + b"]" * 101, b"[" * 300 + b"]" * 300,
        b'{"messages":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    ],
    ids=begins,
)  # fmt: skip
def test_bodies_that_are_nothing(here: Served, body: bytes) -> None:
    found = post(here, body)
    assert found.status == 400
    assert found.error["type"] == "invalid_request_error"


def test_whole_characters_pass(here: Served) -> None:
    for text in ("😀 \U0010ffff \\ud800", "\\\\", '"\\u0041', "\ud83d\ude00"):
        body = json.dumps({"model": "embedded", "messages": [{"role": "user", "content": text}]})
        assert post(here, body.encode()).status == 200
    escaped = (
        b'{"model":"embedded","messages":[{"role":"user","content":"\\ud83d\\ude00\\\\ud800"}]}'
    )
    assert post(here, escaped).status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 2**24, b"]" * 2**24, b"[]," * 2**22, b"{},"  * 2**22, b'"' * 2**24, b'"",' * 2**22,
        b"," * 2**24, b"\\" * 2**24, b'"' + b"\\" * 2**24, b'"' + b"a" * 2**24, b"a" * 2**24,
        b'"' + b"\\u0041" * 2**21 + b'"', b'"' + b"\\ud83d\\ude00" * 2**20 + b'"',
        b'"' + b"\\ud83d" * 2**21 + b'"', b'"' + b"\\n" * 2**22 + b'\\u0041"',
    ],
    ids=begins,
)  # fmt: skip
def test_no_json_takes_long_to_judge(body: bytes) -> None:
    began = time.process_time()
    try:
        check_json(body, Bounds())
    except ApiError as error:
        assert error.status == 400
    assert time.process_time() - began < 2


def test_depth_and_number_of_what_json_holds() -> None:
    bounds = Bounds(json_depth=3, json_tokens=10)
    for fine in (b"[[[1]]]", b'{"a": "[[[[["}', b'["\\"[[[[["]', b"", b"[1,2,3,4]", b"}}}}"):
        check_json(fine, bounds)
    for deep in (b"[[[[", b'{"a":{"a":{"a":{'):
        with pytest.raises(ApiError, match="3 levels"):
            check_json(deep, bounds)
    for long in (b"[1,2,3,4,5,6,7,8,9,0,1,2]", b'"" ' * 12):
        with pytest.raises(ApiError, match="more than 10"):
            check_json(long, bounds)


# --- heads and connections


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["X-Long: " + "a" * 40_000], 431),
        ([f"X-{number}: a" for number in range(120)], 431),
        ([f"X-{number}: {'a' * 400}" for number in range(90)], 431),
        (["X-Long: " + "a" * 100_000], 431),
        (["Host: localhost", "Host: localhost"], 400),
        (["Content-Type: a", "Content-Type: b"], 400),
        (["Transfer-Encoding: gzip, chunked"], 501),
        (["Transfer-Encoding: chunked", "Transfer-Encoding: identity"], 501),
        (["Name without colon"], 400),
        (["Bad Name: x"], 400),
        (["X: a\0b"], 400),
        (["X : a"], 400),
        ([" folded"], 400),
    ],
)
def test_heads_that_are_refused(here: Served, headers: list[str], status: int) -> None:
    found = ask(here.url, "/v1/models", *headers)
    assert found.status == status
    assert found.error["type"] == "invalid_request_error"


def test_a_body_with_two_ends_is_refused(here: Served) -> None:
    with Line(here.url) as line:
        line.send(
            "POST /v1/models HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n"
        )
        assert line.reply().status == 400


@pytest.mark.parametrize("path", ["/v1/" + "a" * 9_000, "/v1/models?" + "a=b&" * 3_000])
def test_addresses_that_are_too_long(here: Served, path: str) -> None:
    assert ask(here.url, path).status == 414


@pytest.mark.parametrize(
    "target", ["http://evil.example/v1/models", "/v1/%00", "/v1/%ff%fe", "/v1/..%2f..%2fetc", "*",
               "/v1/images/%2e%2e/%2e%2e", "//v1/models", "/%0d%0aSet-Cookie:a=b", "/v1/models%20"],
)  # fmt: skip
def test_odd_addresses(here: Served, target: str) -> None:
    found = ask(here.url, target)
    assert 400 <= found.status < 500
    assert found.error
    assert "set-cookie" not in found.headers


def test_headers_cannot_be_injected(here: Served) -> None:
    for evil in ("a%0d%0aX-Evil: 1", "a\\r\\nX-Evil: 1"):
        for path in (f"/v1/images/{evil}", f"/v1/models?after={evil}".replace(" ", "+")):
            found = ask(here.url, path.replace(" ", "%20"), f"X-Request-Id: {evil}")
            assert "x-evil" not in found.headers
    found = ask(here.url, "/v1/models", "X-Request-Id: a\rX-Evil: 1")
    assert "x-evil" not in found.headers


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n" * 50, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
        b"\0" * 99,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"SSH-2.0-x\r\n", b"HELO x\r\n\r\n", b"\xff" * 500,
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\nHost: localhost\n\n\n", b"A" * 200_000,
    ],
    ids=begins,
)  # fmt: skip
def test_what_is_no_http(here: Served, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with Line(here.url) as line:
        line.send(data)
        found = line.reply()
        assert found.status == 0 or 400 <= found.status < 500
        if found.status:
            assert found.error
        assert found.seconds < 6
    assert "Invalid HTTP request" not in caplog.text


def test_random_bytes(here: Served) -> None:
    luck = random.Random(7)
    for _ in range(40):
        with Line(here.url) as line:
            start = luck.choice(
                [b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n", b"POST /v1/images "]
            )
            line.send(start + luck.randbytes(luck.randrange(1, 3_000)) + b"\r\n\r\n")
            found = line.reply()
            assert found.status == 0 or 400 <= found.status < 600
            assert found.status != 500


def test_garbage_behind_a_request_ends_only_that_connection(here: Served) -> None:
    good = "GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with Line(here.url) as line:
        line.send(good * 3 + "garbage\r\n\r\n" + good)
        assert [line.reply().status for _ in range(3)] == [200] * 3
        assert line.reply().status == 400
        assert line.is_closed()
    with Line(here.url) as line:  # while an answer is under way
        body = json.dumps({"model": "embedded", "messages": [{"role": "user", "content": "Hi"}]})
        line.send(
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n"
            f"Transfer-Encoding: chunked\r\n\r\n{len(body):x}\r\n{body}\r\nzz\r\n"
        )
        assert line.reply().status in (0, 400)


@pytest.mark.parametrize("first", ["", "GET /v1/mod", "GET /v1/models HTTP/1.1\r\nHost: loc"])
def test_a_head_that_does_not_end(here: Served, first: str) -> None:
    with Line(here.url) as line:
        line.send(first)
        found = line.reply()
        assert found.status == (408 if first else 0)
        assert found.seconds < 5
        assert line.is_closed()


def test_a_head_that_is_dripped(here: Served) -> None:
    with Line(here.url) as line:
        line.send("GET /v1/models HTTP/1.1\r\nX: ")
        began = time.monotonic()
        while time.monotonic() - began < 6 and line.send("a"):
            time.sleep(0.1)
        assert time.monotonic() - began < 5


def test_a_quick_client_keeps_its_connection(here: Served) -> None:
    with Line(here.url) as line:
        began = time.monotonic()
        while time.monotonic() - began < 2.5:  # longer than any of the bounds
            line.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert line.reply().status == 200
            time.sleep(0.2)
        assert line.is_closed()  # and loses it when it says nothing more


def test_a_client_that_reads_a_byte_a_second(here: Served, photos: Path) -> None:
    """What it does not take is dropped, and what works for it ends, before long."""
    lines = [Line(here.url, buffer=4_096) for _ in range(3)]
    flood = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    for line in lines:
        line.send(flood)
    assert chat(here).status == 200
    began, ended = time.monotonic(), 0.0
    server: Any = here.server
    while time.monotonic() - began < 15:
        for line in lines:
            line.take(1)
        if not [each for each in server.server_state.connections if each.cycle is not None]:
            ended = time.monotonic() - began
            break
        time.sleep(0.25)
    assert 0 < ended < 12
    for line in lines:
        line.__exit__()


def test_a_slow_reader_of_a_stream_holds_no_seat(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guard, "Bounds", lambda: SHORT)
    settings = Settings(data_dir=tmp_path, audit="off")
    words = " ".join("w" * 20_000 for _ in range(400))  # 8 MB: more than the system buffers
    options = server_options(5.0) | wired(SHORT)
    with served(engine(words), settings=settings, **options) as opened:
        with Line(opened.url, buffer=4_096) as line:
            body = json.dumps(
                {
                    "model": "embedded",
                    "stream": True,
                    "messages": [{"role": "user", "content": "x"}],
                }
            )
            line.send(
                f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}"
            )
            began = time.monotonic()
            while opened.service.running == 0:
                assert time.monotonic() - began < 5
            while opened.service.running and time.monotonic() - began < 15:
                line.take(1)
                time.sleep(0.2)
            assert opened.service.running == 0
        assert ask(opened.url).status == 200


def test_too_many_connections(here: Served) -> None:
    lines = []
    try:
        for _ in range(SHORT.connections + 5):
            lines.append(Line(here.url, timeout_s=0.5))
        closed = 0
        for line in lines[-3:]:
            line.send("GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n")
            closed += line.reply().status == 0
        assert closed == 3
    finally:
        for line in lines:
            line.__exit__()
    time.sleep(0.3)


def test_clients_that_leave_at_once(here: Served) -> None:
    for data in (b"", b"GET", b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        for _ in range(10):
            with Line(here.url) as line:
                line.send(data)
                if data:
                    line._socket.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
                    )


def test_http_1_0_and_head(here: Served) -> None:
    assert ask(here.url, "/v1/models", version="1.0").status == 200
    found = ask(here.url, "/healthz", method="HEAD", version="1.0")
    assert found.status in (200, 405)


def test_overload_is_told_and_health_still_answers(here: Served, monkeypatch: Any) -> None:
    monkeypatch.setattr(_guard_of(here), "bounds", replace(SHORT, requests=0))
    busy = ask(here.url)
    assert busy.status == 429
    assert busy.error["code"] == "busy"
    assert ask(here.url, "/healthz").status == 200
    monkeypatch.undo()


def _guard_of(here: Served) -> Any:
    layer: Any = here.server.config.loaded_app
    while not isinstance(layer, guard.Guard):
        inner = getattr(layer, "middleware_stack", None) or getattr(layer, "app", None)
        layer = inner or layer._app
    return layer
