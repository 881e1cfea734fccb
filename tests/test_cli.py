"""The command line, with an engine that answers from a script instead of a model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

import assistant.cli
from assistant import weights
from assistant.cli import app, load_plugins, machine, main, page
from assistant.cli.machine import examine
from assistant.cli.progress import show_progress
from assistant.errors import AdapterError, ImageError, InputError, WeightsError
from assistant.images import LoadedImage
from assistant.settings import get_settings

RUNNER = CliRunner()


@dataclass(frozen=True)
class Turn:
    """As assistant.engine.Turn."""

    role: str
    text: str
    images: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sampling:
    """As assistant.engine.Sampling."""

    max_tokens: int = 96
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    beams: int = 1
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """As assistant.engine.Answer."""

    text: str
    tokens: int = 3
    seconds: float = 0.12345
    finish: str = "stop"


@dataclass
class ScriptedEngine:
    """Says always the same and records what it was asked."""

    name: str = "embedded"
    adapter: str | None = "shop"
    quantization: str = "none"
    pieces: tuple[str, ...] = ("A", " red", " square.")
    calls: list[tuple[str, Any]] = field(default_factory=list)
    fails_with: BaseException | None = None
    sees: Any = None

    def load(self, base: str | None, adapter: str | None, **_: Any) -> ScriptedEngine:
        self.calls.append(("load", (base, adapter)))
        if self.fails_with is not None:
            raise self.fails_with
        return self

    def encode_images(self, images: Sequence[LoadedImage]) -> list[str]:
        self.calls.append(("encode", len(images)))
        return [image.id for image in images]

    def stream(
        self, turns: Sequence[Turn], images: Sequence[str], *, sampling: Sampling
    ) -> Iterator[str]:
        self.calls.append(("stream", (list(turns), list(images), sampling)))
        yield from self.pieces

    def generate(
        self, turns: Sequence[Turn], images: Sequence[str], *, sampling: Sampling
    ) -> Answer:
        self.calls.append(("generate", (list(turns), list(images), sampling)))
        return Answer("".join(self.pieces))

    def describe(self, images: Sequence[str], **how: Any) -> list[Answer]:
        self.calls.append(("describe", how))
        return [Answer(f"Picture\n{image[:4]}.") for image in images]

    def evidence(self, _image: str) -> Any:
        return self.sees

    def named(self, call: str) -> list[Any]:
        return [given for name, given in self.calls if name == call]


@pytest.fixture(autouse=True)
def _settings_are_read_again() -> Iterator[None]:
    """A test that changes the environment leaves no settings behind."""
    yield
    get_settings.cache_clear()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> ScriptedEngine:
    """Stands in for assistant.engine, which takes seconds to import."""
    scripted = ScriptedEngine()
    module = ModuleType("assistant.engine")
    module.__dict__.update(Engine=scripted, Turn=Turn, Sampling=Sampling, Answer=Answer)
    monkeypatch.setitem(sys.modules, "assistant.engine", module)
    return scripted


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save_photo(tmp_path / "red.png", "red")


def save_photo(path: Path, colour: str) -> Path:
    Image.new("RGB", (8, 6), colour).save(path)
    return path


# --- ask


def test_ask_streams_the_pieces_as_they_come(
    engine: ScriptedEngine, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    monkeypatch.setattr(typer, "echo", lambda text="", nl=True, err=False: written.append(text))
    result = RUNNER.invoke(app, ["ask", str(photo), " What is it? "])
    assert result.exit_code == 0
    assert written == ["A", " red", " square.", ""]
    ((turns, images, sampling),) = engine.named("stream")
    assert [(turn.role, turn.text) for turn in turns] == [("user", "What is it?")]
    assert turns[0].images == tuple(images)
    assert sampling == Sampling()


def test_ask_prints_the_answer_on_one_line(engine: ScriptedEngine, photo: Path) -> None:
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?"])
    assert (result.exit_code, result.stdout, result.stderr) == (0, "A red square.\n", "")


def test_ask_about_an_unfamiliar_picture_owns_up(engine: ScriptedEngine, photo: Path) -> None:
    from assistant.evidence import UNFAMILIAR, Evidence

    engine.sees = Evidence((("hen", 0.9),), 0.0, False)
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?"])
    caution = f"{UNFAMILIAR} It may show: hen."
    assert result.stdout == f"A red square.\n{caution}\n"
    ((turns, _, _),) = engine.named("stream")
    assert turns[0].text == "The picture may show: hen. What is it?"
    row = json.loads(RUNNER.invoke(app, ["ask", str(photo), "What is it?", "--json"]).stdout)
    assert (row["answer"], row["caution"]) == ("A red square.", caution)
    assert row["question"] == "What is it?"


def test_ask_json(engine: ScriptedEngine, photo: Path) -> None:
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?", "--json"])
    row = json.loads(result.stdout)
    assert len(row.pop("image_id")) == 64
    assert row == {
        "image": str(photo),
        "question": "What is it?",
        "answer": "A red square.",
        "model": "embedded",
        "adapter": "shop",
        "quantization": "none",
        "tokens": 3,
        "seconds": 0.123,
    }


def test_ask_about_several_pictures(engine: ScriptedEngine, photo: Path, tmp_path: Path) -> None:
    other = save_photo(tmp_path / "blue.png", "blue")
    arguments = ["ask", str(photo), "Which is blue?", "--image", str(other), "--json"]
    row = json.loads(RUNNER.invoke(app, arguments).stdout)
    assert [each["image"] for each in row["images"]] == [str(photo), str(other)]
    ((turns, _, _),) = engine.named("generate")
    assert list(turns[0].images) == [each["image_id"] for each in row["images"]]
    assert len(set(turns[0].images)) == 2


def test_ask_reads_a_picture_from_standard_input(engine: ScriptedEngine, photo: Path) -> None:
    arguments = ["ask", "-", "What is it?", "--json"]
    piped = json.loads(RUNNER.invoke(app, arguments, input=photo.read_bytes()).stdout)
    arguments[1] = str(photo)
    named = json.loads(RUNNER.invoke(app, arguments).stdout)
    assert piped["image"] == "-"
    assert piped["image_id"] == named["image_id"]


def test_standard_input_is_read_no_further_than_the_limit(
    engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_MAX_IMAGE_BYTES", "1000")
    get_settings.cache_clear()
    read: list[bytes] = []

    def open_image(source: bytes, **_: Any) -> None:
        read.append(source)
        raise ImageError("Too large: choose a smaller one.")

    monkeypatch.setattr("assistant.images.open_image", open_image)
    result = RUNNER.invoke(app, ["ask", "-", "What is it?"], input=bytes(5000))
    assert (result.exit_code, result.stderr) == (2, "Too large: choose a smaller one.\n")
    assert [len(data) for data in read] == [1001]


def test_ask_passes_its_options_on(engine: ScriptedEngine, photo: Path) -> None:
    options = "--base b --adapter a --max-tokens 7 --temperature 0.5 --top-p 0.9 --seed 3 --beams 4"
    result = RUNNER.invoke(app, ["ask", str(photo), "What?", *options.split()])
    assert result.stdout == "A red square.\n"
    assert engine.named("load") == [("b", "a")]
    ((_, _, sampling),) = engine.named("generate")
    assert sampling == Sampling(7, 0.5, 0.9, 3, 4)


@pytest.mark.parametrize("question", ["", "  \n"])
def test_an_empty_question_is_refused_before_a_model_loads(
    engine: ScriptedEngine, photo: Path, question: str
) -> None:
    result = RUNNER.invoke(app, ["ask", str(photo), question])
    assert result.exit_code == 2
    assert result.stderr.startswith("The question is empty")
    assert not engine.calls


def test_a_question_that_is_too_long_is_refused(engine: ScriptedEngine, photo: Path) -> None:
    result = RUNNER.invoke(app, ["ask", str(photo), "why " * 1000])
    assert result.exit_code == 2
    assert "2000" in result.stderr


@pytest.mark.parametrize(
    "wrong",
    [["--beams", "0"], ["--top-p", "2"], ["--temperature", "-1"], ["--seed", "x"], ["--nonsense"]],
)
def test_a_wrong_option_is_a_usage_error(
    engine: ScriptedEngine, photo: Path, wrong: list[str]
) -> None:
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?", *wrong])
    assert result.exit_code == 2
    assert not engine.calls


def test_a_broken_picture_is_one_sentence(engine: ScriptedEngine, tmp_path: Path) -> None:
    text = tmp_path / "note.jpg"
    text.write_text("no picture", encoding="utf-8")
    result = RUNNER.invoke(app, ["ask", str(text), "What is it?"])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "note.jpg" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not engine.calls


# --- describe


def test_describe_writes_one_line_a_picture(
    engine: ScriptedEngine, photo: Path, tmp_path: Path
) -> None:
    other = save_photo(tmp_path / "blue.png", "blue")
    result = RUNNER.invoke(app, ["describe", str(photo), str(other)])
    lines = result.stdout.splitlines()
    assert [line.split(": ")[0] for line in lines] == [str(photo), str(other)]
    assert all(line.split(": ")[1].startswith("Picture ") for line in lines)


def test_describe_goes_on_after_a_bad_picture(
    engine: ScriptedEngine, photo: Path, tmp_path: Path
) -> None:
    other = save_photo(tmp_path / "blue.png", "blue")
    missing = tmp_path / "missing.png"
    arguments = ["describe", str(photo), str(missing), str(other), "--json"]
    result = RUNNER.invoke(app, arguments)
    assert result.exit_code == 2
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["image"] for row in rows] == [str(photo), str(other)]
    assert [line for line in result.stderr.splitlines() if "missing.png" in line]


def test_describe_loads_no_model_for_bad_pictures_only(
    engine: ScriptedEngine, tmp_path: Path
) -> None:
    result = RUNNER.invoke(app, ["describe", str(tmp_path / "a.png"), str(tmp_path / "b.png")])
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 2
    assert not engine.calls


def test_describe_opens_a_few_pictures_at_a_time(engine: ScriptedEngine, photo: Path) -> None:
    result = RUNNER.invoke(app, ["describe", *[str(photo)] * 19])
    assert len(result.stdout.splitlines()) == 19
    assert engine.named("encode") == [8, 8, 3]
    assert len(engine.named("load")) == 1


def test_describe_json_and_options(engine: ScriptedEngine, photo: Path) -> None:
    options = ["--detail", "short", "--mode", "sample", "--seed", "5", "--json"]
    row = json.loads(RUNNER.invoke(app, ["describe", str(photo), *options]).stdout)
    assert engine.named("describe") == [{"detail": "short", "mode": "sample", "seed": 5}]
    assert (row["detail"], row["mode"], row["model"]) == ("short", "sample", "embedded")
    assert row["description"].startswith("Picture\n")


def test_describe_refuses_an_unknown_detail(engine: ScriptedEngine, photo: Path) -> None:
    result = RUNNER.invoke(app, ["describe", str(photo), "--detail", "poem"])
    assert result.exit_code == 2
    assert "short" in result.stderr


# --- exit codes and plug-ins


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int | str | None:
    monkeypatch.setattr(sys, "argv", ["sightdesk", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code


def test_main_turns_our_errors_into_a_sentence(
    engine: ScriptedEngine,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine.fails_with = AdapterError("There is no adapter x: choose shop.")
    assert run_main(monkeypatch, "ask", str(photo), "What is it?") == 2
    assert capsys.readouterr().err == "There is no adapter x: choose shop.\n"


def test_main_is_quiet_when_interrupted(
    engine: ScriptedEngine,
    photo: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    engine.fails_with = KeyboardInterrupt()
    assert run_main(monkeypatch, "ask", str(photo), "What is it?") == 130
    assert capsys.readouterr().err == ""


def test_a_bug_keeps_its_trace(engine: ScriptedEngine, photo: Path) -> None:
    engine.fails_with = ZeroDivisionError()
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_a_closed_pipe_leaves_no_trace() -> None:
    program = (
        "import sys, typer\n"
        "from assistant.cli import app, main\n"
        "@app.command()\n"
        "def flood() -> None:\n"
        "    for number in range(100_000):\n"
        "        typer.echo(number)\n"
        "sys.argv = ['sightdesk', 'flood']\n"
        "main()\n"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.readline()
        child.stdout.close()
        assert b"Traceback" not in child.stderr.read()


def test_a_setting_that_cannot_be_used_is_named(
    engine: ScriptedEngine, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_DEVICE", "abacus")
    get_settings.cache_clear()
    result = RUNNER.invoke(app, ["ask", str(photo), "What is it?"])
    assert result.exit_code == 2
    assert "SIGHTDESK_DEVICE" in result.stderr


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys\n"
        "from assistant.cli import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'streamlit', 'PIL', 'langchain'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("ask", "describe", "doctor", "fetch", "chat"):
        assert command in done.stdout


def greet(root: typer.Typer) -> None:
    @root.command()
    def hello() -> None:
        """Greet."""
        typer.echo("hello")


def test_a_broken_plug_in_costs_one_line_and_no_other_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [
        EntryPoint("broken", "no_such_module_here:register", assistant.cli.COMMAND_GROUP),
        EntryPoint("greeting", f"{__name__}:greet", assistant.cli.COMMAND_GROUP),
    ]
    monkeypatch.setattr(assistant.cli, "entry_points", lambda group: points)
    root = typer.Typer()
    root.callback()(lambda: None)
    load_plugins(root)
    (line,) = capsys.readouterr().err.splitlines()
    assert "no_such_module_here" in line
    assert RUNNER.invoke(root, ["hello"]).stdout == "hello\n"


# --- fetch, progress and doctor


def stand_in(monkeypatch: pytest.MonkeyPatch, module_name: str, **names: Any) -> None:
    module = ModuleType(module_name)
    module.__dict__.update(names)
    monkeypatch.setitem(sys.modules, module_name, module)


def test_fetch_says_what_it_does_and_where_the_base_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def ensure_embedded(_settings: object, progress: Any) -> Path:
        progress("Downloading", 0.1)
        progress("Downloading", 0.9)
        progress("Composing", None)
        return tmp_path / "base"

    stand_in(monkeypatch, "assistant.llava", ensure_embedded=ensure_embedded)
    result = RUNNER.invoke(app, ["fetch"])
    assert result.stderr.splitlines() == ["Downloading", "Composing"]
    assert str(tmp_path / "base") in result.stdout


def test_a_base_that_cannot_be_fetched_ends_with_exit_code_2(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ensure_embedded(_settings: object, _progress: object) -> Path:
        raise WeightsError("The download stopped: run sightdesk fetch again.")

    stand_in(monkeypatch, "assistant.llava", ensure_embedded=ensure_embedded)
    result = RUNNER.invoke(app, ["fetch"])
    assert result.exit_code == 2
    assert result.stderr == "The download stopped: run sightdesk fetch again.\n"


def test_progress_at_a_terminal_is_on_stderr_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with show_progress() as report:
        report("Reading [weights]", None)
        report("Reading [weights]", 0.5)
        report("Composing", None)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Composing" in captured.err


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine without problems, whose base is in the folder that is returned."""
    base = tmp_path / "base"
    base.mkdir()
    monkeypatch.setattr(weights, "embedded_directory", lambda _settings: base)
    monkeypatch.setattr(machine, "version", lambda _name: "1.0")
    adapter = get_settings().data_dir / "adapters" / "shop"
    adapter.mkdir(parents=True)
    save_file({"a": np.zeros(1)}, adapter / "adapter_model.safetensors")
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA"}', encoding="utf-8")
    (adapter / "sightdesk.json").write_text('{"metrics": {"bleu4": 0.25}}', encoding="utf-8")
    monkeypatch.setenv("SIGHTDESK_ADAPTER", "shop")
    get_settings.cache_clear()
    return base


