"""A base elsewhere behind the agent and the doors: tool calls of any kind, page, commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from typer.testing import CliRunner

from assistant.agent import Agent
from assistant.agent.models import open_model, speaks_only_english, takes_images
from assistant.agent.served import ServedChat, written_out
from assistant.cli import app
from assistant.errors import InputError
from assistant.languages import say
from assistant.settings import Settings, get_settings
from tests import tiny
from tests.agent_desk import Shop
from tests.openai_server import Reply, Served, openai_server, refusal, reply

WHERE = "Where do Golden Delicious come from?"
ANSWER = "Golden Delicious come from Italy. [1]"
CALL = '<tool_call>{"name": "search_knowledge", "arguments": {"query": "origin"}}</tool_call>'
run = CliRunner()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with openai_server(reply("Yes.")) as server:
        monkeypatch.setenv("SIGHTDESK_BASE", server.base)
        get_settings.cache_clear()
        yield server


@pytest.fixture
def shop(served: Served) -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.store.close()


def opened(shop: Shop) -> Agent:
    return shop.driven(open_model(shop.desk, shop.settings))


def searching(**more: Any) -> Reply:
    return Reply(call=("search_knowledge", {"query": "origin"}), **more)


# --- the agent


def test_the_server_drives_the_agent_and_is_shown_the_photo(
    served: Served, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.replies = [searching(), reply(ANSWER)]
    with opened(shop) as agent:
        assert isinstance(agent.model, ServedChat) and not speaks_only_english(agent.model)
        assert takes_images(agent.model, shop.settings)
        answer = agent.answer("t", WHERE, [shop.photo()])
    assert answer.answer == ANSWER and answer.tools == ["search_knowledge"]
    first, second = served.asked
    assert first["model"] == "llava" and first["stream"] is True and first["temperature"] == 0
    assert {tool["function"]["name"] for tool in first["tools"]} >= {"search_knowledge"}
    kinds = [part["type"] for part in first["messages"][-1]["content"]]
    assert kinds == ["text", "image_url", "text"]
    assert "[1] Golden Delicious" in second["messages"][-1]["content"]


def test_photos_are_not_shown_where_one_says_so(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_AGENT_MODEL_IMAGES", "false")
    shop = Shop(settings=Settings())
    served.replies = [reply("Hello! Which one do you mean?")]
    with opened(shop) as agent:
        agent.answer("t", "Is this ripe?", [shop.photo()])
    assert isinstance(served.asked[0]["messages"][-1]["content"], str)
    shop.store.close()


def test_the_key_is_sent_and_nobody_elses(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-for-somebody-else")
    for key, sent in ((None, "Bearer none"), ("sk-own", "Bearer sk-own")):
        settings = Settings(base_key=key)  # type: ignore[arg-type]
        served.keys.clear()
        ServedChat.of(settings).invoke("Hello")
        assert served.keys == [sent]


@pytest.mark.parametrize(
    ("status", "said"),
    [(400, '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser'),
     (500, "tools param requires --jinja flag"), (422, "extra fields: tools")],
    ids=["vllm", "llama.cpp", "strict"],
)  # fmt: skip
def test_a_server_that_takes_no_tools_is_told_of_them_in_words(
    served: Served, shop: Shop, status: int, said: str
) -> None:
    def without_tools(body: dict[str, Any]) -> Reply:
        if "tools" in body:
            return refusal(status, said)
        return reply(ANSWER if "tool_response" in json.dumps(body) else CALL)

    served.replies = [without_tools]
    with opened(shop) as agent:
        answer = agent.answer("t", WHERE)
        assert answer.answer == ANSWER and answer.tools == ["search_knowledge"]
        assert agent.answer("t", WHERE).outcome == "answered"
    with_tools = [body for body in served.asked if "tools" in body]
    assert len(with_tools) == 1  # it is known from then on
    system = served.asked[1]["messages"][0]
    assert system["role"] == "system" and "support desk" in system["content"]
    assert '"search_knowledge"' in system["content"] and "<tool_call>" in system["content"]


@pytest.mark.parametrize("text", [CALL, f"\n {CALL}\n", CALL.removesuffix("</tool_call>")])
def test_a_call_that_is_handed_on_as_words(served: Served, shop: Shop, text: str) -> None:
    served.replies = [reply(text), reply(ANSWER)]
    with opened(shop) as agent:
        events = list(agent.ask("t", WHERE))
    assert [call for call, _ in shop.calls] == ["search_knowledge"]
    assert "tool_call" not in repr([event for event in events if "Sentence" in repr(event)])


@pytest.mark.parametrize(
    "broken",
    [CALL.replace("search_knowledge", "erase_all"), "<tool_call>{nonsense</tool_call>",
     CALL.replace('{"query": "origin"}', "7"), "<tool_call>"],
    ids=["unknown", "broken", "arguments", "bare"],
)  # fmt: skip
def test_a_call_that_is_none_calls_nothing(served: Served, shop: Shop, broken: str) -> None:
    served.replies = [reply(broken)]
    with opened(shop) as agent:
        answer = agent.answer("t", WHERE)
    assert answer.outcome == "abstained" and not shop.calls
    assert "tool_call" not in answer.answer


@pytest.mark.parametrize(
    "broken",
    [refusal(500, "no"), refusal(401, "no"), Reply(raw=b"<html>"), reply("One two", vanish=1),
     Reply(status=307, headers=(("Location", "/v1/elsewhere"),))],
    ids=["down", "key", "garbage", "vanishing", "redirect"],
)  # fmt: skip
def test_a_server_that_fails_is_told_in_a_sentence(
    served: Served, shop: Shop, broken: Reply
) -> None:
    served.replies = [broken]
    with opened(shop) as agent:
        answer = agent.answer("t", WHERE)
        assert answer.answer == say("failed", "en") and answer.outcome == "abstained"
        served.replies = [searching(), reply(ANSWER)]
        assert agent.answer("t", WHERE).outcome == "answered"
    assert "/v1/elsewhere" not in served.paths  # nothing is sent to whom the server names


def test_people_are_called_also_while_the_server_is_down(served: Served, shop: Shop) -> None:
    served.replies = [refusal(503, "no")]
    with opened(shop) as agent:
        answer = agent.answer("t", "I want my money back for this.")
    assert answer.outcome == "handed_over" and answer.ticket_id


def test_messages_that_are_written_out() -> None:
    tools = [{"type": "function", "function": {"name": "look", "parameters": {}}}]
    call = {"name": "look", "args": {"at": 1}, "id": "c1"}
    told = written_out(
        [
            SystemMessage("Be kind."),
            HumanMessage("What?"),
            AIMessage("One moment.", tool_calls=[call, call | {"id": "c2"}]),
            ToolMessage("An apple.", tool_call_id="c1"),
            ToolMessage("A pear.", tool_call_id="c2"),
        ],
        tools,
    )
    assert [message.type for message in told] == ["system", "human", "ai", "human"]
    assert told[0].text.startswith("Be kind.") and '"look"' in told[0].text
    assert told[2].text.count('<tool_call>{"name": "look", "arguments": {"at": 1}}') == 2
    assert told[3].text == (
        "<tool_response>An apple.</tool_response>\n<tool_response>A pear.</tool_response>"
    )
    assert written_out([HumanMessage("Hi")], tools)[0].type == "system"


def test_a_base_that_cannot_drive_the_agent(monkeypatch: pytest.MonkeyPatch) -> None:
    shop = Shop()
    with pytest.raises(InputError, match="base"):
        open_model(shop.desk, Settings(base="openai:llava"))
    shop.store.close()


def test_tools_look_through_the_server(served: Served) -> None:
    from assistant.engines import open_engine
    from assistant.tools import Desk, build_tools

    shop = Shop()
    photo = shop.photo()
    engine = open_engine()
    desk = Desk(engine=engine, store=shop.store, knowledge=None, settings=shop.settings)
    tools = {tool.name: tool for tool in build_tools(desk)}
    served.replies = [reply("A red apple.")]
    assert "A red apple." in tools["describe_image"].invoke({"image": photo})
    assert "A red apple." in tools["ask_image"].invoke({"image": photo, "question": "What?"})
    served.replies = [reply("apple")]
    assert tools["label_image"].invoke({"image": photo}).startswith("apple")
    shop.store.close()


# --- the doors


def test_commands_ask_the_server(served: Served, tmp_path: Any) -> None:
    (picture,) = map(str, tiny.picture_files(tmp_path, 1))
    served.replies = [reply("A red apple.")]
    result = run.invoke(app, ["ask", picture, "What is this?", "--json"])
    told = json.loads(result.stdout)
    assert told["answer"] == "A red apple." and told["model"] == "openai:llava"
    assert run.invoke(app, ["ask", picture, "What?"]).stdout.strip() == "A red apple."
    assert "A red apple." in run.invoke(app, ["describe", picture, "--mode", "rerank"]).stdout
    result = run.invoke(app, ["label", picture, "--labels", "apple,pear"])
    assert "apple (100 %)" in result.stdout
    result = run.invoke(app, ["ask", picture, "What?", "--quantize", "nf4"])
    assert result.exit_code != 0 and "--quantize" in str(result.exception) + result.output


def test_a_command_may_name_another_server(served: Served, tmp_path: Any) -> None:
    (picture,) = map(str, tiny.picture_files(tmp_path, 1))
    with openai_server(reply("A pear.")) as other:
        result = run.invoke(app, ["ask", picture, "What?", "--base", other.base])
    assert result.stdout.strip() == "A pear." and not served.asked


def test_the_desk_command_is_driven_by_the_server(served: Served) -> None:
    served.replies = [reply("Hello! How can I help you?")]
    result = run.invoke(app, ["desk", "Hi there", "--json"])
    assert json.loads(result.stdout)["answer"] == "Hello! How can I help you?"


def test_the_page_opens_it_and_lets_several_ask_at_once(served: Served) -> None:
    from ui.engine_room import AgentRoom, EngineRoom

    room = EngineRoom()
    engine: Any = room.get(lambda *_: None)
    assert engine.name == "openai:llava" and not hasattr(engine, "look")
    with room.turn(lambda: pytest.fail("it waits")), room.turn(lambda: pytest.fail("it waits")):
        pass
    agents = AgentRoom(room, lambda: pytest.fail("no store is needed"))
    assert not agents.uses_engine and not agents.untrained
    assert agents.model_name == "openai:llava"


def test_doctor_says_what_it_found(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.cli import machine

    served.models = [{"id": "llava"}, {"id": "fruit"}]
    served.replies = [reply("Yes", chances=[{"Yes": 0.9}])]
    report = machine.examine()
    base = report["base"]
    assert base.pop("first_word") >= 0
    assert base == {
        "name": "openai:llava", "server": served.url, "models": ["llava", "fruit"],
        "key": False, "chances": True,
    }  # fmt: skip
    assert report["quantization"] is None and report["adapter"] is None
    monkeypatch.setenv("SIGHTDESK_ADAPTER", "nobody")
    get_settings.cache_clear()
    assert any("no adapter 'nobody'" in problem for problem in machine.examine()["problems"])
    monkeypatch.delenv("SIGHTDESK_ADAPTER")
    get_settings.cache_clear()
    served.replies = [refusal(401, "no")]
    assert any("SIGHTDESK_BASE_KEY" in problem for problem in machine.examine()["problems"])


# --- LangChain's chat model on it


def test_chat_llava_asks_the_server(served: Served) -> None:
    from assistant.chat_model import ChatLlava
    from assistant.engines import open_engine
    from assistant.remote.pictures import hold

    model = ChatLlava(engine=open_engine())
    served.replies = [reply("A red apple.")]
    picture = {"type": "image_url", "image_url": {"url": hold(tiny.picture(1)).uri}}
    message = model.invoke([HumanMessage([{"type": "text", "text": "What?"}, picture])])
    assert message.text == "A red apple." and message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == 3
    search: dict[str, Any] = {
        "name": "search_knowledge",
        "description": "Looks things up.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}},
            "required": ["query"],
        },
    }
    served.replies = [reply(CALL)]
    tools = [{"type": "function", "function": search}]
    (call,) = model.bind_tools(tools).invoke("Where from?").tool_calls
    assert (call["name"], call["args"]) == ("search_knowledge", {"query": "origin"})
    served.replies = [reply('{"query": "apples"}')]
    assert model.with_structured_output(search["parameters"] | {"title": "Query"}).invoke(
        "What do you look for?"
    ) == {"query": "apples"}
