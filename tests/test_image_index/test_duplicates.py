"""Groups of pictures that look the same; on both databases, with and without a graph."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from assistant.image_index import ImageIndex
from assistant.image_index.finders import nearest as nearest_module
from assistant.image_index.finders import postgres as postgres_module
from assistant.images import open_image
from assistant.sketch import BYTES, are_near, sketch
from tests.test_image_index.conftest import Put
from tests.tiny_space import TinySpace


def scene(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    """Something with shapes: blotches of colour, the same for the same seed."""
    chance = np.random.default_rng(seed)
    small = Image.fromarray(chance.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    return small.resize(size, Image.Resampling.BICUBIC)


def recompressed(pixels: Image.Image, quality: int) -> Image.Image:
    buffer = BytesIO()
    pixels.save(buffer, "JPEG", quality=quality)
    return open_image(buffer.getvalue()).pixels


class Averages(TinySpace):
    """Pictures by their colours in 2 × 3 places, which copies share."""

    def encode_pictures(self, pictures):  # type: ignore[no-untyped-def]
        rows = [np.asarray(p.resize((3, 2), Image.Resampling.BOX), np.float32) for p in pictures]
        flat = np.stack(rows).reshape(len(rows), -1) - 128
        return flat / np.linalg.norm(flat, axis=1, keepdims=True)


@pytest.fixture
def put(store, tmp_path) -> Put:  # type: ignore[no-untyped-def]
    return Put(ImageIndex.open(store=store, embedder=Averages()), tmp_path / "pictures")


def fill(put: Put) -> list[list[str]]:
    """Pictures, and which of them are to be found together."""
    for seed in range(12):
        put.picture(f"{seed}.png", scene(seed))
    put.picture("1 small.png", scene(1).resize((100, 75)))
    put.picture("1 poor.png", recompressed(scene(1), 40))
    put.picture("1 copy.png", scene(1))
    put.picture("2 square.png", scene(2).resize((180, 180)))
    put.picture("3 copy.png", scene(3))
    put.picture("4 mirrored.png", scene(4).transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    put.picture("5 grey.png", scene(5).convert("L").convert("RGB"))
    return [
        ["1.png", "1 copy.png", "1 poor.png", "1 small.png"],
        ["2 square.png", "2.png"],
        ["3 copy.png", "3.png"],
    ]


def told(groups: object) -> list[list[str]]:
    return [[file.path for file in group] for group in groups]  # type: ignore[attr-defined]


def test_groups(put: Put) -> None:
    wanted = fill(put)
    groups = put.index.near_duplicates()
    assert sorted(sorted(group) for group in told(groups)) == sorted(map(sorted, wanted))
    assert len(groups[0]) == 4
    sizes = [file.width * file.height for file in groups[0]]
    assert sizes == sorted(sizes, reverse=True)
    assert len(put.index.near_duplicates(limit=1)) == 1
    reported: list[float | None] = []
    put.index.near_duplicates(progress=lambda _message, part: reported.append(part))
    assert reported


def test_groups_by_an_index_of_vectors(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_module, "LOOSE", 5)
    monkeypatch.setattr(postgres_module, "EXACT", 5)
    wanted = fill(put)
    put.index._finder.settle()
    with put.index.store.database.read() as session:
        from assistant.image_index.state import read_state

        state = read_state(session, "")
        assert state is not None
        if put.index.store.database.is_sqlite:
            now = put.index._finder.nearest_vectors._up_to_date(session, state)  # type: ignore[attr-defined]
            assert len(now.graph) > 10
        else:
            assert put.index._finder._has_index(session, state)  # type: ignore[attr-defined]
    groups = told(put.index.near_duplicates())
    assert sorted(map(sorted, groups)) == sorted(map(sorted, wanted))


def test_what_the_least_cosine_leaves_out(put: Put) -> None:
    fill(put)
    # Copies of the same pixels are copies whatever the vectors say.
    assert {tuple(sorted(group)) for group in told(put.index.near_duplicates(least=1.1))} == {
        ("1 copy.png", "1.png"),
        ("3 copy.png", "3.png"),
    }


def test_packed_sketches_say_what_whole_ones_do() -> None:
    looks = [sketch(scene(seed)) for seed in range(6)]
    looks += [sketch(recompressed(scene(0), 50)), sketch(scene(1).convert("L").convert("RGB"))]
    packed = np.stack([np.frombuffer(look.packed(), np.uint8) for look in looks])
    assert packed.shape == (8, BYTES)
    near = [
        [bool(are_near(packed[[one]], packed[[other]])[0]) for other in range(8)]
        for one in range(8)
    ]
    same = {(0, 6), (6, 0), *((place, place) for place in range(8))}
    assert near == [[(one, other) in same for other in range(8)] for one in range(8)]
