"""Several processes on one database: any goes on with any conversation, and one at a time."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import create_engine, make_url, text

from assistant.agent import Past, open_checkpointer
from assistant.agent.turns import FileWall, Turns
from assistant.errors import BusyError, StoreError
from assistant.settings import Settings
from assistant.store import Store
from assistant.store import writers as store_writers
from tests import tiny
from tests.agent_desk import Shop
from tests.openai_server import Served, openai_server, reply
from tests.receiver import receiver
from tests.scripted_model import ScriptedChat
from tests.test_store.conftest import postgres_server, postgres_url, settings  # noqa: F401

HELLO = "Hello! How can I help you?"
REFUND = "I want my money back for this."


@contextmanager
def two(settings: Settings) -> Iterator[tuple[Shop, Shop]]:  # noqa: F811
    """Two desks as two processes have them: nothing is shared but the database and the folder."""
    shops = Shop(settings=settings), Shop(settings=settings)
    try:
        yield shops
    finally:
        for shop in shops:
            shop.store.close()


# --- turns


def test_a_conversation_goes_on_elsewhere(settings: Settings) -> None:  # noqa: F811
    with two(settings) as (one, other):
        with one.agent(HELLO) as agent:
            assert agent.answer("t", "hi").answer == HELLO
        model = ScriptedChat(replies=["Goodbye!"])
        with other.driven(model) as agent:
            assert agent.answer("t", "bye").answer == "Goodbye!"
        assert [m.text for m in model.asked[0] if m.type == "human"] == ["hi", "bye"]


def test_questions_at_once_are_answered_one_after_the_other(
    settings: Settings,  # noqa: F811
) -> None:
    running: list[int] = []
    most = []

    def slowly(number: int) -> Callable[[Any], str]:
        def said(_messages: Any) -> str:
            running.append(number)
            most.append(len(running))
            time.sleep(0.15)
            running.remove(number)
            return HELLO

        return said

    with two(settings) as (one, other), one.agent(slowly(1)) as a, other.agent(slowly(2)) as b:
        agents = [a, b, a, b]
        with ThreadPoolExecutor(4) as pool:
            asked = [
                pool.submit(agent.answer, "t", f"hi {number}", message_id=f"m{number}")
                for number, agent in enumerate(agents)
            ]
            assert [future.result().answer for future in asked] == [HELLO] * 4
        assert max(most) == 1
        for agent in (a, b):
            said = [m for m in agent.messages("t") if m.type in ("human", "ai")]
            assert [m.type for m in said] == ["human", "ai"] * 4
            assert {m.text for m in said[::2]} == {f"hi {number}" for number in range(4)}


def test_others_do_not_wait(settings: Settings) -> None:  # noqa: F811
    with two(settings) as (one, other), one.agent(HELLO) as a, other.agent(HELLO) as b:
        events = a.ask("t", "hi")
        next(events)
        assert b.answer("another", "hi").answer == HELLO
        events.close()  # type: ignore[attr-defined]


def test_the_same_question_at_once_is_answered_once(settings: Settings) -> None:  # noqa: F811
    """As a client does that asks another replica when the first one takes long."""
    with two(settings) as (one, other), one.agent(HELLO) as a, other.agent(HELLO) as b:
        with ThreadPoolExecutor(2) as pool:
            both = [pool.submit(each.answer, "t", REFUND, message_id="m") for each in (a, b)]
            replies = [each.result() for each in both]
        assert {reply.outcome for reply in replies} == {"handed_over"}
        assert len({reply.ticket_id for reply in replies}) == 1
        assert len(one.store.tickets()) == 1 and len(a.messages("t")) == 2


def test_who_waits_too_long_is_told_so(settings: Settings) -> None:  # noqa: F811
    with two(settings) as (one, other), one.agent(HELLO) as a, other.agent(HELLO) as b:
        b._checkpoints.turns.wait_s = 0.2
        events = a.ask("t", "hi")
        next(events)
        with pytest.raises(BusyError, match="is being answered elsewhere") as caught:
            b.answer("t", "hi")
        assert caught.value.retry_after > 0
        cancelled = threading.Event()
        cancelled.set()
        b._checkpoints.turns.wait_s = 60.0
        assert list(b.ask("t", "hi", cancelled=cancelled)) == []
        events.close()  # type: ignore[attr-defined]
        assert b.answer("t", "hi").answer == HELLO


def test_what_was_said_before_is_asked_for_when_the_turn_has_come(
    settings: Settings,  # noqa: F811
) -> None:
    with two(settings) as (one, other), one.agent(HELLO) as a:
        model = ScriptedChat(replies=["Goodbye!"])
        with other.driven(model) as b:
            events = a.ask("t", "hi", message_id="first")
            next(events)
            asked: list[float] = []

            def past() -> list[Past]:
                asked.append(time.monotonic())
                # The store of the other one has not been told of the answer yet.
                return [Past("first", "hi", settled=False)]

            with ThreadPoolExecutor(1) as pool:
                answer = pool.submit(lambda: list(b.ask("t", "bye", message_id="m", past=past)))
                time.sleep(0.2)
                ended = time.monotonic()
                assert not asked
                list(events)
                answer.result()
            assert asked[0] > ended
        assert [m.text for m in model.asked[0]][-3:] == ["hi", HELLO, "bye"]


HOLDER = """
import sys
from assistant.agent.checkpoints import open_checkpointer
from assistant.settings import Settings
checkpoints = open_checkpointer(Settings())
with checkpoints.turns.alone("ab" * 32):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_turn_ends_with_the_process_that_has_it(settings: Settings) -> None:  # noqa: F811
    environment = os.environ | {"SIGHTDESK_DATA_DIR": str(settings.data_dir)}
    if settings.database_url is not None:
        environment["SIGHTDESK_DATABASE_URL"] = settings.database_url
    with open_checkpointer(settings) as checkpoints:
        checkpoints.turns.wait_s = 0.1
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER], env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        ) as holder:  # fmt: skip
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            with pytest.raises(BusyError), checkpoints.turns.alone("ab" * 32):
                pass
            holder.send_signal(signal.SIGKILL)
            holder.wait()
        checkpoints.turns.wait_s = 20.0
        with checkpoints.turns.alone("ab" * 32) as mine:
            assert mine


