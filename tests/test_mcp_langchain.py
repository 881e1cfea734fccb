"""LangChain's agents with the desk's tools, by langchain-mcp-adapters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.prompts import load_mcp_prompt
from langchain_mcp_adapters.resources import load_mcp_resources

from assistant.api.service import Service
from assistant.cli.mcp import http_app
from assistant.mcp_server.tools import TOOLS
from assistant.settings import Settings
from tests.mcp_clients import Served, encoded, scripted
from tests.scripted_desk import fill
from tests.scripted_mcp import LABEL, SEEN, Eyes
from tests.scripted_model import ScriptedChat, call
from tests.test_knowledge.conftest import BagOfWords


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mcp")
    fill(folder / "files", settings=Settings(data_dir=folder / "data"))
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache", audit="off")
    with (
        Service.open(settings, engine=Eyes(), embedder=BagOfWords()) as service,
        Served(http_app(service)) as served,
    ):
        yield served.url


def over_http(url: str) -> MultiServerMCPClient:
    return MultiServerMCPClient({"sightdesk": {"transport": "streamable_http", "url": url}})


def results(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


async def test_an_agent_looks_and_looks_up(url: str) -> None:
    tools = await over_http(url).get_tools()
    assert {tool.name for tool in tools} == set(TOOLS)
    assert all(tool.description for tool in tools)

    def look_up(messages: list[BaseMessage]) -> AIMessage:
        (seen,) = results(messages)
        assert LABEL in seen.text and seen.artifact["structured_content"]["label"] == LABEL
        return call("search_knowledge", "call-2", query="Granny Smith country")

    def answer(messages: list[BaseMessage]) -> str:
        found = results(messages)[-1]
        passages = found.artifact["structured_content"]["passages"]
        assert "France" in found.text and passages[0]["uri"].startswith("sightdesk://passage/")
        return "It comes from France."

    model = ScriptedChat(replies=[call("label_image", image=encoded(1)), look_up, answer])
    agent: Any = create_agent(model, tools)
    state = await agent.ainvoke({"messages": [HumanMessage("Where does this come from?")]})
    assert state["messages"][-1].text == "It comes from France."
    assert [message.status for message in results(state["messages"])] == ["success", "success"]


async def test_a_model_reads_what_it_did_wrong(url: str) -> None:
    def again(messages: list[BaseMessage]) -> AIMessage:
        (wrong,) = results(messages)
        assert wrong.status == "error" and "There is no picture" in wrong.text
        return call("describe_image", "call-2", image=encoded(2))

    model = ScriptedChat(replies=[call("describe_image", image="0" * 64), again, "Apples."])
    agent: Any = create_agent(model, await over_http(url).get_tools())
    state = await agent.ainvoke({"messages": [HumanMessage("What is it?")]})
    assert results(state["messages"])[-1].text.startswith(SEEN)


async def test_pictures_come_as_blocks(url: str) -> None:
    (tool,) = [t for t in await over_http(url).get_tools() if t.name == "search_images"]
    wanted = {"type": "tool_call", "id": "1", "name": tool.name, "args": {"query": "Granny Smith"}}
    found = await tool.ainvoke(wanted)
    kinds = [block["type"] for block in found.content_blocks]
    assert kinds[:2] == ["text", "image"]
    plain = over_http(f"{url}?content=text")
    (tool,) = [t for t in await plain.get_tools() if t.name == "search_images"]
    found = await tool.ainvoke(wanted)
    # What chat completions take of a tool: words alone.
    assert [block["type"] for block in found.content_blocks] == ["text"]


async def test_resources_and_prompts_on_pipes(folder: Path) -> None:
    server = scripted(folder / "data")
    client = MultiServerMCPClient(
        {
            "sightdesk": {
                "transport": "stdio",
                "command": server.command,
                "args": server.args,
                "env": server.env,
                "cwd": server.cwd,
            }
        }
    )
    async with client.session("sightdesk") as session:
        blobs = await load_mcp_resources(session)
        assert len(blobs) == 10 and {blob.mimetype for blob in blobs} == {"image/webp"}
        (message,) = await load_mcp_prompt(session, "describe_photo", arguments={"image": "a.png"})
        assert isinstance(message, HumanMessage) and "a.png" in message.text
