"""`sightdesk label` and `describe` on folders, and `sightdesk job`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

import assistant.engines
from assistant.annotate import FORMATS, Job
from assistant.cli import app, jobs
from assistant.image_index import ImageIndex
from assistant.store import Store
from tests import tiny
from tests.annotated import ColourEngine, write_folder
from tests.pictures import put
from tests.tiny_space import TinySpace

COLOURS = "red,green,blue"


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ColourEngine:
    """Stands in for the model."""
    made = ColourEngine()
    monkeypatch.setattr(assistant.engines, "open_engine", lambda *_, **__: made)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "photos", 6, bad=1)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def called(*arguments: object, code: int = 0) -> Any:
    """What a command says in JSON."""
    result = call(*arguments, "--json")
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_a_folder_is_labelled_and_gone_on_with(
    folder: Path, tmp_path: Path, engine: ColourEngine
) -> None:
    command = ("label", folder, "--labels", COLOURS, "--out", tmp_path / "out")
    result = call(*command)
    assert result.exit_code == 2  # a file is bad
    assert "b/bad-000.jpg is damaged or cut off" in result.stderr
    assert result.stdout.startswith("Labelled 6 of 7 pictures in ")
    assert str(tmp_path / "out" / "results.jsonl") in result.stdout
    (folder / "b" / "bad-000.jpg").unlink()
    row = called(*command)
    assert (row["total"], row["done"], row["kept"], row["bad"]) == (6, 0, 6, 0)
    counts: dict[str, int] = {}
    for found in Job.open(tmp_path / "out").annotations():
        if found.label is not None:
            counts[found.label] = counts.get(found.label, 0) + 1
    assert row["labels"] == counts


def test_a_list_may_be_a_file(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    names = tmp_path / "names.txt"
    names.write_text("red\ngreen\n\nblue\n")
    called("label", folder, "--labels", names, "--out", tmp_path / "out", code=2)
    assert Job.open(tmp_path / "out").task.labels == ("red", "green", "blue")
    again = called("label", folder, "--labels-file", names, "--out", tmp_path / "out", code=2)
    assert again["kept"] == 6
    photo = put(tmp_path / "a.png", 1)
    result = call("label", photo, "--labels", names)
    assert result.exit_code == 0 and result.stdout.startswith(f"{photo}: ")


def test_unsure_ones_are_set_aside(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    out = tmp_path / "out"
    row = called("label", folder, "--labels", COLOURS, "--out", out, "--sure", "1", code=2)
    assert (row["aside"], row["labels"]) == (6, {})
    result = call("job", "show", out, "--aside")
    assert result.stdout.count("perhaps") == 6 and "Not sure enough of it: " in result.stdout
    assert "bad-000" in call("job", "show", out, "--bad").stderr
    shown = called("job", "show", out)
    assert (shown["ok"], shown["aside"], shown["bad"], shown["model"]) == (0, 6, 1, "colours")
    rows = call("job", "show", out, "--aside", "--json").stdout.splitlines()
    assert {json.loads(line)["status"] for line in rows} == {"aside"}


def test_a_folder_is_described(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    out = tmp_path / "out"
    row = called("describe", folder, "--out", out, "--detail", "short", code=2)
    assert row["done"] == 6 and "labels" not in row
    job = Job.open(out)
    assert (job.kind, job.task.detail) == ("describe", "short")
    captions = {found.caption for found in job.annotations() if found.caption}
    assert captions <= {"It is red.", "It is green.", "It is blue."}


def test_searches_find_what_was_noted(
    folder: Path, tmp_path: Path, engine: ColourEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.space.picture_embedder", lambda *_, **__: TinySpace())
    with Store.open() as store:
        ImageIndex.open(store=store, embedder=TinySpace()).add(folder)
    row = called(
        "label", folder, "--labels", COLOURS, "--out", tmp_path / "out", "--index", "--sure", 0,
        code=2,
    )  # fmt: skip
    assert row["noted"] == 6
    with Store.open() as store:
        index = ImageIndex.open(store=store, embedder=TinySpace())
        assert set(index.labels()) == set(row["labels"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("label", "{folder}"), "say with --out DIR where its results go"),
        (("describe", "{folder}"), "say with --out DIR where its results go"),
        (("label", "{folder}", "{folder}", "--out", "{out}"), "give one folder alone"),
        (("label", "{photo}", "--out", "{out}"), "--out is for a folder"),
        (("describe", "{photo}", "--index"), "--index is for a folder"),
        (("describe", "{folder}", "--out", "{out}", "--denoise", "0.5"), "described as it is"),
        (("label", "{folder}", "--out", "{folder}"), "holds the pictures themselves"),
        (("job", "show", "nothing"), "There is no job in"),
        (("job", "export", "{photo}", "--format", "csv", "--to", "x"), "There is no job in"),
    ],
)
def test_what_cannot_be_done_is_said(
    folder: Path, tmp_path: Path, engine: ColourEngine, arguments: tuple[str, ...], said: str
) -> None:
    places = {"folder": folder, "out": tmp_path / "out", "photo": folder / "a" / "00000.png"}
    result = call(*(argument.format(**places) for argument in arguments))
    assert result.exit_code == 2
    assert said in result.stderr and len(result.stderr.strip().splitlines()) == 1
    assert engine.seen == []


def test_jobs_are_listed_and_exported(folder: Path, tmp_path: Path, engine: ColourEngine) -> None:
    out = tmp_path / "out"
    done = called("label", folder, "--labels", COLOURS, "--out", out, "--sure", 0, code=2)
    (listed,) = [json.loads(line) for line in call("job", "list", "--json").stdout.splitlines()]
    assert (listed["id"], listed["path"], listed["ok"]) == (done["job"], str(out), 6)
    assert "6 labelled" in call("job", "list").stdout
    assert "6 done\n1 could not be opened" in call("job", "show", done["job"][:6]).stdout
    row = called("job", "export", done["job"], "--format", "csv", "--to", tmp_path / "x.csv")
    assert row["pictures"] == 6 and (tmp_path / "x.csv").is_file()
    again = call("job", "export", out, "--format", "csv", "--to", tmp_path / "x.csv")
    assert again.exit_code == 2 and "--force to replace it" in again.stderr
    assert call(
        "job", "export", out, "--format", "csv", "--to", tmp_path / "x.csv", "--force"
    ).stdout.startswith("Wrote 6 pictures to ")
    left = called("job", "export", out, "--format", "iptc", "--to", tmp_path / "i", code=2)
    assert (left["pictures"], len(left["left_out"])) == (0, 6)


def test_the_formats_are_those_that_are_written() -> None:
    assert get_args(jobs.Format) == FORMATS


def test_names_and_labels_steer_no_terminal(tmp_path: Path, engine: ColourEngine) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "\x1b[31mred\n.jpg").write_bytes(b"\xff\xd8\xff no")
    result = call("label", tmp_path / "photos", "--labels", COLOURS, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "\x1b" not in result.stdout + result.stderr
    assert "\x1b" not in call("job", "show", tmp_path / "out", "--bad").stderr


# --- in processes of their own


def begun(tmp_path: Path, folder: Path, wait: float = 0.0) -> subprocess.Popen[str]:
    """`sightdesk describe` of a folder with the tiny model, which waits before each batch."""
    program = f"""
