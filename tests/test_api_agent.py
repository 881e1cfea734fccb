"""The model sightdesk-agent: grounded answers, threads, tickets, over HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from assistant.settings import Settings
from tests import scripted_desk
from tests.api_server import Served, served
from tests.scripted_desk import LONG, ORIGIN, SEEN
from tests.scripted_engine import SayingEngine
from tests.scripted_model import ScriptedChat
from tests.test_api_chat import shows


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a data folder with the demo's shop in its knowledge base."""
    folder = tmp_path_factory.mktemp("shop")
    settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache")
    scripted_desk.fill(folder / "files", settings=settings)
    return settings


@pytest.fixture(scope="module")
def chat() -> ScriptedChat:
    return ScriptedChat(replies=[scripted_desk.Counter().reply])


@pytest.fixture(scope="module")
def engine() -> SayingEngine:
    return SayingEngine(SEEN)


@pytest.fixture(scope="module")
def desk(shop: Settings, chat: ScriptedChat, engine: SayingEngine) -> Iterator[Served]:
    with served(engine, settings=shop, agent_model=chat) as server:
        yield server


@pytest.fixture(scope="module")
def client(desk: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=desk.v1, api_key="any", max_retries=0)


def ask(client: openai.OpenAI, text: str, **more: Any) -> Any:
    answer = client.chat.completions.create(
        model="sightdesk-agent", messages=[{"role": "user", "content": text}], **more
    )
    return answer.choices[0].message


