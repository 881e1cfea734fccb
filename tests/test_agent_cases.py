"""Cases of conversations: reading, judging, running against a scripted agent, the command."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapters import agent_cli
from adapters.agent_cases import Case, Expect, judge, read_cases, run_cases, totals
from adapters.agent_cases import desk as desks
from adapters.agent_cases.cases import Turn
from adapters.agent_cases.desk import open_desk
from adapters.agent_cases.judging import Observed
from adapters.samples import sampled
from assistant.agent import Done, Reply, Sentence, ToolEnded, ToolStarted
from assistant.errors import AdapterError, DataError, InputError, StoreError
from assistant.settings import get_settings
from assistant.sources import Source
from assistant.store import Store
from tests import tiny
from tests.benchmarks import agent_wordings
from tests.benchmarks.agent_cases import check_case, make_cases, read_photos
from tests.benchmarks.agent_cases import main as write_cases
from tests.benchmarks.product_facts import Facts, facts_of
from tests.commands import invoke

APPLE = Source(
    "passage", "p1", "Golden Delicious", "Country and volume: Italy, ca 180g", "products.jsonl",
    "Golden-Delicious",
)  # fmt: skip
ROWS = [
    {
        "label": "Golden-Delicious",
        "coarse_label": "Apple",
        "image": "pictures/Golden-Delicious.png",
        "description": "Golden Delicious has a white juicy pulp. The taste is mellow and sweet, "
        "making Golden Delicious suitable for desserts.",
        "information": ["Title: Apple Golden Delicious", "Country and volume: Italy, ca 180g "],
    },
    {
        "label": "Oatly-Oat-Milk",
        "coarse_label": "Oat-Milk",
        "image": "pictures/Oatly-Oat-Milk.png",
        "description": "A natural oat drink, good for coffee.",
        "information": [
            "Manufacturer and volume: OATLY , 1l ",
            "Manufacturing country: Sverige ",
            "Ingredients: Havrebas (vatten, havre 10 %), rapsolja.",
            "Nutrition values per 100 gram: ",
            "   energi ca 50 kilokalori ",
            "   fett ca 1.50 gram ",
            "   varav sockerarter ca 4.1 gram ",
            "   protein ca 1 gram ",
        ],
    },
    {"label": "Cabbage", "coarse_label": "Cabbage", "image": "", "description": "",
     "information": []},
]  # fmt: skip


class Hashed:
    """Embeds a text as the words that are in it."""

    name = "hashed"

    def __init__(self) -> None:
        self.texts = 0

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Any:
        self.texts += 0 if query else len(texts)
        vectors = np.full((len(texts), 32), 1e-3, dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in re.findall(r"\w+", text.lower()):
                row[sum(map(ord, word)) % 32] += 1
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass
class Scripted:
    """An agent of the interface, which gives events by what it is asked."""

    script: Callable[[str, tuple[str, ...]], Sequence[Any]]
    asked: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)

    def ask(self, thread_id: str, text: str, images: Sequence[str] = ()) -> Iterator[Any]:
        self.asked.append((thread_id, text, tuple(images)))
        yield from self.script(text, tuple(images))

    def __enter__(self) -> Scripted:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def answers(text: str, images: tuple[str, ...] = ()) -> list[Any]:
    """Looks up what it is asked, after the label of a photo, and says where it is from."""
    events: list[Any] = []
    tools = ["search_knowledge"]
    if images:
        tools = ["label_image", *tools]
        events = [
            ToolStarted("label_image", {"image": images[0][:12]}),
            ToolEnded("label_image", "Golden-Delicious (Apple), confidence 0.97", 0.1),
        ]
    said = "Golden Delicious comes from Italy. [1]"
    reply = Reply(said, [APPLE], tools, "answered", None, {"total": 0.2})
    return [
        *events,
        ToolStarted("search_knowledge", {"query": text}),
        ToolEnded("search_knowledge", "[1] Golden Delicious: …", 0.1),
        Sentence(said, (APPLE,)),
        Done(reply),
    ]


def case(id: str = "a", text: str = "where is it from?", **expect: Any) -> Case:
    return Case(id=id, turns=[Turn(text=text)], expect=Expect(**expect))


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A products file with pictures."""
    folder = tmp_path / "shop"
    (folder / "pictures").mkdir(parents=True)
    for seed, row in enumerate(ROWS):
        if row["image"]:
            tiny.pixels(seed).save(folder / str(row["image"]))
    file = folder / "products.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return file


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(*rows: Any) -> Path:
        file = tmp_path / "cases.jsonl"
        lines = (row if isinstance(row, str) else json.dumps(row) for row in rows)
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    return written


