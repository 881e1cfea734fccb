"""Decisions about what a job found: order, undo, several hands at once, and what is learnt."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.data.formats import read_dataset
from adapters.data.validate import validate
from assistant.annotate.decisions import Decision, DecisionLog
from assistant.annotate.job import Job
from assistant.annotate.review import Review, training_rows
from assistant.annotate.values import Annotation, Task
from assistant.errors import InputError, MissingError, StoreError
from tests.chromium import ROOT
from tests.reviewed_jobs import (
    LABELS,
    add_rows,
    describing_job,
    label_row,
    labelling_job,
    paint,
    row_of,
    touch,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "photos"


@pytest.fixture
def job(tmp_path: Path, folder: Path) -> Job:
    return labelling_job(folder, tmp_path / "out")


def names(review: Review, **asked: Any) -> list[str]:
    return [card.annotation.image for card in review.upcoming(**asked)]


def test_what_was_set_aside_comes_first_then_the_least_sure(job: Job) -> None:
    review = Review(job)
    cards = review.upcoming()
    assert [card.annotation.status for card in cards] == ["aside"] * 3 + ["ok"] * 5
    sure = [card.annotation.confidence or 0 for card in cards]
    assert sure == sorted(sure)
    assert len(names(review, which="aside")) == 3
    assert names(review, label="Lemon") == ["picture-0003.png"]
    assert names(review, limit=2) == ["picture-0000.png", "picture-0001.png"]
    assert review.guesses == [*LABELS]


def test_accept_correct_reject_skip_and_what_is_left(job: Job) -> None:
    review = Review(job)
    first, second, third, fourth = (card.image_id for card in review.upcoming(limit=4))
    assert review.decide(first, "accept").label == "Banana"
    right = review.decide(second, "correct", label="  lemon ")
    assert (right.label, right.coarse_label, right.verdict) == ("Lemon", "Lemon", "correct")
    assert review.decide(third, "reject").label is None
    review.decide(fourth, "skip")
    counts = review.counts
    assert (counts.accepted, counts.corrected, counts.rejected) == (1, 1, 1)
    assert (counts.done, counts.left, counts.aside, counts.total) == (3, 5, 0, 8)
    assert names(review)[-1] == "picture-0003.png", "skipped ones come last"
    assert [card.annotation.image for card in review.recent()][-1] == "picture-0003.png"
    lines = [json.loads(line) for line in (job.path / "review.jsonl").read_text().splitlines()]
    assert [line["verdict"] for line in lines] == ["accept", "correct", "reject", "skip"]
    assert lines[0]["image"] == "picture-0000.png"
    again = Review(Job.open(job.path))
    assert again.counts == counts
    assert names(again) == names(review)


def test_a_correction_to_the_guess_is_an_acceptance(job: Job) -> None:
    review = Review(job)
    card = review.upcoming(limit=1)[0]
    assert review.decide(card.image_id, "correct", label="banana").verdict == "accept"


def test_undo_takes_back_the_latest_and_the_last_decision_wins(job: Job) -> None:
    review = Review(job)
    assert review.undo() is None
    first, second = (card.image_id for card in review.upcoming(limit=2))
    review.decide(first, "reject")
    review.decide(second, "accept")
    review.decide(first, "correct", label="Kiwi")
    assert review.counts.done == 2
    assert review.undo() == first
    assert review.upcoming(limit=1)[0].image_id == first
    assert review.undo(second) == second
    assert review.undo(second) is None
    assert review.counts.done == 0
    assert Review(job).counts.done == 0


@pytest.mark.parametrize(
    "label",
    ["", "   ", "x" * 201, "a\x00b", "half \ud83d"],
    ids=["empty", "blank", "long", "nul", "half"],
)
def test_a_label_that_no_training_takes_is_refused(job: Job, label: str) -> None:
    review = Review(job)
    with pytest.raises(InputError):
        review.decide(review.upcoming(limit=1)[0].image_id, "correct", label=label)
    assert not (job.path / "review.jsonl").exists()


def test_a_label_is_spelt_as_it_is_known(job: Job) -> None:
    review = Review(job)
    image_id = review.upcoming(limit=1)[0].image_id
    right = review.decide(image_id, "correct", label="granny  SMITH")
    assert (right.label, right.coarse_label) == ("Granny-Smith", "Apple")
    new = review.decide(image_id, "correct", label="Dragon fruit")
    assert (new.label, new.coarse_label) == ("Dragon fruit", None)
    assert "Dragon fruit" in review.labels
    assert review.spelt("dragon-fruit") == "Dragon fruit"


def test_the_labels_of_an_adapter_are_offered_with_their_groups(
    tmp_path: Path, folder: Path
) -> None:
    (path,) = paint(folder, 1)
    job = Job.start(folder, tmp_path / "out", Task("label", adapter="grocery"))
    add_rows(job, [label_row(folder, path, "Kiwi", 0.4)])
    review = Review(job)
    assert len(review.labels) == 81
    right = review.decide(review.upcoming()[0].image_id, "correct", label="anjou")
    assert (right.label, right.coarse_label) == ("Anjou", "Pear")


def test_files_with_the_same_pixels_are_looked_at_once(tmp_path: Path, folder: Path) -> None:
    paths = paint(folder, 2)
    copy = folder / "z" / "copy.png"
    copy.parent.mkdir()
    copy.write_bytes(paths[0].read_bytes())
    job = Job.start(folder, tmp_path / "out", Task("label", labels=LABELS))
    add_rows(job, [label_row(folder, path, "Kiwi", 0.9) for path in (*paths, copy)])
    review = Review(job)
    cards = review.upcoming()
    assert [card.copies for card in cards] == [2, 1]
    for card in cards:
        review.decide(card.image_id, "accept")
    assert review.counts.left == 0
    assert training_rows(job).rows == 2


def test_a_picture_that_changed_and_was_done_again_is_a_new_one(tmp_path: Path, job: Job) -> None:
    review = Review(job)
    old = review.upcoming(limit=1)[0]
    review.decide(old.image_id, "accept")
    path = job.folder / old.annotation.image
    Image.new("RGB", (90, 70), (1, 2, 3)).save(path)
    add_rows(job, [label_row(job.folder, path, "Kiwi", 0.35)])
    review.refresh()
    new = review.upcoming(limit=1)[0]
    assert new.annotation.image == old.annotation.image
    assert new.image_id != old.image_id
    assert review.counts.total == 8
    assert review.counts == Review(job).counts
    with pytest.raises(MissingError):
        review.decide(old.image_id, "reject")


def test_what_a_running_job_writes_is_taken_in_and_bad_files_are_counted(
    tmp_path: Path, folder: Path
) -> None:
    paths = paint(folder, 3)
    job = Job.start(folder, tmp_path / "out", Task("label", labels=LABELS))
    review = Review(job)
    assert review.upcoming() == []
    add_rows(job, [label_row(folder, paths[0], "Kiwi", 0.8)])
    with job.results.open("ab") as opened:
        opened.write(b'{"image": "half')  # being written
    review.refresh()
    assert names(review) == ["picture-0000.png"]
    bad = Annotation("broken.jpg", status="bad", trouble="No picture.")
    add_rows(job, [label_row(folder, paths[1], "Kiwi", 0.7), bad])
    review.refresh()
    assert names(review) == ["picture-0001.png", "picture-0000.png"]
    assert review.counts.bad == 1
    job.results.unlink()
    review.refresh()
    assert review.counts.total == 0, "a job that was begun anew"


def test_a_torn_last_line_is_cut_off(job: Job) -> None:
    review = Review(job)
    first, second = (card.image_id for card in review.upcoming(limit=2))
    review.decide(first, "accept")
    file = job.path / "review.jsonl"
    whole = file.read_bytes()
    file.write_bytes(whole + whole[:40])
    again = Review(job)
    assert again.counts.done == 1
    again.decide(second, "reject")
    assert [json.loads(line)["verdict"] for line in file.read_text().splitlines()] == [
        "accept", "reject"
    ]  # fmt: skip
    review.refresh()
    assert review.counts == again.counts


def test_a_line_that_cannot_be_read_holds_up_no_others(job: Job) -> None:
    review = Review(job)
    first, second = (card.image_id for card in review.upcoming(limit=2))
    review.decide(first, "accept")
    with (job.path / "review.jsonl").open("a") as opened:
        opened.write('nonsense\n[1]\n{"image_id": 3, "verdict": "accept"}\n')
        opened.write("x" * 70_000 + "\n")
        opened.write(json.dumps({"image_id": second, "verdict": "devour"}) + "\n")
    review.decide(second, "accept")
    assert review.counts.done == Review(job).counts.done == 2


def test_a_full_disk_leaves_the_file_as_it_was(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    review = Review(job)
    first, second = (card.image_id for card in review.upcoming(limit=2))
    review.decide(first, "accept")
    before = (job.path / "review.jsonl").read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            review.decide(second, "accept")
    assert (job.path / "review.jsonl").read_bytes() == before
    assert review.counts.done == 1
    review.decide(second, "accept")
    assert review.counts.done == 2


HAND = """
import sys
from pathlib import Path
from assistant.annotate.job import Job
from assistant.annotate.review import Review
review = Review(Job.open(Path(sys.argv[1])))
for image_id in sys.argv[3:]:
    review.decide(image_id, "correct", label=f"Hand {sys.argv[2]}")
