"""Recalls of words and pictures: against a plain count, with ties, from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from adapters.evaluate import Options
from adapters.evaluate_cli import evaluate_app
from adapters.retrieval import judging
from adapters.retrieval.metrics import mean_average_precision, score_retrieval
from assistant import space
from assistant.errors import DataError, InputError, SightdeskError
from tests.tiny_space import COLOURS, TinySpace

KEYS = ["t2i_r1", "t2i_r5", "t2i_r10", "i2t_r1", "i2t_r5", "i2t_r10", "n"]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes rows of (colour of the picture, captions) and the pictures."""

    def writer(*rows: tuple[str, list[str]], name: str = "rows.jsonl") -> Path:
        lines = []
        for colour, references in rows:
            if not (tmp_path / f"{colour}.png").exists() and colour in COLOURS:
                Image.new("RGB", (8, 6), COLOURS[colour]).save(tmp_path / f"{colour}.png")
            lines.append(json.dumps({"image": f"{colour}.png", "references": references}))
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    return writer


def naive_rank(row: np.ndarray, right: set[int]) -> int:
    best = max(row[place] for place in right)
    return sum(value >= best for place, value in enumerate(row) if place not in right)


def test_recalls_are_what_counting_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(40, 6)).astype(np.float32)
    own = np.repeat(np.arange(40), 3)
    captions = images[own] + rng.normal(size=(120, 6)).astype(np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    captions /= np.linalg.norm(captions, axis=1, keepdims=True)
    scores, rankings = score_retrieval(images, captions, own)
    cosines = captions @ images.T
    text = [naive_rank(row, {int(own[k])}) for k, row in enumerate(cosines)]
    image = [naive_rank(row, {3 * k, 3 * k + 1, 3 * k + 2}) for k, row in enumerate(cosines.T)]
    for most in (1, 5, 10):
        assert getattr(scores, f"t2i_r{most}") == pytest.approx(np.mean(np.array(text) < most))
        assert getattr(scores, f"i2t_r{most}") == pytest.approx(np.mean(np.array(image) < most))
    assert scores.n == 40 and 0 < scores.t2i_r1 < 1
    assert (rankings.images[:, 0] == cosines.argmax(1)).all()
    assert rankings.images.shape == (120, 10) and rankings.captions.shape == (40, 10)
    # In portions the same is found.
    monkeypatch.setattr("adapters.retrieval.metrics._PORTION", 130)
    again, ranked = score_retrieval(images, captions, own)
    assert again == scores and (ranked.captions == rankings.captions).all()


def test_ties_count_against() -> None:
    same = np.full((12, 4), 0.5, np.float32)
    scores, rankings = score_retrieval(same, same, np.arange(12))
    assert (scores.t2i_r1, scores.t2i_r10, scores.i2t_r10) == (0, 0, 0)
    assert all(place not in row for place, row in enumerate(rankings.images))
    scores, _ = score_retrieval(same[:10], same[:10], np.arange(10))
    assert (scores.t2i_r5, scores.t2i_r10) == (0, 1)  # the last of ten


def test_average_precision() -> None:
    cosines = np.array([[0.9, 0.8, 0.7], [0.9, 0.8, 0.7], [0.5, 0.5, 0.5]], np.float32)
    right = np.array([[True, False, True], [False, False, False], [True, False, False]])
    # (1/1 + 2/3) / 2, one without an answer, and a tie of three in which the answer comes last.
    expected = ((1 + 2 / 3) / 2 + 1 / 3) / 2
    assert mean_average_precision(cosines, right) == pytest.approx(expected)
    assert mean_average_precision(cosines, np.zeros((3, 3), bool)) == 0


def test_pictures_and_captions_find_each_other(write: Write, tmp_path: Path) -> None:
    data = write(
        ("red", ["a red wall", "something red"]),
        ("blue", ["a blue wall", "a green wall"]),  # one that says something else
        ("green", ["a green wall"]),
    )
    told: list[tuple[int, int]] = []
    out = tmp_path / "predictions.jsonl"
    options = Options(
        predictions=out, batch_size=2, progress=lambda done, total: told.append((done, total))
    )
    found = judging.evaluate_retrieval(TinySpace(), data, options)
    assert list(found) == KEYS
    assert found["t2i_r1"] == pytest.approx(4 / 5) and found["t2i_r5"] == 1
    # The green picture has two captions alike, one of which is of another.
    assert found["i2t_r1"] == pytest.approx(2 / 3) and found["n"] == 3
    assert told[0] == (0, 7) and told[-1] == (7, 7)  # 3 pictures, 4 different captions
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert lines[0] == {"query": "a red wall", "ranked": ["red.png", "blue.png", "green.png"]}
    assert [list(line) for line in lines[:5]] == [["query", "ranked"]] * 5
    assert [line["image"] for line in lines[5:]] == ["red.png", "blue.png", "green.png"]
    assert set(lines[5]["ranked"][:2]) == {"a red wall", "something red"}


def test_rows_of_one_picture_are_one(write: Write) -> None:
    data = write(("red", ["a red wall"]), ("blue", ["blue"]), ("red", ["something red"]))
    found = judging.evaluate_retrieval(TinySpace(), data)
    assert found == dict.fromkeys(KEYS[:6], 1.0) | {"n": 2}


def test_what_cannot_be_used_is_told_before_anything_is_embedded(
    write: Write, tmp_path: Path
) -> None:
    data = write(("red", ["a red wall"]), ("plaid", ["a plaid wall"]))
    with pytest.raises(DataError, match=r"rows.jsonl:2: there is no image file 'plaid.png'"):
        judging.evaluate_retrieval(TinySpace(), data)
    (tmp_path / "plaid.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"rows.jsonl:2: the image 'plaid.png' cannot be used"):
        judging.evaluate_retrieval(TinySpace(), data)
    found = judging.evaluate_retrieval(TinySpace(), data, Options(skip_bad=True))
    assert found["n"] == 1 and found["skipped"] == 1 and found["t2i_r1"] == 1
    with pytest.raises(InputError, match="name another"):
        judging.evaluate_retrieval(TinySpace(), write(("red", ["x"])), Options(predictions=data))


def test_the_command(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named: list[str | None] = []

    def embedder(name: str | None) -> TinySpace:
        named.append(name)
        return TinySpace()

    monkeypatch.setattr(space, "picture_embedder", embedder)
    data = write(("red", ["a red wall"]), ("blue", ["a blue wall"]))
    arguments = ["retrieval", "--data", str(data), "--embedder", "mine", "--json"]
    done = CliRunner().invoke(evaluate_app, arguments)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert list(found) == KEYS and all(0 <= found[key] <= 1 for key in KEYS[:6])
    assert named == ["mine"]
    done = CliRunner().invoke(evaluate_app, ["retrieval", "--data", str(tmp_path / "none.jsonl")])
    assert isinstance(done.exception, SightdeskError) and "cannot be read" in str(done.exception)