# --- reading


def test_cases_are_read(tmp_path: Path, write: Callable[..., Path]) -> None:
    tiny.pixels(1).save(tmp_path / "a.png")
    row = {
        "id": 7,
        "turns": [{"text": "hello"}, {"text": "", "images": ["a.png"]}],
        "expect": {"tools": [], "contains_any": "Italy", "outcome": "answered", "other": 1},
        "kind": "photo",
        "where": "ignored",
        "more": {},
    }
    (read,) = read_cases(write(row, ""))
    assert read.id == "7" and read.kind == "photo"
    assert read.expect == Expect(tools=[], contains_any=["Italy"], outcome="answered")
    assert read.path("a.png") == tmp_path / "a.png"
    assert read.where.endswith("cases.jsonl:1")


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ({"turns": [{"text": "x"}]}, "'id' cannot be used"),
        ({"id": "a"}, "'turns' cannot be used"),
        ({"id": "a", "turns": []}, "'turns' cannot be used"),
        ({"id": "a", "turns": [{"text": " "}]}, "turn 1 is empty"),
        ({"id": "a", "turns": [{"text": 5}]}, "'turns.0.text' cannot be used"),
        ({"id": "a", "turns": [{"text": "x" * 30_000}]}, "'turns.0.text' cannot be used"),
        ({"id": "a", "turns": [{"text": "x", "images": ["no.png"]}]}, "no image file 'no.png'"),
        ({"id": "a", "turns": [{"text": "x", "images": ["a\0"]}]}, "no image file"),
        ({"id": "a", "turns": [{"text": "x"}], "expect": {"outcome": "won"}}, "'expect.outcome'"),
        ({"id": "a", "turns": [{"text": "x"}], "expect": {"tools": "x"}}, "'expect.tools'"),
    ],
)
def test_bad_rows_are_named(row: Any, problem: str, write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match=r"cases\.jsonl:1: ") as raised:
        read_cases(write(row))
    assert problem in str(raised.value)


