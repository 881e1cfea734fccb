"""Searching by words, by a picture and by both; filters, pages, notes; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant.errors import InputError, MissingError
from assistant.image_index import FileState, Filter, ImageIndex, Note
from assistant.image_index import searching as searching_module
from assistant.images import open_image
from assistant.store import Store
from tests.test_image_index.conftest import Put, names, unit_rows
from tests.tiny_space import COLOURS, TinySpace


def halves(left: str, right: str) -> Image.Image:
    pixels = Image.new("RGB", (40, 40), COLOURS[left])
    pixels.paste(COLOURS[right], (20, 0, 40, 40))
    return pixels


def test_words_find_pictures(index: ImageIndex, colours: dict[str, FileState]) -> None:
    for colour in COLOURS:
        results = index.search(f"something {colour}")
        assert names(results)[0] == f"{colour}.png"
        best = results.found[0]
        assert best.score > 0.9
        assert best.likelihood > 0.9
        assert not results.nothing
        assert results.total == len(COLOURS) == len(results.found)
        assert [each.score for each in results.found] == sorted(
            (each.score for each in results.found), reverse=True
        )


def test_a_picture_finds_what_is_like_it(index: ImageIndex, put: Put) -> None:
    put.plain("red.png", "red")
    put.picture("flag.png", halves("red", "white"))
    put.plain("blue.png", "blue")
    asked = open_image(Image.new("RGB", (10, 10), COLOURS["red"]))
    results = index.search(image=asked)
    assert names(results) == ["red.png", "flag.png", "blue.png"]
    assert results.found[0].likelihood == pytest.approx(
        float(index.embedder.calibration.of_pictures(results.found[0].score)), abs=1e-6
    )


def test_words_and_a_picture_together(index: ImageIndex, put: Put) -> None:
    for upper, lower in (("red", "red"), ("red", "blue"), ("blue", "blue"), ("red", "green")):
        put.picture(f"{upper}-{lower}.png", halves(upper, lower))
    red = open_image(Image.new("RGB", (10, 10), COLOURS["red"]))
    both = index.search("blue", image=red)
    assert names(both)[0] == "red-blue.png"
    assert names(index.search("blue", image=red, weight=1.0))[0] == "blue-blue.png"
    assert names(index.search("blue", image=red, weight=0.0))[0] == "red-red.png"
    space = index.embedder
    vector = space.encode_texts(["blue"])[0] + space.encode_pictures([red.pixels])[0]
    vector /= np.linalg.norm(vector)
    wanted = space.encode_pictures([halves("red", "blue")])[0] @ vector
    assert both.found[0].score == pytest.approx(float(wanted), abs=1e-3)
    with pytest.raises(InputError, match="weight"):
        index.search("blue", image=red, weight=1.5)


def test_what_is_like_an_indexed_picture(index: ImageIndex, colours: dict[str, FileState]) -> None:
    id = colours["red"].image_id
    assert id is not None
    results = index.similar(id, limit=3)
    assert len(results.found) == 3
    assert "red.png" not in names(results)
    assert results.total == len(COLOURS) - 1
    everything = index.similar(id, limit=100)
    assert len(everything.found) == everything.total == len(COLOURS) - 1
    for unknown in ("0" * 64, "../../etc/passwd"):
        with pytest.raises(MissingError):
            index.similar(unknown)


def test_nothing_is_like_it(index: ImageIndex, put: Put) -> None:
    put.plain("blue.png", "blue")
    results = index.search("red")
    assert results.nothing
    assert names(results) == ["blue.png"]
    assert not index.search("red", threshold=0.0).nothing
    assert index.search("blue", threshold=0.9999).nothing


def test_an_empty_index_finds_nothing(index: ImageIndex) -> None:
    assert index.is_empty
    results = index.search("red")
    assert (results.found, results.nothing, results.total) == ((), True, 0)
    assert index.folders() == []
    assert index.near_duplicates() == []


def test_what_cannot_be_asked(index: ImageIndex, put: Put) -> None:
    put.plain("red.png", "red")
    mixed = Filter(since=datetime(2024, 1, 2), until=datetime(2024, 1, 1, tzinfo=UTC))
    for how in (
        {"words": ""},
        {"words": "\0 "},
        {"words": "red", "limit": 0},
        {"words": "red", "limit": 1_001},
        {"words": "red", "offset": -1},
        {"words": "red", "where": Filter(min_side=20, max_side=10)},
        {"words": "red", "where": Filter(min_bytes=-1)},
        {"words": "red", "where": Filter(min_bytes=10**30)},
        {"words": "red", "where": Filter(folder="/not/indexed")},
        {"words": "red", "where": Filter(folder="a\0b")},
        {"words": "red", "where": Filter(folder="f" * 32)},
        {"words": "red", "where": Filter(subfolder="a")},
        {"words": "red", "where": Filter(labels=("a",) * 501)},
        {"words": "red", "where": mixed},
    ):
        with pytest.raises(InputError, match=r"[.]$"):
            index.search(**how)


def test_any_words_may_be_asked(index: ImageIndex, put: Put) -> None:
    put.plain("red.png", "red")
    index.annotate({file.image_id: Note(label="red") for file in index.files()})
    for words in ("' OR 1=1 --", '"red', "red\ud800", "red NOT blue*", "🟥 red", "%_"):
        assert names(index.search(words)) == ["red.png"]


def test_a_noted_label_raises_a_picture(index: ImageIndex, put: Put) -> None:
    apple = put.plain("a.png", "green")
    put.plain("b.png", "red")
    pear = put.plain("c.png", "green", (30, 40))
    plain = index.search("granny smith apples")
    assert plain.nothing
    notes = {
        str(apple.image_id): Note("Granny-Smith", "Apple", "a green apple on a table"),
        str(pear.image_id): Note("Conference", "Pear"),
        "0" * 64: Note("of nothing"),
    }
    assert index.annotate(notes) == 2
    results = index.search("a photo of granny smith apples")
    assert names(results)[0] == "a.png"
    assert not results.nothing
    best = results.found[0]
    assert (best.file.label, best.file.coarse_label) == ("Granny-Smith", "Apple")
    assert best.file.caption == "a green apple on a table"
    # The odds are twenty times those of the cosine alone.
    alone = float(index.embedder.calibration.of_words(best.score))
    odds = best.likelihood / (1 - best.likelihood)
    assert odds == pytest.approx(20 * alone / (1 - alone), rel=1e-2)
    assert names(index.search("the apple on the table"))[0] == "a.png"
    assert names(index.search("pear"))[0] == "c.png"
    assert index.labels() == ["Conference", "Granny-Smith"]
    index.annotate({str(pear.image_id): Note()})
    assert index.labels() == ["Granny-Smith"]
    found = {each.file.path: each for each in index.search("conference").found}
    assert found["c.png"].likelihood == pytest.approx(found["b.png"].likelihood, abs=0.2)


def test_notes_stay_short_and_plain(index: ImageIndex, put: Put) -> None:
    state = put.plain("a.png", "green")
    index.annotate({str(state.image_id): Note("x" * 500, "a\nb\0\x1b[31m", "y" * 5_000)})
    file = index.file(str(state.image_id))
    assert len(file.label) == 200
    assert file.coarse_label == "a b [31m"
    assert len(file.caption) == 2_000


def test_copies_of_one_picture_are_one_hit(index: ImageIndex, put: Put) -> None:
    for name in ("a.png", "b.png", "sub/c.png"):
        put.plain(name, "red")
    put.plain("d.png", "blue")
    results = index.search("red")
    assert names(results) == ["a.png", "d.png"]
    assert [other.path for other in results.found[0].others] == ["b.png", "sub/c.png"]
    assert results.total == 2
    below = index.search("red", where=Filter(folder=put.root, subfolder="sub"))
    assert names(below) == ["sub/c.png"]
    assert [other.path for other in below.found[0].others] == ["a.png", "b.png"]


def test_very_many_copies(index: ImageIndex, put: Put) -> None:
    state = put.plain("a.png", "red")
    more = [
        FileState(f"copies/{n:04d}.png", 10, n, "d", state.image_id, None, 40, 30)
        for n in range(300)
    ]
    index._keeper.put(put.folder, more, {})
    assert len(index.search("red").found[0].others) == 100
    last = index.search("red", where=Filter(folder=put.root, subfolder="copies")).found[0]
    assert last.file.path == "copies/0000.png"
    assert len(last.others) == 100
    assert len(list(index.files())) == 301


def test_filters(index: ImageIndex, put: Put, tmp_path: Path) -> None:
    day = datetime(2023, 5, 1, 12, tzinfo=UTC)
    small = put.plain("2022/small.png", "red", (20, 10), taken=day - timedelta(days=365))
    put.plain("2023/wide.png", "red", (400, 20), taken=day)
    put.plain("2023 b/tall.png", "red", (20, 300), modified_ns=int(day.timestamp() * 1e9))
    put.plain("2023/deep/old.png", "red", (60, 60), modified_ns=-(10**18))
    index.annotate({str(small.image_id): Note("Ball", "Toy")})

    def found(**how: object) -> set[str]:
        results = index.search("red", where=Filter(**how))  # type: ignore[arg-type]
        assert results.total == len(results.found)
        return {each.file.location.stem for each in results.found}

    everything = {"small", "wide", "tall", "old"}
    assert found() == everything
    assert found(labels=("Ball", "Other")) == {"small"}
    assert found(coarse_labels=("Toy",)) == {"small"}
    assert found(labels=("Other",)) == set()
    assert found(folder=put.folder) == found(folder=str(put.root)) == everything
    assert found(folder=tmp_path) == everything
    assert found(folder=put.root / "2023") == {"wide", "old"}
    assert found(folder=put.folder, subfolder="2023/deep") == {"old"}
    assert found(folder=put.folder, subfolder="/2023/") == {"wide", "old"}
    assert found(folder=put.folder, subfolder="20") == set()
    assert found(folder=put.folder, subfolder="%") == set()
    assert found(since=day) == {"wide", "tall"}
    assert found(until=day) == {"small", "old"}
    assert found(since=day - timedelta(days=400), until=day) == {"small"}
    assert found(min_side=20) == {"wide", "tall", "old"}
    assert found(max_side=300) == {"small", "tall", "old"}
    sizes = {file.location.stem: file.size for file in index.files()}
    assert found(min_bytes=sizes["small"] + 1) == {n for n in sizes if sizes[n] > sizes["small"]}
    assert found(max_bytes=sizes["small"]) == {n for n in sizes if sizes[n] <= sizes["small"]}
    assert found(folder=put.root / "2023", min_side=50) == {"old"}
    assert {each.location.stem for each in index.files(where=Filter(min_side=50))} == {"old"}


def test_a_local_time_may_be_asked_for(index: ImageIndex, put: Put) -> None:
    put.plain("a.png", "red", taken=datetime(2023, 5, 1, 12).astimezone())
    assert index.search("red", where=Filter(since=datetime(2023, 5, 1))).total == 1
    assert index.search("red", where=Filter(since=datetime(2023, 5, 2))).total == 0


def test_pages_show_each_picture_once(
    index: ImageIndex, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = unit_rows(700)
    put.vectors(rows)
    query = rows[3]
    monkeypatch.setattr(type(index.embedder), "encode_texts", lambda self, texts: query[None])
    whole = index.search("x", limit=1_000)
    assert len(whole.found) == whole.total == 700
    order = [each.file.image_id for each in whole.found]
    exact = np.argsort(-(rows @ query), kind="stable")
    assert [int(id, 16) for id in order[:30]] == exact[:30].tolist()
    again = ImageIndex(index.store, "", index.embedder)
    for opened in (index, again):
        pages = [opened.search("x", limit=90, offset=start) for start in range(0, 720, 90)]
        assert [each.file.image_id for page in pages for each in page.found] == order
        assert {page.total for page in pages} == {700}
        assert not any(page.nothing for page in pages)
    assert again.search("x", limit=10, offset=5_000).found == ()
    assert not again.search("x", limit=10, offset=5_000).nothing


def test_pages_with_notes_show_each_picture_once(
    index: ImageIndex, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = unit_rows(500)
    states = put.vectors(rows)
    monkeypatch.setattr(type(index.embedder), "encode_texts", lambda self, texts: rows[3][None])
    index.annotate({str(state.image_id): Note("Lemon") for state in states[::7]})
    pages = [index.search("lemon", limit=60, offset=start) for start in range(0, 500, 60)]
    shown = [each for page in pages for each in page.found]
    assert len({each.file.image_id for each in shown}) == len(shown) == 500
    likely = [each.likelihood for each in shown]
    assert likely == sorted(likely, reverse=True)
    raised = [each for each in shown[:72] if each.file.label == "Lemon"]
    assert len(raised) > 20


def test_a_filter_that_lets_few_through_finds_them_all(
    index: ImageIndex, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that are far from what is asked for, where the nearest of all are others."""
    rows = unit_rows(600)
    states = put.vectors(rows)
    monkeypatch.setattr(type(index.embedder), "encode_texts", lambda self, texts: rows[3][None])
    far = np.argsort(rows @ rows[3])[:30].tolist()
    index.annotate({str(states[place].image_id): Note("Far") for place in far})
    results = index.search("x", where=Filter(labels=("Far",)), limit=100)
    assert [int(each.file.image_id, 16) for each in results.found] == far[::-1]
    # As where very many match, of which all are among the farthest.
    monkeypatch.setattr(searching_module, "MOST", 25)
    monkeypatch.setattr(searching_module, "_FIRST", 4)
    monkeypatch.setattr(searching_module, "_DEEPEST", 40)
    fresh = ImageIndex(index.store, "", index.embedder)
    results = fresh.search("x", where=Filter(labels=("Far",)), limit=20)
    assert [int(each.file.image_id, 16) for each in results.found] == far[::-1][:20]


