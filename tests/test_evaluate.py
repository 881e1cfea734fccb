"""Evaluation with a scripted engine: what is asked, what is written, what bad rows say."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from PIL import Image
from typer.testing import CliRunner

from adapters.evaluate import Options, evaluate_captions, evaluate_labels, evaluate_vqa
from adapters.evaluate_cli import evaluate_app
from assistant import engine as engine_module
from assistant.engine import Answer, EncodedImage, Engine, Sampling, Turn
from assistant.errors import DataError, InputError, SightdeskError
from assistant.images import LoadedImage
from assistant.labelling import Labelled
from assistant.prompts import CANT_TELL

Record = dict[str, Any]
Write = Callable[..., Path]


class ScriptedEngine:
    """Answers from the width of the picture, and remembers what it was asked."""

    def __init__(self, reply: Callable[[int, str], str]) -> None:
        self.reply = reply
        self.labels: dict[str, str] = {}
        self.encoded: list[list[int]] = []
        self.calls: list[SimpleNamespace] = []

    def encode_images(self, images: Sequence[LoadedImage]) -> list[EncodedImage]:
        self.encoded.append([image.width for image in images])
        return [
            cast("EncodedImage", SimpleNamespace(id=image.id, width=image.width))
            for image in images
        ]

    def describe(
        self, images: Sequence[Any], *, detail: str, mode: str, seed: int | None = None
    ) -> list[Answer]:
        self.calls.append(SimpleNamespace(n=len(images), detail=detail, mode=mode, seed=seed))
        return [self._answer(image.width, "") for image in images]

    def generate_batch(
        self, conversations: Sequence[tuple[Sequence[Turn], Sequence[Any]]], *, sampling: Sampling
    ) -> list[Answer]:
        self.calls.append(SimpleNamespace(conversations=conversations, sampling=sampling))
        return [self._answer(images[0].width, turns[0].text) for turns, images in conversations]

    def label(self, images: Sequence[Any]) -> list[Labelled]:
        self.calls.append(SimpleNamespace(n=len(images)))
        names = [self.reply(image.width, "") for image in images]
        return [Labelled(None, None, 0.4, ((name, 0.4), ("other", 0.3))) for name in names]

    def _answer(self, width: int, question: str) -> Answer:
        text = self.reply(width, question)
        return Answer(text=text, tokens=len(text.split()), seconds=0.0, finish="stop")


def scripted(reply: Callable[[int, str], str] | dict[int, str] | str) -> Any:
    if isinstance(reply, str):
        return ScriptedEngine(lambda width, question: reply)
    if isinstance(reply, dict):
        return ScriptedEngine(lambda width, question: reply[width])
    return ScriptedEngine(reply)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes data/rows.jsonl, and for each width w an image data/img/w.png of w × 2 pixels."""
    folder = tmp_path / "data"
    (folder / "img").mkdir(parents=True)

    def rows(records: Sequence[Record | str | bytes], widths: Sequence[int] = (1, 2, 3, 4)) -> Path:
        for width in widths:
            Image.new("RGB", (width, 2), (10 * width, 0, 0)).save(folder / f"img/{width}.png")
        data = folder / "rows.jsonl"
        data.write_bytes(
            b"\n".join(
                row
                if isinstance(row, bytes)
                else (row if isinstance(row, str) else json.dumps(row)).encode()
                for row in records
            )
        )
        return data

    return rows


def caption(width: int, *references: str) -> Record:
    return {"image": f"img/{width}.png", "references": list(references) or ["A dog runs ."]}


def question(width: int, text: str, answer: str) -> Record:
    return {"image": f"img/{width}.png", "question": text, "answer": answer}


def label(width: int, fine: str, coarse: str | None = None) -> Record:
    row = {"image": f"img/{width}.png", "label": fine}
    return row if coarse is None else {**row, "coarse_label": coarse}


def predictions_of(path: Path) -> list[Record]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_captions(write: Write) -> None:
    data = write([caption(1, "A dog runs on grass ."), caption(2, "Two men play some music .")])
    engine = scripted({1: "A dog runs on grass.", 2: "Two men play some music."})
    results = evaluate_captions(engine, data)
    assert list(results) == [
        *("bleu1", "bleu2", "bleu3", "bleu4", "rougeL", "cider", "n", "seconds"),
    ]
    assert results["bleu4"] == pytest.approx(1.0)
    assert results["rougeL"] == pytest.approx(1.0)
    assert results["cider"] == pytest.approx(10.0)
    assert results["n"] == 2
    assert isinstance(results["seconds"], float)