def test_bad_files(tmp_path: Path, write: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_cases(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="holds no cases"):
        read_cases(write(""))
    row = {"id": "a", "turns": [{"text": "x"}]}
    with pytest.raises(DataError, match=r":2: the id 'a' was used at .*:1"):
        read_cases(write(row, row))


# --- judging


def test_a_right_reply_passes() -> None:
    expected = case(
        tools=["search_knowledge"], contains_any=["ITALY", "x"], contains_none=["Spain"],
        cites_any=["golden-delicious"], outcome="answered",
    )  # fmt: skip
    found = judge(
        expected,
        Observed("It comes from\n Italy. [1]", (APPLE,), ("search_knowledge",), "answered"),
    )
    assert found.passed and not found.missing
    assert set(found.checks) == {
        "tools", "contains_any", "contains_none", "cites_any", "outcome",
    }  # fmt: skip
    assert found.observed.citations == ["Golden-Delicious", "products.jsonl"]
    assert judge(case(cites_any=["products.jsonl"]), Observed("", (APPLE,))).passed
    assert judge(case(), Observed("anything")).passed


@pytest.mark.parametrize(
    ("expect", "observed", "failing"),
    [
        ({"tools": ["a", "b"]}, Observed("", tools=("b", "a")), "tools"),
        ({"tools": []}, Observed("", tools=("a",)), "tools"),
        ({"contains_any": ["1"]}, Observed("It is red [1].", (APPLE,)), "contains_any"),
        ({"contains_none": ["Spain"]}, Observed("From spain"), "contains_none"),
        ({"cites_any": ["Royal-Gala"]}, Observed("", (APPLE,)), "cites_any"),
        ({"outcome": "abstained_or_handed_over"}, Observed(""), "outcome"),
        ({"outcome": "answered"}, Observed("", outcome="failed"), "outcome"),
    ],
)
def test_a_wrong_reply_fails(expect: dict[str, Any], observed: Observed, failing: str) -> None:
    found = judge(case(**expect), observed)
    assert not found.passed
    assert [name for name, right in found.checks.items() if not right] == [failing]


@pytest.mark.parametrize("outcome", ["abstained", "handed_over"])
def test_either_of_two_outcomes(outcome: str) -> None:
    expected = case(outcome="abstained_or_handed_over")
    assert judge(expected, Observed("", outcome=outcome)).passed


def test_wrong_facts_are_told_from_missing_ones() -> None:
    expected = case(contains_any=["Italy"], contains_none=["Spain"])
    missing = judge(expected, Observed("It is an apple."))
    forbidden = judge(expected, Observed("It comes from Spain."))
    uncarried = judge(expected, Observed("It comes from Peru. [1]", (APPLE,)))
    both = judge(expected, Observed("From Italy. [1] It weighs 900 g. [1]", (APPLE,)))
    assert missing.missing and not missing.wrong
    assert forbidden.wrong == ("Spain",) and not forbidden.missing
    assert uncarried.wrong == ("It comes from Peru. [1]",) and not uncarried.missing
    assert both.checks["contains_any"] and both.wrong and not both.passed
    figures = totals([missing, forbidden, uncarried, both])
    assert (figures["wrong_facts"], figures["missing_facts"], figures["passed"]) == (3, 1, 0)


def test_totals() -> None:
    right = Observed("Italy [1]", (APPLE,), ("search_knowledge",), seconds=1.0, calls=2)
    refused = Observed("I do not know.", outcome="abstained", seconds=3.0)
    made_up = Observed("Mars", calls=1, unreal_calls=("fly({})",), seconds=2.0)
    asked = case(contains_any=["Italy"], cites_any=["Golden-Delicious"], outcome="answered")
    asked = asked.model_copy(update={"kind": "words"})
    photo = asked.model_copy(update={"kind": "photo", "label": "Kiwi"})
    unknown = case(outcome="abstained_or_handed_over")
    labelled = Observed("Italy", labelled=("Kiwi, confidence 0.9",), seconds=2.0)
    judged = [
        judge(asked, right), judge(asked, refused), judge(unknown, refused),
        judge(unknown, made_up), judge(photo, labelled),
        judge(photo, Observed("", labelled=("Kiwi-Gold (Kiwi), confidence 0.9",))),
    ]  # fmt: skip
    found = totals(judged)
    assert (found["n"], found["passed"]) == (6, 2)
    assert found["facts"] == {"n": 4, "right": 2, "rate": 0.5}
    assert found["outcomes"] == {
        "abstained_or_handed_over": {"abstained": 1, "answered": 1},
        "answered": {"answered": 3, "abstained": 1},
    }
    assert found["answered_without_knowledge"] == {"n": 2, "count": 1, "rate": 0.5}
    assert found["wrongly_refused"] == {"n": 4, "count": 1, "rate": 0.25}
    assert found["given_right_label"] == {"n": 1, "count": 0, "rate": 0.0}
    assert found["calls"] == {"n": 3, "real": 2, "rate": 0.6667, "unreal": ["fly({})"]}
    assert found["seconds_median"] == 2.0
    assert set(found["kinds"]) == {"photo", "words"}
    assert found["kinds"]["words"]["pass_rate"] == 0.5
    assert totals([])["pass_rate"] is None and "kinds" not in totals([])
    json.dumps(found)


# --- running


@contextmanager
def opened(knowledge: Path, **options: Any) -> Iterator[Any]:
    with open_desk(knowledge, embedder=options.pop("embedder", Hashed()), **options) as desk:
        yield desk


def test_every_turn_is_asked_in_a_thread_of_its_own(
    tmp_path: Path, shop: Path, write: Callable[..., Path]
) -> None:
    tiny.pixels(9).save(tmp_path / "a.png")
    expect = {
        "tools": ["label_image", "search_knowledge"], "contains_any": ["Italy"],
        "cites_any": ["Golden-Delicious"], "outcome": "answered",
    }  # fmt: skip
    cases = read_cases(
        write(
            {"id": "one", "turns": [{"text": "hello"}, {"text": "this?", "images": ["a.png"]}],
             "expect": expect, "label": "Golden-Delicious"},
            {"id": "two", "turns": [{"text": "where from?"}], "expect": {"tools": []}},
        )
    )  # fmt: skip
    predictions, seen = tmp_path / "out.jsonl", []
    agent = Scripted(answers)
    with opened(shop) as desk:
        judged = list(
            run_cases(
                cases, agent, desk, predictions=predictions,
                progress=lambda done, total: seen.append((done, total)),
            )
        )  # fmt: skip
        (photo,) = agent.asked[1][2]
        assert desk.store.load_image(photo).id == tiny.picture(9).id
    assert [text for _, text, _ in agent.asked] == ["hello", "this?", "where from?"]
    threads = [thread for thread, _, _ in agent.asked]
    assert threads[0] == threads[1] != threads[2]
    assert [each.passed for each in judged] == [True, False]
    assert judged[0].right_label and judged[0].observed.calls == 2
    assert not judged[0].observed.unreal_calls
    assert seen == [(0, 2), (1, 2), (2, 2)]
    rows = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert rows[0] == {
        "id": "one",
        "answer": "Golden Delicious comes from Italy. [1]",
        "tools": ["label_image", "search_knowledge"],
        "citations": ["Golden-Delicious", "products.jsonl"],
        "outcome": "answered",
    }
    assert rows[1]["id"] == "two"


def test_nothing_is_written_into_the_users_data(shop: Path) -> None:
    with Store.open() as own:
        own.create_thread()
        with opened(shop) as desk:
            list(run_cases([case()], Scripted(answers), desk))
            folder = desk.settings.data_dir
            assert len(desk.store.threads()) == 1
            assert desk.settings.webhook_url is None and desk.settings.database_url is None
        assert len(own.threads()) == 1
        assert own.image_ids() == []
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "args", "real"),
    [
        ("search_knowledge", {"query": "x"}, True),
        ("describe_image", {"image": "PHOTO"}, True),
        ("search_images", {"query": "x", "image": ""}, True),
        ("describe_image", {"image": "0123456789"}, False),
        ("describe_image", {"image": "photo 1"}, False),
        ("search_knowledge", {"words": "x"}, False),
        ("search_knowledge", "x", False),
        ("fly", {}, False),
    ],
)
def test_calls_of_real_things(
    name: str, args: Any, real: bool, tmp_path: Path, shop: Path, write: Callable[..., Path]
) -> None:
    tiny.pixels(9).save(tmp_path / "a.png")
    cases = read_cases(write({"id": "1", "turns": [{"text": "x", "images": ["a.png"]}]}))

    def script(text: str, images: tuple[str, ...]) -> list[Any]:
        if isinstance(args, dict):
            filled = {key: value.replace("PHOTO", images[0][:10]) for key, value in args.items()}
            return [ToolStarted(name, filled), Done(Reply("x"))]
        return [ToolStarted(name, args), Done(Reply("x"))]

    with opened(shop) as desk:
        (judged,) = run_cases(cases, Scripted(script), desk)
    assert (judged.observed.unreal_calls == ()) is real


