"""A base elsewhere: what an OpenAI-compatible server is asked, and what becomes of its answers."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from assistant.engine import EncodedImage, Sampling, Turn
from assistant.engines import is_elsewhere, open_engine, shown_base
from assistant.errors import AdapterError, InputError, RemoteError
from assistant.images import open_image
from assistant.remote import RemoteEngine
from assistant.remote.address import parse
from assistant.remote.client import Client
from assistant.remote.pictures import LONGEST_SIDE, HeldImage, hold
from assistant.settings import Settings, get_settings
from tests import tiny
from tests.openai_server import Reply, Served, openai_server, refusal, reply

SEEN = "A red apple lies on a table."


@pytest.fixture
def served() -> Iterator[Served]:
    with openai_server(reply(SEEN)) as server:
        yield server


@pytest.fixture
def engine(served: Served) -> Iterator[RemoteEngine]:
    with opened(served) as engine:
        yield engine


def opened(served: Served, **limits: Any) -> RemoteEngine:
    """An engine that has not asked for the server's models yet."""
    address = parse(served.base)
    client = Client(address, **{"first_s": 5.0, "idle_s": 2.0, "first_wait": 0.01} | limits)
    return RemoteEngine(address, client=client)


def about(engine: RemoteEngine, text: str = "What is this?") -> Any:
    """A question about a picture, as `stream` and `generate` take it."""
    picture = engine.encode_image(tiny.picture(1))
    return [Turn("user", text, (picture.id,))], [picture]


# --- the address


@pytest.mark.parametrize(
    ("base", "model", "url"),
    [
        ("openai:llava-1.5-7b@http://localhost:8000/v1", "llava-1.5-7b",
         "http://localhost:8000/v1"),
        ("openai:llava-hf/llava-1.5-7b-hf@https://gpu.example/a/b/v1/",
         "llava-hf/llava-1.5-7b-hf", "https://gpu.example/a/b/v1"),
        (" OpenAI:m:q4_K@M@HTTP://[::1]:8080 ", "m:q4_K@M", "HTTP://[::1]:8080"),
    ],
)  # fmt: skip
def test_a_base_names_model_and_server(base: str, model: str, url: str) -> None:
    address = parse(base)
    assert (address.model, address.url) == (model, url)
    assert is_elsewhere(base) and shown_base(base) == address.name == f"openai:{model}"


@pytest.mark.parametrize(
    "base",
    [
        "openai:", "openai:m", "openai:@http://h/v1", "openai:m@", "openai:m@ftp://h/v1",
        "openai:m@http://", "openai:m@http://h:port/v1", "openai:m@http://h:0/v1",
        "openai:m@http://h/v1?key=secret", "openai:m@http://h/v1#secret", "openai:m@h/v1",
        "openai:m@http://h\r\nX-Evil: secret/v1", "openai:m@http://user:secret@h/v1",
        "openai:m@http://secret@h/v1", "openai:m@http://h\\@secret/v1",
        "openai:" + "m" * 5_000 + "@http://h/v1",
    ],
    ids=range(16),
)  # fmt: skip
def test_a_base_that_is_none_is_told_without_what_may_be_secret(base: str) -> None:
    with pytest.raises(InputError, match="base") as caught:
        parse(base)
    assert "secret" not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize("base", ["embedded", "/models/openai:x", "llava-hf/llava-1.5-7b-hf"])
def test_other_bases_are_on_this_machine(base: str) -> None:
    assert not is_elsewhere(base) and shown_base(base) == base


def test_the_settings_name_base_and_key(monkeypatch: pytest.MonkeyPatch, served: Served) -> None:
    monkeypatch.setenv("SIGHTDESK_BASE", served.base)
    monkeypatch.setenv("SIGHTDESK_BASE_KEY", " sk-secret-of-the-server ")
    get_settings.cache_clear()
    assert "of-the-server" not in repr(get_settings())
    engine: Any = open_engine()
    with engine:
        assert isinstance(engine, RemoteEngine) and engine.name == "openai:llava"
        assert engine.generate(*about(engine)).text == SEEN
    assert set(served.keys) == {"Bearer sk-secret-of-the-server"}


