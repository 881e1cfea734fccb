"""What a tab remembers, what the model is told, and attention over a picture: no page is drawn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from assistant.engine.values import Gaze
from assistant.enhance import Enhancement
from assistant.errors import StoreError
from assistant.images import LoadedImage, open_image
from assistant.store import Exchange, NewExchange, Store, ThreadSummary
from tests.scripted_page import ScriptedEngine
from ui.answering import write_answer
from ui.conversation import MAX_TOLD, about, make_turns, pictures_in, question_for
from ui.desk import Desk, Job
from ui.details import rows
from ui.engine_room import EngineRoom
from ui.heat import by_word, overlay, strongest, whole
from ui.photos import Photo, open_photos, read_enhancement
from ui.preferences import Preferences
from ui.scratch import Scratch
from ui.threads import by_day
from ui.words import Words


def picture(shade: int, size: tuple[int, int] = (8, 8)) -> LoadedImage:
    return open_image(Image.new("RGB", size, (shade, 0, 0)))


def exchange(position: int, **values: Any) -> Exchange:
    given: dict[str, Any] = {
        "question": f"q{position}", "shown": f"q{position}", "images": (), "used": (), "names": (),
        "enhancement": None, "answer": "Yes.", "state": "done", "error": None, "details": {},
        "thumb": None, "correction": None,
    }  # fmt: skip
    given |= values
    given["used"] = given["used"] or given["images"]
    return Exchange(
        id=f"e{position}", thread_id="t", position=position, created=datetime.now(UTC), **given
    )


class Quiet:
    """A screen that records, and may stop the script as Streamlit does."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.shown: list[str] = []
        self.stop_after = stop_after

    def waiting(self) -> None: ...

    def looking(self) -> None: ...

    def show(self, text: str) -> None:
        self.shown.append(text)
        if len(self.shown) == self.stop_after:
            raise Stopped


class Stopped(BaseException):
    """As Streamlit's StopException."""


# --- what the model is told


def test_without_words_a_description_is_asked_for() -> None:
    assert question_for("  ") == "Describe the picture in one sentence."
    assert question_for(" What? ") == "What?"


def test_the_photo_outlives_the_turns_that_are_not_told() -> None:
    exchanges = [exchange(0, images=("a",))] + [exchange(n) for n in range(1, 12)]
    turns = make_turns(exchanges)
    assert [turn.role for turn in turns] == ["user", "assistant"] * (MAX_TOLD - 1) + ["user"]
    assert turns[0].images == ("a",)
    assert pictures_in(turns) == ["a"]


def test_the_photo_outlives_the_exchanges_that_are_not_even_read() -> None:
    exchanges = [exchange(n, details={"about": ["a"]}) for n in range(30, 50)]
    turns = make_turns(exchanges)
    assert turns[0].images == ("a",)
    assert about(exchanges) == ("a",)


def test_a_photo_of_a_question_without_an_answer_goes_with_the_next() -> None:
    turns = make_turns([exchange(0, images=("a",), answer="", state="stopped"), exchange(1)])
    assert [(turn.text, turn.images) for turn in turns] == [("q1", ("a",))]


def test_the_model_is_told_of_the_pictures_as_they_were_adjusted() -> None:
    (turn,) = make_turns([exchange(0, images=("a",), used=("b",))])
    assert turn.images == ("b",)


# --- files


def named(name: str, content: bytes) -> BytesIO:
    stream = BytesIO(content)
    stream.name = name
    return stream


def test_files_past_the_limit_are_not_even_read(photos: Path) -> None:
    class Untouched:
        name = "never.jpg"

        def read(self, *_: object) -> bytes:
            raise AssertionError("was read")

    good = (photos / "Lemon.webp").read_bytes()
    opened = open_photos([named("a.webp", good), named("b.webp", good), *[Untouched()] * 38], 2)
    assert [photo.name for photo in opened.photos] == ["a.webp"], "the same pixels are one photo"
    assert opened.left_out == 38
    assert not opened.problems


def test_a_file_past_the_size_limit_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Endless:
        """500 MB that nobody has to hold."""

        name = "huge.jpg"
        left = 500 * 2**20

        def read(self, size: int = -1) -> bytes:
            size = min(size, self.left)
            self.left -= size
            return bytes(size)

    huge = Endless()
    opened = open_photos([huge], 4)
    assert not opened.photos
    assert opened.problems[0].startswith("huge.jpg is larger than 32 MiB")
    assert huge.left > 460 * 2**20, "no more was read than the limit"


