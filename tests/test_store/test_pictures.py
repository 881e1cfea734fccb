"""Pictures: lossless, kept once, gone with the last thread that shows them, never half there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select, update

from assistant.errors import StoreError
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings
from assistant.store import Store
from assistant.store.models import PictureHoldRow, PictureRow
from tests.test_store.conftest import Photo
from tests.test_store.steps import ask, files_of, image_files


def noise(width: int, height: int, seed: int = 0) -> LoadedImage:
    """A picture that no codec makes smaller."""
    values = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return open_image(Image.fromarray(values))


def rows(store: Store) -> set[str]:
    with store.database.read() as session:
        return set(session.scalars(select(PictureRow.id)))


def assert_whole(store: Store) -> None:
    """Every row has its files, every file its row."""
    assert image_files(store) == files_of(*rows(store))


def test_pixels_come_back_as_they_were(store: Store, photos: Path) -> None:
    for path in [*sorted(photos.glob("phone-*.jpg")), *sorted(photos.glob("*.webp"))[:5]]:
        image = open_image(path)
        kept = store.put_image(image, name=path.name)
        assert open_image(store.image_bytes(kept.id)).id == image.id == kept.id
        assert store.load_image(kept.id).pixels.tobytes() == image.pixels.tobytes()
        assert (kept.width, kept.height) == (image.width, image.height)
        assert kept.size == len(store.image_bytes(kept.id))
        assert store.image_info(kept.id) == kept
        assert (store.files.folder / kept.id[:2] / f"{kept.id}.webp").is_file()


@pytest.mark.parametrize("size", [(1, 1), (1, 999), (16383, 1), (16384, 2), (40000, 1)])
def test_pictures_of_odd_shapes_come_back(store: Store, size: tuple[int, int]) -> None:
    image = noise(*size)
    kept = store.put_image(image, name="odd.png")
    assert store.load_image(kept.id) == image
    assert max(open_image(store.thumbnail(kept.id)).pixels.size) <= 320


def test_a_picture_larger_than_uploads_may_be_is_still_read(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", max_image_bytes=1000, max_image_pixels=100)
    with Store.open(settings) as store:
        image = noise(64, 64)
        assert store.put_image(image, name="a.png").size > 1000
        assert store.load_image(image.id) == image


def test_a_picture_is_kept_once(store: Store, photo: Photo) -> None:
    image = photo("Banana")
    first = store.put_image(image, name="banana.jpg")
    file = store.files.path(image.id, ".webp")
    before = file.stat()
    assert store.put_image(image, name="again.jpg") == first
    after = file.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    store.put_image(image, name="theirs.jpg", tenant="b")
    assert image_files(store) == files_of(image.id)
    assert store.image_info(image.id, tenant="b").name == "theirs.jpg"


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\fotos\\köln.jpg", "köln.jpg"),
        ("\u202egpj.exe\n", "gpj.exe"),
        ("", "photo"),
        ("x" * 999 + ".jpg", "x" * 199 + "…"),
    ],
)
def test_names_are_printable(store: Store, photo: Photo, name: str, kept: str) -> None:
    assert store.put_image(photo("Banana"), name=name).name == kept


def test_a_thumbnail_is_small_and_made_again_where_it_is_missing(
    store: Store, photos: Path
) -> None:
    image = open_image(photos / "phone-portrait-banana.jpg")
    store.put_image(image, name="banana.jpg")
    thumbnail = store.thumbnail(image.id)
    assert open_image(thumbnail).pixels.size == (240, 320)
    assert len(thumbnail) < 40_000
    path = store.files.path(image.id, ".thumb.webp")
    path.unlink()
    assert store.thumbnail(image.id) == thumbnail
    assert path.is_file()
    assert image_files(store) == files_of(image.id)


def test_the_last_thread_takes_its_pictures_along(store: Store, photo: Photo) -> None:
    shared = store.put_image(photo("Banana"), name="a").id
    alone = store.put_image(photo("Lemon"), name="b").id
    enhanced = store.put_image(photo("Kiwi"), name="c").id
    threads = [store.create_thread().id for _ in range(2)]
    ask(store, threads[0], images=(shared, alone), used=(shared, enhanced))
    ask(store, threads[1], images=(shared,))
    ask(store, threads[1], after=0, images=(shared,))
    store.delete_thread(threads[0])
    assert image_files(store) == files_of(shared)
    for gone in (alone, enhanced):
        with pytest.raises(StoreError, match="add it again"):
            store.image_bytes(gone)
    store.truncate(threads[1], 1)
    assert image_files(store) == files_of(shared)
    store.truncate(threads[1], 0)
    assert image_files(store) == set()
    assert rows(store) == set()


def test_a_picture_of_two_tenants_stays_for_the_other(store: Store, photo: Photo) -> None:
    image = photo("Banana")
    threads = {}
    for tenant in ("a", "b"):
        store.put_image(image, name="banana.jpg", tenant=tenant)
        threads[tenant] = store.create_thread(tenant=tenant).id
        ask(store, threads[tenant], images=(image.id,), tenant=tenant)
    store.delete_thread(threads["a"], tenant="a")
    with pytest.raises(StoreError, match="add it again"):
        store.image_bytes(image.id, tenant="a")
    assert store.load_image(image.id, tenant="b") == image
    assert image_files(store) == files_of(image.id)
    store.delete_thread(threads["b"], tenant="b")
    assert image_files(store) == set()


def test_a_photo_that_was_just_dropped_again_outlives_the_old_thread(
    store: Store, photo: Photo
) -> None:
    image = store.put_image(photo("Banana"), name="banana.jpg").id
    old, new = store.create_thread().id, store.create_thread().id
    ask(store, old, images=(image,))
    store.put_image(photo("Banana"), name="banana.jpg")
    store.delete_thread(old)
    ask(store, new, images=(image,))
    assert store.load_image(image) == photo("Banana")
    store.delete_thread(new)
    assert image_files(store) == set()


def forget(store: Store, id: str, *, hours: float = 2) -> None:
    """As if the picture had been put so long ago."""
    then = datetime.now(UTC) - timedelta(hours=hours)
    with store.database.write() as session:
        held = update(PictureHoldRow).where(PictureHoldRow.picture_id == id)
        session.execute(held.values(since=then))


def test_what_a_crash_left_is_swept_after_an_hour(settings: Settings, photo: Photo) -> None:
    with Store.open(settings) as store:
        unsent, fresh = (store.put_image(photo(name), name=name).id for name in ("Kiwi", "Lemon"))
        shown = store.put_image(photo("Banana"), name="banana.jpg").id
        ask(store, store.create_thread().id, images=(shown,))
        forget(store, unsent)
        folder = store.files.folder
    hour = time.time() - 3700
    orphans = [folder / "ab" / f"{'ab' * 32}{end}" for end in (".webp", ".thumb.webp")]
    left = [folder / "old.part", folder / "young.part", folder / "cd" / f"{'cd' * 32}.webp"]
    for path in (*orphans, *left):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    foreign = folder / "ab" / "notes.txt"
    foreign.write_text("not ours")
    for path in (*orphans, left[0], foreign, folder / shown[:2] / f"{shown}.webp"):
        os.utime(path, (hour, hour))
    with Store.open(settings) as store:
        expected = files_of(shown, fresh) | {left[1].name, left[2].name, "notes.txt"}
        assert image_files(store) == expected
        assert rows(store) == {shown, fresh}


def test_photos_of_another_database_on_the_folder_are_left_alone(
    sqlite_settings: Settings, postgres_url: str, photo: Photo
) -> None:
    moved = sqlite_settings.model_copy(update={"database_url": postgres_url})
    with Store.open(sqlite_settings) as store:
        image = store.put_image(photo("Banana"), name="banana.jpg").id
        ask(store, store.create_thread().id, images=(image,))
        for path in store.files.folder.rglob("*.webp"):
            os.utime(path, (0, 0))
        with Store.open(moved) as other:
            other.put_image(photo("Banana"), name="banana.jpg")
            thread = other.create_thread().id
            ask(other, thread, images=(image,))
            other.delete_thread(thread)
            with pytest.raises(StoreError):
                other.image_bytes(image)
        assert store.load_image(image) == photo("Banana")
    with Store.open(sqlite_settings) as store:
        assert store.files.folder.name == "images"
        assert store.load_image(image) == photo("Banana")


def test_a_missing_or_damaged_file_is_said(store: Store, photo: Photo) -> None:
    image = store.put_image(photo("Banana"), name="banana.jpg").id
    path = store.files.path(image, ".webp")
    for damage in (b"", b"RIFF", store.put_image(photo("Kiwi"), name="k").id.encode()):
        path.write_bytes(damage)
        with pytest.raises(StoreError, match=r"banana\.jpg is damaged"):
            store.load_image(image)
    path.write_bytes(store.image_bytes(photo("Kiwi").id))
    with pytest.raises(StoreError, match=r"banana\.jpg is damaged"):
        store.load_image(image)
    path.unlink()
    with pytest.raises(StoreError, match="file is missing"):
        store.image_bytes(image)
    store.put_image(photo("Banana"), name="banana.jpg")
    assert store.load_image(image) == photo("Banana")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes, as on a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_is_full_for_a_photo(store: Store) -> None:
    image = noise(1000, 1000)
    with file_size_limit(1_000_000), pytest.raises(StoreError, match="no space left"):
        store.put_image(image, name="noise.png")
    assert image_files(store) == set()
    assert rows(store) == set()
    store.put_image(image, name="noise.png")
    assert_whole(store)


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_at_any_step(
    store: Store, photo: Photo, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    real = getattr(os, call)
    for failing in range(4 if call == "fsync" else 2):
        calls = iter(range(100))

        def sometimes(
            *args: object, failing: int = failing, calls: Iterator[int] = calls
        ) -> object:
            if next(calls) == failing:
                raise OSError(code, os.strerror(code))
            return real(*args)

        monkeypatch.setattr(os, call, sometimes)
        with pytest.raises(StoreError) as caught:
            store.put_image(photo("Banana"), name="banana.jpg")
        assert str(caught.value).endswith(".")
        monkeypatch.setattr(os, call, real)
        assert image_files(store) == set()
        assert rows(store) == set()


def test_a_commit_that_fails_leaves_no_file(
    store: Store, photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.files.publish

    def publish(staged: Path, id: str, ending: str) -> None:
        real(staged, id, ending)
        if ending == ".thumb.webp":
            # The last step before the commit: it finds that it cannot be done.
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store.files, "publish", publish)
    with pytest.raises(StoreError, match="no space left"):
        store.put_image(photo("Banana"), name="banana.jpg")
    assert image_files(store) == set()
    assert rows(store) == set()


PUT = """
import sys
from assistant.images import open_image
from assistant.settings import Settings
from assistant.store import Store
with Store.open(Settings(data_dir=sys.argv[1], database_url=sys.argv[2] or None)) as store:
    image = open_image(sys.argv[3])
    input()
    for _ in range(20):
        store.put_image(image, name="banana.jpg")
        thread = store.create_thread().id
        from assistant.store import NewExchange
        store.add_exchange(thread, NewExchange("?", images=(image.id,)), after=None)
        assert store.load_image(image.id) == image
        store.delete_thread(thread)
