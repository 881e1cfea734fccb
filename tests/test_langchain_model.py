"""ChatLlava as LangChain's agents use it: beside an event loop, cached, with a desk's tools."""

from __future__ import annotations

import asyncio
import base64
import contextvars
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.exceptions import ContextOverflowError
from langchain_core.globals import set_llm_cache
from langchain_core.load import dumpd, load
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage
from langchain_core.tools import tool
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from assistant.chat_model import ChatLlava, image_block
from assistant.chat_model.documents import MOST_CHARS, MOST_SCANS, read_file
from assistant.chat_model.leaning import nearest_tool
from assistant.chat_model.reading import read, turn_sources
from assistant.default_engine import default_engine
from assistant.desk_prompts import ToolLine
from assistant.engine import Engine, Sampling
from assistant.errors import InputError, SightdeskError, StoreError
from assistant.images import LoadedImage
from assistant.settings import Settings
from assistant.store import Store
from assistant.tools import Desk, build_tools
from tests import tiny
from tests.pdfs import pdf
from tests.standard import picture

PICTURE = tiny.picture(1)
SEEN = {"type": "image", "base64": base64.b64encode(picture()).decode(), "mime_type": "image/png"}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(str(tiny.directory()))


@pytest.fixture
def model(engine: Engine) -> ChatLlava:
    engine.forget()
    return ChatLlava(engine=engine, max_tokens=8)


@tool
def look_up(words: str) -> str:
    """Look something up."""
    return words


def asked(*blocks: Any, text: str = "What is this?") -> list[Any]:
    return [HumanMessage([{"type": "text", "text": text}, *blocks])]


# --- pictures and files


def test_a_picture_alone_is_described(model: ChatLlava) -> None:
    alone = model.invoke([HumanMessage([SEEN])])
    assert (
        alone.text == model.invoke(asked(SEEN, text="Describe the picture in one sentence.")).text
    )


def test_a_picture_of_a_file_or_of_bytes(tmp_path: Path, model: ChatLlava) -> None:
    (path,) = tiny.picture_files(tmp_path, 1)
    block = image_block(path)
    assert block["mime_type"] == "image/png"
    assert block["base64"] == image_block(path.read_bytes())["base64"]
    assert model.invoke(asked(block)).text
    with pytest.raises(InputError, match="cannot be read"):
        image_block(tmp_path / "none.png")


