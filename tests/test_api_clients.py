"""Clients that others wrote, as they are: langchain-openai, LiteLLM, curl.

The openai SDK is in test_api_chat.py.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_core.messages import AIMessageChunk, HumanMessage
from langchain_core.tools import tool
from pydantic import BaseModel, SecretStr

from assistant.batching import SharedEngine
from assistant.engine import Engine
from assistant.settings import Settings
from tests import scripted_desk, tiny
from tests.api_server import Served, served
from tests.scripted_model import ScriptedChat

ROOT = Path(__file__).parent.parent
CURL = ROOT / "tests" / "readme_curl.sh"
ADDRESS = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with a tiny random model, the demo's shop and a scripted agent."""
    folder = tmp_path_factory.mktemp("clients")
    settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache")
    scripted_desk.fill(folder / "files", settings=settings)
    chat = ScriptedChat(replies=[scripted_desk.Counter().reply])
    with (
        SharedEngine(Engine.load(str(tiny.directory()))) as engine,
        served(engine, settings=settings, agent_model=chat) as server,
    ):
        yield server


def photo() -> bytes:
    written = io.BytesIO()
    tiny.pixels(1).save(written, "JPEG")
    return written.getvalue()


class Fruit(BaseModel):
    """A fruit."""

    name: Literal["apple", "pear"]


@tool
def weigh(fruit: Literal["apple", "pear"]) -> str:
    """Weigh a fruit."""
    return f"{fruit}: 180 g"


class TestLangChain:
    """langchain-openai's ChatOpenAI and OpenAIEmbeddings."""

    @pytest.fixture
    def chat(self, server: Served) -> Any:
        from langchain_openai import ChatOpenAI

        return ChatOpenAI(
            model="embedded", base_url=server.v1, api_key=SecretStr("any"), max_retries=0,
            max_completion_tokens=8, temperature=0,
        )  # fmt: skip

    def test_invoke_and_stream(self, chat: Any) -> None:
        whole = chat.invoke("Hello")
        pieces = list(chat.stream("Hello", stream_usage=True))
        together = sum(pieces[1:], pieces[0])
        assert isinstance(together, AIMessageChunk)
        assert together.content == whole.content
        assert whole.usage_metadata["output_tokens"] > 0
        assert together.usage_metadata is not None
        assert together.usage_metadata["input_tokens"] == whole.usage_metadata["input_tokens"]
        assert whole.response_metadata["finish_reason"] in ("stop", "length")

    def test_async(self, chat: Any) -> None:
        async def ask() -> Any:
            return await asyncio.gather(*(chat.ainvoke(f"Hello {n}") for n in range(4)))

        assert all(answer.content for answer in asyncio.run(ask()))

    def test_pictures(self, chat: Any) -> None:
        data = base64.b64encode(photo()).decode()
        for block in (
            {"type": "image", "base64": data, "mime_type": "image/jpeg"},
            {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{data}"}},
        ):
            answer = chat.invoke([HumanMessage([{"type": "text", "text": "What?"}, block])])
            assert answer.usage_metadata["input_tokens"] > tiny.GRID**2

    def test_tools(self, chat: Any) -> None:
        bound = chat.bind_tools([weigh], tool_choice="weigh").bind(max_completion_tokens=200)
        answer = bound.invoke("How heavy is it?")
        (call,) = answer.tool_calls
        assert call["name"] == "weigh" and call["args"]["fruit"] in ("apple", "pear")
        result = weigh.invoke(call)
        after = chat.invoke([HumanMessage("How heavy is it?"), answer, result])
        assert after.content

    def test_structured_output(self, chat: Any) -> None:
        for method in ("json_schema", "function_calling"):
            roomy = chat.model_copy(update={"max_tokens": 200})
            model = roomy.with_structured_output(Fruit, method=method)
            assert model.invoke("Which fruit?").name in ("apple", "pear")

    def test_embeddings(self, server: Served) -> None:
        from langchain_openai import OpenAIEmbeddings

        embeddings = OpenAIEmbeddings(
            model="embedded", base_url=server.v1, api_key=SecretStr("any"),
            check_embedding_ctx_length=False,
        )  # fmt: skip
        one, two = embeddings.embed_documents(["a red apple", "a green pear"])
        assert len(one) == len(two) and one != two


class TestLiteLLM:
    """LiteLLM with its provider for OpenAI-compatible servers."""

    @pytest.fixture
    def litellm(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")  # else it asks the network
        import litellm

        litellm.telemetry = False
        return litellm

    @pytest.fixture
    def options(self, server: Served) -> dict[str, Any]:
        return {"api_base": server.v1, "api_key": "any", "num_retries": 0}

    def test_completion(self, litellm: Any, options: dict[str, Any]) -> None:
        asked = [{"role": "user", "content": "Hello"}]
        whole = litellm.completion("openai/embedded", messages=asked, max_tokens=8, **options)
        stream = litellm.completion(
            "openai/embedded", messages=asked, max_tokens=8, stream=True, **options
        )
        said = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        assert said == whole.choices[0].message.content
        assert whole.usage.completion_tokens > 0

    def test_async_completion(self, litellm: Any, options: dict[str, Any]) -> None:
        asked = [{"role": "user", "content": "Hello"}]
        answer = asyncio.run(
            litellm.acompletion("openai/embedded", messages=asked, max_tokens=4, **options)
        )
        assert answer.choices[0].message.content

    def test_tools(self, litellm: Any, options: dict[str, Any]) -> None:
        from langchain_core.utils.function_calling import convert_to_openai_tool

        answer = litellm.completion(
            "openai/embedded",
            messages=[{"role": "user", "content": "How heavy is it?"}],
            tools=[convert_to_openai_tool(weigh)],
            tool_choice="required",
            **options,
        )
        (call,) = answer.choices[0].message.tool_calls
        assert json.loads(call.function.arguments)["fruit"] in ("apple", "pear")

    def test_embedding(self, litellm: Any, options: dict[str, Any]) -> None:
        found = litellm.embedding("openai/embedded", input=["a", "b"], **options)
        assert len(found.data) == 2 and found.data[0]["embedding"]

    def test_errors(self, litellm: Any, options: dict[str, Any]) -> None:
        asked = [{"role": "user", "content": "Hello"}]
        with pytest.raises(litellm.NotFoundError):
            litellm.completion("openai/nothing", messages=asked, **options)
        with pytest.raises(litellm.BadRequestError):
            litellm.completion("openai/embedded", messages=asked, temperature=5, **options)


def lines() -> list[str]:
    """The paragraphs of commands."""
    text = CURL.read_text(encoding="utf-8")
    return [part.strip() for part in text.split("\n\n") if not part.startswith("#")]


@pytest.mark.parametrize("line", lines(), ids=range(len(lines())))
def test_curl(server: Served, line: str, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo())
    assert ADDRESS in line
    run = subprocess.run(
        ["sh", "-e", "-c", line.replace(ADDRESS, server.url).replace("curl ", "curl -sS --fail ")],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    if '"stream": true' in line:
        assert run.stdout.rstrip().endswith("data: [DONE]") and '"sightdesk"' in run.stdout
    else:
        assert "error" not in json.loads(run.stdout)


def test_the_readme_shows_these_lines() -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    known = "\n".join(lines())
    for line in shown.splitlines():
        if line.startswith("curl "):
            assert line in known, "tests/readme_curl.sh has all lines of curl, and runs them"
