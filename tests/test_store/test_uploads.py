"""Pictures that were sent ahead: kept by themselves for a while, and while something shows them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from assistant.errors import MissingError
from assistant.store import NewExchange, Store
from assistant.store.uploads import KEPT
from tests import tiny


def sent(store: Store, seed: int, tenant: str = "") -> str:
    id = store.put_image(tiny.picture(seed), name=f"{seed}.png", tenant=tenant).id
    store.keep_image(id, tenant=tenant)
    return id


def test_it_is_listed_until_it_is_removed(store: Store) -> None:
    one, two = sent(store, 1), sent(store, 2)
    store.put_image(tiny.picture(3), name="only-put.png")
    assert {image.id for image, _ in store.kept_images()} == {one, two}
    assert store.count_kept_images() == 2 and len(store.kept_images(limit=1, offset=1)) == 1
    until = store.kept_until(one)
    assert until is not None
    assert abs(until - store.image_info(one).created - KEPT) < timedelta(minutes=1)
    assert store.release_image(one)
    assert [image.id for image, _ in store.kept_images()] == [two]
    with pytest.raises(MissingError):
        store.image_info(one)
    with pytest.raises(MissingError):
        store.release_image(one)
    with pytest.raises(MissingError):
        store.keep_image(one)


def test_what_a_conversation_shows_stays(store: Store) -> None:
    id = sent(store, 1)
    thread = store.create_thread()
    store.add_exchange(thread.id, NewExchange("What?", images=(id,)), after=None)
    assert store.kept_until(id) is not None, "showing it is no reason to let go of it"
    assert not store.release_image(id)
    assert store.kept_until(id) is None and store.load_image(id).id == id
    store.delete_thread(thread.id)
    with pytest.raises(MissingError):
        store.image_info(id)


def test_it_outlives_a_conversation_that_showed_it(store: Store) -> None:
    id = sent(store, 1)
    thread = store.create_thread()
    store.add_exchange(thread.id, NewExchange("What?", images=(id,)), after=None)
    store.delete_thread(thread.id)
    store.sweep()
    assert store.load_image(id).id == id


def test_tenants_keep_their_own(store: Store) -> None:
    id = sent(store, 1, "a")
    sent(store, 1, "b")
    assert store.release_image(id, tenant="a")
    assert store.kept_until(id, tenant="a") is None
    assert store.load_image(id, tenant="b").id == id
    assert store.count_kept_images(tenant="b") == 1