def test_an_address_is_fetched_where_that_is_allowed(
    model: ChatLlava, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched = []

    def fetch(url: str, settings: Settings) -> bytes:
        fetched.append((url, settings.fetch_urls))
        return picture()

    there = {"type": "image_url", "image_url": {"url": "https://shop.example/a.png"}}
    with pytest.raises(InputError, match="not fetched"):
        model.invoke(asked(there))
    monkeypatch.setattr("assistant.fetching.fetch_picture", fetch)
    open_to_it = model.model_copy(update={"settings": Settings(fetch_urls=True)})
    assert open_to_it.invoke(asked(there)).text == model.invoke(asked(SEEN)).text
    assert fetched == [("https://shop.example/a.png", True)]


@pytest.mark.parametrize("shape", ["v1", "v0", "openai", "responses", "anthropic"])
def test_a_document_is_read(shape: str) -> None:
    data = base64.b64encode(pdf("Opened milk is not taken back.")).decode()
    uri = f"data:application/pdf;base64,{data}"
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    block = {
        "v1": {"type": "file", "base64": data, "mime_type": "application/pdf"},
        "v0": {"type": "file", "source_type": "base64", "data": data},
        "openai": {"type": "file", "file": {"file_data": uri, "filename": "rules.pdf"}},
        "responses": {"type": "input_file", "file_data": uri, "filename": "rules.pdf"},
        "anthropic": {"type": "document", "source": source},
    }[shape]
    (said,) = read(asked(block)).said
    assert said.text == "What is this?\nOpened milk is not taken back."


def test_scanned_pages_are_shown_and_long_files_cut() -> None:
    def blocks(data: bytes) -> list[Any]:
        return asked({"type": "file", "base64": base64.b64encode(data).decode()})

    scans = read(blocks(pdf("There is text here, on the first page.", "", "")))
    assert scans.photos and "Page 2 of the scan" in scans.said[0].text
    assert len(read_file(pdf(*[""] * 9), "scan.pdf", Settings())[1]) == MOST_SCANS
    long = read(blocks(b"Words and words again. " * 10_000)).said[0].text
    assert len(long) < MOST_CHARS + 200 and long.endswith("left out.]")


# --- options, names and what it can do


def test_a_misspelt_option_is_told() -> None:
    with pytest.raises(InputError, match=r"adpater.*adapter"):
        ChatLlava(adpater="grocery")  # type: ignore[call-arg]
    usual: dict[str, Any] = {"timeout": 3, "api_key": "x", "max_retries": 1}
    assert ChatLlava(**usual).model_name == "embedded"


def test_it_is_written_out_without_what_is_not_its_own(engine: Engine) -> None:
    model = ChatLlava(engine=engine, model="grocery", temperature=0.5, load_image=refused)
    written = dumpd(model)
    assert not {"engine", "load_image", "settings", "desk"} & set(written["kwargs"])
    again = load(written, allowed_objects=[ChatLlava], valid_namespaces=["assistant"])
    assert (again.base, again.temperature, again.engine) == ("grocery", 0.5, None)


def test_the_profile_is_of_the_base(engine: Engine, tmp_path: Path) -> None:
    def room(**given: Any) -> Any:
        return (ChatLlava(**given).profile or {}).get("max_input_tokens")

    assert (room(), room(engine=engine), room(model=str(tiny.directory()))) == (8_192, 1_024, 1_024)
    (tmp_path / "config.json").write_text("[]")
    assert room(model="org/any-llava") is None and room(model=str(tmp_path)) is None
    profile = ChatLlava(settings=Settings(fetch_urls=True)).profile or {}
    assert profile["image_url_inputs"] and profile["pdf_inputs"] and not profile["audio_inputs"]
    assert not (ChatLlava().profile or {})["image_url_inputs"]


def test_a_call_may_name_another_base(model: ChatLlava) -> None:
    other = str(tiny.directory())
    answer = model.bind(model=other).invoke("What?")
    assert answer.response_metadata["model_name"] == other
    assert answer.text == model.invoke("What?").text
    with pytest.raises(SightdeskError):
        model.invoke("What?", model="no such model")


def test_models_without_an_engine_share_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTDESK_BASE", str(tiny.directory()))
    settings = Settings()
    first, second = (ChatLlava(settings=settings, max_tokens=3) for _ in range(2))
    assert first.loaded_engine() is second.loaded_engine() is default_engine(settings)
    apart = ChatLlava(settings=Settings(prefix_cache_bytes=1))
    assert apart.loaded_engine() is not first.loaded_engine()


def test_tokens_are_those_that_the_model_reads(model: ChatLlava, engine: Engine) -> None:
    text = "What colour is the dog?"
    assert model.get_num_tokens(text) == len(engine.tokenizer(text)["input_ids"])
    answer = model.invoke(asked(SEEN, text=text))
    assert answer.usage_metadata is not None
    counted = model.get_num_tokens_from_messages(asked(SEEN, text=text))
    assert counted == answer.usage_metadata["input_tokens"]
    assert model.get_num_tokens_from_messages(asked(text=text), tools=[look_up]) > counted


def test_what_is_too_long_is_told_in_a_way_that_middleware_knows(model: ChatLlava) -> None:
    with pytest.raises(ContextOverflowError, match="1,024"):
        model.invoke("A brown dog. " * 1_000)
    with pytest.raises(InputError, match="tokens"):
        model.invoke([SystemMessage("words " * 5_000), HumanMessage("What?")])


def test_callbacks_hear_words_where_they_are_streamed(model: ChatLlava) -> None:
    class Hears(BaseCallbackHandler):
        def __init__(self) -> None:
            self.words: list[Any] = []

        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            self.words.append(token)

    heard = Hears()
    model.invoke("What?", {"callbacks": [heard]})
    assert heard.words == []
    for say in (lambda: list(model.stream("What?", {"callbacks": [heard]})),
                lambda: model.model_copy(update={"streaming": True}).invoke(
                    "What?", {"callbacks": [heard]})):  # fmt: skip
        heard.words.clear()
        say()
        assert len(heard.words) >= 2


# --- calls and JSON as they are streamed


class Fruit(BaseModel):
    """A fruit."""

    kind: str = Field(max_length=6)
    ripe: bool


class FruitDict(TypedDict):
    """A fruit."""

    kind: str
    ripe: bool


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_a_call_is_a_standard_block(engine: Engine, version: str) -> None:
    model = ChatLlava(engine=engine, output_version=version, temperature=1.0, seed=1)
    bound = model.bind_tools([look_up], tool_choice="any")
    whole = None
    for chunk in bound.stream("What?"):
        assert isinstance(chunk, AIMessageChunk)
        whole = chunk if whole is None else whole + chunk
    for message in (whole, bound.invoke("What?")):
        assert isinstance(message, AIMessage)
        (made,) = [block for block in message.content_blocks if block["type"] == "tool_call"]
        assert made["name"] == "look_up" and made["id"] == message.tool_calls[0]["id"]
    stream: Any = bound.stream_events("What?", version="v3")
    assert_valid_event_stream(list(stream))
    assert stream.output.tool_calls[0]["name"] == "look_up"


@pytest.mark.parametrize("schema", [Fruit, FruitDict, Fruit.model_json_schema()],
                         ids=["pydantic", "typeddict", "schema"])  # fmt: skip
@pytest.mark.parametrize("method", ["json_schema", "function_calling", "json_mode"])
def test_structured_output_of_every_kind(engine: Engine, schema: Any, method: Any) -> None:
    model = ChatLlava(engine=engine).with_structured_output(schema, method=method, strict=True)
    found = asyncio.run(model.ainvoke("What fruit is it?"))
    assert isinstance(found, Fruit if schema is Fruit else dict)
    *_, last = model.stream("What fruit is it?")
    assert type(last) is type(found)


def test_any_object_and_schemas_that_are_none(model: ChatLlava) -> None:
    untitled = {"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]}
    assert set(model.with_structured_output(untitled).invoke("What?")) == {"a"}
    small = model.model_copy(update={"max_tokens": 400})
    found = small.with_structured_output(method="json_mode", include_raw=True).invoke("What?")
    assert found["parsed"] is None or isinstance(found["parsed"], dict)
    for given in (None, 7, {"x": 1}):
        with pytest.raises(InputError, match="schema"):
            model.with_structured_output(given)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="json_mode"):
        model.with_structured_output(Fruit, method="xml")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="response_format"):
        model.invoke("What?", response_format={"type": "xml"})


