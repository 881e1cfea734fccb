"""An answer of the support agent, in a thread that the store keeps as well as the agent does.

The page, the tickets and /v1/threads show the same conversation: each question is an exchange of
the store, and the agent's memory is brought in line with it before it is asked.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from langchain_core import messages as lc

from assistant.agent.core import MOST_IMAGES
from assistant.agent.past import MOST_PAST
from assistant.api import chat_request as given
from assistant.api.chat_answer import Ended, Happened, Item, Said
from assistant.api.chat_messages import Conversation
from assistant.api.errors import ApiError
from assistant.chat_model.reading import image_ids, text_of
from assistant.errors import ConflictError, SightdeskError
from assistant.store import Exchange, NewExchange, State, Store
from assistant.telling import BY, Telling, past_of

if TYPE_CHECKING:
    from assistant.agent import Event, Past
    from assistant.api.caller import Caller
    from assistant.api.service import Service
    from assistant.api.watch import Watch

CLIENT: Final = "client"
"""What ``details["by"]`` is of answers that a client says were given before."""

SYSTEM_CHARS: Final = 20_000
"""Of a client's system messages, which the agent passes over: it has its own."""

_TRIES: Final = 16
"""To put a question behind the last one of a thread that other replicas write to as well."""


@dataclass(frozen=True)
class _Turn:
    question: str = ""
    images: tuple[str, ...] = ()
    answer: str = ""


def check(asked: given.ChatRequest) -> None:
    """Whether the agent can be asked so.

    Raises:
        ApiError: it is given tools or a form, which it has itself.
    """
    if asked.tools and asked.tool_choice != "none":
        raise ApiError(
            400,
            "sightdesk-agent has tools of its own; ask the model 'embedded' with yours.",
            param="tools",
            code="unsupported_parameter",
        )
    if asked.response_format is not None and asked.response_format.type != "text":
        raise ApiError(
            400,
            "sightdesk-agent answers in sentences with citations; ask the model 'embedded' for "
            "JSON.",
            param="response_format",
            code="unsupported_parameter",
        )


def thread_of(asked: given.ChatRequest) -> str | None:
    """The conversation that a request goes on with."""
    if asked.sightdesk is not None and asked.sightdesk.thread_id:
        return asked.sightdesk.thread_id
    named = (asked.metadata or {}).get("thread_id")
    return named if isinstance(named, str) and named else None


def answer(
    service: Service,
    asked: given.ChatRequest,
    conversation: Conversation,
    watch: Watch,
    *,
    caller: Caller,
) -> Generator[Item, None, None]:
    """The answer, sentence by sentence; blocks.

    Raises:
        ApiError: the last message is no question, or there is no such thread.
        SightdeskError: the store, the model or the engine cannot be used.
    """
    tenant, store = caller.tenant, service.store
    told = sum(len(m.text) for m in conversation.messages if isinstance(m, lc.SystemMessage))
    if told > SYSTEM_CHARS:
        raise ApiError(
            400, f"The system messages have {told:,} characters; send {SYSTEM_CHARS:,} at most.",
            param="messages", code="context_length_exceeded",
        )  # fmt: skip
    turns = _turns(conversation.messages)
    if not turns or turns[-1].answer or not (turns[-1].question or turns[-1].images):
        raise ApiError(
            400, "The last message is no question of the user's; put one there.",
            param="messages", code="invalid_value",
        )  # fmt: skip
    most = service.settings.max_question_chars
    if len(turns[-1].question) > most or len(turns[-1].images) > MOST_IMAGES:
        raise ApiError(
            400, f"A question to sightdesk-agent has {most:,} characters and {MOST_IMAGES} "
            "pictures at most; shorten it.", param="messages", code="invalid_value",
        )  # fmt: skip
    agent = service.agent(tenant)
    for image in conversation.pictures.values():
        store.put_image(image, name="photo", tenant=tenant)
    wants_events = asked.sightdesk is not None and bool(asked.sightdesk.events)
    thread_id = thread_of(asked)
    new = thread_id is None
    if thread_id is None:
        thread_id = store.create_thread(tenant=tenant).id
    # Each question is to know the answer before it, whichever replica gives that.
    with agent.turn(thread_id, watch.gone) as mine:
        if not mine:
            watch.check()
            return
        if new:
            _keep_past(service, thread_id, turns[:-1], tenant)
        exchange = _kept(store, thread_id, turns[-1], tenant)

        def past() -> list[Past]:
            before = store.thread(exchange.thread_id, tenant=tenant, last=MOST_PAST + 1)
            return past_of(before.exchanges, exchange)

        events = agent.ask(
            thread_id,
            exchange.question,
            exchange.used,
            message_id=exchange.id,
            past=past,
            in_turn=True,
        )
        yield from _told(service, events, exchange, watch, tenant, wants_events)


