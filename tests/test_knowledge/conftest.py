"""Knowledge bases to test with, on SQLite and on Postgres, and an embedder that needs no model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from assistant.embedder import Vectors
from assistant.knowledge import Knowledge
from assistant.knowledge.words import singular, tokens
from assistant.settings import Settings
from assistant.store import Store
from tests.test_store.conftest import postgres_server, postgres_url, settings, store

__all__ = ["postgres_server", "postgres_url", "settings", "store"]


class BagOfWords:
    """Each word is a direction of its own: texts are near where they share words."""

    def __init__(self, name: str = "bag", dimensions: int = 256) -> None:
        self.name, self.dimensions = name, dimensions
        self.texts: list[str] = []

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        if not query:
            self.texts += texts
        out = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in zip(out, texts, strict=True):
            for word in map(singular, tokens(text)):
                mark = hashlib.sha256(f"{self.name} {word}".encode()).digest()
                row[int.from_bytes(mark[:4], "little") % self.dimensions] += 1
            row /= max(float(np.linalg.norm(row)), 1e-6)
        return out


@pytest.fixture
def bag() -> BagOfWords:
    return BagOfWords()


@pytest.fixture
def knowledge(store: Store, bag: BagOfWords) -> Knowledge:
    return Knowledge.open(store=store, embedder=bag)


@pytest.fixture
def lite(tmp_path: Path, bag: BagOfWords) -> Iterator[Knowledge]:
    """On SQLite alone."""
    with Store.open(Settings(data_dir=tmp_path / "data")) as opened:
        yield Knowledge.open(store=opened, embedder=bag)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    """`write(name, content)` writes a file into a folder beside the data."""

    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


Write = Callable[[str, str | bytes], Path]