@pytest.mark.parametrize("key", ["clé", "a\nX-Evil: 1", "a\x00b"], ids=["accent", "line", "null"])
def test_a_key_that_is_none(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    with pytest.raises(ValueError, match="signs that no key has"):
        Settings(base_key=key)  # type: ignore[arg-type]


def test_what_cannot_be_chosen_elsewhere(served: Served) -> None:
    settings = Settings(base=served.base)
    with pytest.raises(InputError, match="--quantize"):
        open_engine(settings, quantize="nf4")
    with pytest.raises(AdapterError, match=r"has no adapter 'nobody'.*: llava"):
        open_engine(settings, adapter="nobody")
    with pytest.raises(RemoteError, match="has no model 'other', but llava"):
        open_engine(settings, base=f"openai:other@{served.url}/v1")


def test_what_needs_a_model_here_says_so(served: Served) -> None:
    from assistant.engine import Engine

    with pytest.raises(InputError, match="on this machine"):
        Engine.load(served.base)


# --- questions


def test_a_question_is_asked_in_the_shape_of_openai(served: Served, engine: RemoteEngine) -> None:
    first, second = (engine.encode_image(tiny.picture(seed)) for seed in (1, 2))
    turns = [
        Turn("system", "Be brief."),
        Turn("user", "What is this?", (first.id,)),
        Turn("assistant", "An apple."),
        Turn("tool", "It weighs 100 g."),
        Turn("user", "And this one?", (second.id, first.id)),
    ]
    sampling = Sampling(max_tokens=12, temperature=0.5, top_p=0.9, seed=7, stop=("END",))
    engine.generate(turns, [first, second], sampling=sampling)
    (body,) = served.asked
    assert served.paths == ["/v1/chat/completions"] and served.keys == [""]
    assert body["model"] == "llava" and body["max_tokens"] == 12 and body["seed"] == 7
    assert (body["temperature"], body["top_p"], body["stop"]) == (0.5, 0.9, ["END"])
    assert [message["role"] for message in body["messages"]] == [
        "system", "user", "assistant", "user", "user",
    ]  # fmt: skip
    assert body["messages"][3]["content"] == "It weighs 100 g."
    parts = body["messages"][4]["content"]
    assert [part["type"] for part in parts] == ["image_url", "image_url", "text"]
    head, _, data = parts[0]["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64"
    assert open_image(base64.b64decode(data)).id == second.id  # its very pixels


def test_words_come_as_they_are_written(served: Served, engine: RemoteEngine) -> None:
    served.replies = [Reply(["On", " the ta", "ble lies", " it.", " Yes", "."])]
    stream = engine.stream(*about(engine))
    pieces = list(stream)
    assert "".join(pieces) == "On the table lies it. Yes."
    assert pieces == ["On the ", "table ", "lies it", ". ", "Yes", "."]  # no half words
    answer = stream.answer
    assert answer is not None and answer.text == "On the table lies it. Yes."
    assert (answer.tokens, answer.computed, answer.reused, answer.finish) == (6, 10, 30, "stop")
    assert answer.first_word is not None and answer.first_word <= answer.seconds
    assert served.asked[0]["stream_options"] == {"include_usage": True}


def test_the_first_word_is_there_before_the_last(served: Served, engine: RemoteEngine) -> None:
    served.replies = [reply(SEEN, delay=0.1)]
    stream = engine.stream(*about(engine))
    assert next(stream) == "A "
    assert served.told < 4
    assert "".join(stream) == SEEN.removeprefix("A ")


def test_a_server_without_counts(served: Served, engine: RemoteEngine) -> None:
    served.replies = [reply(SEEN, usage=False, end="length")]
    stream = engine.stream(*about(engine))
    assert "".join(stream) == SEEN
    assert stream.answer is not None and stream.answer.tokens == len(SEEN.split())
    assert stream.answer.finish == "length"


def test_a_server_that_does_not_stream(served: Served, engine: RemoteEngine) -> None:
    body = {"choices": [{"message": {"content": SEEN}, "finish_reason": "stop"}]}
    served.replies = [
        Reply(body=json.dumps(body).encode(), headers=(("Content-Type", "application/json"),))
    ]
    assert "".join(engine.stream(*about(engine))) == SEEN


def test_letting_go_of_a_stream_closes_the_connection(served: Served, engine: RemoteEngine) -> None:
    served.replies = [reply(" ".join(["word"] * 500), delay=0.02)]
    stream = engine.stream(*about(engine))
    next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 2
    assert served.left.wait(2) and served.told < 50
    assert stream.answer is not None and stream.answer.finish == "cancelled"
    assert stream.answer.text.startswith("word")
    assert engine.load().cancelled_total == 1 and engine.load().running == 0


def test_a_question_that_waits_for_its_first_word_can_be_given_up(
    served: Served, engine: RemoteEngine
) -> None:
    served.replies = [reply(SEEN, hang=True)]
    stream = engine.stream(*about(engine))
    time.sleep(0.1)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("stop", [("lies",), ("a", "b", "c", "d", "lies on")])
def test_stops_that_the_server_passes_over(
    served: Served, engine: RemoteEngine, stop: tuple[str, ...]
) -> None:
    served.replies = [reply("The red thing lies on it.")]
    sampling = Sampling(stop=stop)
    expected = "The red thing" if stop == ("lies",) else "The re"
    stream = engine.stream(*about(engine), sampling=sampling)
    assert "".join(stream).strip() == expected
    assert engine.generate(*about(engine), sampling=sampling).text == expected
    assert len(served.asked[0]["stop"]) <= 4


@pytest.mark.parametrize(
    "turns",
    [[], [Turn("user", " ")], [Turn("user", "a"), Turn("assistant", "b")],
     [Turn("user", "?", ("f" * 64,))]],
    ids=["none", "blank", "answer", "picture"],
)  # fmt: skip
def test_questions_that_are_none(served: Served, engine: RemoteEngine, turns: Any) -> None:
    for ask in (engine.generate, engine.stream):
        with pytest.raises(InputError, match=r"question is empty|not there"):
            ask(turns)
    assert not served.asked


def test_a_picture_of_another_engine(engine: RemoteEngine) -> None:
    foreign = EncodedImage("f" * 64, hold(tiny.picture(1)).features)
    assert not engine.fits(foreign) and engine.fits(engine.encode_image(tiny.picture(1)))
    with pytest.raises(InputError, match="another engine"):
        engine.generate([Turn("user", "What?", (foreign.id,))], [foreign])


def test_many_are_asked_at_once_and_not_too_many(served: Served) -> None:
    served.replies = [lambda body: reply(body["messages"][0]["content"], delay=0.1)]
    questions = [f"number {number}?" for number in range(9)]
    with opened(served, parallel=3) as engine:
        asked: list[Any] = [([Turn("user", question)], []) for question in questions]
        assert [answer.text for answer in engine.generate_batch(asked)] == questions
    assert served.busiest == 3
    assert engine.generate_batch([]) == []
    with pytest.raises(InputError, match="one for each"):
        engine.generate_batch(asked, adapters=[None])


# --- pictures


@pytest.mark.parametrize(
    ("size", "kind", "sent"),
    [((40, 30), "image/png", (40, 30)), ((1400, 1000), "image/png", (1400, 1000)),
     ((3000, 2000), "image/jpeg", (2048, 1365))],
)  # fmt: skip
def test_pictures_are_sent_as_they_are_where_they_are_small(
    size: tuple[int, int], kind: str, sent: tuple[int, int]
) -> None:
    held = hold(open_image(Image.new("RGB", size, (200, 30, 20))))
    with Image.open(BytesIO(held.data)) as picture:
        assert picture.size == sent and max(sent) <= LONGEST_SIDE
    assert held.kind == kind and held.nbytes == len(held.data) < 2**21


def test_a_noisy_picture_is_no_large_file() -> None:
    import numpy as np

    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3), np.uint8)
    held = hold(open_image(Image.fromarray(noise)))
    assert held.kind == "image/jpeg" and len(held.data) < 3 * 2**20


