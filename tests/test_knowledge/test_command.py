"""`sightdesk knowledge`: what it prints, and how it exits."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

import assistant.knowledge.core
from assistant.cli import app
from tests.test_knowledge.conftest import BagOfWords, Write

RUNNER = CliRunner()


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant.knowledge.core, "text_embedder", lambda *_: BagOfWords())


def run(*arguments: str, code: int = 0) -> tuple[str, str]:
    result = RUNNER.invoke(app, ["knowledge", *arguments])
    assert result.exit_code == code, result.output
    return result.stdout, result.stderr


def test_the_whole_way(write: Write) -> None:
    returns = str(write("returns.md", "# Returns\n\nFree within fourteen days."))
    hours = str(write("hours.txt", "We open at nine."))
    assert run("list")[1].startswith("The knowledge base is empty")
    out, _ = run("add", returns, hours)
    assert out.splitlines() == [
        f"{returns}: 1 document added or changed (1 passage).",
        f"{hours}: 1 document added or changed (1 passage).",
    ]
    out, _ = run("add", "--json", returns)
    assert json.loads(out) == {
        "path": returns, "documents": 0, "passages": 0, "unchanged": 1, "removed": 0,
        "troubles": [],
    }  # fmt: skip
    listed = [json.loads(line) for line in run("list", "--json")[0].splitlines()]
    assert [(each["name"], each["kind"], each["passages"]) for each in listed] == [
        ("hours.txt", "text", 1),
        ("returns.md", "markdown", 1),
    ]
    assert run("list")[0].startswith("hours.txt  text, 1 passage, ")
    out, _ = run("search", "--json", "--limit", "1", "fourteen", "days")
    found = json.loads(out)
    assert (found["source"], found["text"]) == ("returns.md", "Free within fourteen days.")
    assert 0 < found["score"] <= 1
    assert "Returns  (returns.md, Returns)" in run("search", "fourteen days")[0]
    assert run("remove", "returns.md")[0] == "returns.md: removed.\n"
    assert "Returns" not in run("search", "fourteen days")[0]
    assert "no document 'returns.md'" in run("remove", "returns.md", code=2)[1]


def test_troubles_are_told_and_the_rest_is_done(write: Write) -> None:
    locked = str(write("bad.pdf", b"%PDF-1.7"))
    good = str(write("hours.txt", "We open at nine."))
    out, told = run("add", locked, "/nowhere/at/all", good, code=2)
    assert "bad.pdf is damaged" in told
    assert "no file or folder /nowhere/at/all" in told
    assert f"{good}: 1 document" in out
    assert "hours.txt" in run("list")[0]


def test_nothing_is_found_in_nothing() -> None:
    assert run("search", "anything") == (
        "",
        "Nothing was found: ask otherwise, or add documents.\n",
    )