def test_captions_are_asked_for_in_batches(write: Write) -> None:
    data = write([caption(width) for width in (1, 2, 3)])
    engine = scripted("A dog.")
    steps: list[tuple[int, int]] = []
    options = Options(
        batch_size=2, seed=7, progress=lambda done, total: steps.append((done, total))
    )
    evaluate_captions(engine, data, options, detail="short", mode="greedy")
    assert engine.encoded == [[1, 2], [3]]
    assert [vars(call) for call in engine.calls] == [
        {"n": 2, "detail": "short", "mode": "greedy", "seed": 7},
        {"n": 1, "detail": "short", "mode": "greedy", "seed": 7},
    ]
    assert steps == [(0, 3), (2, 3), (3, 3)]


def test_vqa(write: Write) -> None:
    data = write(
        [
            question(1, "Is it red?", "yes"),
            question(1, "Is it blue?", "no"),
            question(1, "What colour is it?", "red"),
        ]
    )
    results = evaluate_vqa(scripted(lambda w, q: "Red." if "What" in q else "Yes"), data)
    assert list(results) == [
        *("accuracy", "accuracy_yes_no", "accuracy_open"),
        *("told_unanswerable", "refused_answerable", "n", "seconds"),
    ]
    assert results["accuracy"] == pytest.approx(2 / 3)
    assert (results["accuracy_yes_no"], results["accuracy_open"]) == (0.5, 1.0)
    assert results["n"] == 3


def test_vqa_without_yes_no_questions(write: Write) -> None:
    results = evaluate_vqa(scripted("red"), write([question(1, "Which colour?", "red")]))
    assert results["accuracy_yes_no"] is None


def test_vqa_counts_refusals(write: Write) -> None:
    rows = [
        question(1, "How much does it cost?", CANT_TELL),
        question(2, "How much does it cost?", CANT_TELL),
        *(question(width, "Is it red?", "yes") for width in (1, 2, 3, 4)),
    ]
    results = evaluate_vqa(scripted({1: CANT_TELL, 2: "yes", 3: "yes", 4: "no"}), write(rows))
    assert (results["told_unanswerable"], results["refused_answerable"]) == (0.5, 0.25)
    assert (results["accuracy"], results["accuracy_yes_no"]) == (0.5, 0.5)
    results = evaluate_vqa(scripted("yes"), write(rows[2:]))
    assert (results["told_unanswerable"], results["refused_answerable"]) == (None, 0.0)
    results = evaluate_vqa(scripted("yes"), write(rows[:2]))
    assert (results["told_unanswerable"], results["refused_answerable"]) == (0.0, None)


def test_a_picture_with_many_questions_is_encoded_once(write: Write, tmp_path: Path) -> None:
    data = write([question(w, f"{n}?", f"{w}{n}") for n in range(3) for w in (1, 2)])
    engine = scripted(lambda width, text: f"{width}{text}")
    out = tmp_path / "out.jsonl"
    results = evaluate_vqa(engine, data, Options(batch_size=4, predictions=out))
    assert results["accuracy"] == 1.0
    assert engine.encoded == [[1, 2]]
    assert [len(call.conversations) for call in engine.calls] == [4, 2]
    (turn,), (image,) = engine.calls[0].conversations[1]
    assert (turn.role, turn.text, turn.images) == ("user", "1?", (image.id,))
    assert engine.calls[0].sampling.temperature == 0.0
    assert predictions_of(out) == [
        {"image": f"img/{w}.png", "question": f"{n}?", "prediction": f"{w}{n}?"}
        for w in (1, 2)
        for n in range(3)
    ]


def test_labels(write: Write) -> None:
    data = write(
        [
            label(1, "Royal-Gala", "Apple"),
            label(2, "Pink-Lady", "Apple"),
            label(3, "Leek", "Leek"),
            label(4, "Lime"),
        ]
    )
    engine = scripted({1: "Royal-Gala", 2: "Royal-Gala", 3: "Lime", 4: "lime"})
    results = evaluate_labels(engine, data)
    assert list(results) == ["accuracy_fine", "accuracy_coarse", "n", "seconds"]
    assert (results["accuracy_fine"], results["n"]) == (0.5, 4)
    assert results["accuracy_coarse"] == pytest.approx(2 / 3)


