"""Any other model of the engine: its own chat template, pictures in their places.

Tools are told in a system message and called in the form that many chat models have learned
(``<tool_call>{"name": …, "arguments": {…}}</tool_call>``, Hermes' function calling), which the
grammar holds to tools and photos that are there.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage

from assistant.chat_model.grammars import ToolSpec
from assistant.chat_model.reading import Read
from assistant.desk_prompts import photo
from assistant.engine.values import Turn

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"

_HOW: Final = (
    "You can call these tools. To call one, write only\n"
    f'{OPEN}{{"name": "<name>", "arguments": {{…}}}}{CLOSE}\n'
    "and its result will follow. Call a photo by its name. Otherwise answer in words."
)


def turns_of(conversation: Read, tools: Sequence[ToolSpec]) -> list[Turn]:
    """The conversation as turns; neighbours of one role become one, as most templates want."""
    found: list[Turn] = []
    if tools:
        told = "\n".join(
            json.dumps({
                "name": spec.name,
                "description": spec.description,
                "parameters": json.loads(spec.schema),
            })
            for spec in tools
        )  # fmt: skip
        found.append(Turn("system", f"{_HOW}\n{told}"))
    for said in conversation.said:
        text = said.text
        if isinstance(said.message, AIMessage):
            calls = [
                f"{OPEN}{json.dumps({'name': c['name'], 'arguments': c['args']})}{CLOSE}"
                for c in said.message.tool_calls
            ]
            text = "\n".join([text, *calls] if text else calls)
        if said.role == "tool":
            text = f"<tool_response>{text}</tool_response>"
        if tools and said.images:
            names = [photo(conversation.photos.index(id) + 1) for id in said.images]
            text = f"[{', '.join(names)}] {text}".strip()
        role = "user" if said.role == "tool" else said.role
        images = said.images if role == "user" else ()
        _add(found, Turn(role, text, images))  # type: ignore[arg-type]
    return found


def called(text: str) -> tuple[str, object] | None:
    """Name and arguments of a call; None where the text is none."""
    if not text.startswith(OPEN):
        return None
    inner = text.removeprefix(OPEN).removesuffix(CLOSE)
    try:
        call = json.loads(inner)
        return str(call["name"]), call["arguments"]
    except (ValueError, KeyError, TypeError):
        return None


def _add(turns: list[Turn], turn: Turn) -> None:
    last = turns[-1] if turns else None
    if last is None or last.role != turn.role:
        turns.append(turn)
        return
    text = "\n\n".join(part for part in (last.text, turn.text) if part)
    turns[-1] = Turn(last.role, text, (*last.images, *turn.images))
