"""The package costs nothing to import, and has what its users need by name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import assistant

HEAVY = (
    "torch", "transformers", "langchain_core", "langchain", "langgraph", "sqlalchemy", "numpy",
    "PIL", "fastapi", "mcp", "openai", "streamlit", "matplotlib", "onnxruntime",
    "sentence_transformers",
)  # fmt: skip


def loaded(program: str) -> set[str]:
    """Which heavy packages a process has loaded when `program` is done."""
    told = f"import sys\n{program}\nprint([name for name in {HEAVY} if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    return set(ast.literal_eval(run.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded("import assistant; dir(assistant)") == set()


def test_the_help_of_the_command_loads_nothing_heavy() -> None:
    program = (
        "from assistant.cli import app, load_plugins\n"
        "load_plugins(app)\n"
        "try:\n    app(['--help'], prog_name='sightdesk')\n"
        "except SystemExit as end:\n    assert not end.code"
    )
    assert loaded(program) == set()


@pytest.mark.parametrize("name", assistant.__all__)
def test_every_name_is_there(name: str) -> None:
    value = getattr(assistant, name)
    assert value.__module__.startswith("assistant.") and value.__name__ == name
    assert value.__doc__ and name in dir(assistant)


def test_names_are_told_to_type_checkers_too() -> None:
    tree = ast.parse(Path(assistant.__file__).read_text(encoding="utf-8"))
    (told,) = [node for node in tree.body if isinstance(node, ast.If) and
               isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"]  # fmt: skip
    imported = {
        alias.name: node.module
        for node in told.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(imported) == set(assistant.__all__) == set(assistant._PLACES)
    assert imported == {name: f"assistant.{place}" for name, place in assistant._PLACES.items()}
    assert list(assistant.__all__) == sorted(assistant.__all__)


def test_other_names_are_none() -> None:
    with pytest.raises(AttributeError, match="ChatLava"):
        assistant.ChatLava  # noqa: B018
    with pytest.raises(ImportError):
        exec("from assistant import ChatLava", {})