def test_an_agent_gets_its_response_format(engine: Engine) -> None:
    agent = create_agent(ChatLlava(engine=engine), [], response_format=Fruit)
    found = agent.invoke({"messages": [HumanMessage("What fruit is it?")]})
    assert isinstance(found["structured_response"], Fruit)
    bound = ChatLlava(engine=engine, max_tokens=300).bind_tools(
        [look_up],
        response_format={"type": "json_schema",
                         "json_schema": {"name": "f", "schema": Fruit.model_json_schema()}},
    )  # fmt: skip
    message = bound.invoke("What fruit is it?")
    assert message.tool_calls or Fruit.model_validate_json(message.text)


# --- beside an event loop


class Slow:
    """An engine whose every word takes a while; it knows which of its streams were stopped."""

    name = "slow"
    model = None

    def __init__(self, word_s: float = 0.02, first_s: float = 0.0) -> None:
        self.word_s, self.first_s = word_s, first_s
        self.written = 0
        self.stopped = threading.Event()
        self.context: dict[Any, Any] = {}

    def encode_images(self, images: Any, **_: Any) -> list[Any]:
        return []

    def stream(self, turns: Any, images: Any = (), **_: Any) -> Any:
        self.context = dict(contextvars.copy_context().items())
        outer, closed = self, threading.Event()

        class Stream(Iterator[str]):
            answer = None

            def __next__(self) -> str:
                wait = outer.word_s if outer.written else outer.first_s + outer.word_s
                if closed.wait(wait) or outer.written >= 200:
                    raise StopIteration
                outer.written += 1
                return "word "

            def close(self) -> None:
                if not closed.is_set() and outer.written < 200:
                    outer.stopped.set()
                closed.set()

            def __enter__(self) -> Any:
                return self

            def __exit__(self, *_: Any) -> None:
                self.close()

        return Stream()


