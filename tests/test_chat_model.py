"""ChatLlava: the engine as LangChain sees it, on a tiny random model."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from itertools import pairwise
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.tools import tool
from pydantic import BaseModel, Field

from assistant import desk_prompts
from assistant.chat_model import ChatLlava, grammars
from assistant.chat_model.desk_form import DONT_KNOW, Told, shown_words
from assistant.chat_model.plain_form import turns_of
from assistant.chat_model.reading import (
    MOST_PICTURES,
    exchanges,
    image_ids,
    read,
    resolved_question,
    turn_sources,
)
from assistant.engine import Engine
from assistant.errors import ImageError, InputError, SightdeskError
from assistant.settings import Settings
from assistant.sources import Source
from tests import tiny
from tests.agent_desk import DELICIOUS, Shop

PICTURE = tiny.picture(1)
ONE, TWO = "1" * 64, "2" * 64


def png(seed: int = 1) -> str:
    written = io.BytesIO()
    tiny.pixels(seed).save(written, "PNG")
    return base64.b64encode(written.getvalue()).decode()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(str(tiny.directory()))


@pytest.fixture
def model(engine: Engine) -> ChatLlava:
    engine.forget()
    return ChatLlava(engine=engine, max_tokens=12, load_image=lambda _id: PICTURE)


@tool
def search(query: str) -> str:
    """Look something up."""
    return query


class Look(BaseModel):
    """Look at a photo."""

    image: str = Field(json_schema_extra={"format": "image-id"})


@tool(args_schema=Look)
def look(image: str) -> str:
    """Look at a photo."""
    return image


# --- messages


@pytest.mark.parametrize(
    "block",
    [
        {"type": "image", "base64": png(), "mime_type": "image/png"},
        {"type": "image", "source_type": "base64", "data": png(), "mime_type": "image/png"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{png()}"}},
        {"type": "image", "url": f"data:image/png;base64,{png()}"},
        {"type": "image_url", "image_url": f"data:image/png;base64,{png()}"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{png()}"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": png()}},
        {"type": "image", "source_type": "id", "id": PICTURE.id},
        {"type": "image", "source": {"type": "file", "file_id": PICTURE.id}},
        {"type": "non_standard", "value": {"type": "image", "base64": png()}},
        {"image": {"format": "png", "source": {"bytes": base64.b64decode(png())}}},
    ],
    ids=[
        "v1", "v0", "openai", "data-uri", "openai-text", "responses", "anthropic", "v0-id",
        "anthropic-id", "wrapped", "bedrock",
    ],
)  # fmt: skip
def test_pictures_in_every_shape_that_is_about(model: ChatLlava, block: dict[str, Any]) -> None:
    message = HumanMessage([{"type": "text", "text": "What is this?"}, block])
    conversation = read([message])
    assert conversation.photos == [PICTURE.id]
    assert conversation.said[0].text == "What is this?"
    named = HumanMessage(
        [{"type": "text", "text": "What is this?"}, {"type": "image", "file_id": PICTURE.id}]
    )
    assert model.invoke([message]).text == model.invoke([named]).text


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ({"type": "image", "url": "http://127.0.0.1/a.png"}, "not fetched"),
        ({"type": "image_url", "image_url": {"url": "https://host/a.png"}}, "not fetched"),
        ({"type": "image", "url": "file:///etc/passwd"}, "not fetched"),
        ({"type": "image", "base64": "***", "mime_type": "image/png"}, "base64"),
        ({"type": "image", "url": "data:image/png,abc"}, "base64"),
        ({"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}, "audio"),
        ({"type": "file", "base64": "AAAA", "mime_type": "application/pdf"}, "document"),
        ({"type": "file", "file_id": "abc"}, "base64"),
        ({"type": "file", "url": "https://host/a.pdf"}, "not fetched"),
        ({"type": "image", "base64": 7}, "base64"),
        ({"type": "image"}, "neither"),
        ({"type": "image", "source": {"type": "url", "url": "https://host/a"}}, "not fetched"),
        ({"type": "video", "url": "https://host/a.mp4"}, "video"),
        ({"type": "no such type"}, "no such type"),
        ({}, "unknown"),
    ],
    ids=str,
)
def test_blocks_that_cannot_be_used(block: dict[str, Any], reason: str) -> None:
    with pytest.raises(SightdeskError, match=reason):
        read([HumanMessage([block])])


def test_pictures_have_limits() -> None:
    small = Settings(max_image_bytes=100)
    with pytest.raises(InputError, match="bytes"):
        read([HumanMessage([{"type": "image", "base64": png(), "mime_type": "image/png"}])], small)
    many: list[str | dict[str, Any]] = [
        {"type": "image", "file_id": f"{n:064x}"} for n in range(MOST_PICTURES + 1)
    ]
    with pytest.raises(InputError, match="pictures"):
        read([HumanMessage(many)])
    text = base64.b64encode(b"no picture").decode()
    with pytest.raises(ImageError):
        read([HumanMessage([{"type": "image", "base64": text, "mime_type": "image/png"}])])


def conversation() -> list[BaseMessage]:
    return [
        HumanMessage([{"type": "text", "text": "What is this?"},
                      {"type": "image", "file_id": ONE}]),
        AIMessage("", tool_calls=[{"name": "look", "args": {"image": ONE[:12]}, "id": "a"}]),
        ToolMessage("a pear", tool_call_id="a", name="look"),
        AIMessage("A pear. [1]"),
        HumanMessage([{"type": "text", "text": "And these?"}, {"type": "image", "file_id": TWO},
                      {"type": "image", "file_id": ONE}]),
        AIMessage("", tool_calls=[{"name": "search", "args": {"query": "pears"}, "id": "b"}]),
    ]  # fmt: skip


def test_photos_keep_their_numbers_and_marks_are_left_out() -> None:
    first, second = exchanges(read(conversation()))
    assert first.photos == (1,) and second.photos == (2, 1)
    assert first.steps == (desk_prompts.Step("look", {"image": "photo 1"}, "a pear"),)
    assert first.said == "A pear."
    assert second.steps == (desk_prompts.Step("search", {"query": "pears"}, None),)
    assert second.said is None


def test_photos_of_what_was_summed_up_keep_their_numbers() -> None:
    summary = HumanMessage(
        [{"type": "text", "text": "Summary"}, {"type": "image", "file_id": TWO}],
        additional_kwargs={"lc_source": "summarization"},
    )
    messages = [summary, *conversation()]
    assert [e.photos for e in exchanges(read(messages))] == [(2,), (1, 2)]
    assert image_ids(messages) == [TWO, ONE]


def test_sources_are_those_of_this_question_once_each() -> None:
    def result(*sources: Source) -> ToolMessage:
        artifact = {"sources": [source.to_dict() for source in sources]}
        return ToolMessage("x", tool_call_id="i", artifact=artifact)

    seen = Source("image", ONE, "picture", "A pear.", "ask_image")
    named = Source("image", ONE, "Pear", "Pear", "label_image", label="Pear")
    messages = [result(seen), HumanMessage("q"), result(DELICIOUS, named), result(DELICIOUS, seen)]
    assert turn_sources(messages) == [DELICIOUS, named, seen]


def test_what_a_question_is_about_is_what_was_searched_for() -> None:
    def asked(text: str, query: str) -> str:
        calls = [{"name": "search", "args": {"query": query}, "id": "a"}]
        return resolved_question([HumanMessage(text), AIMessage("", tool_calls=calls)])

    about = "Golden Delicious: and how heavy are they?"
    assert asked("and how heavy  are they?", about) == about
    assert asked("how heavy are they?", "apples") == "how heavy are they?"
    assert asked("", "apples: ") == ""


@pytest.mark.parametrize(
    ("name", "question", "shown"),
    [
        ("ask_image", "What do you see?", True),
        ("describe_image", "?", True),
        ("read_text", "What does it say?", True),
        ("read_text", "What is the total?", False),
        ("label_image", "What is this?", False),
    ],
)
def test_what_a_tool_says_of_a_picture_is_the_answer(name: str, question: str, shown: bool) -> None:
    seen = Source("image", ONE, "picture", "TOTAL 5.00", name, image_id=ONE)
    result = ToolMessage("TOTAL 5.00", tool_call_id="a", name=name,
                         artifact={"sources": [seen.to_dict()]})  # fmt: skip
    found = shown_words([HumanMessage(question), result], [seen], question)
    assert found == ("TOTAL 5.00 [1]" if shown else None)
    # Where something was looked up beside, it is not the answer.
    assert shown_words([result], [seen, DELICIOUS], question) is None


# --- as LangChain asks


def test_streamed_pieces_are_the_answer(model: ChatLlava) -> None:
    asked = [SystemMessage("Be brief."), HumanMessage("What is this?")]
    whole = model.invoke(asked)
    model.engine.forget()
    chunks = list(model.stream(asked))
    assert "".join(chunk.text for chunk in chunks) == whole.text
    merged = chunks[0]
    for chunk in chunks[1:]:
        merged += chunk
    assert isinstance(merged, AIMessageChunk) and merged.usage_metadata
    usage = merged.usage_metadata
    assert usage["output_tokens"] == 12 and usage["input_tokens"] > 10
    assert usage["total_tokens"] == usage["input_tokens"] + 12
    again = model.invoke(asked)
    assert again.usage_metadata is not None
    assert again.usage_metadata["input_token_details"]["cache_read"] > 0
    assert whole.response_metadata["finish_reason"] == "length"


def test_async_and_batch_are_the_same(model: ChatLlava) -> None:
    text = model.invoke("What is this?").text

    async def streamed() -> str:
        return "".join([chunk.text async for chunk in model.astream("What is this?")])

    assert asyncio.run(streamed()) == text
    assert asyncio.run(model.ainvoke("What is this?")).text == text
    assert [answer.text for answer in model.batch(["What is this?"] * 2)] == [text, text]


def test_stop_ends_the_answer(model: ChatLlava) -> None:
    text = model.invoke("What is this?").text
    end = text[4]
    assert end not in model.invoke("What is this?", stop=[end]).text
    assert end not in model.model_copy(update={"stop": [end]}).invoke("What is this?").text


def test_settings_of_a_call_come_before_the_models(model: ChatLlava) -> None:
    assert model.bind(max_tokens=3).invoke("What?").usage_metadata["output_tokens"] == 3  # type: ignore[index]
    with pytest.raises(InputError, match="temperature"):
        model.bind(temperature=9).invoke("What?")
    drawn = {model.bind(temperature=2.0, seed=seed).invoke("What?").text for seed in (1, 2)}
    assert len(drawn) == 2


def test_letting_go_of_a_stream_frees_the_engine(model: ChatLlava) -> None:
    stream = model.bind(max_tokens=2_000).stream("What is this?")
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert model.invoke("What?").text is not None


def test_profile_and_names(model: ChatLlava, engine: Engine) -> None:
    assert model.profile is not None
    assert model.profile["image_inputs"] and model.profile["tool_calling"]
    assert model._llm_type == "sightdesk"
    assert "engine" not in model.model_dump()
    lazy = ChatLlava(engine=lambda: engine, max_tokens=3)
    assert lazy.invoke("What?").usage_metadata is not None
    named = ChatLlava(model=str(tiny.directory()), max_tokens=3)
    assert named.invoke("What?").usage_metadata is not None


def test_a_picture_that_nobody_can_open(engine: Engine) -> None:
    blind = ChatLlava(engine=engine)
    with pytest.raises(InputError, match="load_image"):
        blind.invoke([HumanMessage([{"type": "image", "file_id": ONE}])])


# --- tools


@pytest.mark.parametrize("form", ["desk", "chat"])
def test_a_call_names_a_tool_and_a_photo_that_are_there(engine: Engine, form: Any) -> None:
    model = ChatLlava(engine=engine, form=form, agent_adapter=None, max_tokens=900,
                      temperature=1.0, load_image=lambda _id: PICTURE)  # fmt: skip
    bound = model.bind_tools([search, look], tool_choice="any")
    asked = HumanMessage(
        [{"type": "text", "text": "What is this?"}, {"type": "image", "file_id": ONE}]
    )
    names = set()
    for seed in range(6):
        message = bound.bind(seed=seed).invoke([asked])
        (made,) = message.tool_calls
        names.add(made["name"])
        assert made["id"] and made["name"] in ("search", "look")
        assert made["args"] == {"image": ONE} or list(made["args"]) == ["query"]
        assert message.text == "" and message.response_metadata["finish_reason"] == "tool_calls"
    assert form == "chat" or len(names) == 2


def test_a_chosen_tool_is_called(engine: Engine) -> None:
    model = ChatLlava(engine=engine, form="desk", agent_adapter=None)
    for choice in ("search", {"type": "function", "function": {"name": "search"}}):
        bound = model.bind_tools([search, look], tool_choice=choice)
        assert bound.invoke("What?").tool_calls[0]["name"] == "search"


def test_tool_choices_that_are_none(model: ChatLlava) -> None:
    with pytest.raises(InputError, match="search"):
        model.bind_tools([search], tool_choice="fly")
    with pytest.raises(InputError, match="at most"):
        model.bind_tools([search] * 100)


def test_a_call_that_is_cut_off_is_told_as_one(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.chat_model.desk_form.CALL_TOKENS", 22)
    model = ChatLlava(engine=engine, form="desk", agent_adapter=None)
    message = model.bind_tools([search], tool_choice="any").invoke("What?")
    assert message.tool_calls == [] and len(message.invalid_tool_calls) == 1
    assert message.invalid_tool_calls[0]["name"] == "search"


def test_an_image_argument_is_told_by_the_tools_own_schema() -> None:
    function = grammars.as_function(look)["function"]
    assert function["parameters"]["properties"]["image"]["format"] == "image-id"
    assert str(grammars.ToolSpec.of(grammars.as_function(look)).line) == (
        "look(image): Look at a photo."
    )


def answered(engine: Engine, sources: list[Source], **options: Any) -> AIMessage:
    artifact = {"sources": [source.to_dict() for source in sources]}
    messages = [
        HumanMessage("Where are they from?"),
        AIMessage("", tool_calls=[{"name": "search", "args": {"query": "x"}, "id": "a"}]),
        ToolMessage("x", tool_call_id="a", name="search", artifact=artifact),
    ]
    model = ChatLlava(engine=engine, form="desk", agent_adapter=None, **options)
    return model.bind_tools([search], tool_choice="none").invoke(messages)


def test_an_answer_from_sources_or_none(engine: Engine) -> None:
    known = answered(engine, [DELICIOUS], unknown_from=1.1)
    assert known.response_metadata["form"] == "answer"
    assert 0 <= known.response_metadata["doubt"] <= 1
    unsure = answered(engine, [DELICIOUS], unknown_from=0.0)
    assert (unsure.text, unsure.response_metadata["form"]) == (DONT_KNOW, "unknown")
    nothing = answered(engine, [])
    assert (nothing.text, nothing.response_metadata["form"]) == (DONT_KNOW, "unknown")


def test_the_plain_form_tells_tools_and_results() -> None:
    spec = grammars.ToolSpec.of(grammars.as_function(look))
    turns = turns_of(read([SystemMessage("Be kind."), *conversation()]), [spec])
    assert [turn.role for turn in turns[:3]] == ["system", "user", "assistant"]
    assert "Be kind." in turns[0].text and '"name": "look"' in turns[0].text
    assert turns[1].text == "[photo 1] What is this?" and turns[1].images == (ONE,)
    assert "<tool_response>a pear</tool_response>" in turns[3].text
    assert all(a.role != b.role for a, b in pairwise(turns))


# --- JSON


class Fruit(BaseModel):
    """A fruit."""

    kind: str = Field(max_length=8)
    ripe: bool


@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_is_what_its_schema_says(engine: Engine, method: Any) -> None:
    model = ChatLlava(engine=engine, max_tokens=200)
    found = model.with_structured_output(Fruit, method=method).invoke("What fruit is it?")
    assert isinstance(found, Fruit)
    as_dict = model.with_structured_output(
        Fruit.model_json_schema(), method=method, include_raw=True
    ).invoke("What fruit is it?")
    assert set(as_dict) == {"raw", "parsed", "parsing_error"}
    assert set(as_dict["parsed"]) == {"kind", "ripe"} and as_dict["parsing_error"] is None


def test_structured_output_that_is_cut_off_is_no_object(engine: Engine) -> None:
    model = ChatLlava(engine=engine, max_tokens=3)
    found = model.with_structured_output(Fruit, include_raw=True).invoke("What fruit is it?")
    assert found["parsed"] is None and found["parsing_error"] is not None
    with pytest.raises(ValueError, match="whatever"):
        model.with_structured_output(Fruit, whatever=1)


# --- the agent on it


def test_the_agent_runs_on_the_tiny_model(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("assistant.chat_model.desk_form.CALL_TOKENS", 60)
    monkeypatch.setattr("assistant.chat_model.desk_form.ANSWER_TOKENS", 30)
    monkeypatch.setattr("assistant.agent.core.MOST_MODEL_CALLS", 4)
    shop = Shop()
    model = ChatLlava(engine=engine, form="desk", agent_adapter=None, temperature=1.0, seed=2)
    with shop.driven(model) as agent:
        reply = agent.answer("t", "Where do Golden Delicious come from?")
        assert reply.outcome in ("answered", "abstained", "handed_over") and reply.answer
        json.dumps([message.model_dump() for message in agent.messages("t")])
    shop.store.close()


def test_what_is_told_of_a_step_starts_empty() -> None:
    assert Told().form == "" and Told().answers == []