def get(desk: Served, path: str) -> Any:
    answer = httpx.get(f"{desk.v1}/{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_answer_says_what_it_rests_on(client: openai.OpenAI, desk: Served) -> None:
    message = ask(client, "Where are Granny Smith from?")
    about = message.sightdesk
    assert message.content == f"{ORIGIN} [1]"
    assert about["tools"] == ["search_knowledge"] and about["outcome"] == "answered"
    assert "France" in about["citations"][0]["text"]
    assert about["ticket_id"] is None
    thread = get(desk, f"threads/{about['thread_id']}")
    (exchange,) = thread["exchanges"]
    assert exchange["question"] == "Where are Granny Smith from?"
    assert exchange["answer"] == message.content and exchange["state"] == "done"
    assert exchange["by"] == "desk" and exchange["tools"] == ["search_knowledge"]
    assert exchange["citations"] == about["citations"]


def test_sentences_stream_and_the_last_delta_tells_the_rest(
    client: openai.OpenAI, desk: Served
) -> None:
    chunks = list(
        client.chat.completions.create(
            model="sightdesk-agent",
            messages=[{"role": "user", "content": "Tell me a story."}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    deltas: list[Any] = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    said = [delta.content for delta in deltas if delta.content]
    about = deltas[-1].sightdesk
    assert len(said) >= 2, "one sentence a chunk"
    assert said[0].startswith(LONG) and "[1]" in said[0]
    thread = get(desk, f"threads/{about['thread_id']}")
    assert "".join(said) == thread["exchanges"][0]["answer"]
    assert about["outcome"] == "answered" and chunks[-1].usage is not None
    assert not any(hasattr(delta, "sightdesk") for delta in deltas[:-1])


def test_what_the_agent_does_streams_for_those_who_ask(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="sightdesk-agent",
        messages=[{"role": "user", "content": "Where are Granny Smith from?"}],
        stream=True,
        extra_body={"sightdesk": {"events": True}},
    )
    deltas: list[Any] = [chunk.choices[0].delta for chunk in stream]
    told = [d.sightdesk for d in deltas if hasattr(d, "sightdesk")]
    assert [each.get("event") for each in told] == ["tool_started", "tool_ended", None]
    assert told[0]["name"] == "search_knowledge"


@pytest.mark.parametrize("where", ["sightdesk", "metadata"])
def test_a_thread_goes_on(client: openai.OpenAI, desk: Served, where: str) -> None:
    first = ask(client, "Where are Granny Smith from?")
    id = first.sightdesk["thread_id"]
    again = ask(client, "Can I return it?", extra_body={where: {"thread_id": id}})
    assert again.sightdesk["thread_id"] == id
    told = get(desk, f"threads/{id}/messages")
    assert [m["role"] for m in told["data"]] == ["user", "assistant"] * 2
    assert told["data"][2]["content"] == "Can I return it?"
    part = get(desk, f"threads/{id}/messages?limit=1&offset=1")
    assert part["has_more"] and part["total"] == 4 and part["data"][0]["role"] == "assistant"


def test_the_history_given_becomes_a_new_thread(
    client: openai.OpenAI, desk: Served, chat: ScriptedChat
) -> None:
    messages: Any = [
        {"role": "system", "content": "You are a shop."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello, what can I do?"},
        {"role": "user", "content": "One moment"},
        {"role": "user", "content": "Where are Granny Smith from?"},
    ]
    answer: Any = client.chat.completions.create(model="sightdesk-agent", messages=messages)
    about = answer.choices[0].message.sightdesk
    asked = [(message.type, message.text) for message in chat.asked[-1]]
    assert ("ai", "Hello, what can I do?") in asked and ("human", "Hello") in asked
    thread = get(desk, f"threads/{about['thread_id']}")
    first, second = thread["exchanges"]
    assert (first["question"], first["answer"]) == ("Hello", "Hello, what can I do?")
    assert first["by"] == "client"
    assert second["question"] == "One moment\nWhere are Granny Smith from?"


def test_a_photo_is_looked_at(client: openai.OpenAI, desk: Served, engine: SayingEngine) -> None:
    message = shows(5, text="What do you see?")
    answer: Any = client.chat.completions.create(model="sightdesk-agent", messages=[message])
    about = answer.choices[0].message.sightdesk
    assert about["tools"] == ["ask_image"]
    assert answer.choices[0].message.content.startswith(SEEN)
    image = get(desk, f"threads/{about['thread_id']}")["exchanges"][0]["images"][0]
    assert get(desk, f"images/{image}")["width"] == 40
    assert answer.usage.completion_tokens, "what the tool had the engine write counts"


def test_a_person_takes_over_and_answers(client: openai.OpenAI, desk: Served) -> None:
    message = ask(client, "I want to talk to a human being.")
    about = message.sightdesk
    assert about["outcome"] == "handed_over" and about["ticket_id"]
    listed = get(desk, "tickets")
    assert about["ticket_id"] in [ticket["id"] for ticket in listed["data"]]
    ticket = get(desk, f"tickets/{about['ticket_id'].lower()}")
    assert ticket["waiting"] and ticket["thread_id"] == about["thread_id"]
    assert "human being" in ticket["transcript"][-1]["text"]
    path = f"{desk.v1}/tickets/{ticket['id']}"
    for _ in range(2):
        reply = httpx.post(
            f"{path}/reply", json={"text": "Here I am."}, headers={"Idempotency-Key": "k1"}
        )
        assert reply.status_code == 200 and reply.json()["author"] == "person"
    assert [r["text"] for r in get(desk, f"tickets/{ticket['id']}")["replies"]] == ["Here I am."]
    told = get(desk, f"threads/{about['thread_id']}/messages")["data"][-1]
    assert (told["content"], told["by"]) == ("Here I am.", "person")
    assert httpx.post(f"{path}/close").json()["state"] == "closed"
    late = httpx.post(f"{path}/reply", json={"text": "And now?"})
    assert late.status_code == 409 and late.json()["error"]["code"] == "ticket_closed"
    assert get(desk, "tickets?state=closed")["total"] == 1
    assert httpx.post(f"{path}/reopen").json()["state"] == "open"
    assert httpx.get(f"{desk.v1}/tickets/ZZZZZZZZ").status_code == 404


def test_what_the_agent_is_not_asked(client: openai.OpenAI) -> None:
    tool: Any = {"type": "function", "function": {"name": "f", "parameters": {}}}
    with pytest.raises(openai.BadRequestError, match="tools of its own"):
        ask(client, "hello", tools=[tool])
    with pytest.raises(openai.BadRequestError, match="JSON"):
        ask(client, "hello", response_format={"type": "json_object"})
    with pytest.raises(openai.NotFoundError):
        ask(client, "hello", extra_body={"sightdesk": {"thread_id": "0" * 32}})
    with pytest.raises(openai.NotFoundError):
        ask(client, "hello", extra_body={"sightdesk": {"thread_id": "../../etc"}})
    with pytest.raises(openai.BadRequestError):
        ask(client, "x" * 100_000)
    with pytest.raises(openai.BadRequestError, match="system messages"):
        system: Any = {"role": "system", "content": "s" * 100_000}
        client.chat.completions.create(
            model="sightdesk-agent", messages=[system, {"role": "user", "content": "hello"}]
        )
    with pytest.raises(openai.BadRequestError, match="no question"):
        client.chat.completions.create(
            model="sightdesk-agent", messages=[{"role": "system", "content": "hello"}]
        )


def test_threads_are_named_found_and_removed(client: openai.OpenAI, desk: Served) -> None:
    id = ask(client, "Where are Granny Smith from?").sightdesk["thread_id"]
    renamed = httpx.patch(f"{desk.v1}/threads/{id}", json={"title": "Zebra apples"})
    assert renamed.json()["title"] == "Zebra apples"
    found = get(desk, "threads?search=zebra")
    assert [thread["id"] for thread in found["data"]] == [id]
    gone = httpx.delete(f"{desk.v1}/threads/{id}").json()
    assert gone == {"id": id, "object": "thread.deleted", "deleted": True}
    assert httpx.get(f"{desk.v1}/threads/{id}").status_code == 404
    assert httpx.delete(f"{desk.v1}/threads/{id}").status_code == 404
    assert not desk.service.agent("").messages(id)
    made = httpx.post(f"{desk.v1}/threads", json={"title": "New"}).json()
    assert made["title"] == "New" and made["exchanges"] == []
    assert httpx.post(f"{desk.v1}/threads").status_code == 200
    on = ask(client, "Can I return it?", extra_body={"sightdesk": {"thread_id": made["id"]}})
    assert on.sightdesk["thread_id"] == made["id"]


def test_a_client_that_goes_leaves_a_stopped_answer(desk: Served, engine: SayingEngine) -> None:
    engine.delay, engine.text = 0.3, " ".join(["word"] * 100)
    body = {
        "model": "sightdesk-agent",
        "stream": True,
        "sightdesk": {"events": True},
        "messages": [shows(6, text="What do you see?")],
    }
    before = len(engine.streams)
    with httpx.stream("POST", f"{desk.v1}/chat/completions", json=body, timeout=30) as answer:
        for line in answer.iter_lines():
            if '"words"' in line:
                break
        left = time.perf_counter()
    try:
        stream = engine.streams[before]
        wait(lambda: stream.closed_at is not None)
        assert stream.closed_at is not None and stream.closed_at - left < 0.2
        (thread,) = get(desk, "threads?limit=1")["data"]
        wait(lambda: _state(desk, thread["id"]) != "streaming")
        assert _state(desk, thread["id"]) == "stopped"
        assert desk.service.running == 0
    finally:
        engine.delay, engine.text = 0.0, SEEN


def _state(desk: Served, id: str) -> Any:
    return get(desk, f"threads/{id}")["exchanges"][-1]["state"]


def wait(until: Any, seconds: float = 10.0) -> None:
    ends = time.monotonic() + seconds
    while not until() and time.monotonic() < ends:
        time.sleep(0.01)


def test_those_who_ask_in_one_thread_wait_for_each_other(
    client: openai.OpenAI, desk: Served, chat: ScriptedChat
) -> None:
    id = ask(client, "Where are Granny Smith from?").sightdesk["thread_id"]

    def work(text: str) -> None:
        ask(client, text, extra_body={"sightdesk": {"thread_id": id}})

    threads = [threading.Thread(target=work, args=(f"Can I return {n}?",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    told = get(desk, f"threads/{id}")["exchanges"]
    assert len(told) == 5 and {exchange["state"] for exchange in told} == {"done"}
    known = [m for m in desk.service.agent("").messages(id) if m.type == "ai" and m.text]
    assert [m.text for m in known] == [exchange["answer"] for exchange in told]