def test_an_enhancement_that_cannot_be_read_is_off() -> None:
    assert read_enhancement({"denoise": "much"}) == Enhancement()
    assert read_enhancement(None) == Enhancement()


# --- answers


@pytest.fixture
def store() -> Any:
    with Store.open() as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    fresh = Desk(lambda: store)
    fresh.begin()
    return fresh


def ask(desk: Desk, text: str, *photos: LoadedImage) -> Exchange:
    asked = desk.ask(text, [Photo(f"{n}.png", photo) for n, photo in enumerate(photos)])
    assert asked is not None
    return asked


def write(
    desk: Desk, engine: ScriptedEngine, screen: Quiet | None = None, *, again: bool = False
) -> None:
    """Answer the last question."""
    assert desk.last is not None
    job = Job(desk.last, again=again)
    write_answer(
        job, desk, engine, EngineRoom(), screen or Quiet(), Preferences().sampling()  # type: ignore[arg-type]
    )  # fmt: skip


def test_a_stopped_answer_is_kept_and_the_engine_freed(desk: Desk, store: Store) -> None:
    engine = ScriptedEngine(["one two three four"])
    asked = ask(desk, "Count", picture(1))
    with pytest.raises(Stopped):
        write(desk, engine, Quiet(stop_after=2))
    (kept,) = store.thread(asked.thread_id).exchanges
    assert (kept.answer, kept.state) == ("one two", "stopped")
    assert kept.details["finish"] == "cancelled"
    assert engine.streams[0].closed
    assert not desk.busy.locked()
    ask(desk, "Again")
    write(desk, engine)
    assert store.thread(asked.thread_id).exchanges[-1].answer == "one two three four"


def test_each_photo_is_encoded_once_while_it_is_talked_about(desk: Desk) -> None:
    engine = ScriptedEngine(["Red."])
    first, second = picture(1), picture(2)
    ask(desk, "", first)
    write(desk, engine)
    ask(desk, "And this?", second)
    write(desk, engine)
    ask(desk, "Both?")
    write(desk, engine)
    assert engine.encoded == [first.id, second.id]
    assert engine.given[-1] == [first.id, second.id]
    assert set(desk.encoded) == {first.id, second.id}


def test_an_answer_again_that_is_stopped_at_once_leaves_the_first(desk: Desk, store: Store) -> None:
    class Unwilling(Quiet):
        def looking(self) -> None:
            raise Stopped

    asked = ask(desk, "What?", picture(1))
    engine = ScriptedEngine(["Red."])
    write(desk, engine)
    with pytest.raises(Stopped):
        write(desk, engine, Unwilling(), again=True)
    (kept,) = store.thread(asked.thread_id).exchanges
    assert (kept.answer, kept.state) == ("Red.", "done")


# --- without a store


def broken(*_: object, **__: object) -> Any:
    raise StoreError("The disk is full: make room, then try again.")