def test_an_error_ends_a_case_and_not_the_run(shop: Path) -> None:
    def script(text: str, images: tuple[str, ...]) -> list[Any]:
        if text == "one":
            raise StoreError("The disk is full.")
        if text == "two":
            raise ValueError("a bug")
        return [] if text == "three" else [Done(Reply("fine"))]

    cases = [case(text, text) for text in ("one", "two", "three", "four")]
    with opened(shop) as desk:
        judged = list(run_cases(cases, Scripted(script), desk))
    assert [each.observed.outcome for each in judged] == ["failed"] * 3 + ["answered"]
    assert judged[0].observed.answer == "The disk is full."
    assert judged[1].observed.answer == "ValueError: a bug"
    assert [each.passed for each in judged] == [False, False, False, True]
    assert totals(judged)["failed"] == 3


def test_what_was_written_stays_when_it_is_interrupted(shop: Path, tmp_path: Path) -> None:
    def script(text: str, images: tuple[str, ...]) -> list[Any]:
        if text == "two":
            raise KeyboardInterrupt
        return [Done(Reply("fine"))]

    out = tmp_path / "out.jsonl"
    with opened(shop) as desk, pytest.raises(KeyboardInterrupt):
        for _ in run_cases([case("1", "one"), case("2", "two")], Scripted(script), desk,
                           predictions=out):  # fmt: skip
            assert json.loads(out.read_text())["id"] == "1"
    assert len(out.read_text().splitlines()) == 1


def test_a_damaged_picture_is_named(tmp_path: Path, shop: Path, write: Callable[..., Path]) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    cases = read_cases(write({"id": "1", "turns": [{"text": "x", "images": ["bad.png"]}]}))
    with opened(shop) as desk, pytest.raises(DataError, match=r"cases\.jsonl:1: the image"):
        list(run_cases(cases, Scripted(answers), desk))


