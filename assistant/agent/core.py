"""The agent: a graph of LangChain's, a checkpointer, and questions that become events."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any, Final

from langchain.agents import create_agent
from langchain.agents.middleware import (
    AgentMiddleware,
    ModelCallLimitMiddleware,
    PIIMiddleware,
    ToolCallLimitMiddleware,
)
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.tools import BaseTool

from assistant.agent.checkpoints import Checkpoints, open_checkpointer, thread_key
from assistant.agent.clock import Clock
from assistant.agent.events import (
    Done,
    Event,
    HandedOver,
    Reply,
    Sentence,
)
from assistant.agent.front import Front
from assistant.agent.grounding import WAIT_S, Grounded
from assistant.agent.memory import Memory
from assistant.agent.models import open_model, speaks_only_english, takes_images
from assistant.agent.past import Past, align
from assistant.agent.people import CallsPeople, People
from assistant.agent.pictures import RULES, ForChatModels
from assistant.agent.state import (
    ABOUT,
    Turn,
    called_tools,
    final_answer,
    last_question,
)
from assistant.agent.tools import RunsTools, ShownImages
from assistant.chat_model import ChatLlava
from assistant.chat_model.reading import image_ids, text_of
from assistant.closing import Closing
from assistant.errors import InputError
from assistant.sources import Source
from assistant.tools import Desk, build_tools
from assistant.webhook import Courier

MOST_TOOL_CALLS: Final = 8
MOST_MODEL_CALLS: Final = 12
MOST_IMAGES: Final = 8
"""Pictures of one question."""

LONGEST_THREAD_ID: Final = 200
_OWN_TOKENS: Final = 4_000
_TOKENS: Final = 16_000


class Agent(Closing):
    """Answers questions of conversations that it remembers.

    Args:
        desk: whose tools, pictures, knowledge and tickets it works with.
        model: who drives it.
        checkpoints: where conversations are kept; closed with the agent.
        tools: in place of the desk's own.
        wait_s: before a model that failed is asked again; twice as long the time after.
    """

    def __init__(
        self,
        desk: Desk,
        model: BaseChatModel,
        checkpoints: Checkpoints,
        *,
        tools: Sequence[BaseTool] | None = None,
        wait_s: float = WAIT_S,
    ) -> None:
        self.desk = replace(desk, images=ShownImages())
        self.model = model
        self._checkpoints = checkpoints
        self._courier: Courier | None = None
        self.tools = list(build_tools(self.desk) if tools is None else tools)
        if tools is None and isinstance(model, ChatLlava):
            model.share_tools(self.tools)
        self._graph: Any = create_agent(
            model,
            self.tools,
            system_prompt=None if _at_own_desk(model) else RULES,
            middleware=self._middleware(wait_s),
            context_schema=Turn,
            checkpointer=checkpoints.saver,
        )

    @classmethod
    def open(
        cls,
        desk: Desk,
        *,
        model: BaseChatModel | None = None,
        tools: Sequence[BaseTool] = (),
        courier: bool = True,
    ) -> Agent:
        """The agent of a desk, with the model and the database that its settings name.

        It tells the webhook of tickets for as long as it is open, if the settings name one.

        Args:
            model: in place of the settings'.
            tools: beside the desk's own.
            courier: tell the webhook of tickets meanwhile; a door that does so itself says no.

        Raises:
            SightdeskError: the model cannot be used, or the database cannot be opened.
        """
        chosen = model or open_model(desk, desk.settings)
        checkpoints = open_checkpointer(desk.settings)
        try:
            own = build_tools(replace(desk, images=ShownImages())) if tools else []
            agent = cls(desk, chosen, checkpoints, tools=[*own, *tools] if tools else None)
        except BaseException:
            checkpoints.close()
            raise
        if courier:
            agent._courier = Courier(desk.settings).start()
        return agent

    def close(self) -> None:
        """Give the database's connections back; what is to be posted waits for the next start."""
        if self._courier is not None:
            self._courier.stop()
        self._checkpoints.close()

    # --- asking

    def ask(
        self,
        thread_id: str,
        text: str,
        images: Sequence[str] = (),
        *,
        message_id: str | None = None,
        past: Callable[[], Sequence[Past]] | None = None,
        cancelled: threading.Event | None = None,
        in_turn: bool = False,
    ) -> Iterator[Event]:
        """Answer a question of a conversation, event by event; `Done` is the last.

        Closing the iterator stops model and tools at their next step; what was released stays in
        the conversation. A conversation that a crash has cut off is first brought to its end.

        Args:
            images: ids of pictures in the desk's store.
            message_id: names the question; one that is asked again under its name is answered
                once, and its reply given again.
            past: gives what was said before as whoever shows it has it, as for `align`; asked when
                the conversation's turn has come, since another process may answer in it now.
            cancelled: set by another thread, it does what closing the iterator does, also between
                two events.
            in_turn: it is asked within `turn`.

        Raises:
            InputError: no question, or one that is too long; a picture that is not there.
            BusyError: the conversation is being answered elsewhere, which takes too long.
            SightdeskError: the database or the engine cannot be used.
        """
        message = self._message(text, images, message_id)
        key = self._key(thread_id)
        turns = self._checkpoints.turns
        with nullcontext(True) if in_turn else turns.alone(key, cancelled) as mine:
            if mine:
                if past is not None:
                    self._align(key, past())
                yield from self._told(thread_id, key, message, cancelled or threading.Event())

    def answer(
        self,
        thread_id: str,
        text: str,
        images: Sequence[str] = (),
        *,
        message_id: str | None = None,
    ) -> Reply:
        """The whole answer at once; see `ask`."""
        reply = None
        for event in self.ask(thread_id, text, images, message_id=message_id):
            if isinstance(event, Done):
                reply = event.reply
        assert reply is not None, "an answer always ends with Done"
        return reply

    @contextmanager
    def turn(self, thread_id: str, cancelled: threading.Event | None = None) -> Iterator[bool]:
        """While it is entered, nobody else asks in this conversation, here or in another process.

        For whoever does something of his own before and after `ask`.

        Yields:
            False where `cancelled` was set before the turn came: it has not come then.

        Raises:
            BusyError: the turn did not come in time.
            InputError: no such id can be.
        """
        with self._checkpoints.turns.alone(self._key(thread_id), cancelled) as mine:
            yield mine

    def resume(self, thread_id: str) -> Reply | None:
        """Bring a conversation that a crash has cut off to its end; None where none was."""
        key = self._key(thread_id)
        with self._checkpoints.turns.alone(key):
            state = self._state(key)
            if not state.tasks:
                return None
            question = self._pending(state, key)
            turn = Turn(thread_id, str(question.id) if question is not None else "")
            reply = None
            for event in self._run(None, key, turn):
                if isinstance(event, Done):
                    reply = event.reply
            return reply

    def messages(self, thread_id: str) -> list[BaseMessage]:
        """What the agent remembers of a conversation."""
        return list(self._state(self._key(thread_id)).values.get("messages", []))

    def align(self, thread_id: str, past: Sequence[Past]) -> None:
        """Remember of a conversation just this, as whoever shows it has it, before asking on.

        Raises:
            InputError: no such id can be.
        """
        key = self._key(thread_id)
        with self._checkpoints.turns.alone(key):
            self._align(key, past)

    def forget(self, thread_id: str) -> None:
        """Remove a conversation."""
        key = self._key(thread_id)
        with self._checkpoints.turns.alone(key):
            self._checkpoints.saver.delete_thread(key)

    # --- how

    def _align(self, key: str, past: Sequence[Past]) -> None:
        if align(self._graph, key, past, self._cleaned):
            self._checkpoints.keep_last(key)

    def _middleware(self, wait_s: float) -> list[AgentMiddleware[Any, Any, Any]]:
        desk, model, settings = self.desk, self.model, self.desk.settings
        people = People(desk)
        own = _at_own_desk(model)
        found: list[Any] = [
            Front(people, settings, english_only=speaks_only_english(model)),
            *(PIIMiddleware(kind, apply_to_input=True) for kind in settings.pii),
            Memory(model, tokens=_OWN_TOKENS if own else _TOKENS),
            ModelCallLimitMiddleware(run_limit=MOST_MODEL_CALLS, exit_behavior="end"),
            ToolCallLimitMiddleware(run_limit=MOST_TOOL_CALLS, exit_behavior="continue"),
            RunsTools(desk.timeout_s),
            CallsPeople(people),
        ]
        if not own:
            found.append(ForChatModels(desk, show=takes_images(model, settings)))
        return [*found, Grounded(wait_s=wait_s)]

    def _cleaned(self, message: HumanMessage) -> HumanMessage:
        """A question of before with what no model may read blackened, as the graph does it."""
        for kind in self.desk.settings.pii:
            hider: Any = PIIMiddleware(kind, apply_to_input=True)
            found = hider.before_model({"messages": [message]}, None)
            message = found["messages"][0] if found else message
        return message

    def _message(self, text: str, images: Sequence[str], message_id: str | None) -> HumanMessage:
        text = text.strip()
        most = self.desk.settings.max_question_chars
        if not text and not images:
            raise InputError("The question is empty; write what you want to know.")
        if len(text) > most:
            raise InputError(
                f"The question has {len(text)} characters and the limit is {most}: shorten it or "
                "raise SIGHTDESK_MAX_QUESTION_CHARS."
            )
        if len(images) > MOST_IMAGES:
            raise InputError(
                f"There are {len(images)} pictures with one question; send {MOST_IMAGES} at most."
            )
        own = replace(self.desk, images=None)
        blocks: list[str | dict[str, Any]] = [{"type": "text", "text": text}] if text else []
        blocks += [{"type": "image", "file_id": own.image_id(image)} for image in images]
        return HumanMessage(content=blocks, id=message_id or uuid.uuid4().hex)

    def _told(
        self, thread_id: str, key: str, message: HumanMessage, cancelled: threading.Event
    ) -> Iterator[Event]:
        state = self._state(key)
        before = state.values.get("messages", [])
        # Also where a step is done and only its result was not yet put in its place.
        if state.tasks:
            question = self._pending(state, key)
            same = question is not None and _same(question, message)
            turn = Turn(thread_id, str(question.id) if question is not None else "", cancelled)
            for event in self._run(None, key, turn):
                if same:
                    yield event
            if same:
                return
        known = [place for place, other in enumerate(before) if other.id == message.id]
        if known and not state.tasks:
            yield Done(_reply(_turn_of(before, known[0]), {}))
            return
        turn = Turn(thread_id, str(message.id), cancelled)
        yield from self._run({"messages": [message]}, key, turn)

    def _run(self, given: Any, key: str, turn: Turn) -> Iterator[Event]:
        clock = Clock()
        stream = self._graph.stream(
            given,
            {"configurable": {"thread_id": key}},
            context=turn,
            stream_mode="custom",
            durability="sync",
        )
        try:
            for value in stream:
                event = clock.event(value)
                if event is not None:
                    yield event
        except GeneratorExit:
            turn.cancelled.set()
            for _ in stream:  # so that the conversation is whole
                pass
            self._checkpoints.keep_last(key)
            raise
        self._checkpoints.keep_last(key)
        reply = _reply(self._state(key).values["messages"], clock.seconds())
        if reply.ticket_id is not None:
            yield HandedOver(reply.ticket_id)
        if not clock.said and reply.answer and not clock.words.strip():
            yield Sentence(reply.answer, tuple(reply.citations))
        yield Done(reply)

    def _state(self, key: str) -> Any:
        return self._graph.get_state({"configurable": {"thread_id": key}})

    def _pending(self, state: Any, key: str) -> HumanMessage | None:
        """The question of an answer that was cut off, also where that had not yet begun."""
        saved = self._checkpoints.saver.get_tuple({"configurable": {"thread_id": key}})
        values = saved.checkpoint["channel_values"] if saved is not None else {}
        given = values.get("__start__") or {}
        return last_question(given.get("messages") or state.values.get("messages", []))

    def _key(self, thread_id: str) -> str:
        if not thread_id or len(thread_id) > LONGEST_THREAD_ID:
            raise InputError(
                f"A conversation's id has 1 to {LONGEST_THREAD_ID} characters; give such a one."
            )
        return thread_key(self.desk.tenant, thread_id)


