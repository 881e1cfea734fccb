"""What was said before, as whoever keeps the conversation has it, and a memory brought in line.

A page lets its visitor stop an answer, ask anew, edit a question or go on with another model, and a
person may have answered meanwhile. So before a question is asked, the memory is compared with what
the page shows: what is not there any more goes, and what is new comes in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, RemoveMessage
from langgraph.graph import END
from langgraph.graph.message import REMOVE_ALL_MESSAGES

from assistant.agent.state import ABOUT, BY, is_a_persons
from assistant.chat_model.reading import text_of

MOST_PAST: Final = 40
"""Turns that an agent which knows none of a conversation takes over."""

_SUMMARY: Final = "lc_source"
_LAST_NODE: Final = "Front.after_agent"


@dataclass(frozen=True)
class Past:
    """A question that was asked, and what was answered.

    Attributes:
        id: the name that it was asked under, the ``message_id`` of `Agent.ask`.
        question: empty where a person wrote without being asked just then.
        images: ids of its pictures.
        by: who answered, where it was not the agent: ``person``, or another model.
        settled: whether the answer is all there; else what is remembered of it is right.
    """

    id: str
    question: str
    answer: str = ""
    images: tuple[str, ...] = ()
    by: str = ""
    settled: bool = True


def align(
    graph: Any, key: str, past: Sequence[Past], clean: Callable[[HumanMessage], HumanMessage]
) -> bool:
    """Bring what a graph keeps under `key` in line with `past`; False where it was.

    An answer that a crash has cut off is given up: its question is asked anew or is not wanted.
    """
    where = {"configurable": {"thread_id": key}}
    state = graph.get_state(where)
    change = realigned(state.values.get("messages", []), past, clean)
    if state.tasks:
        graph.update_state(where, None, as_node=END)
    if change is not None:
        graph.update_state(where, change, as_node=_LAST_NODE)
    return bool(state.tasks) or change is not None


def realigned(
    messages: Sequence[BaseMessage],
    past: Sequence[Past],
    clean: Callable[[HumanMessage], HumanMessage] = lambda message: message,
) -> dict[str, Any] | None:
    """What to change in a conversation's state so that it is about `past`; None for nothing.

    A turn that is remembered as it is kept stays as it is, with all that its tools said. What came
    before the first of these was summed up, or was too long ago when the agent came in.

    Args:
        clean: blackens what no model may read in a question that comes in.
    """
    head, turns = _turns(messages)
    places = [place for place, one in enumerate(past) if one.id in turns]
    wanted: list[BaseMessage] = list(head) if places else []
    past = past[places[0] :] if places else past[-MOST_PAST:]
    for one in past:
        known = turns.get(one.id)
        if known is not None and (_says(known, one) or not one.settled):
            wanted += known
        else:
            wanted += _told(one, clean)
    if [id(message) for message in wanted] == [id(message) for message in messages]:
        return None
    failures = _failures(wanted)
    return {
        "messages": [RemoveMessage(id=REMOVE_ALL_MESSAGES), *wanted],
        "failures": failures,
        "offered": failures > 0,
    }


def _turns(
    messages: Sequence[BaseMessage],
) -> tuple[list[BaseMessage], dict[str, list[BaseMessage]]]:
    """What a summary left, and the messages of each question, or of a person's word, by its id."""
    head: list[BaseMessage] = []
    turns: dict[str, list[BaseMessage]] = {}
    current = head
    for message in messages:
        summed_up = message.additional_kwargs.get(_SUMMARY) == "summarization"
        if summed_up:
            current = head
        elif isinstance(message, HumanMessage) or is_a_persons(message):
            current = turns.setdefault(str(message.id), [])
        current.append(message)
    return head, turns


def _says(turn: Sequence[BaseMessage], one: Past) -> bool:
    """Whether a remembered turn is the one that is kept, answer included."""
    last = turn[-1]
    answer = text_of(last) if isinstance(last, AIMessage) and not last.tool_calls else ""
    return answer.split() == one.answer.split()


def _told(one: Past, clean: Callable[[HumanMessage], HumanMessage]) -> list[BaseMessage]:
    """A turn that the agent has no part in, in two messages at most."""
    found: list[BaseMessage] = []
    by_person = one.by == "person"
    if not by_person and (one.question or one.images):
        blocks: list[str | dict[str, Any]] = []
        if one.question:
            blocks.append({"type": "text", "text": one.question})
        blocks += [{"type": "image", "file_id": image} for image in one.images]
        found.append(clean(HumanMessage(content=blocks, id=one.id)))
    if one.answer:
        about = {BY: one.by} if one.by else {}
        id = one.id if by_person else f"{one.id}-answer"
        found.append(AIMessage(content=one.answer, id=id, additional_kwargs=about))
    return found


def _failures(messages: Sequence[BaseMessage]) -> int:
    """How many of the last questions were not answered."""
    failures = 0
    for message in reversed(messages):
        if not isinstance(message, AIMessage) or message.tool_calls:
            continue
        about = message.additional_kwargs.get(ABOUT, {})
        if about.get("outcome") != "abstained" or about.get("counts") is False:
            break
        failures += 1
    return failures
