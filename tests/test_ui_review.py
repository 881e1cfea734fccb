"""The review page: what board and server tell each other, and the frame around the board."""

from __future__ import annotations

import base64
import io
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

import assistant.engine
import ui.review
import ui.session
import ui.threads
from adapters.data.formats import read_dataset
from adapters.data.validate import validate
from assistant.annotate.decisions import DecisionLog
from assistant.annotate.job import Job
from assistant.annotate.review import Review
from assistant.annotate.values import Annotation
from assistant.errors import StoreError
from assistant.store import Store
from tests.chromium import ROOT
from tests.reviewed_jobs import add_rows, describing_job, labelling_job, paint
from tests.scripted_page import PAGE, SIGHTDESK, ScriptedEngine
from ui import jobs, review_start
from ui.preferences import KEY, Preferences
from ui.review_previews import LONGEST, Previews
from ui.review_wire import AHEAD, Heard, Move, Said, View, answer, take

TIMEOUT = 120.0
EVIL = "<b>bold</b> **strong** ![x](http:evil.example) :smile:"


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return labelling_job(tmp_path / "photos", tmp_path / "out", count=12)


# --- what the two tell each other


@pytest.mark.parametrize(
    "value",
    [
        None, 3, [], {}, {"moves": 3, "have": 4, "client": None}, {"moves": [3, {}, {"n": True}]},
        {"moves": [{"n": 1, "id": "x", "verdict": "devour"}]},
        {"moves": [{"n": 1, "id": 7, "verdict": "accept"}]},
    ],
)  # fmt: skip
def test_a_message_that_cannot_be_understood_says_nothing(value: object) -> None:
    said = Said.read(value)
    assert (said.moves, said.have) == ((), frozenset())


def test_a_message_is_put_in_order_and_bounded() -> None:
    moves = [{"n": 2, "id": "b", "verdict": "skip"}, {"n": 1, "id": "a", "verdict": "correct",
             "text": "x" * 9_000}]  # fmt: skip
    said = Said.read({"client": "c" * 100, "moves": moves * 40, "have": ["a"] * 500})
    assert [move.number for move in said.moves][:2] == [1, 1]
    assert len(said.moves) == 50
    assert len(said.moves[0].text or "") == 5_000
    assert len(said.client) == 64


def test_what_comes_twice_or_is_overtaken_is_kept_once_and_in_order(job: Job) -> None:
    review, heard = Review(job), Heard()
    first, second, third = (card.image_id for card in review.upcoming(limit=3))
    moves = (Move(4, first, "accept"), Move(7, second, "reject"), Move(9, third, "skip"))
    take(Said("c", moves[:1]), heard, review)
    take(Said("c", moves), heard, review)
    take(Said("c", moves[1:]), heard, review)
    assert heard == Heard(9)
    lines = (job.path / "review.jsonl").read_text().splitlines()
    assert [json.loads(line)["image_id"] for line in lines] == [first, second, third]


def test_what_cannot_be_kept_is_told_and_the_rest_goes_on(job: Job) -> None:
    review, heard = Review(job), Heard()
    first, second = (card.image_id for card in review.upcoming(limit=2))
    moves = (
        Move(1, first, "correct", "  "), Move(2, "0" * 64, "accept"), Move(3, second, "accept"),
    )  # fmt: skip
    take(Said("c", moves), heard, review)
    assert heard.number == 3
    assert heard.refused.keys() == {1, 2}
    assert "type one" in heard.refused[1]
    assert review.counts.done == 1


def test_a_full_disk_stops_until_it_is_tried_again(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    review, heard = Review(job), Heard()
    first, second = (card.image_id for card in review.upcoming(limit=2))
    said = Said("c", (Move(1, first, "accept"), Move(2, second, "accept")))

    def full(self: DecisionLog, decisions: Any) -> None:
        raise StoreError("No room; make some.")

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "add", full)
        take(said, heard, review)
    assert heard == Heard(0, "No room; make some.")
    take(said, heard, review)
    assert heard == Heard(2)
    assert review.counts.done == 2


def test_an_answer_has_what_comes_next_and_what_is_lacking(job: Job) -> None:
    review, previews = Review(job), Previews()
    first = answer(review, View(), Said(), Heard(), previews)
    assert len(first["cards"]) == AHEAD
    assert first["counts"] == {"done": 0, "aside": 4, "left": 12, "total": 12}
    card = first["cards"][0]
    assert (card["guess"], card["aside"], card["coarse"]) == ("Banana", True, "Banana")
    assert len(card["choices"]) == 5
    shown = first["pictures"][card["id"]]
    with Image.open(io.BytesIO(base64.b64decode(shown["jpeg"]))) as picture:
        assert picture.size == (96, 96)
    assert (shown["trouble"], shown["changed"]) == ("", False)
    key, have = first["labels"]["key"], frozenset(each["id"] for each in first["cards"])
    wait_until(lambda: not lacking(answer(review, View(), Said("c"), Heard(), previews), have))
    second = answer(review, View(), Said("c", (), have, key), Heard(5), previews)
    assert second["pictures"] == {}
    assert second["labels"]["names"] is None
    assert second["heard"]["number"] == 5
    aside = answer(review, View("aside", "Kiwi"), Said(), Heard(), previews)
    assert [each["guess"] for each in aside["cards"]] == ["Kiwi"]
    json.dumps(second)


