"""`sightdesk desk` on a scripted desk: words, JSON for programs, sentences for trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from assistant.cli import app
from tests import tiny
from tests.agent_desk import Shop
from tests.scripted_model import call
from tests.test_agent import ITALY, SEARCH, WHERE

RUN = CliRunner()


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Replies of the model behind the command."""
    shop, replies = Shop(), [SEARCH, ITALY]
    monkeypatch.setattr("assistant.cli.desk.opened", lambda *_: shop.agent(*replies))
    yield replies
    shop.store.close()


def test_an_answer_and_what_it_rests_on(desk: list[Any]) -> None:
    result = RUN.invoke(app, ["desk", WHERE])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [ITALY, "  [1] Golden Delicious (products.jsonl)"]
    assert "--thread" in result.stderr


def test_json_for_programs(desk: list[Any]) -> None:
    result = RUN.invoke(app, ["desk", WHERE, "--json", "--thread", "mine"])
    found = json.loads(result.stdout)
    assert found["thread"] == "mine" and found["outcome"] == "answered"
    assert found["answer"] == ITALY and found["citations"][0]["label"] == "Golden-Delicious"


def test_a_photo_and_words_about_it(desk: list[Any], tmp_path: Path) -> None:
    photo = tiny.picture(1).id
    desk[:] = [call("ask_image", image=photo), "Two dogs run on the beach. [1]"]
    (file,) = tiny.picture_files(tmp_path, 1)
    desk[0] = call("ask_image", image=tiny.picture(0).id)
    result = RUN.invoke(app, ["desk", "What do you see?", "--image", str(file)])
    assert "Two dogs run on the beach." in result.stdout
    assert "[1] picture (ask_image)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["desk", "  "], "empty"),
        (["desk", "a" * 5_000], "limit"),
        (["desk", "What?", "--image", "/nowhere.png"], "nowhere"),
        (["desk", "What?", "--thread", "a" * 500], "id"),
    ],
)
def test_trouble_is_a_sentence(desk: list[Any], arguments: list[str], reason: str) -> None:
    result = RUN.invoke(app, arguments)
    assert result.exit_code == 2
    assert reason in result.stderr and "Traceback" not in result.stderr
