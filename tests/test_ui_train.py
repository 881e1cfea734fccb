"""The training page, with a command that does as `sightdesk adapters` would."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import assistant.engine
import ui.session
from adapters.data.kinds import KINDS
from adapters.tune.process import read_note
from adapters.tune.settings import Tuning
from assistant.settings import get_settings
from assistant.store import Store
from tests.scripted_page import PAGE, ScriptedEngine
from tests.test_ui_trainings import ROOT, SCRIPT
from ui import jobs, words_train
from ui.preferences import KEY, Preferences
from ui.train_recipe import GROUPS
from ui.train_terms import duration, kind_title, knob_help, phase_text
from ui.trainings import Trainings
from ui.words import Words

TIMEOUT = 120.0
SECONDS = 60.0


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    scripted = ScriptedEngine(["A yellow banana."])
    monkeypatch.setattr(assistant.engine.Engine, "load", scripted.load)
    monkeypatch.setattr(ui.session, "served_here", lambda: True)
    monkeypatch.setattr(jobs, "sightdesk", lambda: SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("SCRIPTED_STEP", "0.01")
    st.cache_resource.clear()
    yield monkeypatch
    st.cache_resource.clear()


@pytest.fixture
def fruit(tmp_path: Path, photos: Path) -> Path:
    """Three classes; one picture is there twice, one cannot be opened."""
    folder = tmp_path / "fruit"
    for label, names in {
        "banana": ("Banana.webp", "phone-portrait-banana.jpg"),
        "lemon": ("Lemon.webp",),
        "kiwi": ("Kiwi.webp",),
    }.items():
        (folder / label).mkdir(parents=True)
        for name in names:
            shutil.copy(photos / name, folder / label / name)
    shutil.copy(photos / "Lemon.webp", folder / "lemon" / "Lemon2.webp")
    (folder / "kiwi" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    return folder


def open_page(training: str | None = None) -> AppTest:
    page = AppTest.from_file(PAGE, default_timeout=TIMEOUT)
    page.run()
    if training is not None:
        page.query_params["training"] = training
    page.switch_page("train.py").run()
    assert not page.exception
    return page


def field(page: AppTest, label: str) -> Any:
    inputs = [*page.text_input, *page.number_input, *page.selectbox]
    return next(found for found in inputs if found.label == label)


def press(page: AppTest, label: str) -> AppTest:
    buttons = [button for button in page.button if button.label.replace("\\", "") == label]
    assert buttons, f"no {label} among {[button.label for button in page.button]}"
    buttons[0].click().run()
    assert not page.exception
    return page


def check(page: AppTest, path: object) -> AppTest:
    field(page, "Folder or file").set_value(str(path))
    return press(page, "Check the data")


def texts(page: AppTest) -> str:
    parts = [*page.text, *page.markdown, *page.caption, *page.header, *page.subheader]
    parts += [*page.error, *page.warning, *page.info, *page.success]
    return "\n".join(part.value for part in parts).replace("\\", "")


def state(name: str = "fruit") -> str:
    training = Trainings.of().get(name)
    return training.state if training is not None else "none"


def wait_for(page: AppTest, wanted: str) -> AppTest:
    deadline = time.monotonic() + SECONDS
    while state() != wanted:
        assert time.monotonic() < deadline, f"{state()} instead of {wanted}"
        time.sleep(0.05)
    page.run()
    assert not page.exception
    return page


def train(site: pytest.MonkeyPatch, fruit: Path) -> AppTest:
    return press(check(open_page(), fruit), "Start training")


def test_the_page_is_reached_from_the_chat_and_is_empty_at_first(site: Any) -> None:
    page = open_page()
    assert page.header[0].value == "Train an adapter on your photos"
    assert "First check your data above." in texts(page)
    assert "Your trainings will be listed here." in texts(page)
    assert "Start training" not in [button.label for button in page.button]


def test_a_page_that_is_served_to_others_starts_nothing(site: pytest.MonkeyPatch) -> None:
    site.setattr(ui.session, "served_here", lambda: False)
    page = open_page()
    assert page.info[0].value.startswith("This page is served to a network")
    assert not page.text_input
    assert [button.label for button in page.button] == ["New training"]


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("", "Give the path of a folder or a file."),
        ("/no/such*place*", "/no/such*place* does not exist; check the path."),
        (__file__, "is no data set that is read here"),
    ],
)
def test_a_path_that_cannot_be_used_is_a_sentence(site: Any, path: str, sentence: str) -> None:
    page = check(open_page(), path)
    assert sentence in page.error[0].value.replace("\\", "")
    assert "\\*" in page.error[0].value or "*" not in path
    assert "First check your data above." in texts(page)


def test_the_chat_as_data_says_what_is_missing(site: Any) -> None:
    page = open_page()
    page.button_group[0].set_value("chat").run()
    press(page, "Check the data")
    assert "No answer in the chat was judged yet" in page.error[0].value


def test_what_is_wrong_with_the_data_is_shown_by_kind(site: Any, fruit: Path) -> None:
    page = check(open_page(), fruit)
    assert page.warning[0].value == "5 of 6 rows can be used; those with errors are left out."
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures == {"Pictures": "4", "Labels": "3", "Errors": "1", "Warnings": "2"}
    titles = [box.label.replace("\\", "") for box in page.expander]
    assert titles[0] == "Pictures that cannot be opened · 1"
    assert "3 labels, 1 to 2 rows each" in titles
    assert "broken.jpg" in texts(page)


def test_the_command_line_follows_every_choice_and_is_what_is_run(site: Any, fruit: Path) -> None:
    page = check(open_page(), fruit)
    assert field(page, "Name of the adapter").value == "fruit"
    words = shlex.split(page.code[0].value)
    begin = [*SCRIPT, "adapters", "train", str(fruit), "--preset"]
    assert words == [*begin, "quick", "--name", "fruit", "--json"]
    page.button_group[1].set_value("best").run()
    field(page, "`encoder_epochs`").set_value(3.0)
    field(page, "`encoder`").set_value("lora")
    field(page, "Pictures to remember (optional)").set_value(str(fruit)).run()
    words = shlex.split(page.code[0].value)
    knobs = ["--replay", str(fruit), "--encoder", "lora", "--set", "encoder_epochs=3.0"]
    assert words == [*begin, "best", "--name", "fruit", *knobs, "--json"]
    press(page, "Start training")
    note = read_note(get_settings().data_dir / "trainings" / "fruit")
    assert note is not None and list(note.command) == words
    wait_for(page, "done")


@pytest.mark.parametrize(
    ("label", "value", "sentence"),
    [
        ("Name of the adapter", "../x", "An adapter cannot be called '../x'"),
        ("Name of the adapter", "embedded", "There is an adapter 'embedded' already"),
        ("`head_rate`", 7.0, "head_rate cannot be used"),
        ("Pictures to remember (optional)", "/no/such", "/no/such does not exist"),
    ],
)
def test_a_choice_that_cannot_be_is_a_sentence_and_starts_nothing(
    site: Any, fruit: Path, label: str, value: Any, sentence: str
) -> None:
    page = check(open_page(), fruit)
    field(page, label).set_value(value).run()
    assert sentence in page.error[0].value.replace("\\", "")
    assert not page.code
    assert "Start training" not in [button.label for button in page.button]


def test_a_training_runs_to_its_result_and_into_the_chat(site: Any, fruit: Path) -> None:
    page = train(site, fruit)
    assert page.header[0].value == "fruit"
    wait_for(page, "done")
    assert page.query_params["training"] == "fruit" or page.query_params["training"] == ["fruit"]
    assert page.success[0].value == "The adapter is trained."
    figures = {metric.label: metric.value for metric in page.metric}
    assert figures["Pictures"] == "240"
    assert figures["Labels right"] == "84.1 %"
    assert "Trainable numbers: encoder 3,451,000" in texts(page)
    assert len(page.get("vega_lite_chart")) == 4

    field(page, "Folder or file of other pictures").set_value(str(fruit)).run()
    words = shlex.split(page.code[-1].value)
    assert words[len(SCRIPT) : len(SCRIPT) + 5] == [
        "adapters", "evaluate", "fruit", "--data", str(fruit),
    ]  # fmt: skip
    site.setenv("SCRIPTED_COMPARE", "0.1")
    press(page, "Compare")
    folder = get_settings().data_dir / "trainings" / "fruit" / "compare"
    deadline = time.monotonic() + SECONDS
    while (job := jobs.look(folder)) is None or job.active:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.run()
    assert "fruit is right about 84 % of the labels" in texts(page)
    assert page.table[0].value.iloc[0].tolist()[0] == "Labels right"

    press(page, "Use in the chat")
    assert page.chat_input, "the chat is open"
    with Store.open() as store:
        assert Preferences.read(store.preference(KEY)).adapter == "fruit"
    page.switch_page("train.py").run()
    assert "The chat uses it." in texts(page)
    press(page, "Use the shipped one again")
    with Store.open() as store:
        assert Preferences.read(store.preference(KEY)).adapter == ""


def test_stop_then_resume(site: pytest.MonkeyPatch, fruit: Path) -> None:
    site.setenv("SCRIPTED_STEP", "0.2")
    page = wait_for(train(site, fruit), "running")
    press(page, "Stop")
    wait_for(page, "stopped")
    assert page.warning[0].value.startswith("It was stopped. Resume goes on")
    site.setenv("SCRIPTED_STEP", "0.001")
    commands = [code.value for code in page.code]
    assert any(command.endswith("--json --resume") for command in commands)
    press(page, "Resume")
    wait_for(page, "done")


def test_a_second_tab_finds_what_runs_and_a_killed_one_is_interrupted(
    site: pytest.MonkeyPatch, fruit: Path
) -> None:
    site.setenv("SCRIPTED_STEP", "0.5")
    wait_for(train(site, fruit), "running")
    second = open_page()
    assert second.header[0].value == "fruit"
    assert "fruit · running" in [button.label for button in second.button]
    note = read_note(get_settings().data_dir / "trainings" / "fruit")
    assert note is not None
    os.kill(note.pid, signal.SIGKILL)
    wait_for(second, "interrupted")
    assert "It was interrupted: its process is gone." in texts(second)
    assert "Resume" in [button.label for button in second.button]
    press(second, "New training")
    assert second.header[0].value == "Train an adapter on your photos"


def test_a_failure_is_the_command_s_sentence(site: Any, fruit: Path) -> None:
    broken = fruit.rename(fruit.with_name("broken_fruit"))
    page = press(check(open_page(), broken), "Start training")
    deadline = time.monotonic() + SECONDS
    while state("broken_fruit") != "failed":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    page.run()
    assert "are 'kiwi'; give at least two labels." in page.error[0].value.replace("\\", "")
    assert "Start again" in [button.label for button in page.button]


def test_an_address_of_a_training_that_is_gone_says_so(site: Any) -> None:
    page = open_page("gone")
    assert page.warning[0].value == "That training is not here any more."
    assert page.header[0].value == "Train an adapter on your photos"


def test_what_files_claim_is_drawn_as_text(site: Any) -> None:
    folder = get_settings().data_dir / "trainings" / "evil"
    folder.mkdir(parents=True)
    evil = "![x](http://evil.example/x.png) <b>b</b>"
    note = {"command": ["sightdesk", "adapters", "train", evil], "folder": "/", "host": "h",
            "pid": 1, "born": 0, "started": "x", "ended": "failed", "error": evil}  # fmt: skip
    (folder / "process.json").write_text(json.dumps(note))
    (folder / "out.jsonl").write_text('{"event": "plan", "seconds": 3, "trainable": [], "x": {}}')
    page = open_page("evil")
    assert page.error[0].value.startswith("\\!\\[x\\]\\(http")
    drawn = [*page.markdown, *page.caption, *page.warning, *page.header]
    assert not any("](http" in part.value for part in drawn)


def test_the_page_speaks_chinese(site: Any, fruit: Path) -> None:
    with Store.open() as store:
        store.set_preference(KEY, {"language": "zh"})
    page = open_page()
    assert page.header[0].value == "用您的照片训练适配器"
    field(page, "文件夹或文件").set_value(str(fruit))
    press(page, "检查数据")
    assert page.warning[0].value == "6 行中有 5 行可以使用，有错误的行会被略过。"
    assert page.expander[0].label == "无法打开的图片 · 1"


# --- words


def test_every_kind_of_finding_has_chinese() -> None:
    assert set(KINDS) == set(words_train.KINDS)
    assert kind_title("leak", Words("zh")) == "同一张图片出现在两个划分中"
    assert kind_title("leak", Words("en")) == "The same picture in two splits"


def test_every_knob_that_is_grouped_or_translated_is_there() -> None:
    known = set(Tuning.model_fields)
    assert {name for names in GROUPS.values() for name in names} <= known
    assert set(words_train.KNOBS) <= known
    english = "`nf4` is QLoRA."
    assert knob_help("quantize", "``nf4`` is QLoRA.", Words("en")) == english
    assert "QLoRA" in knob_help("quantize", english, Words("zh"))


def test_times_and_phases_read_well() -> None:
    english, chinese = Words("en"), Words("zh")
    assert [duration(s, english) for s in (3.4, 89, 91, 3600, 7260)] == [
        "3 s", "89 s", "2 min", "60 min", "2 h 1 min",
    ]  # fmt: skip
    assert duration(7260, chinese) == "2 小时 1 分钟"
    assert phase_text("Encoding pictures: training", chinese) == "正在编码图片"
    assert phase_text("Encoding pictures: training", english) == "Encoding pictures: training"