def lacking(told: dict[str, Any], have: frozenset[str]) -> bool:
    return not told["pictures"].keys() & have


def wait_until(done: Any, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_picture_that_is_gone_changed_or_outside_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    job = labelling_job(folder, tmp_path / "out", count=3)
    (folder / "picture-0000.png").unlink()
    Image.new("RGB", (3000, 2000), "red").save(folder / "picture-0001.png")
    add_rows(job, [Annotation("../secret.png", "f" * 64, label="Kiwi", confidence=0.1)])
    review, previews = Review(job), Previews()
    for number in range(3):
        previews.get(folder / f"picture-{number:04}.png", 20.0)
    told = answer(review, View(), Said(have=frozenset("x")), Heard(), previews)
    by_name = {card["name"]: told["pictures"].get(card["id"]) for card in told["cards"]}
    assert "leads out" in by_name["../secret.png"]["trouble"]
    assert "does not exist" in by_name["picture-0000.png"]["trouble"]
    changed = by_name["picture-0001.png"]
    assert changed["changed"]
    with Image.open(io.BytesIO(base64.b64decode(changed["jpeg"]))) as picture:
        assert max(picture.size) == LONGEST


def test_previews_are_bounded(tmp_path: Path) -> None:
    paths = paint(tmp_path, 6, side=200)
    previews = Previews(kept_bytes=2_500)
    sizes = [len(preview.jpeg) for path in paths if (preview := previews.get(path, 20.0))]
    assert len(sizes) == 6
    kept = [each.result() for each in previews._made.values()]
    assert sum(len(each.jpeg) for each in kept[:-1]) <= 2_500
    assert previews.get(paths[-1]) is not None, "the latest is there"


def test_the_page_needs_no_torch() -> None:
    code = (
        "import sys, ui.review_board, ui.review_start, assistant.annotate.review\n"
        "print(*({'torch', 'transformers'} & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == ""


# --- the frame


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    scripted = ScriptedEngine(["A yellow banana."])
    monkeypatch.setattr(assistant.engine.Engine, "load", scripted.load)
    for module in (ui.session, ui.threads, ui.review):
        monkeypatch.setattr(module, "served_here", lambda: True)
    st.cache_resource.clear()
    yield monkeypatch
    st.cache_resource.clear()


def open_page(job: str | None = None) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    page.switch_page("review.py")
    if job is not None:
        page.query_params["job"] = job
    page.run()
    assert not page.exception
    return page


def texts(page: AppTest) -> str:
    parts = [*page.text, *page.markdown, *page.caption, *page.header, *page.subheader, *page.code]
    parts += [*page.error, *page.warning, *page.info, *page.success]
    return "\n".join(part.value for part in parts)


def board(page: AppTest) -> dict[str, Any]:
    """What the board was given."""
    (found,) = page.get("bidi_component")
    proto: Any = found.proto
    return json.loads(proto.json or proto.mixed.json)


def press(page: AppTest, label: str) -> AppTest:
    found = [button for button in page.button if label in button.label.replace("\\", "")]
    assert found, f"no {label} among {[button.label for button in page.button]}"
    found[0].click().run()
    assert not page.exception
    return page


def test_with_no_job_the_page_says_how_one_is_made(site: pytest.MonkeyPatch) -> None:
    page = open_page()
    assert page.header[0].value == "Nothing to review yet"
    assert "sightdesk label FOLDER --adapter grocery --out FOUND" in texts(page)
    assert "grocery" in page.selectbox[0].options
    page.text_input[0].set_value("/no/such/folder")
    press(page, "Start")
    assert "is no folder" in page.error[0].value
    page.text_input[0].set_value("  ")
    press(page, "Start")
    assert "type its path" in page.error[0].value


def test_a_job_is_started_from_the_page(site: pytest.MonkeyPatch, tmp_path: Path) -> None:
    started: list[list[str]] = []

    def start(folder: Path, command: list[str], **_: Any) -> None:
        started.append(command)

    site.setattr(jobs, "start", start)
    paint(tmp_path / "my photos", 1)
    page = open_page()
    page.text_input[0].set_value(f"'{tmp_path / 'my photos'}'")
    page.selectbox[0].set_value("grocery")
    press(page, "Start")
    (command,) = started
    out = str(review_start.home() / "my-photos" / "found")
    expected = ["label", "--adapter", "grocery", str(tmp_path / "my photos"), "--out", out]
    assert command[-6:] == expected
    page.button_group[0].set_value("describe").run()
    press(page, "Start")
    assert started[-1][-4:] == ["describe", str(tmp_path / "my photos"), "--out", out]


def test_what_was_started_is_watched_and_its_failure_told(
    site: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site.setattr(jobs, "sightdesk", lambda: (sys.executable, str(SIGHTDESK)))
    out = review_start.begin(str(tmp_path), adapter=None)
    wait_until(lambda: [each.state for each in review_start.started()] == ["failed"])
    (found,) = review_start.started()
    assert (found.out, found.source) == (out, str(tmp_path))
    page = open_page()
    assert "could not be done" in page.error[0].value


def test_the_board_gets_the_newest_job_and_the_address_names_it(
    site: pytest.MonkeyPatch, tmp_path: Path, job: Job
) -> None:
    page = open_page()
    assert page.header[0].value == "photos"
    assert page.query_params["job"] in (job.id, [job.id])
    given = board(page)
    assert given["kind"] == "label"
    assert given["counts"]["total"] == 12
    assert given["words"]["accept"] == "Accept"
    page.button_group[0].set_value("aside").run()
    assert {card["aside"] for card in board(page)["cards"]} == {True}
    page.selectbox[0].set_value("Kiwi").run()
    assert [card["guess"] for card in board(page)["cards"]] == ["Kiwi"]
    assert not page.exception


def test_jobs_are_listed_and_chosen(site: pytest.MonkeyPatch, tmp_path: Path, job: Job) -> None:
    other = describing_job(tmp_path / EVIL, tmp_path / "other")
    page = open_page(other.id)
    assert "evil" in page.header[0].value
    assert "**strong**" not in page.header[0].value, "escaped"
    assert board(page)["kind"] == "describe"
    press(page, "photos · labels")
    assert board(page)["kind"] == "label"
    press(page, "Another folder")
    assert page.header[0].value == "Another folder"
    assert not page.get("bidi_component")


def test_a_job_that_is_not_there(site: pytest.MonkeyPatch, job: Job) -> None:
    page = open_page("0123456789ab")
    assert page.warning[0].value == "That job is not here any more."
    assert page.header[0].value == "photos"


def test_a_page_that_is_served_to_others_shows_nothing(site: pytest.MonkeyPatch, job: Job) -> None:
    site.setattr(ui.review, "served_here", lambda: False)
    site.setattr(ui.session, "served_here", lambda: False)
    page = open_page(job.id)
    assert page.info[0].value.startswith("This page is served to a network")
    assert not page.get("bidi_component")
    assert not page.button
    assert "photos" not in [header.value for header in page.header]


def test_the_training_set_is_made_and_handed_to_the_training_page(
    site: pytest.MonkeyPatch, job: Job
) -> None:
    review = Review(job)
    cards = review.upcoming()
    for card in cards[:-1]:
        review.decide(card.image_id, "accept")
    page = open_page()
    assert "Pictures so far: 11" in texts(page)
    review.decide(cards[-1].image_id, "reject")
    page.run()
    assert "11 accepted, 0 corrected, 1 rejected" in board(page)["words"]["empty"]
    press(page, "Make a training set")
    file = job.path / "training.jsonl"
    assert "11 pictures with 5 labels were written to:" in texts(page)
    assert [code.value for code in page.code] == [
        str(file), f"sightdesk adapters train {file}"
    ]  # fmt: skip
    assert validate(read_dataset(file)).usable == 11
    press(page, "Train an adapter with it")
    assert page.text_input[0].value == str(file), "of the training page"


def test_what_is_not_there_any_more_is_told(site: pytest.MonkeyPatch, job: Job) -> None:
    review = Review(job)
    for card in review.upcoming():
        review.decide(card.image_id, "accept")
    (job.folder / "picture-0004.png").unlink()
    page = press(open_page(), "Make a training set")
    assert page.expander[0].label == "Left out: 1"
    assert "picture-0004.png cannot be read" in texts(page)


def test_in_chinese(site: pytest.MonkeyPatch, job: Job) -> None:
    with Store.open() as store:
        store.set_preference(KEY, Preferences(language="zh").to_dict())
    page = open_page()
    assert board(page)["words"]["accept"] == "接受"
    assert any("标签" in button.label for button in page.button)


def test_the_chat_links_to_it(site: pytest.MonkeyPatch) -> None:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    page.run()
    links: Any = page.get("page_link")
    assert any(link.proto.label == "Review labels" for link in links)
