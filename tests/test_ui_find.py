"""The page "Find": its states, its address, what the grid is sent, and indexing from the page."""

from __future__ import annotations

import base64
import io
import shutil
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import assistant.engine
import assistant.space
import ui.session
import ui.threads
from assistant.errors import InputError
from assistant.image_index import ImageIndex, Note
from assistant.images import open_image
from assistant.settings import Settings, get_settings
from assistant.store import Store
from tests.coloured_pictures import make_pictures
from tests.scripted_page import PAGE, SIGHTDESK, ScriptedEngine
from tests.tiny_space import TinySpace
from ui.find_bar import PICTURE, take_picture
from ui.find_details import VIEW
from ui.find_grid import OPEN, items, percent, read_wanted
from ui.find_indexing import Indexings
from ui.find_pictures import look
from ui.find_query import Query
from ui.preferences import KEY, Preferences
from ui.words import Words

TIMEOUT = 120.0
EVIL = "<b>bold<b> **strong** ![x](http:evil.example).png"
SAY = Words("en")


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> TinySpace:
    space = TinySpace()
    monkeypatch.setattr(assistant.space, "picture_embedder", lambda *_, **__: space)
    return space


@pytest.fixture
def engine(space: TinySpace, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEngine]:
    scripted = ScriptedEngine(["A red wall with a grey spot."])
    monkeypatch.setattr(assistant.engine.Engine, "load", scripted.load)
    for module in (ui.session, ui.threads):
        monkeypatch.setattr(module, "served_here", lambda: True)
    st.cache_resource.clear()
    yield scripted
    st.cache_resource.clear()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_pictures(tmp_path / "colours", 24)
    return tmp_path / "colours"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder whose index knows 24 pictures, made once."""
    place = tmp_path_factory.mktemp("ready")
    make_pictures(place / "colours", 24)
    settings = Settings(data_dir=place / "data", cache_dir=place / "cache")
    with Store.open(settings) as store:
        ImageIndex.open(store=store, embedder=TinySpace()).add(place / "colours")
    return place / "data"


@pytest.fixture
def index(engine: ScriptedEngine, ready: Path) -> Iterator[ImageIndex]:
    """A copy of it; its pictures are everybody's, and must stay as they are."""
    shutil.copytree(ready, get_settings().data_dir)
    with Store.open() as store:
        yield ImageIndex.open(store=store)


@pytest.fixture
def own(index: ImageIndex, folder: Path) -> ImageIndex:
    """One that knows a folder of the test's own, and nothing else."""
    index.remove(index.folders()[0].id)
    index.add(folder)
    return index


def open_page(**address: str | list[str]) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    for name, value in address.items():
        page.query_params[name] = value
    page.switch_page("find.py").run()
    assert not page.exception
    return page


def press(page: AppTest, label: str) -> AppTest:
    named = [button.label.replace("\\", "") for button in page.button]
    place = named.index(label) if label in named else None
    found = [page.button[place]] if place is not None else []
    found += [button for button, name in zip(page.button, named, strict=True) if label in name]
    assert found, f"no {label} among {[button.label for button in page.button]}"
    found[0].click().run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    parts = [*page.text, *page.markdown, *page.caption, *page.header, *page.subheader]
    parts += [*page.error, *page.warning, *page.info]
    return "\n".join(part.value for part in parts).replace("\\", "")


def shown(page: AppTest) -> list[str]:
    return [found.file.path for found in page.session_state[VIEW].found]


# --- states


def test_before_anything_is_indexed_it_says_how(engine: ScriptedEngine) -> None:
    page = open_page()
    assert page.header[0].value == "Find pictures"
    assert "First name a folder of pictures" in texts(page)
    assert page.code[0].value == "sightdesk index ~/Pictures"
    page.text_input[0].set_value("/no/such/folder")
    press(page, "Index this folder")
    assert "/no/such/folder is no folder that can be read" in texts(page)


def test_a_page_that_is_served_to_others_shows_no_picture(
    index: ImageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui.session, "served_here", lambda: False)
    page = open_page(q="red")
    assert page.info[0].value.startswith("This page is served to a network")
    assert not page.button
    assert VIEW not in page.session_state
    assert "colours" not in texts(page)


def test_all_pictures_then_those_that_words_name_then_nothing_like_it(index: ImageIndex) -> None:
    page = open_page()
    assert "24 pictures" in texts(page)
    assert shown(page)[0] == "purple-0023.png", "the newest first"
    page.text_input[0].set_value("something red").run()
    assert shown(page) and all(path.startswith("red") for path in shown(page))
    assert page.query_params["q"] in ("something red", ["something red"])
    assert f"{len(shown(page))} pictures · 50 % likely or more" in texts(page)
    page.text_input[0].set_value("a xylophone").run()
    assert not shown(page)
    assert "Nothing like it" in texts(page)
    assert "50 % are asked for" in texts(page)
    press(page, "Show the closest anyway")
    assert len(shown(page)) == 24
    assert page.query_params["least"] in ("0", ["0"])


