"""A folder of pictures of plain colours that a tenant has indexed, for the tests of all doors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from assistant.image_index import ImageIndex
from assistant.images import open_image
from assistant.space import PictureEmbedder
from assistant.store import Store
from tests.tiny_space import COLOURS, TinySpace

PICTURES = {"sunset.png": "red", "deep/forest.png": "green", "sea.png": "blue", "owl.png": "black"}
"""Names of files, and the colour of each."""


def indexed(
    store: Store,
    folder: Path,
    *,
    tenant: str = "",
    pictures: Mapping[str, str] = PICTURES,
    embedder: PictureEmbedder | None = None,
) -> ImageIndex:
    """The index of a tenant with that folder in it, which is filled first."""
    for name, colour in pictures.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 48), COLOURS[colour]).save(path)
    index = ImageIndex.open(store=store, tenant=tenant, embedder=embedder or TinySpace())
    assert index.add(folder).new == len(pictures)
    return index


def id_of(folder: Path, name: str) -> str:
    """The image id of a file there."""
    return open_image(folder / name).id