def test_a_picture_is_written_once(engine: RemoteEngine) -> None:
    first = engine.encode_image(tiny.picture(1), tenant="a")
    assert engine.encode_image(tiny.picture(1), tenant="a") is first
    assert engine.encode_image(tiny.picture(1), tenant="b") is not first
    engine.forget("a")
    assert engine.encode_image(tiny.picture(1), tenant="a") is not first
    assert isinstance(first, HeldImage) and "data" not in repr(first)


# --- adapters


def test_adapters_are_models_of_the_server(served: Served, engine: RemoteEngine) -> None:
    served.models = [
        {"id": "fruit", "parent": "llava"}, {"id": "llava", "parent": None},
        {"id": "other-base", "parent": None}, {"id": "its-own", "parent": "other-base"},
        {"id": 7}, {},
    ]  # fmt: skip
    assert engine.choices() == engine.adapters == ["llava", "fruit"]
    assert engine.has("fruit") and not engine.has("its-own") and not engine.has("agent")
    engine.generate(*about(engine), adapter="fruit")
    assert engine.add_adapter("fruit") == "fruit"
    engine.adapter = "fruit"
    engine.generate(*about(engine))
    engine.drop_adapter("fruit")
    engine.generate(*about(engine))
    asked: list[Any] = [([Turn("user", "a")], []), ([Turn("user", "b")], [])]
    engine.generate_batch(asked, adapters=["fruit", "llava"])
    models = [body["model"] for body in served.asked]
    assert models[:3] == ["fruit", "fruit", "llava"] and sorted(models[3:]) == ["fruit", "llava"]
    with pytest.raises(InputError, match="base itself"):
        engine.drop_adapter("llava")
    with pytest.raises(AdapterError, match="serve it there"):
        engine.generate(*about(engine), adapter="../adapters/grocery")


