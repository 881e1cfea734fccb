"""Judgement: intervals against known numbers, scores against the scorers, what a page may hold."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file
from typer.testing import CliRunner

from adapters.adapters_cli import adapters_app
from adapters.data.form import Example, Exchange
from adapters.judge import calibration, captions, contenders, intervals, labels, pictures, questions
from adapters.judge.figures import Figure, Judgement, as_scores, sentence
from adapters.judge.intervals import Interval
from adapters.judge.labels import NONE_OF_THESE, Given
from adapters.judge.report import Report, Side, render
from adapters.judge.run import Contender, judge
from adapters.judge.tasks import read_tasks
from adapters.metrics import LabelMatcher, score_answers, score_captions, score_labels
from assistant import engine as engine_module
from assistant.adapter_files import AdapterFiles
from assistant.engine import Answer
from assistant.errors import AdapterError, DataError, InputError, SightdeskError
from assistant.images import open_image
from assistant.labelling import Labelled, expected_calibration_error
from assistant.prompts import CANT_TELL
from assistant.weights import shipped_adapter
from tests import tiny
from tests.stacked import POINTWISE, write_stacked

HOSTILE = '<script>alert("1")</script>$\\frac'


# --- intervals


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17, 857–872, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_gives_published_numbers(hits: int, n: int, low: float, high: float) -> None:
    assert intervals.wilson(hits, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_of_nothing_and_of_everything() -> None:
    assert intervals.wilson(0, 0) == (0.0, 1.0)
    assert intervals.wilson(20, 20) == pytest.approx((1 - 0.1611, 1.0), abs=5e-5)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [  # Fagerland, Lydersen, Laake, Statistical Analysis of Contingency Tables (2017), chapter 8
        ((59, 6, 16, 80), -0.1186, -0.0046),
        ((1, 1, 7, 12), -0.5069, -0.0256),
        # all pairs right but for some, and no pair that differs
        ((36, 12, 2, 0), 0.0569, 0.3404),
        ((0, 0, 0, 54), -0.0664, 0.0664),
        ((54, 0, 0, 0), -0.0664, 0.0664),
    ],
)
def test_newcombe_gives_published_numbers(
    counts: tuple[int, int, int, int], low: float, high: float
) -> None:
    assert intervals.newcombe(*counts) == pytest.approx((low, high), abs=5e-5)


def test_mcnemar_is_the_exact_sign_test() -> None:
    own, other = np.array([1] * 8 + [0] * 2, bool), np.array([0] * 8 + [1] * 2, bool)
    assert intervals.mcnemar(own, other) == pytest.approx(2 * (1 + 10 + 45) / 1024)
    assert intervals.mcnemar(own, own) == 1.0
    many = np.arange(40_000) % 2 == 0
    assert intervals.mcnemar(many, ~many) == 1.0
    assert intervals.mcnemar(np.ones(3000, bool), np.zeros(3000, bool)) < 1e-300


def test_a_picture_votes_once() -> None:
    own, other = np.ones(12, bool), np.zeros(12, bool)
    groups = np.repeat([0, 1, 2], 4)
    assert intervals.mcnemar(own, other) == pytest.approx(2 / 2**12)
    assert intervals.mcnemar(own, other, groups) == pytest.approx(2 / 2**3)


def test_rows_of_one_picture_widen_the_interval() -> None:
    right = np.repeat(np.arange(30) % 3 > 0, 5)
    groups = np.repeat(np.arange(30), 5)
    plain, grouped = intervals.proportion(right), intervals.proportion(right, groups)
    alone = intervals.proportion(right[::5])
    assert plain.value == grouped.value == alone.value
    assert grouped.half > 2 * plain.half
    assert grouped.half == pytest.approx(alone.half, rel=0.05)
    all_right = intervals.proportion(np.ones(150, bool), groups)
    assert all_right.low == pytest.approx(intervals.wilson(30, 30)[0])


def covered(draw: Callable[[np.random.Generator], tuple[Interval, float]], times: int) -> float:
    random = np.random.default_rng(7)
    hits = 0
    for _ in range(times):
        interval, true = draw(random)
        hits += interval.low <= true <= interval.high
    return hits / times


def test_intervals_of_differences_hold_the_truth() -> None:
    def draw(n: int, own: float, other: float) -> Callable[..., tuple[Interval, float]]:
        def once(random: np.random.Generator) -> tuple[Interval, float]:
            hard = random.random(n)  # what both find hard or easy
            first = 0.5 * hard + 0.5 * random.random(n) < own
            second = 0.5 * hard + 0.5 * random.random(n) < other
            return intervals.difference(first, second), expected(own) - expected(other)

        return once

    def expected(level: float) -> float:  # of a mean of two uniform numbers
        return 2 * level**2 if level < 0.5 else 1 - 2 * (1 - level) ** 2

    assert 0.92 <= covered(draw(120, 0.7, 0.6), 150) <= 0.99
    assert covered(draw(30, 0.9, 0.85), 150) >= 0.92


def test_intervals_of_grouped_rows_hold_the_truth() -> None:
    groups = np.repeat(np.arange(60), 4)

    def once(random: np.random.Generator) -> tuple[Interval, float]:
        ease = np.repeat(random.beta(1, 1, 60), 4)
        return intervals.proportion(random.random(240) < ease, groups), 0.5

    assert 0.91 <= covered(once, 300) <= 0.985


def test_the_bootstrap_holds_the_mean_of_skewed_data_and_is_seeded() -> None:
    def once(random: np.random.Generator) -> tuple[Interval, float]:
        values = random.gamma(2.0, 1.0, 150)
        part = np.stack([values, np.ones(150)], axis=1)
        return intervals.estimate(part, intervals.ratio, 150), 2.0

    assert 0.9 <= covered(once, 100) <= 0.99
    part = np.random.default_rng(0).random((50, 2))
    first = intervals.estimate(part, intervals.ratio, 50, seed=3)
    assert first == intervals.estimate(part, intervals.ratio, 50, seed=3)
    assert first != intervals.estimate(part, intervals.ratio, 50, seed=4)
    (draws,) = intervals.bootstrap([part], intervals.ratio)
    assert len(draws) >= 1000


def test_the_bootstrap_is_paired() -> None:
    part = np.random.default_rng(0).random((80, 1))
    part = np.hstack([part, np.ones((80, 1))])
    better = part + np.array([0.05, 0.0])
    delta = intervals.estimate_difference(better, part, intervals.ratio, 80)
    assert (delta.low, delta.high) == pytest.approx((0.05, 0.05))


def test_a_large_bootstrap_is_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    part = np.random.default_rng(0).random((40, 2))
    monkeypatch.setattr(intervals, "_CHUNK", 40 * 300)
    (draws,) = intervals.bootstrap([part], intervals.ratio, resamples=1000)
    assert len(draws) == 1000
    assert len(set(draws.tolist())) > 900


# --- captions

TEXTS = ["A dog runs on the grass.", "Two men", "", "A child in a red shirt plays with a red ball."]
REFERENCES = [
    ["A brown dog runs on grass .", "The dog is running ."],
    ["Two men play some music .", "Men with guitars ."],
    ["A boat on a lake ."],
    ["A child plays with a ball .", "A girl in a red shirt plays .", "The kid has a ball"],
]


def test_bleu_of_counts_is_that_of_the_scorer() -> None:
    for n in (1, 2, 4):
        part = captions.caption_statistics(TEXTS[:n], REFERENCES[:n])
        scores = score_captions(TEXTS[:n], REFERENCES[:n])
        sums = part.bleu.sum(axis=0)
        for order in (1, 2, 3, 4):
            expected = getattr(scores, f"bleu{order}")
            assert float(captions.bleu(sums, order)) == pytest.approx(expected, rel=1e-9)
        assert part.rouge.mean() == pytest.approx(scores.rougeL)
        assert part.cider.mean() == pytest.approx(scores.cider)


def caption_row(number: int, references: Sequence[str], where: str = "d.jsonl") -> Example:
    return Example(f"{where}:{number}", (Path(f"{number}.png"),), references=tuple(references))


def test_captions_are_judged_as_evaluate_scores_them() -> None:
    rows = [caption_row(i, refs) for i, refs in enumerate(REFERENCES)]
    better = [refs[0] for refs in REFERENCES]
    found = captions.judge_captions(rows, TEXTS, better, data="d", sha256=None)
    scores = score_captions(TEXTS, REFERENCES)
    assert {f.name: f.own.value for f in found.figures} == pytest.approx(vars(scores))
    assert found.chief.name == "bleu4"
    assert found.chief.verdict == "worse"
    assert found.chief.other is not None and found.chief.other.value == pytest.approx(1.0)
    # The boat has no word in common; its caption is the poorest.
    assert found.mistakes[0].truth == ("A boat on a lake .",)
    assert len(found.mistakes) == 4
    # What was lost counts against the other one, who had no word for the boat either.
    others = [better[0], better[1], "", better[3]]
    lost = captions.judge_captions(rows, TEXTS, others, data="d", sha256=None, forgetting=True)
    assert lost.mistakes[-1].truth == ("A boat on a lake .",)
    drops = [(one.other_score or 0) - (one.score or 0) for one in lost.mistakes]
    assert drops == sorted(drops, reverse=True)


# --- questions


def question_row(picture: int, question: str, answer: str) -> Example:
    exchanges = (Exchange(question, answer),)
    return Example(f"d.jsonl:{picture}", (Path(f"{picture}.png"),), exchanges=exchanges)


def test_answers_are_judged_as_evaluate_scores_them() -> None:
    rows = [
        question_row(1, "Is it red?", "yes"),
        question_row(1, "Which colour?", "the red one"),
        question_row(2, "Is it red?", "no"),
        question_row(2, "How much is it?", CANT_TELL),
        question_row(3, "How many?", "two"),
    ]
    own = ["Yes.", "Red one", "yes", CANT_TELL, CANT_TELL]
    other = ["no", "red one", "no", "5", "2"]
    found = questions.judge_questions(rows, own, other, data="d", sha256=None)
    expected = vars(score_answers(own, [row.exchanges[-1].answer for row in rows]))
    assert {f.name: f.own.value for f in found.figures} == pytest.approx(expected)
    assert (found.n, found.pictures, found.mistakes_total) == (5, 3, 2)
    assert all(mistake.other_right for mistake in found.mistakes)
    assert "votes once" in found.notes[0]
    refused = next(f for f in found.figures if f.name == "refused_answerable")
    assert refused.difference is not None and refused.difference.value > 0
    assert not refused.more_is_better


# --- labels

KNOWN = {"Royal-Gala": "Apple", "Pink-Lady": "Apple", "Leek": "Leek", "Lime": "Citrus"}


def label_row(number: int, label: str, coarse: str | None = None) -> Example:
    return Example(f"d.jsonl:{number}", (Path(f"{number}.png"),), label=label, coarse_label=coarse)


def labelled() -> tuple[list[Example], list[Given], list[Given]]:
    truth = ["Royal-Gala"] * 3 + ["Pink-Lady"] * 2 + ["Leek"] * 2 + ["lime"]
    rows = [label_row(i, name, KNOWN[name.title()]) for i, name in enumerate(truth)]
    said = ["Royal-Gala", "Pink-Lady", "Pink-Lady", "Pink-Lady", "Leek", "Leek", "Leek", "Lime"]
    sure = [0.9, 0.8, 0.6, 0.7, 0.95, 0.9, 0.99, 0.5]
    own = [Given(name, KNOWN[name], share) for name, share in zip(said, sure, strict=True)]
    other = [Given("Royal-Gala", "Apple", 0.4)] * 8
    return rows, own, other


def test_labels_are_judged_as_evaluate_scores_them() -> None:
    rows, own, other = labelled()
    found = labels.judge_labels(rows, own, other, KNOWN, data="d", sha256=None)
    scores = {figure.name: figure for figure in found.figures}
    matcher = LabelMatcher({row.label or "": row.coarse_label for row in rows}, KNOWN)
    truth = [(row.label or "", row.coarse_label) for row in rows]
    expected = score_labels([one.label or "" for one in own], truth, matcher)
    assert scores["accuracy_fine"].own.value == pytest.approx(expected.accuracy_fine)
    assert scores["accuracy_coarse"].own.value == pytest.approx(expected.accuracy_coarse)
    assert scores["accuracy_fine"].other is not None
    assert scores["accuracy_fine"].other.value == 3 / 8
    assert found.mistakes[0].confidence == 0.95  # the surest mistake first
    assert [m.other_right for m in found.mistakes] == [False, True, True]


def test_confusions_are_counted() -> None:
    rows, own, other = labelled()
    found = labels.judge_labels(rows, own, other, KNOWN, data="d", sha256=None).labels
    assert found is not None
    confusion = found.confusion
    # Groups stand together: Apple, Citrus, Leek.
    assert confusion.labels == ("Pink-Lady", "Royal-Gala", "Lime", "Leek")
    assert confusion.counts.tolist() == [[1, 0, 0, 1], [2, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 2]]
    assert confusion.worst(1) == [("Royal-Gala", "Pink-Lady", 2)]
    gala = next(row for row in found.classes if row.label == "Royal-Gala")
    assert (gala.support, gala.precision, gala.taken_for) == (3, 1.0, "Pink-Lady")
    assert gala.recall.value == pytest.approx(1 / 3)
    assert gala.other_recall == 1.0
    assert gala.f1 == pytest.approx(2 * 1 * (1 / 3) / (1 + 1 / 3))
    pink = next(row for row in found.classes if row.label == "Pink-Lady")
    assert pink.precision == pytest.approx(1 / 3)
    assert pink.recall.value == 0.5
    assert found.macro_f1 == pytest.approx(np.mean([row.f1 for row in found.classes]))


def test_labels_that_the_adapter_does_not_know_are_counted_apart() -> None:
    rows, own, other = labelled()
    rows += [label_row(8, "Pear"), label_row(9, "Pear"), label_row(10, "Kiwi")]
    found = labels.judge_labels(
        rows, [*own, *own[:3]], [*other, *other[:3]], KNOWN, data="d", sha256=None
    )
    assert found.labels is not None
    assert (found.n, found.labels.unknown) == (8, {"Pear": 2, "Kiwi": 1})
    assert re.search(r"3 of 11 rows have 2 labels .* would be 45\.5 %", found.notes[0])
    with pytest.raises(DataError, match=r"knows none of the labels in d \('Pear'"):
        labels.judge_labels(rows[8:], own[:3], None, KNOWN, data="d", sha256=None)


def test_none_of_these_is_counted_beside_the_accuracy() -> None:
    rows, own, _ = labelled()
    own[0], own[1] = replace(own[0], withheld=True), replace(own[1], withheld=True)
    found = labels.judge_labels(rows, own, None, KNOWN, data="d", sha256=None)
    scores = {figure.name: figure.own for figure in found.figures}
    assert scores["accuracy_fine"].value == 5 / 8
    assert (scores["given"].value, scores["given"].n) == (6 / 8, 8)
    assert (scores["accuracy_given"].value, scores["accuracy_given"].n) == (4 / 6, 6)
    bare = labels.confuse(["a", "b"], ["a", NONE_OF_THESE], {})
    assert bare.columns == ("a", "b", NONE_OF_THESE)
    assert bare.counts.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_calibration_error_is_that_of_its_definition() -> None:
    random = np.random.default_rng(0)
    sure = np.concatenate([random.random(500), [0.0, 1.0, 1 / 15, 0.2]])
    right = random.random(504) < sure**2
    found = calibration.calibrate(sure, right)
    assert found.error.value == pytest.approx(expected_calibration_error(sure, right))
    assert found.error.low < found.error.value < found.error.high + 0.05
    assert sum(found.counts) == 504
    two = calibration.calibrate(np.array([0.9, 0.9, 0.5]), np.array([True, False, True]))
    assert two.error.value == pytest.approx((2 * 0.4 + 0.5) / 3)
    assert two.as_json()["n"] == 3


def test_without_confidence_there_is_no_calibration() -> None:
    rows, own, other = labelled()
    bare = [Given(one.label) for one in own]
    found = labels.judge_labels(rows, bare, other, KNOWN, data="d", sha256=None)
    assert found.labels is not None and found.labels.calibration is None
    assert "ece" not in {figure.name for figure in found.figures}


# --- findings in words


def judgement(own: Interval, difference: Interval | None = None, **more: Any) -> Judgement:
    other = None if difference is None else Interval(0.5, 0.4, 0.6, own.n)
    figure = Figure("accuracy_fine", "accuracy", own, other, difference)
    return Judgement("labels", "shop/val", "0" * 64, own.n, own.n, (figure,), (), **more)


def test_findings_are_sentences() -> None:
    own = Interval(0.714, 0.6, 0.8, 296)
    better = judgement(own, Interval(0.214, 0.162, 0.266, 296))
    assert sentence(better, "mine", "embedded") == (
        "mine is better than embedded by 21.4 ± 5.2 points in accuracy on shop/val "
        "(296 pictures; 95 % interval +16.2 to +26.6)."
    )
    worse = judgement(own, Interval(-0.1, -0.2, -0.01, 296))
    assert sentence(worse, "mine", "embedded").startswith("mine is worse than embedded by 10.0 ±")
    unclear = judgement(own, Interval(0.01, -0.02, 0.04, 296))
    assert sentence(unclear, "a", "b").startswith("No difference between a and b is shown: +1.0 ±")
    alone = sentence(judgement(own), "mine", "")
    assert alone.startswith("mine reaches 71.4 % in accuracy on shop/val (296 pictures; 95 % inter")


def test_scores_for_gates_are_plain_numbers() -> None:
    scores = as_scores(judgement(Interval(0.71441, 0.6, 0.8, 296)))
    assert scores == {
        "accuracy_fine": 0.7144,
        "n": 296,
        "intervals": {"accuracy_fine": [0.6, 0.8]},
        "sha256": "0" * 64,
    }


# --- pictures and page


def test_pictures_take_any_label() -> None:
    names = [HOSTILE, "苹果", "x" * 300, "a\0b\nc", "$x$", ""]
    confusion = labels.confuse(names, names[::-1], {})
    picture = pictures.draw_confusion(confusion)
    root = ElementTree.fromstring(picture)
    assert "".join(root.itertext()).count('<script>alert("1")</script>$\\frac') == 2
    assert b"<script>" not in picture
    assert pictures.draw_confusion(confusion, "png").startswith(b"\x89PNG")


def test_a_matrix_of_many_classes_lumps_the_clear_ones() -> None:
    names = [f"class-{i:03}" for i in range(200)]
    said = [*names[:150], *names[150:][::-1]]
    confusion = labels.confuse([*names, *names], [*said, *names], {})
    picture = pictures.draw_confusion(confusion).decode()
    assert "81 others" in picture
    assert "class-151" in picture and "class-000" in picture
    assert len(picture) < 1_000_000


def report_of(*judgements: Judgement, own: str = "mine", other: str | None = "embedded") -> Report:
    return Report(Side(own, (("base", HOSTILE),)), Side(other) if other else None, judgements)


def hostile_judgements(tmp_path: Path) -> list[Judgement]:
    picture = tmp_path / "p.png"
    Image.new("RGB", (900, 600), "red").save(picture)
    known = {HOSTILE: HOSTILE, "b": "b"}
    rows = [
        Example(f"/secret/{HOSTILE}:1", (picture,), label=HOSTILE, coarse_label=HOSTILE),
        Example("d:2", (tmp_path / "gone.png",), label="b"),
        Example("d:3", (picture,), label="unknown" + HOSTILE),
    ]
    own = [Given("b", "b", 0.9), Given("b", "b", 0.8), Given("b")]
    other = [Given(HOSTILE, HOSTILE, 0.7)] * 3
    asked = [replace(row, exchanges=(Exchange(HOSTILE, HOSTILE),)) for row in rows]
    written = [replace(row, references=(HOSTILE,)) for row in rows]
    texts, others = [HOSTILE] * 3, ["x" * 5000] * 3
    return [
        labels.judge_labels(rows, own, other, known, data=HOSTILE, sha256=None),
        questions.judge_questions(asked, others, texts, data=HOSTILE, sha256=None),
        replace(
            captions.judge_captions(written, texts, others, data=HOSTILE, sha256=None),
            forgetting=True,
            left_out={"are odd": 3},
        ),
    ]


def test_the_page_escapes_what_others_wrote(tmp_path: Path) -> None:
    report = report_of(*hostile_judgements(tmp_path), own=HOSTILE)
    page = render(report)
    assert page.count("<script>") == 1
    assert "&lt;script&gt;alert(&#34;1&#34;)&lt;/script&gt;" in page
    assert "/secret/" not in page
    assert "x" * 400 not in page
    assert page.count("data:image/webp;base64,") >= 2
    assert "no room for the picture" in page
    assert "3 rows left out that are odd." in page
    assert "Forgetting was not measured" not in page
    json.dumps(report.as_json(), allow_nan=False)


def test_the_page_needs_no_network_and_lets_nothing_else_run(tmp_path: Path) -> None:
    page = render(report_of(*hostile_judgements(tmp_path)[:2]))
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)
    assert not re.findall(r"https?://", re.sub(r"base64,[^\"]*", "", page))
    assert "Forgetting was not measured" in page
    assert 'scope="col"' in page and "<html lang=" in page
    assert not re.findall(r"<img(?![^>]*alt=)", page)


def test_the_page_is_limited_in_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (400, 400, 3), np.uint8)
    rows = []
    for number in range(20):
        Image.fromarray(np.roll(noise, number)).save(tmp_path / f"{number}.png")
        rows.append(Example("d:1", (tmp_path / f"{number}.png",), label="a"))
    found = labels.judge_labels(rows, [Given("b")] * 20, None, {"a": "a"}, data="d", sha256=None)
    monkeypatch.setattr("adapters.judge.report.MOST_PICTURE_BYTES", 100_000)
    page = render(report_of(found, other=None))
    assert 1 < page.count("data:image/webp") < 20
    assert len(page) < 300_000


# --- the run, with a scripted engine


class Scripted:
    """Two adapters in one engine that answer from the width of the picture."""

    def __init__(self, replies: dict[str | None, Callable[[int, str], Any]]) -> None:
        self.replies = replies
        self.labels = {"Lime": "Citrus", "Leek": "Leek"}
        self.calls: list[tuple[str, str | None, int]] = []
        self.turns: list[Any] = []
        self.choices: list[Any] = []

    def add_adapter(self, path: Path) -> str:
        return Path(path).name

    def encode_images(self, images: Sequence[Any], *, adapter: str | None = None) -> list[Any]:
        self.calls.append(("encode", adapter, len(images)))
        return [SimpleNamespace(id=one.id, width=one.width, adapter=adapter) for one in images]

    def describe(self, images: Sequence[Any], *, adapter: str | None = None) -> list[Answer]:
        return [self._say(one, "", adapter) for one in images]

    def generate_batch(
        self, conversations: Sequence[Any], *, sampling: Any, adapter: str | None = None
    ) -> list[Answer]:
        self.turns += [turns for turns, _ in conversations]
        return [self._say(images[0], turns[-1].text, adapter) for turns, images in conversations]

    def label(
        self, images: Sequence[Any], *, adapter: str | None = None, labels: Any = None
    ) -> list[Any]:
        self.choices.append((adapter, labels))
        self.calls.append(("label", adapter, len(images)))
        return [self.replies[adapter](one.width, "") for one in images]

    def _say(self, image: Any, question: str, adapter: str | None) -> Answer:
        assert image.adapter == adapter, "seen with another adapter's encoder"
        return Answer(str(self.replies[adapter](image.width, question)), 1, 0.0, "stop")


def contender(engine: Any, name: str, adapter: str | None = None) -> Contender:
    return Contender(name, engine, adapter, dict(engine.labels))


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    folder = tmp_path / "shop"
    folder.mkdir()
    for width in range(1, 9):
        Image.new("RGB", (width, 2), (20 * width, 0, 0)).save(folder / f"{width}.png")
    (folder / "bad.png").write_text("no picture")

    def rows(records: Sequence[dict[str, Any]], name: str = "val.jsonl") -> Path:
        (folder / name).write_text("\n".join(map(json.dumps, records)))
        return folder / name

    return rows


LABEL_ROWS = [
    {"image": f"{w}.png", "label": label, "coarse_label": coarse}
    for w in range(1, 9)
    for label, coarse in [("Lime", "Citrus") if w % 2 else ("Leek", "Leek")]
]
CAPTION_ROWS = [{"image": f"{w}.png", "references": [f"A dog runs {w} times ."]} for w in (1, 2, 3)]


def sure(label: str | None, share: float = 0.8) -> Labelled:
    return Labelled(label, None, share, ((label or "Lime", share),))


def test_two_adapters_answer_the_same_rows(write: Write) -> None:
    engine = Scripted(
        {
            None: lambda w, q: sure("Lime"),
            "mine": lambda w, q: sure(None, 0.3) if w == 8 else sure("Lime" if w % 2 else "Leek"),
        }
    )
    steps: list[tuple[str, int, int]] = []
    (found,) = judge(
        read_tasks(write(LABEL_ROWS)),
        contender(engine, "mine", "mine"),
        contender(engine, "embedded"),
        batch_size=3,
        report=lambda *step: steps.append(step),
    )
    scores = {figure.name: figure for figure in found.figures}
    assert (scores["accuracy_fine"].own.value, scores["given"].own.value) == (7 / 8, 7 / 8)
    assert scores["accuracy_fine"].other is not None
    assert scores["accuracy_fine"].other.value == 0.5
    assert (found.data, found.kind, found.n) == ("shop/val", "labels", 8)
    assert steps[0] == ("shop/val", 0, 16) and steps[-1] == ("shop/val", 16, 16)
    assert [call for call in engine.calls if call[0] == "label"] == [
        ("label", name, n) for n in (3, 3, 2) for name in ("mine", None)
    ]
    assert all(labels is None for _, labels in engine.choices)


def test_an_adapter_without_the_labels_chooses_from_the_same_list(write: Write) -> None:
    engine = Scripted({None: lambda w, q: sure("Lime"), "mine": lambda w, q: sure("Lime")})
    other = replace(contender(engine, "embedded"), labels={"apple": "fruit"})
    (found,) = judge(read_tasks(write(LABEL_ROWS)), contender(engine, "mine", "mine"), other)
    assert engine.choices == [("mine", None), (None, ["Leek", "Lime"])]
    assert "does not know all of these labels" in found.notes[0]
    with pytest.raises(AdapterError, match="has no labels"):
        judge(read_tasks(write(LABEL_ROWS)), replace(other, labels={}))


def test_forgetting_is_computed(write: Write) -> None:
    engine = Scripted(
        {None: lambda w, q: f"A dog runs {w} times.", "mine": lambda w, q: "A lime on a table."}
    )
    tasks = read_tasks(write(CAPTION_ROWS), forgetting=True)
    found = judge(tasks, contender(engine, "mine", "mine"), contender(engine, "embedded"))
    report = report_of(*found)
    as_json = report.as_json()
    assert (as_json["judgements"], len(as_json["forgetting"])) == ([], 1)
    bleu = as_json["forgetting"][0]["scores"]["bleu4"]
    assert bleu["against"]["value"] == pytest.approx(1.0)
    assert bleu["difference"]["value"] < -0.9
    assert as_json["forgetting"][0]["verdict"] == "worse"
    assert report.sentences()[0].startswith("mine is worse than embedded by")


def test_conversations_are_asked_turn_by_turn(write: Write) -> None:
    data = write(
        [
            {
                "image": "1.png",
                "conversations": [
                    {"from": "human", "value": "<image>\nWhat is it?"},
                    {"from": "gpt", "value": "A lime."},
                    {"from": "human", "value": "Is it ripe?"},
                    {"from": "gpt", "value": "yes"},
                    {"from": "human", "value": "Tell me more."},
                    {"from": "gpt", "value": " ".join(["word"] * 40)},
                ],
            }
        ]
    )
    engine = Scripted({None: lambda w, q: "yes" if q == "Is it ripe?" else "lime"})
    (task,) = read_tasks(data)
    assert task.left_out == {"have answers too long to compare word for word": 1}
    (found,) = judge([task], contender(engine, "mine"))
    assert (found.n, found.chief.own.value) == (2, 1.0)
    texts = [[(turn.role, turn.text, len(turn.images)) for turn in turns] for turns in engine.turns]
    assert texts == [
        [("user", "What is it?", 1)],
        [("user", "What is it?", 1), ("assistant", "A lime.", 0), ("user", "Is it ripe?", 0)],
    ]


def test_a_file_may_be_about_several_things(write: Write) -> None:
    data = write([*LABEL_ROWS, *CAPTION_ROWS, {"image": "1.png", "question": "?!", "answer": "no"}])
    tasks = read_tasks(data, limit=4, seed=1)
    assert [(task.kind, len(task.rows)) for task in tasks] == [
        ("captions", 3),
        ("questions", 1),
        ("labels", 4),
    ]
    again = read_tasks(data, limit=4, seed=1)
    assert tasks == again
    assert tasks[0].sha256 is not None


def test_bad_pictures_are_named_or_skipped(write: Write) -> None:
    data = write([*LABEL_ROWS, {"image": "bad.png", "label": "Lime"}])
    engine = Scripted({None: lambda w, q: sure("Lime")})
    with pytest.raises(DataError, match=r"val\.jsonl:9: .*--skip-bad"):
        judge(read_tasks(data), contender(engine, "mine"))
    tasks = read_tasks(data, skip_bad=True)
    (found,) = judge(tasks, contender(engine, "mine"), skip_bad=True, batch_size=2)
    assert (found.n, found.left_out) == (8, {"have a picture that cannot be opened": 1})
    only = write([{"image": "bad.png", "label": "Lime"}])
    with pytest.raises(DataError, match="No picture"):
        judge(read_tasks(only, skip_bad=True), contender(engine, "mine"), skip_bad=True)


def test_bad_rows_are_named_or_skipped(write: Write) -> None:
    data = write([*LABEL_ROWS, {"image": "none.png", "label": "Lime"}, {"image": "1.png"}])
    with pytest.raises(DataError, match=r"val\.jsonl:\d+: .*--skip-bad"):
        read_tasks(data)
    (task,) = read_tasks(data, skip_bad=True)
    assert len(task.rows) == 8 and sum(task.left_out.values()) == 2
    missing = write([*LABEL_ROWS, {"image": "none.png", "label": "Lime"}])
    with pytest.raises(DataError, match=r"val\.jsonl:9: .*none\.png.*--skip-bad"):
        read_tasks(missing)


def test_data_that_cannot_be_judged(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        read_tasks(tmp_path / "none.jsonl")
    with pytest.raises(DataError):
        read_tasks(write([]))
    long = {"image": "1.png", "question": "Why?", "answer": " ".join(["word"] * 30)}
    with pytest.raises(DataError, match=r"no row that can be judged .*too long"):
        read_tasks(write([long]))
    with pytest.raises(DataError, match="no rows of the split 'dev'; its splits: none"):
        read_tasks(write(LABEL_ROWS), split="dev")
    halves = [{**row, "split": "val" if i < 3 else "train"} for i, row in enumerate(LABEL_ROWS)]
    (task,) = read_tasks(write(halves), split="val")
    assert len(task.rows) == 3


def test_a_folder_of_classes_is_judged(write: Write, tmp_path: Path) -> None:
    for name in ("Lime", "Leek"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        Image.new("RGB", (5, 5)).save(tmp_path / "tree" / name / "a.png")
    (task,) = read_tasks(tmp_path / "tree")
    assert (task.kind, len(task.rows), task.sha256) == ("labels", 2, None)
    assert task.data.endswith("/tree")


# --- the command


@pytest.fixture
def adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An adapter directory, found by a scripted engine; its files are not looked into."""
    folder = tmp_path / "fruit"
    folder.mkdir()
    tensors = {"base_model.model.language_model.x.lora_A.weight": np.zeros((2, 2), np.float32)}
    save_file(tensors, folder / "adapter_model.safetensors")
    about = {"labels": {"Lime": "Citrus", "Leek": "Leek"}, "metrics": {"old": {"n": 3}}}
    (folder / "sightdesk.json").write_text(json.dumps({**about, "kept": HOSTILE}))

    def read(path: Path, name: str) -> AdapterFiles:
        about = json.loads((path / "sightdesk.json").read_text())
        return AdapterFiles(name, path, {**about, "on": {"base": "embedded"}})

    def find(name: str | None, settings: object) -> AdapterFiles:
        if name == "embedded":
            return AdapterFiles("embedded", shipped_adapter(), {"labels": about["labels"]})
        if name is None or not Path(name).is_dir():
            raise AdapterError(f"There is no adapter {name!r}.")
        return read(Path(name), Path(name).name)

    engine = Scripted(
        {
            None: lambda w, q: sure("Lime"),
            "fruit": lambda w, q: sure("Lime" if w % 2 else "Leek"),
        }
    )

    def load(base: str | None, adapter: str | None, **options: Any) -> Any:
        assert (base, adapter) == ("embedded", None)
        options["progress"]("Loading", 0.5)
        return engine

    monkeypatch.setattr(contenders, "find_adapter", find)
    monkeypatch.setattr(contenders, "read_adapter", read)
    monkeypatch.setattr(engine_module, "Engine", SimpleNamespace(load=load))
    return folder


