"""What LangChain's standard tests need beside a model: their downloads, and their plug-ins' part.

The suites fetch a picture and a PDF from the web; here they are given local ones. They measure with
pytest-benchmark, compare with syrupy and record with vcr, which this suite does without: a
measurement is one run, a snapshot is written where it is compared, and nothing is recorded.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests import tiny
from tests.pdfs import pdf


def download(url: str, **_: Any) -> SimpleNamespace:
    """What stands for an answer of `httpx`."""
    if url.endswith(".png"):
        return SimpleNamespace(content=picture())
    if url.endswith(".pdf"):
        return SimpleNamespace(content=pdf("Dummy PDF file, for tests of models that read them."))
    raise AssertionError(f"the suite fetches {url} now; give it a local one")


def picture() -> bytes:
    """A PNG."""
    written = io.BytesIO()
    tiny.pixels(3, 320, 240).save(written, "PNG")
    return written.getvalue()


class Standard:
    """A part of every class that runs one of LangChain's suites."""

    @pytest.fixture(autouse=True)
    def downloads(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The suite's downloads, from here."""
        suite = "langchain_tests.integration_tests.chat_models"
        monkeypatch.setattr(f"{suite}.httpx", SimpleNamespace(get=download))
        fetching = SimpleNamespace(fetch_picture=lambda url, _: download(url).content)
        monkeypatch.setitem(sys.modules, "assistant.fetching", fetching)

    @pytest.fixture
    def benchmark(self) -> Callable[[Callable[[], None]], None]:
        """In place of pytest-benchmark."""
        return lambda function: function()

    @pytest.fixture
    def vcr(self) -> SimpleNamespace:
        """In place of a recording: there is none, since nothing is asked of a server."""
        return SimpleNamespace(responses=[])