def test_an_adapter_that_is_served_later_is_found(served: Served, engine: RemoteEngine) -> None:
    assert engine.choices() == ["llava"]
    parents = {"llava": None, "fruit": "llava", "sightdesk-agent": None}
    served.models = [
        {"id": name, "owned_by": "sightdesk", "parent": parent} for name, parent in parents.items()
    ]
    assert engine.resolve("fruit").name == "fruit"
    assert engine.choices() == ["llava", "fruit"]


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_without_a_list_of_models(served: Served, status: int) -> None:
    served.models = refusal(status, "no such path")
    with RemoteEngine.open(served.base, "fruit", settings=Settings()) as engine:
        assert engine.choices() == ["llava"]
        engine.generate(*about(engine))
    assert served.asked[0]["model"] == "fruit"


def test_labels_of_an_adapter_that_is_installed_here(engine: RemoteEngine) -> None:
    from assistant.adapter_files import find_adapter

    own = find_adapter("grocery", get_settings()).labels
    engine.adapter = None
    assert engine.labels == {} and engine.resolve(None).labels == {}
    # The server knows no such model: the base is asked, with the labels that are known here.
    with openai_server(reply(f'{{"label": "{sorted(own)[0].replace("-", " ")}"}}')) as other:
        with opened(other) as asked:
            (found,) = asked.label([asked.encode_image(tiny.picture(1))], adapter="grocery")
        assert found.label == sorted(own)[0] and found.coarse == own[found.label]
        assert {body["model"] for body in other.asked} == {"llava"}


def test_what_a_server_cannot_tell(engine: RemoteEngine) -> None:
    assert not hasattr(engine, "look")
    with pytest.raises(InputError, match="cannot be seen from here"):
        engine.look([], [], "")
    assert engine.evidence(engine.encode_image(tiny.picture(1))) is None  # type: ignore[func-returns-value]


def test_from_many_threads(served: Served, engine: RemoteEngine) -> None:
    served.replies = [lambda body: reply(body["messages"][0]["content"], delay=0.01)]
    found: dict[int, str] = {}

    def ask(number: int) -> None:
        with engine.stream([Turn("user", f"This is {number}")]) as stream:
            found[number] = "".join(stream)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: f"This is {number}" for number in range(24)}
    assert engine.load().answers_total == 24 and served.busiest <= 16


def test_a_closed_engine_opens_again(served: Served, engine: RemoteEngine) -> None:
    for _ in range(2):
        assert engine.generate(*about(engine)).text == SEEN
        engine.close(grace_s=1.0)
