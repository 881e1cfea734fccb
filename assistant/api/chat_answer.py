"""A chat completion as it is answered, whole or in chunks, in OpenAI's shape."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Finish = Literal["stop", "length", "tool_calls"]


@dataclass(frozen=True)
class Said:
    """Some words of the answer."""

    text: str


@dataclass(frozen=True)
class Happened:
    """Something that the agent does meanwhile, for those who asked to be told."""

    about: dict[str, Any]


@dataclass(frozen=True)
class Ended:
    """The end of an answer.

    Attributes:
        calls: of tools, as OpenAI has them in a message.
        prompt, cached, completion: tokens that were read, of these from a cache, and written.
        sightdesk: what the agent adds to the message.
    """

    finish: Finish = "stop"
    calls: list[dict[str, Any]] = field(default_factory=list)
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    sightdesk: dict[str, Any] | None = None


Item = Said | Happened | Ended


class Envelope:
    """What is around the words: id, time, model.

    Args:
        model: as the client called it.
        fingerprint: of what answers.
        include_usage: a last chunk tells the tokens, and the others that they do not.
    """

    def __init__(self, model: str, fingerprint: str, *, include_usage: bool = False) -> None:
        self.id = f"chatcmpl-{secrets.token_hex(14)}"
        self.created = int(time.time())
        self.model, self._fingerprint = model, fingerprint
        self._include_usage = include_usage

    def completion(self, items: list[Item]) -> dict[str, Any]:
        """The whole answer."""
        ended = next((item for item in items if isinstance(item, Ended)), Ended())
        text = "".join(item.text for item in items if isinstance(item, Said))
        message: dict[str, Any] = {
            "role": "assistant",
            "content": text if text or not ended.calls else None,
            "refusal": None,
        }
        if ended.calls:
            message["tool_calls"] = ended.calls
        if ended.sightdesk is not None:
            message["sightdesk"] = ended.sightdesk
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": ended.finish,
        }
        return {**self._head("chat.completion"), "choices": [choice], "usage": usage(ended)}

    def first(self) -> dict[str, Any]:
        """The chunk that says who speaks."""
        return self._chunk({"role": "assistant", "content": ""})

    def chunks(self, item: Item) -> list[dict[str, Any]]:
        """The chunks of an item."""
        if isinstance(item, Said):
            return [self._chunk({"content": item.text})] if item.text else []
        if isinstance(item, Happened):
            return [self._chunk({"sightdesk": item.about})]
        found = []
        if item.calls:
            calls = [{"index": place, **call} for place, call in enumerate(item.calls)]
            found.append(self._chunk({"tool_calls": calls}))
        last: dict[str, Any] = {}
        if item.sightdesk is not None:
            last["sightdesk"] = item.sightdesk
        found.append(self._chunk(last, item.finish))
        if self._include_usage:
            head = self._head("chat.completion.chunk")
            found.append({**head, "choices": [], "usage": usage(item)})
        return found

    def _chunk(self, delta: dict[str, Any], finish: Finish | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = {**self._head("chat.completion.chunk"), "choices": [choice]}
        return {**chunk, "usage": None} if self._include_usage else chunk

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": self._fingerprint,
        }


def usage(ended: Ended) -> dict[str, Any]:
    """Tokens, in OpenAI's shape."""
    return {
        "prompt_tokens": ended.prompt,
        "completion_tokens": ended.completion,
        "total_tokens": ended.prompt + ended.completion,
        "prompt_tokens_details": {"cached_tokens": ended.cached},
    }


# --- for the documentation


class AnsweredFunction(BaseModel):
    """Name and arguments of a call, as JSON text."""

    name: str
    arguments: str


class AnsweredCall(BaseModel):
    """A call of one of the client's tools."""

    id: str
    type: Literal["function"] = "function"
    function: AnsweredFunction


class Citation(BaseModel):
    """What a sentence rests on; `[1]` in the text is the first."""

    kind: Literal["passage", "image"]
    id: str
    title: str
    text: str
    origin: str = ""
    label: str = ""
    image_id: str = ""


class AgentSays(BaseModel):
    """What `sightdesk-agent` adds to its message, and to the last delta of a stream."""

    tools: list[str] = Field(description="Names of those that were called, in order.")
    citations: list[Citation]
    outcome: Literal["answered", "abstained", "handed_over"]
    ticket_id: str | None = Field(description="Where a person takes over.")
    thread_id: str = Field(description="Send it as `sightdesk.thread_id` to go on.")


class AnsweredMessage(BaseModel):
    """The answer."""

    role: Literal["assistant"]
    content: str | None
    refusal: None = None
    tool_calls: list[AnsweredCall] | None = None
    sightdesk: AgentSays | None = None


class Choice(BaseModel):
    """The one answer."""

    index: Literal[0]
    message: AnsweredMessage
    logprobs: None
    finish_reason: Finish


class PromptDetails(BaseModel):
    """Of the tokens that were read."""

    cached_tokens: int


class Usage(BaseModel):
    """Tokens of the request, all prompts that it took together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails


class ChatCompletion(BaseModel):
    """An answer of /v1/chat/completions."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "chatcmpl-5f0c0e1c9f6f4d7f8a3b2c1d0e9f",
                    "object": "chat.completion",
                    "created": 1767225600,
                    "model": "embedded",
                    "system_fingerprint": "fp_1a2b3c4d5e",
                    "choices": [
                        {
                            "index": 0,
                            "message": {
                                "role": "assistant",
                                "content": "A bunch of bananas.",
                                "refusal": None,
                            },
                            "logprobs": None,
                            "finish_reason": "stop",
                        }
                    ],
                    "usage": {
                        "prompt_tokens": 61,
                        "completion_tokens": 6,
                        "total_tokens": 67,
                        "prompt_tokens_details": {"cached_tokens": 0},
                    },
                }
            ]
        }
    )

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    system_fingerprint: str
    choices: list[Choice]
    usage: Usage
