"""An answer straight from the LLaVA, with one of its adapters: words, a tool call, or JSON."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from assistant.api import chat_request as given
from assistant.api.chat_answer import Ended, Finish, Item, Said
from assistant.api.chat_messages import Conversation
from assistant.api.errors import ApiError
from assistant.api.forms import checked_schema
from assistant.desk_prompts import CALL
from assistant.telling import without_marks

if TYPE_CHECKING:
    from langchain_core.messages import AIMessageChunk

    from assistant.api.service import Service

DEFAULT_TOKENS: Final = 512
"""Of an answer where the client sets no limit."""

FORM_TOKENS: Final = 1024
"""Of a call or of JSON, which is nothing where it is cut off."""

MOST_TOKENS: Final = 4096
"""Of any answer: who asks for more gets as many."""

_HERMES: Final = re.compile(r'<tool_call>\{"name": "([^"]*)"(?:, "arguments": (.*))?', re.DOTALL)
_DESK: Final = re.compile(rf"{re.escape(CALL)}(\S+) (.*)", re.DOTALL)
_LEAST_TOP_P: Final = 1e-4


def answer(
    service: Service,
    asked: given.ChatRequest,
    conversation: Conversation,
    *,
    tenant: str,
    adapter: str,
) -> Generator[Item, None, None]:
    """The answer, piece by piece; blocks.

    Raises:
        ApiError: a tool choice or a schema that cannot be used.
        SightdeskError: the engine cannot answer, or is busy.
    """
    model: Any = service.model.model_copy(
        update={
            "adapter": adapter,
            "load_image": conversation.load,
            "tenant": tenant,
            "max_tokens": max_tokens(asked),
            "temperature": asked.temperature or 0.0,
            "top_p": _LEAST_TOP_P if asked.top_p == 0 else asked.top_p or 1.0,
            "seed": asked.seed,
            "stop": stops(asked) or None,
        }
    )
    tools, choice = tools_of(asked)
    schema = schema_of(asked)
    options: dict[str, Any] = {} if schema is None else {"response_schema": schema}
    if tools:
        model = model.bind_tools(tools, tool_choice=choice, **options)
    elif options:
        model = model.bind(**options)
    yield from _written(model, conversation, marks=not tools)


def max_tokens(asked: given.ChatRequest) -> int:
    """The longest answer."""
    wanted = asked.max_completion_tokens or asked.max_tokens
    if wanted is None:
        formed = asked.tools or schema_of(asked) is not None
        wanted = FORM_TOKENS if formed else DEFAULT_TOKENS
    return min(wanted, MOST_TOKENS)


def stops(asked: given.ChatRequest) -> list[str]:
    """The texts before which an answer ends.

    Raises:
        ApiError: there are too many.
    """
    found = [asked.stop] if isinstance(asked.stop, str) else asked.stop or []
    if len(found) > given.MOST_STOPS:
        raise ApiError(
            400, f"There are {len(found)} stops; give {given.MOST_STOPS} at most.", param="stop",
            code="invalid_value",
        )  # fmt: skip
    return [text for text in found if text]


def tools_of(asked: given.ChatRequest) -> tuple[list[dict[str, Any]], str]:
    """The tools in OpenAI's shape, and the choice as `ChatLlava` takes it.

    Raises:
        ApiError: the choice names none of them, or there are none to be called.
    """
    tools: list[dict[str, Any]] = []
    for place, tool in enumerate(asked.tools or ()):
        parameters = tool.function.parameters
        if parameters is not None:
            checked_schema(parameters, f"tools.{place}.function.parameters")
        function = {
            "name": tool.function.name,
            "description": tool.function.description or "",
            "parameters": parameters or {"type": "object", "properties": {}},
        }
        tools.append({"type": "function", "function": function})
    chosen = asked.tool_choice or "auto"
    if chosen == "none" or (chosen == "auto" and not tools):
        return tools, str(chosen)
    if not tools:
        raise ApiError(
            400, "A tool choice needs tools; give some, or leave it out.", param="tool_choice",
            code="invalid_value",
        )  # fmt: skip
    if isinstance(chosen, given.AllowedTools):
        wanted = [_named(each, tools) for each in chosen.allowed_tools.tools]
        allowed = [tool for tool in tools if tool["function"]["name"] in wanted]
        return allowed, "any" if chosen.allowed_tools.mode == "required" else "auto"
    if isinstance(chosen, given.NamedTool):
        name = _named(chosen, tools)
        return [tool for tool in tools if tool["function"]["name"] == name], "any"
    return tools, "any" if chosen == "required" else "auto"


def _named(choice: given.NamedTool, tools: list[dict[str, Any]]) -> str:
    """The name of a tool that is chosen.

    Raises:
        ApiError: there is none of that name.
    """
    names = [tool["function"]["name"] for tool in tools]
    if choice.function.name not in names:
        raise ApiError(
            400,
            f"There is no tool {choice.function.name[:64]!r} to choose; give one of: "
            f"{', '.join(names)}.",
            param="tool_choice",
            code="invalid_value",
        )
    return choice.function.name


def schema_of(asked: given.ChatRequest) -> dict[str, Any] | None:
    """The JSON schema of the answer; None: any words.

    Raises:
        ApiError: it cannot be used.
    """
    form = asked.response_format
    if isinstance(form, given.JsonSchemaFormat):
        schema = form.json_schema.schema_
        if schema is None:
            return {"type": "object"}
        return checked_schema(schema, "response_format.json_schema.schema")
    return {"type": "object"} if isinstance(form, given.JsonObjectFormat) else None


def _written(model: Any, conversation: Conversation, *, marks: bool) -> Generator[Item, None, None]:
    """What a chat model of LangChain's writes.

    Args:
        marks: numbers of sources stay. Those of a client's own tools tell the client nothing.
    """
    held, last = "", None
    with closing(model.stream(conversation.messages)) as chunks:
        for chunk in chunks:
            last = chunk if chunk.chunk_position == "last" else last
            text = held + chunk.text
            if not marks:
                text, held = _unmarked(text)
            if text:
                yield Said(text)
    if held.strip():
        yield Said(held)
    yield _end(last)


def _unmarked(text: str) -> tuple[str, str]:
    """Text without the numbers of sources, and what may become such a number."""
    text = without_marks(text)
    open_ = re.search(r"\s*(\[\d{0,3})?$", text)
    place = open_.start() if open_ is not None else len(text)
    return text[:place], text[place:]


def _end(last: AIMessageChunk | None) -> Ended:
    if last is None:
        return Ended()
    usage: Any = last.usage_metadata or {}
    about = last.response_metadata
    finish: Finish = "length" if about.get("finish_reason") == "length" else "stop"
    if last.invalid_tool_calls:
        # As OpenAI does: a call that was cut off is there as far as it goes.
        finish = "length"
        cut = [(each["id"], *_cut_off(str(each["args"]))) for each in last.invalid_tool_calls]
        calls = [_call(id, name, arguments) for id, name, arguments in cut if name]
    else:
        calls = [_call(c["id"], c["name"], c["args"] or "{}") for c in last.tool_call_chunks]
        finish = "tool_calls" if calls else finish
    return Ended(
        finish,
        calls,
        usage.get("input_tokens", 0),
        (usage.get("input_token_details") or {}).get("cache_read", 0),
        usage.get("output_tokens", 0),
    )


def _call(id: Any, name: Any, arguments: str) -> dict[str, Any]:
    function = {"name": str(name or ""), "arguments": arguments}
    return {"id": str(id), "type": "function", "function": function}


def _cut_off(text: str) -> tuple[str, str]:
    """Name and arguments of a call that was not written to its end, in either form."""
    found = _HERMES.match(text) or _DESK.match(text)
    return (found[1], found[2] or "") if found is not None else ("", "")
