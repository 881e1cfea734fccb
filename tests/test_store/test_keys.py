"""Keys of the server: made, found, revoked, and never given away by what is kept of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from assistant.errors import InputError, StoreError
from assistant.settings import Settings
from assistant.store import KeyLimits, Store
from assistant.store.keys import DEFAULT_SCOPES, SCOPES, digest_of, key_id_of


def test_a_key_is_kept_as_its_digest_alone(store: Store) -> None:
    made, key = store.create_key("The shop's bot", tenant="acme", scopes=["images", "chat"])
    assert key_id_of(key) == made.id
    assert made.digest == digest_of(key)
    assert made.scopes == ("chat", "images")
    assert (made.tenant, made.revoked, made.expires, made.used) == ("acme", None, None, None)
    with store.database.read() as session:
        row = session.execute(text("SELECT * FROM api_keys")).one()
    assert key[19:] not in repr(tuple(row))
    assert key not in repr(made)
    assert made.digest not in repr(made)


def test_keys_differ_and_are_long(store: Store) -> None:
    keys = {store.create_key("k")[1] for _ in range(20)}
    assert len(keys) == 20
    assert all(len(key) == 62 and key.startswith("sk-sd-") for key in keys)


def test_keys_are_listed_by_tenant_the_oldest_first(store: Store) -> None:
    first, _ = store.create_key("one", tenant="a")
    second, _ = store.create_key("two", tenant="b", limits=KeyLimits(60, 10**9, 10**6, 4))
    assert store.api_keys() == [first, second]
    assert store.api_keys(tenant="b") == [second]
    assert store.api_keys(tenant="c") == []
    assert second.limits == KeyLimits(60, 10**9, 10**6, 4)
    assert first.scopes == DEFAULT_SCOPES
    assert set(SCOPES) - set(DEFAULT_SCOPES) == {"admin"}


def test_a_key_expires(store: Store) -> None:
    made, _ = store.create_key("k", expires=timedelta(days=30))
    assert made.expires is not None
    assert made.opens(datetime.now(UTC) + timedelta(days=29))
    assert not made.opens(made.expires)


def test_a_revoked_key_stays_revoked_since_the_first_time(store: Store) -> None:
    made, key = store.create_key("k")
    revoked = store.revoke_key(made.id)
    assert revoked.revoked is not None
    assert not revoked.opens(datetime.now(UTC))
    assert store.revoke_key(key).revoked == revoked.revoked
    assert store.api_keys() == [revoked]


@pytest.mark.parametrize("id", ["", "nothere00000", "x" * 1000, "\0", "\ud800"])
def test_a_key_that_is_not_there(store: Store, id: str) -> None:
    with pytest.raises(StoreError, match="sightdesk keys list"):
        store.revoke_key(id)


def test_use_is_noted(store: Store) -> None:
    made, _ = store.create_key("k")
    other, _ = store.create_key("o")
    at = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    store.note_key_use({made.id: at, "gone": at})
    assert {key.id: key.used for key in store.api_keys()} == {made.id: at, other.id: None}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"name": " \n "}, "needs a name"),
        ({"scopes": ["chat", "everything"]}, "No scope is called everything; give some of chat"),
        ({"scopes": []}, "without a scope"),
        ({"limits": KeyLimits(requests=0)}, "numbers from 1"),
        ({"limits": KeyLimits(tokens=2**31)}, "numbers from 1"),
        ({"expires": timedelta()}, "100 years"),
        ({"expires": timedelta(days=99_999)}, "100 years"),
        ({"tenant": "two\nlines"}, "one line"),
        ({"tenant": "x" * 101}, "one line"),
    ],
)
def test_what_no_key_can_have(
    sqlite_settings: Settings, wrong: dict[str, object], told: str
) -> None:
    with Store.open(sqlite_settings) as store:
        with pytest.raises(InputError, match=told):
            store.create_key(**({"name": "k"} | wrong))  # type: ignore[arg-type]
        assert store.api_keys() == []


@pytest.mark.parametrize(
    "text", ["", "sk-sd-", "sk-sd-abc", f"sk-sd-{'a' * 12}-{'b' * 42}", f"x{'a' * 61}", "ä" * 62]
)
def test_what_has_not_the_form_of_a_key(text: str) -> None:
    assert key_id_of(text) is None