def test_predictions_that_cannot_be_written(
    tmp_path: Path, shop: Path, write: Callable[..., Path]
) -> None:
    file = write({"id": "1", "turns": [{"text": "x"}]})
    with opened(shop) as desk:
        with pytest.raises(InputError, match="cases file"):
            list(run_cases(read_cases(file), Scripted(answers), desk, predictions=file))
        with pytest.raises(InputError, match="cannot be written"):
            list(run_cases(read_cases(file), Scripted(answers), desk, predictions=tmp_path))
    assert file.read_text()


def test_a_sample_keeps_its_order() -> None:
    cases = [case(str(number)) for number in range(20)]
    chosen = sampled(cases, 5, 1)
    assert len(chosen) == 5 and chosen == sampled(cases, 5, 1) != sampled(cases, 5, 2)
    assert [int(each.id) for each in chosen] == sorted(int(each.id) for each in chosen)
    assert sampled(cases, None, 0) == sampled(cases, 99, 0) == cases


# --- the desk


def test_the_knowledge_is_indexed_once(shop: Path) -> None:
    embedder = Hashed()
    with opened(shop, embedder=embedder) as desk:
        assert desk.knowledge.labels() == {"Golden-Delicious", "Oatly-Oat-Milk", "Cabbage"}
        assert desk.knowledge.search("where is golden delicious from?")
        assert len(desk.product_images()) == 2
    texts = embedder.texts
    assert texts
    with opened(shop, embedder=embedder) as desk:
        assert not desk.knowledge.is_empty
    assert embedder.texts == texts
    tiny.pixels(77).save(shop.parent / "pictures" / "Golden-Delicious.png")
    with opened(shop, embedder=embedder):
        pass
    assert embedder.texts > texts


def test_old_indexes_go(shop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desks, "_KEPT", 2)
    for number in range(4):
        shop.write_text(json.dumps(ROWS[0] | {"label": f"L{number}"}) + "\n")
        with opened(shop):
            pass
    room = get_settings().cache_dir / "agent-cases"
    assert len(list(room.iterdir())) == 2


def test_knowledge_that_cannot_be_used(tmp_path: Path, shop: Path) -> None:
    with pytest.raises(InputError, match="There is no"), opened(tmp_path / "none.jsonl"):
        pass
    empty = tmp_path / "empty.jsonl"
    empty.write_text("{}\n")
    with pytest.raises(InputError, match="Nothing in"), opened(empty):
        pass
    with pytest.raises(AdapterError, match="no adapter"), opened(shop, adapter="none"):
        pass
    assert list((get_settings().cache_dir / "agent-cases").glob("making-*")) == []