def test_turns_leave_nothing_behind(tmp_path: Path) -> None:
    turns = Turns(FileWall(tmp_path / "turns"))

    def work(number: int) -> None:
        with turns.alone(f"{number % 3:064x}") as mine:
            assert mine

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(60)))
    assert not list((tmp_path / "turns").iterdir()) and not turns._places


def test_a_folder_that_cannot_be_locked(tmp_path: Path) -> None:
    (tmp_path / "turns").write_text("no folder")
    with (
        pytest.raises(StoreError, match="SIGHTDESK_DATA_DIR"),
        Turns(FileWall(tmp_path / "turns")).alone("ab" * 32),
    ):
        pass


def test_a_server_that_was_started_anew(postgres_url: str, tmp_path: Path) -> None:  # noqa: F811
    settings = Settings(database_url=postgres_url, data_dir=tmp_path)  # noqa: F811
    with open_checkpointer(settings) as checkpoints:
        with checkpoints.turns.alone("ab" * 32):
            _end_connections(postgres_url)
        with checkpoints.turns.alone("ab" * 32) as mine:
            assert mine


def _end_connections(url: str) -> None:
    admin = create_engine(
        make_url(url).set(drivername="postgresql+psycopg"), isolation_level="AUTOCOMMIT"
    )
    ending = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    with admin.connect() as connection:
        connection.execute(text(ending))
    admin.dispose()


# --- starting, and what belongs to all


def test_all_may_be_started_at_once(settings: Settings) -> None:  # noqa: F811
    ready = threading.Barrier(5)

    def start(_number: int) -> str:
        ready.wait()
        with Store.open(settings) as store, open_checkpointer(settings):
            return store.database.identity

    with ThreadPoolExecutor(5) as pool:
        assert len(set(pool.map(start, range(5)))) == 1