import time
from assistant.annotate import running
from assistant.cli import main

def slow(*given, known=running.annotate_pictures):
    time.sleep({wait})
    return known(*given)

running.BATCH, running.annotate_pictures = 6, slow
main()
"""
    environment = {
        **os.environ, "SIGHTDESK_QUANTIZE": "none", "SIGHTDESK_BASE": str(tiny.directory()),
        "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = ["describe", str(folder), "--out", str(tmp_path / "out"), "--sure", "0", "--json"]
    return subprocess.Popen(
        [sys.executable, "-c", program, *command], env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def wait_for_lines(tmp_path: Path, process: subprocess.Popen[str], count: int) -> int:
    """How many there are, once there are so many."""
    file, deadline = tmp_path / "out" / "results.jsonl", time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        found = file.read_bytes().count(b"\n") if file.exists() else 0
        if found >= count:
            return found
        time.sleep(0.005)
    raise AssertionError(f"it ended before: {process.communicate()[1]}")


def test_killed_and_interrupted_it_loses_nothing_and_does_nothing_twice(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    tiny.picture_files(folder, 60)
    first = begun(tmp_path, folder, 0.5)
    wait_for_lines(tmp_path, first, 6)
    first.kill()
    first.communicate()
    kept = (tmp_path / "out" / "results.jsonl").read_bytes()
    assert 6 <= kept.count(b"\n") < 60

    second = begun(tmp_path, folder, 0.5)
    before = wait_for_lines(tmp_path, second, kept.count(b"\n") + 1)
    second.send_signal(signal.SIGINT)
    said, errors = second.communicate(timeout=120)
    assert second.returncode == 130, errors
    assert "Ending after the pictures under way" in errors
    told = json.loads(said)
    assert told["cancelled"] and told["kept"] == kept.count(b"\n")
    done = told["kept"] + told["done"] + told["same"]
    assert before <= done < 60

    third = begun(tmp_path, folder)
    said, errors = third.communicate(timeout=240)
    assert third.returncode == 0, errors
    assert json.loads(said)["kept"] == done
    rows = (tmp_path / "out" / "results.jsonl").read_bytes()
    assert rows.startswith(kept[: kept.rfind(b"\n") + 1])
    images = [json.loads(line)["image"] for line in rows.splitlines()]
    assert sorted(images) == sorted(f"{seed}.png" for seed in range(60))