"""


def test_processes_that_put_and_delete_the_same_photo(
    settings: Settings, store: Store, photos: Path
) -> None:
    command = [sys.executable, "-c", PUT, str(settings.data_dir), settings.database_url or ""]
    command.append(str(photos / "Banana.webp"))
    root = str(Path(__file__).parents[2])
    processes = [
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=root
        )
        for _ in range(2)
    ]
    # One goes on as soon as it has opened the store; both are there for most of the time.
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors
    assert store.count_threads() == 0
    assert_whole(store)


def test_threads_that_put_and_delete_the_same_photo(store: Store, photo: Photo) -> None:
    image = photo("Garlic")
    failures: list[BaseException] = []

    def visit(tenant: str) -> None:
        try:
            for _ in range(10):
                store.put_image(image, name="garlic.jpg", tenant=tenant)
                thread = store.create_thread(tenant=tenant).id
                ask(store, thread, images=(image.id,), tenant=tenant)
                assert store.load_image(image.id, tenant=tenant) == image
                store.delete_thread(thread, tenant=tenant)
        except BaseException as error:
            failures.append(error)

    visitors = [threading.Thread(target=visit, args=(name,)) for name in ("a", "b", "c")]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert not failures
    assert image_files(store) == set()
    assert rows(store) == set()