def evaluate(*arguments: object) -> Any:
    return CliRunner().invoke(adapters_app, ["evaluate", *map(str, arguments)])


def test_the_command_compares_with_the_base(write: Write, adapter: Path, tmp_path: Path) -> None:
    page, matrix = tmp_path / "report.html", tmp_path / "matrix.png"
    data = write(LABEL_ROWS)
    options = ["--html", page, "--confusion", matrix, "--write-scores"]
    result = evaluate(adapter, "--data", data, *options)
    assert result.exit_code == 0, result.output
    told = " ".join(result.stdout.split())
    assert "fruit is better than embedded by 50.0 ± " in told
    assert "accuracy" in told and "67.6–100.0" in told
    assert "fruit is better than embedded" in page.read_text(encoding="utf-8")
    assert matrix.read_bytes().startswith(b"\x89PNG")
    about = json.loads((adapter / "sightdesk.json").read_text())
    assert about["kept"] == HOSTILE
    assert about["scores"]["old"] == {"n": 3}
    scores = about["scores"]["shop/val"]
    assert (scores["accuracy_fine"], scores["n"]) == (1.0, 8)
    assert scores["intervals"]["accuracy_fine"] == [0.6756, 1.0]
    assert not list(tmp_path.rglob("*.partial"))


def test_the_command_prints_one_json_object(write: Write, adapter: Path) -> None:
    data = write(LABEL_ROWS)
    result = evaluate(adapter, "--data", data, "--json", "--limit", "6")
    assert result.exit_code == 0, result.output
    assert result.stdout.count("\n") == 1
    report = json.loads(result.stdout)
    assert list(report) == [
        *("format", "made", "adapter", "against", "settings", "findings", "judgements"),
        "forgetting",
    ]
    assert (report["adapter"]["name"], report["against"]["name"]) == ("fruit", "embedded")
    (found,) = report["judgements"]
    assert (found["kind"], found["n"], found["chief"]) == ("labels", 6, "accuracy_fine")
    for figure in found["scores"].values():
        assert set(figure) == {"own", "against", "difference", "p", "verdict"}
        assert set(figure["own"]) == {"value", "low", "high", "n"}
    assert set(found["classes"]) == {"Lime", "Leek"}
    assert len(found["calibration"]["bins"]) == 15
    assert report["settings"] == {"limit": "6", "seed": "0", "quantize": "none"}