def test_labels_without_coarse_labels(write: Write) -> None:
    results = evaluate_labels(scripted("Lime"), write([label(1, "Lime")]))
    assert (results["accuracy_fine"], results["accuracy_coarse"]) == (1.0, None)


def test_coarse_labels_are_learnt_from_rows_outside_the_sample(write: Write) -> None:
    data = write([label(w, f"kind-{w}", "Apple") for w in (1, 2, 3, 4)])
    results = evaluate_labels(scripted(lambda w, q: f"kind-{5 - w}"), data, Options(limit=1))
    assert (results["accuracy_fine"], results["accuracy_coarse"]) == (0.0, 1.0)


def test_labels_that_the_engine_knows(write: Write) -> None:
    data, engine = write([label(1, "Orange")]), scripted("Orange-Bell-Pepper")
    assert evaluate_labels(engine, data)["accuracy_fine"] == 1.0
    known = ["Orange", "Orange-Bell-Pepper"]
    assert evaluate_labels(engine, data, known_labels=known)["accuracy_fine"] == 0.0


def test_a_label_has_one_coarse_label(write: Write) -> None:
    data = write([label(1, "Lime", "Citrus"), label(2, "Lime", "Green")])
    with pytest.raises(DataError, match=r"rows\.jsonl:2: .*'Green'.*'Citrus'"):
        evaluate_labels(scripted("Lime"), data)


def test_limit_draws_a_seeded_sample_in_file_order(write: Write) -> None:
    data = write([caption(width) for width in range(1, 41)], range(1, 41))

    def drawn(limit: int, seed: int = 0) -> list[int]:
        engine = scripted("A dog.")
        results = evaluate_captions(engine, data, Options(limit=limit, seed=seed))
        widths = [width for batch in engine.encoded for width in batch]
        assert results["n"] == len(widths)
        return widths

    sample = drawn(10)
    assert len(set(sample)) == 10
    assert sample == sorted(sample)
    assert sample != list(range(1, 11))
    assert sample == drawn(10)
    assert sample != drawn(10, seed=1)
    assert drawn(40) == drawn(99) == list(range(1, 41))


def test_predictions_are_written_as_they_arrive(write: Write, tmp_path: Path) -> None:
    data = write([caption(1), {**caption(2), "image": "./img/2.png"}, caption(3)])
    out = tmp_path / "out.jsonl"
    seen: list[list[Record]] = []

    def reply(width: int, text: str) -> str:
        seen.append(predictions_of(out))
        if width == 3:
            raise KeyboardInterrupt
        return "Ein Hund\nläuft"

    with pytest.raises(KeyboardInterrupt):
        evaluate_captions(scripted(reply), data, Options(batch_size=1, predictions=out))
    written = [
        {"image": "img/1.png", "prediction": "Ein Hund\nläuft"},
        {"image": "./img/2.png", "prediction": "Ein Hund\nläuft"},
    ]
    assert seen == [[], written[:1], written]
    assert predictions_of(out) == written


def test_predictions_must_be_writable(write: Write, tmp_path: Path) -> None:
    data = write([caption(1)])
    with pytest.raises(InputError, match="none"):
        evaluate_captions(scripted(""), data, Options(predictions=tmp_path / "none/out.jsonl"))
    with pytest.raises(InputError, match="data file"):
        evaluate_captions(scripted(""), data, Options(predictions=data))
    assert json.loads(data.read_text()) == caption(1)


def test_blank_lines_windows_line_ends_and_a_byte_order_mark(write: Write) -> None:
    row = json.dumps(caption(1)).encode()
    data = write([b"\xef\xbb\xbf" + row + b"\r", b"", b"  \r", row, b""])
    assert evaluate_captions(scripted("A dog."), data)["n"] == 2


def test_paths_may_be_absolute(write: Write, tmp_path: Path) -> None:
    path = str(tmp_path / "data/img/1.png")
    data = write([{**caption(1), "image": path}])
    out = tmp_path / "out.jsonl"
    evaluate_captions(scripted("A dog."), data, Options(predictions=out))
    assert predictions_of(out)[0]["image"] == path


