"""The support desk in the chat page: the real agent and store, a scripted model and engine."""

from __future__ import annotations

import html
import json
import re
import time
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.scriptrunner_utils.exceptions import StopException
from streamlit.testing.v1 import AppTest

import assistant.agent
import assistant.engine
import assistant.knowledge.core
from assistant.agent import Agent
from assistant.demo import SHOP
from assistant.errors import InputError
from assistant.images import open_image
from assistant.languages import say as say_in
from assistant.settings import get_settings
from assistant.store import Exchange, Store
from assistant.telling import Step, Telling, citations_of, outcome_of, past_of, steps_of
from tests.scripted_desk import LABEL, NOTE, ORIGIN, RETURNS, SEEN, Counter, fill
from tests.scripted_page import ScriptedEngine
from tests.test_knowledge.conftest import BagOfWords
from tests.test_ui import desk_of, labels, open_page, press, said, send
from ui.agent_exchange import as_html
from ui.engine_room import AgentRoom, EngineRoom
from ui.session import get_agents
from ui.trace import doing, done, summary
from ui.words import Words

WHERE = "Where does this come from?"
EN, ZH = Words("en"), Words("zh")


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with the shop in it, to be copied."""
    from assistant.settings import Settings

    folder = tmp_path_factory.mktemp("stocked")
    fill(folder / "files", settings=Settings(data_dir=folder / "data"))
    return folder / "data"


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter]:
    counter = Counter()
    engine = ScriptedEngine(["A yellow banana."], known=("embedded", "shop", "agent"))
    monkeypatch.setattr(assistant.engine.Engine, "load", engine.load)
    monkeypatch.setattr(assistant.agent.Agent, "open", counter.open)
    monkeypatch.setattr(assistant.knowledge.core, "text_embedder", lambda *_: BagOfWords())
    monkeypatch.setattr(AgentRoom, "warm", lambda self: None)
    st.cache_resource.clear()
    yield counter
    st.cache_resource.clear()


@pytest.fixture
def page(counter: Counter, stocked: Path) -> AppTest:
    import shutil

    shutil.copytree(stocked, get_settings().data_dir)
    return open_page()


@pytest.fixture
def apple(photos: Path) -> bytes:
    return (photos / "Granny-Smith.webp").read_bytes()


def bodies(box: Any) -> list[str]:
    """All HTML of a message."""
    return [each.value for each in box.get("html")]


def marks(page: AppTest) -> list[str]:
    """What stands in the answers, and in the boxes of tickets, as a person reads it."""
    found = []
    for box in page.chat_message:
        for body in bodies(box):
            numbered = re.sub(r"<button[^>]*>(\d+)</button>", r"[\1]", body)
            plain = re.sub(r"</?(div|span)[^>]*>", "", numbered).replace("<br>", "\n")
            found.append(html.unescape(plain).replace("\u2009", " "))
        found += [re.sub(r"\\(.)", r"\1", each.value) for each in box.markdown]
    return found


def trace(page: AppTest) -> str:
    return " | ".join(each.label.replace("\\", "") for each in page.expander)


def captions(page: AppTest) -> str:
    return "\n".join(each.value.replace("\\", "") for each in page.caption)


def kept(page: AppTest) -> Exchange:
    exchange = desk_of(page).last
    assert exchange is not None
    return exchange


# --- asking


def test_the_first_page_says_what_the_desk_knows_and_suggests_what_fits(page: AppTest) -> None:
    assert page.header[0].value == "How can we help?"
    assert "The desk knows 8 documents and 10 products." in captions(page)
    offered = labels(page)
    assert "Where is Banana from?" in offered and "How do I return something?" in offered
    assert page.chat_input[0].placeholder == EN("ask_desk")
    assert "Support desk: embedded" in "\n".join(c.value for c in page.sidebar.caption)
    press(page, "How do I return something?")
    assert page.chat_input[0].proto.value == "How do I return something?"


def test_a_suggested_photo_waits_to_be_sent(page: AppTest) -> None:
    press(page, next(text for text in labels(page) if text.startswith("A photo of")))
    assert page.chat_input[0].proto.value == WHERE
    assert [photo.name for photo in desk_of(page).tray] == ["Granny Smith"]


def test_words_alone_are_looked_up_and_cited(page: AppTest) -> None:
    send(page, "How do I return something?")
    assert said(page, "user") == ["How do I return something?"]
    (answer,) = marks(page)
    assert answer.startswith(f"{RETURNS} [1]")
    assert "Looked up: how do i return something?" in trace(page)
    exchange = kept(page)
    assert exchange.state == "done" and exchange.details["by"] == "desk"
    assert exchange.details["outcome"] == "answered"
    assert [step["name"] for step in exchange.details["steps"]] == ["search_knowledge"]
    assert exchange.details["citations"][0]["origin"] == "returns.md"
    assert 0 < exchange.details["first_word"] <= exchange.details["total"]
    assert "Support desk · embedded" in captions(page)


def test_a_photo_is_named_looked_up_and_both_are_cited(page: AppTest, apple: bytes) -> None:
    send(page, WHERE, webp=apple)
    (answer,) = marks(page)
    assert answer == f"{ORIGIN} [1] [2]"
    assert f"Looked at the photo: {LABEL} (Apple)" in trace(page)
    assert trace(page).index("photo") < trace(page).index("Looked up")
    kinds = [source.kind for source in citations_of(kept(page).details) if source is not None]
    assert sorted(kinds) == ["image", "passage"]
    press(page, next(text for text in labels(page) if "Granny Smith" in text))
    dialog = page.main
    texts = [text.value for text in dialog.text]
    assert any("France" in text for text in texts), "the passage is shown"
    assert "From products.jsonl" in captions(page)


def test_a_cited_photo_is_opened_with_what_was_seen_in_it(page: AppTest, apple: bytes) -> None:
    send(page, WHERE, webp=apple)
    press(page, next(text for text in labels(page) if "Your photo" in text))
    assert f"{LABEL} (Apple), confidence 0.97" in [text.value for text in page.text]


def test_a_passage_that_is_gone_is_shown_as_it_was(page: AppTest) -> None:
    send(page, "How do I return something?")
    get_agents().knowledge().remove("returns.md")
    press(page, next(text for text in labels(page) if text.startswith("1 ·")))
    assert EN("source_gone") in captions(page)
    assert any("14 days" in text.value for text in page.text)


def test_an_image_answer_is_its_words_and_cites_the_photo(page: AppTest, apple: bytes) -> None:
    send(page, "What do you see?", webp=apple)
    assert marks(page) == [f"{SEEN} [1]"]
    assert kept(page).details["citations"][0]["kind"] == "image"


def test_a_photo_alone_is_described(page: AppTest, apple: bytes) -> None:
    send(page, webp=apple)
    assert said(page, "user") == ["Describe this picture"]
    assert marks(page) == [f"{SEEN} [1]"]


def test_nothing_at_all_is_not_sent(page: AppTest) -> None:
    send(page, "  ")
    assert not page.chat_message


def test_it_is_there_after_a_reload(page: AppTest, apple: bytes) -> None:
    send(page, WHERE, webp=apple)
    again = open_page(str(desk_of(page).thread_id))
    assert marks(again) == marks(page)
    assert trace(again) == trace(page)
    assert [text for text in labels(again) if "·" in text] == [
        text for text in labels(page) if "·" in text
    ]


def test_details_tell_what_each_step_took(page: AppTest, apple: bytes) -> None:
    send(page, WHERE, webp=apple)
    page.menu_button(key=f"more-{kept(page).id}").set_value("details").run()
    assert not page.exception
    shown = captions(page)
    assert f"Looked at the photo: {LABEL} (Apple)" in shown and "How it ended" in shown
    assert "answered" in [text.value for text in page.text]


def test_hostile_text_stays_text(page: AppTest) -> None:
    send(page, "What does the note say?")
    (answer,) = marks(page)
    assert answer == f"{NOTE} [1]", "no letter is lost"
    (raw,) = [body for box in page.chat_message for body in bodies(box)]
    assert set(re.findall(r"</?(\w+)", raw)) == {"div", "span", "button"}
    for each in page.expander:
        assert not re.search(r"(?<!\\)[<!`$\[]", each.label)


# --- how it ends


def test_what_is_not_known_is_said_and_a_person_offered(page: AppTest) -> None:
    send(page, "Who owns the moon?")
    assert marks(page) == [say_in("unknown", "en")]
    assert kept(page).details["outcome"] == "abstained"
    press(page, "Ask for a person")
    assert said(page, "user")[-1] == say_in("ask_person", "en")
    exchange = kept(page)
    ticket = exchange.details["ticket"]
    assert exchange.details["outcome"] == "handed_over" and ticket in exchange.answer
    assert "Ask for a person" not in labels(page)
    assert any(f"Ticket {ticket}" in text for text in marks(page))
    assert EN("desk_handed_next") in captions(page)
    with Store.open() as store:
        (summary_,) = store.tickets()
        assert store.ticket(summary_.id).transcript[0]["text"] == "Who owns the moon?"
    assert page.chat_input[0].placeholder == EN("ask_desk_ticket", id=ticket)


def test_a_customer_who_writes_spanish_asks_in_spanish(page: AppTest) -> None:
    send(page, "¿Quién es el dueño de la luna y por qué nadie lo sabe?")
    press(page, "Ask for a person")
    assert said(page, "user")[-1] == say_in("ask_person", "es")
    ticket = kept(page).details["ticket"]
    assert kept(page).answer == say_in("handed_over", "es", ticket=ticket)


def test_a_message_while_a_person_has_it_goes_to_the_ticket(page: AppTest) -> None:
    send(page, "I want to talk to a human")
    ticket = kept(page).details["ticket"]
    send(page, "It is about order A7.")
    assert kept(page).answer == say_in("still_open", "en", ticket=ticket)
    with Store.open() as store:
        assert [reply.text for reply in store.ticket(ticket).replies] == ["It is about order A7."]
    assert not [text for text in labels(page) if text in ("Edit", "Answer again")]


def test_a_persons_answer_appears_and_the_next_message_is_not_refused(page: AppTest) -> None:
    send(page, "I want to talk to a human")
    ticket = kept(page).details["ticket"]
    with Store.open() as store:
        store.reply(ticket, "Hello, this is a *person*.")
    send(page, "Good, thank you.")
    assert said(page, "person") == ["Hello, this is a *person*."]
    assert kept(page).shown == "Good, thank you." and not page.warning
    with Store.open() as store:
        store.close_ticket(ticket)
    send(page, "How do I return something?")
    assert kept(page).details["outcome"] == "answered"
    remembered = [m.text for m in get_agents().agent().messages(str(desk_of(page).thread_id))]
    assert "Hello, this is a *person*." in remembered
    assert any("closed" in text for text in marks(page))


def test_a_model_that_is_down_is_told_and_may_be_asked_again(
    page: AppTest, counter: Counter
) -> None:
    counter.failing = True
    send(page, "How do I return something?")
    assert EN("desk_failed") in captions(page)
    assert marks(page) == [say_in("failed", "en")]
    counter.failing = False
    press(page, "Answer again")
    assert marks(page)[0].startswith(RETURNS)
    assert "failed" not in kept(page).details


def test_a_tool_that_takes_too_long_is_told(page: AppTest, counter: Counter, apple: bytes) -> None:
    counter.patience, counter.hanging = -4.9, 3.0
    send(page, WHERE, webp=apple)
    assert EN("desk_too_slow", what=EN("desk_labelled_short")) in trace(page)
    assert kept(page).state == "done"


def test_an_agent_that_cannot_be_opened_is_an_error_in_its_place(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> Agent:
        raise InputError("The model 'x:y' cannot be used; give another.")

    monkeypatch.setattr(assistant.agent.Agent, "open", refuse)
    send(page, "How do I return something?")
    assert page.error[0].value.replace("\\", "") == "The model 'x:y' cannot be used; give another."
    assert "Answer again" in labels(page)


def test_the_missing_adapter_of_the_desk_is_told(
    page: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert EN("desk_untrained") not in captions(page)
    page.button(key="settings").click().run()
    adapters = next(box for box in page.selectbox if box.label == EN("adapter"))
    assert "agent" not in adapters.options, "it answers about no photo"
    st.cache_resource.clear()
    engine = ScriptedEngine(["A yellow banana."])
    monkeypatch.setattr(assistant.engine.Engine, "load", engine.load)
    page = open_page()
    assert EN("desk_untrained") in captions(page)
    assert any(EN("desk_untrained") in caption.value for caption in page.sidebar.caption)


def test_an_empty_desk_says_what_it_can_do(
    counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_DESK", "1")
    get_settings.cache_clear()
    page = open_page()
    assert page.info[0].value == EN("desk_knows_nothing")
    assert "Show a photo of a product" in labels(page)
    send(page, "How do I return something?")
    assert kept(page).details["outcome"] == "abstained"


# --- the memory follows the conversation


def remembered(page: AppTest) -> list[str]:
    messages = get_agents().agent().messages(str(desk_of(page).thread_id))
    return [m.text for m in messages if m.type == "human"]


def test_an_edited_question_takes_the_place_of_the_old_one(page: AppTest) -> None:
    send(page, "Who owns the moon?")
    send(page, "How do I return something?")
    first = desk_of(page).exchanges[0]
    page.button(key=f"edit-{first.id}").click().run()
    page.text_area(key=f"edited-{first.id}").set_value("What does the note say?")
    press(page, "Send")
    assert said(page, "user") == ["What does the note say?"]
    assert remembered(page) == ["What does the note say?"]


def test_another_answer_takes_the_place_of_the_old_one(page: AppTest, counter: Counter) -> None:
    send(page, "Who owns the moon?")
    send(page, "How do I return something?")
    asked = len(counter.model.asked)
    press(page, "Answer again")
    assert len(counter.model.asked) > asked, "the model is asked anew"
    assert remembered(page) == ["Who owns the moon?", "How do I return something?"]
    assert marks(page)[-1].startswith(RETURNS)


def test_a_stopped_answer_keeps_what_was_released(page: AppTest, counter: Counter) -> None:
    from ui import agent_exchange

    shown: list[str] = []
    original = agent_exchange.LiveReply.show

    def show(self: Any, telling: Telling) -> None:
        original(self, telling)
        shown.append(telling.text)
        if len(telling.sentences) >= 2:
            raise StopException

    agent_exchange.LiveReply.show = show  # type: ignore[method-assign]
    try:
        page.chat_input[0].set_value("Tell me a story").run()
    finally:
        agent_exchange.LiveReply.show = original  # type: ignore[method-assign]
    with Store.open() as store:
        (thread,) = store.threads()
        (exchange,) = store.thread(thread.id).exchanges
    assert exchange.state == "stopped"
    assert 2 <= exchange.answer.count("Saturday") < 150
    page = open_page(thread.id)
    send(page, "How do I return something?")
    assert marks(page)[-1].startswith(RETURNS)
    assert remembered(page) == ["Tell me a story", "How do I return something?"]


def test_a_deleted_conversation_is_forgotten(page: AppTest) -> None:
    send(page, "Who owns the moon?")
    thread = str(desk_of(page).thread_id)
    agent = get_agents().agent()
    assert agent.messages(thread)
    page.menu_button(key="thread-menu").set_value("delete").run()
    page.button(key="delete-yes").click().run()
    assert agent.messages(thread) == []


def test_a_conversation_is_forgotten_by_an_agent_that_was_not_opened(page: AppTest) -> None:
    send(page, "Who owns the moon?")
    thread = str(desk_of(page).thread_id)
    get_agents().close()
    fresh = AgentRoom(EngineRoom(), Store.open)
    fresh.forget(thread)
    assert get_agents().agent().messages(thread) == []


def test_a_conversation_of_the_photo_model_goes_on_with_the_desk(
    page: AppTest, apple: bytes
) -> None:
    page.menu_button(key="who").set_value("photo").run()
    assert page.header[0].value == "Ask about a photo"
    send(page, "What is this?", webp=apple)
    assert said(page, "assistant") == ["A yellow banana."]
    page.menu_button(key="who").set_value("desk").run()
    send(page, WHERE)
    assert marks(page) == [f"{ORIGIN} [1] [2]"], "the photo of before is known"
    assert remembered(page) == ["What is this?", WHERE]
    page.menu_button(key="who").set_value("photo").run()
    send(page, "And now?")
    assert said(page, "assistant")[-1] == "A yellow banana."


def test_who_answers_is_kept_and_chosen_in_the_settings(page: AppTest) -> None:
    page.button(key="settings").click().run()
    who = next(box for box in page.selectbox if box.label == "Who answers")
    assert who.value is None
    who.set_value(False)
    press(page, "Save")
    assert page.chat_input[0].placeholder == EN("ask")
    again = open_page()
    assert again.header[0].value == "Ask about a photo"


def test_without_knowledge_the_photo_model_answers(counter: Counter) -> None:
    page = open_page()
    assert page.header[0].value == "Ask about a photo"
    assert not [button for button in page.menu_button if button.key == "who"]


def test_chinese(page: AppTest, apple: bytes) -> None:
    from dataclasses import replace

    desk = desk_of(page)
    desk.set_preferences(replace(desk.preferences, language="zh"))
    page.run()
    assert page.header[0].value == "有什么可以帮您？"
    assert "客服台的资料：8 份文档和10 种商品。" in captions(page)
    press(page, "怎么退货？")
    assert page.chat_input[0].proto.value == "How do I return something?"
    send(page, WHERE, webp=apple)
    assert f"看了照片：{LABEL} (Apple)" in trace(page)
    assert any("您的照片" in text for text in labels(page))


def test_the_desk_needs_what_is_saved(page: AppTest, monkeypatch: pytest.MonkeyPatch) -> None:
    from assistant.errors import StoreError

    def full(*_: Any, **__: Any) -> Any:
        raise StoreError("The disk is full; make room.")

    monkeypatch.setattr(Store, "add_exchange", full)
    send(page, "How do I return something?")
    assert page.error[0].value.replace("\\", "") == EN("desk_needs_saving")


# --- what is given away


def test_the_export_has_the_sources(page: AppTest, apple: bytes) -> None:
    send(page, WHERE, webp=apple)
    send(page, "I want to talk to a human")
    ticket = kept(page).details["ticket"]
    with Store.open() as store:
        store.reply(ticket, "From France indeed.")
        thread = str(desk_of(page).thread_id)
        markdown = zipped(store.export_thread(thread, form="markdown"), "conversation.md")
        document = json.loads(zipped(store.export_thread(thread, form="json"), "conversation.json"))
        assert list(store.training_rows()) == []
    assert "**Sources**" in markdown and "products\\.jsonl" in markdown
    assert "![" in markdown.split("**Sources**")[1], "the photo that is cited"
    assert "**Answer by a person**" in markdown and ticket in markdown
    assert document["exchanges"][0]["details"]["citations"][0]["kind"] in ("image", "passage")


def zipped(data: bytes, name: str) -> str:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        return archive.read(name).decode()


# --- the parts


def test_an_answer_is_escaped_but_for_its_own_marks() -> None:
    said_html = as_html('It is <b>"so"</b> [1][2].\nNot [3]. &amp;', 2, EN)
    first, second = said_html.removeprefix('<div class="sightdesk-said">').split("<br>")
    assert first.startswith("It is &lt;b&gt;&quot;so&quot;&lt;/b&gt; <span")
    assert first.count("<button") == 2 and 'aria-label="Source 2">2</button></span>.' in first
    assert second == "Not [3]. &amp;amp;</div>"


@pytest.mark.parametrize(
    "details",
    [
        {},
        {"steps": 1, "citations": "x", "outcome": []},
        {"steps": [1, {"name": 2}], "citations": [1, {"kind": "poem"}], "outcome": "won"},
    ],
)
def test_damaged_details_are_no_trouble(details: dict[str, Any]) -> None:
    assert steps_of(details) == []
    assert not any(citations_of(details))
    assert outcome_of(details) == ""


def test_every_tool_has_words_for_all_it_can_be() -> None:
    from assistant.tools import TOOLS

    for name in (*TOOLS, "weather_report"):
        for trouble in ("", "timeout", "failed"):
            step = Step(name, {"query": "a*b", "image": "0" * 64}, "text", 0.5, trouble)
            for say in (EN, ZH):
                assert doing(step, say) and done(step, say)
                assert "**" not in summary([step], say)
    assert "weather_report" in done(Step("weather_report", seconds=1.0), EN)


def test_the_words_before_a_tool_are_not_the_answer() -> None:
    from assistant.agent import Sentence, ToolEnded, ToolStarted
    from assistant.agent import Words as Said

    telling = Telling()
    telling.take(ToolStarted("ask_image", {"image": "a"}))
    telling.take(Said("A green ", "ask_image"))
    telling.take(Said("apple.", "ask_image"))
    assert telling.text == "A green apple." and telling.at_work is not None
    telling.take(ToolEnded("ask_image", "A green apple.", 0.5))
    telling.take(ToolStarted("search_knowledge", {"query": "apple"}))
    assert telling.text == ""
    telling.take(ToolEnded("search_knowledge", "[1] …", 0.1))
    telling.take(Sentence("From France. [1]"))
    assert telling.text == "From France. [1]" and telling.at_work is None


def test_the_past_is_what_stands_before_the_question(page: AppTest) -> None:
    send(page, "Who owns the moon?")
    send(page, "How do I return something?")
    first, second = desk_of(page).exchanges
    (past,) = past_of([first, second], second)
    assert (past.id, past.question, past.by) == (first.id, "Who owns the moon?", "")


def test_a_slow_tool_is_stopped_at_once(page: AppTest, counter: Counter, apple: bytes) -> None:
    from ui.agent_answering import follow

    def slow() -> Any:
        time.sleep(3)
        yield from ()

    events = follow(slow(), get_agents(), EngineRoom())
    began = time.perf_counter()
    assert next(events) is None
    events.close()
    assert time.perf_counter() - began < 2


def test_the_picture_of_a_suggestion_is_the_products(page: AppTest) -> None:
    press(page, next(text for text in labels(page) if text.startswith("A photo of")))
    (photo,) = desk_of(page).tray
    assert photo.image.id == open_image((SHOP / "pictures" / "Granny-Smith.webp").read_bytes()).id


def test_a_name_that_the_page_repeats_is_right() -> None:
    from assistant.agent.checkpoints import FILE
    from ui.engine_room import MEMORY

    assert MEMORY == FILE