def test_one_that_starts_does_not_stop_what_another_writes(
    settings: Settings,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from assistant.store import NewExchange

    with Store.open(settings) as store:
        thread = store.create_thread()
        new = NewExchange(question="What?", shown="What?")
        exchange = store.add_exchange(thread.id, new, after=None)
        photo = store.put_image(tiny.picture(1), name="a.png")
        with Store.open(settings) as other:
            assert other.thread(thread.id).exchanges[0].state == "streaming"
            assert other.load_image(photo.id).id == photo.id
        # A container with the same name and numbers of processes of its own.
        monkeypatch.setattr(store_writers, "_host", lambda: "here/4026531836")
        assert not store_writers.has_ended("here/4026539999/1/1000000000")
        assert store_writers.has_ended("here/4026531836/1/1000000000")
        store.set_answer(exchange.id, answer="An apple.", state="done")
        assert store.thread(thread.id).exchanges[0].answer == "An apple."


def test_what_is_learned_in_one_place_is_known_in_the_other(
    settings: Settings,  # noqa: F811
    tmp_path: Path,
) -> None:
    from assistant.knowledge import Knowledge
    from tests.test_knowledge.conftest import BagOfWords

    note = tmp_path / "note.txt"
    with two(settings) as (one, other):
        here, there = (
            Knowledge.open(settings, store=shop.store, embedder=BagOfWords())
            for shop in (one, other)
        )
        for said in ("Delivery costs 5 euros.", "Delivery costs 7 euros.", ""):
            assert len(there.search("delivery")) == (note.exists())
            if said:
                note.write_text(said, encoding="utf-8")
                here.add(note)
                (hit,) = there.search("delivery")
                assert hit.passage.text == said
            else:
                here.remove("note.txt")
        assert there.search("delivery") == [] and there.is_empty


def test_the_webhook_is_told_once(settings: Settings) -> None:  # noqa: F811
    from assistant.webhook import deliver_due

    with receiver() as called, ExitStack() as stack:
        told = settings.model_copy(
            update={"webhook_url": called.url, "webhook_secret": SecretStr("s" * 16)}
        )
        stores = [stack.enter_context(Store.open(told)) for _ in range(3)]
        for number in range(6):
            stores[0].open_ticket(key=f"k{number}", thread_id="t", reason="asked", kind="asked")
        with ThreadPoolExecutor(3) as pool:
            done = sum(each.done for each in pool.map(lambda s: deliver_due(told, store=s), stores))
        assert done == 6 and len({call.delivery for call in called.calls}) == 6
        assert len(called.calls) == 6


def test_photos_that_are_not_shared_are_told_of(
    postgres_url: str,  # noqa: F811
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared, apart = (
        Settings(database_url=postgres_url, data_dir=tmp_path / name) for name in ("a", "b")
    )
    caplog.set_level(logging.WARNING)
    with Store.open(shared) as store:
        photo = store.put_image(tiny.picture(1), name="a.png")
    Store.open(shared).close()
    assert not caplog.records
    with Store.open(apart) as store:
        assert "replicas must share their data folder" in caplog.text
        assert "SIGHTDESK_DATA_DIR" in caplog.text
        with pytest.raises(StoreError, match="let all replicas have the same SIGHTDESK_DATA_DIR"):
            store.load_image(photo.id)


# --- two servers


@dataclass
class Replica:
    """A `sightdesk serve` of its own process."""

    process: subprocess.Popen[str]
    url: str
    said: list[str] = field(default_factory=list)

    def ask(self, question: str, thread: str | None = None, **more: Any) -> dict[str, Any]:
        """The answer of `sightdesk-agent`."""
        answer = httpx.post(f"{self.url}/v1/chat/completions", timeout=60.0,
                            json=_question(question, thread, **more))  # fmt: skip
        assert answer.status_code == 200, answer.text
        message: dict[str, Any] = answer.json()["choices"][0]["message"]
        return message


def _question(question: str, thread: str | None, **more: Any) -> dict[str, Any]:
    about = {"sightdesk": {"thread_id": thread}} if thread else {}
    messages = [{"role": "user", "content": question}]
    return {"model": "sightdesk-agent", "messages": messages} | about | more


@pytest.fixture(scope="module")
def model() -> Iterator[Served]:
    with openai_server(reply(HELLO)) as served:
        yield served


@pytest.fixture(scope="module")
def place(
    postgres_server: str,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
    model: Served,
) -> dict[str, str]:
    """The environment that both are started with, and nothing else that they share."""
    admin = create_engine(
        make_url(postgres_server).set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
    )
    with admin.connect() as connection:
        connection.execute(text("CREATE DATABASE replicas TEMPLATE template0 ENCODING 'UTF8'"))
    admin.dispose()
    url = make_url(postgres_server).set(database="replicas").render_as_string(hide_password=False)
    folder = tmp_path_factory.mktemp("replicas")
    kept = {name: value for name, value in os.environ.items() if "SIGHTDESK" not in name}
    return kept | {
        "SIGHTDESK_DATABASE_URL": url,
        "SIGHTDESK_DATA_DIR": str(folder / "shared"),
        "SIGHTDESK_CACHE_DIR": str(folder / "cache"),
        "SIGHTDESK_BASE": model.base,
        "HOME": str(folder),
        "OMP_NUM_THREADS": "1",
    }


@contextmanager
def started(place: dict[str, str], count: int) -> Iterator[list[Replica]]:
    """So many servers, started at once."""
    command = [sys.executable, "-c", "from assistant.cli import main; main()", "serve"]
    processes = [
        subprocess.Popen(
            [*command, "--port", "0"], env=place, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        for _ in range(count)
    ]  # fmt: skip
    try:
        yield [_listening(process) for process in processes]
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _listening(process: subprocess.Popen[str]) -> Replica:
    said: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        said.append(line)
        if "listens on " in line:
            url = line.partition("listens on ")[2].split(";")[0].split()[0]
            replica = Replica(process, url, said)
            threading.Thread(target=lambda: said.extend(process.stdout or ()), daemon=True).start()
            return replica
    raise AssertionError(f"the server did not start: {''.join(said)}")


@pytest.fixture(scope="module")
def pair(place: dict[str, str]) -> Iterator[list[Replica]]:
    """Two servers, of which the last test kills one."""
    with started(place, 2) as both:
        yield both


def test_two_servers_are_one(pair: list[Replica], model: Served) -> None:
    one, other = pair
    # A conversation that was begun here goes on there, with its photo.
    model.replies = [reply(HELLO)]
    photo = json.dumps(_photo())
    first = one.ask("hi", messages=[{"role": "user", "content": json.loads(photo)}])
    thread = first["sightdesk"]["thread_id"]
    assert first["content"] == HELLO
    model.asked.clear()
    assert other.ask("And now?", thread)["content"] == HELLO
    sent = model.asked[-1]["messages"]
    assert [m["role"] for m in sent if m["role"] != "system"] == ["user", "assistant", "user"]
    assert any(part["type"] == "image_url" for part in sent[1]["content"])

    # At once: one after the other, and all are kept.
    model.asked.clear()
    model.busiest = 0
    model.replies = [reply(HELLO, delay=0.05)]
    with ThreadPoolExecutor(4) as pool:
        asked = [
            pool.submit(replica.ask, f"hello {number}", thread)
            for number, replica in enumerate([one, other, one, other])
        ]
        assert [future.result()["content"] for future in asked] == [HELLO] * 4
    assert model.busiest == 1
    for body in model.asked:  # each knows the answers before it
        said = [m["role"] for m in body["messages"] if m["role"] != "system"]
        assert said == ["user", "assistant"] * (len(said) // 2) + ["user"]
    kept = httpx.get(f"{one.url}/v1/threads/{thread}").json()["exchanges"]
    assert [each["answer"] for each in kept] == [HELLO] * 6
    assert {each["state"] for each in kept} == {"done"}

    # A ticket that was opened here is known there.
    handed = one.ask(REFUND, thread)["sightdesk"]
    assert handed["outcome"] == "handed_over"
    again = other.ask("Is somebody there?", thread)["sightdesk"]
    assert again["ticket_id"] == handed["ticket_id"]
    tickets = httpx.get(f"{other.url}/v1/tickets").json()["data"]
    assert [ticket["id"] for ticket in tickets] == [handed["ticket_id"]]


def test_one_is_killed_in_the_middle_of_an_answer_and_the_other_goes_on(
    pair: list[Replica], model: Served
) -> None:
    one, other = pair
    model.replies = [reply(HELLO)]
    thread = one.ask("hi")["sightdesk"]["thread_id"]
    model.replies = [reply(" ".join(["Hello!"] * 300), delay=0.05), reply("Welcome back!")]
    model.asked.clear()
    model.told = 0
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(one.ask, "hello again", thread, stream=True)
        while model.told < 3:
            time.sleep(0.01)
        one.process.kill()
        with pytest.raises(httpx.HTTPError):
            asked.result()
    assert other.ask("Are you there?", thread)["content"] == "Welcome back!"
    sent = [m["content"] for m in model.asked[-1]["messages"] if m["role"] == "user"]
    assert sent == ["hi", "hello again", "Are you there?"]
    kept = httpx.get(f"{other.url}/v1/threads/{thread}").json()["exchanges"]
    assert [each["state"] for each in kept] == ["done", "stopped", "done"]


def _photo() -> list[dict[str, Any]]:
    from assistant.remote.pictures import hold

    return [
        {"type": "text", "text": "hi"},
        {"type": "image_url", "image_url": {"url": hold(tiny.picture(1)).uri}},
    ]