def _kept(store: Store, thread_id: str, turn: _Turn, tenant: str) -> Exchange:
    """The question as the last exchange of its thread.

    Raises:
        MissingError: the tenant has no such thread.
        StoreError: it cannot be written.
    """
    new = NewExchange(turn.question, turn.question, turn.images)
    for left in reversed(range(_TRIES)):
        last = store.thread(thread_id, tenant=tenant, last=1).last_position
        try:
            return store.add_exchange(thread_id, new, after=last, tenant=tenant)
        except ConflictError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def _told(
    service: Service,
    events: Iterator[Event],
    exchange: Exchange,
    watch: Watch,
    tenant: str,
    wants_events: bool,
) -> Generator[Item, None, None]:
    """The agent's events as items, kept in the store whatever ends them."""
    from assistant.agent import Done, Sentence

    telling, began = Telling(), time.perf_counter()
    said = ""
    state: State = "stopped"
    trouble: str | None = None
    try:
        for event in events:
            telling.take(event)
            if wants_events and (about := _event(event)) is not None:
                yield Happened(about)
            if isinstance(event, Sentence):
                gap = " " if said else ""
                said += gap + event.text
                yield Said(gap + event.text)
            elif isinstance(event, Done):
                # What a tool said word by word of a picture is the answer only now.
                whole = event.reply.answer.strip()
                if whole.startswith(said):
                    yield Said(whole[len(said) :])
        state = "done"
    except SightdeskError as error:
        if not watch.gone.is_set():
            state, trouble = "failed", str(error)
        raise
    finally:
        close = getattr(events, "close", None)
        if close is not None:
            close()
        details = {"by": BY, **telling.to_details(), "total": time.perf_counter() - began}
        service.store.set_answer(
            exchange.id,
            answer=telling.text,
            state=state,
            details=details,
            error=trouble,
            tenant=tenant,
        )
    reply = telling.reply
    assert reply is not None, "an answer always ends with Done"
    service.metrics.ended(reply.outcome)
    usage = watch.usage()
    yield Ended(
        prompt=usage["prompt"],
        cached=usage["cached"],
        completion=usage["completion"],
        sightdesk={
            "tools": list(reply.tools),
            "citations": [source.to_dict() for source in reply.citations],
            "outcome": reply.outcome,
            "ticket_id": reply.ticket_id,
            "thread_id": exchange.thread_id,
        },
    )


def _event(event: Event) -> dict[str, Any] | None:
    """What happened, for a client that shows it."""
    from assistant.agent import HandedOver, ToolEnded, ToolStarted, Words

    if isinstance(event, ToolStarted):
        return {"event": "tool_started", "name": event.name, "args": event.args}
    if isinstance(event, ToolEnded):
        seconds = round(event.seconds, 3)
        return {"event": "tool_ended", "name": event.name, "seconds": seconds}
    if isinstance(event, Words):
        return {"event": "words", "name": event.tool, "text": event.text}
    if isinstance(event, HandedOver):
        return {"event": "handed_over", "ticket_id": event.ticket_id}
    return None


def _turns(messages: Sequence[lc.BaseMessage]) -> list[_Turn]:
    """Questions with their answers; what a client's tools did is not the agent's to know."""
    found: list[_Turn] = []
    for message in messages:
        if isinstance(message, lc.HumanMessage):
            turn = _Turn(text_of(message).strip(), tuple(image_ids([message])))
            last = found[-1] if found else None
            if last is not None and not last.answer:  # two in a row are one question
                text = "\n".join(part for part in (last.question, turn.question) if part)
                turn = _Turn(text, tuple(dict.fromkeys((*last.images, *turn.images))))
                found.pop()
            found.append(turn)
        elif isinstance(message, lc.AIMessage) and (text := message.text.strip()):
            last = found[-1] if found else _Turn()
            if found and not last.answer:
                found[-1] = _Turn(last.question, last.images, text)
            else:
                found.append(_Turn(answer=text))
    return found


def _keep_past(service: Service, thread_id: str, turns: Sequence[_Turn], tenant: str) -> None:
    """Put what a client says was said before into a new thread."""
    last = None
    longest = 10 * service.settings.max_question_chars
    for turn in turns[-MOST_PAST:]:
        exchange = NewExchange(
            question=turn.question[:longest],
            shown=turn.question[:longest],
            images=turn.images,
            answer=turn.answer,
            state="done",
            details={"by": CLIENT},
        )
        last = service.store.add_exchange(thread_id, exchange, after=last, tenant=tenant).position
