"""The chat page, with an engine that answers from a script and the real store."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Slider

import assistant.engine
from assistant.errors import StoreError, WeightsError
from assistant.images import open_image
from assistant.prompts import DESCRIBE
from assistant.settings import get_settings
from assistant.store import NewExchange, Store
from tests.scripted_page import HOSTILE, PAGE, ScriptedEngine
from ui.conversation import MAX_PHOTOS
from ui.conversation import PAGE as EXCHANGES_PAGE
from ui.desk import THREADS_PAGE, Desk
from ui.engine_room import EngineRoom

TIMEOUT = 120.0


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine(["A yellow banana.", "It is yellow."])
    monkeypatch.setattr(assistant.engine.Engine, "load", scripted.load)
    st.cache_resource.clear()
    yield scripted
    st.cache_resource.clear()


@pytest.fixture
def page(engine: ScriptedEngine) -> AppTest:
    return open_page()


@pytest.fixture
def banana(photos: Path) -> bytes:
    return (photos / "phone-portrait-banana.jpg").read_bytes()


def open_page(thread: str | None = None) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    if thread is not None:
        page.query_params["thread"] = thread
    page.run()
    assert not page.exception
    return page


def send(page: AppTest, text: str | None = None, **files: bytes) -> AppTest:
    """Submit a message; `jpg=` and so on are files named photo.jpg."""
    for suffix, content in files.items():
        page.chat_input[0].upload(f"photo.{suffix}", content)
    if text is not None:
        page.chat_input[0].set_value(text)
    page.run()
    assert not page.exception
    return page


def press(page: AppTest, label: str, place: int = 0) -> AppTest:
    buttons = [button for button in page.button if button.label.replace("\\", "") == label]
    assert buttons, f"no {label} among {[button.label for button in page.button]}"
    buttons[place].click().run()
    assert not page.exception
    return page


def choose(page: AppTest, menu: str, option: str, place: int = -1) -> AppTest:
    menus = [button for button in page.menu_button if button.label == menu]
    menus[place].set_value(option).run()
    assert not page.exception
    return page


def said(page: AppTest, who: str) -> list[str]:
    return [text.value for box in page.chat_message if box.name == who for text in box.text]


def desk_of(page: AppTest) -> Desk:
    desk: Desk = page.session_state["desk"]
    return desk


def slider(page: AppTest, label: str) -> Slider:
    return next(found for found in page.slider if found.label == label)


def labels(page: AppTest) -> list[str]:
    return [button.label.replace("\\", "") for button in page.button]


# --- asking


def test_the_empty_page_offers_suggestions_and_names_the_model(page: AppTest) -> None:
    assert page.header[0].value == "Ask about a photo"
    suggestions = ["What is in this picture?", "What colour is it?", "How many are there?"]
    assert labels(page)[:3] == suggestions
    captions = [caption.value.replace("\\", "") for caption in page.sidebar.caption]
    assert "Model: embedded · shop · nf4" in captions
    assert "Your conversations will be listed here." in captions


def test_a_suggestion_lands_in_the_message_box(page: AppTest) -> None:
    press(page, "What colour is it?")
    assert page.chat_input[0].proto.value == "What colour is it?"
    assert page.info[0].value == "Now add a photo below, then send."


def test_a_photo_alone_is_described_and_stored(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, jpg=banana)
    name = open_image(banana).id
    assert engine.asked == [[("user", DESCRIBE["sentence"], (name,))]]
    assert engine.given == [[name]]
    assert said(page, "user") == ["Describe this picture"]
    assert said(page, "assistant") == ["A yellow banana."]
    with Store.open() as store:
        (summary,) = store.threads()
        (exchange,) = store.thread(summary.id).exchanges
    assert (exchange.answer, exchange.state, exchange.shown) == ("A yellow banana.", "done", "")
    assert exchange.images == exchange.used == (name,)
    details = exchange.details
    assert (details["model"], details["adapter"], details["quantization"]) == (
        "embedded",
        "shop",
        "nf4",
    )
    assert (details["computed"], details["reused"], details["finish"]) == (12, 60, "stop")
    assert 0 <= details["first_word"] <= details["total"]
    assert details["evidence"][name]["names"][0] == ["banana", 0.83]
    assert page.query_params["thread"] in (summary.id, [summary.id])


def test_a_follow_up_goes_with_the_earlier_turns(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, jpg=banana)
    send(page, "What colour is it?")
    name = open_image(banana).id
    assert engine.asked[1] == [
        ("user", DESCRIBE["sentence"], (name,)),
        ("assistant", "A yellow banana.", ()),
        ("user", "What colour is it?", ()),
    ]
    assert engine.encoded == [name], "encoded once, asked twice"
    assert said(page, "assistant") == ["A yellow banana.", "It is yellow."]


def test_a_conversation_survives_a_restart(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, "What is this?", jpg=banana)
    thread = desk_of(page).thread_id
    st.cache_resource.clear()  # a new process opens the store and loads the model anew
    again = open_page(thread)
    assert said(again, "assistant") == ["A yellow banana."]
    send(again, "What colour is it?")
    assert engine.asked[-1][0] == ("user", "What is this?", (open_image(banana).id,))


def test_an_address_of_a_conversation_that_is_gone_says_so(engine: ScriptedEngine) -> None:
    page = open_page("0" * 32)
    assert page.warning[0].value == "That conversation is not here any more."
    assert page.header[0].value == "Ask about a photo"


def test_the_message_settings_reach_the_engine(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    press(page, "Settings")
    slider(page, "Temperature").set_value(0.8)
    slider(page, "Longest answer, in tokens").set_value(200)
    page.number_input[0].set_value(7)
    press(page, "Save")
    send(page, jpg=banana)
    (sampling,) = engine.sampled
    assert (sampling.temperature, sampling.max_tokens, sampling.seed) == (0.8, 200, 7)
    st.cache_resource.clear()
    again = desk_of(open_page()).preferences
    assert (again.temperature, again.max_tokens, again.seed) == (0.8, 200, 7)


def test_the_language_is_switched_in_the_settings(page: AppTest) -> None:
    press(page, "Settings")
    (why,) = [each for each in page.expander if "kept as" in each.label]
    assert why.text[0].value.endswith(".")
    page.selectbox[0].set_value("zh")
    press(page, "Save")
    assert page.header[0].value == "拿一张照片来问"
    assert "自带的模型是用英文训练的：请用英文提问。" in [c.value for c in page.caption]
    page.button(key="suggest-What colour is it?").click().run()
    assert page.chat_input[0].proto.value == "What colour is it?", "the model knows English"


# --- what can be done with an answer


def thumbs(page: AppTest) -> Any:
    """The thumbs under the first answer; the stubs of AppTest do not know that they take values."""
    return page.get("feedback")[0]


def test_an_answer_is_written_again_differently(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, jpg=banana)
    thumbs(page).set_value(1).run()
    press(page, "Answer again")
    assert said(page, "assistant") == ["It is yellow."]
    assert engine.asked[0] == engine.asked[1]
    assert [sampling.temperature > 0 for sampling in engine.sampled] == [False, True]
    (exchange,) = desk_of(page).exchanges
    assert exchange.thumb is None, "it was about the other answer"


def test_an_edited_question_drops_what_follows(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, "What is this?", jpg=banana)
    send(page, "What colour is it?")
    engine.answers = ["Fruit."]
    press(page, "Edit")
    assert page.text_area[0].value == "What is this?"
    page.text_area[0].set_value("What kind of thing is this?")
    press(page, "Send")
    assert said(page, "user") == ["What kind of thing is this?"]
    assert said(page, "assistant") == ["Fruit."]
    name = open_image(banana).id
    assert engine.asked[-1] == [("user", "What kind of thing is this?", (name,))]
    with Store.open() as store:
        (exchange,) = store.thread(desk_of(page).thread_id or "").exchanges
        assert store.image_bytes(name)
    assert (exchange.answer, exchange.images) == ("Fruit.", (name,))


def test_thumbs_and_corrections_become_training_rows(page: AppTest, banana: bytes) -> None:
    send(page, "What is this?", jpg=banana)
    thumbs(page).set_value(0).run()
    assert desk_of(page).exchanges[0].thumb == -1
    choose(page, "More", "correct")
    page.text_area[0].set_value("Two bananas.")
    press(page, "Save")
    assert "Your correction: Two bananas." in said(page, "assistant")
    with Store.open() as store:
        (row,) = store.training_rows()
    assert (row["question"], row["answer"], row["corrected"]) == (
        "What is this?",
        "Two bananas.",
        True,
    )


def test_details_say_who_answered_and_how_long_it_took(page: AppTest, banana: bytes) -> None:
    send(page, jpg=banana)
    choose(page, "More", "details")
    texts = [text.value for text in page.text]
    assert {"embedded", "shop", "nf4", "12 computed, 60 reused"} < set(texts)
    assert any(re.fullmatch(r"\d+\.\d\d s", text) for text in texts)


def test_what_the_encoder_sees_is_shown_with_its_doubt(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    engine.familiar = False
    send(page, jpg=banana)
    doubt = "This does not look like pictures I was trained on."
    told = f"{doubt} It may show: banana."
    assert any(told in caption.value.replace("\\", "") for caption in page.caption)
    hint = "The picture may show: banana."
    assert engine.asked[-1][-1][1] == f"{hint} {DESCRIBE['sentence']}"
    send(page, "What colour is it?")
    assert engine.asked[-1][0][1] == f"{hint} {DESCRIBE['sentence']}", "repeated as it was"
    assert engine.asked[-1][-1][1] == "What colour is it?"
    choose(page, "More", "evidence", 0)
    assert page.warning[0].value == doubt
    bars = [bar.proto.text for bar in page.get("progress")]
    assert bars[0] == "banana · 83%"


def test_where_it_looked_is_shown_word_by_word(page: AppTest, banana: bytes) -> None:
    send(page, jpg=banana)
    press(page, "Where it looked")
    pills: Any = page.get("pills")[0]
    assert [option.content for option in pills.proto.options] == [
        "Whole answer",
        "A",
        "yellow",
        "banana\\.",
    ]
    pills.set_value(1).run()
    assert not page.exception
    sentence = r"For “A”, most weight lies at the upper left of photo\.jpg: \d\d % of all\."
    assert any(re.fullmatch(sentence, text.value) for text in page.text)


def test_an_engine_without_a_gaze_offers_none(
    engine: ScriptedEngine, banana: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ScriptedEngine, "look")
    monkeypatch.delattr(ScriptedEngine, "evidence")
    page = send(open_page(), jpg=banana)
    assert "Where it looked" not in labels(page)
    assert "evidence" not in desk_of(page).exchanges[0].details


def test_adjusted_photos_go_to_the_model_and_the_originals_are_kept(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    slider(page, "Contrast").set_value(1.6).run()
    send(page, "What is this?", jpg=banana)
    name = open_image(banana).id
    ((used,),) = engine.given
    (exchange,) = desk_of(page).exchanges
    assert used != name
    assert (exchange.images, exchange.used) == ((name,), (used,))
    assert exchange.enhancement is not None and exchange.enhancement["contrast"] == 1.6
    assert {"Before", "After"} < {caption.value for caption in page.caption}
    choose(page, "More", "without")
    assert engine.given[-1] == [name]
    assert said(page, "assistant") == ["A yellow banana.", "It is yellow."]
    assert desk_of(page).exchanges[0].answer == "A yellow banana."
    send(page, "And now?")
    assert desk_of(page).exchanges[1].enhancement is None, "set for one message only"


# --- threads


def fill(threads: int, exchanges: int = 1) -> list[str]:
    """Conversations straight into the store; returns their ids, oldest first."""
    ids = []
    with Store.open() as store:
        for number in range(threads):
            thread = store.create_thread(f"Thread {number}")
            ids.append(thread.id)
            for place in range(exchanges):
                new = NewExchange(
                    question=f"Question {place}", shown=f"Question {place}", answer="Yes.",
                    state="done",
                )  # fmt: skip
                store.add_exchange(thread.id, new, after=place - 1 if place else None)
    return ids


def listed(page: AppTest) -> list[str]:
    return [label for label in labels(page) if label.startswith("Thread ")]


def test_threads_are_listed_a_page_at_a_time_and_searched(engine: ScriptedEngine) -> None:
    fill(THREADS_PAGE + 5)
    page = open_page()
    assert len(listed(page)) == THREADS_PAGE
    assert listed(page)[0] == f"Thread {THREADS_PAGE + 4}"
    press(page, "Show more")
    assert len(listed(page)) == THREADS_PAGE + 5
    page.sidebar.text_input[0].set_value("thread 13").run()
    assert listed(page) == ["Thread 13"]
    page.sidebar.text_input[0].set_value("no such thing").run()
    assert "No conversation has these words." in [c.value for c in page.sidebar.caption]


def test_a_long_thread_shows_its_end_and_more_on_demand(engine: ScriptedEngine) -> None:
    (thread,) = fill(1, exchanges=2 * EXCHANGES_PAGE + 10)
    page = open_page(thread)
    assert len(page.chat_message) == 2 * EXCHANGES_PAGE
    assert said(page, "user")[-1] == f"Question {2 * EXCHANGES_PAGE + 9}"
    press(page, f"Show {EXCHANGES_PAGE} earlier questions")
    assert len(page.chat_message) == 4 * EXCHANGES_PAGE
    press(page, "Show 10 earlier questions")
    assert said(page, "user")[0] == "Question 0"


def test_threads_are_opened_renamed_and_deleted(engine: ScriptedEngine) -> None:
    second = fill(2)[1]
    page = open_page()
    press(page, "Thread 0")
    assert "Thread 0" in [subheader.value for subheader in page.subheader]
    choose(page, "Conversation", "rename")
    page.text_input[-1].set_value("<b>Mine</b>")
    press(page, "Save")
    assert "<b>Mine</b>" in labels(page)
    choose(page, "Conversation", "delete")
    press(page, "Cancel")
    with Store.open() as store:
        assert store.count_threads() == 2
    choose(page, "Conversation", "delete")
    press(page, "Delete for good")
    assert page.header[0].value == "Ask about a photo"
    with Store.open() as store:
        assert [thread.id for thread in store.threads()] == [second]


# --- bad input


def test_a_question_without_a_photo_stays_in_the_box(page: AppTest, engine: ScriptedEngine) -> None:
    send(page, "What is this?")
    assert engine.asked == []
    assert page.chat_input[0].proto.value == "What is this?"
    assert page.info[0].value == "Now add a photo below, then send."
    with Store.open() as store:
        assert store.count_threads() == 0


def test_fifty_thousand_characters_come_back_with_a_sentence(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, "a" * 50_000, jpg=banana)
    assert engine.asked == []
    assert "50,000 characters" in page.warning[0].value.replace("\\", "")
    assert page.chat_input[0].proto.value == "a" * 50_000
    assert [photo.name for photo in desk_of(page).tray] == ["photo.jpg"]
    send(page, "What is this?")
    assert engine.given == [[open_image(banana).id]]


def test_a_text_file_named_jpg_is_one_sentence_and_the_good_photo_waits(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, "What is this?", jpg=banana, png=b"just text")
    assert engine.asked == []
    sentences = [warning.value.replace("\\", "") for warning in page.warning]
    assert sentences[0].startswith("photo.png is not a picture")
    assert sentences[-1] == "Your message was not sent and is back in the box."
    press(page, "Remove photo.jpg")
    assert desk_of(page).tray == []


def test_of_forty_photos_the_first_are_taken_and_it_says_so(
    page: AppTest, engine: ScriptedEngine, photos: Path
) -> None:
    names = sorted(photos.glob("*.webp"))
    for number in range(40):
        page.chat_input[0].upload(f"{number}.webp", names[number % 20].read_bytes())
    page.run()
    assert not page.exception
    assert len(engine.given[0]) == MAX_PHOTOS
    sentence = f"36 photos were left out: a message takes {MAX_PHOTOS} at most."
    assert sentence in [caption.value for caption in page.caption]


def test_hostile_text_is_shown_as_text(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    engine.answers = [HOSTILE]
    page.chat_input[0].upload("![x](http://evil.example/n.png).jpg", banana)
    send(page, HOSTILE)
    assert said(page, "assistant") == [HOSTILE]
    assert said(page, "user") == [HOSTILE]
    marked = [*page.markdown, *page.caption, *page.subheader, *page.button]
    for element in marked:
        text = getattr(element, "value", None)
        text = text if isinstance(text, str) else element.label
        assert not re.search(r"(?<!\\)(\]|<)", text), text


def test_a_model_that_cannot_be_loaded_is_one_sentence_and_a_second_try(
    engine: ScriptedEngine,
) -> None:
    engine.failures = ["The base is missing: run sightdesk fetch."]
    page = open_page()
    assert page.error[0].value == r"The base is missing\: run sightdesk fetch\."
    assert not page.chat_input
    press(page, "Try again")
    assert not page.error
    assert page.chat_input


def test_an_error_while_answering_is_shown_and_the_photo_kept(
    page: AppTest, engine: ScriptedEngine, banana: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WeightsError("The model is gone: start again.")

    with monkeypatch.context() as patch:
        patch.setattr(engine, "stream", fail)
        send(page, jpg=banana)
    assert page.error[0].value == r"The model is gone\: start again\."
    assert desk_of(page).exchanges[0].state == "failed"
    send(page, "What colour is it?")
    assert engine.asked == [[("user", "What colour is it?", (open_image(banana).id,))]]


def test_two_tabs_on_one_thread_lose_nothing(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, "What is this?", jpg=banana)
    other = open_page(desk_of(page).thread_id)
    send(other, "What colour is it?")
    send(page, "How many are there?")
    assert "went on in another tab" in page.warning[0].value
    assert page.chat_input[0].proto.value == "How many are there?"
    assert said(page, "user") == ["What is this?", "What colour is it?"]
    send(page, "How many are there?")
    assert said(page, "user")[-1] == "How many are there?"
    assert [e.position for e in desk_of(page).exchanges] == [0, 1, 2]


def test_a_thread_deleted_in_another_tab_is_said_to_be_gone(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, "What is this?", jpg=banana)
    with Store.open() as store:
        store.delete_thread(desk_of(page).thread_id or "")
    send(page, "What colour is it?")
    assert page.warning[0].value == "That conversation is not here any more."
    assert page.chat_input[0].proto.value == "What colour is it?"
    assert desk_of(page).trouble is None


def test_a_corrupted_database_lets_the_page_answer_and_is_tried_again(
    engine: ScriptedEngine, banana: bytes
) -> None:
    with Store.open():
        pass
    (database,) = get_settings().data_dir.glob("*.db")
    good = database.read_bytes()
    for leftover in database.parent.glob(f"{database.name}-*"):
        leftover.unlink()
    database.write_bytes(b"this is no database" * 1000)
    page = open_page()
    assert any("Nothing is being saved right now" in text.value for text in page.markdown)
    send(page, "What is this?", jpg=banana)
    assert said(page, "assistant") == ["A yellow banana."]
    press(page, "Try again")
    assert desk_of(page).trouble is not None
    for leftover in database.parent.glob(f"{database.name}-*"):
        leftover.unlink()
    database.write_bytes(good)
    press(page, "Try again")
    assert desk_of(page).trouble is None
    with Store.open() as store:
        (summary,) = store.threads()
        (exchange,) = store.thread(summary.id).exchanges
    assert (exchange.shown, exchange.answer) == ("What is this?", "A yellow banana.")


def test_a_database_that_stops_working_keeps_the_conversation(
    page: AppTest, engine: ScriptedEngine, banana: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise StoreError("The disk is full: make room, then try again.")

    send(page, "What is this?", jpg=banana)
    with monkeypatch.context() as patch:
        for name in ("add_exchange", "set_answer", "set_preference", "put_image"):
            patch.setattr(Store, name, fail)
        send(page, "What colour is it?")
        assert said(page, "assistant") == ["A yellow banana.", "It is yellow."]
        assert "The disk is full: make room, then try again." in [t.value for t in page.text]
        press(page, "New conversation")
    press(page, "Try again")
    assert desk_of(page).trouble is None
    with Store.open() as store:
        (summary,) = store.threads()
        kept = store.thread(summary.id).exchanges
    assert [(e.shown, e.answer, e.state) for e in kept] == [
        ("What is this?", "A yellow banana.", "done"),
        ("What colour is it?", "It is yellow.", "done"),
    ]


def test_a_locked_database_is_one_sentence(
    page: AppTest, engine: ScriptedEngine, banana: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(page, "What is this?", jpg=banana)
    (database,) = get_settings().data_dir.glob("*.db")
    other = sqlite3.connect(database, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        send(page, "What colour is it?")
        assert said(page, "assistant")[-1] == "It is yellow."
        assert desk_of(page).trouble is not None
    finally:
        other.execute("ROLLBACK")
        other.close()
    press(page, "Try again")
    assert desk_of(page).trouble is None
    with Store.open() as store:
        (summary,) = store.threads()
        assert summary.total == 2


# --- the engine room


def test_the_engine_is_loaded_once(engine: ScriptedEngine) -> None:
    room = EngineRoom()
    reports: list[tuple[str, float | None]] = []
    assert not room.ready
    first = room.get(lambda message, fraction: reports.append((message, fraction)))
    assert room.get(lambda *_: None) is first
    assert room.ready
    assert (room.message, room.fraction) == ("Reading the model", 0.5)


def test_the_engine_has_one_user_at_a_time() -> None:
    room = EngineRoom()
    waited: list[bool] = []

    def give_up() -> None:
        waited.append(True)
        raise TimeoutError

    with room.turn(give_up):
        with pytest.raises(TimeoutError), room.turn(give_up):
            pass
        assert waited == [True]
    with room.turn(give_up):
        pass
    assert waited == [True]


def test_a_loading_that_failed_is_tried_again(engine: ScriptedEngine) -> None:
    engine.failures = ["No base."]
    room = EngineRoom()
    with pytest.raises(WeightsError, match="No base"):
        room.get(lambda *_: None)
    assert not room.ready
    assert room.get(lambda *_: None).name == "embedded"


# --- adapters


def test_an_adapter_is_chosen_without_a_restart(
    page: AppTest, engine: ScriptedEngine, banana: bytes
) -> None:
    send(page, jpg=banana)
    press(page, "Settings")
    chosen = next(box for box in page.selectbox if box.label == "Adapter")
    assert chosen.options == ["As started: shop", "embedded", "sight"]
    chosen.set_value("sight")
    press(page, "Save")
    captions = [caption.value.replace("\\", "") for caption in page.sidebar.caption]
    assert "Model: embedded · sight · nf4" in captions
    send(page, "And now?")
    assert engine.adapters == [None, "sight"]
    assert len(engine.encoded) == 2, "it sees the photo with a tower of its own"
    send(page, "Sure?")
    assert len(engine.encoded) == 2
    with Store.open() as store:
        (summary,) = store.threads()
        exchanges = store.thread(summary.id).exchanges
    assert [each.details["adapter"] for each in exchanges] == ["shop", "sight", "sight"]
    st.cache_resource.clear()
    assert desk_of(open_page()).preferences.adapter == "sight"
