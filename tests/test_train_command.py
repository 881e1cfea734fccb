"""`sightdesk train` from files to an adapter that the engine loads, on the tiny base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from adapters.features import FeatureStore
from assistant import llava
from assistant.engine import Engine
from assistant.errors import AdapterError, DataError, InputError
from tests import tiny
from tests.commands import invoke


@pytest.fixture(autouse=True)
def tiny_base(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny base in the embedded one's place."""
    monkeypatch.setattr(llava, "ensure_embedded", lambda *_: tiny.directory())


@pytest.fixture
def captions(tmp_path: Path) -> Path:
    folder = tmp_path / "scenes"
    folder.mkdir()
    names = [path.name for path in tiny.picture_files(folder, 3)]
    texts = ["A brown dog runs on the grass .", "Two men in red shirts play guitars ."]
    return write(folder, [{"image": name, "references": texts} for name in names])


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    folder = tmp_path / "goods"
    folder.mkdir()
    names = [path.name for path in tiny.picture_files(folder, 2)]
    rows: list[dict[str, Any]] = [{"image": names[0], "label": "Granny-Smith", "coarse_label": "A"}]
    return write(folder, [*rows, {"image": names[1], "label": "Kiwi"}])


def write(folder: Path, rows: list[dict[str, Any]]) -> Path:
    file = folder / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n\n" for row in rows), encoding="utf-8")
    return file


def run(*arguments: object) -> Result:
    return invoke("train", *arguments)


def test_from_files_to_answers(captions: Path, labels: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    common = ("--captions", captions, "--labels", labels, "--out", out, "--rank", 2)
    result = run(*common, "--steps", 2)
    assert result.exit_code == 0, result.output
    assert (out / "loss.png").is_file()
    engine = Engine.load(base=str(tiny.directory()), adapter=str(out / "adapter"))
    images = engine.encode_images([tiny.picture(seed) for seed in range(3)])
    assert {each.label for each in engine.label(images)} <= {"Granny-Smith", "Kiwi"}
    assert engine.labels == {"Granny-Smith": "A", "Kiwi": "Kiwi"}
    before = (out / "loss.csv").read_text()
    again = run(*common, "--steps", 3)
    assert again.exit_code == 0
    after = (out / "loss.csv").read_text()
    assert after.startswith(before), "more steps go on from the state"
    assert len(after.splitlines()) == len(before.splitlines()) + 1


def test_nothing_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --captions, --labels or --easy-vqa"):
        run("--out", tmp_path)


def test_rows_that_cannot_be_used_are_named(captions: Path, labels: Path, tmp_path: Path) -> None:
    with captions.open("a", encoding="utf-8") as rows:
        rows.write('{"image": "x.png", "references": "A dog runs ."}\n')
    with pytest.raises(DataError, match=r"rows\.jsonl:7: 'references' is no list of texts"):
        run("--captions", captions, "--out", tmp_path / "out")
    labels.write_text('{"image": "x.png"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"rows\.jsonl:1: the key 'label' is missing"):
        run("--labels", labels, "--out", tmp_path / "out")


def test_a_picture_that_is_not_there(labels: Path, tmp_path: Path) -> None:
    (labels.parent / "1.png").unlink()
    with pytest.raises(DataError, match=r"1\.png"):
        run("--labels", labels, "--out", tmp_path / "out", "--steps", 1)


def test_an_adapter_learns_on_from_rewards(captions: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run("--captions", captions, "--out", first, "--rank", 2, "--steps", 1).exit_code == 0
    result = run(
        "--captions", captions, "--out", second, "--rank", 2, "--steps", 2,
        "--from", first / "adapter", "--self-critical",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    about = json.loads((second / "adapter" / "sightdesk.json").read_text(encoding="utf-8"))
    assert about["recipe"]["self_critical"] is True
    assert about["recipe"]["projector_steps"] == 0
    assert [recipe["steps"] for recipe in about["earlier_recipes"]] == [1]
    Engine.load(base=str(tiny.directory()), adapter=str(second / "adapter"))


def test_going_on_keeps_labels_and_rank(captions: Path, labels: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    run("--labels", labels, "--out", first, "--rank", 2, "--steps", 1)
    run("--captions", captions, "--out", second, "--steps", 1, "--from", first / "adapter")
    about = json.loads((second / "adapter" / "sightdesk.json").read_text(encoding="utf-8"))
    assert about["labels"] == {"Granny-Smith": "A", "Kiwi": "Kiwi"}
    assert about["recipe"]["rank"] == 2


def test_a_run_is_not_gone_on_with_on_other_data(
    captions: Path, labels: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run("--captions", captions, "--out", out, "--rank", 2, "--steps", 1)
    with pytest.raises(DataError, match="on other data or from another adapter"):
        run("--captions", captions, "--labels", labels, "--out", out, "--rank", 2, "--steps", 2)


def test_what_would_fail_after_encoding_is_refused_at_once(
    captions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FeatureStore, "build", lambda *_, **__: pytest.fail("encoded"))
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be a folder .*; choose another --out"):
        run("--captions", captions, "--out", tmp_path / "file")
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"no C\+\+ compiler; install one, or leave --compile"):
        run("--captions", captions, "--out", tmp_path / "out", "--compile")


def test_rewards_need_captions_and_an_adapter(captions: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --captions and --from"):
        run("--captions", captions, "--out", tmp_path, "--self-critical")


def test_an_adapter_to_go_on_from_must_be_there(captions: Path, tmp_path: Path) -> None:
    with pytest.raises(AdapterError, match="There is no adapter 'nowhere'"):
        run("--captions", captions, "--out", tmp_path, "--from", "nowhere", "--steps", 1)
