"""The base elsewhere as the agent's model: tool calls in the server's way, or written out in words.

A server that takes tools is given them. One that refuses them is told of them in a system message,
and calls in the form that most models have learned (see `assistant.chat_model.plain_form`). Some
servers take tools and hand such a call on as words: it is read in either case.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput, ModelProfile
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    InvalidToolCall,
    SystemMessage,
    ToolMessage,
)
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import ConfigDict, Field, PrivateAttr

from assistant.chat_model.plain_form import CLOSE, OPEN, called
from assistant.errors import InputError
from assistant.remote.address import parse
from assistant.settings import Settings

_HOW: Final = (
    "You can call these tools. To call one, write only\n"
    f'{OPEN}{{"name": "<name>", "arguments": {{…}}}}{CLOSE}\n'
    "and its result will follow. Otherwise answer in words."
)
_CALLS: Final = re.compile(rf"{OPEN}\s*(\{{.*?\}})\s*(?:{CLOSE}|$)", re.DOTALL)
_REFUSING: Final = frozenset({400, 404, 422, 500, 501})


class ServedChat(BaseChatModel):
    """A model of an OpenAI-compatible server, with tools in one way or another."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    inner: Any = Field(exclude=True, repr=False)
    """LangChain's own client for such servers."""

    name_shown: str = "openai"
    """What the base is called."""

    _in_words: bool = PrivateAttr(default=False)

    @classmethod
    def of(cls, settings: Settings) -> ServedChat:
        """The one that the settings' base names.

        Raises:
            InputError: the base is at no address that can be used, or a package is missing.
        """
        address = parse(settings.base)
        try:
            import httpx
            from langchain_openai import ChatOpenAI
        except ImportError as error:
            raise InputError(
                "A base elsewhere drives the agent by the package langchain-openai; install it, or "
                "name another model with SIGHTDESK_AGENT_MODEL."
            ) from error
        key = settings.base_key.get_secret_value() if settings.base_key is not None else "none"
        limits = httpx.Timeout(settings.base_timeout, connect=5.0)
        inner = ChatOpenAI(
            model=address.model,
            base_url=address.url,
            api_key=key,  # type: ignore[arg-type]
            timeout=settings.base_timeout,
            max_retries=0,
            temperature=0,
            # What is asked must not go to whom the server names.
            http_client=httpx.Client(follow_redirects=False, timeout=limits),
            http_async_client=httpx.AsyncClient(follow_redirects=False, timeout=limits),
        )
        return cls(inner=inner, name_shown=address.name)

    @property
    def _llm_type(self) -> str:
        return "sightdesk-served"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"model": self.name_shown}

    def _resolve_model_profile(self) -> ModelProfile | None:
        return ModelProfile(text_inputs=True, image_inputs=True, tool_calling=True)

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools."""
        formatted = [convert_to_openai_tool(tool) for tool in tools]
        chosen = {"tool_choice": tool_choice} if tool_choice else {}
        return self.bind(tools=formatted, **chosen, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        return generate_from_stream(self._stream(messages, stop, run_manager, **kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        tools = list(kwargs.pop("tools", None) or ())
        choice = kwargs.pop("tool_choice", None)
        if tools and not self._in_words:
            chosen = {"tool_choice": choice} if choice else {}
            began = False
            try:
                for chunk in _read(
                    self.inner.stream(messages, stop=stop, tools=tools, **chosen, **kwargs), tools
                ):
                    began = True
                    yield chunk
                return
            except Exception as error:
                if began or not _refuses_tools(error):
                    raise
                self._in_words = True
        told = written_out(messages, tools) if tools else messages
        yield from _read(self.inner.stream(told, stop=stop, **kwargs), tools)


def written_out(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> list[Any]:
    """Messages for a server that knows no tools: they, calls and results are words."""
    functions = "\n".join(json.dumps(tool["function"]) for tool in tools)
    how = f"{_HOW}\n{functions}"
    found: list[BaseMessage] = []
    for message in messages:
        if isinstance(message, AIMessage):
            calls = [
                f"{OPEN}{json.dumps({'name': call['name'], 'arguments': call['args']})}{CLOSE}"
                for call in message.tool_calls
            ]
            found.append(AIMessage("\n".join([*([message.text] if message.text else []), *calls])))
        elif isinstance(message, ToolMessage):
            result = f"<tool_response>{message.text}</tool_response>"
            last = found[-1] if found else None
            if isinstance(last, HumanMessage) and isinstance(last.content, str):
                found[-1] = HumanMessage(f"{last.content}\n{result}")
            else:
                found.append(HumanMessage(result))
        else:
            found.append(message)
    if found and isinstance(found[0], SystemMessage):
        return [SystemMessage(f"{found[0].text}\n\n{how}"), *found[1:]]
    return [SystemMessage(how), *found]


def _read(
    chunks: Iterator[AIMessageChunk], tools: Sequence[dict[str, Any]]
) -> Iterator[ChatGenerationChunk]:
    """The chunks, with a call that comes as words as a call."""
    held = ""
    deciding = bool(tools)
    for chunk in chunks:
        text = chunk.text
        if deciding and text:
            held += text
            start = held.lstrip()[: len(OPEN)]
            if OPEN.startswith(start):
                # What may become a call is none of the reader's business.
                chunk = chunk.model_copy(update={"content": ""})
            else:
                deciding = False
                chunk = chunk.model_copy(update={"content": held})
                held = ""
        yield ChatGenerationChunk(message=chunk.model_copy(update={"chunk_position": None}))
    if deciding and held.strip().startswith(OPEN):
        yield ChatGenerationChunk(message=_as_calls(held, tools))
    elif held:
        yield ChatGenerationChunk(message=AIMessageChunk(content=held))
    yield ChatGenerationChunk(message=AIMessageChunk(content="", chunk_position="last"))


def _as_calls(text: str, tools: Sequence[dict[str, Any]]) -> AIMessageChunk:
    names = {tool["function"]["name"] for tool in tools}
    good, broken = [], []
    for inside in _CALLS.findall(text) or [text]:
        call = called(f"{OPEN}{inside}{CLOSE}")
        if call is None or call[0] not in names or not isinstance(call[1], dict):
            broken.append(inside)
        else:
            good.append((call[0], json.dumps(call[1])))
    return AIMessageChunk(
        content="",
        tool_call_chunks=[
            tool_call_chunk(name=name, args=args, id=_id(), index=place)
            for place, (name, args) in enumerate(good)
        ],
        invalid_tool_calls=[
            InvalidToolCall(
                type="invalid_tool_call", name=None, args=inside[:2_000], id=_id(),
                error="It is no call of a tool that is there.",
            )
            for inside in broken
        ],
    )  # fmt: skip


def _id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def _refuses_tools(error: Exception) -> bool:
    """Whether a server answers that it does not take tools."""
    status = getattr(error, "status_code", None)
    return status in _REFUSING and "tool" in str(error).lower()
