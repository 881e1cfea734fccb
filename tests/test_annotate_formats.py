"""What a job found, as other programs read it."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from PIL import Image, IptcImagePlugin

from adapters.data.formats import read_dataset
from assistant.annotate import FORMATS, Annotation, Job, Task, write_as
from assistant.annotate.decisions import Decision, DecisionLog
from assistant.annotate.formats.imagefolder import _no_split
from assistant.annotate.formats.iptc import LONGEST_CAPTION, LONGEST_KEYWORD, with_iptc
from assistant.annotate.formats.placing import Names, safe_part
from assistant.annotate.formats.xmp import is_own, sidecar
from assistant.annotate.results import Results
from assistant.errors import InputError, StoreError
from assistant.images import open_image
from tests.annotated import ColourEngine, engine_as
from tests.pictures import put

DC = "{http://purl.org/dc/elements/1.1/}"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
XMP = "{http://ns.adobe.com/xap/1.0/}"
NASTY = '<b>&"]]>\x00\x0b\ud800\ufffe深'


def job_of(tmp_path: Path, kind: str, rows: dict[str, dict[str, Any]]) -> Job:
    """A job that found these things in pictures of these names."""
    folder = tmp_path / "photos"
    folder.mkdir(exist_ok=True)
    task = Task("label", labels=("Apple", "Pear")) if kind == "label" else Task("describe")
    job = Job.start(folder, tmp_path / "job", task)
    results = Results(job.results)
    for seed, (name, row) in enumerate(rows.items()):
        path = put(folder / name, seed)
        picture, made = open_image(path), path.stat()
        results.add(
            [
                Annotation(
                    name, picture.id, picture.width, picture.height, size=made.st_size,
                    modified_ns=made.st_mtime_ns, model="m", **row,
                )
            ]
        )  # fmt: skip
    results.close()
    return job


@pytest.fixture
def labelled(tmp_path: Path) -> Job:
    sure = {"confidence": 0.9, "coarse_label": "Fruit"}
    return job_of(
        tmp_path, "label",
        {
            "a.jpg": {"label": "Pear", **sure},
            "b/a.jpg": {"label": "Apple", **sure},
            "b/c.png": {"label": "Pear", "confidence": 0.8},
            "d.jpg": {"status": "aside", "confidence": 0.2, "scores": (("Apple", 0.2),)},
            "ü/深.webp": {"label": "Kiwi", "confidence": 1.0},
            "e.jpg": {"status": "bad", "trouble": "No."},
        },
    )  # fmt: skip


@pytest.fixture
def described(tmp_path: Path) -> Job:
    return job_of(
        tmp_path, "describe",
        {
            "a.jpg": {"caption": "A dog, that runs.", "confidence": 0.9},
            "b/c.png": {"caption": '=HYPERLINK("http://x")', "confidence": 0.8},
            "d.jpg": {"caption": "A cat.", "status": "aside", "confidence": 0.1},
        },
    )  # fmt: skip


def decide(job: Job, image: str, verdict: Any, **what: Any) -> None:
    row = next(row for row in job.annotations() if row.image == image)
    DecisionLog(job.path / "review.jsonl").add([Decision(row.image_id, verdict, image, **what)])


def tree(folder: Path) -> dict[str, str]:
    """Path and checksum of each file."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def _no_picture_is_ever_changed(tmp_path: Path) -> Iterator[None]:
    yield
    for path in (tmp_path / "photos").rglob("*.*"):
        if path.suffix not in (".xmp", ".txt"):
            assert open_image(path).width == 128


# --- files


def test_json_lines_are_what_adapters_are_trained_on(labelled: Job, tmp_path: Path) -> None:
    written = write_as(labelled, "jsonl", tmp_path / "x.jsonl")
    assert (written.count, written.left_out) == (4, [])
    found = read_dataset(tmp_path / "x.jsonl")
    assert found.format == "jsonl" and not found.findings
    told = {(each.images[0].name, each.label, each.coarse_label) for each in found.examples}
    assert ("a.jpg", "Pear", "Fruit") in told and ("深.webp", "Kiwi", None) in told
    row = json.loads((tmp_path / "x.jsonl").read_text().splitlines()[0])
    assert (row["status"], row["confidence"], row["file"]) == ("ok", 0.9, "a.jpg")