def test_what_was_kept_in_the_tab_is_saved_with_its_photos(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(["Red."])
    photo = picture(7)
    with monkeypatch.context() as patch:
        for name in ("create_thread", "put_image", "add_exchange", "set_answer", "set_feedback"):
            patch.setattr(Store, name, broken)
        asked = ask(desk, "What?", photo)
        write(desk, engine)
        desk.set_feedback(asked.id, -1, "Dark red.")
        assert isinstance(desk.keeper, Scratch)
        assert desk.keeper.unsaved == 1
        assert desk.keeper.thumbnail(photo.id)[:2] == b"\xff\xd8"
        assert not desk.retry()
    assert store.count_threads() == 0
    assert desk.retry()
    (summary,) = store.threads()
    (kept,) = store.thread(summary.id).exchanges
    assert (kept.answer, kept.thumb, kept.correction) == ("Red.", -1, "Dark red.")
    assert store.load_image(photo.id).id == photo.id
    assert desk.thread_id == summary.id
    assert desk.retry(), "nothing is left to save"
    assert store.count_threads() == 1


def test_a_saving_that_fails_half_way_goes_on_where_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = Scratch()
    thread = scratch.create_thread()
    for number in range(3):
        new = NewExchange(question=f"q{number}", shown=f"q{number}")
        added = scratch.add_exchange(thread.id, new, after=number - 1 if number else None)
        scratch.set_answer(added.id, answer="Yes.", state="done", details={})
    real, calls = Store.set_answer, []

    def fails_once(self: Store, *args: Any, **values: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            broken()
        real(self, *args, **values)

    monkeypatch.setattr(Store, "set_answer", fails_once)
    with pytest.raises(StoreError):
        scratch.save(store)
    id = scratch.save(store)
    assert id is not None
    kept = store.thread(id).exchanges
    assert [(e.shown, e.answer) for e in kept] == [(f"q{n}", "Yes.") for n in range(3)]
    assert store.count_threads() == 1


def test_dropped_exchanges_are_dropped_in_the_store_too(
    desk: Desk, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = ScriptedEngine(["Red."])
    for number in range(3):
        ask(desk, f"q{number}", picture(number))
        write(desk, engine)
    with monkeypatch.context() as patch:
        patch.setattr(Store, "truncate", broken)
        patch.setattr(Store, "add_exchange", broken)
        edited = desk.ask_again(desk.exchanges[1], "other")
        assert edited is not None
        write(desk, engine)
        assert [e.shown for e in desk.exchanges] == ["q0", "other"]
    assert desk.retry()
    assert [e.shown for e in store.thread(desk.thread_id or "").exchanges] == ["q0", "other"]


# --- lists


def test_threads_are_grouped_by_day() -> None:
    now = datetime(2026, 3, 10, 12, tzinfo=UTC)
    ages = [0, 0.3, 1, 3, 40]
    threads = [
        ThreadSummary(str(age), "", now, now - timedelta(days=age), 1) for age in ages
    ]  # fmt: skip
    groups = [(title, [t.id for t in those]) for title, those in by_day(threads, now, Words("en"))]
    assert groups == [
        ("Today", ["0", "0.3"]),
        ("Yesterday", ["1"]),
        ("Last 7 days", ["3"]),
        ("Older", ["40"]),
    ]


def test_details_leave_out_what_was_not_measured() -> None:
    say = Words("en")
    assert rows(exchange(0), say) == [("Details", "Nothing was measured.")]
    measured = exchange(
        0, details={"total": 1.234, "temperature": 0.7, "seed": 5, "tokens": 1234, "odd": {}}
    )
    assert rows(measured, say) == [
        ("Whole answer", "1.23 s"),
        ("Tokens written", "1,234"),
        ("Drawn with", "temperature 0.7 · seed 5"),
    ]


# --- where it looked


def gaze(word: str, image: str, row: int, column: int, weight: float = 1.0) -> Gaze:
    grid = np.zeros((6, 6))
    grid[row, column] = weight
    return Gaze(word, image, tuple(map(tuple, grid.tolist())))


@pytest.mark.parametrize("picture_by_picture", [False, True])
def test_words_are_paired_over_several_pictures(picture_by_picture: bool) -> None:
    words = ["the", "the", "dog"]
    gazes = [gaze(word, image, 0, 0, 0.5) for word in words for image in "ab"]
    if picture_by_picture:
        gazes.sort(key=lambda each: each.image)
    found = by_word(gazes)
    assert [word for word, _ in found] == words
    assert all(set(grids) == {"a", "b"} for _, grids in found)
    assert sum(float(grid.sum()) for grid in whole(found).values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("row", "column", "place"),
    [(0, 0, "at_top_left"), (5, 5, "at_bottom_right"), (2, 3, "at_middle"), (3, 0, "at_left")],
)
def test_the_place_with_most_weight_is_named(row: int, column: int, place: str) -> None:
    grids = dict([*by_word([gaze("x", "a", row, column)])[0][1].items()])
    picture, named, share = strongest(grids)
    assert (picture, named) == ("a", place)
    assert share == pytest.approx(1.0)


def test_the_overlay_is_bright_where_it_looked_and_dark_elsewhere() -> None:
    grid = np.zeros((6, 6))
    grid[0, 0] = 1.0
    drawn = np.asarray(overlay(Image.new("RGB", (1800, 1200), (120, 120, 120)), grid, 1.0), float)
    assert drawn.shape == (600, 900, 3)
    assert drawn[40:60, 60:80].mean() > 2 * drawn[500:, 800:].mean()
    assert np.isfinite(drawn).all()
    flat = overlay(Image.new("RGB", (60, 40)), np.zeros((6, 6)), 0.0)
    assert flat.size == (60, 40)
