"""Indexing folders and finding in them by command: what changed, what is broken, what ends it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

import assistant.space
from assistant.cli import app, progress
from assistant.cli.pictures import _date
from assistant.errors import BusyError, InputError
from assistant.image_index import ImageIndex, Indexed, Note, opening
from assistant.image_index.adding import Adding
from assistant.image_index.folder import BATCH
from assistant.image_index.readers import Readers, Room
from assistant.images import open_image
from assistant.settings import Settings, get_settings
from tests.tiny_space import TinySpace

OLD = 1_600_000_000


@pytest.fixture
def space(monkeypatch: pytest.MonkeyPatch) -> TinySpace:
    """What every command here embeds with."""
    tiny = TinySpace()
    monkeypatch.setattr(assistant.space, "picture_embedder", lambda *_, **__: tiny)
    return tiny


@pytest.fixture
def index(space: TinySpace) -> Iterator[ImageIndex]:
    opened = ImageIndex.open(embedder=space)
    yield opened
    opened.store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "photos"
    made.mkdir()
    return made


def draw(
    path: Path, colour: str | tuple[int, int, int], side: int = 8, *, old: bool = True
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (side, side), colour).save(path)
    if old:
        os.utime(path, (OLD, OLD))
    return path


def draw_many(folder: Path, count: int) -> None:
    for place in range(count):
        draw(folder / f"{place:05}.png", (place % 256, place // 256, 90))


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)


def refused(*arguments: object) -> str:
    """The one sentence with which a command ends."""
    result = run(*arguments)
    assert result.exit_code == 2 and not result.stdout
    (sentence,) = result.stderr.splitlines()
    return str(sentence)


def counts(done: Indexed) -> tuple[int, int, int, int, int, int]:
    """New, changed, moved, removed, unchanged, troubles."""
    troubles = len(done.troubles)
    return (done.new, done.changed, done.moved, done.removed, done.unchanged, troubles)


# --- what changed


def test_only_what_changed_is_embedded(index: ImageIndex, space: TinySpace, folder: Path) -> None:
    for colour in ("red", "green", "blue", "yellow"):
        draw(folder / f"{colour}.png", colour)
    assert counts(index.add(folder)) == (4, 0, 0, 0, 0, 0)
    assert counts(index.add(folder)) == (0, 0, 0, 0, 4, 0)
    draw(folder / "red.png", "purple", old=False)
    (folder / "green.png").unlink()
    (folder / "sub").mkdir()
    (folder / "blue.png").rename(folder / "sub/navy.png")
    draw(folder / "white.png", "white")
    assert counts(index.add(folder)) == (1, 1, 1, 1, 1, 0)
    assert space.encoded == 6
    paths = [file.path for file in index.files()]
    assert paths == ["red.png", "sub/navy.png", "white.png", "yellow.png"]
    assert index.search("purple").found[0].file.path == "red.png"
    assert index.search("green").nothing


def test_an_unchanged_file_is_not_opened(
    index: ImageIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "red.png", "red")
    (folder / "bad.png").write_bytes(b"none")
    os.utime(folder / "bad.png", (OLD, OLD))
    index.add(folder)
    monkeypatch.setattr(opening, "_read_once", None)
    assert counts(index.add(folder)) == (0, 0, 0, 0, 1, 1)


def test_a_file_that_only_has_a_new_time_is_unchanged(
    index: ImageIndex, space: TinySpace, folder: Path
) -> None:
    path = draw(folder / "red.png", "red")
    index.add(folder)
    os.utime(path, (OLD + 5, OLD + 5))
    assert counts(index.add(folder)) == (0, 0, 0, 0, 1, 0)
    assert next(index.files()).modified.timestamp() == OLD + 5
    assert space.encoded == 1


def test_a_file_that_was_written_twice_within_one_tick_of_the_clock_is_seen(
    index: ImageIndex, folder: Path
) -> None:
    path = draw(folder / "a.bmp", "red", old=False)
    before = path.stat()
    index.add(folder)
    draw(path, "blue", old=False)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    assert counts(index.add(folder)) == (0, 1, 0, 0, 0, 0)
    assert index.search("blue").found


def test_a_move_keeps_what_is_noted_also_between_folders(
    index: ImageIndex, space: TinySpace, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    draw(first / "a.png", "red")
    draw(first / "b.png", "green")
    draw(second / "c.png", "blue")
    index.add(first)
    index.add(second)
    index.annotate({file.image_id: Note(label=file.path) for file in index.files()})
    (first / "a.png").rename(first / "z.png")
    (first / "b.png").rename(second / "b.png")
    adding = Adding(index, [first, second])
    adding.run()
    assert [counts(told.indexed) for told in adding.reports] == [
        (0, 0, 1, 1, 0, 0),
        (1, 0, 0, 0, 1, 0),
    ]
    assert {file.path: file.label for file in index.files()} == {
        "z.png": "a.png",
        "b.png": "b.png",
        "c.png": "c.png",
    }
    assert space.encoded == 3


def test_two_files_that_change_places(index: ImageIndex, space: TinySpace, folder: Path) -> None:
    draw(folder / "a.png", "red")
    draw(folder / "b.png", "green", side=9)
    index.add(folder)
    (folder / "a.png").rename(folder / "c.png")
    (folder / "b.png").rename(folder / "a.png")
    (folder / "c.png").rename(folder / "b.png")
    assert counts(index.add(folder))[1] == 2
    assert index.search("red").found[0].file.path == "b.png"
    assert space.encoded == 2


def test_a_moved_file_takes_the_place_of_another(
    index: ImageIndex, space: TinySpace, folder: Path
) -> None:
    draw(folder / "a.png", "red")
    draw(folder / "b.png", "green", side=9)
    index.add(folder)
    (folder / "a.png").replace(folder / "b.png")
    assert counts(index.add(folder)) == (0, 0, 1, 0, 0, 0)
    assert [file.path for file in index.files()] == ["b.png"]
    assert index.search("red").found and index.search("green").nothing
    assert space.encoded == 2


def test_the_same_picture_is_embedded_once(
    index: ImageIndex, space: TinySpace, folder: Path
) -> None:
    draw(folder / "a.png", "red")
    index.add(folder)
    shutil.copy(folder / "a.png", folder / "copy.png")
    draw(folder / "other-bytes.bmp", "red")
    assert counts(index.add(folder)) == (2, 0, 0, 0, 1, 0)
    assert space.encoded == 1
    (found,) = index.search("red").found
    assert len(found.others) == 2


def test_a_part_of_a_folder_and_a_folder_around_one(
    index: ImageIndex, space: TinySpace, folder: Path
) -> None:
    draw(folder / "a.png", "red")
    draw(folder / "sub/b.png", "green")
    index.add(folder / "sub")
    assert counts(index.add(folder)) == (2, 0, 0, 0, 0, 0)
    assert [each.path for each in index.folders()] == [folder]
    draw(folder / "c.png", "blue")
    (folder / "sub/b.png").rename(folder / "sub/d.png")
    assert counts(index.add(folder / "sub")) == (0, 0, 1, 0, 0, 0)
    assert [file.path for file in index.files()] == ["a.png", "sub/d.png"]
    assert space.encoded == 2


def test_when_a_photo_was_taken_is_kept(index: ImageIndex, folder: Path) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    exif.get_ifd(0x8769)[0x9011] = "+02:00"
    Image.new("RGB", (8, 8), "red").save(folder / "a.jpg", exif=exif)
    index.add(folder)
    taken = next(index.files()).taken
    assert taken is not None and taken.isoformat() == "2021-05-06T05:08:09+00:00"


# --- what is broken


def test_what_is_broken_is_told_and_the_rest_is_done(
    space: TinySpace, folder: Path, tmp_path: Path
) -> None:
    draw_many(folder, 60)
    for place in range(7):
        (folder / f"text-{place}.jpg").write_text(f"no picture {place}")
    whole = (folder / "00000.png").read_bytes()
    (folder / "half.png").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "new\nline.jpg").touch()
    os.mkfifo(folder / "pipe.jpg")
    listed = tmp_path / "troubles.jsonl"
    for _ in range(2):
        result = run("index", folder, "--troubles", listed, "--json")
        assert result.exit_code == 2
        row = json.loads(result.stdout)
        assert row["new"] + row["unchanged"] == 60
        assert [group["count"] for group in row["troubles"]] == [7, 2, 1, 1]
        troubles = [json.loads(line) for line in listed.read_text().splitlines()]
        assert len(troubles) == 11
        assert {each["path"] for each in troubles} >= {"half.png", "new\nline.jpg", "pipe.jpg"}
    assert space.encoded == 60
    result = run("index", folder)
    assert "60 unchanged, 11 not indexed." in result.stdout
    assert "7 × The file is not a picture" in result.stderr
    assert "… 4 more" in result.stderr and r"new\nline.jpg" in result.stderr


def test_what_is_mended_is_indexed(index: ImageIndex, folder: Path) -> None:
    (folder / "a.png").write_bytes(b"none")
    assert counts(index.add(folder)) == (0, 0, 0, 0, 0, 1)
    draw(folder / "a.png", "red")
    assert counts(index.add(folder)) == (1, 0, 0, 0, 0, 0)
    (folder / "a.png").write_bytes(b"none")
    assert counts(index.add(folder)) == (0, 0, 0, 0, 0, 1)
    assert index.search("red").nothing


def test_reasons_that_differ_in_numbers_are_one_group(
    space: TinySpace, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_MAX_IMAGE_PIXELS", "100")
    for side in (11, 12, 13):
        draw(folder / f"{side}.png", "red", side)
    result = run("index", folder, "--json")
    (group,) = json.loads(result.stdout)["troubles"]
    assert group["count"] == 3 and "SIGHTDESK_MAX_IMAGE_PIXELS" in group["reason"]
    # Raised, they are tried again though they did not change.
    monkeypatch.delenv("SIGHTDESK_MAX_IMAGE_PIXELS")
    get_settings.cache_clear()
    assert json.loads(run("index", folder, "--json").stdout)["new"] == 3


def test_a_picture_that_cannot_be_read_for_now_stays(
    index: ImageIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = draw(folder / "a.png", "red")
    index.add(folder)
    os.utime(path, (OLD + 5, OLD + 5))

    def fails(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(opening, "_read_once", fails)
        (trouble,) = index.add(folder).troubles
    assert "Permission denied" in trouble.reason
    assert index.search("red").found
    assert counts(index.add(folder)) == (0, 0, 0, 0, 1, 0)


def test_a_folder_that_cannot_be_read_for_now_loses_nothing(
    index: ImageIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(folder / "sub/a.png", "red")
    draw(folder / "b.png", "green")
    index.add(folder)
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("sub"):
            raise OSError(5, "Input/output error")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert counts(index.add(folder)) == (0, 0, 0, 0, 1, 1)
    assert index.search("red").found


@pytest.mark.parametrize(("times", "expected"), [(2, 0), (99, 1)])
def test_a_picture_that_changes_while_it_is_read(
    index: ImageIndex,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: int,
    expected: int,
) -> None:
    path = draw(folder / "a.png", "red")
    monkeypatch.setattr(opening, "_PAUSE", 0.0)
    look = os.fstat
    left = times

    def fstat(handle: int) -> os.stat_result:
        nonlocal left
        found = look(handle)
        if left and found.st_ino == path.stat().st_ino:
            left -= 1
            os.utime(path, (OLD + left, OLD + left))
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    troubles = index.add(folder).troubles
    assert [trouble.reason.split(";")[0] for trouble in troubles] == [
        "It changed each time that it was read"
    ] * expected
    monkeypatch.undo()
    assert counts(index.add(folder))[-1] == 0
    assert index.search("red").found


def test_a_file_that_became_a_pipe_since_it_was_found_is_not_waited_for(
    folder: Path, space: TinySpace
) -> None:
    os.mkfifo(folder / "a.png")
    with pytest.raises(opening.Unsettled, match="a pipe"):
        opening.read(str(folder / "a.png"), "a.png", Settings())


def test_a_file_that_is_gone_since_it_was_found(folder: Path) -> None:
    with pytest.raises(opening.Vanished):
        opening.read(str(folder / "a.png"), "a.png", Settings())


def test_a_disk_that_is_not_mounted_takes_nothing_with_it(index: ImageIndex, folder: Path) -> None:
    draw_many(folder, 50)
    index.add(folder)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match="name a folder of pictures"):
        index.add(folder)
    folder.mkdir()
    with pytest.raises(InputError, match="is empty, and 50 files of it are indexed"):
        index.add(folder)
    draw(folder / "a.png", "red")
    assert index.add(folder).removed == 50


def test_one_folder_that_is_missing_does_not_stop_the_others(
    space: TinySpace, folder: Path, tmp_path: Path
) -> None:
    draw(folder / "a.png", "red")
    result = run("index", tmp_path / "nowhere", folder)
    assert result.exit_code == 2
    assert "1 new." in result.stdout
    assert "nowhere cannot be read as a folder" in result.stderr


def test_links_out_of_the_folder_are_told(space: TinySpace, folder: Path, tmp_path: Path) -> None:
    draw(tmp_path / "elsewhere/a.png", "red")
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    result = run("index", folder)
    assert result.exit_code == 0 and "1 link out of the folder not followed" in result.stderr
    assert "1 new." in run("index", folder, "--follow-links").stdout


def test_the_index_of_another_embedder_is_made_anew(
    index: ImageIndex, space: TinySpace, folder: Path
) -> None:
    draw_many(folder, 5)
    (folder / "bad.png").touch()
    index.add(folder)
    file = next(index.files())
    index.annotate({file.image_id: Note(label="first")})
    space.name = "another"
    assert "sightdesk index --rebuild" in refused("index", folder)
    encoded = space.encoded
    result = run("index", "--rebuild", "--json")
    assert json.loads(result.stdout)["unchanged"] == 5
    assert space.encoded == encoded + 5
    assert run("find", "blue", "--threshold", "0").exit_code == 0
    assert "00000.png" in run("find", "blue", "--threshold", "0", "--label", "first").stdout


def test_no_two_processes_index_at_once(index: ImageIndex, folder: Path) -> None:
    draw(folder / "a.png", "red")
    adding = Adding(index, [folder])
    with adding._alone(), pytest.raises(BusyError):
        index.add(folder)
    assert index.add(folder).new == 1


# --- what ends it


def child(*arguments: object, seconds: float = 0.0, **how: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.indexing_child", str(seconds), *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        **how,  # type: ignore[call-overload]
    )


def wait_for_batches(process: subprocess.Popen[str], count: int) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        count -= line.startswith("embedding")
        if not count:
            return
    raise AssertionError("it ended before")


def test_a_killed_process_loses_the_batch_under_way(space: TinySpace, folder: Path) -> None:
    draw_many(folder, 4 * BATCH)
    process = child("index", folder, seconds=0.3)
    wait_for_batches(process, 3)
    process.kill()
    process.communicate()
    with ImageIndex.open(embedder=space).store as store:
        index = ImageIndex.open(embedder=space, store=store)
        assert sum(1 for _ in index.files()) == 2 * BATCH
        assert index.search("blue", threshold=0).total == 2 * BATCH
        assert counts(index.add(folder)) == (2 * BATCH, 0, 0, 0, 2 * BATCH, 0)
        assert space.encoded == 2 * BATCH
        assert index.search("blue", threshold=0).total == 4 * BATCH


def test_an_interrupt_ends_after_the_batch(space: TinySpace, folder: Path) -> None:
    draw_many(folder, 4 * BATCH)
    process = child("index", folder, "--json", seconds=0.3)
    wait_for_batches(process, 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    row = json.loads(out)
    assert row["stopped"] and row["new"] >= 2 * BATCH and row["new"] + row["left"] == 4 * BATCH
    assert "run it again to go on" in err and "Traceback" not in err
    assert json.loads(run("index", folder, "--json").stdout)["unchanged"] == row["new"]


def test_what_is_gone_stays_where_it_is_interrupted(index: ImageIndex, folder: Path) -> None:
    draw_many(folder, 3)
    index.add(folder)
    (folder / "00000.png").rename(folder / "sub.png")
    assert counts(index.add(folder, cancelled=lambda: True))[3] == 0
    assert counts(index.add(folder)) == (0, 0, 1, 0, 2, 0)


def test_a_full_disk_is_one_sentence_and_the_index_stays_whole(
    space: TinySpace, folder: Path
) -> None:
    """By a limit on the size of files, which the database meets as if its disk were full."""
    draw_many(folder, 20 * BATCH)
    run("index", "--list")  # which makes the database

    def limit() -> None:
        most = 250_000
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    process = child("index", folder, "--json", preexec_fn=limit)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 2, err
    assert "Traceback" not in err
    row = json.loads(out)
    assert row["error"] and row["error"].count(". ") == 0
    assert row["error"] in err
    assert row["new"] + row["left"] == 20 * BATCH and row["left"]
    with ImageIndex.open(embedder=space).store as store:
        index = ImageIndex.open(embedder=space, store=store)
        assert sum(1 for _ in index.files()) == row["new"]
        done = index.add(folder)
        assert (done.new, done.unchanged) == (row["left"], row["new"])
        assert index.search("blue", threshold=0).total == 20 * BATCH


# --- finding


@pytest.fixture
def found(space: TinySpace, folder: Path) -> Path:
    draw(folder / "red.png", "red", 30)
    draw(folder / "sub/small red.png", "red", 10)
    draw(folder / "green\x1b[31m.png", "green", 30)
    draw(folder / os.fsdecode(b"bl\xffue.png"), "blue", 30)
    assert run("index", folder).exit_code == 0
    return folder


def test_what_is_found_is_told_line_by_line(found: Path) -> None:
    result = run("find", "something", "red")
    lines = result.stdout.splitlines()
    # Two that are equally red: either may be the first.
    assert sorted(line.partition("  ")[2] for line in lines) == [
        str(found / "red.png"),
        str(found / "sub/small red.png"),
    ]
    assert float(lines[0].partition("  ")[0]) > 0.9
    assert run("find", "green").stdout.rstrip().endswith(r"green\x1b[31m.png")
    assert run("find", "blue").stdout.rstrip().endswith(r"bl\xffue.png")


def test_paths_in_json_and_for_xargs_are_exact(found: Path) -> None:
    (row,) = json.loads(run("find", "blue", "--json").stdout)["found"]
    assert os.fsencode(row["path"]).endswith(b"/bl\xffue.png")
    assert row["width"] == 30 and row["likelihood"] > 0.9
    result = run("find", "blue", "-0")
    assert result.stdout_bytes == os.fsencode(row["path"]) + b"\0"


def test_nothing_like_it_is_no_error(found: Path) -> None:
    result = run("find", "purple")
    assert result.exit_code == 0 and not result.stdout
    assert "Nothing like it was found." in result.stderr
    assert json.loads(run("find", "purple", "--json").stdout) == {"found": [], "nothing": True}


def test_filters(found: Path) -> None:
    assert run("find", "red", "--min-side", 20).stdout.count("\n") == 1
    assert run("find", "red", "--folder", found / "sub").stdout.count("\n") == 1
    assert run("find", "red", "--since", "2020", "--until", "2020-09").stdout.count("\n") == 2
    assert run("find", "red", "--until", "2020-08-31").stdout == ""
    assert run("find", "red", "--limit", 1).stdout.count("\n") == 1


def test_by_a_picture(found: Path, tmp_path: Path) -> None:
    asked = draw(tmp_path / "asked.png", (250, 10, 10), 50)
    assert "red.png" in run("find", "--image", asked, "--limit", 1).stdout


def test_the_sheet_shows_what_is_found(found: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    run("find", "red", "--sheet", sheet)
    away = np.abs(np.asarray(open_image(sheet).pixels, int) - (255, 0, 0))
    assert (away < 20).all(-1).sum() > 900
    assert "end it with .jpg" in refused("find", "red", "--sheet", tmp_path / "sheet.txt")
    assert "cannot be written" in refused("find", "red", "--sheet", tmp_path / "no/sheet.png")


def test_duplicates(found: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).resize((400, 300))
    noise.save(found / "n.png")
    noise.save(found / "n.jpg", quality=60)
    run("index", found)
    assert run("duplicates").stdout.count("n.") == 2
    groups = [json.loads(line) for line in run("duplicates", "--json").stdout.splitlines()]
    names = [sorted(Path(file["path"]).name for file in group["files"]) for group in groups]
    assert ["n.jpg", "n.png"] in names
    assert "n." not in run("duplicates", found / "sub").stdout


def test_folders_are_listed_and_forgotten(found: Path, tmp_path: Path) -> None:
    assert run("index", "--list").stdout == f"{found}: 4 pictures\n"
    assert run("index").stdout == f"{found}: 4 unchanged.\n"
    (tmp_path / "link").symlink_to(found)
    assert "forgotten" in run("index", "--remove", tmp_path / "link").stdout
    assert run("index", "--list", "--json").stdout == ""
    assert (found / "red.png").exists()
    for asked in (["index"], ["find", "red"]):
        assert "indexed yet" in refused(*asked)
    assert "is not indexed" in refused("index", "--remove", found)
    assert "one at a time" in refused("index", found, "--list")


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2023", "2023-01-01T00:00", "2024-01-01T00:00"),
        ("2024-02", "2024-02-01T00:00", "2024-03-01T00:00"),
        ("2023-12-31", "2023-12-31T00:00", "2024-01-01T00:00"),
        ("2023-12-31T10:30", "2023-12-31T10:30", "2023-12-31T10:30"),
    ],
)
def test_dates(text: str, first: str, last: str) -> None:
    begins, ends = _date(text)
    assert begins.replace(tzinfo=None).isoformat("T", "minutes") == first
    assert ends.replace(tzinfo=None).isoformat("T", "minutes") == last


@pytest.mark.parametrize("text", ["yesterday", "2023-13", "9999", "", "2023-02-30"])
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(InputError, match="is no date"):
        _date(text)


# --- the parts


def test_pictures_wait_for_room_and_are_all_done(
    index: ImageIndex, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Room for less than two pictures: batches are small, and nothing waits for ever."""
    monkeypatch.setattr("assistant.image_index.folder.MOST_BYTES", 300)
    draw_many(folder, 40)
    assert index.add(folder).new == 40


