"""Fetching a person: tickets, and the tool with which a model asks for one.

A ticket is named by conversation and question, so that a step which is run again after a crash
finds the ticket that it opened before. A model may call a person for what the customer wrote; once
a tool has brought in text of others in this turn, it may not: such text could ask for it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

from langchain.agents.middleware import AgentMiddleware, hook_config
from langchain.agents.middleware.types import ToolCallRequest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langgraph.runtime import Runtime
from langgraph.types import Command

from assistant.agent.state import (
    DeskState,
    Turn,
    answer_message,
    is_a_persons,
    last_question,
    said_by,
)
from assistant.chat_model.reading import image_ids, turn_messages
from assistant.errors import StoreError
from assistant.languages import say
from assistant.store.values import Said, Ticket, TicketKind
from assistant.tools import Desk
from assistant.tools.clean import as_line

HAND_OVER: Final = "hand_over"
NOT_BY_OTHERS: Final = (
    "Nobody was called: only the customer can ask for a person. Answer from what was found, or say "
    "that you do not know; a person is then offered."
)

_SUMMARY_CHARS: Final = 1_200
_LOG = logging.getLogger(__name__)


class People:
    """Opens the tickets of a desk's conversations."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def call(
        self, turn: Turn, kind: TicketKind, reason: str, messages: Sequence[BaseMessage]
    ) -> Ticket:
        """The ticket of this question, opened if it was not.

        Raises:
            StoreError: it cannot be written.
        """
        return self._desk.store.open_ticket(
            key=f"{turn.thread_id}/{turn.message_id}",
            thread_id=turn.thread_id,
            reason=as_line(reason, 500),
            kind=kind,
            summary=summary_of(messages),
            transcript=transcript_of(messages),
            images=image_ids(messages),
            tenant=self._desk.tenant,
        )

    def handed_over(
        self,
        turn: Turn,
        kind: TicketKind,
        reason: str,
        messages: Sequence[BaseMessage],
        language: str,
    ) -> AIMessage:
        """Call a person, and what the customer is told of it."""
        try:
            ticket = self.call(turn, kind, reason, messages)
        except StoreError:
            _LOG.exception("A ticket could not be opened")
            return answer_message(say("not_handed_over", language), "abstained")
        told = say("handed_over", language, ticket=ticket.id)
        return answer_message(told, "handed_over", ticket_id=ticket.id)

    def added(self, turn: Turn, messages: Sequence[BaseMessage], language: str) -> AIMessage | None:
        """Pass a message on where a person has this conversation; None where none has."""
        desk, question = self._desk, last_question(messages)
        if question is None:
            return None
        try:
            ticket = desk.store.ticket_of(turn.thread_id, tenant=desk.tenant)
            if ticket is None:
                return None
            key = f"{turn.thread_id}/{turn.message_id}"
            desk.store.add_to_ticket(
                ticket.id,
                said_by(question),
                images=image_ids([question]),
                key=key,
                tenant=desk.tenant,
            )
        except StoreError:
            _LOG.exception("A message could not be added to its ticket")
            return answer_message(say("not_handed_over", language), "abstained")
        told = say("still_open", language, ticket=ticket.id)
        return answer_message(told, "handed_over", ticket_id=ticket.id)


class CallsPeople(AgentMiddleware[DeskState, Turn, Any]):
    """The tool `hand_over`: a ticket, what the customer is told, and the end of the turn."""

    state_schema = DeskState

    def __init__(self, people: People) -> None:
        super().__init__()
        self._people = people

    def wrap_tool_call(
        self,
        request: ToolCallRequest,
        handler: Callable[[ToolCallRequest], ToolMessage | Command[Any]],
    ) -> ToolMessage | Command[Any]:
        """Open a ticket in place of the tool's own work, unless others may have asked for it."""
        call = request.tool_call
        if call["name"] != HAND_OVER:
            return handler(request)
        messages = request.state["messages"]
        if any(_holds_text_of_others(message) for message in turn_messages(messages)):
            return _result(call, NOT_BY_OTHERS, status="error")
        reason = str(call["args"].get("reason") or "The customer needs a person.")
        turn = cast(Turn, request.runtime.context)
        told = self._people.handed_over(
            turn, "tool", reason, messages, request.state.get("language", "en")
        )
        return _result(call, told.text, told=dict(told.additional_kwargs))

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: DeskState, runtime: Runtime[Turn]) -> dict[str, Any] | None:
        """End the turn with what the tool said, where a person was called."""
        for message in turn_messages(state["messages"]):
            if isinstance(message, ToolMessage) and message.name == HAND_OVER:
                told = (message.artifact or {}).get("told")
                if told:
                    answer = AIMessage(content=message.text, additional_kwargs=told)
                    return {"messages": [answer], "failures": 0, "jump_to": "end"}
        return None


def transcript_of(messages: Sequence[BaseMessage]) -> list[Said]:
    """What customer and agent said, for a person to read."""
    found: list[Said] = []
    for message in messages:
        text = said_by(message)
        if isinstance(message, HumanMessage):
            images = image_ids([message])
            if text or images:
                found.append(Said(role="customer", text=text, images=images))
        elif isinstance(message, AIMessage) and text:
            found.append(Said(role="person" if is_a_persons(message) else "agent", text=text))
    return found


def summary_of(messages: Sequence[BaseMessage]) -> str:
    """What it is about, in a few lines: the questions, the photos, and what tools found."""
    asked = [said_by(m) for m in messages if isinstance(m, HumanMessage) and said_by(m)]
    lines = [f"Asked: {as_line(text, 200)}" for text in asked[-3:]]
    if photos := image_ids(messages):
        lines.append(f"Photos: {len(photos)}")
    seen = [
        f"{message.name}: {as_line(said_by(message), 160)}"
        for message in messages
        if isinstance(message, ToolMessage) and message.name != HAND_OVER
    ]
    lines += [f"Found by {line}" for line in seen[-3:]]
    return "\n".join(lines)[:_SUMMARY_CHARS]


def _holds_text_of_others(message: BaseMessage) -> bool:
    """Whether a result holds what a document, a picture or a service said."""
    return (
        isinstance(message, ToolMessage)
        and message.name != HAND_OVER
        and bool((message.artifact or {}).get("sources", True))
    )


def _result(call: Any, text: str, *, status: Any = "success", **artifact: Any) -> ToolMessage:
    return ToolMessage(
        content=text,
        name=call["name"],
        tool_call_id=call["id"],
        status=status,
        artifact={"sources": [], **artifact},
    )
