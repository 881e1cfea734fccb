"""A base elsewhere against our own `sightdesk serve`: the same answers as the engine gives here."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from assistant.batching import SharedEngine
from assistant.chat_model import grammars
from assistant.engine import Engine, Sampling, Turn
from assistant.errors import AdapterError, RemoteError
from assistant.remote import RemoteEngine
from assistant.settings import Settings
from tests import tiny
from tests.api_server import Served, served
from tests.stacked import write_stacked

SCHEMA = {
    "type": "object",
    "properties": {"ripe": {"type": "boolean"}, "size": {"enum": ["small", "large"]}},
    "required": ["ripe", "size"],
}
SAMPLING = Sampling(max_tokens=24)


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("served")
    write_stacked(folder / "data" / "adapters" / "speaks", seed=1)
    return Settings(
        base=str(tiny.directory()), device="cpu", quantize="none",
        data_dir=folder / "data", cache_dir=folder / "cache",
    )  # fmt: skip


@pytest.fixture(scope="module")
def local(here: Settings) -> Engine:
    return _loaded(here)


def _loaded(settings: Settings) -> Engine:
    engine = Engine.load(settings=settings)
    engine.model.float()  # in bfloat16 a tie may fall either way
    return engine


@pytest.fixture(scope="module")
def server(here: Settings) -> Iterator[Served]:
    with (
        SharedEngine(_loaded(here), settings=here) as engine,
        served(engine, settings=here) as server,
    ):
        yield server


@pytest.fixture
def remote(server: Served, tmp_path: pytest.TempPathFactory) -> Iterator[RemoteEngine]:
    with RemoteEngine.open(f"openai:tiny@{server.v1}", settings=Settings()) as engine:
        yield engine


def test_it_lists_the_base_and_its_adapters(remote: RemoteEngine, server: Served) -> None:
    assert remote.choices() == ["tiny", "speaks"]  # the agent and what embeds are none of them
    with pytest.raises(AdapterError, match="has no adapter 'sees'"):
        remote.resolve("sees")
    with pytest.raises(RemoteError, match=r"has no model .other., but tiny, .*speaks"):
        RemoteEngine.open(f"openai:other@{server.v1}", settings=Settings())
    with pytest.raises(RemoteError, match="ends in /v1"):
        RemoteEngine.open(f"openai:tiny@{server.url}", settings=Settings()).generate(
            [Turn("user", "What?")]
        )


@pytest.mark.parametrize("adapter", [None, "speaks"])
def test_answers_are_those_of_the_engine(
    local: Engine, remote: RemoteEngine, adapter: str | None
) -> None:
    pictures = [tiny.picture(seed) for seed in (1, 2)]
    ours = local.encode_images(pictures, adapter=adapter)
    theirs = remote.encode_images(pictures, adapter=adapter)
    turns = [Turn("system", "Be brief."), Turn("user", "What is this?", (ours[0].id,))]
    first = local.generate(turns, ours, sampling=SAMPLING, adapter=adapter)
    stream = remote.stream(turns, theirs, sampling=SAMPLING, adapter=adapter)
    assert "".join(stream).strip() == first.text
    answer = stream.answer
    assert answer is not None and (answer.tokens, answer.finish) == (first.tokens, first.finish)
    assert answer.computed + answer.reused == first.computed + first.reused
    # And one more question, about another picture.
    turns += [Turn("assistant", first.text), Turn("user", "And this one?", (ours[1].id,))]
    second = local.generate(turns, ours, sampling=SAMPLING, adapter=adapter)
    found = remote.generate(turns, theirs, sampling=SAMPLING, adapter=adapter)
    assert (found.text, found.tokens) == (second.text, second.tokens)


def test_a_batch_and_descriptions_are_those_of_the_engine(
    local: Engine, remote: RemoteEngine
) -> None:
    pictures = [tiny.picture(seed) for seed in range(4)]
    ours = [each.text for each in local.describe(local.encode_images(pictures), detail="short")]
    theirs = remote.describe(remote.encode_images(pictures), detail="short")
    assert [each.text for each in theirs] == ours
    beams = remote.describe(remote.encode_images(pictures[:1]), detail="short", mode="beam")
    best = remote.describe(remote.encode_images(pictures[:1]), detail="short", mode="rerank")
    assert beams[0].text and best[0].text


def test_json_has_its_form(local: Engine, remote: RemoteEngine) -> None:
    constraint = grammars.json_object(SCHEMA)
    (picture,) = remote.encode_images([tiny.picture(1)])
    turns = [Turn("user", "Is it ripe?", (picture.id,))]
    answer = remote.generate(turns, [picture], constraint=constraint)
    assert set(json.loads(answer.text)) == {"ripe", "size"}
    ours = local.generate(turns, local.encode_images([tiny.picture(1)]), constraint=constraint)
    assert answer.text == ours.text


def test_labels_are_of_the_list_or_none(remote: RemoteEngine) -> None:
    pictures = remote.encode_images([tiny.picture(1)])
    (found,) = remote.label(pictures, labels=["apple", "pear"])
    assert found.label in ("apple", "pear", None)
    assert found.confidence in (0.0, 1 / 3, 2 / 3, 1.0)  # it tells no chances: votes


def test_letting_go_of_a_stream_stops_the_server(server: Served, remote: RemoteEngine) -> None:
    turns = [Turn("user", "What?")]
    stream = remote.stream(turns, sampling=Sampling(max_tokens=900, temperature=2.0, seed=1))
    next(stream)
    stream.close()
    until = time.monotonic() + 10
    while server.service.load_figures().running and time.monotonic() < until:
        time.sleep(0.02)
    assert server.service.load_figures().running == 0


def test_the_agent_of_the_one_works_with_the_model_of_the_other(server: Served) -> None:
    """The tiny model cannot read so long a prompt, nor say a word of sense: the desk says that
    something went wrong, and calls a person where one is wanted."""
    from assistant.agent.models import open_model
    from tests.agent_desk import Shop

    shop = Shop(settings=Settings(base=f"openai:tiny@{server.v1}"))
    with shop.driven(open_model(shop.desk, shop.settings)) as agent:
        assert agent.answer("t", "What is this?", [shop.photo()]).outcome == "abstained"
        assert agent.answer("u", "I want to talk to a person.").outcome == "handed_over"
    shop.store.close()


def test_a_call_comes_from_the_one_to_the_other(server: Served) -> None:
    """What the server's grammar makes of a nonsense model's words is a call of the tool."""
    from assistant.agent.served import ServedChat

    look = {
        "name": "look",
        "description": "Looks.",
        "parameters": {
            "type": "object",
            "properties": {"at": {"enum": ["left", "right"]}},
            "required": ["at"],
        },
    }
    model = ServedChat.of(Settings(base=f"openai:tiny@{server.v1}"))
    tools = [{"type": "function", "function": look}]
    message = model.bind_tools(tools, tool_choice="required").invoke("Look left.")
    (call,) = message.tool_calls
    assert call["name"] == "look" and call["args"]["at"] in ("left", "right")