def test_what_a_reader_raises_is_raised() -> None:
    def work(thing: int) -> int:
        return 1 // thing

    readers = Readers(work, [1, 0, 1], threads=2)
    with pytest.raises(ZeroDivisionError):
        list(readers.results())
    readers.close()


def test_readers_end_though_nobody_takes_their_results() -> None:
    readers = Readers(lambda thing: thing, range(10_000), threads=3)
    readers.close()


def test_room_is_waited_for_until_it_is_closed() -> None:
    room = Room(10)
    room.wait()
    room.take(10)
    readers: Readers[int, None] = Readers(lambda _: room.wait(), [1], threads=1)
    time.sleep(0.05)
    room.close()
    assert list(readers.results()) == [None]
    readers.close()


def test_progress_says_how_it_stands_without_a_new_line_each_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    clock: Callable[[], float] = lambda: now[0]  # noqa: E731
    monkeypatch.setattr("assistant.cli.progress.time.monotonic", clock)
    with progress.show_progress(plain=True) as report:
        for count in range(30):
            now[0] += 1
            report(f"Indexing · {count} a second", count / 30)
    assert capsys.readouterr().err.splitlines() == [
        "Indexing · 0 a second",
        "Indexing · 11 a second 37%",
        "Indexing · 22 a second 73%",
    ]
