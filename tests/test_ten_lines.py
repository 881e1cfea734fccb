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


def test_it_is_ten_lines_at_most() -> None:
    assert len([line for line in SCRIPT.read_text("utf-8").splitlines() if line.strip()]) <= 10


def test_the_readme_shows_them() -> None:
    shown = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"```python\n{SCRIPT.read_text('utf-8').strip()}\n```" in shown


@pytest.mark.weights
def test_the_script_answers_about_the_photo(base_cache: Path, tmp_path: Path) -> None:
    composed(Settings(cache_dir=base_cache))
    # Nothing outside of this machine can be reached: a proxy that nobody answers.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy"), "http://127.0.0.1:9")
    run = subprocess.run(
        [sys.executable, str(SCRIPT)],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=tmp_path,
        env={**os.environ, **nowhere, "PYTHONPATH": str(ROOT)},
    )
    assert run.returncode == 0, run.stderr
    assert "France" in run.stdout and "[2]" in run.stdout
