"""Validation of data sets: what is found, which rows are left, the page, and the command."""

from __future__ import annotations

import errno
import json
import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.data import near
from adapters.data import report as report_module
from adapters.data.form import Dataset, Example
from adapters.data.formats import read_dataset
from adapters.data.kinds import KINDS
from adapters.data.near import groups, near_pairs
from adapters.data.pictures import Look, look_at, paths_of
from adapters.data.report import render, write_report
from adapters.data.splits import named_splits, split
from adapters.data.validate import Report, validate
from assistant.errors import DataError, InputError
from assistant.sketch import MAX_BITS, MAX_COLOUR, sketch
from tests.commands import invoke
from tests.pictures import put, scene, write_rows


def found(report: Report) -> list[tuple[str, str]]:
    """Kinds of the findings with the line each is about."""
    return [(one.kind, one.where.rpartition(":")[2]) for one in report.findings]


def labelled(*rows: tuple[str, str]) -> list[dict[str, Any]]:
    return [{"image": image, "label": label} for image, label in rows]


@pytest.fixture
def goods(tmp_path: Path) -> Path:
    """Two classes of six pictures, nothing wrong with them."""
    rows = []
    for number in range(12):
        put(tmp_path / f"{number}.png", number)
        rows.append({"image": f"{number}.png", "label": "Pear" if number % 2 else "Leek"})
    return write_rows(tmp_path / "goods.jsonl", *rows)


def test_nothing_is_found_in_good_data(goods: Path) -> None:
    seen: list[tuple[int, int]] = []
    report = validate(read_dataset(goods), progress=lambda *counts: seen.append(counts))
    assert not report.findings and report.usable == report.rows == report.pictures == 12
    assert report.classes == {"Leek": 6, "Pear": 6} and report.splits == {}
    assert seen[-1] == (12, 12) and len(seen) == 12
    # Names of files say nothing of order: the same findings come out whatever thread is first.
    assert list(report.looks) == paths_of(report.dataset.examples)


def test_pictures_that_cannot_be_used(goods: Path) -> None:
    folder = goods.parent
    (folder / "cut.png").write_bytes((folder / "1.png").read_bytes()[:500])
    (folder / "text.jpg").write_text("no picture")
    put(folder / "small.png", 99, (60, 400))
    (folder / "folder.jpg").mkdir()
    extra = labelled(
        ("none.png", "Pear"),
        ("cut.png", "Pear"),
        ("text.jpg", "Pear"),
        ("small.png", "Pear"),
        ("folder.jpg", "Pear"),
        ("none.png", "Leek"),
    )
    write_rows(goods, goods.read_bytes(), *extra, "{")
    report = validate(read_dataset(goods))
    assert found(report) == [
        ("not-json", "19"),
        ("missing-image", "13"),
        ("bad-image", "14"),
        ("bad-image", "15"),
        ("small-image", "16"),
        ("bad-image", "17"),
        ("missing-image", "18"),
    ]
    assert "none.png does not exist" in report.findings[1].message
    assert "damaged or cut off" in report.findings[2].message
    assert (report.rows, report.usable, report.errors, report.warnings) == (19, 13, 6, 1)
    assert all(isinstance(report.looks[path], Look) for path in paths_of(report.dataset.examples))


