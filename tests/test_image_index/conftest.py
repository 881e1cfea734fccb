"""Image indexes to test with, on SQLite and on Postgres, of pictures of plain colours."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from assistant.image_index import FileState, ImageIndex, Looks
from assistant.images import open_image
from assistant.settings import Settings
from assistant.sketch import sketch
from assistant.space import Vectors
from assistant.store import Store
from tests.test_store.conftest import postgres_server, postgres_url, settings, store
from tests.tiny_space import COLOURS, TinySpace

__all__ = ["postgres_server", "postgres_url", "settings", "store"]


class Put:
    """Puts pictures into an index as the scan does.

    Attributes:
        index: the index.
        root: the folder that they are in.
    """

    def __init__(self, index: ImageIndex, root: Path) -> None:
        self.index, self.root = index, root
        root.mkdir(parents=True, exist_ok=True)

    @property
    def folder(self) -> str:
        """Id of the folder."""
        return self.index._keeper.folder(self.root)

    def picture(self, name: str, pixels: Image.Image, **more: object) -> FileState:
        """A picture as a file in the folder and in the index."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels.save(path)
        image = open_image(path)
        at = path.stat()
        known = {
            "size": at.st_size,
            "modified_ns": at.st_mtime_ns,
            "digest": hashlib.sha256(path.read_bytes()).hexdigest(),
            "width": image.width,
            "height": image.height,
        }
        state = FileState(name, image_id=image.id, **{**known, **more})  # type: ignore[arg-type]
        vector = self.index.embedder.encode_pictures([image.pixels])[0]
        looks = {image.id: Looks(vector, sketch(image.pixels).packed())}
        self.index._keeper.put(self.folder, [state], looks)
        return state

    def plain(
        self, name: str, colour: str, size: tuple[int, int] = (40, 30), **more: object
    ) -> FileState:
        """A picture of one colour."""
        return self.picture(name, Image.new("RGB", size, COLOURS[colour]), **more)

    def vectors(self, rows: Vectors, first: int = 0, folder: str = "") -> list[FileState]:
        """Files without pictures, of which only the vectors matter."""
        ids = [f"{first + place:064x}" for place in range(len(rows))]
        states = [
            FileState(
                f"{first + place:06d}.jpg", 1_000 + first + place, 10**18, id, id, None, 64, 48
            )
            for place, id in enumerate(ids)
        ]
        looks = {id: Looks(row, bytes(80)) for id, row in zip(ids, rows, strict=True)}
        for start in range(0, len(states), 2_000):
            self.index._keeper.put(folder or self.folder, states[start : start + 2_000], looks)
        return states


@pytest.fixture
def space() -> TinySpace:
    return TinySpace()


@pytest.fixture
def index(store: Store, space: TinySpace) -> ImageIndex:
    return ImageIndex.open(store=store, embedder=space)


@pytest.fixture
def put(index: ImageIndex, tmp_path: Path) -> Put:
    return Put(index, tmp_path / "pictures")


@pytest.fixture
def lite(tmp_path: Path, space: TinySpace) -> Iterator[ImageIndex]:
    """On SQLite alone."""
    with Store.open(Settings(data_dir=tmp_path / "data")) as opened:
        yield ImageIndex.open(store=opened, embedder=space)


def names(results: object) -> list[str]:
    """Paths of what a search found."""
    return [each.file.path for each in results.found]  # type: ignore[attr-defined]


def unit_rows(count: int, size: int = 16, seed: int = 0) -> Vectors:
    """Random vectors of length 1."""
    rows = np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


Colours = Callable[[Sequence[str]], dict[str, FileState]]


@pytest.fixture
def colours(put: Put) -> dict[str, FileState]:
    """A picture of each colour."""
    return {colour: put.plain(f"{colour}.png", colour) for colour in COLOURS}