def test_the_command_measures_forgetting(write: Write, adapter: Path) -> None:
    data, other = write(LABEL_ROWS), write(CAPTION_ROWS, "dev.jsonl")
    result = evaluate(adapter, "--data", data, "--forgetting", other, "--alone", "--write-scores")
    assert result.exit_code == 0, result.output
    assert "Forgetting:" in result.stdout
    scores = json.loads((adapter / "sightdesk.json").read_text())["scores"]
    assert set(scores) == {"old", "shop/val", "shop/dev"}
    assert "bleu4" in scores["shop/dev"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody", "--data", "{data}"], "no adapter 'nobody'"),
        (["{adapter}", "--data", "{data}", "--against", "nobody"], "no adapter 'nobody'"),
        (["{adapter}", "--data", "none.jsonl"], "none.jsonl"),
        (["{adapter}", "--data", "{data}", "--html", "none/report.html"], "no folder none"),
        (["{adapter}", "--data", "{data}", "--html", "{adapter}"], "is a folder"),
        (["{adapter}", "--data", "{data}", "--confusion", "m.gif"], "neither .svg nor .png"),
        (["{adapter}", "--data", "{data}", "--alone", "--against", "embedded"], "contradict"),
        (["{adapter}", "--data", "{captions}", "--confusion", "m.svg"], "no labels in the data"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_sentence(
    write: Write, adapter: Path, arguments: list[str], message: str
) -> None:
    data, captions = write(LABEL_ROWS), write(CAPTION_ROWS, "dev.jsonl")
    places = {"data": data, "captions": captions, "adapter": adapter}
    result = evaluate(*(text.format(**places) for text in arguments))
    assert isinstance(result.exception, SightdeskError), result.output
    assert message in str(result.exception)
    assert str(result.exception).endswith(".") and "\n" not in str(result.exception)
    assert result.stdout == ""


def test_scores_that_cannot_be_kept(
    write: Write, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (adapter / "sightdesk.json").read_text()

    def refuse(path: Path, content: bytes) -> None:
        raise InputError("full")

    monkeypatch.setattr(contenders, "write_whole", refuse)
    result = evaluate(adapter, "--data", write(LABEL_ROWS), "--write-scores")
    assert isinstance(result.exception, AdapterError)
    assert (adapter / "sightdesk.json").read_text() == before


def test_help_is_quick() -> None:
    code = "import sys, adapters.judge_cli; print({'torch', 'numpy'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_the_shipped_adapter_is_compared_with_nothing(write: Write, adapter: Path) -> None:
    result = evaluate("embedded", "--data", write(LABEL_ROWS), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["against"] is None
    result = evaluate("embedded", "--data", write(LABEL_ROWS), "--json", "--against", "embedded")
    report = cast("dict[str, Any]", json.loads(result.stdout))
    assert report["against"]["name"] == "embedded (2)"
    assert report["judgements"][0]["verdict"] == "unclear"
    assert "Both are the same adapter" in report["judgements"][0]["notes"][0]


def test_a_stacked_adapter_is_judged_on_the_engine_of_its_base(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the tiny model: the labels, the captions and the answers are the engine's own."""
    mine = write_stacked(
        tmp_path / "mine", targets=POINTWISE, labels={"Lime": "Citrus", "Leek": "Leek"}, head=True
    )
    loads: list[object] = []
    load = engine_module.Engine.load

    def counted(*arguments: Any, **options: Any) -> engine_module.Engine:
        loads.append(arguments)
        return load(*arguments, **options)

    monkeypatch.setattr(engine_module.Engine, "load", counted)
    data = write([*LABEL_ROWS, *CAPTION_ROWS, {"image": "1.png", "question": "?!", "answer": "no"}])
    page = tmp_path / "report.html"
    result = evaluate(mine, "--data", data, "--json", "--html", page, "--write-scores")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert len(loads) == 1, "one engine holds both"
    assert report["adapter"]["name"] == "mine"
    kinds = {found["kind"]: found for found in report["judgements"]}
    assert {kind: found["n"] for kind, found in kinds.items()} == {
        "captions": 3,
        "questions": 1,
        "labels": 8,
    }
    engine = load(str(tiny.directory()), str(mine), quantize="none")
    folder = data.parent
    images = engine.encode_images([open_image(folder / row["image"]) for row in LABEL_ROWS])
    said = [found.scores[0][0] for found in engine.label(images)]
    right = sum(label == row["label"] for label, row in zip(said, LABEL_ROWS, strict=True))
    assert kinds["labels"]["scores"]["accuracy_fine"]["own"]["value"] == right / 8
    assert "chose from the list of mine" in kinds["labels"]["notes"][0]
    scores = json.loads((mine / "sightdesk.json").read_text())["scores"]
    assert set(scores) == {"shop/val captions", "shop/val questions", "shop/val labels"}
    assert page.stat().st_size > 10_000