def test_copies_and_near_copies(goods: Path) -> None:
    folder = goods.parent
    scene(3).save(folder / "copy.bmp")
    scene(3).resize((64, 48)).save(folder / "small.jpg", quality=60)
    scene(3).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / "mirrored.png")
    extra = labelled(
        ("copy.bmp", "Pear"),  # 13
        ("small.jpg", "Leek"),  # 14
        ("mirrored.png", "Pear"),  # 15
        ("3.png", "Pear"),  # 16: as row 4
        ("5.png", "Leek"),  # 17: row 6 says Pear
    )
    more = {"image": "3.png", "question": "Is it ripe?", "answer": "no"}  # 18: says more of it
    write_rows(goods, goods.read_bytes(), *extra, more)
    report = validate(read_dataset(goods))
    kinds = [one for one in found(report) if one[0] != "small-image"]
    assert kinds == [
        ("duplicate-row", "13"),
        ("near-duplicate", "14"),
        ("duplicate-row", "16"),
        ("label-conflict", "17"),
    ]
    near_copy = next(one for one in report.findings if one.kind == "near-duplicate")
    assert "3.png in" in near_copy.message and "'Pear'" in near_copy.message
    assert (near_copy.image, near_copy.other) == (folder / "small.jpg", folder / "3.png")
    assert report.usable == 18 and not report.errors


