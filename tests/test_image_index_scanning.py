"""Which files a folder's walk finds: names, links, pipes, and what cannot be looked at."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.errors import InputError
from assistant.image_index.names import on_disk, shown, stored
from assistant.image_index.scanning import Walk

JPEG = b"\xff\xd8\xff\xe0" + bytes(40)

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="links and pipes of POSIX")


def write(path: Path, data: bytes = JPEG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def found(root: Path, **how: object) -> list[str]:
    return [file.path for file in Walk(root, **how).files()]  # type: ignore[arg-type]


def test_files_are_found_by_their_endings_in_any_case_and_without_one_by_content(
    tmp_path: Path,
) -> None:
    for name in ("b.JPG", "a.jpeg", "sub/deep/c.WebP", "photo", "d.HEIC", "e.avif"):
        write(tmp_path / name)
    write(tmp_path / "notes", b"only text, and longer than the first bytes of a picture")
    for name in ("f.txt", "g.jpg.part", "h.xmp"):
        write(tmp_path / name)
    assert found(tmp_path) == ["a.jpeg", "b.JPG", "d.HEIC", "e.avif", "photo", "sub/deep/c.WebP"]


def test_each_comes_with_its_size_and_time(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg")
    os.utime(path, ns=(1, 1_234_567_890_123_456_789))
    (file,) = Walk(tmp_path).files()
    assert (file.size, file.modified_ns) == (len(JPEG), 1_234_567_890_123_456_789)


def test_what_is_hidden_is_left_alone(tmp_path: Path) -> None:
    for name in (".a.jpg", ".git/b.jpg", "sub/.thumbs/c.jpg", "sub/d.jpg"):
        write(tmp_path / name)
    assert found(tmp_path) == ["sub/d.jpg"]


def test_a_part_of_a_folder_is_walked_alone(tmp_path: Path) -> None:
    for name in ("a.jpg", "sub/b.jpg", "sub/deep/c.jpg", "submarine/d.jpg"):
        write(tmp_path / name)
    assert found(tmp_path, below="sub") == ["sub/b.jpg", "sub/deep/c.jpg"]
    assert found(tmp_path, below="sub/deep") == ["sub/deep/c.jpg"]


def test_folders_of_the_product_are_not_entered(tmp_path: Path) -> None:
    for name in ("a.jpg", "data/images/ab/b.webp"):
        write(tmp_path / name)
    assert found(tmp_path, without=(tmp_path / "data", tmp_path / "nowhere")) == ["a.jpg"]


def test_loops_of_links_end_and_each_file_has_its_own_name(tmp_path: Path) -> None:
    write(tmp_path / "z/a.jpg")
    (tmp_path / "a-link").symlink_to(tmp_path / "z")
    (tmp_path / "z/up").symlink_to(tmp_path)
    (tmp_path / "z/self").symlink_to("self")
    (tmp_path / "a-link.jpg").symlink_to("z/a.jpg")
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    walk = Walk(tmp_path)
    assert [file.path for file in walk.files()] == ["z/a.jpg"]
    assert not walk.troubles and not walk.outside


def test_a_link_that_leads_to_what_is_hidden_here_is_followed(tmp_path: Path) -> None:
    """As those of git-annex, which keeps every file below .git."""
    write(tmp_path / ".git/annex/objects/1.jpg")
    (tmp_path / "photo.jpg").symlink_to(".git/annex/objects/1.jpg")
    (tmp_path / "album").symlink_to(".git/annex")
    assert found(tmp_path) == ["album/objects/1.jpg", "photo.jpg"]


def test_links_out_of_the_folder_are_counted_and_followed_only_where_asked(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere/a.jpg")
    write(tmp_path / "elsewhere/more/b.jpg")
    root = tmp_path / "root"
    write(root / "c.jpg")
    (root / "away").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (root / "d.jpg").symlink_to(tmp_path / "elsewhere/a.jpg")
    (root / "text.txt").symlink_to(tmp_path / "elsewhere/a.jpg")
    # A folder beside whose name begins alike is not inside.
    write(tmp_path / "root-2/e.jpg")
    (root / "e.jpg").symlink_to(tmp_path / "root-2/e.jpg")
    walk = Walk(root)
    assert [file.path for file in walk.files()] == ["c.jpg"]
    assert walk.outside == 4
    assert found(root, follow_links=True) == [
        "c.jpg",
        "again/a.jpg",
        "again/more/b.jpg",
        "d.jpg",
        "e.jpg",
    ]


def test_a_link_to_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nothing.jpg")
    (tmp_path / "gone").symlink_to("nothing")
    walk = Walk(tmp_path)
    assert not list(walk.files())
    assert [trouble.path for trouble in walk.troubles] == ["gone.jpg"]
    assert "leads nowhere" in walk.troubles[0].reason


def test_pipes_and_sockets_are_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "s.png"))
        walk = Walk(tmp_path)
        assert not list(walk.files())
    assert [trouble.path for trouble in walk.troubles] == ["pipe.jpg", "s.png"]
    assert len({trouble.reason for trouble in walk.troubles}) == 1


@pytest.mark.parametrize(
    "name",
    [
        "Фото/снимок.jpg",
        "写真.png",
        "صورة.webp",
        "-rf.jpg",
        "new\nline.jpg",
        "tab\tand\x1b[31mred.jpg",
        "é.jpg",
        "a*?'\"$(x).jpg",
        " .jpg",
        "x" * 251 + ".jpg",
    ],
)
def test_names_of_any_kind_are_found_and_come_back(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / name)
    (file,) = Walk(tmp_path).files()
    assert tmp_path / on_disk(file.path) == path
    assert shown(file.path).isprintable()


def test_a_name_that_is_no_text_comes_back_byte_by_byte(tmp_path: Path) -> None:
    name = b"caf\xe9 \xff.jpg"
    (tmp_path / os.fsdecode(name)).write_bytes(JPEG)
    (file,) = Walk(tmp_path).files()
    file.path.encode()  # as a database wants it
    assert os.fsencode(on_disk(file.path)) == name
    assert shown(file.path) == r"caf\xe9 \xff.jpg"


@given(st.binary(min_size=1, max_size=30))
def test_no_two_names_become_one(name: bytes) -> None:
    kept = stored(os.fsdecode(name))
    kept.encode()
    assert os.fsencode(on_disk(kept)) == name


@given(st.text(min_size=1).map(lambda text: text.encode("utf-8", "ignore")))
def test_text_comes_back_whatever_it_holds(name: bytes) -> None:
    assert os.fsencode(on_disk(stored(os.fsdecode(name)))) == name
    marks = "\uef80\uefff\uef7f".encode() + name
    assert os.fsencode(on_disk(stored(os.fsdecode(marks)))) == marks


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_found(tmp_path: Path) -> None:
    write(tmp_path / "a.jpg")
    write(tmp_path / "closed/b.jpg")
    (tmp_path / "closed").chmod(0)
    try:
        check_closed(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)


def test_a_folder_that_fails_while_it_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.jpg")
    write(tmp_path / "closed/b.jpg")
    scan = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    check_closed(tmp_path)


def check_closed(root: Path) -> None:
    walk = Walk(root)
    assert [file.path for file in walk.files()] == ["a.jpg"]
    assert [trouble.path for trouble in walk.troubles] == ["closed"]
    assert "Permission denied" in walk.troubles[0].reason
    assert walk.unread == ["closed/"]


def test_a_deep_tree_needs_no_deep_stack(tmp_path: Path) -> None:
    deep = str(tmp_path)
    for _ in range(400):
        deep += "/d"
        os.mkdir(deep)
    with open(f"{deep}/a.jpg", "wb") as file:
        file.write(JPEG)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(300)
    try:
        assert len(found(tmp_path)) == 1
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize("name", ["nowhere", "a.jpg"])
def test_what_is_no_folder_is_one_sentence(tmp_path: Path, name: str) -> None:
    write(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="name a folder of pictures"):
        list(Walk(tmp_path / name).files())