def _reply(messages: Sequence[BaseMessage], seconds: dict[str, float]) -> Reply:
    """The reply that the last answer of a conversation is."""
    answer = final_answer(messages)
    about = answer.additional_kwargs.get(ABOUT, {}) if answer is not None else {}
    return Reply(
        answer=text_of(answer) if answer is not None else "",
        citations=[Source.from_dict(value) for value in about.get("citations", ())],
        tools=called_tools(messages),
        outcome=about.get("outcome", "abstained"),
        ticket_id=about.get("ticket"),
        seconds=seconds,
        failed=bool(about.get("failed")),
    )


def _turn_of(messages: Sequence[BaseMessage], place: int) -> list[BaseMessage]:
    """A question and all that came of it."""
    found = [messages[place]]
    for message in messages[place + 1 :]:
        if isinstance(message, HumanMessage):
            break
        found.append(message)
    return found


def _same(first: HumanMessage, second: HumanMessage) -> bool:
    """Whether a question is asked again: by its name, or in the same words."""
    alike = text_of(first) == text_of(second) and image_ids([first]) == image_ids([second])
    return first.id == second.id or alike


def _at_own_desk(model: BaseChatModel) -> bool:
    """Whether a model reads the conversation by itself, photos and sources included."""
    return isinstance(model, ChatLlava)