def test_texts_for_a_picture(index: ImageIndex, put: Put) -> None:
    red = open_image(Image.new("RGB", (10, 10), COLOURS["red"]))
    assert index.texts_for(red) == []
    told = index.texts_for(red, ["blue", "red", "red", " "], limit=5)
    assert [text for text, _ in told] == ["red", "blue"]
    assert told[0][1] > 0.9 > 0.1 > told[1][1]
    state = put.plain("a.png", "red")
    put.plain("b.png", "blue")
    index.annotate({str(state.image_id): Note("Red-Ball", "Toy", "a red ball")})
    assert {text for text, _ in index.texts_for(red, limit=2)} == {"Red-Ball", "a red ball"}


def test_another_embedders_index_is_refused_and_made_anew(
    index: ImageIndex, put: Put, store: Store
) -> None:
    state = put.plain("a.png", "red")
    index.annotate({str(state.image_id): Note("Ball")})
    other = ImageIndex.open(store=store, embedder=TinySpace("other"))
    again = Put(other, put.root)
    for refused in (
        lambda: other.search("red"),
        lambda: other.similar(str(state.image_id)),
        lambda: other.near_duplicates(),
        lambda: again.plain("b.png", "blue"),
    ):
        with pytest.raises(InputError, match=r"made with tiny and not with other.*--rebuild"):
            refused()
    other._keeper.start_anew()
    known = other._keeper.states(put.folder)
    assert known.waiting == {state.image_id}
    assert set(known.files) == {"a.png"}
    assert other.search("red").total == 0
    again.plain("a.png", "red")
    assert names(other.search("red")) == ["a.png"]
    assert other.file(str(state.image_id)).label == "Ball"
    assert not other._keeper.states(put.folder).waiting
    with pytest.raises(InputError, match="made with other and not with tiny"):
        index.search("red")


def test_tenants_see_nothing_of_each_other(index: ImageIndex, put: Put, store: Store) -> None:
    mine = put.plain("a.png", "red")
    index.annotate({str(mine.image_id): Note("Secret")})
    other = ImageIndex.open(store=store, tenant="other's", embedder=index.embedder)
    assert other.is_empty
    theirs = Put(other, put.root)
    assert other.folders() == []
    theirs.plain("a.png", "red")
    theirs.plain("b.png", "blue")
    assert names(index.search("secret red")) == ["a.png"]
    assert other.search("secret red").found[0].file.label == ""
    assert other.annotate({str(mine.image_id): Note("Theirs")}) == 1
    assert index.file(str(mine.image_id)).label == "Secret"
    with pytest.raises(InputError, match="not indexed"):
        index.search("red", where=Filter(folder=theirs.folder))
    with pytest.raises(InputError, match="not indexed"):
        index.remove(theirs.folder)
    other.remove(theirs.folder)
    assert names(index.search("red")) == ["a.png"]
    assert other.is_empty