def test_pictures_that_are_there_twice_under_two_names(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        put(tmp_path / name, 1)
    rows: list[dict[str, Any]] = [
        {"image": "a.png", "references": ["One."]},
        {"image": "b.png", "references": ["Two."]},
        {"image": "b.png", "references": ["Three."]},
    ]
    report = validate(read_dataset(write_rows(tmp_path / "rows.jsonl", *rows)))
    assert found(report) == [("duplicate-image", "2")]
    assert report.pictures == 1


def test_leaks_within_a_file(goods: Path) -> None:
    folder = goods.parent
    scene(2).resize((256, 192)).save(folder / "large.png")
    rows = [
        {"image": "1.png", "label": "Pear", "split": "test"},
        {"image": "1.png", "label": "Pear", "split": "train"},
        {"image": "2.png", "label": "Leek", "split": "val"},
        {"image": "large.png", "label": "Leek", "split": "train"},
        {"image": "3.png", "label": "Pear", "split": "train"},
    ]
    report = validate(read_dataset(write_rows(goods, *rows)))
    assert found(report)[:2] == [("leak", "2"), ("near-leak", "4")]
    assert report.splits == {"test": 1, "train": 2, "val": 1} and report.errors == 1
    assert [one.where.rpartition(":")[2] for one in report.dataset.examples] == ["1", "3", "4", "5"]


def test_leaks_to_another_file(goods: Path) -> None:
    folder = goods.parent
    scene(2).resize((256, 192)).save(folder / "large.png")
    other = write_rows(
        folder / "val.jsonl", *labelled(("large.png", "Leek"), ("3.png", "Pear"), ("3.png", "X"))
    )
    report = validate(read_dataset(goods), others=[read_dataset(other)])
    assert found(report) == [("near-leak", "3"), ("leak", "4")]
    assert "val.jsonl:2" in report.findings[1].message
    assert report.usable == 11
    back = validate(read_dataset(other), others=[read_dataset(goods)])
    assert ("near-leak", "1") in found(back) and ("leak", "2") in found(back)


def test_one_row(goods: Path) -> None:
    report = validate(read_dataset(write_rows(goods, *labelled(("1.png", "Pear")))))
    assert [one.kind for one in report.findings] == ["one-row"] and report.errors == 1
    assert "add rows" in report.findings[0].message and report.usable == 1


def test_one_class_only(goods: Path) -> None:
    file = write_rows(goods, *labelled(("1.png", "Pear"), ("3.png", "Pear")))
    report = validate(read_dataset(file))
    assert [one.kind for one in report.findings] == ["one-class"] and report.errors == 1
    assert "'Pear'" in report.findings[0].message
    more = {"image": "2.png", "references": ["A leek ."]}
    report = validate(read_dataset(write_rows(goods, file.read_bytes(), more)))
    assert [one.severity for one in report.findings] == ["warning"]


def test_labels_that_differ_by_case(goods: Path) -> None:
    extra = labelled(("13.png", "pear"), ("14.png", "LEEK"))
    for number in (13, 14):
        put(goods.parent / f"{number}.png", number)
    report = validate(read_dataset(write_rows(goods, goods.read_bytes(), *extra)))
    said = [one.message for one in report.findings if one.kind == "label-case"]
    assert len(said) == 2 and report.errors == 2
    assert "'LEEK' (1 row), 'Leek' (6 rows)" in said[0]


def test_classes_that_are_rare_unequal_or_in_two_groups(tmp_path: Path) -> None:
    rows = [
        {"image": f"{number}.png", "label": "Pear", "coarse_label": "Fruit" if number else "Tree"}
        for number in range(20)
    ]
    for number in range(22):
        put(tmp_path / f"{number}.png", number)
    rows += labelled(("20.png", "Leek"), ("21.png", "Leek"))
    report = validate(read_dataset(write_rows(tmp_path / "rows.jsonl", *rows)))
    assert {one.kind for one in report.findings} == {"coarse-conflict", "rare-class", "imbalance"}
    assert not report.errors
    assert list(report.classes.items()) == [("Pear", 20), ("Leek", 2)]


def test_long_rows_that_a_training_would_cut(goods: Path) -> None:
    turns = [
        {"from": who, "value": ("<image>" if not turn and who == "human" else "") + "x" * 3000}
        for turn in range(3)
        for who in ("human", "gpt")
    ]
    file = write_rows(goods, {"image": "1.png", "conversations": turns})
    assert ("long-conversation", "1") in found(validate(read_dataset(file)))


def _sketches(images: list[Image.Image]) -> tuple[np.ndarray, np.ndarray]:
    made = [sketch(image) for image in images]
    return np.stack([one.bits for one in made]), np.stack([one.colours for one in made])


def test_near_pictures(photos: Path, tmp_path: Path) -> None:
    looks = look_at(sorted(photos.glob("*.webp")))
    assert near_pairs(*_of(list(looks.values()))) == []  # what is like a photo is not near it
    original = scene(1, (300, 200))
    squashed = original.resize((100, 100))
    flat = [Image.new("RGB", (90, 90), colour) for colour in ("black", "white", "black")]
    turned = original.transpose(Image.Transpose.ROTATE_180)
    original.save(tmp_path / "poor.jpg", quality=25)
    images = [original, squashed, turned, *flat, scene(2)]
    assert near_pairs(*_sketches(images)) == [(0, 1), (3, 5)]
    poor = look_at([tmp_path / "poor.jpg"])[tmp_path / "poor.jpg"]
    assert isinstance(poor, Look)
    bits, colours = _sketches([original])
    both = np.stack([bits[0], poor.sketch.bits]), np.stack([colours[0], poor.sketch.colours])
    assert near_pairs(*both) == [(0, 1)]


def _of(looks: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    return (
        np.stack([one.sketch.bits for one in looks]),
        np.stack([one.sketch.colours for one in looks]),
    )


def test_near_pairs_equal_those_of_comparing_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2, (20, 256))[rng.integers(0, 20, 400)]
    flips = rng.random((400, 256)) < rng.choice([0.01, 0.05, 0.08], (400, 1))
    packed = np.packbits(bits ^ flips, axis=1).view(np.uint64)
    colours = (rng.integers(0, 2, (400, 1)) * 9 + rng.integers(0, 4, (400, 768))).astype(np.uint8)
    expected = [
        (one, two)
        for one in range(400)
        for two in range(one + 1, 400)
        if np.bitwise_count(packed[one] ^ packed[two]).sum() <= MAX_BITS
        and np.abs(colours[one].astype(int) - colours[two]).mean() <= MAX_COLOUR
    ]
    assert len(expected) > 500
    assert near_pairs(packed, colours) == expected
    monkeypatch.setattr(near, "_PAIRS_AT_ONCE", 50)
    assert near_pairs(packed, colours) == expected


def test_groups() -> None:
    assert groups(6, [(4, 5), (1, 4), (0, 2)]) == [0, 1, 0, 3, 1, 1]
    assert near_pairs(np.zeros((0, 4), np.uint64), np.zeros((0, 768), np.uint8)) == []


def _many(tmp_path: Path) -> list[Example]:
    """30 Pears, 20 Leeks and 10 captions; every third Pear twice, and once more in small."""
    examples = []
    for number in range(60):
        path = put(tmp_path / f"{number}.png", number)
        label = "Pear" if number < 30 else "Leek" if number < 50 else None
        references = () if label else ("A dog .",)
        examples.append(Example(str(number), (path,), references, label))
    for number in range(0, 30, 3):
        small = put(tmp_path / f"small-{number}.png", number, (64, 48))
        examples.append(Example(f"again-{number}", (tmp_path / f"{number}.png",), label="Pear"))
        examples.append(Example(f"small-{number}", (small,), label="Pear"))
    return examples


def test_splits_are_seeded_and_stratified_and_keep_copies_together(tmp_path: Path) -> None:
    examples = _many(tmp_path)
    train, val = split(examples, share=0.2, seed=1)
    assert sorted(one.where for one in train + val) == sorted(one.where for one in examples)
    assert [one for one in examples if one in val] == val  # in the order given
    counts = {label: sum(one.label == label for one in val) for label in ("Pear", "Leek", None)}
    assert counts == {"Pear": 10, "Leek": 4, None: 2}
    where = {one.where: "val" for one in val}
    for number in range(0, 30, 3):
        assert len({where.get(f"{name}{number}") for name in ("", "again-", "small-")}) == 1
    assert split(examples, share=0.2, seed=1) == (train, val)
    assert split(examples, share=0.2, seed=2) != (train, val)
    looks = look_at(paths_of(examples))
    assert split(examples, share=0.2, seed=1, looks=looks) == (train, val)


def test_splits_of_little(tmp_path: Path) -> None:
    examples = _many(tmp_path)[:2]
    train, val = split(examples, share=0.01)
    assert len(train) == len(val) == 1
    for few in ([], examples[:1], [examples[0], examples[0]]):
        with pytest.raises(DataError, match="too few"):
            split(few)
    for share in (0.0, 1.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="between 0 and 1"):
            split(examples, share=share)
    named = [Example("1", examples[0].images, split="val"), examples[1]]
    assert named_splits(named) == {"val": named[:1], None: named[1:]}


def test_the_page_shows_findings_and_escapes_all(goods: Path) -> None:
    evil = "<script>alert(1)</script>"
    put(goods.parent / "<b>.png", 50)
    rows = [
        *labelled(("<b>.png", evil), ("3.png", evil), ("none<i>.png", "Pear")),
        {"image": "1.png", "question": "<img src=x>", "answer": "{{ 7 * 7 }}", "split": "<u>"},
    ]
    report = validate(read_dataset(write_rows(goods, goods.read_bytes(), *rows)))
    page = render(report)
    for bad in ("<script", "<b>", "<i>", "<u>", "<img src=x>"):
        assert bad not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "none&lt;i&gt;.png" in page
    assert "{{ 7 * 7 }}" in page
    assert report.rows == 16 and "14 of 16 rows can be used" in page  # a leak to <u>
    # Summary first, then findings, then balance.
    assert page.index("Usable rows") < page.index("Missing pictures") < page.index("<progress")
    assert "prefers-color-scheme: dark" in page
    outside = re.findall(r'(?:src|href)="(?!data:image/webp;base64,[A-Za-z0-9+/=]+")', page)
    assert not outside and "default-src 'none'" in page


def test_the_page_is_bounded(goods: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(goods, goods.read_bytes(), *["{"] * 100)
    report = validate(read_dataset(goods))
    page = render(report)
    assert page.count("The row is not JSON") == report_module.MOST_FINDINGS
    assert "And 60 more" in page and page.count("<img") == 14
    monkeypatch.setattr(report_module, "MOST_PICTURES", 3)
    assert len(set(re.findall(r'<img src="([^"]+)"', render(report)))) == 3
    monkeypatch.setattr(report_module, "MOST_PICTURE_BYTES", 10)
    assert len(set(re.findall(r'<img src="([^"]+)"', render(report)))) == 1


def test_a_page_that_cannot_be_written_leaves_the_old_one(
    goods: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = goods.parent / "page.html"
    page.write_text("old")
    report = validate(read_dataset(goods))

    def full(path: Path, content: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left"):
        write_report(report, page)
    assert page.read_text() == "old" and not list(goods.parent.glob("*.partial"))


def test_every_kind_has_a_title_and_every_title_a_kind() -> None:
    sources = [
        path.read_text() for path in Path(report_module.__file__).parent.glob("*.py")
        if path.name != "kinds.py"
    ]  # fmt: skip
    assert all(any(f'"{kind}"' in source for source in sources) for kind in KINDS)


def test_command(goods: Path) -> None:
    page = goods.parent / "page.html"
    result = invoke("adapters", "validate", goods, "--html", page)
    assert result.exit_code == 0 and "All 12 rows can be used." in result.stdout
    assert page.read_text().startswith("<!doctype html>")
    write_rows(goods, goods.read_bytes(), *["{"] * 9)
    result = invoke("adapters", "validate", goods, "--limit", 2)
    assert result.exit_code == 1
    assert "Rows that are not JSON 9 errors" in result.stdout and "and 7 more" in result.stdout
    assert f"{goods.name}:13" in result.stdout.replace("\n", "").replace(" ", "")
    assert "12 of 21 rows can be used" in result.stdout


def test_command_for_programs(goods: Path) -> None:
    other = write_rows(goods.parent / "val.jsonl", *labelled(("3.png", "Pear")))
    write_rows(goods, goods.read_bytes(), "{")
    result = invoke("adapters", "validate", goods, "--against", other, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (told["rows"], told["usable"], told["errors"], told["format"]) == (13, 11, 2, "jsonl")
    assert told["classes"] == {"Leek": 6, "Pear": 5}
    assert [(one["kind"], one["where"]) for one in told["findings"]] == [
        ("not-json", f"{goods}:13"),
        ("leak", f"{goods}:4"),
    ]
    assert told["kinds"]["leak"]["count"] == 1


def test_command_where_nothing_can_be_used(goods: Path) -> None:
    write_rows(goods, *labelled(("none.png", "Pear"), ("none.png", "Leek")))
    result = invoke("adapters", "validate", goods)
    assert result.exit_code == 2 and "No row can be used" in result.stdout
    with pytest.raises(DataError, match="does not exist"):
        invoke("adapters", "validate", goods.parent / "nothing.jsonl")
    with pytest.raises(InputError, match="is a folder"):
        invoke("adapters", "validate", goods, "--html", goods.parent)


def test_command_steers_no_terminal(goods: Path) -> None:
    rows = labelled(("\x1b[31mnone.png", "[red]Pear"), ("1.png", "\x1b]0;x\x07"), ("2.png", "[/]"))
    result = invoke("adapters", "validate", write_rows(goods, *rows))
    assert "\x1b" not in result.stdout and "\x07" not in result.stdout
    assert "[/]" in result.stdout


def test_any_bytes_are_a_finding_or_a_sentence(tmp_path: Path) -> None:
    rng = random.Random(0)
    row = json.dumps({"image": "a.png", "conversations": [{"from": "human", "value": "<image>x"}]})
    file = tmp_path / "rows.json"
    for _ in range(300):
        text = bytearray(f"[{row},\n{row}]" if rng.random() < 0.5 else f"{row}\n{row}", "utf-8")
        for _ in range(rng.randint(1, 6)):
            text[rng.randrange(len(text))] = rng.choice(b'\0\xff{}[]",:a1\n')
        file.write_bytes(text)
        try:
            dataset = read_dataset(file)
        except DataError:
            continue
        assert isinstance(dataset, Dataset) and (dataset.findings or dataset.examples)
