"""LangChain's standard tests of chat models, on a tiny random model and on the shipped weights."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from assistant.chat_model import ChatLlava
from assistant.engine import Engine
from assistant.settings import Settings
from tests import tiny
from tests.shipped import composed
from tests.standard import Standard


@cache
def tiny_engine() -> Engine:
    return Engine.load(str(tiny.directory()))


class _Can(Standard):
    """What `ChatLlava` can; sound is all that it cannot take."""

    chat_model_class = ChatLlava
    supports_json_mode = True
    supports_image_inputs = True
    supports_image_urls = True
    supports_pdf_inputs = True
    supports_image_tool_message = True
    supports_pdf_tool_message = True
    supports_anthropic_inputs = True
    supports_model_override = True
    returns_usage_metadata = True
    enable_vcr_tests = True

    @property
    def supported_usage_metadata_details(self) -> Any:
        return {"invoke": ["cache_read_input"], "stream": ["cache_read_input"]}


class TestUnit(_Can, ChatModelUnitTests):
    """On the tiny model."""

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"engine": tiny_engine(), "model": "tiny"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        named = {"SIGHTDESK_BASE": "/models/llava-7b"}
        return named, {}, {"model_name": "/models/llava-7b"}

    @pytest.fixture(autouse=True)
    def listed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """LangChain loads by itself only what is on its list; the suite is for those who are."""
        place = ("assistant", "chat_model", "ChatLlava")
        loading = importlib.import_module("langchain_core.load.load")
        monkeypatch.setitem(loading.ALL_SERIALIZABLE_MAPPINGS, place, place)
        monkeypatch.setattr(loading, "_default_class_paths_cache", {})

    @pytest.fixture
    def snapshot(self) -> Any:
        """The model as LangChain writes it out: names and numbers, no engine and no key."""
        written = {
            "lc": 1,
            "type": "constructor",
            "id": ["assistant", "chat_model", "ChatLlava"],
            "kwargs": {
                "base": "tiny",
                "agent_adapter": "agent",
                "form": "auto",
                "max_tokens": 100,
                "top_p": 1.0,
                "stop": [],
            },
            "name": "ChatLlava",
        }
        return lambda name: {"serialized": written}[name]


@pytest.mark.weights
class TestIntegration(_Can, ChatModelIntegrationTests):
    """On the embedded base, whose answers have to make sense."""

    params: ClassVar[dict[str, Any]] = {}

    @pytest.fixture(scope="class", autouse=True)
    def loaded(self, base_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
        settings = composed(
            Settings(
                cache_dir=base_cache,
                data_dir=tmp_path_factory.mktemp("data"),
                device="cpu",
                quantize="none",
                fetch_urls=True,
            )
        )
        type(self).params = {
            "engine": Engine.load("embedded", settings=settings),
            "settings": settings,
        }

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return self.params

    @property
    def model_override_value(self) -> str:
        return "grocery"

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        """The same question twice: the second time its tokens are known."""
        model = ChatLlava(**self.params)
        asked = [HumanMessage("How long do apples keep in a cool and dark cellar?")]
        model.invoke(asked)
        if not stream:
            return model.invoke(asked)
        first, *others = model.stream(asked)
        for chunk in others:
            first += chunk
        return first
