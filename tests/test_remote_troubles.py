"""A server elsewhere that is down, busy, slow, wrong or of ill will: one sentence, in good time."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from assistant.engine import Sampling, Turn
from assistant.errors import BusyError, InputError, RemoteError, SightdeskError
from assistant.remote import RemoteEngine, client
from assistant.remote.address import parse
from assistant.remote.client import Client
from assistant.remote.completion import MOST_CHARS
from assistant.settings import Settings
from tests.openai_server import Reply, Served, openai_server, refusal, reply

KEY = "sk-this-is-a-secret"
HTML = b"<!DOCTYPE html><html><body>Internal error in /srv/secret.py</body></html>"
ASKED = [Turn("user", "What is this?")]


@pytest.fixture
def served() -> Iterator[Served]:
    with openai_server(reply("Yes.")) as server:
        yield server


def opened(served: Served, **limits: Any) -> RemoteEngine:
    address = parse(served.base)
    quick = {"first_s": 2.0, "idle_s": 0.5, "first_wait": 0.01} | limits
    return RemoteEngine(address, client=Client(address, KEY, **quick))


def failed(engine: RemoteEngine, *, stream: bool = True) -> SightdeskError:
    """What a question ends with."""
    with engine, pytest.raises(SightdeskError) as caught:
        if stream:
            list(engine.stream(ASKED))
        else:
            engine.generate(ASKED)
    message = str(caught.value)
    assert len(message) < 400 and "\n" not in message and message.endswith(".")
    assert "secret" not in message and "html" not in message.lower()
    return caught.value


@pytest.mark.parametrize("stream", [True, False])
def test_nobody_is_there(stream: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    address = parse(f"openai:llava@http://127.0.0.1:{port}/v1")
    engine = RemoteEngine(address, client=Client(address, KEY, tries=2, first_wait=0.01))
    error = failed(engine, stream=stream)
    assert isinstance(error, RemoteError)
    assert f"http://127.0.0.1:{port} cannot be reached" in str(error)
    assert "start it, or correct SIGHTDESK_BASE" in str(error)


def test_nobody_is_there_when_the_engine_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "FIRST_WAIT", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(RemoteError, match="cannot be reached"):
        RemoteEngine.open(f"openai:llava@http://127.0.0.1:{port}/v1", settings=Settings())


def test_a_name_that_is_none() -> None:
    address = parse("openai:llava@http://no-such-host.invalid/v1")
    engine = RemoteEngine(address, client=Client(address, tries=1))
    assert "no-such-host.invalid cannot be reached" in str(failed(engine))


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (refusal(401, f"Incorrect API key: {KEY}"), RemoteError, "correct SIGHTDESK_BASE_KEY"),
        (refusal(403, "no"), RemoteError, "SIGHTDESK_BASE_KEY"),
        (refusal(404, "The model `llava` does not exist", code="model_not_found"), RemoteError,
         "does not know the model 'llava'"),
        (Reply(status=404, body=HTML), RemoteError, "ends in /v1"),
        (refusal(400, "This model's maximum context length is 4096 tokens."), InputError,
         "maximum context length is 4096 tokens)"),
        (refusal(400, f"bad key {KEY}\x1b[2J\nnext line " + "x" * 5_000), InputError, "bad key …"),
        (refusal(413, "too large"), InputError, "smaller pictures"),
        (Reply(status=422, body=HTML), InputError, "refused the question (HTTP 422); "),
        (Reply(status=400, body=b"[1, 2"), InputError, "(HTTP 400)"),
        (Reply(status=400, body=b'{"detail": [{"msg": "no"}]}'), InputError, "(HTTP 400)"),
        (Reply(status=307, headers=(("Location", "http://elsewhere.example/v1"),)), RemoteError,
         "sends elsewhere (HTTP 307), which is not followed"),
        (Reply(status=418), InputError, "HTTP 418"),
    ],
    ids=["key", "forbidden", "model", "path", "context", "ill-will", "size", "html", "broken",
         "detail", "redirect", "odd"],
)  # fmt: skip
@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
def test_a_refusal_is_told_and_not_repeated(
    served: Served, answer: Reply, kind: type, said: str, stream: bool
) -> None:
    served.replies = [answer]
    error = failed(opened(served), stream=stream)
    assert isinstance(error, kind) and said in str(error)
    assert len(served.asked) == 1  # asking again would not help


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 529])
def test_a_server_that_fails_is_asked_again(served: Served, status: int) -> None:
    served.replies = [*[Reply(status=status, body=HTML)] * 2, reply("Yes.")]
    with opened(served) as engine:
        assert "".join(engine.stream(ASKED)) == "Yes."
    assert len(served.asked) == 3
    served.replies = [Reply(status=status, body=HTML)]
    assert f"failed (HTTP {status})" in str(failed(opened(served, tries=3)))
    assert len(served.asked) == 6


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_given_the_time_that_it_asks_for(served: Served, status: int) -> None:
    busy = refusal(status, "queue full")
    served.replies = [Reply(status=status, body=busy.body, headers=(("Retry-After", "0.3"),)),
                      reply("Yes.")]  # fmt: skip
    with opened(served) as engine:
        assert "".join(engine.stream(ASKED)) == "Yes."
    assert served.times[1] - served.times[0] > 0.28


def test_a_busy_server_that_wants_long_is_given_up_at_once(served: Served) -> None:
    served.replies = [Reply(status=429, headers=(("Retry-After", "600"),))]
    began = time.monotonic()
    error = failed(opened(served))
    assert isinstance(error, BusyError) and error.retry_after == 600
    assert time.monotonic() - began < 20 and len(served.asked) == 1


@pytest.mark.parametrize("said", ["soon", "-5", "nan", "inf", "Thu, 01 Jan 1970 00:00:00 GMT", ""])
def test_a_busy_server_that_asks_for_nonsense(served: Served, said: str) -> None:
    served.replies = [Reply(status=429, headers=(("Retry-After", said),)), reply("Yes.")]
    engine = opened(served)
    if said == "inf":
        assert isinstance(failed(engine), BusyError)
    else:
        with engine:
            assert "".join(engine.stream(ASKED)) == "Yes."


def test_waiting_for_another_try_can_be_given_up(served: Served) -> None:
    served.replies = [Reply(status=429, headers=(("Retry-After", "10"),))]
    with opened(served) as engine:
        stream = engine.stream(ASKED)
        time.sleep(0.1)
        began = time.monotonic()
        stream.close()
        assert time.monotonic() - began < 2 and len(served.asked) == 1


@pytest.mark.parametrize("words", [0, 2])
def test_a_connection_that_breaks(served: Served, words: int) -> None:
    served.replies = [reply("One two three four.", vanish=words), reply("One two three four.")]
    engine = opened(served)
    if words:
        # What was said cannot be taken back, so that it is not asked again.
        stream = engine.stream(ASKED)
        assert next(stream) == "One "
        with engine, pytest.raises(RemoteError, match="broke off in the middle"):
            list(stream)
        assert len(served.asked) == 1
    else:
        with engine:
            assert "".join(engine.stream(ASKED)) == "One two three four."
        assert len(served.asked) == 2


def test_half_a_stream(served: Served) -> None:
    served.replies = [reply("One two", end=None)]
    assert "broke off in the middle" in str(failed(opened(served)))
    assert len(served.asked) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"", HTML, b"data: " + HTML + b"\n\n", b"data: {not json}\n\n", b"data: 7\n\n",
        b"data: null\n\n", b'data: {"choices": "none"}\n\n', b'data: {"choices": [7]}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n", b"\xff\xfe\x00" * 100, b"data: x" * 1_000_000,
        b"data: [DONE]\n\n", b": ping\n\n: ping\n\n",
    ],
    ids=["empty", "html", "html-event", "broken", "number", "null", "choices", "choice", "deep",
         "bytes", "line", "done", "pings"],
)  # fmt: skip
def test_garbage_in_place_of_a_stream(served: Served, raw: bytes) -> None:
    served.replies = [Reply(raw=raw)]
    error = failed(opened(served, tries=1))
    assert isinstance(error, RemoteError)
    assert "no OpenAI-compatible server" in str(error)


@pytest.mark.parametrize(
    "body",
    [HTML, b"{}", b"[]", b'{"choices": []}', b'{"choices": [{"message": null}]}', b"null",
     b"[" * 100_000, b"\xff\xfe", b'{"choices": [{"message": {"content": "' + b"x" * 2**24],
    ids=["html", "object", "list", "no-choices", "no-message", "null", "deep", "bytes", "endless"],
)  # fmt: skip
def test_garbage_in_place_of_an_answer(served: Served, body: bytes) -> None:
    served.replies = [Reply(body=body)]
    assert "no OpenAI-compatible server" in str(failed(opened(served), stream=False))


@pytest.mark.parametrize("models", [Reply(body=HTML), Reply(body=b"{}"), Reply(body=b"[1]")])
def test_garbage_in_place_of_models(served: Served, models: Reply) -> None:
    served.models = models
    with pytest.raises(RemoteError, match="no OpenAI-compatible server"):
        RemoteEngine.open(served.base, settings=Settings())
    assert opened(served).choices() == ["llava"]  # a page that lists them shows what it can


@pytest.mark.parametrize(
    ("told", "kind", "said"),
    [
        ({"message": "CUDA out of memory", "code": 500}, RemoteError, "failed (HTTP 500)"),
        ({"message": "too many", "code": 429}, BusyError, "too much to do (too many)"),
        ({"message": f"no {KEY}", "type": "invalid_request_error"}, InputError, "(no …)"),
        ("it is broken", InputError, "(it is broken)"),
    ],
    ids=["server", "busy", "request", "text"],
)
def test_an_error_inside_a_stream(served: Served, told: Any, kind: type, said: str) -> None:
    served.replies = [Reply(raw=f"data: {json.dumps({'error': told})}\n\n".encode())]
    error = failed(opened(served, tries=2))
    assert isinstance(error, kind) and said in str(error)
    assert len(served.asked) == (1 if kind is InputError else 2)


def test_a_server_that_says_nothing(served: Served) -> None:
    served.replies = [reply("Yes.", hang=True)]
    began = time.monotonic()
    error = failed(opened(served, first_s=0.3))
    assert "has not begun to answer within" in str(error)
    assert "SIGHTDESK_BASE_TIMEOUT" in str(error) and time.monotonic() - began < 10


def test_a_server_that_falls_silent(served: Served) -> None:
    served.replies = [reply("One two three", delay=1.0)]
    began = time.monotonic()
    assert "stopped in the middle" in str(failed(opened(served, idle_s=0.3)))
    assert time.monotonic() - began < 10


def test_a_server_that_does_not_end(served: Served) -> None:
    served.replies = [reply("x " * 2_000, delay=0.01)]
    assert "stopped in the middle" in str(failed(opened(served, answer_s=0.4)))
    assert served.told < 1_000


def test_a_large_answer_is_read_up_to_a_bound(served: Served) -> None:
    served.replies = [Reply(["word " * 20_000] * 8)]
    with opened(served) as engine:
        stream = engine.stream(ASKED, sampling=Sampling(max_tokens=4096))
        text = "".join(stream)
    assert len(text) <= MOST_CHARS and text.startswith("word word")
    assert stream.answer is not None and stream.answer.finish == "length"


def test_more_wait_than_there_is_room(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MOST_WAITING", 2)
    served.replies = [reply("Yes.", hang=True)]
    with opened(served, parallel=1) as engine:
        streams = []
        for _ in range(3):
            streams.append(engine.stream(ASKED))
            time.sleep(0.05)
        assert (engine.load().running, engine.load().waiting) == (1, 2)
        with pytest.raises(BusyError, match="Too many questions"):
            list(engine.stream(ASKED))
        assert engine.load().refused_total == 1
        for stream in streams:
            stream.close()
        time.sleep(0.05)
        assert (engine.load().running, engine.load().waiting) == (0, 0)


def test_fields_that_a_server_does_not_take_are_left_out(served: Served) -> None:
    def picky(body: dict[str, Any]) -> Reply:
        for name in ("stream_options", "seed", "stop"):
            if name in body:
                return refusal(400, f"Unrecognized request argument supplied: {name}", param=name)
        if "max_tokens" in body:
            return refusal(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.")
        return reply("Yes. No.")

    served.replies = [picky]
    with opened(served) as engine:
        sampling = Sampling(max_tokens=5, seed=1, stop=("No",))
        assert "".join(engine.stream(ASKED, sampling=sampling)).strip() == "Yes."
        asked = len(served.asked)
        engine.generate(ASKED, sampling=sampling)
    assert len(served.asked) == asked + 1  # it is known now
    assert served.asked[-1]["max_completion_tokens"] == 5
    assert served.asked[-1].keys().isdisjoint({"seed", "stop", "max_tokens"})


def test_one_failure_of_a_batch_is_told(served: Served) -> None:
    served.replies = [
        lambda body: refusal(400, "no") if "3" in body["messages"][0]["content"] else reply("Yes.")
    ]
    with opened(served) as engine, pytest.raises(InputError, match=r"\(no\)"):
        engine.generate_batch([([Turn("user", f"{number}?")], []) for number in range(6)])


def test_failures_of_one_are_not_anothers(served: Served) -> None:
    def by_question(body: dict[str, Any]) -> Reply:
        question = body["messages"][0]["content"]
        if "bad" in question:
            return reply("One two three", vanish=2, delay=0.01)
        return reply(f"{question} it is", delay=0.01)

    served.replies = [by_question]
    found: dict[str, str] = {}

    def ask(question: str) -> None:
        try:
            found[question] = "".join(engine.stream([Turn("user", question)]))
        except RemoteError:
            found[question] = "failed"

    with opened(served) as engine:
        questions = [f"{'bad' if number % 3 == 0 else 'good'} {number}" for number in range(15)]
        threads = [threading.Thread(target=ask, args=(each,)) for each in questions]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == {q: "failed" if "bad" in q else f"{q} it is" for q in questions}


def test_nothing_is_logged_that_is_secret(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    served.replies = [refusal(401, f"Incorrect key {KEY}")]
    failed(opened(served))
    assert KEY not in caplog.text
