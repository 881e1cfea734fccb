"""What goes into the tables and out of them; on both databases."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from assistant.errors import ConflictError, ImageError, InputError, MissingError, StoreError
from assistant.image_index import FileState, ImageIndex, Looks, Note
from assistant.image_index import keeping as keeping_module
from assistant.image_index.names import stored
from assistant.store import Store
from assistant.store.image_rows import (
    ImageStateRow,
    ImageVectorRow,
    IndexedFileRow,
    IndexedFolderRow,
    IndexedImageRow,
)
from tests.test_image_index.conftest import Put, names, unit_rows
from tests.tiny_space import COLOURS, TinySpace


def rows(store: Store) -> dict[str, int]:
    tables = (IndexedFolderRow, IndexedFileRow, IndexedImageRow, ImageVectorRow)
    with store.database.read() as session:
        found = {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in tables
        }
        state = session.get(ImageStateRow, "")
        assert state is not None
        assert state.vectors == found["image_vectors"]
        return found


def test_folders_and_files(index: ImageIndex, put: Put) -> None:
    put.plain("b/two.png", "blue")
    one = put.plain("one.png", "red")
    bad = FileState("bad.png", 3, 10**18, "ab", trouble="It is damaged.")
    index._keeper.put(put.folder, [bad], {})
    (folder,) = index.folders()
    assert (folder.id, folder.path, folder.files, folder.troubles) == (put.folder, put.root, 2, 1)
    assert folder.shown == str(put.root)
    files = list(index.files(put.folder))
    assert [file.path for file in files] == ["b/two.png", "one.png"]
    assert files[1].location == put.root / "one.png"
    assert (files[1].width, files[1].height, files[1].size) == (40, 30, one.size)
    assert list(index.files()) == files
    assert index._keeper.states(put.folder).files["bad.png"] == bad
    assert index._keeper.states(put.folder).files["one.png"] == one


def test_names_in_any_script(index: ImageIndex, put: Put) -> None:
    names_there = ["猫 и кот.png", "a'\"%_\\b.png", "x" * 200 + ".png", "\udcff\udc80.png"]
    for number, name in enumerate(names_there):
        id = f"{number:064x}"
        state = FileState(stored(f"sub/{name}"), 1, 1, "d", id, None, 5, 5)
        index._keeper.put(put.folder, [state], {id: Looks(unit_rows(1)[0], bytes(80))})
        (file,) = index.files_of(id)
        assert str(file.location) == f"{put.root}/sub/{name}"
        assert file.shown.isprintable()
        file.path.encode()
        assert file.path in index._keeper.states(put.folder).files


def test_a_changed_file_takes_the_place_of_the_old(
    index: ImageIndex, put: Put, store: Store
) -> None:
    old = put.plain("a.png", "red")
    put.plain("a.png", "blue")
    assert rows(store) == {
        "indexed_folders": 1, "indexed_files": 1, "indexed_images": 1, "image_vectors": 1
    }  # fmt: skip
    assert index.search("red").found[0].file.image_id != old.image_id
    with pytest.raises(MissingError):
        index.file(str(old.image_id))
    index._keeper.put(put.folder, [FileState("a.png", 1, 2, trouble="It is damaged.")], {})
    assert rows(store)["indexed_images"] == 0
    assert index.is_empty


def test_a_picture_that_is_known_needs_no_vector(index: ImageIndex, put: Put, store: Store) -> None:
    state = put.plain("a.png", "red")
    id = str(state.image_id)
    assert index._keeper.known([id, "0" * 64]) == {id}
    copy = FileState("copy.png", 1, 2, "d", id, None, 40, 30)
    index._keeper.put(put.folder, [copy], {})
    assert rows(store)["image_vectors"] == 1
    index._keeper.drop(put.folder, ["a.png"])
    assert names(index.search("red")) == ["copy.png"]
    index._keeper.drop(put.folder, ["copy.png", "never there"])
    assert index.is_empty
    with pytest.raises(ConflictError, match="again"):
        index._keeper.put(put.folder, [copy], {})
    assert rows(store)["indexed_files"] == 0


def test_moved_files_keep_what_is_known(index: ImageIndex, put: Put, store: Store) -> None:
    one, two = put.plain("one.png", "red"), put.plain("two.png", "blue")
    put.plain("in the way.png", "green")
    index.annotate({str(one.image_id): Note("Ball")})
    index._keeper.move(
        put.folder,
        {
            "one.png": FileState("two.png", one.size, 5, image_id=one.image_id),
            "two.png": FileState("in the way.png", two.size, 6, image_id=two.image_id),
            "unknown.png": FileState("x.png", 1, 1),
        },
    )
    files = {file.path: file.image_id for file in index.files()}
    assert files == {"two.png": one.image_id, "in the way.png": two.image_id}
    assert index.file(str(one.image_id)).label == "Ball"
    assert index._keeper.states(put.folder).files["two.png"].modified_ns == 5
    assert rows(store)["indexed_images"] == 2


def test_removing_a_folder_leaves_nothing_of_it(
    index: ImageIndex, put: Put, store: Store, tmp_path: Path
) -> None:
    other = Put(index, tmp_path / "other")
    for colour in ("red", "green"):
        put.plain(f"{colour}.png", colour)
    shared = other.plain("also red.png", "red")
    index.annotate({str(shared.image_id): Note("Shared"), **{
        str(file.image_id): Note("Gone") for file in index.files(put.folder)
        if file.image_id != shared.image_id
    }})  # fmt: skip
    for file in index.files():
        index.thumbnail(file)
    thumbnails = index.thumbnails.folder
    assert len(list(thumbnails.rglob("*.webp"))) == 2
    index.remove(put.root)
    assert rows(store) == {
        "indexed_folders": 1, "indexed_files": 1, "indexed_images": 1, "image_vectors": 1
    }  # fmt: skip
    assert [folder.path for folder in index.folders()] == [other.root]
    assert [path.name for path in thumbnails.rglob("*.webp")] == [f"{shared.image_id}-256.webp"]
    assert names(index.search("red")) == ["also red.png"]
    assert index.labels() == ["Shared"]
    with pytest.raises(InputError, match="not indexed"):
        index.remove(put.root)
    with pytest.raises(InputError, match="part"):
        index.remove(other.root / "sub")
    for gone in ("states", "remove"):
        with pytest.raises(MissingError):
            getattr(index._keeper, gone)("0" * 32)


def test_removing_many_files(
    index: ImageIndex, put: Put, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping_module, "_DROPPED", 50)
    put.vectors(unit_rows(120))
    index.remove(put.folder)
    assert not any(rows(store).values())


def test_opening_a_picture(index: ImageIndex, put: Put) -> None:
    put.plain("a.png", "red")
    (file,) = index.files()
    assert index.open_picture(file).id == file.image_id
    Image.new("RGB", (40, 30), COLOURS["blue"]).save(file.location)
    with pytest.raises(StoreError, match=r"a.png changed since it was indexed; index"):
        index.open_picture(file)
    file.location.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"a.png is not a picture"):
        index.open_picture(file)
    file.location.unlink()
    with pytest.raises(ImageError, match=r"a.png is not in its folder any more; index"):
        index.open_picture(file)


def test_two_threads_that_index_at_once(settings: object, store: Store, tmp_path: Path) -> None:
    failures: list[BaseException] = []
    indexes = [ImageIndex.open(store=store, embedder=TinySpace()) for _ in range(3)]

    def work(place: int) -> None:
        try:
            own = Put(indexes[place], tmp_path / "same")
            for number in range(6):
                own.plain(f"{place}-{number}.png", list(COLOURS)[number], (20 + number, 20))
        except BaseException as error:
            failures.append(error)

    (tmp_path / "same").mkdir()
    people = [threading.Thread(target=work, args=(place,)) for place in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert not failures
    assert rows(store) == {
        "indexed_folders": 1, "indexed_files": 18, "indexed_images": 6, "image_vectors": 6
    }  # fmt: skip
    for each in indexes:
        assert each.search("red").total == 6


def test_a_store_that_is_full_keeps_what_was(
    index: ImageIndex, put: Put, monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    put.plain("a.png", "red")

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index._finder, "put", full)
    with pytest.raises(StoreError, match="no space left"):
        put.plain("b.png", "blue")
    monkeypatch.undo()
    assert [file.path for file in index.files()] == ["a.png"]
    assert rows(store)["image_vectors"] == 1
