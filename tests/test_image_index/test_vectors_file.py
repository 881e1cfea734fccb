"""The graph beside SQLite: made, read where it lies, caught up, wiped, and made again if lost."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import text

from assistant.errors import StoreError
from assistant.image_index import Filter, ImageIndex, Note
from assistant.image_index.finders import graph_file as graph_module
from assistant.image_index.finders import nearest as nearest_module
from assistant.image_index.finders.nearest import Nearest
from assistant.image_index.finders.sqlite import SqliteFinder
from assistant.image_index.state import read_state
from assistant.settings import Settings
from assistant.space import Vectors
from assistant.store import Store
from tests.test_image_index.conftest import Put, unit_rows
from tests.tiny_space import TinySpace

COUNT = 600
ROWS = unit_rows(COUNT, 32)


@pytest.fixture(autouse=True)
def few_loose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "LOOSE", 100)


@pytest.fixture
def full(lite: ImageIndex, tmp_path: Path) -> Put:
    """600 vectors of 32, most of them in a graph on the disk."""
    put = Put(lite, tmp_path / "pictures")
    put.vectors(ROWS)
    lite._finder.settle()
    return put


def files(index: ImageIndex) -> dict[str, Path]:
    folder = next(index.store.settings.data_dir.glob("pictures-*"))
    return {path.suffix: path for path in folder.iterdir()}


def head(index: ImageIndex) -> dict[str, object]:
    return dict(json.loads(files(index)[".json"].read_text()))


def found(index: ImageIndex, vector: Vectors, count: int = 10) -> list[int]:
    """Numbers of the pictures nearest to a vector."""
    from assistant.image_index.searching import Asked

    page = index._search.page(Asked(words=vector), None, count, 0, None)
    return [int(each.file.image_id, 16) for each in page.found]


def recall(index: ImageIndex, rows: Vectors, alive: np.ndarray | None = None) -> float:
    alive = np.arange(len(rows)) if alive is None else alive
    hits = 0
    for query in unit_rows(40, 32, seed=9):
        exact = alive[np.argsort(-(rows[alive] @ query))[:10]]
        hits += len(set(exact.tolist()) & set(found(index, query)))
    return hits / 400


def again(index: ImageIndex) -> ImageIndex:
    """As another process opens it."""
    return ImageIndex(index.store, "", index.embedder)


def held(index: ImageIndex) -> object:
    assert isinstance(index._finder, SqliteFinder)
    return index._finder.nearest_vectors._current


def test_it_is_written_and_read_where_it_lies(full: Put) -> None:
    assert set(files(full.index)) == {".json", ".seen", ".usearch", ".lock"}
    assert head(full.index)["vectors"] == COUNT
    assert recall(full.index, ROWS) > 0.97
    opened = again(full.index)
    assert recall(opened, ROWS) > 0.97
    now = held(opened)
    assert now.graph is not None  # type: ignore[attr-defined]
    assert len(now.keys) == 0  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="immutable"):
        now.graph.add(10**9, ROWS[0])  # type: ignore[attr-defined]


def test_few_vectors_need_no_file(lite: ImageIndex, tmp_path: Path) -> None:
    put = Put(lite, tmp_path / "pictures")
    put.vectors(ROWS[:90])
    lite._finder.settle(thoroughly=True)
    assert recall(lite, ROWS[:90]) > 0.99  # but for ties
    assert not list(tmp_path.rglob("*.usearch"))


def test_what_came_since_is_found_at_once(full: Put) -> None:
    other = again(full.index)
    assert found(other, ROWS[0], 1) == [0]
    more = unit_rows(90, 32, seed=5)
    full.vectors(more, first=5_000)
    for index in (full.index, other):
        assert found(index, more[7], 1) == [5_007]
        assert len(held(index).keys) == 90  # type: ignore[attr-defined]
    full.index._finder.settle()
    assert head(full.index)["vectors"] == COUNT
    full.vectors(unit_rows(20, 32, seed=6), first=6_000)
    full.index._finder.settle()
    assert head(full.index)["vectors"] == COUNT + 110
    assert len(list(files(full.index)[".usearch"].parent.glob("*.usearch"))) == 1
    # The other takes the new file instead of holding so many loose ones.
    assert found(other, more[9], 1) == [5_009]
    assert len(held(other).keys) == 0  # type: ignore[attr-defined]


def test_removed_vectors_are_wiped_from_the_file(full: Put, tmp_path: Path) -> None:
    gone = [3, 77, 450]
    marks = [ROWS[place].astype("<f2").tobytes() for place in gone]
    stays = ROWS[4].astype("<f2").tobytes()
    data = files(full.index)[".usearch"].read_bytes()
    assert all(mark in data for mark in [*marks, stays])
    other = again(full.index)
    assert found(other, ROWS[3], 1) == [3]
    full.index._keeper.drop(full.folder, [f"{place:06d}.jpg" for place in gone])
    for index in (full.index, other, again(full.index)):
        assert 3 not in found(index, ROWS[3], 20)
        assert len(found(index, ROWS[3], 20)) == 20
    full.index._finder.settle(thoroughly=True)
    for path in tmp_path.joinpath("data").rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert not any(mark in data for mark in marks), path
    assert stays in files(full.index)[".usearch"].read_bytes()
    alive = np.setdiff1d(np.arange(COUNT), gone)
    for index in (full.index, other, again(full.index)):
        assert recall(index, ROWS, alive) > 0.97
    before = files(full.index)[".usearch"]
    full.index._finder.settle(thoroughly=True)
    assert files(full.index)[".usearch"] == before  # nothing was left to wipe
    # A later one goes beside those that are wiped already.
    full.index._keeper.drop(full.folder, ["000004.jpg"])
    full.index._finder.settle(thoroughly=True)
    assert stays not in files(full.index)[".usearch"].read_bytes()


def test_a_vector_that_two_pictures_share_stays_with_the_other(full: Put) -> None:
    twins = np.stack([ROWS[3]] * 2)
    full.vectors(twins, first=8_000)
    full.vectors(unit_rows(250, 32, seed=5), first=9_000)
    full.index._finder.settle()
    assert head(full.index)["vectors"] == COUNT + 252
    full.index._keeper.drop(full.folder, ["000003.jpg", "008000.jpg"])
    full.index._finder.settle(thoroughly=True)
    assert found(again(full.index), ROWS[3], 2)[0] == 8_001
    full.index._keeper.drop(full.folder, ["008001.jpg"])
    full.index._finder.settle(thoroughly=True)
    assert ROWS[3].astype("<f2").tobytes() not in files(full.index)[".usearch"].read_bytes()


def test_where_much_is_gone_it_is_made_anew(full: Put) -> None:
    full.index._keeper.drop(full.folder, [f"{place:06d}.jpg" for place in range(200)])
    full.index._finder.settle(thoroughly=True)
    assert head(full.index)["vectors"] == 400
    assert recall(again(full.index), ROWS, np.arange(200, COUNT)) > 0.97
    full.index.remove(full.folder)
    assert set(files(full.index)) == {".lock"}
    assert full.index.is_empty


@pytest.mark.parametrize(
    "harm",
    ["lost", "no head", "cut", "flipped", "other head", "old format", "name", "numbers", "garbage"],
)
def test_a_damaged_file_is_not_used(full: Put, harm: str, caplog: pytest.LogCaptureFixture) -> None:
    there = files(full.index)
    body, top = there[".usearch"], there[".json"]
    said = head(full.index)
    if harm == "lost":
        body.unlink()
    elif harm == "no head":
        top.unlink()
    elif harm == "cut":
        body.write_bytes(body.read_bytes()[:-100])
    elif harm == "flipped":
        data = bytearray(body.read_bytes())
        data[len(data) // 2] ^= 1
        body.write_bytes(data)
    elif harm == "garbage":
        top.write_bytes(b"\xff" * 100_000)
    else:
        harmful: dict[str, dict[str, object]] = {
            "other head": {"sha256": "0" * 64},
            "old format": {"format": "sightdesk pictures 0"},
            "name": {"body": f"../{body.name}"},
            "numbers": {"last": -1, "dimensions": True},
        }
        if harm == "other head":
            there[".seen"].unlink()
        top.write_text(json.dumps(said | harmful[harm]))
    opened = again(full.index)
    assert recall(opened, ROWS) > 0.99  # all compared, but for ties
    assert held(opened).graph is None  # type: ignore[attr-defined]
    opened._finder.settle()
    assert recall(again(full.index), ROWS) > 0.97
    assert held(opened).graph is not None  # type: ignore[attr-defined]


def test_a_file_is_read_through_once(full: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[object] = []
    real = graph_module._checksum

    def counting(path: Path) -> str:
        counted.append(path)
        return real(path)

    monkeypatch.setattr(graph_module, "_checksum", counting)
    found(again(full.index), ROWS[0])
    assert not counted
    files(full.index)[".seen"].unlink()
    found(again(full.index), ROWS[0])
    found(again(full.index), ROWS[0])
    assert len(counted) == 1


def test_a_full_disk_leaves_what_was(full: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    full.vectors(unit_rows(250, 32, seed=5), first=5_000)

    def broken(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(StoreError, match="no space left"):
        full.index._finder.settle()
    monkeypatch.undo()
    monkeypatch.setattr(nearest_module, "LOOSE", 100)
    assert not list(files(full.index)[".json"].parent.glob("*.part"))
    assert head(full.index)["vectors"] == COUNT
    assert found(full.index, unit_rows(250, 32, seed=5)[3], 1) == [5_003]
    full.index._finder.settle()
    assert head(full.index)["vectors"] == COUNT + 250


def test_an_index_made_anew_leaves_the_old_file(full: Put) -> None:
    other = ImageIndex.open(store=full.index.store, embedder=TinySpace("other"))
    other._keeper.start_anew()
    assert ".usearch" not in files(other)
    rows = unit_rows(COUNT, 24, seed=3)
    Put(other, full.root).vectors(rows)
    other._finder.settle()
    assert head(other)["embedder"] == "other"
    assert head(other)["dimensions"] == 24
    query = rows[5]
    assert found(other, query, 1) == [5]


def test_the_same_embedder_once_more(full: Put) -> None:
    """A process that holds the old vectors sees the new ones alone."""
    other = again(full.index)
    assert found(other, ROWS[0], 1) == [0]
    full.index._keeper.start_anew()
    assert other._search.page is not None
    full.vectors(ROWS[::-1].copy())
    full.index._finder.settle()
    for index in (full.index, other, again(full.index)):
        assert found(index, ROWS[0], 1) == [COUNT - 1]


def test_filters_find_enough_in_a_graph(full: Put) -> None:
    full.index.annotate({f"{place:064x}": Note("Rare") for place in range(0, COUNT, 20)})
    from assistant.image_index.searching import Asked

    query = unit_rows(1, 32, seed=4)[0]
    rare = np.arange(0, COUNT, 20)
    page = full.index._search.page(Asked(words=query), Filter(labels=("Rare",)), 30, 0, None)
    exact = rare[np.argsort(-(ROWS[rare] @ query))]
    assert [int(each.file.image_id, 16) for each in page.found] == exact.tolist()
    broad = full.index._search.page(Asked(words=query), Filter(min_bytes=1_300), 50, 0, None)
    assert len(broad.found) == 50
    most = np.arange(300, COUNT)
    exact = most[np.argsort(-(ROWS[most] @ query))[:50]]
    assert len({int(each.file.image_id, 16) for each in broad.found} & set(exact.tolist())) >= 48


def test_pages_of_a_graph_are_stable(full: Put) -> None:
    from assistant.image_index.searching import Asked

    query = unit_rows(1, 32, seed=4)[0]

    def page(index: ImageIndex, offset: int, limit: int = 100) -> list[str]:
        results = index._search.page(Asked(words=query), None, limit, offset, None)
        return [each.file.image_id for each in results.found]

    whole = [id for start in range(0, COUNT, 100) for id in page(full.index, start)]
    assert len(set(whole)) == len(whole) == COUNT
    opened = again(full.index)
    assert page(opened, 400) == whole[400:500]
    assert page(opened, 40, 5) == whole[40:45]
    assert page(again(full.index), 550, 1_000) == whole[550:]


def _index_elsewhere(data: Path, first: int) -> None:
    nearest_module.LOOSE = 100
    with Store.open(Settings(data_dir=data)) as store:
        index = ImageIndex.open(store=store, embedder=TinySpace())
        put = Put(index, data.parent / f"pictures-{first}")
        for start in range(0, 480, 120):
            put.vectors(unit_rows(120, 32, seed=first + start), first=first + start)
            index._finder.settle()


@pytest.fixture
def processes() -> Iterator[object]:
    yield multiprocessing.get_context("spawn")


def test_two_processes_index_and_a_third_searches(full: Put, processes: object) -> None:
    data = full.index.store.settings.data_dir
    people = [
        processes.Process(target=_index_elsewhere, args=(data, first))  # type: ignore[attr-defined]
        for first in (10_000, 20_000)
    ]
    for person in people:
        person.start()
    while any(person.is_alive() for person in people):
        assert found(full.index, ROWS[0], 1) == [0]
    for person in people:
        person.join()
        assert person.exitcode == 0
    full.index._finder.settle()
    for index in (full.index, again(full.index)):
        for first in (10_000, 20_000):
            rows = unit_rows(120, 32, seed=first + 360)
            assert found(index, rows[5], 1) == [first + 365]
    with full.index.store.database.read() as session:
        state = read_state(session, "")
        assert state is not None
        assert state.vectors == COUNT + 960
        assert session.scalar(text("SELECT count(*) FROM image_vectors")) == COUNT + 960


def test_half_precision_loses_nothing() -> None:
    """Of vectors of 384 numbers, the ten nearest are the same in float16."""
    rows = unit_rows(3_000, 384, seed=1)
    half = rows.astype("<f2").astype(np.float32)
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    for query in unit_rows(20, 384, seed=2):
        full = rows @ query
        kept = half @ query
        assert np.abs(full - kept).max() < 2e-4
        best = np.argsort(-full)[:10]
        assert len(set(best.tolist()) & set(np.argsort(-kept)[:10].tolist())) >= 9


def test_names_of_tenants_are_no_paths(lite: ImageIndex, tmp_path: Path) -> None:
    finder = SqliteFinder(lite.store, "../../evil")
    assert isinstance(finder.nearest_vectors, Nearest)
    inside = finder.nearest_vectors._files.lock_path.resolve()
    assert inside.is_relative_to(lite.store.settings.data_dir.resolve())


def test_an_index_that_is_lost_says_so(full: Put, caplog: pytest.LogCaptureFixture) -> None:
    files(full.index)[".usearch"].unlink()
    with caplog.at_level(logging.WARNING):
        found(again(full.index), ROWS[0])
    assert "damaged" in caplog.text
