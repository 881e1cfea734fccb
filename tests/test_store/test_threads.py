"""Threads and exchanges: order, titles, search, conflicts, tenants, restarts."""

from __future__ import annotations

import os
import platform
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from assistant.errors import ConflictError, InputError, StoreError
from assistant.settings import Settings
from assistant.store import NewExchange, Store
from assistant.store.models import ExchangeRow
from assistant.store.text import default_title, fold, one_line, storable
from tests.test_store.conftest import Photo
from tests.test_store.steps import ask

DETAILS = {"model": "embedded", "timing": {"total": 1.25}, "names": ["香蕉", None, True]}


def test_a_conversation_survives_a_restart(settings: Settings, photo: Photo) -> None:
    with Store.open(settings) as store:
        shown = store.put_image(photo("Banana"), name="C:\\photos\\banana.jpg")
        used = store.put_image(photo("Lemon"), name="lemon.jpg")
        thread = store.create_thread()
        asked = store.add_exchange(
            thread.id,
            NewExchange(
                question="Hint: fruit. 这是什么?",
                shown="这是什么?",
                images=(shown.id, used.id),
                used=(used.id, used.id),
                enhancement={"denoise": 0.5},
            ),
            after=None,
        )
        store.set_answer(asked.id, answer="A ban", state="streaming", details={})
        store.set_answer(asked.id, answer="A banana.", state="done", details=DETAILS)
        ask(store, thread.id, "And this?", after=0)
    with Store.open(settings) as store:
        found = store.thread(thread.id)
        first, second = found.exchanges
        assert (found.title, found.total, found.last_position) == ("这是什么?", 2, 1)
        assert first.question == "Hint: fruit. 这是什么?"
        assert first.shown == "这是什么?"
        assert first.images == (shown.id, used.id)
        assert first.used == (used.id, used.id)
        assert first.names == ("banana.jpg", "lemon.jpg")
        assert first.enhancement == {"denoise": 0.5}
        assert (first.answer, first.state, first.details) == ("A banana.", "done", DETAILS)
        assert first.created == asked.created
        assert first.created.utcoffset() == timedelta(0)
        assert (second.position, second.images, second.enhancement) == (1, (), None)
        assert [line.id for line in store.threads()] == [thread.id]


def test_only_the_last_exchanges_are_read(store: Store) -> None:
    thread = store.create_thread("long")
    for position in range(5):
        ask(store, thread.id, f"number {position}", after=position - 1 if position else None)
    found = store.thread(thread.id, last=2)
    assert [exchange.shown for exchange in found.exchanges] == ["number 3", "number 4"]
    assert (found.total, found.last_position) == (5, 4)
    assert store.thread(thread.id, last=0).exchanges == ()


def test_threads_are_listed_by_activity(store: Store) -> None:
    threads = [store.create_thread(title) for title in ("one", "two", "three")]
    asked = ask(store, threads[0].id)
    assert [line.title for line in store.threads()] == ["one", "three", "two"]
    ask(store, threads[1].id)
    store.set_answer(asked.id, answer="Yes.", state="done", details={})
    assert [line.title for line in store.threads()] == ["one", "two", "three"]
    store.rename_thread(threads[2].id, "renamed")
    assert [line.title for line in store.threads(limit=2, offset=1)] == ["two", "renamed"]
    assert [line.total for line in store.threads()] == [1, 1, 0]
    assert store.count_threads() == 3


def test_a_title_follows_the_first_question_until_it_is_given(store: Store) -> None:
    thread = store.create_thread()
    ask(store, thread.id, "What  is\tin the picture?")
    assert store.thread(thread.id).title == "What is in the picture?"
    store.truncate(thread.id, 0)
    assert store.thread(thread.id).title == ""
    ask(store, thread.id, "Is it ripe?")
    ask(store, thread.id, "Really?", after=0)
    assert store.thread(thread.id).title == "Is it ripe?"
    store.rename_thread(thread.id, "My fruit")
    store.truncate(thread.id, 0)
    ask(store, thread.id, "Is it green?")
    assert store.thread(thread.id).title == "My fruit"
    store.rename_thread(thread.id, "")
    assert store.thread(thread.id).title == "Is it green?"


def test_a_photo_without_a_question_gives_the_title(store: Store, photo: Photo) -> None:
    image = store.put_image(photo("Kiwi"), name="kiwi at home.jpg")
    thread = store.create_thread()
    ask(store, thread.id, "", images=(image.id,))
    assert store.thread(thread.id).title == "kiwi at home.jpg"


