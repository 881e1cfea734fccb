"""Readers of data sets: what each gets out of its format, and in which words it refuses a row."""

from __future__ import annotations

import base64
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters.data import notes as notes_module
from adapters.data import places, records
from adapters.data.form import Dataset, Exchange
from adapters.data.formats import FORMATS, read_dataset
from adapters.data.kinds import KINDS
from adapters.data.notes import MAX_IMAGES, MAX_TURNS
from adapters.rows import MAX_CHARACTERS, MAX_REFERENCES, MAX_ROW_BYTES
from assistant.errors import DataError, InputError
from assistant.images import open_image
from assistant.settings import Settings, get_settings
from assistant.store import NewExchange, Store
from tests.pictures import put, scene, write_rows

ASK: dict[str, Any] = {"from": "human", "value": "<image>\nWhat is it?"}
TELL: dict[str, Any] = {"from": "gpt", "value": "A pear."}
LLAVA: dict[str, Any] = {"id": 1, "image": "a.jpg", "conversations": [ASK, TELL]}
PART: dict[str, Any] = {"type": "image_url", "image_url": {"url": "a.jpg"}}
TEXT: dict[str, Any] = {"type": "text", "text": "What is it?"}
ANSWER: dict[str, Any] = {"role": "assistant", "content": "A pear."}
MESSAGES: dict[str, Any] = {"messages": [{"role": "user", "content": [PART, TEXT]}, ANSWER]}


def kinds(dataset: Dataset) -> list[str]:
    return [finding.kind for finding in dataset.findings]


@pytest.fixture
def only(tmp_path: Path) -> Callable[..., tuple[str, str]]:
    """Reads one bad row between two good ones: the kind and message of the one finding."""

    def read(row: dict[str, Any] | bytes, good: dict[str, Any]) -> tuple[str, str]:
        file = write_rows(tmp_path / "rows.jsonl", good, row, good)
        dataset = read_dataset(file)
        assert len(dataset.examples) == 2
        (finding,) = (one for one in dataset.findings if one.kind != "mixed-image-field")
        assert finding.where == f"{file}:2" and finding.severity == "error"
        assert finding.kind in KINDS and finding.message.endswith(".")
        return finding.kind, finding.message

    return read


