"""The webhook: signed, tried again, in order, given up, and never redirected."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import update

import assistant.webhook as webhook
from assistant.errors import InputError
from assistant.settings import Settings, get_settings
from assistant.store import Store, Ticket
from assistant.store.models import DeliveryRow
from assistant.webhook import Courier, Delivered, backoff, deliver_due, sign, verify
from tests.receiver import Receiver, receiver

SECRET = "a secret of the tests"


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as here:
        yield here


@pytest.fixture
def settings(tmp_path: Path, there: Receiver) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        webhook_url=f"{there.url}/tickets",
        webhook_secret=SecretStr(SECRET),
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with Store.open(settings) as opened:
        yield opened


def open_ticket(store: Store, key: str = "k", tenant: str = "") -> Ticket:
    return store.open_ticket(
        key=key,
        thread_id="t1",
        reason="asked for a person",
        kind="asked",
        transcript=[{"role": "customer", "text": "Get me a person, 请"}],
        tenant=tenant,
    )


def make_due(store: Store) -> None:
    with store.database.write() as session:
        session.execute(update(DeliveryRow).values(due=datetime.now(UTC) - timedelta(seconds=1)))


def test_a_ticket_is_told_once_and_signed(
    store: Store, settings: Settings, there: Receiver
) -> None:
    ticket = open_ticket(store, tenant="north")
    assert deliver_due(settings, store=store) == Delivered(done=1)
    assert deliver_due(settings, store=store) == Delivered()
    (call,) = there.calls
    assert call.path == "/tickets"
    assert call.headers["content-type"] == "application/json"
    assert call.headers["sightdesk-event"] == "ticket.opened"
    assert call.told["ticket"] == ticket.id
    assert call.told["tenant"] == "north"
    assert call.told["transcript"] == [{"role": "customer", "text": "Get me a person, 请"}]
    assert call.told["delivery"] == call.delivery
    header = call.headers["sightdesk-signature"]
    moment, signature = (part.partition("=")[2] for part in header.split(","))
    expected = hmac.new(SECRET.encode(), moment.encode() + b"." + call.body, hashlib.sha256)
    assert signature == expected.hexdigest()
    assert verify(SECRET, header, call.body)
    (told,) = store.deliveries(ticket.id, tenant="north")
    assert (told.state, told.attempts, told.error) == ("done", 1, None)


@pytest.mark.parametrize(
    ("header", "body", "secret"),
    [
        (sign(SECRET, b"{}"), b"{} ", SECRET),
        (sign(SECRET, b"{}"), b"{}", "another secret of them"),
        (sign(SECRET, b"{}", at=int(time.time()) - 3600), b"{}", SECRET),
        (sign(SECRET, b"{}").replace("v1=", "v1=0"), b"{}", SECRET),
        ("", b"{}", SECRET),
        ("t=²,v1=x", b"{}", SECRET),
        ("v1=only", b"{}", SECRET),
    ],
    # Signatures hold the time: named by them, the tests of two workers would differ.
    ids=["body", "secret", "old", "digits", "empty", "no time", "no number"],
)
def test_a_false_signature_is_seen(header: str, body: bytes, secret: str) -> None:
    assert not verify(secret, header, body)


@pytest.mark.parametrize(
    ("answer", "trouble"),
    [
        (500, "HTTP 500"),
        (404, "HTTP 404"),
        ("reset", "Error"),
        ("hang", "no answer within"),
        ("drip", "no answer within"),
        ("redirect", "redirects are not followed"),
    ],
)
def test_what_fails_is_tried_again_later_under_the_same_id(
    store: Store,
    settings: Settings,
    there: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    answer: int | str,
    trouble: str,
) -> None:
    if answer in ("hang", "drip"):
        monkeypatch.setattr(webhook, "TRY_SECONDS", 0.4)
    there.answers = [answer]
    ticket = open_ticket(store)
    assert deliver_due(settings, store=store) == Delivered(failed=1)
    (told,) = store.deliveries(ticket.id)
    assert told.state == "due"
    assert trouble in (told.error or "")
    assert told.due > datetime.now(UTC) + timedelta(seconds=1)
    assert deliver_due(settings, store=store) == Delivered(), "it is not due yet"
    make_due(store)
    assert deliver_due(settings, store=store) == Delivered(done=1)
    first, second = there.calls
    assert first.delivery == second.delivery
    assert first.body == second.body
    assert {call.path for call in there.calls} == {"/tickets"}


def test_a_receiver_that_is_not_there(store: Store, settings: Settings) -> None:
    ticket = open_ticket(store)
    nowhere = settings.model_copy(update={"webhook_url": "http://127.0.0.1:9/x"})
    assert deliver_due(nowhere, store=store) == Delivered(failed=1)
    assert "ConnectError" in (store.deliveries(ticket.id)[0].error or "")


def test_it_is_given_up_in_the_end_and_can_be_revived(
    store: Store, settings: Settings, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "MAX_ATTEMPTS", 3)
    there.answers = [500] * 3
    ticket = open_ticket(store)
    outcomes = []
    for _ in range(3):
        make_due(store)
        outcomes.append(deliver_due(settings, store=store))
    assert outcomes == [Delivered(failed=1), Delivered(failed=1), Delivered(dead=1)]
    (told,) = store.deliveries(ticket.id)
    assert (told.state, told.attempts, told.error) == ("dead", 3, "HTTP 500")
    assert told.ended is not None
    assert store.count_deliveries("dead") == 1
    make_due(store)
    assert deliver_due(settings, store=store) == Delivered()
    assert store.revive_deliveries() == 1
    assert deliver_due(settings, store=store) == Delivered(done=1)


def test_messages_of_a_ticket_come_in_order_and_others_do_not_wait(
    store: Store, settings: Settings, there: Receiver
) -> None:
    first = open_ticket(store, "a")
    store.add_to_ticket(first.id, "Hello?")
    there.answers = [503]
    assert deliver_due(settings, store=store) == Delivered(failed=1)
    other = open_ticket(store, "b")
    assert deliver_due(settings, store=store) == Delivered(done=1)
    make_due(store)
    assert deliver_due(settings, store=store) == Delivered(done=2)
    events = [(call.told["ticket"], call.told["event"]) for call in there.calls]
    assert events == [
        (first.id, "ticket.opened"),
        (other.id, "ticket.opened"),
        (first.id, "ticket.opened"),
        (first.id, "ticket.message"),
    ]
    message = there.calls[-1].told["message"]
    assert (message["author"], message["text"]) == ("customer", "Hello?")


def test_retry_after_is_minded_within_reason(
    store: Store, settings: Settings, there: Receiver
) -> None:
    there.answers, there.headers = [429], {"Retry-After": "1800"}
    ticket = open_ticket(store)
    deliver_due(settings, store=store)
    wait = store.deliveries(ticket.id)[0].due - datetime.now(UTC)
    assert timedelta(minutes=29) < wait <= timedelta(minutes=30)
    there.answers, there.headers = [429], {"Retry-After": "9" * 400}
    make_due(store)
    deliver_due(settings, store=store)
    wait = store.deliveries(ticket.id)[0].due - datetime.now(UTC)
    assert wait <= timedelta(hours=1)


def test_waits_grow_and_have_an_end() -> None:
    for attempts in (1, 2, 3, 8, 30, 10**6):
        whole = min(3600.0, 5.0 * 2 ** min(attempts - 1, 60))
        waits = [backoff(attempts) for _ in range(200)]
        assert whole / 2 <= min(waits) < max(waits) <= whole
        assert len(set(waits)) > 100, "they are spread"


def test_two_processes_do_not_tell_the_same_at_once(store: Store, settings: Settings) -> None:
    open_ticket(store)
    with Store.open(settings) as other:
        claimed = store.claim_delivery(60)
        assert claimed is not None
        assert other.claim_delivery(60) is None
        # Its time is over, and it is claimed by another: what the first says of a failure is late.
        make_due(store)
        again = other.claim_delivery(60)
        assert again is not None
        assert again.id == claimed.id
        store.end_delivery(claimed, error="late", again=datetime.now(UTC))
        assert other.deliveries(again.ticket_id)[0].error is None
        other.end_delivery(again)
        assert store.deliveries(again.ticket_id)[0].state == "done"


def test_a_ticket_that_is_deleted_meanwhile_is_told_no_more(
    store: Store, settings: Settings, there: Receiver
) -> None:
    ticket = open_ticket(store)
    store.delete_ticket(ticket.id)
    assert deliver_due(settings, store=store) == Delivered()
    assert there.calls == []


def test_without_an_address_nothing_is_told_and_nothing_is_lost(
    store: Store, settings: Settings, there: Receiver
) -> None:
    open_ticket(store)
    assert (
        deliver_due(settings.model_copy(update={"webhook_url": None}), store=store) == Delivered()
    )
    with pytest.raises(InputError, match="SIGHTDESK_WEBHOOK_SECRET"):
        deliver_due(settings.model_copy(update={"webhook_secret": None}), store=store)
    assert there.calls == []
    assert deliver_due(settings, store=store) == Delivered(done=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBHOOK_URL", "ftp://host/x"),
        ("WEBHOOK_URL", "file:///etc/passwd"),
        ("WEBHOOK_URL", "https://"),
        ("WEBHOOK_URL", "host/path"),
        ("WEBHOOK_URL", "http://[::1"),
        ("WEBHOOK_SECRET", "short"),
    ],
)
def test_settings_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"SIGHTDESK_{name}", value)
    get_settings.cache_clear()
    with pytest.raises(InputError, match=f"SIGHTDESK_{name} cannot be used"):
        get_settings()


def test_settings_as_the_environment_gives_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTDESK_WEBHOOK_URL", "")
    monkeypatch.setenv("SIGHTDESK_WEBHOOK_SECRET", SECRET)
    monkeypatch.setenv("SIGHTDESK_HANDOVER_TOPICS", "refunds; allergy: nut, gluten;;")
    get_settings.cache_clear()
    settings = get_settings()
    assert settings.webhook_url is None
    assert settings.handover_topics == ("refunds", "allergy: nut, gluten")
    assert SECRET not in repr(settings)


def test_the_courier_tells_while_a_door_is_open(
    store: Store, settings: Settings, there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook, "EVERY_SECONDS", 0.05)
    courier = Courier(settings).start()
    try:
        open_ticket(store)
        deadline = time.monotonic() + 10
        while not there.calls and time.monotonic() < deadline:
            time.sleep(0.02)
        assert len(there.calls) == 1
    finally:
        courier.stop()
    open_ticket(store, "after")
    time.sleep(0.2)
    assert len(there.calls) == 1
    idle = Courier(settings.model_copy(update={"webhook_url": None})).start()
    idle.stop()
