"""The tickets page, and what the chat shows of a person's answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import assistant.engine
import ui.session
import ui.threads
from assistant.images import open_image
from assistant.settings import get_settings
from assistant.store import NewExchange, Store, Ticket
from tests.scripted_page import PAGE, ScriptedEngine
from ui.preferences import KEY, Preferences

TIMEOUT = 120.0
EVIL = "<b>bold</b> **strong** ![x](http://evil.example/x.png) :smile:"


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    scripted = ScriptedEngine(["A yellow banana."])
    monkeypatch.setattr(assistant.engine.Engine, "load", scripted.load)
    for module in (ui.session, ui.threads):
        monkeypatch.setattr(module, "served_here", lambda: True)
    st.cache_resource.clear()
    yield monkeypatch
    st.cache_resource.clear()


@pytest.fixture
def store(site: pytest.MonkeyPatch) -> Iterator[Store]:
    with Store.open() as opened:
        yield opened


@pytest.fixture
def ticket(store: Store, photos: Path) -> Ticket:
    """A conversation about a photo, handed over."""
    picture = store.put_image(open_image(photos / "Banana.webp"), name="banana.jpg")
    thread = store.create_thread()
    asked = NewExchange("q", EVIL, (picture.id,), answer=f"No idea. {EVIL}", state="done")
    store.add_exchange(thread.id, asked, after=None)
    return store.open_ticket(
        key="k", thread_id=thread.id, reason=f"asked {EVIL}", kind="asked", summary="Bananas",
    )  # fmt: skip


def open_page(ticket: str | None = None) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    page.run()
    if ticket is not None:
        page.query_params["ticket"] = ticket
    page.switch_page("tickets.py").run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    found = [button for button in page.button if label in button.label.replace("\\", "")]
    assert found, f"no {label} among {[button.label for button in page.button]}"
    found[0].click().run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    parts = [*page.text, *page.markdown, *page.caption, *page.header, *page.subheader]
    parts += [*page.error, *page.warning, *page.info]
    return "\n".join(part.value for part in parts)


def test_it_is_empty_at_first(store: Store) -> None:
    page = open_page()
    assert page.header[0].value == "Tickets"
    assert "There are no tickets yet" in texts(page)
    assert "Nobody is waiting for you." in texts(page)


def test_a_page_that_is_served_to_others_shows_no_ticket(
    site: pytest.MonkeyPatch, ticket: Ticket
) -> None:
    site.setattr(ui.session, "served_here", lambda: False)
    page = open_page(ticket.id)
    assert page.info[0].value.startswith("This page is served to a network")
    assert not page.button
    assert not page.text
    assert ticket.id not in texts(page)


def test_a_ticket_is_read_and_answered(store: Store, ticket: Ticket) -> None:
    page = press(open_page(), "Bananas")
    assert page.header[0].value == f"Ticket {ticket.id}"
    assert page.query_params["ticket"] in (ticket.id, [ticket.id])
    said = [text.value for text in page.text]
    assert EVIL in said, "letter by letter, not as Markdown"
    assert f"asked {EVIL}" in said
    for element in page.markdown:
        assert "evil.example" not in element.value
    assert [button.label for button in page.button if "Enlarge" in button.label] == [
        "Enlarge banana\\.jpg"
    ]
    press(page, "Send")
    assert "There is nothing to send" in page.warning[0].value
    page.text_area[0].set_value("They are from **Ecuador**.")
    press(page, "Send")
    (reply,) = store.ticket(ticket.id).replies
    assert (reply.author, reply.text) == ("person", "They are from **Ecuador**.")
    assert store.thread(ticket.thread_id).exchanges[-1].id == reply.exchange_id
    assert page.text_area[0].value == ""
    assert "A person answered" in texts(page)
    assert "They are from **Ecuador**." in [text.value for text in page.text]


def test_close_filter_search_and_reopen(store: Store, ticket: Ticket) -> None:
    store.open_ticket(key="o", thread_id="t", reason="", kind="topic", summary="A refund")
    page = press(open_page(), "Bananas")
    press(page, "Close without an answer")
    assert store.ticket(ticket.id).state == "closed"
    assert not page.text_area
    labels = [button.label for button in page.button]
    assert any(label.startswith("A refund") for label in labels)
    assert not any(label.startswith("Bananas") for label in labels)
    page.button_group[0].set_value("closed").run()
    press(page, "Bananas")
    press(page, "Reopen")
    assert store.ticket(ticket.id).state == "open"
    page.button_group[0].set_value("").run()
    page.text_input[0].set_value("refund").run()
    labels = [button.label for button in page.button]
    assert any(label.startswith("A refund") for label in labels)
    assert not any(label.startswith("Bananas") for label in labels)
    page.text_input[0].set_value("nothing like it").run()
    assert "No ticket has these words." in texts(page)


def test_send_and_close(store: Store, ticket: Ticket) -> None:
    page = open_page(ticket.id)
    page.text_area[0].set_value("Done.")
    press(page, "Send and close")
    found = store.ticket(ticket.id)
    assert (found.state, found.replies[0].text) == ("closed", "Done.")


def test_a_ticket_that_is_not_there(store: Store) -> None:
    page = open_page("NOSUCH12")
    assert page.warning[0].value == "That ticket is not here any more."
    assert not page.query_params.get("ticket")


def test_what_the_webhook_was_told_is_shown(
    site: pytest.MonkeyPatch, store: Store, ticket: Ticket
) -> None:
    call = store.claim_delivery(60)
    assert call is not None
    store.end_delivery(call, error="HTTP 500 *x*")
    site.setenv("SIGHTDESK_WEBHOOK_URL", "http://127.0.0.1:9/x")
    get_settings.cache_clear()
    page = open_page(ticket.id)
    assert "could not be told (HTTP 500 \\*x\\*)" in page.warning[0].value


def test_in_chinese(store: Store, ticket: Ticket) -> None:
    store.set_preference(KEY, Preferences(language="zh").to_dict())
    page = open_page(ticket.id)
    assert page.header[0].value == f"工单 {ticket.id}"
    assert "转人工之前" in texts(page)


def test_the_chat_shows_a_person_s_answer_as_one(store: Store, ticket: Ticket) -> None:
    store.reply(ticket.id, "They are from **Ecuador**.")
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    page.query_params["thread"] = ticket.thread_id
    page.run()
    assert not page.exception
    message = page.chat_message[-1]
    assert message.name == "person"
    assert [caption.value for caption in message.caption] == ["A person answered"]
    assert [text.value for text in message.text] == ["They are from **Ecuador**."]
    assert not message.button, "nothing to judge or to answer again"
    assert f"ticket {ticket.id}" in texts(page)
    links: Any = page.get("page_link")
    assert any("Tickets" in link.proto.label for link in links)