def test_own_rows_of_all_kinds_in_one_file(tmp_path: Path) -> None:
    file = write_rows(
        tmp_path / "rows.jsonl",
        {"image": "a.jpg", "references": ["A dog runs .", "A dog ."]},
        "",
        {"image": "b.jpg", "question": "Is it red?", "answer": "no", "split": "Validation"},
        {"image": "/c.jpg", "label": " Royal-Gala ", "coarse_label": "Apple", "more": 1},
        {"image": ["a.jpg", "b.jpg"], "question": "<image><image>\nWhich is red?", "answer": "b"},
    )
    dataset = read_dataset(file)
    captions, question, label, two = dataset.examples
    assert dataset.format == "jsonl" and dataset.name == "rows.jsonl"
    assert captions.references == ("A dog runs .", "A dog .") and captions.where == f"{file}:1"
    assert captions.images == (tmp_path / "a.jpg",)
    assert question.exchanges == (Exchange("Is it red?", "no"),) and question.where == f"{file}:3"
    assert question.split == "val"
    assert (label.label, label.coarse_label) == ("Royal-Gala", "Apple")
    assert label.images == (Path("/c.jpg"),)
    assert two.images == (tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert two.exchanges[0].question == "Which is red?"
    assert kinds(dataset) == ["mixed-image-field"] and dataset.findings[0].severity == "warning"
    assert dataset.labels == {"Royal-Gala": "Apple"}


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (b"{", "not-json"),
        (b"\xff{}", "not-json"),
        (b"[" * 100_000, "not-json"),
        (b"[1]", "not-json"),
        (b'{"image": "a.jpg", "label": "%s"}' % (b"x" * MAX_ROW_BYTES), "long-row"),
        ({"label": "Pear"}, "missing-key"),
        ({"image": 3, "label": "Pear"}, "bad-image-field"),
        ({"image": [], "label": "Pear"}, "bad-image-field"),
        ({"image": ["a.jpg", 3], "label": "Pear"}, "bad-image-field"),
        ({"image": "a\0.jpg", "label": "Pear"}, "bad-image-field"),
        ({"image": "file://elsewhere/a.jpg", "label": "Pear"}, "bad-image-field"),
        ({"image": " ", "label": "Pear"}, "empty-text"),
        ({"image": "a" * 5000, "label": "Pear"}, "long-text"),
        ({"image": ["a.jpg"] * (MAX_IMAGES + 1), "label": "Pear"}, "too-many-images"),
        ({"image": "https://example.org/a.jpg", "label": "Pear"}, "remote-image"),
        ({"image": "a.jpg"}, "nothing-to-learn"),
        ({"image": "a.jpg", "label": ""}, "empty-text"),
        ({"image": "a.jpg", "label": 7}, "bad-value"),
        ({"image": "a.jpg", "label": "x" * 300}, "long-text"),
        ({"image": "a.jpg", "references": "A dog."}, "bad-value"),
        ({"image": "a.jpg", "references": []}, "bad-value"),
        ({"image": "a.jpg", "references": ["A dog.", " "]}, "empty-text"),
        ({"image": "a.jpg", "references": ["x"] * (MAX_REFERENCES + 1)}, "long-row"),
        ({"image": "a.jpg", "references": ["x" * (MAX_CHARACTERS + 1)]}, "long-text"),
        ({"image": "a.jpg", "references": ["\ud83d"]}, "bad-value"),
        ({"image": "a.jpg", "references": ["An <image>."]}, "image-marks"),
        ({"image": "a.jpg", "question": "Is it red?"}, "missing-key"),
        ({"image": "a.jpg", "question": "Is it red?", "answer": " \n"}, "empty-text"),
        ({"image": "a.jpg", "question": "<image>", "answer": "no"}, "empty-text"),
        ({"image": "a.jpg", "question": "<image><image> Red?", "answer": "no"}, "image-marks"),
        ({"image": "a.jpg", "label": "Pear", "split": 3}, "bad-value"),
    ],
)
def test_own_rows_that_are_refused(
    only: Callable[..., tuple[str, str]], row: dict[str, Any] | bytes, kind: str
) -> None:
    assert only(row, {"image": "a.jpg", "label": "Pear"})[0] == kind


def test_llava_as_list_and_as_lines(tmp_path: Path) -> None:
    more = [{"from": "human", "value": "Is it ripe?"}, {"from": "gpt", "value": "Yes."}]
    rows: list[dict[str, Any]] = [
        {**LLAVA, "conversations": [{"from": "system", "value": "Be kind."}, ASK, TELL, *more]},
        {
            "id": "b",
            "image": ["a.jpg", "b.jpg"],
            "conversations": [{"from": "human", "value": "Is <image> older than <image>?"}, TELL],
        },
    ]
    (tmp_path / "list.json").write_text(json.dumps(rows, indent=1))
    listed = read_dataset(tmp_path / "list.json")
    lines = read_dataset(write_rows(tmp_path / "lines.jsonl", *rows))
    assert listed.format == lines.format == "llava"
    first, second = listed.examples
    assert first.exchanges == (
        Exchange("What is it?", "A pear."),
        Exchange("Is it ripe?", "Yes."),
    )
    assert first.where == f"{tmp_path / 'list.json'}:2"
    assert second.images == (tmp_path / "a.jpg", tmp_path / "b.jpg")
    assert second.exchanges[0].question == "Is older than ?"
    assert [one.exchanges for one in lines.examples] == [one.exchanges for one in listed.examples]
    assert lines.examples[1].where == f"{tmp_path / 'lines.jsonl'}:2"
    assert kinds(listed) == ["system-message", "mixed-image-field", "mark-inside"]


