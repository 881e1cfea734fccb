"""The README's ten lines of LangChain, run as they stand there, on the weights that ship."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assistant.settings import Settings
from tests.shipped import composed

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "tests" / "ten_lines.py"
PICTURES = ROOT / "tests" / "ten_lines_pictures.py"


@pytest.mark.parametrize("script", [SCRIPT, PICTURES], ids=lambda path: path.stem)
def test_it_is_ten_lines_at_most(script: Path) -> None:
    assert len([line for line in script.read_text("utf-8").splitlines() if line.strip()]) <= 10


@pytest.mark.parametrize("script", [SCRIPT, PICTURES], ids=lambda path: path.stem)
def test_the_readme_shows_them(script: Path) -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```python\n{script.read_text('utf-8').strip()}\n```" in shown


@pytest.mark.weights
def test_the_script_answers_about_the_photo(base_cache: Path, tmp_path: Path) -> None:
    run = output_of(SCRIPT, base_cache, tmp_path)
    assert "France" in run and "[2]" in run


@pytest.mark.weights
def test_the_script_finds_the_photo(base_cache: Path, tmp_path: Path) -> None:
    best = output_of(PICTURES, base_cache, tmp_path).splitlines()[0]
    assert "Banana" in best and best.partition("%")[0].isdigit()


def output_of(script: Path, base_cache: Path, tmp_path: Path) -> str:
    """What a script prints, on the weights that ship."""
    composed(Settings(cache_dir=base_cache))
    # Nothing outside of this machine can be reached: a proxy that nobody answers.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    run = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,
        env={**os.environ, **nowhere, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    return run.stdout
