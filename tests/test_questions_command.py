"""`sightdesk questions`: files that `sightdesk evaluate vqa` takes."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import Result

from adapters.rows import read_questions
from assistant.errors import InputError
from assistant.prompts import CANT_TELL
from tests.commands import invoke

SCENES = (
    ("dog", "grass"), ("boy", "pool"), ("woman", "street"), ("man", "mountain"), ("girl", "beach"),
    ("horse", "field"), ("cat", "sofa"), ("child", "swing"), ("skier", "snow"), ("bird", "tree"),
)  # fmt: skip


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    file = tmp_path / "captions.jsonl"
    rows = [
        {
            "image": f"{number}.jpg",
            "references": [
                f"A {who} with a red ball is near the {place} .",
                f"A {who} plays with a ball by the {place} .",
                f"The {who} holds a ball , the {place} behind .",
            ],
        }
        for number, (who, place) in enumerate(SCENES)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def run(*arguments: object) -> Result:
    return invoke("questions", *arguments)


def test_presence_is_half_no_and_can_tell_half_unanswerable(captions: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = run("--captions", captions, "--corpus", captions, "--out", out)
    assert result.exit_code == 0, result.output
    for hard in ("random", "popular", "co-occurring"):
        rows = read_questions(out / f"presence-{hard}.jsonl")
        answers = Counter(row.answer for row in rows)
        assert answers["Yes."] == answers["No."] == len(rows) / 2 > 0
        assert all(row.path.parent == tmp_path for row in rows)
    told = [row.answer == CANT_TELL for row in read_questions(out / "can-tell.jsonl")]
    assert told.count(True) == told.count(False) == len(SCENES)
    before = (out / "can-tell.jsonl").read_bytes()
    run("--captions", captions, "--corpus", captions, "--out", out)
    assert (out / "can-tell.jsonl").read_bytes() == before, "the same seed asks the same"


def test_easy_vqa_is_its_official_test(tmp_path: Path) -> None:
    assert run("--easy-vqa", "--out", tmp_path).exit_code == 0
    rows = read_questions(tmp_path / "easy-vqa-test.jsonl")
    assert len(rows) == 9673
    assert len({row.path for row in rows}) <= 1000
    assert all(row.path.is_file() for row in rows[::500])
    assert {row.answer for row in rows} >= {"yes", "no", "circle", "teal"}


def test_what_is_missing_is_named(captions: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --captions and --corpus"):
        run("--captions", captions, "--out", tmp_path)
    with pytest.raises(InputError, match="give --captions or --easy-vqa"):
        run("--out", tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written .*; choose another"):
        run("--captions", captions, "--corpus", captions, "--out", tmp_path / "file" / "x")