def test_descriptions_are_references(described: Job, tmp_path: Path) -> None:
    write_as(described, "jsonl", tmp_path / "x.jsonl")
    found = read_dataset(tmp_path / "x.jsonl")
    assert found.examples[0].references == ("A dog, that runs.",)


def test_a_table_holds_no_formula(described: Job, tmp_path: Path) -> None:
    write_as(described, "csv", tmp_path / "x.csv")
    text = (tmp_path / "x.csv").read_bytes()
    assert text.startswith(b"\xef\xbb\xbfimage,label,")
    rows = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    assert [row["caption"] for row in rows] == ["A dog, that runs.", '\'=HYPERLINK("http://x")']
    found = read_dataset(tmp_path / "x.csv")
    assert found.format == "csv" and len(found.examples) == 2


@pytest.mark.parametrize("label", ["=1", "+1", "-1", "@x", "\tx", "\rx", "  =1", "\uff1d1", "\n=1"])
def test_no_cell_begins_as_a_formula(tmp_path: Path, label: str) -> None:
    job = job_of(tmp_path, "label", {"a.png": {"label": label}, "=b.png": {"label": "x"}})
    write_as(job, "csv", tmp_path / "x.csv")
    cells = next(
        row for row in csv.DictReader((tmp_path / "x.csv").open(encoding="utf-8-sig", newline=""))
    )
    assert cells["label"] == f"'{label}"
    assert all(not cell.lstrip().startswith(("=", "+", "-", "@")) for cell in cells.values())


def test_coco_has_stable_numbers(labelled: Job, tmp_path: Path) -> None:
    write_as(labelled, "coco", tmp_path / "x.json")
    first = json.loads((tmp_path / "x.json").read_text())
    pictures = {row["file_name"]: row["id"] for row in first["images"]}
    assert pictures == {"a.jpg": 1, "b/a.jpg": 2, "b/c.png": 3, "ü/深.webp": 5}
    kinds = {row["name"]: (row["id"], row["supercategory"]) for row in first["categories"]}
    assert kinds == {"Apple": (1, "Fruit"), "Pear": (2, "Fruit"), "Kiwi": (3, "")}
    one = next(row for row in first["annotations"] if row["image_id"] == 2)
    assert (one["category_id"], one["bbox"], one["area"]) == (1, [0, 0, 128, 96], 128 * 96)
    assert {row["image_id"] for row in first["annotations"]} == set(pictures.values())

    decide(labelled, "d.jpg", "correct", label="Lemon")
    decide(labelled, "a.jpg", "reject")
    write_as(labelled, "coco", tmp_path / "y.json")
    second = json.loads((tmp_path / "y.json").read_text())
    pictures |= {"d.jpg": 4}
    assert {row["file_name"]: row["id"] for row in second["images"]} == {
        name: number for name, number in pictures.items() if name != "a.jpg"
    }
    kinds |= {"Lemon": (4, "")}
    assert {row["name"]: row["id"] for row in second["categories"]} == {
        name: number for name, (number, _) in kinds.items()
    }


def test_coco_has_captions(described: Job, tmp_path: Path) -> None:
    write_as(described, "coco", tmp_path / "x.json")
    found = json.loads((tmp_path / "x.json").read_text())
    assert found["annotations"][0]["caption"] == "A dog, that runs."
    assert found["categories"] == [] and "category_id" not in found["annotations"][0]


def test_what_people_decided_counts(labelled: Job, tmp_path: Path) -> None:
    decide(labelled, "a.jpg", "correct", label="Quince", coarse_label="Fruit")
    decide(labelled, "b/a.jpg", "reject")
    decide(labelled, "d.jpg", "accept", label="Apple")
    decide(labelled, "b/c.png", "reject")
    decide(labelled, "b/c.png", "open")
    write_as(labelled, "jsonl", tmp_path / "x.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert {row["file"]: (row["label"], row["status"]) for row in rows} == {
        "a.jpg": ("Quince", "reviewed"),
        "d.jpg": ("Apple", "reviewed"),
        "b/c.png": ("Pear", "ok"),
        "ü/深.webp": ("Kiwi", "ok"),
    }