@pytest.mark.parametrize(
    ("question", "title"),
    [
        ("Is it ripe?", "Is it ripe?"),
        (
            "How many bananas are in the bowl on the table, and are they ripe?",
            "How many bananas are in the bowl on the…",
        ),
        (
            "照片里有几根香蕉它们熟了吗还是需要再等几天才能吃",
            "照片里有几根香蕉它们熟了吗还是需要再等几天才…",
        ),
        ("x" * 60, "x" * 44 + "…"),
        ("   \n", ""),
    ],
)
def test_default_titles_are_short_and_of_whole_words(question: str, title: str) -> None:
    assert default_title(question) == title


def test_titles_are_one_printable_line(store: Store) -> None:
    thread = store.create_thread("a\x00b\x1b[31m\nc\u202egpj\ud800")
    assert thread.title == store.thread(thread.id).title == "ab [31m cgpj?"
    store.rename_thread(thread.id, "y" * 500)
    assert len(store.thread(thread.id).title) == 200
    with pytest.raises(StoreError, match="type another"):
        store.rename_thread(thread.id, "\x07\u202e\n")
    assert store.thread(thread.id).title.startswith("yyy")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("香蕉", {"chinese"}),
        ("ÄPFEL", {"german"}),
        ("бАнАн", {"russian"}),
        ("\uff2b\uff29\uff37\uff29", {"kiwi"}),  # of full width
        ("is KIWI", {"kiwi"}),  # a word of the title and one of the answer
        ("100%", {"percent"}),
        ("%", {"percent"}),
        ("_", {"percent"}),
        ("\\", {"percent"}),
        ("kiwi banan", set()),
        ("nowhere", set()),
        ("\x00", {"chinese", "german", "russian", "kiwi", "percent"}),
    ],
)
def test_search(store: Store, search: str, found: set[str]) -> None:
    texts = {
        "chinese": ("这是什么?", "一根黄色的香蕉。"),
        "german": ("Sind das Äpfel?", "Ja."),
        "russian": ("Что это?", "БАНАН"),
        "kiwi": ("Which?", "It is green."),
        "percent": ("Sure?", "100% a_b c\\d"),
    }
    for title, (question, answer) in texts.items():
        asked = ask(store, store.create_thread(title).id, question)
        store.set_answer(asked.id, answer=answer, state="done", details={})
    assert {line.title for line in store.threads(search)} == found
    assert store.count_threads(search) == len(found)


def test_search_follows_what_changes(store: Store) -> None:
    thread = store.create_thread()
    asked = ask(store, thread.id, "Which fruit?")
    store.set_answer(asked.id, answer="A lemon", state="streaming", details={})
    store.set_answer(asked.id, answer="A lemon.", state="stopped", details={})
    assert store.count_threads("lemon") == 1
    store.set_answer(asked.id, answer="A lime.", state="done", details={})
    assert store.count_threads("lemon") == 0
    store.rename_thread(thread.id, "Lemonade")
    assert store.count_threads("LEMON fruit") == 1
    store.truncate(thread.id, 0)
    assert store.count_threads("fruit") == 0


def test_the_second_of_two_tabs_hears_of_it(store: Store) -> None:
    thread = store.create_thread()
    first = ask(store, thread.id, "one")
    for after in (None, 1):
        with pytest.raises(ConflictError, match="reload"):
            ask(store, thread.id, "two", after=after)
    assert ask(store, thread.id, "two", after=0).position == 1
    assert [exchange.shown for exchange in store.thread(thread.id).exchanges] == ["one", "two"]
    assert first.position == 0


