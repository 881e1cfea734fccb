"""The support agent: it sees, reads, looks up, cites, and knows when to call a person.

    with Agent.open(desk) as agent:
        for event in agent.ask("a-thread", "Where does this come from?", images=[photo.id]):
            ...                                   # ToolStarted, Sentence, …, Done(reply)

LangChain's `create_agent` on LangGraph with middleware, listed here in the order in which they run:

    core.py         Agent: asking, events, replies, resuming
    events.py       what a reader of an answer gets
    front.py        before the model: language, tickets, people; after it: nothing is left unsaid
    memory.py       long threads are summed up, photos are kept
    past.py         what was said before and elsewhere, edited or taken back
    people.py       tickets, and the tool that calls a person
    tools.py        tools run aside, are timed, never raise, never run twice
    pictures.py     image ids and numbered sources, as models other than the embedded one read them
    grounding.py    a sentence is released once its sources carry it
    state.py        the graph's state, and what is looked up in it
    checkpoints.py  threads in SQLite or Postgres
    models.py       which model drives it
"""

from assistant.agent.checkpoints import open_checkpointer
from assistant.agent.core import Agent
from assistant.agent.events import (
    Done,
    Event,
    HandedOver,
    Outcome,
    Reply,
    Sentence,
    ToolEnded,
    ToolStarted,
    Words,
)
from assistant.agent.past import Past

__all__ = [
    "Agent",
    "Done",
    "Event",
    "HandedOver",
    "Outcome",
    "Past",
    "Reply",
    "Sentence",
    "ToolEnded",
    "ToolStarted",
    "Words",
    "open_checkpointer",
]
