"""Whether a call is in the air, and of which tool, where the tools are not the desk's own.

The adapter that runs the desk has learned to ask back where a question lacks what a tool needs. Of
tools that it was not trained on it nearly always asks back, but how likely it holds a call still
tells the two cases apart, only at another level: "How is the weather?" is below 0.01, "What is the
weather in San Francisco?" at 0.08. Which of several such tools is meant, the embedder says better
than a model of this size. Both are measured by `python -m tests.benchmarks.foreign_tools`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from langchain_core.messages import BaseMessage, ToolMessage

from assistant import desk_prompts
from assistant.chat_model.grammars import ToolSpec
from assistant.chat_model.reading import Read, exchanges, question_of, turn_messages
from assistant.desk_prompts import ToolLine
from assistant.embedder import text_embedder
from assistant.engine.values import Turn
from assistant.errors import WeightsError
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.chat_model.desk_form import DeskForm

CALL_FROM: Final = 0.04
"""Probability of a call, against that of words, from which one is made; it belongs to the adapter
`agent` and is measured anew where that is trained anew. Of ten tools that the adapter does not
know, 65 of 69 calls are made, and 69 of 75 other requests are not (with NF4 67 and 62). Where the
likelier of the two comes, at 0.5, 35 of the calls are (with NF4 26)."""

_OWN: Final = {"search_knowledge", "label_image", "ask_image", "read_text"}
"""Tools that the adapter was trained with, beside which it knows when to call."""


def meant(
    messages: Sequence[BaseMessage],
    conversation: Read,
    tools: Sequence[ToolSpec],
    choice: str,
    form: DeskForm,
    settings: Settings,
) -> str:
    """The tool choice that a step is asked with: a tool's name where one is meant, else `choice`.

    Args:
        choice: ``auto``, ``any``, ``none``, or a tool's name.
    """
    if choice not in ("auto", "any") or not tools or any(spec.name in _OWN for spec in tools):
        return choice
    if any(isinstance(message, ToolMessage) for message in turn_messages(messages)):
        return choice
    lines = [spec.line for spec in tools]
    if choice == "auto" and share_of_calls(lines, conversation, form) < CALL_FROM:
        return choice
    # Whoever shows a photo means what can be done with it, which words do not tell.
    if len(tools) == 1 or conversation.photos:
        return "any"
    with suppress(WeightsError):
        return nearest_tool(question_of(messages), lines, settings)
    return "any"


def nearest_tool(question: str, tools: Sequence[ToolLine], settings: Settings) -> str:
    """The name of the tool whose description is nearest to a question.

    Raises:
        WeightsError: there is no embedder.
    """
    embedder = text_embedder(None, settings)
    told = [f"{tool.name.replace('_', ' ')}: {tool.description}" for tool in tools]
    near = embedder.encode(told) @ embedder.encode([question], query=True)[0]
    return tools[int(near.argmax())].name


def share_of_calls(tools: Sequence[ToolLine], conversation: Read, form: DeskForm) -> float:
    """Probability that the next step is a call rather than words, 0 to 1."""
    lines = desk_prompts.decision(tools, exchanges(conversation))
    call, say = form.engine.chances(
        [Turn(role, text) for role, text in lines],
        [desk_prompts.CALL.strip(), desk_prompts.SAY.strip()],
        tenant=form.tenant,
        adapter=form.adapter,
    )
    return call / max(call + say, 1e-9)