def test_an_address_is_opened_and_gone_back_to(index: ImageIndex) -> None:
    page = open_page(q="red", sort="name")
    assert page.text_input[0].value == "red"
    assert shown(page) == sorted(shown(page))
    page.text_input[0].set_value("blue").run()
    assert all(path.startswith("blue") for path in shown(page))
    page.selectbox(key="find-sort").set_value("oldest").run()
    page.text_input[0].set_value("").run()
    assert page.query_params.get("sort") is None, "all have an order of their own"
    assert shown(page)[0] == "purple-0023.png"
    page.selectbox(key="find-order").set_value("oldest").run()
    assert shown(page)[0] == "red-0000.png"
    page.query_params["q"] = "red"  # as the browser does on "back"
    page.run()
    assert page.text_input[0].value == "red"
    assert all(path.startswith("red") for path in shown(page))


def test_filters_narrow_and_are_cleared(own: ImageIndex, folder: Path) -> None:
    first = {file.path: file for file in own.files()}["red-0000.png"]
    own.annotate({first.image_id: Note(label="Wall")})
    page = open_page()
    page.multiselect[0].set_value(["Wall"]).run()
    assert shown(page) == ["red-0000.png"]
    assert page.query_params["label"] in ("Wall", ["Wall"])
    press(page, "Clear the filters")
    assert len(shown(page)) == 24
    page.date_input[0].set_value(date(2099, 1, 1)).run()
    assert "No picture fits the filters" in texts(page)
    press(page, "Clear the filters")
    other = make_pictures(folder.parent / "others", 1, side=64)[0].parent
    own.add(other)
    page = open_page()
    press(page, "others · 1")
    assert len(shown(page)) == 1


def test_a_folder_is_removed_when_one_is_sure(index: ImageIndex) -> None:
    page = press(open_page(), "Folders of pictures")
    press(page, "Remove from the index")
    assert "the files stay" in texts(page)
    press(page, "Cancel")
    assert index.folders()
    press(page, "Remove from the index")
    press(page, "Remove")
    assert not index.folders()
    assert "First name a folder of pictures" in texts(page)


def test_near_duplicates_stand_together(own: ImageIndex, folder: Path) -> None:
    (folder / "copies").mkdir()
    shutil.copy(folder / "red-0000.png", folder / "copies" / "again.png")
    own.add(folder)
    page = open_page(alike="1")
    groups = page.session_state[VIEW].groups
    assert any(size > 1 for size in groups)
    assert sum(groups) == len(shown(page))
    assert "copies/again.png" in shown(page)
    assert "group" in texts(page)


def test_in_chinese(index: ImageIndex) -> None:
    index.store.set_preference(KEY, Preferences(language="zh").to_dict())
    page = open_page(q="red")
    assert page.header[0].value == "查找图片"
    assert "可能性不低于 50 %" in texts(page)


def test_what_makes_the_index_useless_is_said(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise InputError("No *embedder*: fetch it.")

    monkeypatch.setattr(assistant.space, "picture_embedder", fail)
    page = open_page()
    assert page.error[0].value.replace("\\", "") == "No *embedder*: fetch it."
    assert [button for button in page.button if button.label == "Try again"]


# --- one picture


def open_details(page: AppTest, place: int = 0) -> AppTest:
    page.session_state[OPEN] = place
    page.run()
    assert not page.exception
    return page


def test_details_describe_similar_and_the_next(index: ImageIndex, engine: ScriptedEngine) -> None:
    page = open_details(open_page(q="red"))
    name = shown(page)[0]
    assert f"1 of {len(shown(page))}" in texts(page)
    assert name in texts(page)
    assert [code.value for code in page.code if code.value.endswith(name)]
    press(page, "Describe")
    assert "A red wall with a grey spot." in [text.value for text in page.text]
    assert next(f for f in index.files() if f.path == name).caption.startswith("A red wall")
    press(page, "Next")
    assert f"2 of {len(shown(page))}" in texts(page)
    press(page, "Similar")
    assert OPEN not in page.session_state
    assert page.query_params["like"]
    assert name in shown(page)


def test_ask_about_this_opens_the_chat_with_the_picture(index: ImageIndex) -> None:
    page = open_details(open_page(q="blue"))
    name = shown(page)[0]
    press(page, "Ask about this")
    assert [photo.name for photo in page.session_state["desk"].tray] == [name]
    assert page.chat_input, "the chat is open"
    assert [button for button in page.button if button.label == "Describe it"]


def test_a_picture_that_is_gone_is_told(own: ImageIndex, folder: Path) -> None:
    page = open_page(q="red")
    (folder / shown(page)[0]).unlink()
    open_details(page)
    assert "is not in its folder any more" in texts(page)


def test_names_are_never_markup(own: ImageIndex, folder: Path) -> None:
    make_pictures(folder / "evil", 1, side=80)[0].rename(folder / "evil" / EVIL)
    own.add(folder)
    place = shown(page := open_page()).index(f"evil/{EVIL}")
    open_details(page, place)
    assert page.subheader[-1].value.replace("\\", "").startswith("<b>bold<b> **strong**")
    assert "\\<b\\>" in page.subheader[-1].value


# --- what the browser sends and is sent


def test_a_dropped_picture_is_looked_for(own: ImageIndex, folder: Path) -> None:
    page = open_page()
    content = base64.b64encode((folder / "green-0001.png").read_bytes()).decode()
    state: Any = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "session_state", state)
        take_picture({"name": EVIL, "content": content}, SAY)
        assert state[PICTURE].name == EVIL
        for wrong in (None, {}, {"name": "x", "content": "*"}, {"name": "x", "content": "AAAA"}):
            take_picture(wrong, SAY)
            assert state.pop("find-picture-trouble")
    page.session_state[PICTURE] = state[PICTURE]
    page.run()
    assert shown(page)[0].startswith("green")
    assert EVIL in [text.value.removeprefix("Like ") for text in page.text]
    press(page, "Without this picture")
    assert len(shown(page)) == 24


