"""Conversations with the whole desk, and the call for a person."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from assistant.errors import InputError
from assistant.mcp_server import shapes
from assistant.mcp_server.contents import (
    image_link,
    image_uri,
    passage_link,
    passage_uri,
    words,
)
from assistant.mcp_server.pictures import take
from assistant.mcp_server.progress import Progress
from assistant.mcp_server.work import Made, Refused, Work, stopping, used

if TYPE_CHECKING:
    from mcp import types

    from assistant.agent import Agent, Reply
    from assistant.mcp_server.desks import Desks
    from assistant.sources import Source
    from assistant.tools import HandOver


async def ask_desk(work: Work, given: shapes.Message) -> Made:
    """The desk's answer to a customer, with all that it rests on."""
    thread = given.thread_id.strip() or uuid4().hex
    desk = await work.desk()
    ids = [(await take(work, desk, image)).id for image in given.images]
    if not desk.settings.agent_model:
        await work.see()  # the embedded model itself runs the desk
    work.progress.tell("Reading the message", 0.5)
    desks = await work.desks()
    agent = await work.thread(desks.agent, work.tenant)
    stop, began = threading.Event(), time.perf_counter()
    with work.office.watched() as halt, stopping(halt):
        try:
            reply = await work.thread(
                _answered, desks, agent, thread, given.message, ids, work.progress, stop
            )
        finally:
            stop.set()  # before what is open in the engine ends, so that nothing new is begun
    if reply is None or reply.failed:
        raise Refused((reply and reply.answer) or "The desk gave no answer; ask again.")
    value = shapes.Reply(
        answer=reply.answer,
        outcome=reply.outcome,
        thread_id=thread,
        citations=[_citation(number, source) for number, source in enumerate(reply.citations, 1)],
        tools=reply.tools,
        ticket_id=reply.ticket_id,
        seconds=round(time.perf_counter() - began, 3),
    )
    return Made(value, _told(reply, thread))


async def hand_over(work: Work, given: shapes.Wish) -> Made:
    """A ticket: of a conversation with all that was said in it, or of this client's wish alone.

    The same reason again in the same conversation is the same ticket.
    """
    if not given.reason.strip():
        raise InputError("The reason is empty; say in a few words why a person is needed.")
    desk = await work.desk()
    thread = given.thread_id.strip()
    messages: Sequence[Any] = ()
    if thread:
        desks = await work.desks()
        agent = await work.thread(desks.agent, work.tenant)
        messages = await work.thread(agent.messages, thread)
        if not messages:
            raise InputError(
                "There is no such conversation; give the thread_id of an ask_desk answer, or none."
            )
    thread = thread or work.visit.thread
    name = hashlib.sha256(" ".join(given.reason.split()).encode()).hexdigest()[:32]

    def call(wish: HandOver) -> Any:
        from assistant.agent.people import summary_of, transcript_of
        from assistant.chat_model.reading import image_ids

        said: dict[str, Any] = {}
        if messages:
            said = {"transcript": transcript_of(messages), "summary": summary_of(messages)}
            said["images"] = image_ids(messages)
        return desk.store.open_ticket(
            key=f"{thread}/mcp-{name}", thread_id=thread, reason=wish.reason, kind="tool",
            tenant=desk.tenant, **said,
        )  # fmt: skip

    text, found = await used(work, replace(desk, hand_over=call), "hand_over", reason=given.reason)
    value = shapes.Ticket(ticket_id=found["ticket"], thread_id=thread, reason=given.reason)
    return Made(value, [words(text)])


def _answered(
    desks: Desks,
    agent: Agent,
    thread: str,
    text: str,
    images: Sequence[str],
    progress: Progress,
    stop: threading.Event,
) -> Reply | None:
    """The reply; None where it was stopped before."""
    from assistant.agent import Done, Sentence, ToolStarted, Words

    said = ""
    asked: Any = agent.ask(thread, text, images, cancelled=stop)
    with desks.seat(), closing(asked) as events:
        for event in events:
            if stop.is_set():
                return None
            if isinstance(event, ToolStarted):
                said = ""
                progress.tell(f"{event.name} …")
            elif isinstance(event, Words):
                progress.tell(said := said + event.text)
            elif isinstance(event, Sentence):
                progress.tell(said := f"{said} {event.text}")
            elif isinstance(event, Done):
                return event.reply
    return None


def _citation(number: int, source: Source) -> shapes.Citation:
    return shapes.Citation(
        number=number,
        kind=source.kind,
        id=source.id,
        uri=(passage_uri if source.kind == "passage" else image_uri)(source.id),
        title=source.title,
        text=source.text,
        origin=source.origin,
    )


def _told(reply: Reply, thread: str) -> list[types.ContentBlock]:
    lines = [
        f"[{number}] {source.title}" + (f" ({source.origin})" if source.origin else "")
        for number, source in enumerate(reply.citations, 1)
    ]
    found: list[types.ContentBlock] = [words(reply.answer)]
    if lines:
        found.append(words("\n".join(["Sources:", *lines])))
    found.append(words(f"(thread_id {thread})"))
    for source in reply.citations:
        if source.kind == "passage":
            found.append(passage_link(source.id, source.title, source.origin))
        else:
            found.append(image_link(source.id, source.title))
    return found