EVALUATE: dict[str, Callable[..., Any]] = {
    "captions": evaluate_captions,
    "vqa": evaluate_vqa,
    "labels": evaluate_labels,
}
GOOD: dict[str, Record] = {
    "captions": caption(1),
    "vqa": question(1, "Is it?", "yes"),
    "labels": label(1, "Lime", "Citrus"),
}
NO_JSON = [
    b"{'image': 1}",
    b"nonsense",
    b"\xff\xfe",
    b"[1]",
    b'"text"',
    b"null",
    b"[" * 100_000,
    b'{"image": "img/1.png", "references": ["\\ud83d"], "question": "\\ud83d", "label": "\\ud83d"}',
]
BAD_VALUES: dict[str, list[object]] = {
    "image": [None, 3, "", " ", [], "img", "img/9.png", "img/\0.png", "x" * 5_000],
    "references": [None, "text", [], [3], ["a dog", None], [""], ["..."]],
    "question": [None, 3, "", " "],
    "answer": [None, 3, True, ["yes"], ""],
    "label": [None, 3, "", []],
    "coarse_label": [3, "", []],
}


@pytest.mark.parametrize("kind", EVALUATE)
@pytest.mark.parametrize("row", NO_JSON)
def test_rows_that_are_no_objects(write: Write, kind: str, row: bytes) -> None:
    data = write([GOOD[kind], "", row])
    with pytest.raises(DataError, match=r"rows\.jsonl:3: .*JSON"):
        EVALUATE[kind](scripted(""), data)


@pytest.mark.parametrize(
    ("kind", "key"), [(k, key) for k, row in GOOD.items() for key in row if key != "coarse_label"]
)
def test_missing_keys(write: Write, kind: str, key: str) -> None:
    row = {name: value for name, value in GOOD[kind].items() if name != key}
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: .*'{key}'"):
        EVALUATE[kind](scripted(""), write([GOOD[kind], row]))


@pytest.mark.parametrize(
    ("kind", "key", "value"),
    [(kind, key, value) for kind, row in GOOD.items() for key in row for value in BAD_VALUES[key]],
)
def test_values_that_cannot_be_used(write: Write, kind: str, key: str, value: object) -> None:
    engine = scripted("")
    with pytest.raises(DataError, match=r"rows\.jsonl:2: .*\.$") as caught:
        EVALUATE[kind](engine, write([GOOD[kind], {**GOOD[kind], key: value}]), Options(limit=1))
    assert "\n" not in str(caught.value)
    assert engine.encoded == []


@pytest.mark.parametrize("kind", EVALUATE)
def test_files_that_cannot_be_used(write: Write, tmp_path: Path, kind: str) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read"):
        EVALUATE[kind](scripted(""), tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="cannot be read"):
        EVALUATE[kind](scripted(""), tmp_path)
    for rows in ([], ["", "  "]):
        with pytest.raises(DataError, match="holds no rows"):
            EVALUATE[kind](scripted(""), write(rows))


def with_bad_images(write: Write, tmp_path: Path) -> Path:
    (tmp_path / "data/img/text.png").write_text("no picture")
    return write(
        [
            question(1, "Is it?", "yes"),
            *(question(0, text, "yes") | {"image": "img/text.png"} for text in ("Is it?", "Is?")),
            question(9, "Is it?", "yes"),
        ]
    )


def test_a_bad_image_names_its_row(write: Write, tmp_path: Path) -> None:
    (tmp_path / "data/img/text.png").write_text("no picture")
    data = write([caption(1), {**caption(2), "image": "img/text.png"}])
    with pytest.raises(DataError, match=r"rows\.jsonl:2: .*img/text\.png.*--skip-bad"):
        evaluate_captions(scripted("A dog."), data)


def test_bad_images_can_be_skipped(write: Write, tmp_path: Path) -> None:
    data = with_bad_images(write, tmp_path)
    out = tmp_path / "out.jsonl"
    steps: list[tuple[int, int]] = []
    options = Options(
        skip_bad=True, predictions=out, progress=lambda done, total: steps.append((done, total))
    )
    results = evaluate_vqa(scripted("yes"), data, options)
    assert list(results)[-3:] == ["n", "seconds", "skipped"]
    assert (results["accuracy"], results["n"], results["skipped"]) == (1.0, 1, 3)
    assert len(predictions_of(out)) == 1
    assert (steps[0], steps[-1]) == ((0, 4), (4, 4))