def test_what_is_set_aside_comes_when_it_is_asked_for(labelled: Job, tmp_path: Path) -> None:
    assert write_as(labelled, "jsonl", tmp_path / "x.jsonl", aside=True).count == 5
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    assert [row["label"] for row in rows if row["status"] == "aside"] == ["Apple"]


# --- imagefolder


def test_imagefolder_is_what_our_readers_read(labelled: Job, tmp_path: Path) -> None:
    out = tmp_path / "set"
    written = write_as(labelled, "imagefolder", out)
    assert written.count == 4
    files = set(tree(out))
    assert files == {
        "metadata.jsonl", "Fruit/Pear/a.jpg", "Fruit/Apple/a.jpg", "Pear/c.png", "Kiwi/深.webp",
    }  # fmt: skip
    found = read_dataset(out, format="folders")
    told = {(each.images[0].name, each.label, each.coarse_label) for each in found.examples}
    assert told == {
        ("a.jpg", "Pear", "Fruit"), ("a.jpg", "Apple", "Fruit"), ("c.png", "Pear", None),
        ("深.webp", "Kiwi", None),
    }  # fmt: skip
    originals = tree(labelled.folder)
    assert tree(out)["Fruit/Pear/a.jpg"] == originals["a.jpg"]
    assert (out / "Pear/c.png").stat().st_ino != (labelled.folder / "b/c.png").stat().st_ino


def test_imagefolder_of_descriptions_keeps_the_tree(described: Job, tmp_path: Path) -> None:
    write_as(described, "imagefolder", tmp_path / "set", link=True)
    rows = [
        json.loads(line) for line in (tmp_path / "set" / "metadata.jsonl").read_text().splitlines()
    ]
    assert rows[0] == {"file_name": "a.jpg", "text": "A dog, that runs."}
    linked = (tmp_path / "set" / "b" / "c.png").stat()
    assert linked.st_ino == (described.folder / "b" / "c.png").stat().st_ino


def test_imagefolder_loads_with_datasets(labelled: Job, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    write_as(labelled, "imagefolder", tmp_path / "set")
    found = datasets.load_dataset(
        "imagefolder", data_dir=str(tmp_path / "set"), cache_dir=str(tmp_path / "hf")
    )
    assert list(found) == ["train"] and len(found["train"]) == 4
    told = {(row["label"], row["coarse_label"]) for row in found["train"]}
    assert told == {("Apple", "Fruit"), ("Kiwi", None), ("Pear", None), ("Pear", "Fruit")}


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("test", "tests"),
        ("my-val.jpg", "my-vals.jpg"),
        ("Train", "Trains"),
        ("test1", "tests1"),
        ("contest", "contest"),
        ("testing ground", "testings ground"),
        ("__x", "x"),
        ("__", "_"),
    ],
)
def test_no_name_is_a_split(name: str, safe: str) -> None:
    assert _no_split(name) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("..", "_"),
        (".hidden", "hidden"),
        ("a/b\\c", "a_b_c"),
        ("a:b*?", "a_b__"),
        ("con.txt", "_con.txt"),
        ("\ud800", "_"),
        ("", "_"),
        ("ü" * 90, "ü" * 50),
        ("Apple", "Apple"),
    ],
)
def test_parts_of_paths_are_harmless(name: str, safe: str) -> None:
    assert safe_part(name) == safe


def test_no_two_files_have_one_name() -> None:
    names = Names()
    found = [names.take("x", name).as_posix() for name in ("a.jpg", "A.JPG", "a.jpg", "a", "a")]
    assert found == ["x/a.jpg", "x/A-2.JPG", "x/a-3.jpg", "x/a", "x/a-2"]


# --- sidecars


def read_sidecar(file: Path) -> tuple[str | None, list[str], str | None]:
    about = ElementTree.fromstring(file.read_bytes()).find(f".//{RDF}Description")
    assert about is not None
    words = [item.text or "" for item in about.findall(f"{DC}subject/{RDF}Bag/{RDF}li")]
    text = about.find(f"{DC}description/{RDF}Alt/{RDF}li")
    return about.get(f"{XMP}Label"), words, None if text is None else text.text