def test_the_grid_gets_what_it_asks_for_and_no_more(own: ImageIndex, folder: Path) -> None:
    view = look(own, Query(words="red"))
    wanted = {"view": view.key, "places": [1, 0, 1, -1, 10**9, "2", None, True], "number": 7}
    places, number = read_wanted(wanted, view)
    assert (places, number) == ([1, 0], 7)
    assert read_wanted({**wanted, "view": "another"}, view) == ([], 7)
    assert read_wanted("nonsense", view) == ([], 0)
    twice = {**wanted, "places": [*range(len(view.found)), *range(len(view.found))]}
    assert read_wanted(twice, view)[0] == list(range(len(view.found)))
    (folder / view.found[1].file.path).unlink()
    told = items([0, 1], view, own, SAY, seconds=30)
    picture = Image.open(io.BytesIO(base64.b64decode(told["0"]["picture"])))
    assert picture.format == "WEBP"
    assert told["0"]["likely"] == f"{percent(view.found[0].likelihood)} %"
    assert told["0"]["told"].endswith("% likely")
    assert told["1"]["broken"] and "picture" not in told["1"]
    assert "picture" not in items([0], view, own, SAY, seconds=0)["0"], "no time, asked again"


@pytest.mark.parametrize(
    "address",
    [
        {},
        {"q": "a red kite", "label": ["a", "b"], "since": "2024-02-29", "size": "large"},
        {"like": "0" * 64, "folder": "f" * 32, "until": "2024-01-01", "least": "0"},
        {"sort": "oldest", "alike": "1"},
    ],
)
def test_a_query_and_its_address_are_the_same(address: dict[str, Any]) -> None:
    assert Query.read(address).address() == address


def test_an_address_that_makes_no_sense_asks_for_nothing() -> None:
    wild = {"since": "9999-12-31", "until": "x", "size": "huge", "least": "-5", "sort": "by luck"}
    assert Query.read({**wild, "q": ["  "], "label": ["", " "]}) == Query()
    assert Query.read({"least": "999", "q": "x" * 9999}).least == 95
    assert len(Query.read({"q": "x" * 9999}).words) == 500


# --- indexing


def test_a_folder_is_indexed_as_a_process_of_its_own(
    space: TinySpace, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PAGE.parent.parent))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    program = (sys.executable, str(SIGHTDESK))
    indexings = Indexings(tmp_path / "indexings", program)
    with pytest.raises(InputError, match="no folder"):
        indexings.start(str(folder / "red-0000.png"))
    indexings.start(f'"{folder}"')
    (begun,) = indexings.all()
    assert begun.path == str(folder)
    deadline = time.monotonic() + TIMEOUT
    while (now := indexings.all()[0]).active:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert (now.state, now.error) == ("done", "")
    assert now.result is not None
    assert now.result["new"] == 24
    assert len(now.result["troubles"]) == 1
    with Store.open() as store:
        assert ImageIndex.open(store=store).folders()[0].files == 24
    indexings.dismiss(now.name)
    assert not indexings.all()
    indexings.dismiss("../../etc/passwd0")


def test_a_picture_opens_whatever_its_mode(own: ImageIndex, folder: Path) -> None:
    Image.new("RGBA", (40, 30), (220, 30, 30, 128)).save(folder / "clear.png")
    assert open_image(folder / "clear.png").pixels.mode == "RGB"
    own.add(folder)
    page = open_page()
    open_details(page, shown(page).index("clear.png"))
