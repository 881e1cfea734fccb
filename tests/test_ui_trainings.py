"""Trainings as processes: started, found again, stopped, resumed, killed; the page beside them."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from adapters.tune.process import FILE, Note, note_of, noted, read_note, write_note
from assistant.errors import DataError, InputError
from assistant.settings import get_settings
from ui import jobs
from ui.train_curves import MOST_POINTS, thinned
from ui.training import Order, Training
from ui.trainings import Trainings, clean_path, read_stage

ROOT = Path(__file__).parent.parent
SCRIPT = (sys.executable, str(ROOT / "tests" / "scripted_sightdesk.py"))
SECONDS = 30.0


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SCRIPTED_STEP", "0.02")
    return Trainings(get_settings().data_dir / "trainings", SCRIPT)


def order(name: str = "fruit", data: str = "/photos/fruit") -> Order:
    return Order(data, name, "quick")


def wait(trainings: Trainings, until: Callable[[Training], bool], name: str = "fruit") -> Training:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        training = trainings.get(name)
        if training is not None and until(training):
            return training
        time.sleep(0.05)
    raise AssertionError(f"never so: {trainings.get(name)}")


def learning(training: Training) -> bool:
    return "encoder" in training.stages and training.stages["encoder"].step >= 5


def rows(training: Training, stage: str) -> list[str]:
    return (training.folder / f"{stage}.csv").read_text().splitlines()


def test_a_training_is_stopped_resumed_and_done(trainings: Trainings) -> None:
    trainings.start(order())
    running = wait(trainings, learning)
    assert (running.state, running.data) == ("running", "/photos/fruit")
    assert running.plan is not None and running.plan.pictures == 240
    assert 0 < (running.fraction or 0) < 1
    assert 0 < (running.seconds_left or 0) < 60
    with pytest.raises(InputError, match="already"):
        trainings.start(order())
    trainings.stop("fruit")
    stopped = wait(trainings, lambda training: not training.active)
    assert stopped.state == "stopped"
    assert "--resume" in jobs.tail(stopped.folder / jobs.ERRORS)
    before = stopped.stages["encoder"].step

    command = trainings.resume_command(stopped)
    assert command == [*SCRIPT, *running.command[len(SCRIPT) :], "--resume"]
    trainings.resume(stopped)
    done = wait(trainings, lambda training: training.state == "done")
    assert list(done.command) == command
    steps = done.stages["encoder"].steps
    assert before < len(steps) == 60
    assert steps == list(range(1, 61)), "it went on where it was"
    assert (done.fraction, done.seconds_left) == (1.0, 0.0)
    assert done.adapter is not None
    assert [entry.state for entry in trainings.entries()] == ["done"]


def test_a_killed_training_is_interrupted_and_goes_on(trainings: Trainings) -> None:
    trainings.start(order())
    running = wait(trainings, learning)
    note = read_note(running.folder)
    assert note is not None
    os.kill(note.pid, signal.SIGKILL)
    killed = wait(trainings, lambda training: not training.active)
    assert (killed.state, killed.error) == ("interrupted", "")
    trainings.resume(killed)
    assert wait(trainings, lambda training: training.state == "done").stages["language"].step == 40


def test_stopping_at_once_kills(trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPTED_STEP", "20")
    trainings.start(order())
    wait(trainings, lambda training: training.plan is not None)
    trainings.stop("fruit")
    assert wait(trainings, lambda training: training.state == "stopping").active
    trainings.stop("fruit", at_once=True)
    assert wait(trainings, lambda training: not training.active).state == "stopped"


def test_a_failure_is_the_command_s_own_sentence_and_the_name_is_free_again(
    trainings: Trainings,
) -> None:
    trainings.start(order(data="/photos/broken"))
    failed = wait(trainings, lambda training: not training.active)
    assert failed.state == "failed"
    assert failed.error == (
        "All labelled pictures of /photos/broken are 'kiwi'; give at least two labels."
    )
    assert trainings.resume_command(failed)[-1] == "--json", "there is nothing to resume"
    trainings.start(order())
    wait(trainings, learning)
    trainings.stop("fruit")
    wait(trainings, lambda training: training.state == "stopped")


def test_a_training_outlives_who_started_it(trainings: Trainings, tmp_path: Path) -> None:
    code = (
        "from ui.training import *; from ui.trainings import *\n"
        f"t = Trainings(Path({str(trainings.folder)!r}), {SCRIPT!r})\n"
        "t.start(Order('/photos', 'fruit', 'quick'))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT, timeout=SECONDS)
    assert wait(trainings, lambda training: training.state == "done").stages["language"].step == 40


def test_a_command_that_is_not_there_is_a_sentence(trainings: Trainings) -> None:
    missing = Trainings(trainings.folder, ("/nowhere/sightdesk",))
    with pytest.raises(InputError, match=r"cannot be started .*No such file"):
        missing.start(order())
    assert missing.entries() == []


def test_a_command_that_refuses_its_options_says_so(tmp_path: Path) -> None:
    box = "print('╭─ Error ─╮\\n│ No such option: --x │\\n╰─────╯', file=sys.stderr)"
    jobs.start(tmp_path / "job", [sys.executable, "-c", f"import sys; {box}; sys.exit(2)"])
    deadline = time.monotonic() + SECONDS
    while (job := jobs.look(tmp_path / "job")) is None or job.state != "failed":
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    assert job.error == "No such option: --x"


def test_the_command_line_is_what_is_run(trainings: Trainings) -> None:
    wanted = Order(
        "/my photos/a;b", "fruit", "best", "/val", "/replay",
        {"encoder": "lora", "rank": 16, "joint": True, "head_rate": 1e-05, "seed": 7},
    )  # fmt: skip
    command = trainings.command(wanted)
    assert command[len(SCRIPT) :] == [
        "adapters", "train", "/my photos/a;b", "--preset", "best", "--name", "fruit",
        "--val", "/val", "--replay", "/replay", "--encoder", "lora", "--set", "rank=16",
        "--set", "joint=true", "--set", "head_rate=1e-05", "--seed", "7", "--json",
    ]  # fmt: skip
    assert shlex.split(shlex.join(command)) == command
    trainings.start(wanted)
    wait(trainings, learning)
    assert list(wait(trainings, learning).command) == command
    trainings.stop("fruit")
    wait(trainings, lambda training: training.state == "stopped")


def test_the_real_command_takes_these_options() -> None:
    """What the page writes must be read by the command, or every start would fail."""
    import typer
    from typer.testing import CliRunner

    from adapters.cli import register

    app = typer.Typer()
    register(app)
    words = Trainings(Path("/nowhere"), ()).command(
        Order("/no/such", "fruit", "quick", "/v", "/r", {"rank": 3, "encoder": "lora"})
    )
    with pytest.raises(DataError, match="/no/such does not exist"):
        CliRunner().invoke(app, words, catch_exceptions=False)


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", ".hidden", "a b", "x.partial", "y."])
def test_a_name_that_is_none_is_refused(trainings: Trainings, name: str) -> None:
    with pytest.raises(InputError, match="cannot be called"):
        trainings.start(order(name))
    assert trainings.get(name) is None


def test_a_free_name_is_offered(trainings: Trainings) -> None:
    folder = trainings.folder / "Fruit"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").touch()
    assert trainings.free_name("fruit") == "fruit-2"
    assert trainings.free_name("embedded") == "embedded-2"
    with pytest.raises(InputError, match="is an adapter 'embedded' already"):
        trainings.check_name("embedded")


def test_a_training_that_nobody_noted_is_listed_but_cannot_be_resumed(trainings: Trainings) -> None:
    folder = trainings.folder / "old"
    folder.mkdir(parents=True)
    (folder / "recipe.toml").touch()
    (folder / "encoder.csv").write_text("step,loss,rate,seconds,scores\n1,2.5,0,1.0,\n")
    old = trainings.get("old")
    assert old is not None
    assert (old.state, old.stages["encoder"].losses) == ("interrupted", [2.5])
    with pytest.raises(InputError, match="not known how"):
        trainings.resume(old)


# --- notes


def a_note(**changes: object) -> Note:
    return replace(note_of(os.getpid(), ["sightdesk"]), **changes)  # type: ignore[arg-type]


def test_a_note_tells_the_process_from_a_later_one_of_its_number(tmp_path: Path) -> None:
    assert a_note().alive
    assert not a_note(born=a_note().born - 1000).alive
    assert not a_note(host="elsewhere").alive
    assert not a_note(ended="done").alive
    child = subprocess.Popen([sys.executable, "-c", ""])
    note = note_of(child.pid, ["x"])
    deadline = time.monotonic() + SECONDS
    while psutil.Process(child.pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert not note.alive, "a zombie runs no more"
    child.wait()
    assert not note.alive


def test_no_other_process_is_ever_signalled(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        note = note_of(child.pid, ["x"])
        write_note(tmp_path, replace(note, born=note.born - 100))
        jobs.stop(tmp_path)
        jobs.stop(tmp_path, at_once=True)
        time.sleep(0.2)
        assert child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"command": 3}', "\0", '{"pid": "x"}'])
def test_a_damaged_note_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    assert read_note(tmp_path) is None
    assert jobs.look(tmp_path) is None


def test_how_a_command_ended_is_noted(tmp_path: Path) -> None:
    def ended() -> tuple[str, str]:
        note = read_note(tmp_path)
        assert note is not None
        return note.ended, note.error

    with noted(tmp_path):
        assert ended() == ("", "")
    assert ended() == ("done", "")
    with pytest.raises(DataError), noted(tmp_path):
        raise DataError("Mend this.")
    assert ended() == ("failed", "Mend this.")
    with pytest.raises(KeyboardInterrupt), noted(tmp_path):
        raise KeyboardInterrupt
    assert ended() == ("stopped", "")
    with pytest.raises(ZeroDivisionError), noted(tmp_path):
        raise ZeroDivisionError("x")
    assert ended()[0] == "failed" and "ZeroDivisionError: x" in ended()[1]
    assert [path.name for path in tmp_path.iterdir()] == [FILE], "nothing half-written is left"


# --- what is read


def test_events_are_the_last_of_each_kind_in_order(tmp_path: Path) -> None:
    file = tmp_path / "out"
    lines = [{"event": "plan", "n": 1}, {"event": "step", "n": 1}, {"event": "plan", "n": 2}]
    file.write_text("\n".join(map(json.dumps, lines)) + '\nnot json\n[1]\n{"event": "st')
    assert jobs.read_events(file) == {"step": lines[1], "plan": lines[2]}
    with file.open("a") as stream:
        stream.write("\n")
        for number in range(40_000):
            stream.write(json.dumps({"event": "step", "n": number}) + "\n")
    events = jobs.read_events(file)
    assert list(events) == ["plan", "step"]
    assert (events["plan"]["n"], events["step"]["n"]) == (2, 39_999)
    assert jobs.read_events(tmp_path / "none") == {}


def test_a_curve_that_is_being_written_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    file = tmp_path / "encoder.csv"
    head = 'step,loss,rate,seconds,scores\n1,4.0,1.0,2.5,\n2,3.0,1.0,5.0,"{""score"": 0.5}"\n'
    file.write_text(head + "3,2.0,1.")
    stage = read_stage(tmp_path, "encoder")
    assert (stage.steps, stage.losses, stage.seconds) == ([1, 2], [4.0, 3.0], 5.0)
    assert stage.scores == [(2, {"score": 0.5})]
    file.write_bytes(b"\xff\x00,\n1,2,3")
    assert read_stage(tmp_path, "encoder").steps == []
    assert read_stage(tmp_path, "language").steps == []


def test_curves_are_thinned_and_hold_no_nan() -> None:
    losses = [float("nan") if step == 7 else 1 / step for step in range(1, 5001)]
    found = thinned(list(range(1, 5001)), losses)
    assert len(found) == MOST_POINTS
    assert found[-1]["step"] == 5000
    assert all(row["loss"] == row["loss"] for row in found)
    assert thinned([1], [2.0]) == [{"step": 1, "loss": 2.0, "mean": 2.0}]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ""),
        ("  /photos/a b ", "/photos/a b"),
        ("'/photos/x'", "/photos/x"),
        ('"/photos/x"', "/photos/x"),
        ("file:///photos/a%20b", "/photos/a b"),
        ("photos", str(Path.cwd() / "photos")),
    ],
)
def test_a_path_is_understood_as_people_paste_it(text: str, path: str) -> None:
    assert clean_path(text) == path


def test_a_home_folder_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    assert clean_path("~/photos") == "/home/somebody/photos"
