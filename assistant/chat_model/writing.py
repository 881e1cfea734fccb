"""What came of an answer, and the chunk that says so behind its words."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import AIMessageChunk, InvalidToolCall, UsageMetadata
from langchain_core.messages.tool import tool_call_chunk

from assistant.engine.values import Answer


@dataclass
class Written:
    """What came of an answer, filled while it streams."""

    text: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    about: dict[str, Any] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    sure: bool = False


def last_chunk(written: Written, about: dict[str, Any], name: str | None) -> AIMessageChunk:
    """The chunk behind the words: calls, usage, and how the answer came to be."""
    finish = written.answers[-1].finish if written.answers else "stop"
    metadata = {
        "model_name": about["model"],
        "model_provider": "sightdesk",
        "finish_reason": "tool_calls" if written.calls else finish,
        **{key: value for key, value in written.about.items() if value is not None},
    }
    return AIMessageChunk(
        content="",
        id=name,
        tool_call_chunks=[
            tool_call_chunk(name=called, args=json.dumps(args), id=_call_id(), index=place)
            for place, (called, args) in enumerate(written.calls)
        ],
        invalid_tool_calls=[
            InvalidToolCall(
                type="invalid_tool_call",
                name=text.partition(" ")[2].partition(" ")[0] or None,
                args=text,
                id=_call_id(),
                error="The call was cut off.",
            )
            for text in written.broken
        ],
        usage_metadata=_usage(written.answers),
        response_metadata=metadata,
        chunk_position="last",
    )


def _usage(answers: Sequence[Answer]) -> UsageMetadata:
    reused = sum(answer.reused for answer in answers)
    read_tokens = reused + sum(answer.computed for answer in answers)
    wrote = sum(answer.tokens for answer in answers)
    return UsageMetadata(
        input_tokens=read_tokens,
        output_tokens=wrote,
        total_tokens=read_tokens + wrote,
        input_token_details={"cache_read": reused},
    )


def _call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