def test_sidecars_lie_as_the_pictures_do(labelled: Job, tmp_path: Path) -> None:
    write_as(labelled, "xmp", tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {
        "a.jpg.xmp", "b/a.jpg.xmp", "b/c.png.xmp", "ü/深.webp.xmp",
    }  # fmt: skip
    assert read_sidecar(tmp_path / "out/b/a.jpg.xmp") == ("Apple", ["Apple", "Fruit"], None)


def test_sidecars_beside_the_pictures_never_replace_others(described: Job, tmp_path: Path) -> None:
    folder = described.folder
    (folder / "a.jpg.xmp").write_text("<x:xmpmeta/>")
    before = tree(folder)
    written = write_as(described, "xmp", folder)
    assert written.left_out == [
        ("a.jpg", "a.jpg.xmp is another program's work and stays as it is.")
    ]
    assert read_sidecar(folder / "b/c.png.xmp") == (None, [], '=HYPERLINK("http://x")')
    assert {path: tree(folder)[path] for path in before} == before
    assert write_as(described, "xmp", folder).count == 1  # its own may be written anew
    changed = (folder / "b/c.png.xmp").read_text().replace("HYPERLINK", "Hello")
    (folder / "b/c.png.xmp").write_text(changed)
    assert write_as(described, "xmp", folder).count == 0
    assert (folder / "b/c.png.xmp").read_text() == changed


def test_short_names_of_sidecars_are_taken_once(tmp_path: Path) -> None:
    rows = {name: {"label": "x"} for name in ("a.jpg", "a.png", "b.png")}
    written = write_as(job_of(tmp_path, "label", rows), "xmp-short", tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {"a.xmp", "b.xmp"}
    assert [image for image, _ in written.left_out] == ["a.png"]


@given(st.text(), st.lists(st.text(), max_size=3), st.none() | st.text())
@how(max_examples=60, deadline=None)
def test_sidecars_are_well_formed_whatever_they_say(
    label: str, words: list[str], caption: str | None
) -> None:
    root = ElementTree.fromstring(sidecar(label, words, caption))
    assert root.tag == "{adobe:ns:meta/}xmpmeta"
    assert len(root.findall(f".//{DC}subject/{RDF}Bag/{RDF}li")) == len(words)


def test_a_nasty_label_is_kept_as_far_as_xml_can(tmp_path: Path) -> None:
    file = tmp_path / "x.xmp"
    file.write_bytes(sidecar(NASTY, [NASTY], NASTY))
    expected = '<b>&"]]>\ufffd\ufffd\ufffd\ufffd深'
    assert read_sidecar(file) == (expected, [expected], expected)
    assert is_own(file) and not is_own(tmp_path / "nowhere")
    file.write_bytes(b"x" * 2**21)
    assert not is_own(file)


# --- IPTC


def iptc(path: Path) -> dict[tuple[int, int], Any]:
    with Image.open(path) as opened:
        assert isinstance(opened, Image.Image)
        return dict(IptcImagePlugin.getiptcinfo(opened) or {})


def jpeg(**options: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.arange(3072, dtype=np.uint8).reshape(32, 32, 3)).save(out, "JPEG", **options)
    return out.getvalue()


def read_back(data: bytes, tmp_path: Path) -> dict[tuple[int, int], Any]:
    path = tmp_path / "back.jpg"
    path.write_bytes(data)
    return iptc(path)


def test_captions_go_into_copies(described: Job, tmp_path: Path) -> None:
    before = tree(described.folder)
    written = write_as(described, "iptc", tmp_path / "out")
    assert tree(described.folder) == before
    assert written.count == 1
    assert [image for image, _ in written.left_out] == ["b/c.png"]
    assert "XMP sidecars, which go with any picture" in written.left_out[0][1]
    found = iptc(tmp_path / "out/a.jpg")
    assert found[2, 120] == b"A dog, that runs." and found[1, 90] == b"\x1b%G"
    assert open_image(tmp_path / "out/a.jpg") == open_image(described.folder / "a.jpg")


def test_labels_are_keywords(labelled: Job, tmp_path: Path) -> None:
    write_as(labelled, "iptc", tmp_path / "out")
    assert iptc(tmp_path / "out/a.jpg")[2, 25] == [b"Pear", b"Fruit"]


def test_the_rest_of_a_file_is_copied_byte_by_byte() -> None:
    exif = Image.Exif()
    exif[0x010E] = "said before"
    plain = jpeg(exif=exif, icc_profile=b"icc" * 50_000, comment=b"hello", progressive=True)
    written = with_iptc(plain, caption="Ä dog", keywords=["ünï"])
    assert written.startswith(plain[:20]) and written.endswith(plain[plain.index(b"\xff\xda") :])
    start = written.index(b"\xff\xed")
    length = int.from_bytes(written[start + 2 : start + 4], "big")
    assert written[:start] + written[start + 2 + length :] == plain
    assert with_iptc(written, caption="Ä dog", keywords=["ünï"]) == written


def test_what_was_noted_before_stays(tmp_path: Path) -> None:
    old = b"\x1c\x02\x00\0\2\0\4" + b"\x1c\x02\x19\0\4caf\xe9" + b"\x1c\x02\x50\0\2Me"
    old += b"\x1c\x02\x78\0\3old"
    named = b"8BIM\x0b\xb7\0\0\0\0\0\x03abc\0"
    digest = b"8BIM\x04\x25\0\0\0\0\0\x10" + b"d" * 16
    record = b"8BIM\x04\x04\0\0" + len(old).to_bytes(4, "big") + old + b"\0" * (len(old) % 2)
    body = b"Photoshop 3.0\0" + named + digest + record
    plain = jpeg()
    given_ = plain[:2] + b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body + plain[2:]
    written = with_iptc(given_, caption="new", keywords=["dog", "café"])
    found = read_back(written, tmp_path)
    assert found[2, 120] == b"new" and found[2, 80] == b"Me"
    assert found[2, 25] == ["café".encode(), b"dog"]
    assert named in written and b"d" * 16 not in written and written.count(b"\xff\xed") == 1
    kept = read_back(with_iptc(given_, caption=None, keywords=[]), tmp_path)
    assert kept[2, 120] == b"old"


def test_long_resources_are_cut_into_segments(tmp_path: Path) -> None:
    thumbnail = b"8BIM\x04\x0c\0\0" + (150_001).to_bytes(4, "big") + b"t" * 150_001 + b"\0"
    plain, parts = jpeg(), [thumbnail[at : at + 60_000] for at in range(0, len(thumbnail), 60_000)]
    segments = b"".join(
        b"\xff\xed" + (len(part) + 16).to_bytes(2, "big") + b"Photoshop 3.0\0" + part
        for part in parts
    )
    written = with_iptc(plain[:2] + segments + plain[2:], caption="x", keywords=[])
    again = with_iptc(written, caption="y", keywords=[])
    assert again.count(b"Photoshop 3.0\0") == 3 and again.count(b"t" * 50_000) >= 2
    assert open_image(again).id == open_image(plain).id


def test_texts_are_cut_at_whole_characters(tmp_path: Path) -> None:
    found = read_back(with_iptc(jpeg(), caption="ü" * 3_000, keywords=["深" * 50]), tmp_path)
    assert found[2, 120] == "ü".encode() * (LONGEST_CAPTION // 2)
    assert found[2, 25] == "深".encode() * (LONGEST_KEYWORD // 3)


@given(st.text(), st.lists(st.text(), max_size=3))
@how(max_examples=60, deadline=None)
def test_the_pixels_stay_whatever_is_said(caption: str, keywords: list[str]) -> None:
    plain = jpeg()
    written = with_iptc(plain, caption=caption, keywords=keywords)
    assert written.endswith(plain[2:][plain[2:].index(b"\xff\xda") :])
    assert open_image(written) == open_image(plain)


@given(st.binary(max_size=200), st.integers(0, 400))
@how(max_examples=100, deadline=None)
def test_damaged_files_are_refused_and_do_no_harm(noise: bytes, place: int) -> None:
    base = with_iptc(jpeg(), caption="x", keywords=["y"])
    damaged = base[:place] + noise + base[place + len(noise) :]
    try:
        written = with_iptc(damaged, caption="new", keywords=[])
    except ValueError:
        return
    assert written.startswith(b"\xff\xd8")


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
def test_exiftool_reads_what_was_written(labelled: Job, tmp_path: Path) -> None:
    write_as(labelled, "iptc", tmp_path / "out")
    write_as(labelled, "xmp", tmp_path / "xmp")
    files = [str(tmp_path / "out/a.jpg"), str(tmp_path / "xmp/a.jpg.xmp")]
    told = subprocess.run(["exiftool", "-j", "-validate", "-warning", *files],
                          capture_output=True, text=True, check=True)  # fmt: skip
    rows = json.loads(told.stdout)
    more = subprocess.run(["exiftool", "-j", *files], capture_output=True, text=True, check=True)
    first, second = json.loads(more.stdout)
    assert first["Keywords"] == ["Pear", "Fruit"]
    assert (second["Subject"], second["Label"]) == (["Pear", "Fruit"], "Pear")
    assert all("Error" not in row for row in rows)


# --- where it goes


@pytest.mark.parametrize("format", FORMATS)
def test_nothing_is_replaced(labelled: Job, tmp_path: Path, format: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    if not format.startswith("xmp"):
        with pytest.raises(InputError, match=r"is a folder|is there already"):
            write_as(labelled, format, out)
    assert (out / "mine.txt").read_text() == "mine"
    (tmp_path / "file").write_text("mine")
    with pytest.raises((InputError, StoreError)):
        write_as(labelled, format, tmp_path / "file")
    with pytest.raises((InputError, StoreError)):
        write_as(labelled, format, tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"
    if format in ("jsonl", "csv", "coco"):
        write_as(labelled, format, tmp_path / "file", force=True)
        assert (tmp_path / "file").read_text(encoding="utf-8") != "mine"
    leftovers = [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert leftovers == []


def test_what_cannot_be_written_is_refused(labelled: Job, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no format 'docx'"):
        write_as(labelled, "docx", tmp_path / "x")
    empty = Job.start(labelled.folder, tmp_path / "empty", Task("describe"))
    with pytest.raises(InputError, match="nothing to write yet"):
        write_as(empty, "jsonl", tmp_path / "x")
    with pytest.raises(InputError, match="is the job itself"):
        write_as(labelled, "xmp", labelled.path)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("format", ["imagefolder", "iptc", "xmp"])
def test_files_that_changed_are_left_out(labelled: Job, tmp_path: Path, format: str) -> None:
    (labelled.folder / "a.jpg").unlink()
    put(labelled.folder / "b/a.jpg", 40, (128, 90))
    written = write_as(labelled, format, tmp_path / "out")
    gone = [image for image, trouble in written.left_out if "changed since" in trouble]
    assert gone == ["a.jpg", "b/a.jpg"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_pictures_are_left_out(labelled: Job, tmp_path: Path) -> None:
    (labelled.folder / "a.jpg").chmod(0)
    written = write_as(labelled, "imagefolder", tmp_path / "out")
    assert [image for image, _ in written.left_out] == ["a.jpg"]
    (labelled.folder / "a.jpg").chmod(0o644)


def test_a_path_that_leads_out_is_not_copied(labelled: Job, tmp_path: Path) -> None:
    row = next(iter(labelled.annotations()))
    with labelled.results.open("a") as out:
        out.write(json.dumps(replace(row, image="../secret.jpg").to_dict()) + "\n")
    with pytest.raises(InputError, match="leads out of"):
        write_as(labelled, "imagefolder", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_whole_job_round_trips(tmp_path: Path) -> None:
    """From pictures by a job to a folder of classes to our readers."""
    folder = tmp_path / "photos"
    for seed in range(6):
        put(folder / f"{seed}.jpg", seed)
    job = Job.start(folder, tmp_path / "job", Task("label", labels=("red", "green", "blue")))
    job.run(engine_as(ColourEngine()))
    write_as(job, "imagefolder", tmp_path / "set", aside=True)
    found = read_dataset(tmp_path / "set", format="folders")
    expected = sorted((row.guess, row.coarse_label) for row in job.annotations())
    assert sorted((each.label, each.coarse_label) for each in found.examples) == expected