def test_progress_reaches_the_end_when_the_last_images_are_bad(write: Write) -> None:
    steps: list[tuple[int, int]] = []
    options = Options(
        skip_bad=True, batch_size=1, progress=lambda done, total: steps.append((done, total))
    )
    evaluate_captions(scripted("A dog."), write([caption(1), caption(8), caption(9)]), options)
    assert steps == [(0, 3), (1, 3), (3, 3)]


def test_the_first_missing_image_is_named(write: Write) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl:2: "):
        evaluate_captions(scripted(""), write([caption(1), caption(8), caption(9), caption(8)]))


def test_nothing_but_bad_images(write: Write) -> None:
    data = write([caption(8), caption(9)])
    results = evaluate_captions(scripted(""), data, Options(skip_bad=True))
    assert (results["bleu4"], results["cider"]) == (None, None)
    assert (results["n"], results["skipped"]) == (0, 2)


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": -1}, {"batch_size": 0}])
def test_options_that_cannot_be_used(wrong: dict[str, int]) -> None:
    with pytest.raises(InputError):
        Options(**cast("Any", wrong))


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """`Engine.load` gives a scripted engine and notes its arguments."""
    calls: list[tuple[object, ...]] = []

    def load(
        base: str | None = None,
        adapter: str | None = None,
        *,
        quantize: str | None = None,
        settings: object = None,
        progress: Callable[[str, float | None], None] | None = None,
    ) -> Engine:
        calls.append((base, adapter, quantize))
        assert progress is not None
        progress("Reading weights", None)
        progress("Reading weights", 0.5)
        return cast("Engine", scripted("yes"))

    monkeypatch.setattr(engine_module, "Engine", SimpleNamespace(load=load))
    return calls


def test_command_prints_one_json_object(
    write: Write, tmp_path: Path, loaded: list[tuple[object, ...]]
) -> None:
    data = write([question(1, "Is it?", "yes"), question(2, "Is it?", "no")])
    out = tmp_path / "out.jsonl"
    command = ["vqa", "--data", str(data), "--adapter", "mine", "--base", "some/base", "--json"]
    command += ["--quantize", "nf4"]
    command += ["--limit", "2", "--seed", "3", "--batch-size", "1", "--predictions", str(out)]
    result = CliRunner().invoke(evaluate_app, command)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["accuracy"] == 0.5
    assert result.stdout.count("\n") == 1
    assert loaded == [("some/base", "mine", "nf4")]
    assert len(predictions_of(out)) == 2


def test_command_shows_refusals(write: Write, loaded: list[tuple[object, ...]]) -> None:
    command = ["vqa", "--data", str(write([question(1, "Is it?", "yes")]))]
    as_json = json.loads(CliRunner().invoke(evaluate_app, [*command, "--json"]).stdout)
    assert (as_json["told_unanswerable"], as_json["refused_answerable"]) == (None, 0.0)
    table = CliRunner().invoke(evaluate_app, command).stdout
    rows = dict(line.strip("│ ").split("│") for line in table.splitlines() if "answerable" in line)
    shown = {name.strip(): value.strip() for name, value in rows.items()}
    assert shown == {"told_unanswerable": "-", "refused_answerable": "0.0000"}


@pytest.mark.parametrize("kind", EVALUATE)
def test_command_prints_a_table(write: Write, kind: str, loaded: list[tuple[object, ...]]) -> None:
    result = CliRunner().invoke(evaluate_app, [kind, "--data", str(write([GOOD[kind]]))])
    assert result.exit_code == 0, result.output
    assert "seconds" in result.stdout
    assert "Evaluating" not in result.stdout


def test_command_takes_detail_and_mode(write: Write, loaded: list[tuple[object, ...]]) -> None:
    command = ["captions", "--data", str(write([caption(1)]))]
    good = CliRunner().invoke(evaluate_app, [*command, "--detail", "detailed", "--mode", "sample"])
    assert good.exit_code == 0, good.output
    assert CliRunner().invoke(evaluate_app, [*command, "--mode", "wild"]).exit_code == 2


def test_command_checks_the_data_before_it_loads_a_model(
    write: Write, loaded: list[tuple[object, ...]]
) -> None:
    result = CliRunner().invoke(evaluate_app, ["labels", "--data", str(write([label(9, "Lime")]))])
    assert isinstance(result.exception, SightdeskError)
    assert result.stdout == ""
    assert loaded == []


def test_help_does_not_import_torch() -> None:
    code = "import sys, adapters.evaluate_cli; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
