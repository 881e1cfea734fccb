"""The state of a conversation, which holds words, image ids and sources, and never bytes."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NotRequired

from langchain.agents.middleware import AgentState
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage

from assistant.agent.events import Outcome
from assistant.chat_model.reading import text_of, turn_messages
from assistant.sources import Source

ABOUT: Final = "sightdesk"
"""Key of `additional_kwargs` of an answer under which its outcome and citations are."""

BY: Final = "by"
"""Key of `additional_kwargs` of an answer that somebody other than the agent gave."""

UNKNOWN: Final = re.compile(r"^\W*(unknown|i (don['’]t|do not) know)\b", re.IGNORECASE)
"""How a model says that the sources do not answer."""


class DeskState(AgentState[Any]):
    """What is kept of a conversation.

    Attributes:
        language: that the customer wrote in last.
        failures: questions in a row that were not answered.
        offered: whether the last answer offered a person.
    """

    language: NotRequired[str]
    failures: NotRequired[int]
    offered: NotRequired[bool]


@dataclass
class Turn:
    """What is known of the question that is being answered, for as long as it is.

    Attributes:
        thread_id: of the conversation, as its tenant calls it.
        message_id: of the question; with the thread it names the ticket that may come of it.
        cancelled: set when nobody reads the answer any more.
    """

    thread_id: str
    message_id: str
    cancelled: threading.Event = field(default_factory=threading.Event)


def answer_message(
    text: str,
    outcome: Outcome,
    *,
    citations: Sequence[Source] = (),
    ticket_id: str | None = None,
    failed: bool = False,
    id: str | None = None,
) -> AIMessage:
    """An answer with all that a `Reply` is made of."""
    about: dict[str, Any] = {
        "outcome": outcome,
        "citations": [source.to_dict() for source in citations],
        "ticket": ticket_id,
    }
    if failed:
        about["failed"] = True
    return AIMessage(content=text, additional_kwargs={ABOUT: about}, id=id)


def last_question(messages: Sequence[BaseMessage]) -> HumanMessage | None:
    """The last thing that the customer wrote."""
    return next((m for m in reversed(messages) if isinstance(m, HumanMessage)), None)


def final_answer(messages: Sequence[BaseMessage]) -> AIMessage | None:
    """The answer to the last question, if there is one."""
    last = messages[-1] if messages else None
    return last if isinstance(last, AIMessage) and not last.tool_calls else None


def is_a_persons(message: BaseMessage) -> bool:
    """Whether a person of the desk wrote it."""
    return isinstance(message, AIMessage) and message.additional_kwargs.get(BY) == "person"


def called_tools(messages: Sequence[BaseMessage]) -> list[str]:
    """Names of the tools that did something for the last question, in order."""
    return [
        str(message.name)
        for message in turn_messages(messages)
        if isinstance(message, ToolMessage) and message.additional_kwargs.get("ran", True)
    ]


def said_by(message: BaseMessage) -> str:
    """The text of a message in one line."""
    return " ".join(text_of(message).split())