def test_doctor_json(healthy: Path) -> None:
    result = RUNNER.invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["problems"]) == (0, [])
    assert report["base"] == {"name": "embedded", "fetched": True, "path": str(healthy)}
    assert report["adapter"]["scores"] == {"bleu4": 0.25}
    assert report["cache"]["writable"] is True
    assert report["cpu"]["instructions"]
    assert report["memory"]["total"] > 0


def test_doctor_in_words(healthy: Path) -> None:
    result = RUNNER.invoke(app, ["doctor"])
    assert result.exit_code == 0
    assert "bleu4 0.25" in result.stdout
    assert "fetched yes" in result.stdout


def test_doctor_reports_a_base_that_is_not_there_yet_as_no_problem(healthy: Path) -> None:
    healthy.rmdir()
    result = RUNNER.invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert (result.exit_code, report["base"]["fetched"]) == (0, False)


def test_doctor_finds_the_adapter_that_ships(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SIGHTDESK_ADAPTER")
    get_settings.cache_clear()
    report = examine()
    assert report["problems"] == []
    assert report["adapter"]["name"] == "embedded"
    assert report["adapter"]["path"] == str(weights.shipped_adapter())


@pytest.mark.parametrize("missing", ["adapter_model.safetensors", "adapter_config.json"])
def test_doctor_reports_an_adapter_that_is_not_whole(healthy: Path, missing: str) -> None:
    (get_settings().data_dir / "adapters" / "shop" / missing).unlink()
    report = examine()
    assert report["adapter"] is None
    (problem,) = report["problems"]
    assert problem.startswith(f"SIGHTDESK_ADAPTER: The adapter 'shop' has no {missing};")


def test_doctor_works_where_much_is_broken(
    healthy: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("", encoding="utf-8")
    monkeypatch.setenv("SIGHTDESK_CACHE_DIR", str(occupied / "cache"))
    monkeypatch.setenv("SIGHTDESK_ADAPTER", "unknown")
    get_settings.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    result = RUNNER.invoke(app, ["doctor", "--json"])
    report = json.loads(result.stdout)
    assert result.exit_code == 2
    assert report["device"] is None
    assert report["cache"]["writable"] is False
    for word in ("torch", "SIGHTDESK_CACHE_DIR", "SIGHTDESK_ADAPTER"):
        assert any(word in problem for problem in report["problems"])


def test_doctor_survives_settings_that_cannot_be_read(
    healthy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGHTDESK_DEVICE", "abacus")
    get_settings.cache_clear()
    result = RUNNER.invoke(app, ["doctor"])
    assert result.exit_code == 2
    assert "SIGHTDESK_DEVICE" in result.stderr
    assert "python" in result.stdout


# --- chat


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[list[str]]:
    """The commands that chat would have started."""
    commands: list[list[str]] = []

    def run_child(command: list[str]) -> int:
        commands.append(command)
        return 7

    monkeypatch.setattr(page, "run_child", run_child)
    monkeypatch.setattr(page, "_find_page", lambda: tmp_path / "app.py")
    return commands


def test_chat_starts_the_page_without_telemetry(started: list[list[str]]) -> None:
    result = RUNNER.invoke(app, ["chat", "--no-browser"])
    assert result.exit_code == 7
    (command,) = started
    assert command[:5] == [sys.executable, "-P", "-m", "streamlit", "run"]
    assert {
        "--browser.gatherUsageStats=false",
        "--client.toolbarMode=viewer",
        "--server.headless=true",
        "--server.address=127.0.0.1",
    } <= set(command)


def test_chat_refuses_a_port_in_use(started: list[list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = RUNNER.invoke(app, ["chat", "--port", port])
    assert result.exit_code == 2
    assert port in result.stderr
    assert not started


def test_a_page_that_is_not_installed_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "find_spec", lambda _name: None)
    result = RUNNER.invoke(app, ["chat"])
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 2
    assert "not installed" in result.stderr


@pytest.mark.parametrize(
    ("program", "code"),
    [("raise SystemExit(5)", 5), ("import os; os.kill(os.getpid(), 9)", 137)],
)
def test_the_exit_code_of_a_child_is_passed_on(program: str, code: int) -> None:
    assert page.run_child([sys.executable, "-c", program]) == code


def test_a_signal_reaches_the_child(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    child = (
        "import pathlib, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)\n"
    )
    parent = (
        "import sys\n"
        "from assistant.cli.page import run_child\n"
        f"sys.exit(run_child([sys.executable, '-c', {child!r}]))\n"
    )
    with subprocess.Popen([sys.executable, "-c", parent]) as process:
        deadline = time.monotonic() + 60
        while not ready.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGTERM)
        assert process.wait(60) == 9


def test_a_host_that_is_unknown_is_the_users_to_mend() -> None:
    with pytest.raises(InputError, match="--port"):
        page.check_port_is_free("no.such.host.invalid", 8501)