@pytest.mark.parametrize(
    ("change", "kind", "said"),
    [
        ({"image": None}, "image-marks", "row has 0"),
        ({"image": ["a.jpg", "b.jpg"]}, "image-marks", "row has 2"),
        (
            {"conversations": [{**ASK, "value": "What is it?"}, TELL]},
            "image-marks",
            "marks 0 pictures",
        ),
        ({"image": None, "conversations": [{**ASK, "value": "Hi"}, TELL]}, "no-image", "no pict"),
        ({"conversations": None}, "missing-key", "conversations"),
        ({"conversations": []}, "turn-order", "empty"),
        ({"conversations": [TELL, ASK]}, "turn-order", "Turn 1"),
        ({"conversations": [ASK, TELL, TELL]}, "turn-order", "Turn 3"),
        ({"conversations": [ASK]}, "turn-order", "no answer"),
        ({"conversations": [ASK, 3]}, "bad-value", "Turn 2"),
        ({"conversations": [{**ASK, "from": "\x1b[31mme"}, TELL]}, "turn-order", "?[31mme"),
        ({"conversations": [{**ASK, "from": ["human"]}, TELL]}, "turn-order", "nobody"),
        ({"conversations": [ASK, {**TELL, "value": ""}]}, "empty-text", "Turn 2"),
        ({"conversations": [ASK, {**TELL, "value": "An <image>."}]}, "image-marks", "turn 2"),
        ({"conversations": [ASK, TELL, ASK, TELL]}, "late-image", "turn 3"),
        ({"conversations": [ASK, TELL] * MAX_TURNS}, "long-row", f"{MAX_TURNS} or fewer"),
    ],
)
def test_llava_rows_that_are_refused(
    only: Callable[..., tuple[str, str]], change: dict[str, Any], kind: str, said: str
) -> None:
    found, message = only({**LLAVA, **change}, LLAVA)
    assert found == kind and said in message


def test_a_damaged_list_keeps_what_stands_before(tmp_path: Path) -> None:
    file = tmp_path / "cut.json"
    row = json.dumps(LLAVA)
    file.write_text(f'[{row},\n 5,\n {row},\n {{"id": ')
    dataset = read_dataset(file)
    assert [one.where for one in dataset.examples] == [f"{file}:1", f"{file}:3"]
    assert [one.where for one in dataset.findings] == [f"{file}:2", f"{file}:4"]
    assert "cut off" in dataset.findings[1].message
    file.write_text(f"[{row}\n{row}]")
    assert [one.where for one in read_dataset(file).findings] == [f"{file}:2"]
    file.write_text(f"\ufeff[{row}, ]")
    assert not read_dataset(file).findings


def test_messages(tmp_path: Path) -> None:
    picture = put(tmp_path / "elsewhere" / "ä b.png", 1)
    data = base64.b64encode(picture.read_bytes()).decode()
    inside = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}
    local = {"type": "image_url", "image_url": picture.as_uri()}
    file = write_rows(
        tmp_path / "chat.jsonl",
        MESSAGES,
        {
            "messages": [
                {"role": "developer", "content": "Be kind."},
                {"role": "user", "content": [TEXT, inside, local]},
                {**ANSWER, "weight": 0},
                {"role": "user", "content": "Sure?"},
                {"role": "assistant", "content": [{"type": "text", "text": "Yes."}]},
            ]
        },
        {
            "messages": [{"role": "user", "content": "<image>What is it?"}, ANSWER],
            "images": ["a.jpg"],
        },
    )
    dataset = read_dataset(file)
    one, two, beside = dataset.examples
    assert dataset.format == "messages"
    assert one.images == (tmp_path / "a.jpg",)
    assert one.exchanges == (Exchange("What is it?", "A pear."),)
    unpacked, local_path = two.images
    assert local_path == picture
    assert unpacked.is_relative_to(get_settings().cache_dir)
    assert unpacked.read_bytes() == picture.read_bytes()
    assert two.exchanges == (Exchange("What is it?", "A pear.", 0.0), Exchange("Sure?", "Yes."))
    assert beside.images == (tmp_path / "a.jpg",) and beside.exchanges == one.exchanges
    assert kinds(dataset) == ["system-message"]
    # The same bytes are written once, and nothing else is left there.
    read_dataset(file)
    assert [path for path in unpacked.parent.parent.rglob("*") if path.is_file()] == [unpacked]


