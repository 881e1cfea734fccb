"""Postgres: an HNSW index for who has many pictures, which never comes back with too few."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from assistant.errors import StoreError
from assistant.image_index import Filter, ImageIndex, Note
from assistant.image_index.finders import postgres as postgres_module
from assistant.image_index.finders.postgres import PostgresFinder
from assistant.image_index.searching import Asked
from assistant.image_index.state import State, read_state
from assistant.settings import Settings
from assistant.space import Vectors
from assistant.store import Store, pgvector
from tests.test_image_index.conftest import Put, unit_rows
from tests.tiny_space import TinySpace

ROWS = unit_rows(1_000, 24)
TENANT = "o'brien: 100 %s {x} \\"


@pytest.fixture(autouse=True)
def few_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "EXACT", 500)


@pytest.fixture
def server(postgres_url: str, tmp_path: Path) -> Iterator[Store]:
    with Store.open(Settings(data_dir=tmp_path / "data", database_url=postgres_url)) as store:
        yield store


@pytest.fixture
def full(server: Store, tmp_path: Path) -> Put:
    """A thousand vectors of one tenant beside many of another, which are nearer to anything."""
    other = Put(ImageIndex.open(store=server, tenant="other", embedder=TinySpace()), tmp_path / "b")
    other.vectors(unit_rows(1_500, 24, seed=8))
    other.index._finder.settle()
    put = Put(ImageIndex.open(store=server, tenant=TENANT, embedder=TinySpace()), tmp_path / "a")
    put.vectors(ROWS)
    put.index._finder.settle()
    return put


def found(put: Put, vector: Vectors, count: int = 10, where: Filter | None = None) -> list[int]:
    page = put.index._search.page(Asked(words=vector), where, count, 0, None)
    return [int(each.file.image_id, 16) for each in page.found]


def state_of(put: Put) -> State:
    with put.index.store.database.read() as session:
        state = read_state(session, put.index.tenant)
    assert state is not None
    return state


def indexes(store: Store) -> list[str]:
    query = text(
        "SELECT indexdef FROM pg_indexes WHERE tablename = 'image_points' AND indexdef LIKE :kind"
    )
    with store.database.read() as session:
        return list(session.scalars(query, {"kind": "%hnsw%"}))


def test_each_tenant_has_an_index_of_its_own(full: Put, server: Store) -> None:
    assert len(indexes(server)) == 2
    finder = full.index._finder
    assert isinstance(finder, PostgresFinder)
    hits = 0
    for query in unit_rows(20, 24, seed=9):
        exact = np.argsort(-(ROWS @ query))[:10]
        hits += len(set(exact.tolist()) & set(found(full, query)))
    assert hits / 200 > 0.95
    assert found(full, ROWS[5], 1) == [5]
    with server.database.read() as session:
        assert finder._has_index(session, state_of(full))
        postgres_module.use_index(session, 100)
        plan = "\n".join(
            session.scalars(
                text(
                    "EXPLAIN SELECT image_key FROM image_points WHERE tenant = :tenant "
                    "ORDER BY point\\:\\:vector(24) <=> CAST(:point AS vector) LIMIT 10"
                ),
                {"tenant": TENANT, "point": str(ROWS[0].tolist())},
            )
        )
    assert finder._index(24) in plan


def test_it_gives_as_many_as_are_asked_for(full: Put) -> None:
    query = unit_rows(1, 24, seed=9)[0]
    order = np.argsort(-(ROWS @ query))
    everything = found(full, query, 1_000)
    assert len(set(everything)) == 1_000
    few = list(range(0, 1_000, 50))
    full.index.annotate({f"{place:064x}": Note("Rare") for place in few})
    rare = [place for place in order.tolist() if place in few]
    assert found(full, query, 20, Filter(labels=("Rare",))) == rare
    # Deleted rows stay in the index until the server sweeps, and count for nothing.
    near = order[:300].tolist()
    full.index._keeper.drop(full.folder, [f"{place:06d}.jpg" for place in near])
    rest = found(full, query, 100)
    assert len(rest) == 100
    assert not set(rest) & set(near)
    assert len(set(rest) & set(order[300:400].tolist())) > 90
    full.index._finder.settle(thoroughly=True)
    assert len(found(full, query, 100)) == 100


def test_another_embedder_has_an_index_of_its_size(full: Put, server: Store) -> None:
    other = ImageIndex.open(store=server, tenant=TENANT, embedder=TinySpace("other"))
    other._keeper.start_anew()
    assert len(indexes(server)) == 1
    rows = unit_rows(600, 16, seed=2)
    again = Put(other, full.root)
    again.vectors(rows)
    assert found(again, rows[7], 1) == [7]
    other._finder.settle()
    assert sum("vector(16)" in each for each in indexes(server)) == 1
    assert found(again, rows[7], 1) == [7]


def test_a_table_of_points_that_is_lost_is_made_again(full: Put, server: Store) -> None:
    full.index.annotate({f"{3:064x}": Note("Ball")})
    with server.database.write() as session:
        session.execute(text("DROP TABLE image_points"))
        session.execute(text("DROP TABLE image_words"))
    again = Put(ImageIndex.open(store=server, tenant=TENANT, embedder=TinySpace()), full.root)
    assert found(again, ROWS[5], 1) == [5]
    with server.database.read() as session:
        assert len(again.index._finder.by_words(session, ["ball"], 5)) == 1


def test_a_server_without_pgvector(server: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with server.database.write() as session:
        session.execute(text("DROP EXTENSION IF EXISTS vector CASCADE"))
        session.execute(text("DROP TABLE IF EXISTS image_points, image_words"))
    monkeypatch.setattr(
        pgvector, "text", lambda said: text(said.replace("vector", "no_such_extension"))
    )
    with pytest.raises(StoreError, match="no pgvector, which the image index needs"):
        ImageIndex.open(store=server, embedder=TinySpace())