def test_the_adapter_with_the_products_labels_is_active(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def known(labels: Any, settings: Any) -> str:
        asked.append(set(labels))
        return "grocery"

    monkeypatch.setattr("assistant.tools.desk.adapter_for_labels", known)
    with opened(shop) as desk:
        assert desk.label_adapter() == "grocery"
    assert asked == [{"Golden-Delicious", "Oatly-Oat-Milk", "Cabbage"}]
    with opened(shop, adapter="embedded") as desk:
        assert desk.label_adapter() == "embedded"


# --- the command


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    agent = Scripted(answers)
    monkeypatch.setattr(agent_cli, "_open_agent", lambda desk: agent)
    monkeypatch.setattr("assistant.knowledge.core.text_embedder", lambda *_: Hashed())
    return agent


def test_the_command(
    shop: Path, tmp_path: Path, write: Callable[..., Path], scripted: Scripted
) -> None:
    file = write(
        {"id": "1", "kind": "words", "turns": [{"text": "where from?"}],
         "expect": {"contains_any": ["Italy"], "outcome": "answered"}},
        {"id": "2", "kind": "words", "turns": [{"text": "price?"}],
         "expect": {"outcome": "abstained_or_handed_over"}},
    )  # fmt: skip
    out = tmp_path / "out.jsonl"
    command = ["evaluate", "agent", "--cases", file, "--knowledge", shop]
    result = json.loads(invoke(*command, "--predictions", out, "--json").stdout)
    assert [row["passed"] for row in result["cases"]] == [True, False]
    assert {"id", "passed", "tools", "citations", "outcome", "answer", "seconds"} <= set(
        result["cases"][0]
    )
    assert result["totals"]["n"] == 2 and result["totals"]["passed"] == 1
    assert len(out.read_text().splitlines()) == 2
    one = json.loads(invoke(*command, "--limit", "1", "--json").stdout)
    assert len(one["cases"]) == 1
    table = invoke(*command).stdout
    assert "words" in table and "50.0%" in table and "2: outcome" in table


def test_the_command_is_interrupted(
    shop: Path, tmp_path: Path, write: Callable[..., Path], scripted: Scripted
) -> None:
    def script(text: str, images: tuple[str, ...]) -> list[Any]:
        if text == "two":
            raise KeyboardInterrupt
        return answers(text)

    scripted.script = script
    file = write({"id": "1", "turns": [{"text": "one"}]}, {"id": "2", "turns": [{"text": "two"}]})
    out = tmp_path / "out.jsonl"
    result = invoke("evaluate", "agent", "--cases", file, "--knowledge", shop, "--predictions", out)
    assert result.exit_code != 0
    assert "Stopped after 1 of 2 cases" in result.stderr
    assert json.loads(out.read_text())["id"] == "1"


# --- the generator


def products() -> list[Facts]:
    return [facts_of(dict(row)) for row in ROWS]


def test_facts_of_a_row() -> None:
    apple, milk, cabbage = products()
    assert (apple.origin, apple.volume, apple.made_in) == ("Italy", "180g", "")
    assert (milk.manufacturer, milk.volume, milk.made_in) == ("OATLY", "1l", "Sweden")
    assert milk.nutrition["fat"] == ("1.50", "gram") and milk.kcal == "50"
    assert cabbage.origin == "" and not cabbage.nutrition


def test_cases_are_made_and_checked(shop: Path, tmp_path: Path) -> None:
    photos = read_photos(shop, tmp_path / "cases.jsonl")
    assert photos["Golden-Delicious"] == ["shop/pictures/Golden-Delicious.png"]
    cases = make_cases(products(), photos, seed=3, in_words=20)
    assert cases == make_cases(products(), photos, seed=3, in_words=20)
    assert len({each["id"] for each in cases}) == len(cases) > 80
    kinds = {each["kind"] for each in cases}
    assert kinds == {
        "words", "photo", "follow-up", "unknown", "hand-over", "greeting", "picture", "no photo",
        "ill will",
    }  # fmt: skip
    for each in cases:
        if each["kind"] == "photo":
            assert each["expect"]["tools"] == ["label_image", "search_knowledge"]
            assert each["turns"][0]["images"] and each["label"] in photos
        if each["kind"] == "words":
            assert each["expect"]["contains_any"] and each["expect"]["outcome"] == "answered"
    texts = " ".join(turn["text"] for each in cases for turn in each["turns"])
    assert "{" not in texts.replace("</sources>", "")


def test_a_fact_that_is_not_in_its_row_is_noticed() -> None:
    known = {each.label: each for each in products()}
    right: dict[str, Any] = {
        "id": "x",
        "turns": [{"text": "where from?"}],
        "expect": {"contains_any": ["Italy"], "cites_any": ["Golden-Delicious"]},
    }
    check_case(right, known)
    with pytest.raises(ValueError, match="not in its row"):
        check_case(right | {"expect": right["expect"] | {"contains_any": ["Spain"]}}, known)
    with pytest.raises(ValueError, match="gives 'Italy' away"):
        check_case(right | {"turns": [{"text": "is it from Italy?"}]}, known)
    with pytest.raises(ValueError, match="forbidden but true"):
        check_case(right | {"expect": right["expect"] | {"contains_none": ["sweet"]}}, known)


def test_the_generator_writes_what_the_reader_takes(
    shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "made.jsonl"
    argv = ["agent_cases", "--products", str(shop), "--out", str(out)]
    monkeypatch.setattr("sys.argv", argv)
    write_cases()
    read = read_cases(out)
    assert len(read) == json.loads(capsys.readouterr().out)["cases"]
    assert any(turn.images for each in read for turn in each.turns)


def test_every_wording_can_be_filled() -> None:
    groups = (agent_wordings.FIELDS, agent_wordings.PHOTO, agent_wordings.FOLLOW)
    texts = [text for group in groups for each in group.values() for text in each]
    texts += [*agent_wordings.UNKNOWN_OF_PRODUCT, *agent_wordings.INJECTIONS]
    assert all(text.format(name="kiwi") for text in texts)
    assert set(agent_wordings.PHOTO) == set(agent_wordings.FIELDS)
