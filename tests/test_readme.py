"""The README's worked example gives the output that it shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from assistant.cli import app

ROOT = Path(__file__).parent.parent


def examples() -> list[tuple[str, str]]:
    """Pairs of a command and what the README shows below it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    console = re.search(r"```console\n(.*?)```", text, re.DOTALL)
    assert console is not None
    parts = re.split(r"^\$ sightdesk ", console.group(1), flags=re.MULTILINE)[1:]
    return [(command, shown.strip()) for command, shown in (part.split("\n", 1) for part in parts)]


@pytest.mark.weights
@pytest.mark.parametrize(("command", "shown"), examples())
def test_the_example_gives_what_it_shows(
    command: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    result = CliRunner().invoke(app, shlex.split(command))
    assert result.output.strip() == shown
    assert result.exit_code == (2 if "is not a picture" in shown else 0)
