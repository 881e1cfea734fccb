"""Tickets: one a key under repeats, races and kill -9; answers in the thread; own pictures."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import select

import assistant.store.tickets as tickets_module
from assistant.errors import InputError, StoreError
from assistant.settings import Settings
from assistant.store import Said, Store, Ticket
from assistant.store.models import DeliveryRow, TicketRow
from tests.receiver import receiver
from tests.test_store.conftest import Photo
from tests.test_store.steps import ask, files_of, image_files

ROOT = Path(__file__).parents[2]


def open_ticket(
    store: Store,
    thread_id: str = "t",
    key: str = "k",
    *,
    tenant: str = "",
    images: tuple[str, ...] = (),
) -> Ticket:
    return store.open_ticket(
        key=key,
        thread_id=thread_id,
        reason="asked for a person",
        kind="asked",
        summary="Where it is from",
        images=images,
        tenant=tenant,
    )


def test_a_ticket_holds_what_was_said(store: Store, photo: Photo) -> None:
    picture = store.put_image(photo("Banana"), name="banana.jpg")
    thread = store.create_thread()
    ask(store, thread.id, "Where is it?", images=(picture.id,), answer="No idea.", state="done")
    ask(store, thread.id, "Then get me a person", after=0, state="done")
    ticket = open_ticket(store, thread.id)
    assert ticket.transcript == (
        {"role": "customer", "text": "Where is it?", "images": [picture.id]},
        {"role": "agent", "text": "No idea."},
        {"role": "customer", "text": "Then get me a person"},
    )
    assert ticket.image_ids == (picture.id,)
    assert (ticket.state, ticket.kind, ticket.waiting) == ("open", "asked", True)
    assert store.ticket(ticket.id) == ticket
    assert store.ticket(f" #{ticket.id[:4].lower()}-{ticket.id[4:]} ") == ticket
    assert store.ticket_of(thread.id) == ticket
    assert not set(ticket.id) & set("ILOU")
    # The agent's own words for it take the place of what the store has.
    said: list[Said] = [{"role": "customer", "text": "Hi"}]
    other = store.open_ticket(key="x", thread_id=thread.id, reason="", kind="tool", transcript=said)
    assert other.transcript == ({"role": "customer", "text": "Hi"},)


def test_a_step_that_is_repeated_finds_its_ticket(store: Store) -> None:
    first = open_ticket(store)
    again = store.open_ticket(key="k", thread_id="other", reason="else", kind="failures")
    assert again == first
    assert store.count_tickets() == 1
    assert len(store.deliveries(first.id)) == 1
    assert open_ticket(store, tenant="north").id != first.id, "keys are each tenant's own"


def test_many_open_the_same_at_once(settings: Settings) -> None:
    start = threading.Barrier(6)
    found: list[str] = []
    failures: list[BaseException] = []

    def hand_over(number: int) -> None:
        try:
            with Store.open(settings) as store:
                start.wait()
                for key in ("a", "b", "c"):
                    found.append(open_ticket(store, f"t{number}", key).id)
        except BaseException as error:
            failures.append(error)

    people = [threading.Thread(target=hand_over, args=(number,)) for number in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert not failures
    assert sorted(Counter(found).values()) == [6, 6, 6]
    with Store.open(settings) as store, store.database.read() as session:
        assert store.count_tickets() == 3
        assert len(session.scalars(select(DeliveryRow.id)).all()) == 3


def test_a_number_that_is_taken_is_drawn_anew(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    letters = iter("AAAAAAAA" + "AAAAAAAA" + "BBBBBBBB")
    monkeypatch.setattr(secrets, "choice", lambda _: next(letters))
    assert open_ticket(store, key="a").id == "AAAAAAAA"
    assert open_ticket(store, key="b").id == "BBBBBBBB"


def test_killed_at_every_step_nothing_is_lost_or_doubled(
    settings: Settings, tmp_path: Path
) -> None:
    with receiver() as there:
        command = [sys.executable, str(ROOT / "tests" / "killed_steps.py")]
        command += [str(settings.data_dir), there.url]
        command += [settings.database_url] if settings.database_url else []
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        told = json.loads(done.stdout)
        assert told["killed"] >= 20, "before, within and after each transaction and call"
        with Store.open(settings) as store, store.database.read() as session:
            rows = session.scalars(select(TicketRow)).all()
            assert sorted(row.key for row in rows) == sorted(
                f"key-{step + 1}" for step in range(told["keys"])
            )
            for row in rows:
                assert [reply.text for reply in store.ticket(row.id).replies] == ["Hello?"]
                opened, message = store.deliveries(row.id)
                assert (opened.state, message.state) == ("done", "done")
                got = [call.delivery for call in there.calls if call.told["ticket"] == row.id]
                assert set(got) == {opened.id, message.id}
            assert len({call.delivery for call in there.calls}) == 2 * told["keys"]


def test_a_reply_enters_the_conversation(store: Store) -> None:
    thread = store.create_thread()
    ask(store, thread.id, "Get me a person", state="done", answer="Handed over.")
    ticket = open_ticket(store, thread.id)
    sent = store.reply(ticket.id.lower(), "  It is from Ecuador.  ", key="r1")
    assert store.reply(ticket.id, "It is from Ecuador.", key="r1") == sent
    _, answered = store.thread(thread.id).exchanges
    assert answered.id == sent.exchange_id
    assert (answered.shown, answered.answer) == ("", "It is from Ecuador.")
    assert (answered.state, answered.position) == ("done", 1)
    assert answered.details == {"by": "person", "ticket": ticket.id}
    assert [line.id for line in store.threads("ecuador")] == [thread.id]
    found = store.ticket(ticket.id)
    assert found.replies == (sent,)
    assert not found.waiting
    # It is part of what the next ticket tells.
    later = open_ticket(store, thread.id, "later")
    assert later.transcript[-1] == {"role": "person", "text": "It is from Ecuador."}


def test_the_customer_writes_on_and_a_closed_ticket_opens_again(store: Store, photo: Photo) -> None:
    ticket = open_ticket(store)
    store.reply(ticket.id, "Hello")
    assert store.close_ticket(ticket.id).state == "closed"
    assert store.close_ticket(ticket.id).state == "closed"
    assert store.ticket_of("t") is None
    with pytest.raises(StoreError, match="is closed; reopen it first"):
        store.reply(ticket.id, "Too late")
    picture = store.put_image(photo("Kiwi"), name="kiwi.jpg")
    for _ in range(2):
        added = store.add_to_ticket(ticket.id, "And this?", images=[picture.id, "0" * 64], key="m")
    assert [(reply.author, reply.text) for reply in added.replies] == [
        ("person", "Hello"),
        ("customer", "And this?"),
    ]
    assert added.replies[1].images == added.image_ids == (picture.id,)
    assert (added.state, added.waiting) == ("open", True)
    assert [call.position for call in store.deliveries(ticket.id)] == [-1, 1]
    store.close_ticket(ticket.id)
    assert store.reopen_ticket(ticket.id).state == "open"


def test_a_conversation_that_is_deleted_leaves_the_ticket_and_its_pictures(
    store: Store, photo: Photo
) -> None:
    picture = store.put_image(photo("Banana"), name="banana.jpg")
    thread = store.create_thread()
    ask(store, thread.id, images=(picture.id,), state="done")
    ticket = open_ticket(store, thread.id)
    store.close_ticket(ticket.id)
    store.delete_thread(thread.id)
    store.sweep()
    assert store.load_image(picture.id).id == picture.id
    assert store.ticket(ticket.id).image_ids == (picture.id,)
    store.reopen_ticket(ticket.id)
    sent = store.reply(ticket.id, "Are you still there?")
    assert sent.exchange_id is None
    assert image_files(store) == files_of(picture.id)
    store.delete_ticket(ticket.id)
    assert image_files(store) == set()
    with pytest.raises(StoreError, match="There is no ticket"):
        store.ticket(ticket.id)
    assert store.deliveries(ticket.id) == []


def test_a_deleted_ticket_leaves_what_its_conversation_shows(store: Store, photo: Photo) -> None:
    picture = store.put_image(photo("Banana"), name="banana.jpg")
    thread = store.create_thread()
    ask(store, thread.id, images=(picture.id,), state="done")
    ticket = open_ticket(store, thread.id)
    store.delete_ticket(ticket.id)
    assert store.load_image(picture.id).id == picture.id
    store.truncate(thread.id, 0)
    assert image_files(store) == set()


def test_no_tenant_sees_another_s(store: Store, photo: Photo) -> None:
    picture = store.put_image(photo("Banana"), name="banana.jpg", tenant="north")
    thread = store.create_thread(tenant="north")
    ticket = open_ticket(store, thread.id, tenant="north", images=(picture.id,))
    # Another tenant's conversation and pictures are as good as not there.
    mine = open_ticket(store, thread.id, "mine", images=(picture.id,))
    assert (mine.transcript, mine.image_ids) == ((), ())
    assert store.reply(mine.id, "Hello").exchange_id is None
    assert store.thread(thread.id, tenant="north").exchanges == ()
    for act in (
        lambda: store.ticket(ticket.id),
        lambda: store.reply(ticket.id, "x"),
        lambda: store.add_to_ticket(ticket.id, "x"),
        lambda: store.close_ticket(ticket.id),
        lambda: store.reopen_ticket(ticket.id),
        lambda: store.delete_ticket(ticket.id),
    ):
        with pytest.raises(StoreError, match=f"There is no ticket {ticket.id}"):
            act()
    assert store.deliveries(ticket.id) == []
    assert [each.id for each in store.tickets()] == [mine.id]
    assert store.ticket_of(thread.id) == store.ticket(mine.id)


def test_the_list_is_searched_and_who_waits_comes_first(store: Store) -> None:
    first = open_ticket(store, key="1")
    second = store.open_ticket(
        key="2", thread_id="u", reason="A REFUND of 100 %", kind="topic", summary="MELON"
    )
    third = open_ticket(store, key="3")
    store.reply(third.id, "Done with papayas")
    assert [each.id for each in store.tickets()] == [second.id, first.id, third.id]
    store.close_ticket(first.id)
    assert [each.id for each in store.tickets("open")] == [second.id, third.id]
    assert [each.id for each in store.tickets("closed")] == [first.id]
    for words in ("refund", "melon 100 %", second.id.lower()):
        assert [each.id for each in store.tickets(search=words)] == [second.id]
    assert [each.id for each in store.tickets(search="papaya")] == [third.id]
    assert store.tickets(search="100_%") == []
    assert [each.id for each in store.tickets("open", limit=1, offset=1)] == [third.id]
    assert store.count_tickets("open") == 2
    assert store.count_tickets(search="papaya") == 1


def test_bad_input(store: Store) -> None:
    with pytest.raises(InputError, match="needs a key"):
        open_ticket(store, key=" ")
    assert open_ticket(store, key="x" * 5000) == open_ticket(store, key="x" * 5000)
    assert open_ticket(store, key="x" * 5001) != open_ticket(store, key="x" * 5000)
    with pytest.raises(InputError, match="No ticket is of the kind"):
        store.open_ticket(key="k", thread_id="t", reason="", kind="whim")  # type: ignore[arg-type]
    ticket = open_ticket(store)
    for empty in ("", "  \n"):
        with pytest.raises(StoreError, match="nothing to send"):
            store.reply(ticket.id, empty)
    with pytest.raises(StoreError, match="characters"):
        store.reply(ticket.id, "x" * 20_001)
    for unknown in ("", "../../x", "x" * 10_000, "\x00", "a\ud800"):
        with pytest.raises(StoreError, match="There is no ticket"):
            store.ticket(unknown)
    assert store.ticket_of("") is None


def test_what_is_too_long_or_cannot_be_stored_is_cut_and_cleaned(store: Store) -> None:
    said: list[Said] = [
        {"role": "evil", "text": f"{index}\0\ud800" + "x" * 5_000, "images": ["1" * 64] * 500}
        for index in range(300)
    ]
    ticket = store.open_ticket(
        key="k\0", thread_id="t", reason="a\nb" * 1000, kind="tool", transcript=said,
        summary="s" * 10_000,
    )  # fmt: skip
    assert len(ticket.transcript) == 200
    assert ticket.transcript[0]["text"].startswith("100?")
    assert all(len(one["text"]) == 4_000 for one in ticket.transcript)
    assert {one["role"] for one in ticket.transcript} == {"agent"}
    assert len(ticket.reason) <= 500
    assert "\n" not in ticket.reason
    assert len(ticket.summary) == 4_000
    assert ticket.image_ids == ()
    assert len(store.add_to_ticket(ticket.id, "y" * 50_000).replies[0].text) == 20_000


def test_a_ticket_and_what_is_to_be_told_are_written_together(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tickets_module, "tell", fail)
    with pytest.raises(StoreError, match="no space left"):
        open_ticket(store)
    monkeypatch.undo()
    assert store.count_tickets() == 0
    assert len(store.deliveries(open_ticket(store).id)) == 1
