"""Thumbnails: made when asked for, kept, bounded, gone with their picture."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from assistant.errors import ImageError, InputError, StoreError
from assistant.image_index import ImageIndex
from assistant.image_index.thumbnails import Thumbnails
from assistant.images import LoadedImage, open_image
from tests.test_image_index.conftest import Put


def noise(seed: int, side: int = 300) -> LoadedImage:
    return open_image(Image.effect_noise((side, side), 50 + seed).convert("RGB"))


def test_they_are_made_once_and_kept(lite: ImageIndex, tmp_path: Path) -> None:
    put = Put(lite, tmp_path / "pictures")
    put.plain("a.png", "red", (800, 400))
    (file,) = lite.files()
    data = lite.thumbnail(file)
    with Image.open(BytesIO(data)) as opened:
        assert (opened.format, opened.size) == ("WEBP", (256, 128))
    file.location.unlink()
    assert lite.thumbnail(file) == data
    with pytest.raises(ImageError, match="not in its folder"):
        lite.thumbnail(file, 64)
    assert [path.name for path in lite.thumbnails.folder.rglob("*.*")] == [
        f"{file.image_id}-256.webp"
    ]


def test_a_changed_picture_has_none(lite: ImageIndex, tmp_path: Path) -> None:
    put = Put(lite, tmp_path / "pictures")
    put.plain("a.png", "red")
    (file,) = lite.files()
    Image.new("RGB", (50, 50)).save(file.location)
    with pytest.raises(StoreError, match="changed"):
        lite.thumbnail(file)
    assert not list(lite.thumbnails.folder.rglob("*.webp"))


@pytest.mark.parametrize("side", [0, 31, 1_025, -5])
def test_sizes_are_bounded(lite: ImageIndex, tmp_path: Path, side: int) -> None:
    put = Put(lite, tmp_path / "pictures")
    put.plain("a.png", "red")
    (file,) = lite.files()
    with pytest.raises(InputError, match="32 to 1024"):
        lite.thumbnail(file, side)


def test_ids_are_no_paths(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="id"):
        Thumbnails(tmp_path).get("../../etc/passwd", 64, lambda: noise(0))


def test_those_not_looked_at_go_when_they_are_many(tmp_path: Path) -> None:
    images = [noise(seed) for seed in range(6)]
    kept = Thumbnails(tmp_path / "thumbnails", 10**9)
    sizes = [len(kept.get(image.id, 256, lambda image=image: image)) for image in images]  # type: ignore[misc]
    for age, image in enumerate(images):
        path = next(tmp_path.rglob(f"{image.id}-*"))
        os.utime(path, (1_000 + age, 1_000 + age))

    def never() -> LoadedImage:
        raise AssertionError

    few = Thumbnails(tmp_path / "thumbnails", sum(sizes) - 1)
    few.get(images[0].id, 256, never)  # looked at now
    last = noise(40)
    few.get(last.id, 256, lambda: last)
    left = {path.name[:64] for path in tmp_path.rglob("*.webp")}
    assert {images[0].id, last.id} <= left
    assert images[1].id not in left
    total = sum(path.stat().st_size for path in tmp_path.rglob("*.webp"))
    assert total <= 0.8 * (sum(sizes) - 1)


def test_a_full_disk_is_no_reason_not_to_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    image = noise(1)
    assert Thumbnails(tmp_path).get(image.id, 64, lambda: image)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