_client: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="")


async def test_the_loop_goes_on_while_a_model_writes() -> None:
    slow = Slow(0.005)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    clock = asyncio.create_task(tick())
    _client.set("me")
    answer = await ChatLlava(engine=slow).ainvoke("What?")
    clock.cancel()
    assert answer.text.count("word") == 200 and ticks > 20
    assert slow.context[_client] == "me"


@pytest.mark.parametrize("way", ["ainvoke", "astream", "before-the-first-word", "left"])
async def test_a_cancelled_task_stops_the_model(way: str) -> None:
    slow = Slow(first_s=30.0 if way == "before-the-first-word" else 0.0)
    model = ChatLlava(engine=slow)

    async def streamed() -> None:
        async for _ in model.astream("What?"):
            if way == "left":
                break

    task = asyncio.create_task(model.ainvoke("What?") if way == "ainvoke" else streamed())
    await asyncio.sleep(0.15)
    if way == "left":
        await task
    else:
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    began = time.perf_counter()
    assert await asyncio.to_thread(slow.stopped.wait, 5)
    assert time.perf_counter() - began < 2 and slow.written < 100


async def test_a_cancelled_task_frees_the_engine(engine: Engine) -> None:
    model = ChatLlava(engine=engine, max_tokens=900)
    task = asyncio.create_task(model.ainvoke("What is this?"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    short = await model.ainvoke("What is this?", max_tokens=2)
    assert short.usage_metadata is not None and short.usage_metadata["output_tokens"] == 2


async def test_errors_come_through(engine: Engine) -> None:
    model = ChatLlava(engine=engine)
    with pytest.raises(InputError, match="audio"):
        await model.ainvoke([HumanMessage([{"type": "audio", "base64": "AAAA"}])])
    with pytest.raises(InputError, match="temperature"):
        async for _ in model.astream("What?", temperature=99):
            pass


async def test_many_at_once_are_each_their_own(engine: Engine) -> None:
    model = ChatLlava(engine=engine, max_tokens=4)
    questions = [f"What is {n}?" for n in range(12)]
    alone = [model.invoke(question).text for question in questions]
    together = await asyncio.gather(*(model.ainvoke(question) for question in questions))
    assert [answer.text for answer in together] == alone


# --- LangChain's cache of answers


@pytest.fixture
def cache() -> Iterator[InMemoryCache]:
    kept = InMemoryCache()
    set_llm_cache(kept)
    yield kept
    set_llm_cache(None)


class Counted:
    """An engine that counts what it is asked."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self.answers = engine, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stream(self, *given: Any, **options: Any) -> Any:
        self.answers += 1
        return self._engine.stream(*given, **options)


def test_the_same_picture_is_answered_once_however_it_came(
    engine: Engine, cache: InMemoryCache
) -> None:
    counted = Counted(engine)
    pixels = read(asked(SEEN)).loaded
    (shown,) = pixels.values()
    model = ChatLlava(engine=counted, max_tokens=5, load_image=lambda _: shown)
    first = model.invoke(asked(SEEN))
    named = model.invoke(asked({"type": "image", "file_id": "any name"}))
    later = asyncio.run(model.ainvoke(asked(SEEN)))
    assert first.text == named.text == later.text and counted.answers == 1
    assert not any(SEEN["base64"][:60] in prompt for prompt, _ in cache._cache)
    model.invoke(asked(SEEN, SEEN, text="Why?"))
    other = ChatLlava(engine=counted, max_tokens=5, load_image=lambda _: PICTURE)
    other.invoke(asked({"type": "image", "file_id": "any name"}))
    assert counted.answers == 3


def test_nobody_is_given_the_answer_of_somebody_else(engine: Engine, cache: InMemoryCache) -> None:
    counted = Counted(engine)
    options: list[dict[str, Any]] = [
        {}, {"tenant": "a"}, {"tenant": "b"}, {"max_tokens": 6}, {"seed": 3}, {"stop": ["x"]},
        {"top_p": 0.5}, {"engine": Counted(engine)},
    ]  # fmt: skip
    models = [ChatLlava(**{"engine": counted, "max_tokens": 5, **each}) for each in options]
    for _ in range(2):
        for model in models:
            model.invoke("What?")
    assert counted.answers == len(options) - 1 and len(cache._cache) == len(options)
    forbidden = ChatLlava(engine=counted, load_image=refused)
    with pytest.raises(StoreError):
        forbidden.invoke(asked({"type": "image", "file_id": PICTURE.id}))
    ChatLlava(engine=counted, cache=False, max_tokens=5).invoke("What?")
    assert counted.answers == len(options)


def refused(_image: str) -> LoadedImage:
    raise StoreError("This photo is not there any more; add it again.")


# --- with a desk's tools


@pytest.fixture
def desk(engine: Engine) -> Iterator[Desk]:
    settings = Settings()
    with Store.open(settings) as store:
        yield Desk(engine, store, None, settings, tenant="shop")


def test_pictures_of_messages_are_kept_where_the_tools_look(desk: Desk) -> None:
    tools = build_tools(desk, names=["describe_image"])
    model = ChatLlava(form="chat", max_tokens=300, temperature=1.0, seed=1)
    message = model.bind_tools(tools, tool_choice="any").invoke(asked(SEEN))
    (made,) = message.tool_calls
    (shown,) = read(asked(SEEN)).photos
    assert made["args"] == {"image": shown}
    assert desk.store.image_ids(tenant="shop") == [shown]
    assert tools[0].invoke(made["args"])
    assert model.desk is None and model.bind_tools([look_up]).bound is model  # type: ignore[attr-defined]


def test_results_of_other_tools_can_be_cited() -> None:
    from langchain_core.messages import ToolMessage

    def result(**given: Any) -> list[Any]:
        return turn_sources([HumanMessage("?"), ToolMessage(tool_call_id="1", name="n", **given)])

    (source,) = result(content="It is sunny. [3]")
    assert (source.text, source.title, source.origin) == ("It is sunny.", "n", "n")
    assert result(content="x", artifact={"structured_content": 1})[0].text == "x"
    assert result(content="no", status="error") == [] == result(content="")
    assert result(content="x", artifact={"sources": []}) == []


def test_a_tool_is_meant_by_what_it_does() -> None:
    tools = [
        ToolLine("add", "Add two numbers.", ("a", "b")),
        ToolLine("get_weather", "Get the weather at a location.", ("location",)),
        ToolLine("search_orders", "Look up the state of an order.", ("order_number",)),
    ]
    for question, name in (
        ("Is it raining in Oslo?", "get_weather"),
        ("Where is order 12345?", "search_orders"),
        ("What is 3 plus 4?", "add"),
    ):
        assert nearest_tool(question, tools, Settings()) == name


def test_sampling_is_bounded(model: ChatLlava) -> None:
    with pytest.raises(InputError, match="max_tokens"):
        model.invoke("What?", max_tokens=10**9)
    assert Sampling(max_tokens=4_096)