def _content(*parts: object) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}, ANSWER]}


def _url(url: object) -> dict[str, Any]:
    return _content(TEXT, {"type": "image_url", "image_url": {"url": url}})


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        (_url("https://example.org/a.jpg"), "remote-image"),
        (_url("data:image/png;base64,@@@"), "bad-data-uri"),
        (_url("data:image/png;base64,"), "bad-data-uri"),
        (_url("data:text/html,hello"), "bad-data-uri"),
        (_url("data:image/svg+xml,hello"), "bad-data-uri"),
        (_url(f"data:image/png;base64,{'A' * 4000}"), "bad-data-uri"),
        (_url(None), "bad-image-field"),
        (_content(TEXT, {"type": "input_audio"}), "bad-value"),
        (_content(TEXT, 5), "bad-value"),
        (_content(TEXT, *[PART] * (MAX_IMAGES + 1)), "too-many-images"),
        (_content(*[TEXT] * 201), "long-row"),
        (_content(PART), "empty-text"),
        (_content(TEXT), "no-image"),
        (_content(PART, {"type": "text", "text": "An <image>."}), "image-marks"),
        ({**MESSAGES, "image": "b.jpg"}, "image-marks"),
        ({**MESSAGES, "more": "x" * MAX_ROW_BYTES}, "long-row"),
        ({"messages": {}}, "missing-key"),
        ({"messages": [3]}, "bad-value"),
        ({"messages": [*MESSAGES["messages"], {"role": "tool", "content": "5"}]}, "turn-order"),
        ({"messages": [MESSAGES["messages"][0], {**ANSWER, "weight": "1"}]}, "bad-value"),
        ({"messages": [MESSAGES["messages"][0], {**ANSWER, "weight": True}]}, "bad-value"),
        ({"messages": [MESSAGES["messages"][0], {**ANSWER, "weight": 0}]}, "nothing-to-learn"),
        ({"messages": [MESSAGES["messages"][0], {**ANSWER, "content": None}]}, "missing-key"),
        ({"messages": MESSAGES["messages"] * 2}, "late-image"),
    ],
)
def test_messages_that_are_refused(
    only: Callable[..., tuple[str, str]],
    monkeypatch: pytest.MonkeyPatch,
    row: dict[str, Any],
    kind: str,
) -> None:
    monkeypatch.setenv("SIGHTDESK_MAX_IMAGE_BYTES", "2000")
    get_settings.cache_clear()
    assert only(row, MESSAGES)[0] == kind
    assert not (get_settings().cache_dir / "pictures").exists()


def test_pictures_inside_the_text_are_bounded_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "_MAX_UNPACKED", 5)
    rows = [
        _url(f"data:image/png;base64,{base64.b64encode(one).decode()}") for one in (b"abc",) * 2
    ]
    dataset = read_dataset(write_rows(tmp_path / "rows.jsonl", *rows))
    assert len(dataset.examples) == 1 and kinds(dataset) == ["bad-data-uri"]


def test_a_cache_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where the folder should be")
    settings = Settings(cache_dir=tmp_path / "full")
    file = write_rows(tmp_path / "rows.jsonl", _url("data:image/png;base64,YWJj"))
    with pytest.raises(DataError, match="SIGHTDESK_CACHE_DIR"):
        read_dataset(file, settings=settings)


def test_csv_joins_captions_of_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "captions.txt"
    file.write_bytes(
        '\ufeffImage,Caption\na.jpg,A dog runs .\nb.jpg,"Two,\n cats"\n\na.jpg,A dog .\n'.encode()
    )
    dataset = read_dataset(file)
    one, two = dataset.examples
    assert dataset.format == "csv" and not dataset.findings
    assert (one.images, one.references) == ((tmp_path / "a.jpg",), ("A dog runs .", "A dog ."))
    assert two.references == ("Two,\n cats",)
    assert (one.where, two.where) == (f"{file}:2", f"{file}:3")


