"""Fixtures for all tests: no test touches the user's home, cache or network."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assistant.settings import get_settings
from tests.chromium import open_browser


def pytest_configure(config: pytest.Config) -> None:
    # transformers and huggingface_hub read these once, when a test module first imports them, which
    # is before any fixture runs.
    home = tempfile.TemporaryDirectory(prefix="sightdesk-test-")
    config.add_cleanup(home.cleanup)
    os.environ["HF_HOME"] = home.name
    os.environ["HF_HUB_OFFLINE"] = "1"


@pytest.fixture(scope="session")
def base_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cache folder that tests marked `weights` share, so that the base is composed once.

    `SIGHTDESK_TEST_BASE_CACHE` names one that outlives the session.
    """
    given = os.environ.get("SIGHTDESK_TEST_BASE_CACHE")
    return Path(given) if given else tmp_path_factory.mktemp("base_cache")


@pytest.fixture(autouse=True)
def isolated_home(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Point every folder that the product or its libraries write to at a temporary one."""
    for variable in [name for name in os.environ if name.startswith("SIGHTDESK_")]:
        if not variable.startswith("SIGHTDESK_TEST_"):
            monkeypatch.delenv(variable)
    cache = tmp_path / "cache"
    if request.node.get_closest_marker("weights"):
        cache = request.getfixturevalue("base_cache")
        # What is fastest differs from machine to machine, and answers with it.
        monkeypatch.setenv("SIGHTDESK_QUANTIZE", "none")
    monkeypatch.setenv("SIGHTDESK_CACHE_DIR", str(cache))
    monkeypatch.setenv("SIGHTDESK_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium of the tests that drive one."""
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def photos() -> Path:
    """Folder of grocery photos: `labels.jsonl` lists the .webp ones; phone-*.jpg carry EXIF."""
    return Path(__file__).parent / "photos"
