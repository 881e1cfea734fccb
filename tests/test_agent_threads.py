"""Conversations that outlive the process: restarts, kill -9 at every step, tenants, databases."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer

from assistant.agent import Agent, open_checkpointer
from assistant.agent.checkpoints import thread_key
from assistant.errors import StoreError
from assistant.settings import Settings
from assistant.store import Store
from tests.agent_desk import DELICIOUS, Shop
from tests.scripted_model import ScriptedChat, call
from tests.test_agent import ITALY, SEARCH, WHERE
from tests.test_store.conftest import postgres_server, postgres_url  # noqa: F401

PERSON = "I want to talk to a real person"
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="kills a fork of this process")


def closed(shop: Shop, agent: Agent) -> None:
    agent.close()
    shop.store.close()


def test_a_conversation_goes_on_after_a_restart() -> None:
    shop = Shop()
    agent = shop.agent(SEARCH, ITALY)
    first = agent.answer("t", WHERE)
    closed(shop, agent)
    shop = Shop()
    model = ScriptedChat(replies=["Hello! What else?"])
    agent = shop.driven(model)
    agent.answer("t", "Thanks")
    sent = [message.text for message in model.asked[0]]
    assert WHERE in sent and "Golden Delicious come from Italy." in sent
    assert [m.type for m in agent.messages("t")].count("human") == 2
    assert first.citations == [DELICIOUS]
    closed(shop, agent)


def test_a_question_that_is_asked_again_under_its_name_is_answered_once() -> None:
    shop = Shop()
    with shop.agent(SEARCH, ITALY) as agent:
        first = agent.answer("t", WHERE, message_id="q-1")
        again = agent.answer("t", WHERE, message_id="q-1")
        assert (again.answer, again.citations) == (first.answer, first.citations)
        assert again.tools == ["search_knowledge"] and len(shop.calls) == 1
    shop.store.close()


# --- kill -9


def _asking(folder: Path, step: int, replies: list[Any], text: str) -> None:
    """Ask, and die at the given one of all that is written."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    count = 0

    def dies(work: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
        def counted(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            mine = count == step
            if mine and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            result = work(*args, **kwargs)
            if mine and after:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        return counted

    for name in ("put", "put_writes"):
        setattr(SqliteSaver, name, dies(getattr(SqliteSaver, name), after=False))
    Store.open_ticket = dies(dies(Store.open_ticket, after=False), after=True)  # type: ignore[method-assign]
    shop = Shop(settings=Settings(data_dir=folder))
    with shop.agent(*replies) as agent:
        agent.answer("t", text, message_id="q-1")
    os._exit(0)


@forks
@pytest.mark.parametrize(
    ("replies", "text", "kind"),
    [
        (["unused"], PERSON, "asked"),
        ([call("hand_over", reason="Upset.")], "This is so disappointing.", "tool"),
    ],
)
def test_a_ticket_is_neither_lost_nor_doubled_by_a_kill_at_any_step(
    tmp_path: Path, replies: list[Any], text: str, kind: str
) -> None:
    forking = multiprocessing.get_context("fork")
    for step in range(1, 100):
        folder = tmp_path / str(step)
        child = forking.Process(target=_asking, args=(folder, step, list(replies), text))
        child.start()
        child.join(60)
        shop = Shop(settings=Settings(data_dir=folder))
        with shop.agent(*replies) as agent:
            reply = agent.answer("t", text, message_id="q-1")
            humans = [message for message in agent.messages("t") if message.type == "human"]
        tickets = shop.store.tickets()
        shop.store.close()
        assert reply.outcome == "handed_over" and len(humans) == 1
        assert [ticket.id for ticket in tickets] == [reply.ticket_id]
        assert tickets[0].kind == kind
        if child.exitcode == 0:
            break
        assert child.exitcode == -signal.SIGKILL
    assert step > 5


@forks
def test_what_a_kill_cut_off_is_brought_to_its_end_before_the_next_question(
    tmp_path: Path,
) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    child = multiprocessing.get_context("fork").Process(
        target=_asking, args=(tmp_path / "data", 3, ["unused"], PERSON)
    )
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    shop = Shop(settings=settings)
    with shop.agent("unused") as agent:
        reply = agent.resume("t")
        assert reply is not None and reply.outcome == "handed_over"
        assert agent.resume("t") is None
        assert agent.answer("t", "One more thing.").ticket_id == reply.ticket_id
    assert len(shop.store.tickets()) == 1
    shop.store.close()


# --- whose conversation it is


def test_another_tenants_conversation_cannot_be_asked_for() -> None:
    ours, theirs = Shop(tenant="ours"), Shop(tenant="theirs")
    model = ScriptedChat(replies=["Hello! What else?"])
    with ours.agent(SEARCH, ITALY) as agent, theirs.driven(model) as other:
        agent.answer("t", WHERE)
        ticket = agent.answer("t", PERSON).ticket_id
        other.answer("t", "What did I ask before?")
        assert WHERE not in str(model.asked) and len(other.messages("t")) == 2
        with pytest.raises(StoreError):
            theirs.store.ticket(str(ticket), tenant="theirs")
    assert thread_key("a", "b:c") != thread_key("a:b", "c")
    assert thread_key("1:a", "b") != thread_key("", "1:a:b")
    ours.store.close()
    theirs.store.close()


def test_a_photo_of_another_conversation_is_none_of_this_one() -> None:
    shop = Shop()
    seen: list[Any] = []

    def look(_query: str) -> Any:
        seen.append(list(agent.desk.images or ()))
        return "nothing", {"sources": []}

    shop.search = look
    with shop.agent(SEARCH, "unknown") as agent:
        photo = shop.photo(1)
        agent.answer("one", "Look", [photo])
        agent.model.replies = [SEARCH, "unknown"]  # type: ignore[attr-defined]
        agent.answer("two", "Look")
    assert seen == [[photo], []]
    shop.store.close()


def test_a_forgotten_conversation_is_gone() -> None:
    shop = Shop()
    with shop.agent("Hello! What else?") as agent:
        agent.answer("t", "hi")
        agent.forget("t")
        assert agent.messages("t") == []
    shop.store.close()


def test_two_questions_at_once_come_one_after_the_other() -> None:
    shop = Shop()
    with shop.agent("Hello! What else?") as agent:
        workers = [
            threading.Thread(target=agent.answer, args=("t", f"Question {number} please"))
            for number in range(4)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        kinds = [message.type for message in agent.messages("t")]
    assert kinds == ["human", "ai"] * 4
    shop.store.close()


# --- the file


def test_only_the_last_state_is_kept() -> None:
    shop = Shop()
    with shop.agent(SEARCH, ITALY) as agent:
        for number in range(3):
            agent.answer("t", f"{WHERE} {number}")
            agent.model.replies = [SEARCH, ITALY]  # type: ignore[attr-defined]
        agent.answer("u", WHERE)
    with sqlite3.connect(shop.settings.data_dir / "agent.sqlite3") as connection:
        (count,) = connection.execute("SELECT COUNT(*) FROM checkpoints").fetchone()
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    assert count == 2 and mode == "wal"
    shop.store.close()


def test_a_checkpoint_cannot_name_code() -> None:
    with open_checkpointer(Settings()) as checkpoints:
        serde = checkpoints.saver.serde
        assert isinstance(serde, JsonPlusSerializer) and not serde.pickle_fallback
        hostile = JsonPlusSerializer(pickle_fallback=True).dumps_typed(Path)
        try:
            found = serde.loads_typed(hostile)
        except Exception:
            found = None
        assert found is not Path
        with pytest.raises((NotImplementedError, ValueError)):
            serde.loads_typed(("pickle", b"cos\nsystem\n(S'true'\ntR."))


def test_a_damaged_file_is_told_in_a_sentence() -> None:
    settings = Settings()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "agent.sqlite3").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_checkpointer(settings)


def test_a_server_that_is_not_there_is_told_in_a_sentence() -> None:
    with pytest.raises(StoreError, match="cannot be reached"):
        open_checkpointer(Settings(database_url="postgresql://u:p@127.0.0.1:1/x"))
    with pytest.raises(StoreError, match="URL"):
        open_checkpointer(Settings(database_url="postgresql://u:p@127.0.0.1:port/x"))


def test_conversations_on_postgres(postgres_url: str) -> None:  # noqa: F811
    settings = Settings(database_url=postgres_url)
    shop = Shop(settings=settings)
    with shop.agent(SEARCH, ITALY) as agent:
        agent.answer("t", WHERE)
        ticket = agent.answer("t", PERSON).ticket_id
    shop.store.close()
    shop = Shop(settings=settings)
    with shop.agent("unused") as agent:
        assert [m.type for m in agent.messages("t")].count("human") == 2
        assert agent.answer("t", "More").ticket_id == ticket
        agent.forget("t")
        assert agent.messages("t") == []
    shop.store.close()
