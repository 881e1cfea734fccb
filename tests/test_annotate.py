"""Jobs over folders: everything is done once, whatever happens on the way."""

from __future__ import annotations

import errno
import json
import math
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from assistant.annotate import (
    Annotation,
    Job,
    Task,
    annotate_pictures,
    engine_for,
    find_job,
    known_jobs,
    opening,
)
from assistant.annotate import running as running_module
from assistant.annotate.results import Results
from assistant.annotate.running import Report, shown_time
from assistant.annotate.seeing import encode_many
from assistant.annotate.shrinking import shrinker
from assistant.annotate.writing import can_write, write_together
from assistant.engine import Engine
from assistant.errors import InputError, StoreError
from assistant.images import open_image
from assistant.settings import Settings, get_settings
from tests import tiny
from tests.annotated import LABELS, ColourEngine, engine_as, start, write_folder
from tests.pictures import put
from tests.stacked import POINTWISE, write_stacked


@pytest.fixture(scope="module")
def real() -> Engine:
    """The tiny model, in float32, so that the order of sums decides nothing."""
    loaded = Engine.load(
        base=str(tiny.directory()), settings=Settings(device="cpu", quantize="none")
    )
    loaded.model.float()
    return loaded


@pytest.fixture
def engine() -> ColourEngine:
    return ColourEngine()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos", 9, bad=2)


def run(job: Job, engine: ColourEngine, **options: Any) -> Report:
    return job.run(engine_as(engine), **options)


def lines(job: Job) -> list[str]:
    return job.results.read_text(encoding="utf-8").splitlines()


# --- one batch


def test_writing_together_says_what_describing_one_by_one_says(real: Engine) -> None:
    images = real.encode_images([tiny.picture(seed) for seed in range(7)])
    assert can_write(real)
    found = write_together(real, images, "sentence")
    assert [text for text, _ in found] == [real.describe([each])[0].text for each in images]
    assert write_together(real, [], "short") == []


def test_how_sure_a_description_is_is_the_mean_of_its_tokens(real: Engine) -> None:
    (image,) = real.encode_images([tiny.picture(3)])
    ((text, sure),) = write_together(real, [image], "sentence")
    from assistant.engine.values import Turn
    from assistant.prompts import DESCRIBE

    prompt = real.prompts.build([Turn("user", DESCRIBE["sentence"], (image.id,))], [image])
    embeds, mask = real.padded([prompt])
    with torch.inference_mode():
        made: Any = real.model.generate(
            inputs_embeds=embeds, attention_mask=mask, max_new_tokens=96, do_sample=False,
            output_scores=True, return_dict_in_generate=True,
        )  # fmt: skip
    chances = [
        float(scores[0].log_softmax(-1)[token])
        for scores, token in zip(made.scores, made.sequences[0].tolist(), strict=True)
    ]
    assert sure == pytest.approx(math.exp(sum(chances) / len(chances)), rel=1e-4)
    assert text


def test_small_pictures_are_seen_as_large_ones_are(real: Engine) -> None:
    shrink = shrinker(real)
    assert shrink is not None
    large = open_image(tiny.pixels(5, 400, 300))
    small = shrink(large)
    assert (small.id, small.pixels.size) == (large.id, (tiny.IMAGE_SIZE, tiny.IMAGE_SIZE))
    (first,), (second,) = real.encode_anew([large]), real.encode_anew([small])
    assert torch.equal(first.features, second.features)
    assert shrinker(engine_as(ColourEngine())) is None


def test_many_are_seen_as_each_alone(tmp_path: Path) -> None:
    settings = Settings(device="cpu", quantize="none")
    write_stacked(tmp_path / "own", targets=POINTWISE)
    for adapter in (None, str(tmp_path / "own")):
        task = Task("describe", adapter=adapter, sure=0.0)
        engine = engine_for(task, base=str(tiny.directory()), settings=settings)
        pictures = [tiny.picture(seed) for seed in range(11)]
        alone = [engine.encode_anew([picture])[0] for picture in pictures]
        found = encode_many(engine, pictures)
        for one, other in zip(alone, found, strict=True):
            assert one.id == other.id and engine.fits(other)
            assert torch.allclose(one.features.float(), other.features.float(), atol=2e-2)
        assert bool(engine.resolve(None).eyes.parts) == (adapter is not None)
        rows = annotate_pictures(engine, pictures, task)
        assert [row.image for row in rows] == [picture.id for picture in pictures]


