"""/v1/chat/completions as the openai SDK asks it, on a tiny random model and on a scripted one."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterator
from typing import Any, Literal

import httpx
import openai
import pytest
from pydantic import BaseModel

from assistant.batching import SharedEngine
from assistant.engine import Engine
from assistant.settings import Settings
from tests import tiny
from tests.api_server import Served, served
from tests.scripted_engine import SayingEngine

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "maxLength": 12},
                "unit": {"enum": ["c", "f"]},
            },
            "required": ["city", "unit"],
        },
    },
}


def data_uri(seed: int = 1, form: str = "PNG") -> str:
    written = io.BytesIO()
    tiny.pixels(seed).save(written, form)
    return f"data:image/{form.lower()};base64,{base64.b64encode(written.getvalue()).decode()}"


def shows(*seeds: int, text: str = "What is this?", form: str = "PNG") -> Any:
    parts: list[Any] = [
        {"type": "image_url", "image_url": {"url": data_uri(seed, form)}} for seed in seeds
    ]
    return {"role": "user", "content": [{"type": "text", "text": text}, *parts]}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("served")
    return Settings(data_dir=folder / "data", cache_dir=folder / "cache")


@pytest.fixture(scope="module")
def real(data: Settings) -> Iterator[Served]:
    """A server with a tiny random model."""
    with (
        SharedEngine(Engine.load(str(tiny.directory()))) as engine,
        served(engine, settings=data) as server,
    ):
        yield server


@pytest.fixture(scope="module")
def model(real: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=real.v1, api_key="any", max_retries=0)


@pytest.fixture
def engine() -> SayingEngine:
    return SayingEngine("Three ripe bananas.")


@pytest.fixture
def scripted(engine: SayingEngine) -> Iterator[Served]:
    with served(engine) as server:
        yield server


@pytest.fixture
def client(scripted: Served) -> openai.OpenAI:
    return openai.OpenAI(base_url=scripted.v1, api_key="any", max_retries=0)


def test_words_come_whole(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="embedded", messages=[shows(1)])
    assert answer.choices[0].message.content == "Three ripe bananas."
    assert answer.choices[0].finish_reason == "stop"
    assert answer.object == "chat.completion" and answer.id.startswith("chatcmpl-")
    assert answer.model == "embedded" and str(answer.system_fingerprint).startswith("fp_")
    assert answer.usage is not None and answer.usage.prompt_tokens_details is not None
    used = answer.usage
    assert (used.prompt_tokens, used.completion_tokens, used.total_tokens) == (12, 3, 15)
    assert answer.usage.prompt_tokens_details.cached_tokens == 5


def test_words_stream(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model="embedded",
            messages=[{"role": "user", "content": "hello"}],
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    first, *_, finish, usage = chunks
    assert first.choices[0].delta.role == "assistant" and first.choices[0].delta.content == ""
    said = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert said == "Three ripe bananas."
    assert finish.choices[0].finish_reason == "stop" and not usage.choices
    assert usage.usage is not None and usage.usage.total_tokens == 15
    assert len({chunk.id for chunk in chunks}) == 1
    assert len(chunks) >= 6, "a word is a chunk"


def test_the_stream_ends_in_done(scripted: Served) -> None:
    body = {"model": "embedded", "stream": True, "messages": [{"role": "user", "content": "a"}]}
    answer = httpx.post(f"{scripted.v1}/chat/completions", json=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    told = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
    assert all("usage" not in chunk for chunk in told), "nobody asked for it"


def test_async_and_many_at_once(scripted: Served, engine: SayingEngine) -> None:
    engine.text = lambda turns: f"You said {turns[-1].text}."
    engine.delay = 0.2

    async def ask() -> list[str | None]:
        async with openai.AsyncOpenAI(base_url=scripted.v1, api_key="x") as asking:
            answers = await asyncio.gather(
                *(
                    asking.chat.completions.create(
                        model="embedded", messages=[{"role": "user", "content": f"n{number}"}]
                    )
                    for number in range(60)
                )
            )
            parts = []
            stream = await asking.chat.completions.create(
                model="embedded", messages=[{"role": "user", "content": "s"}], stream=True
            )
            async for chunk in stream:
                parts.append(chunk.choices[0].delta.content or "")
        return [*(answer.choices[0].message.content for answer in answers), "".join(parts)]

    found = asyncio.run(ask())
    assert found == [*(f"You said n{number}." for number in range(60)), "You said s."]


def test_options_reach_the_engine(client: openai.OpenAI, engine: SayingEngine) -> None:
    client.chat.completions.create(
        model="shop",
        messages=[{"role": "user", "content": "hello"}],
        temperature=0.5,
        top_p=0.25,
        max_tokens=9,
        max_completion_tokens=17,
        stop=["END", "."],
        seed=3,
        n=1,
        presence_penalty=1,
        frequency_penalty=0.5,
        logprobs=True,
        top_logprobs=3,
        logit_bias={"50": -100},
        user="somebody",
        parallel_tool_calls=True,
        extra_body={"top_k": 5, "no_such_option": {"a": 1}},
    )
    (asked,) = engine.asked
    drawn = asked["sampling"]
    assert (drawn.temperature, drawn.top_p, drawn.max_tokens) == (0.5, 0.25, 17)
    assert drawn.stop == ("END", ".") and drawn.seed == 3
    assert asked["adapter"] == "shop"
    client.chat.completions.create(
        model="embedded", messages=[{"role": "user", "content": "x"}], stop="a", max_tokens=99_999
    )
    assert engine.asked[-1]["sampling"].stop == ("a",)
    assert engine.asked[-1]["sampling"].max_tokens == 4096
    assert engine.asked[-1]["adapter"] == "embedded"


def test_any_legal_order_of_turns(client: openai.OpenAI, engine: SayingEngine) -> None:
    call: Any = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    orders: list[list[Any]] = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}],
        [{"role": "developer", "content": [{"type": "text", "text": "b"}]}, shows(1)],
        [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
        [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "b"}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
        [shows(1), {"role": "assistant", "content": "A pear."}, shows(2, text="And this?")],
        [{"role": "user", "content": "a"}, {"role": "system", "content": "Now in French."}],
        [{"role": "system", "content": "Only this."}],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        [
            {"role": "user", "content": "a"},
            {"role": "assistant", "tool_calls": [call], "refusal": None},
            {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
            {"role": "assistant", "content": "42."},
            {"role": "user", "content": "b"},
        ],
    ]
    for messages in orders:
        answer = client.chat.completions.create(model="embedded", messages=messages)
        assert answer.choices[0].message.content == "Three ripe bananas.", messages
    assert all(asked["turns"][-1].role != "assistant" for asked in engine.asked)


def test_pictures_of_all_formats(client: openai.OpenAI, engine: SayingEngine) -> None:
    for form in ("PNG", "JPEG", "WebP", "GIF"):
        client.chat.completions.create(model="embedded", messages=[shows(1, 2, form=form)])
        assert len(engine.asked[-1]["images"]) == 2
    png = engine.asked[0]["turns"][-1]
    assert png.images == (tiny.picture(1).id, tiny.picture(2).id), "pixels make the id"
    alone: Any = {"role": "user", "content": shows(1)["content"][1:]}
    client.chat.completions.create(model="embedded", messages=[alone])
    assert engine.asked[-1]["turns"][-1].text, "a picture alone asks for a description"


def test_a_real_model_answers_with_pictures(model: openai.OpenAI) -> None:
    options: Any = {"model": "embedded", "messages": [shows(1, 2)], "max_tokens": 8}
    first = model.chat.completions.create(**options)
    again = model.chat.completions.create(**options)
    assert first.choices[0].message.content == again.choices[0].message.content
    assert first.choices[0].finish_reason in ("length", "stop")
    assert again.usage is not None and again.usage.prompt_tokens_details is not None
    assert again.usage.prompt_tokens_details.cached_tokens
    warm: Any = {**options, "temperature": 1.5, "seed": 7}
    one, two = (model.chat.completions.create(**warm).choices[0] for _ in range(2))
    assert one.message.content == two.message.content


def test_a_tool_is_called(model: openai.OpenAI) -> None:
    named: Any = {"type": "function", "function": {"name": "get_weather"}}
    some: Any = {
        "type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]},
    }  # fmt: skip
    other: Any = {**WEATHER, "function": {**WEATHER["function"], "name": "other"}}
    for choice in (named, some):
        answer = model.chat.completions.create(
            model="embedded",
            messages=[{"role": "user", "content": "How warm is it in Oslo?"}],
            tools=[WEATHER, other],
            tool_choice=choice,
        )
        (call,) = answer.choices[0].message.tool_calls or []
        assert call.type == "function" and call.function.name == "get_weather" and call.id
        assert json.loads(call.function.arguments).keys() == {"city", "unit"}
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.choices[0].message.content is None


def test_a_call_streams(model: openai.OpenAI) -> None:
    with model.chat.completions.stream(
        model="embedded",
        messages=[{"role": "user", "content": "How warm is it in Oslo?"}],
        tools=[WEATHER],
        tool_choice="required",
    ) as stream:
        final = stream.get_final_completion()
    (call,) = final.choices[0].message.tool_calls or []
    assert json.loads(call.function.arguments)["unit"] in ("c", "f")
    assert final.choices[0].finish_reason == "tool_calls"


def test_no_tool_is_called(model: openai.OpenAI) -> None:
    answer = model.chat.completions.create(
        model="embedded",
        messages=[{"role": "user", "content": "hello"}],
        tools=[WEATHER],
        tool_choice="none",
        max_tokens=8,
    )
    assert not answer.choices[0].message.tool_calls


def test_a_call_that_is_cut_off_is_told(model: openai.OpenAI) -> None:
    answer = model.chat.completions.create(
        model="embedded",
        messages=[{"role": "user", "content": "How warm is it?"}],
        tools=[WEATHER],
        tool_choice="required",
        max_tokens=45,
    )
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function" and call.function.name == "get_weather"
    assert answer.choices[0].finish_reason == "length"


class Fruit(BaseModel):
    name: Literal["apple", "pear"]
    count: Literal[1, 2, 3]


def test_json_of_a_schema(model: openai.OpenAI) -> None:
    parsed = model.chat.completions.parse(
        model="embedded", messages=[shows(1)], response_format=Fruit
    )
    fruit = parsed.choices[0].message.parsed
    assert isinstance(fruit, Fruit)
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": [1, 2]}}}
    told = model.chat.completions.create(
        model="embedded", messages=[shows(1)], response_format=schema
    )
    assert json.loads(told.choices[0].message.content or "") in (1, 2)


def test_a_tool_or_json(model: openai.OpenAI) -> None:
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": [1, 2]}}}
    told = model.chat.completions.create(
        model="embedded",
        messages=[{"role": "user", "content": "hello"}],
        response_format=schema,
        tools=[WEATHER],
    )
    message = told.choices[0].message
    assert message.tool_calls or json.loads(message.content or "") in (1, 2)


def test_any_json_object(client: openai.OpenAI, engine: SayingEngine) -> None:
    engine.text = '{"a": 1}'
    told = client.chat.completions.create(
        model="embedded", messages=[shows(1)], response_format={"type": "json_object"}
    )
    assert json.loads(told.choices[0].message.content or "") == {"a": 1}
    assert engine.asked[-1]["constraint"] is not None


def test_a_tools_result_is_answered_without_numbers(
    client: openai.OpenAI, engine: SayingEngine
) -> None:
    engine.text = "It is warm [1]. Very [1][2] warm [3]."
    call: Any = {
        "id": "c1", "type": "function",
        "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'},
    }  # fmt: skip
    messages: Any = [
        {"role": "user", "content": "How warm is it in Oslo?"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "30 degrees"},
    ]
    told = client.chat.completions.create(model="embedded", messages=messages, tools=[WEATHER])
    assert told.choices[0].message.content == "It is warm. Very warm."
    plain = client.chat.completions.create(model="embedded", messages=messages)
    assert "[1]" in (plain.choices[0].message.content or ""), "it may be the model's own list"


def test_models_are_listed(client: openai.OpenAI) -> None:
    listed = [m.id for m in client.models.list()]
    assert listed == ["embedded", "shop", "sightdesk-agent", "tiny-space"]
    assert client.models.retrieve("shop").owned_by == "sightdesk"
    assert client.models.retrieve("sightdesk-agent").id == "sightdesk-agent"
    # As vLLM says it: only what is an adapter of the base has a parent.
    parents = {m.id: m.model_dump()["parent"] for m in client.models.list()}
    assert parents == {name: "embedded" if name == "shop" else None for name in listed}
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-9")


def test_another_base_is_called_by_its_name_and_embedded(model: openai.OpenAI) -> None:
    assert [m.id for m in model.models.list()] == ["tiny", "sightdesk-agent", "tiny-space"]
    for name in ("tiny", "embedded"):
        answer = model.chat.completions.create(
            model=name, messages=[{"role": "user", "content": "a"}], max_tokens=2
        )
        assert answer.model == name