def test_csv_of_labels_and_questions(tmp_path: Path) -> None:
    file = tmp_path / "goods.csv"
    file.write_text(
        "file name;class;coarse;question;answer;split\n"
        "a.jpg;Gala;Apple;;;train\n"
        "a.jpg;;;Is it red?;yes;train\n"
        "b.jpg;Leek;;;;dev\n"
        "a.jpg;Leek;;;;\n"
    )
    dataset = read_dataset(file)
    label, question, leek = dataset.examples
    assert (label.label, label.coarse_label, label.split) == ("Gala", "Apple", "train")
    assert question.exchanges == (Exchange("Is it red?", "yes"),) and question.label is None
    assert (leek.label, leek.split) == ("Leek", "val")
    assert kinds(dataset) == ["label-conflict"] and "'Gala'" in dataset.findings[0].message


def test_csv_rows_that_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "captions.tsv"
    lines = [
        b"path\ttext",
        b"a.jpg\tA dog .",
        b"a.jpg\t",
        b"\tA dog .",
        b"b.jpg",
        b"b.jpg\t\xff",
        b"https://example.org/a.jpg\tA dog .",
        b"c.jpg\t" + b"x" * 5000,
        b"c.jpg\t" + b"x" * (csv.field_size_limit() + 1),
        b"c.jpg\t" + b"x" * (MAX_ROW_BYTES + 1),
        b"d.jpg\tA cat .",
    ]
    file.write_bytes(b"\n".join(lines))
    dataset = read_dataset(file)
    assert [one.where for one in dataset.examples] == [f"{file}:2", f"{file}:11"]
    assert {finding.where.rpartition(":")[2]: finding.kind for finding in dataset.findings} == {
        "3": "empty-text",
        "4": "empty-text",
        "5": "empty-text",
        "6": "not-utf-8",
        "7": "remote-image",
        "8": "long-text",
        "9": "bad-table",
        "10": "long-row",
    }


def test_a_caption_after_a_bad_one_is_kept(tmp_path: Path) -> None:
    file = tmp_path / "captions.csv"
    file.write_text("image,caption\na.jpg,\na.jpg,A dog .\n")
    dataset = read_dataset(file)
    assert [one.where for one in dataset.examples] == [f"{file}:3"]


def test_folders(tmp_path: Path) -> None:
    root = tmp_path / "goods"
    for path in ("Fruit/Pear/1.PNG", "Fruit/Pear/2.jpg", "Leek/1.png"):
        put(root / path, 1)
    (root / ".DS_Store").write_text("x")
    (root / "Leek" / "notes.txt").write_text("x")
    (root / "Fruit" / "Empty").mkdir()
    put(root / "alone.png", 1)
    dataset = read_dataset(root)
    assert dataset.format == "folders" and dataset.name == "goods"
    assert [(one.label, one.coarse_label, one.split) for one in dataset.examples] == [
        ("Pear", "Fruit", None),
        ("Pear", "Fruit", None),
        ("Leek", None, None),
    ]
    assert dataset.examples[0].where == str(root / "Fruit" / "Pear" / "1.PNG")
    assert sorted(kinds(dataset)) == ["empty-folder", "no-label", "not-a-picture"]


def test_folders_of_splits(tmp_path: Path) -> None:
    for path in ("train/Pear/1.png", "Validation/Fruit/Pear/1.png", "train/1.png"):
        put(tmp_path / path, 1)
    dataset = read_dataset(tmp_path)
    found = {(one.label, one.coarse_label, one.split) for one in dataset.examples}
    assert found == {("Pear", None, "train"), ("Pear", "Fruit", "val")}
    assert kinds(dataset) == ["no-label"]
    put(tmp_path / "bus" / "1.png", 1)  # now `train` is a thing on rails
    assert ("bus", None, None) in {
        (one.label, one.coarse_label, one.split) for one in read_dataset(tmp_path).examples
    }