def test_a_batch_is_labelled_from_a_list(real: Engine) -> None:
    pictures = [tiny.picture(seed) for seed in range(3)]
    rows = annotate_pictures(real, pictures, Task("label", labels=("cat", "dog"), sure=0.0))
    expected = real.label(real.encode_images(pictures), labels=["cat", "dog"], threshold=0.0)
    assert [(row.label, row.status) for row in rows] == [(each.label, "ok") for each in expected]
    assert all(row.model == real.name and row.image == row.image_id for row in rows)
    unsure = annotate_pictures(real, pictures, Task("label", labels=("cat", "dog"), sure=1.0))
    assert {(row.label, row.status) for row in unsure} == {(None, "aside")}
    assert [row.guess for row in unsure] == [row.label for row in rows]


def test_what_no_writer_knows_is_described_by_the_engine(real: Engine) -> None:
    pictures = [tiny.picture(seed) for seed in range(2)]
    rows = annotate_pictures(real, pictures, Task("describe", mode="beam"))
    expected = real.describe(real.encode_images(pictures), mode="beam")
    assert [row.caption for row in rows] == [" ".join(each.text.split()) for each in expected]
    assert [row.confidence for row in rows] == [None, None]
    sure = annotate_pictures(real, pictures, Task("describe", sure=1.0))
    assert {row.status for row in sure} == {"aside"} and all(row.trouble for row in sure)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "paint"},
        {"detail": "poem"},
        {"mode": "wild"},
        {"sure": 1.5},
        {"labels": ()},
        {"labels": ("a", " ")},
        {"top": 0},
    ],
)
def test_a_task_that_cannot_be_done_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Task(**{"kind": "label", **wrong})