"""


def test_several_hands_at_once_lose_nothing(tmp_path: Path, folder: Path) -> None:
    job = labelling_job(folder, tmp_path / "out", count=40)
    review = Review(job)
    pictures = [card.image_id for card in review.upcoming(limit=40)]
    hands = [
        subprocess.Popen(
            [sys.executable, "-c", HAND, str(job.path), str(number), *pictures[number::2]],
            cwd=ROOT,
        )
        for number in range(2)
    ]

    def skip(image_ids: list[str]) -> None:
        for image_id in image_ids:
            review.decide(image_id, "skip")

    threads = [threading.Thread(target=skip, args=(pictures[start:20:2],)) for start in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [hand.wait(timeout=240) for hand in hands] == [0, 0]
    lines = (job.path / "review.jsonl").read_text().splitlines()
    assert len(lines) == 60
    assert all(json.loads(line) for line in lines)
    review.refresh()
    assert review.counts == Review(job).counts


def test_the_training_set_is_one_that_a_training_takes(job: Job) -> None:
    review = Review(job)
    cards = review.upcoming()
    for card, (verdict, label) in zip(
        cards,
        [("accept", None), ("correct", "Kiwi"), ("reject", None), ("skip", None),
         ("accept", None), ("correct", "Banana"), ("correct", "banana")],
        strict=False,
    ):  # fmt: skip
        review.decide(card.image_id, verdict, label=label)  # type: ignore[arg-type]
    made = training_rows(job)
    assert made.file == job.path / "training.jsonl"
    assert (made.rows, made.left_out) == (5, ())
    report = validate(read_dataset(made.file))
    assert (report.usable, report.errors) == (5, 0), report.findings
    assert report.classes == {"Banana": 3, "Kiwi": 1, "Royal-Gala": 1}
    assert made.labels == 3
    by_name = {example.images[0].name: example for example in report.dataset.examples}
    assert set(by_name) == {
        cards[place].annotation.image for place in (0, 1, 4, 5, 6)
    }  # fmt: skip
    assert by_name["picture-0004.png"].coarse_label == "Apple"


def test_corrected_descriptions_become_references(tmp_path: Path, folder: Path) -> None:
    job = describing_job(folder, tmp_path / "out")
    review = Review(job)
    first, second, third, _ = (card.image_id for card in review.upcoming())
    assert review.decide(first, "accept").caption == "A square of colour number 0."
    review.decide(second, "correct", caption=" Something  dark,\nand green. ")
    review.decide(third, "reject")
    with pytest.raises(InputError):
        review.decide(third, "correct", caption="Look: <image>")
    made = training_rows(job)
    report = validate(read_dataset(made.file))
    assert (report.usable, report.errors) == (2, 0)
    assert [example.references for example in report.dataset.examples] == [
        ("A square of colour number 0.",), ("Something dark, and green.",)
    ]  # fmt: skip


def test_what_is_not_there_any_more_is_left_out_and_told(job: Job) -> None:
    review = Review(job)
    for card in review.upcoming():
        review.decide(card.image_id, "accept")
    (job.folder / "picture-0001.png").unlink()
    Image.new("RGB", (10, 10)).save(job.folder / "picture-0002.png")
    touch(job.folder / "picture-0003.png")
    made = training_rows(job)
    assert made.rows == 6
    assert dict(made.left_out).keys() == {"picture-0001.png", "picture-0002.png"}
    assert "another picture by now" in dict(made.left_out)["picture-0002.png"]


def test_a_name_that_is_no_unicode_is_left_out(tmp_path: Path, folder: Path) -> None:
    paint(folder, 1)
    odd = folder / os.fsdecode(b"odd-\xff.png")
    (folder / "picture-0000.png").rename(odd)
    job = Job.start(folder, tmp_path / "out", Task("label", labels=LABELS))
    add_rows(job, [label_row(folder, odd, "Kiwi", 0.9)])
    review = Review(job)
    review.decide(review.upcoming()[0].image_id, "accept")
    with pytest.raises(InputError, match="rename the file"):
        training_rows(job)


def test_nothing_accepted_is_nothing_to_learn(job: Job) -> None:
    with pytest.raises(InputError, match="review some pictures first"):
        training_rows(job)
    assert not [each for each in job.path.iterdir() if "training" in each.name]


def test_names_with_markup_and_in_any_script_come_through(tmp_path: Path, folder: Path) -> None:
    paint(folder, 2)
    odd = folder / "<b>水果 'x\"\n.png"
    (folder / "picture-0000.png").rename(odd)
    job = Job.start(folder, tmp_path / "out", Task("label", labels=("猕猴桃", "Kiwi")))
    rows = [row_of(folder, path, label="猕猴桃", confidence=0.9, scores=(("猕猴桃", 0.9),))
            for path in (odd, folder / "picture-0001.png")]  # fmt: skip
    add_rows(job, rows)
    review = Review(job)
    for card, label in zip(review.upcoming(), ("猕猴桃", "kiwi"), strict=True):
        review.decide(card.image_id, "correct", label=label)
    report = validate(read_dataset(training_rows(job).file))
    assert report.usable == 2


def test_ten_thousand_pictures_are_reviewed_without_waiting(tmp_path: Path, folder: Path) -> None:
    (path,) = paint(folder, 1)
    job = Job.start(folder, tmp_path / "out", Task("label", labels=LABELS))
    first = label_row(folder, path, "Kiwi", 0.9).to_dict()
    rows = [
        Annotation.of({**first, "image": f"{number}.png", "image_id": f"{number:064x}"})
        for number in range(10_000)
    ]
    add_rows(job, rows)
    log = DecisionLog(job.path / "review.jsonl")
    log.add([Decision(f"{number:064x}", "accept", label="Kiwi") for number in range(9_000)])
    review = Review(job)
    assert review.counts.left == 1_000
    assert names(review, limit=2) == ["9000.png", "9001.png"]