def test_chat(tmp_path: Path) -> None:
    with Store.open() as store:
        photo = store.put_image(open_image(scene(1)), name="a.png")
        thread = store.create_thread()
        before: int | None = None
        for question, thumb, correction in (
            ("What is it?", 1, None),
            ("Which colour?", -1, "green"),
            ("How many?", -1, None),
        ):
            asked = NewExchange(
                question=question, shown=question, images=(photo.id,) if before is None else ()
            )
            kept = store.add_exchange(thread.id, asked, after=before)
            store.set_answer(kept.id, answer="A pear.", state="done", details={})
            store.set_feedback(kept.id, thumb=thumb, correction=correction)  # type: ignore[arg-type]
            before = kept.position
    dataset = read_dataset(Path("chat"))
    assert dataset.format == "chat"
    assert [one.exchanges for one in dataset.examples] == [
        (Exchange("What is it?", "A pear."),),
        (Exchange("Which colour?", "green"),),
    ]
    assert dataset.examples[0].where == "chat:1"
    assert open_image(dataset.examples[0].images[0]).id == photo.id
    assert kinds(dataset) == ["thumb-down"]


def test_chat_without_judgements() -> None:
    with pytest.raises(DataError, match="judged"):
        read_dataset(Path("chat"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.jsonl", b"", "empty"),
        ("a.jsonl", b" \n\n", "empty"),
        ("a.json", b"[]", "no rows"),
        ("a.json", b'{\n "image": "a.jpg"\n}', "JSON Lines"),
        ("a.json", b'[{"image": "\xff"}]', "UTF-8"),
        ("a.json", b'{"images": [], "annotations": []}', "COCO"),
        ("a.csv", b"image,colour\na.jpg,red\n", "header"),
        ("a.csv", b"caption\nA dog .\n", "header"),
        ("a.csv", b"image,caption\n", "no rows"),
        ("a.csv", "image,caption\n".encode("utf-16"), "UTF-16"),
        ("a.zip", b"PK\3\4\0\0\0", "unpack"),
        ("a.txt", b"once upon a time\n", "no data set"),
        ("a.jpg", b"\xff\xd8\xff\0", "is a picture"),
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=said):
        read_dataset(tmp_path / name)


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_dataset(tmp_path / "nothing.jsonl")
    with pytest.raises(DataError, match="does not exist"):
        read_dataset(Path("a\0b"))
    with pytest.raises(DataError, match="no folders"):
        read_dataset(tmp_path)
    with pytest.raises(InputError, match=", ".join(FORMATS)):
        read_dataset(tmp_path, format="coco")
    with pytest.raises(DataError, match="is a folder"):
        read_dataset(tmp_path, format="csv")
    write_rows(tmp_path / "train.jsonl", {"image": "a.jpg", "label": "Pear"})
    put(tmp_path / "Pear" / "a.png", 1)
    with pytest.raises(DataError, match=r"train\.jsonl.*--format folders"):
        read_dataset(tmp_path)
    assert len(read_dataset(tmp_path, format="folders").examples) == 1


def test_a_file_of_one_format_read_as_another(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", LLAVA)
    assert kinds(read_dataset(file, format="messages")) == ["missing-key"]
    assert kinds(read_dataset(file, format="jsonl")) == ["nothing-to-learn"]


def test_limits_of_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"image": "a.jpg", "label": "Pear"}
    file = write_rows(tmp_path / "rows.jsonl", row, row, row)
    monkeypatch.setattr(notes_module, "MAX_EXAMPLES", 2)
    with pytest.raises(DataError, match="more than 2 rows"):
        read_dataset(file)
    (tmp_path / "list.json").write_text(json.dumps([LLAVA]))
    monkeypatch.setattr(records, "MAX_LIST", 20)
    with pytest.raises(DataError, match="JSON Lines"):
        read_dataset(tmp_path / "list.json")
