"""A chat model that says what it was told to, word by word, and records what it was asked."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.chat_models import generate_from_stream
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from pydantic import Field

Said = str | AIMessage | Exception | Callable[[list[BaseMessage]], "str | AIMessage"]


class ScriptedChat(BaseChatModel):
    """Gives the replies in order, the last one again and again.

    A string is said word by word, an exception is raised, a function is given the messages.
    """

    replies: list[Any]
    asked: list[list[BaseMessage]] = Field(default_factory=list)
    options: list[dict[str, Any]] = Field(default_factory=list)
    between: Any = None
    """Called with the number of each word, before it is said."""

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Runnable[LanguageModelInput, Any]:
        return self.bind(tools=[tool.name for tool in tools], **kwargs)

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
        self.asked.append(list(messages))
        self.options.append(kwargs)
        said = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if callable(said) and not isinstance(said, Exception):
            said = said(messages)
        if isinstance(said, Exception):
            raise said
        message = AIMessage(said) if isinstance(said, str) else said
        for number, piece in enumerate(re.findall(r"\S+\s*", message.text)):
            if self.between is not None:
                self.between(number)
            yield ChatGenerationChunk(message=AIMessageChunk(content=piece))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                content="",
                tool_call_chunks=[
                    tool_call_chunk(
                        name=call["name"], args=_json(call["args"]), id=call["id"], index=place
                    )
                    for place, call in enumerate(message.tool_calls)
                ],
                response_metadata=message.response_metadata,
                chunk_position="last",
            )
        )


def call(name: str, id: str = "call-1", **args: Any) -> AIMessage:
    """A message that calls a tool."""
    return AIMessage(content="", tool_calls=[{"name": name, "args": args, "id": id}])


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