def test_of_many_writers_at_once_one_wins(settings: Settings) -> None:
    stores = [Store.open(settings) for _ in range(2)]
    thread = stores[0].create_thread()
    start = threading.Barrier(8)
    outcomes: list[str] = []

    def write(store: Store) -> None:
        start.wait()
        try:
            ask(store, thread.id)
            outcomes.append("added")
        except ConflictError:
            outcomes.append("conflict")

    writers = [threading.Thread(target=write, args=(stores[i % 2],)) for i in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(outcomes) == ["added"] + ["conflict"] * 7
    assert stores[0].thread(thread.id).total == 1
    for store in stores:
        store.close()


def test_one_store_serves_many_threads(store: Store) -> None:
    ids = [store.create_thread(f"{index}").id for index in range(6)]
    failures: list[BaseException] = []

    def converse(id: str) -> None:
        try:
            for turn in range(5):
                asked = ask(store, id, after=turn - 1 if turn else None)
                store.set_answer(asked.id, answer="a", state="streaming", details={})
                store.set_answer(asked.id, answer="ab", state="done", details={})
                assert store.thread(id).total == turn + 1
                store.threads("ab")
        except BaseException as error:
            failures.append(error)

    people = [threading.Thread(target=converse, args=(id,)) for id in ids]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert not failures
    assert [store.thread(id).total for id in ids] == [5] * 6


def test_tenants_do_not_see_one_another(store: Store, photo: Photo) -> None:
    image = store.put_image(photo("Banana"), name="banana.jpg", tenant="a")
    thread = store.create_thread("secret", tenant="a")
    asked = ask(store, thread.id, images=(image.id,), tenant="a")
    store.set_feedback(asked.id, thumb=1, correction="A banana.", tenant="a")
    store.set_preference("language", "zh", tenant="a")
    own = store.create_thread("mine", tenant="b")
    for tenant in ("b", ""):
        assert store.count_threads("secret", tenant=tenant) == 0
        assert [line.title for line in store.threads(tenant="b")] == ["mine"]
        assert list(store.training_rows(tenant=tenant)) == []
        assert store.preference("language", "en", tenant=tenant) == "en"
        for forbidden in (
            lambda t=tenant: store.thread(thread.id, tenant=t),
            lambda t=tenant: store.rename_thread(thread.id, "x", tenant=t),
            lambda t=tenant: store.delete_thread(thread.id, tenant=t),
            lambda t=tenant: store.truncate(thread.id, 0, tenant=t),
            lambda t=tenant: store.export_thread(thread.id, form="json", tenant=t),
            lambda t=tenant: ask(store, thread.id, after=0, tenant=t),
            lambda t=tenant: store.set_answer(
                asked.id, answer="x", state="done", details={}, tenant=t
            ),
            lambda t=tenant: store.set_feedback(asked.id, thumb=-1, correction=None, tenant=t),
            lambda t=tenant: store.image_bytes(image.id, tenant=t),
            lambda t=tenant: store.load_image(image.id, tenant=t),
            lambda t=tenant: store.image_info(image.id, tenant=t),
            lambda t=tenant: store.thumbnail(image.id, tenant=t),
        ):
            with pytest.raises(StoreError, match="not there any more"):
                forbidden()
    with pytest.raises(StoreError, match="photo is not stored"):
        ask(store, own.id, images=(image.id,), tenant="b")
    found = store.thread(thread.id, tenant="a")
    assert (found.title, found.total) == ("secret", 1)
    assert (found.exchanges[0].answer, found.exchanges[0].thumb) == ("", 1)
    assert store.thread(own.id, tenant="b").total == 0


@pytest.mark.parametrize("id", ["", "x", "0" * 32, "\0", "\ud800", "../" * 11, "0" * 64])
def test_ids_that_nobody_gave(store: Store, id: str) -> None:
    for call in (store.thread, store.delete_thread, store.image_bytes, store.thumbnail):
        with pytest.raises(StoreError, match="not there any more"):
            call(id)
    with pytest.raises(StoreError, match="not there any more"):
        store.set_answer(id, answer="", state="done", details={})


def age(store: Store, exchange_id: str, *, minutes: float = 0, writer: str | None = None) -> None:
    """Make it look as if the answer was last written so long ago, or by another process."""
    values = {"updated": datetime.now(UTC) - timedelta(minutes=minutes)}
    with store.database.write() as session:
        session.execute(update(ExchangeRow).where(ExchangeRow.id == exchange_id).values(**values))
        if writer is not None:
            session.execute(
                update(ExchangeRow).where(ExchangeRow.id == exchange_id).values(writer=writer)
            )


@pytest.mark.parametrize("seen_by", ["thread", "open"])
@pytest.mark.parametrize(
    ("minutes", "writer", "state"),
    [
        (9.0, None, "streaming"),
        (11.0, None, "stopped"),
        (0.1, "elsewhere/4/1700000000", "streaming"),
        (11.0, "elsewhere/4/1700000000", "stopped"),
        (0.1, "{host}/{pid}/1", "stopped"),  # another process has our number now
        (0.1, "{host}/99999999/1700000000", "stopped"),
    ],
)
def test_an_answer_that_was_cut_off_is_stopped(
    settings: Settings, seen_by: str, minutes: float, writer: str | None, state: str
) -> None:
    with Store.open(settings) as store:
        thread = store.create_thread()
        asked = ask(store, thread.id)
        store.set_answer(asked.id, answer="A yellow ban", state="streaming", details={})
        if writer is not None:
            writer = writer.format(host=platform.node(), pid=os.getpid())
        age(store, asked.id, minutes=minutes, writer=writer)
        if seen_by == "open":
            Store.open(settings).close()
            with store.database.read() as session:
                assert session.get_one(ExchangeRow, asked.id).state == state
        found = store.thread(thread.id).exchanges[0]
        assert (found.state, found.answer) == (state, "A yellow ban")
        with store.database.read() as session:
            assert session.get_one(ExchangeRow, asked.id).state == state
        assert store.count_threads("yellow") == (state == "stopped")


def test_an_answer_of_a_deleted_question_is_refused(store: Store) -> None:
    thread = store.create_thread()
    asked = ask(store, thread.id)
    store.truncate(thread.id, 0)
    for state in ("streaming", "done"):
        with pytest.raises(StoreError, match="question is not there any more"):
            store.set_answer(asked.id, answer="A", state=state, details={})
    assert store.thread(thread.id).total == 0


def test_what_no_database_can_hold(store: Store) -> None:
    thread = store.create_thread()
    asked = ask(store, thread.id, "nul \0 and \ud800 lone")
    store.set_answer(
        asked.id, answer="a\0b\udfff", state="failed", details={"odd": "\0\ud800"}, error="e\0"
    )
    found = store.thread(thread.id).exchanges[0]
    assert (found.shown, found.answer, found.error) == ("nul  and ? lone", "ab?", "e")
    assert found.details == {"odd": "\0\ud800"}
    with pytest.raises(InputError, match="cannot be kept"):
        store.set_answer(asked.id, answer="new", state="done", details={"x": float("nan")})
    with pytest.raises(InputError, match="streaming, done"):
        store.set_answer(asked.id, answer="new", state="odd", details={})  # type: ignore[arg-type]
    assert store.thread(thread.id).exchanges[0].answer == "ab?"


def test_a_question_of_fifty_thousand_characters_is_refused(store: Store) -> None:
    thread = store.create_thread()
    with pytest.raises(StoreError, match=r"50,000 characters.*20,000.*shorten"):
        ask(store, thread.id, "长" * 50_000)
    assert (store.thread(thread.id).total, store.thread(thread.id).title) == (0, "")
    asked = ask(store, thread.id, "长" * 20_000)
    with pytest.raises(StoreError, match="shorten"):
        store.set_feedback(asked.id, thumb=None, correction="x" * 50_000)
    assert store.thread(thread.id).exchanges[0].shown == "长" * 20_000


def test_pictures_names_and_used_ones_come_in_equal_numbers(store: Store) -> None:
    thread = store.create_thread()
    with pytest.raises(InputError, match="as many"):
        ask(store, thread.id, images=("0" * 64,), used=("0" * 64, "1" * 64))


def test_preferences(store: Store) -> None:
    assert store.preference("theme", "light") == "light"
    for value in ("dark", None, {"a": [1, "二"]}, False):
        store.set_preference("theme", value)
        assert store.preference("theme", "light") == value
    with pytest.raises(InputError, match="theme"):
        store.set_preference("theme", float("inf"))
    assert store.preference("theme") is False


def test_writing_an_answer_is_cheap(sqlite_settings: Settings) -> None:
    """Twice a second for a minute: no answer may wait for the disk at every word."""
    with Store.open(sqlite_settings) as store:
        asked = ask(store, store.create_thread().id)
        start = time.process_time()
        for words in range(120):
            store.set_answer(asked.id, answer="word " * words, state="streaming")
        assert time.process_time() - start < 5
        assert store.thread(asked.thread_id).exchanges[0].details == {}


def test_cleaning_of_text() -> None:
    assert storable("a\0b\ud83d") == "ab?"
    assert one_line(" a\r\n b\u2028c\x7f") == "a b c"
    family = "\U0001f469\u200d\U0001f467 family"
    assert one_line(family) == family
    assert fold("\uff26oo Straße") == "foo strasse"