def test_an_annotation_comes_back_as_it_was_written() -> None:
    row = Annotation(
        "ü/a.png", "ab", 3, 4, None, None, 0.0, (("x", 0.25),), None, "aside", "Unsure.", "m", "a",
        "w8", 5, 6,
    )  # fmt: skip
    assert Annotation.of(json.loads(json.dumps(row.to_dict()))) == row
    bare = Annotation("a", status="bad", trouble="No.")
    assert Annotation.of(bare.to_dict()) == bare
    assert "confidence" not in bare.to_dict()


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"image": ""},
        {"image": "a", "status": "great"},
        {"image": "a", "width": "3"},
        {"image": "a", "width": True},
        {"image": "a", "scores": [["x"]]},
        {"image": "a", "scores": 5},
        {"image": "a", "image_id": "no"},
    ],
)
def test_a_row_that_is_none_is_known(row: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Annotation.of(row)


# --- a run


def test_a_folder_is_done_and_bad_files_are_passed_over(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    job = start(folder, tmp_path / "out")
    report = run(job, engine, batch=4)
    assert (report.total, report.done, report.bad, report.kept) == (11, 9, 2, 0)
    assert [path for path, _ in report.troubles] == ["b/bad-000.jpg", "b/bad-001.jpg"]
    assert "b/bad-000.jpg is damaged" in report.troubles[0][1]
    rows = list(job.annotations())
    assert len(rows) == 11 and Counter(row.status for row in rows)["bad"] == 2
    one = next(row for row in rows if row.image == "ü/深/00002.png")
    assert (one.width, one.height, one.model) == (24, 16, "colours")
    assert one.image_id == open_image(folder / one.image).id
    assert one.size == (folder / one.image).stat().st_size


def test_nothing_is_done_twice(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    run(start(folder, tmp_path / "out"), engine, batch=4)
    before = lines(Job.open(tmp_path / "out"))
    report = run(start(folder, tmp_path / "out"), engine, batch=4)
    assert (report.done, report.kept, report.bad) == (0, 9, 2)
    assert len(engine.seen) == 9
    assert lines(Job.open(tmp_path / "out")) == before

    def never() -> Any:
        raise AssertionError("there is nothing to do")

    for bad in folder.glob("b/bad-*"):
        bad.unlink()
    assert start(folder, tmp_path / "out").run(never).kept == 9


def test_what_was_mended_or_changed_is_done_again(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    job = start(folder, tmp_path / "out")
    run(job, engine)
    put(folder / "b" / "bad-000.jpg", 50)
    put(folder / "a" / "00000.png", 51)
    put(folder / "a" / "new.png", 52)
    report = run(job, engine)
    assert (report.done, report.bad, report.kept) == (3, 1, 8)
    found = {row.image: row for row in job.annotations()}
    assert len(found) == 12 and len(lines(job)) == 14
    assert found["b/bad-000.jpg"].status != "bad"
    assert found["a/00000.png"].image_id == open_image(folder / "a" / "00000.png").id
    numbers = [row.image for row in job.annotations()]
    assert len(numbers) == len(set(numbers))


def test_the_same_pixels_are_looked_at_once(tmp_path: Path, engine: ColourEngine) -> None:
    folder = tmp_path / "photos"
    for name in ("a.png", "b.png", "c/a.bmp"):
        put(folder / name, 1)
    job = start(folder, tmp_path / "out")
    report = run(job, engine)
    assert (report.done, report.same, len(engine.seen)) == (1, 2, 1)
    put(folder / "d.png", 1)
    report = run(job, engine)
    assert (report.done, report.same, len(engine.seen)) == (0, 1, 1)
    rows = list(job.annotations())
    assert len({(row.label, row.image_id) for row in rows}) == 1
    assert len({row.image for row in rows}) == 4


def test_a_run_ends_after_the_batch_and_goes_on(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    job = start(folder, tmp_path / "out")
    report = run(job, engine, batch=4, cancelled=lambda: True)
    assert report.cancelled and len(lines(job)) == 4
    report = run(job, engine, batch=4)
    assert not report.cancelled and (report.done + report.bad, report.kept) == (11 - 4, 4)
    assert sorted(engine.seen) == sorted(set(engine.seen)) and len(engine.seen) == 9


def test_progress_tells_rate_and_time_left(
    folder: Path, tmp_path: Path, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running_module, "_STEADY_S", 0.0)
    told: list[tuple[str, float | None]] = []
    run(
        start(folder, tmp_path / "out"), engine, batch=4,
        progress=lambda message, fraction: told.append((message, fraction)),
    )  # fmt: skip
    assert told[0] == ("Looking for pictures", None)
    assert told[1] == ("Labelling 11 pictures", 0.0)
    assert "a second, " in told[2][0] and told[2][0].endswith(" left")
    assert told[-1][1] == 1.0
    times = [shown_time(seconds) for seconds in (0.1, 89, 600, 9_000, 400_000)]
    assert times == ["1 s", "89 s", "10 min", "2.5 h", "4.6 days"]


def test_the_jobs_own_folder_is_not_looked_into(tmp_path: Path, engine: ColourEngine) -> None:
    folder = write_folder(tmp_path / "photos", 3)
    job = start(folder, folder / "out")
    put(folder / "out" / "copy.png", 9)
    assert run(job, engine).total == 3


def test_a_picture_that_fails_the_model_does_not_stop_the_rest(
    folder: Path, tmp_path: Path
) -> None:
    odd = open_image(folder / "a" / "00003.png").id
    engine = ColourEngine(lambda image: image.id == odd)
    job = start(folder, tmp_path / "out")
    assert run(job, engine).bad == 3
    rows = {row.image: row for row in job.annotations()}
    assert rows["a/00003.png"].trouble is not None
    assert "The model failed on it (ValueError)" in rows["a/00003.png"].trouble
    engine.fails_on = lambda _image: False
    assert run(job, engine).done == 1
    with pytest.raises(ValueError, match="not this one"):
        run(start(folder, tmp_path / "other"), ColourEngine(lambda _image: True))


def test_a_picture_that_changes_while_it_is_read_is_read_again(
    tmp_path: Path, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = put(tmp_path / "photos" / "a.png", 1)
    times = [1]

    def slow(*arguments: Any, **options: Any) -> Any:
        found = open_image(*arguments, **options)
        if times:
            put(path, 2, (20 + len(times), 20))
            times.pop()
        return found

    monkeypatch.setattr(opening, "open_image", slow)
    job = start(path.parent, tmp_path / "out")
    assert run(job, engine).done == 1
    (row,) = job.annotations()
    assert row.image_id == open_image(path).id and row.size == path.stat().st_size
    times += range(9)
    put(path, 3)
    report = run(job, engine)
    assert report.bad == 1 and "changed while it was read" in report.troubles[0][1]
    times.clear()
    assert run(job, engine).done == 1


def test_unreadable_files_and_odd_names(tmp_path: Path, engine: ColourEngine) -> None:
    folder = tmp_path / "photos"
    names = ["ünï.png", "深.png", "صورة.png", "a\nb.png", " .png", "=1+1.png", "100%.png"]
    for seed, name in enumerate(names):
        put(folder / name, seed)
    odd = os.fsencode(folder) + b"/\xff\xfe.png"
    with open(odd, "wb") as out:
        out.write(put(tmp_path / "x.png", 99).read_bytes())
    os.mkfifo(folder / "pipe.png")
    (folder / "loop").symlink_to(folder)
    job = start(folder, tmp_path / "out")
    report = run(job, engine)
    assert (report.done, report.bad) == (len(names) + 1, 1)
    rows = list(job.annotations())
    assert all(job.picture(row.image).is_file() for row in rows)
    assert {row.image for row in rows} >= set(names)
    assert "".join(row.image for row in rows).encode()
    assert run(job, engine).kept == len(names) + 1


def test_one_of_fifty_is_broken(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    good = put(tmp_path / "a.png", 1).read_bytes()
    for number in range(400):
        place = folder / f"{number % 10:02}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.png").write_bytes(b"" if number % 50 == 0 else good)
    engine = ColourEngine()
    job = start(folder, tmp_path / "out")
    report = run(job, engine)
    assert (report.total, report.done, report.same, report.bad) == (400, 1, 391, 8)
    assert len(report.troubles) == 8 and len(lines(job)) == 400


# --- what is on the disk


def test_a_torn_line_is_cut_off(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    job = start(folder, tmp_path / "out")
    run(job, engine)
    whole = job.results.read_bytes()
    last = whole.rstrip(b"\n").rfind(b"\n") + 1
    for cut in (last + 1, last + 30, len(whole) - 1):
        job.results.write_bytes(whole[:cut])
        assert len(list(job.annotations())) == 10  # a reader does not mind, and changes nothing
        assert job.results.stat().st_size == cut
        run(job, engine)
        assert len(list(job.annotations())) == 11
        assert sorted(lines(job)) == sorted(whole.decode().splitlines())
    job.results.write_bytes(b'{"image": "x')
    assert run(job, engine).done == 9


def test_a_damaged_line_is_told_of(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    job = start(folder, tmp_path / "out")
    run(job, engine)
    whole = job.results.read_bytes()
    for wrong in (b"\0" * 30 + b"\n", b"[]\n", b'{"image": 5}\n', b"\xff\n", b"[" * 5_000 + b"\n"):
        job.results.write_bytes(wrong + whole)
        with pytest.raises(StoreError, match="is damaged at byte 0; remove that line"):
            run(job, engine)


def test_a_full_disk_leaves_whole_lines(
    folder: Path, tmp_path: Path, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = start(folder, tmp_path / "out")
    fsync, count = os.fsync, [0]

    def full(handle: int) -> None:
        count[0] += 1
        if count[0] == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(StoreError, match=r"No space left on device.*goes on where it stopped"):
            run(job, engine, batch=4)
    assert len(lines(job)) == 4 and len(list(job.annotations())) == 4
    run(job, engine, batch=4)
    assert sorted(engine.seen) != [] and len(list(job.annotations())) == 11
    assert len(lines(job)) == 11


def test_two_processes_do_not_work_on_one_job(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    job = start(folder, tmp_path / "out")
    troubles: list[Exception] = []

    def second() -> None:
        try:
            run(Job.open(job.path), ColourEngine())
        except InputError as error:
            troubles.append(error)

    with job.held():
        other = threading.Thread(target=second)
        other.start()
        other.join()
    assert "Another process works on the job" in str(troubles[0])
    assert run(job, engine).done == 9


def test_killed_at_every_step_it_does_each_picture_once(tmp_path: Path) -> None:
    folder, out = write_folder(tmp_path / "photos", 30, bad=3), tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-m", "tests.annotated", str(folder), str(out), "3"],
        capture_output=True, text=True, timeout=900, check=False,
        cwd=Path(__file__).parent.parent, env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed"] >= 8
    job = Job.open(out)
    images = [row["image"] for row in map(json.loads, lines(job))]
    assert len(images) == len(set(images)) == 33
    rows = {row.image: row for row in job.annotations()}
    whole = ColourEngine()
    other = start(folder, tmp_path / "other")
    run(other, whole)
    assert rows == {row.image: row for row in other.annotations()}


# --- jobs


def test_a_job_is_only_gone_on_with_as_it_was_begun(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    out = tmp_path / "out"
    first = start(folder, out)
    run(first, engine)
    again = start(folder, out)
    assert (again.id, again.task, again.created) == (first.id, first.task, first.created)
    with pytest.raises(InputError, match="holds a job with another labels"):
        start(folder, out, labels=("a", "b"))
    with pytest.raises(InputError, match="holds a job about"):
        start(write_folder(tmp_path / "others", 1), out)
    engine.name = "another"
    put(folder / "new.png", 77)
    with pytest.raises(InputError, match="was begun with colours and this is another"):
        run(again, engine)


def test_where_no_job_can_be(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no folder"):
        start(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(InputError, match="holds the pictures themselves"):
        start(folder, folder)
    with pytest.raises(InputError, match="holds the pictures themselves"):
        start(folder / "a", folder)
    with pytest.raises(InputError, match="There is no job in"):
        Job.open(tmp_path)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "results.jsonl").touch()
    with pytest.raises(InputError, match="holds results of something else"):
        start(folder, tmp_path / "old")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        start(folder, tmp_path / "file")
    (tmp_path / "odd").mkdir()
    for content in ("{}", "[]", '{"form": 9}', '{"form": 1, "id": "zz"}', "x"):
        (tmp_path / "odd" / "job.json").write_text(content)
        with pytest.raises(StoreError, match="is no job that is understood here"):
            Job.open(tmp_path / "odd")


def test_jobs_are_found_again(folder: Path, tmp_path: Path) -> None:
    first, second = start(folder, tmp_path / "one"), start(folder, tmp_path / "two")
    assert {job.id for job in known_jobs()} == {first.id, second.id}
    assert find_job(first.id).path == find_job(str(first.path)).path == first.path
    assert find_job(first.id[:8]).id == first.id
    with pytest.raises(InputError, match="There is no job in"):
        find_job("nothing")
    with pytest.raises(InputError):
        find_job("")
    (second.path / "job.json").unlink()
    assert [job.id for job in known_jobs()] == [first.id]
    entry = get_settings().data_dir / "jobs" / "bad.json"
    entry.write_text('{"path": 5}')
    assert [job.id for job in known_jobs()] == [first.id]


def test_no_picture_leads_out_of_the_folder(folder: Path, tmp_path: Path) -> None:
    job = start(folder, tmp_path / "out")
    for path in ("../secret.png", "/etc/passwd", "a/../../x.png"):
        with pytest.raises(InputError, match="leads out of"):
            job.picture(path)
    assert job.picture("a/b.png") == folder / "a" / "b.png"


def test_results_are_found_again_by_path_and_by_pixels(tmp_path: Path) -> None:
    rows: Sequence[Annotation] = [Annotation(f"{n}.png", f"{n:064x}") for n in range(3)]
    results = Results(tmp_path / "results.jsonl")
    results.add(rows[:1])
    results.add(rows[1:])
    results.close()
    again = Results(tmp_path / "results.jsonl")
    assert list(again.known) == ["0.png", "1.png", "2.png"]
    found = again.of_picture(rows[2].image_id)
    assert found is not None and found.image == "2.png"
    assert again.of_picture("00" * 31 + "ff") is None
    again.close()


def test_labels_are_the_colours() -> None:
    red = open_image(Image.new("RGB", (8, 8), "red"))
    (row,) = annotate_pictures(engine_as(ColourEngine()), [red], Task("label", labels=LABELS))
    assert (row.label, row.coarse_label) == ("red", "warm")
