"""An answer of the support desk, from the question to what it rests on, kept whatever ends it.

The agent works in a thread of its own and this one draws what it tells: so the visitor's stop is
heard at once, also while a tool is at work. The agent hears of it at its next step. It draws
through a `Screen` and knows nothing of Streamlit.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import closing, nullcontext
from queue import Empty, SimpleQueue
from threading import Event as Signal
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from assistant.errors import InputError, SightdeskError
from assistant.telling import BY, Telling, past_of
from ui.answering import Written, keep
from ui.scratch import Scratch

if TYPE_CHECKING:
    from assistant.agent import Agent, Event, Past
    from assistant.store import Exchange
    from ui.desk import Desk, Job
    from ui.engine_room import AgentRoom, EngineRoom

WAITING: Final = "waiting"
BEAT_SECONDS: Final = 0.25
"""Between two looks at whether the visitor has stopped the answer."""


class Screen(Protocol):
    """Where an answer of the desk is drawn while it comes about."""

    def opening(self) -> None:
        """The agent is being opened."""

    def waiting(self) -> None:
        """Another conversation has the engine."""

    def show(self, telling: Telling) -> None:
        """What is known by now; called again and again, also where nothing changed."""


class _Stopped(Exception):
    """Nobody reads any more."""


def write_reply(
    job: Job, desk: Desk, agents: AgentRoom, engines: EngineRoom, screen: Screen, unsaved: str
) -> None:
    """Have the agent answer the question of `job`, and keep the answer in `desk`, whole or in part.

    Errors that a person can mend become the exchange's error; all others go on to the caller.

    Args:
        unsaved: the sentence that it fails with where nothing can be saved.
    """
    written, telling, began = Written(), Telling(), time.perf_counter()
    with desk.busy:
        try:
            if isinstance(desk.keeper, Scratch):
                raise InputError(unsaved)
            asked = _asked(agents, job.exchange, past_of(_all(desk), job.exchange))
            with closing(follow(asked, agents, engines)) as events:
                for event in events:
                    if event == WAITING:
                        screen.waiting()
                    elif event is None and not agents.opened:
                        screen.opening()
                    else:
                        if event is not None:
                            telling.take(event)
                            _note_first(written, telling, began)
                        screen.show(telling)
            written.state = "done"
        except SightdeskError as error:
            written.state, written.error = "failed", str(error)
        finally:
            written.text = telling.text
            written.details |= {
                "by": BY,
                "model": agents.model_name,
                **telling.to_details(),
                "total": time.perf_counter() - began,
            }
            keep(desk, job.exchange, written, again=job.again)


def follow(
    work: Generator[Event, None, None], agents: AgentRoom, engines: EngineRoom
) -> Generator[Event | Literal["waiting"] | None, None, None]:
    """What `work` yields in a thread of its own; None where nothing came for a moment.

    Closing it tells the thread, which ends at the next thing that it yields.
    """
    found: SimpleQueue[tuple[str, Any]] = SimpleQueue()
    stopped = Signal()

    def waiting() -> None:
        if stopped.is_set():
            raise _Stopped
        found.put(("event", WAITING))

    def run() -> None:
        try:
            # A server elsewhere answers several at once; the engine here does not.
            turn = engines.turn(waiting) if agents.uses_engine else nullcontext()
            with turn, closing(work):
                for event in work:
                    if stopped.is_set():
                        return
                    found.put(("event", event))
            found.put(("end", None))
        except _Stopped:
            return
        except BaseException as error:  # handed to the thread that reads, which raises it
            found.put(("error", error))

    Thread(target=run, name="answer", daemon=True).start()
    try:
        while True:
            try:
                kind, value = found.get(timeout=BEAT_SECONDS)
            except Empty:
                yield None
                continue
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stopped.set()


def _asked(
    agents: AgentRoom, question: Exchange, past: Sequence[Past]
) -> Generator[Event, None, None]:
    agent: Agent = agents.agent()
    agent.align(question.thread_id, past)
    yield from agent.ask(
        question.thread_id, question.question, question.used, message_id=question.id
    )


def _all(desk: Desk) -> Sequence[Exchange]:
    """The whole conversation, also what the page does not show."""
    if not desk.hidden or desk.keeper is None or desk.thread_id is None:
        return desk.exchanges
    return desk.keeper.thread(desk.thread_id).exchanges


def _note_first(written: Written, telling: Telling, began: float) -> None:
    if "first_word" not in written.details and (telling.words or telling.sentences):
        written.details["first_word"] = time.perf_counter() - began
