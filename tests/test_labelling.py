"""Labels: only from the list, as likely as read one by one, as sure as they are right."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from assistant.cli import app
from assistant.engine import EncodedImage, Engine, Turn, eyes
from assistant.engine import likelihood as module
from assistant.engine.labels import _answer
from assistant.engine.likelihood import _one_by_one, log_likelihoods
from assistant.errors import AdapterError, InputError
from assistant.evidence import Evidence, imagenet_names
from assistant.labelling import (
    Calibration,
    Labelled,
    LabelScores,
    calibrate,
    choose_weight,
    decide,
    expected_calibration_error,
)
from assistant.prompts import LABEL_QUESTION
from assistant.settings import Settings
from assistant.vision import EfficientNetLiteModel
from tests import tiny
from tests.stacked import POINTWISE, write_stacked

LABELS = {
    "Banana": "Banana",
    "Golden-Delicious": "Apple",
    "Granny-Smith": "Apple",
    "Oat_Milk": "Milk",
    "Oat_Milk-2": "Milk",
    "Oat-Milk": "Milk",
    "Käse": "Käse",
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    """In float32, so that the order of sums decides nothing."""
    settings = Settings(device="cpu", quantize="none")
    loaded = Engine.load(base=str(tiny.directory()), settings=settings)
    loaded.model.float()
    return loaded


@pytest.fixture(scope="module")
def images(engine: Engine) -> list[EncodedImage]:
    return engine.encode_images([tiny.picture(seed) for seed in range(6)])


def by_whole_model(engine: Engine, image: EncodedImage, label: str) -> float:
    """Log-likelihood of a label by one plain pass of the whole model."""
    answer = _answer(engine, label)
    prompt = engine.prompts.build([Turn("user", LABEL_QUESTION, (image.id,))], [image])
    embeds, _ = engine.padded([prompt])
    ids = torch.tensor([answer])
    with torch.inference_mode():
        words = engine.model.get_input_embeddings()(ids)
        logits = engine.model(inputs_embeds=torch.cat([embeds, words], dim=1)).logits
    chances = logits[:, embeds.shape[1] - 1 : -1].log_softmax(-1)
    return float(chances.gather(-1, ids[..., None]).sum())


def test_likelihoods_are_those_of_reading_each_label_by_itself(
    engine: Engine, images: list[EncodedImage]
) -> None:
    labels = list(LABELS)
    found = engine.label(images, labels=labels, top=len(labels))
    for image, each in zip(images, found, strict=True):
        naive = torch.tensor([by_whole_model(engine, image, label) for label in labels])
        expected = dict(zip(labels, naive.softmax(-1).tolist(), strict=True))
        assert {name for name, _ in each.scores} == set(labels)
        for name, share in each.scores:
            assert share == pytest.approx(expected[name], abs=1e-5)
        assert sum(share for _, share in each.scores) == pytest.approx(1, abs=1e-9)
        assert each.label == each.scores[0][0]
        assert each.confidence == each.scores[0][1] == max(share for _, share in each.scores)
    assert len({each.scores for each in found}) == len(images), "the picture matters"


@pytest.mark.parametrize("room", [1, 7, 10_000])
def test_no_size_of_a_pass_changes_the_result(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    monkeypatch.setattr(module, "_PASS", room)
    monkeypatch.setattr(module, "_BLOCK", room)
    questions = ("What is it?", "Describe the picture in one sentence, please.", "A dog?")
    prompts = [
        engine.prompts.build([Turn("user", text, (image.id,))], [image])
        for text, image in zip(questions, images, strict=False)
    ]
    embeds, mask = engine.padded(prompts)
    assert 0 in mask, "prompts of different lengths"
    answers = [_answer(engine, label) for label in LABELS] + [(5,), (5, 6), (5, 6, 7), (9,)]
    found = log_likelihoods(engine.model, embeds, mask, answers)
    with torch.inference_mode():
        naive = _one_by_one(engine.model, embeds, mask, answers)
    torch.testing.assert_close(found, naive, atol=1e-4, rtol=1e-4)


def test_models_with_other_caches_are_read_one_by_one(
    engine: Engine, images: list[EncodedImage], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = engine.label(images[:2], labels=list(LABELS))
    monkeypatch.setattr(module, "DynamicLayer", type("Other", (), {}))
    for first, second in zip(usual, engine.label(images[:2], labels=list(LABELS)), strict=True):
        assert first.label == second.label
        assert first.confidence == pytest.approx(second.confidence, abs=1e-5)


@pytest.mark.parametrize(
    "labels",
    [
        ["Kiwi"],
        ["a", "a b", "a b c"],
        ["Kiwi", "Kiwi", "Lemon"],
        ["日本茶", "<|im_end|>", "x" * 200],
    ],
    ids=["one", "beginnings", "twice", "odd"],
)
def test_a_label_is_always_one_of_the_list(
    engine: Engine, images: list[EncodedImage], labels: list[str]
) -> None:
    for each in engine.label(images, labels=labels, top=50):
        assert each.label in labels
        assert len(each.scores) == len(set(labels))
        assert each.coarse is None
        assert sum(share for _, share in each.scores) == pytest.approx(1)


def test_none_of_these_below_the_threshold(engine: Engine, images: list[EncodedImage]) -> None:
    sure = engine.label(images, labels=list(LABELS))
    limit = sorted(each.confidence for each in sure)[3]
    found = engine.label(images, labels=list(LABELS), threshold=limit)
    for before, each in zip(sure, found, strict=True):
        assert each.label == (before.label if before.confidence >= limit else None)
        assert each.confidence == before.confidence
        assert each.scores == before.scores
    assert [each.label for each in found].count(None) == 3


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ({"labels": []}, "There are 0 labels; give between 1 and 10,000"),
        ({"labels": [str(number) for number in range(10_001)]}, "There are 10001 labels"),
        ({"labels": ["Kiwi", " "]}, "The label ' ' cannot be used"),
        ({"labels": ["x" * 201]}, "200 characters at most"),
        ({"labels": "Kiwi"}, "one text; give a list"),
        ({"labels": ["Kiwi"], "threshold": 1.5}, "threshold is 1.5; give a value between 0 and 1"),
        ({"labels": ["Kiwi"], "threshold": float("nan")}, "threshold is nan"),
        ({}, "knows labels; give a list"),
    ],
    ids=str,
)
def test_a_list_that_cannot_be_used_is_refused(
    engine: Engine, images: list[EncodedImage], given_: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        engine.label(images, **given_)  # type: ignore[arg-type]


def test_no_pictures_no_labels(engine: Engine) -> None:
    assert engine.label([], labels=["Kiwi"]) == []


# --- an adapter's labels


@pytest.fixture
def adapter(engine: Engine, tmp_path: Path) -> Path:
    """With a label head, a tower of its own and LoRA."""
    folder = write_stacked(
        tmp_path / "goods",
        targets=rf"({POINTWISE})|(.*language_model.*\.q_proj)",
        labels=LABELS,
        head=True,
    )
    engine.drop_adapter("goods") if "goods" in engine.adapters else None
    return folder


def set_calibration(folder: Path, **values: object) -> None:
    about = json.loads((folder / "sightdesk.json").read_text())
    known = {"temperature": 1.0, "threshold": 0.0}
    (folder / "sightdesk.json").write_text(json.dumps(about | {"calibration": known | values}))


def head_alone(engine: Engine, image: EncodedImage, folder: Path) -> dict[str, float]:
    tensors = load_file(folder / "label_head.safetensors")
    assert image.pooled is not None
    logits = tensors["label_head.weight"] @ image.pooled + tensors["label_head.bias"]
    return dict(zip(sorted(LABELS), logits.log_softmax(-1).tolist(), strict=True))


def test_head_and_language_model_are_mixed_and_calibrated(engine: Engine, adapter: Path) -> None:
    set_calibration(adapter, temperature=2.5, threshold=0.3, head_weight=0.7)
    name = engine.add_adapter(adapter)
    image = engine.encode_image(tiny.picture(0), adapter=name)
    (found,) = engine.label([image], adapter=name, top=10)
    seen = head_alone(engine, image, adapter)
    with engine.alone(name):
        spoken = {label: by_whole_model(engine, image, label) for label in LABELS}
    mixed = torch.tensor([0.7 * seen[label] + 0.3 * spoken[label] for label in LABELS])
    expected = dict(zip(LABELS, (mixed / 2.5).softmax(-1).tolist(), strict=True))
    for label, share in found.scores:
        assert share == pytest.approx(expected[label], abs=1e-4)
    best = max(expected, key=lambda label: expected[label])
    assert found.label == (best if expected[best] >= 0.3 else None)
    assert found.coarse == (LABELS[best] if found.label else None)
    scores = engine.label_scores([image], adapter=name)
    assert scores.labels == tuple(sorted(LABELS))
    assert scores.mixed(0.7)[0].tolist() == pytest.approx(
        [0.7 * seen[label] + 0.3 * spoken[label] for label in sorted(LABELS)], abs=1e-3
    )


def test_a_head_of_full_weight_asks_no_language_model(
    engine: Engine, adapter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_calibration(adapter, head_weight=1)
    name = engine.add_adapter(adapter)
    image = engine.encode_image(tiny.picture(1), adapter=name)
    monkeypatch.setattr(engine.model.model.language_model, "forward", None)
    seen = head_alone(engine, image, adapter)
    (found,) = engine.label([image], adapter=name)
    assert found.label == max(seen, key=lambda label: seen[label])
    subset = sorted(LABELS)[2:5]
    (some,) = engine.label([image], adapter=name, labels=subset, top=9)
    shares = torch.tensor([seen[label] for label in subset]).softmax(-1).tolist()
    assert dict(some.scores) == pytest.approx(dict(zip(subset, shares, strict=True)), abs=1e-5)


def test_calibration_is_that_of_the_adapters_own_labels(engine: Engine, adapter: Path) -> None:
    set_calibration(adapter, threshold=1.0, head_weight=0)
    name = engine.add_adapter(adapter)
    image = engine.encode_image(tiny.picture(1), adapter=name)
    assert engine.label([image], adapter=name)[0].label is None
    assert engine.label([image], adapter=name, labels=["Banana", "Käse"])[0].label is None
    assert engine.label([image], adapter=name, labels=["Banana", "Leek"])[0].label is not None
    assert engine.label([image], adapter=name, threshold=0)[0].label in LABELS


def shorter(folder: Path) -> None:
    save_head(folder, torch.zeros(3, 16), torch.zeros(3))


def narrower(folder: Path) -> None:
    save_head(folder, torch.zeros(len(LABELS), 9), torch.zeros(len(LABELS)))


def infinite(folder: Path) -> None:
    save_head(folder, torch.full((len(LABELS), 16), torch.inf), torch.zeros(len(LABELS)))


def other_tensors(folder: Path) -> None:
    save_file({"weight": torch.zeros(1)}, folder / "label_head.safetensors")


def save_head(folder: Path, weight: torch.Tensor, bias: torch.Tensor) -> None:
    tensors = {"label_head.weight": weight, "label_head.bias": bias}
    save_file(tensors, folder / "label_head.safetensors")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (shorter, "does not go with its 7 labels"),
        (narrower, "does not go with its 7 labels"),
        (infinite, "values that are no numbers"),
        (other_tensors, "holds no label head"),
        (lambda folder: set_calibration(folder, head_weight=1.5), "head_weight .* is 1.5; correct"),
        (lambda folder: set_calibration(folder, temperature=1e9), "temperature .*; correct"),
    ],
)
def test_a_damaged_label_head_is_refused(
    engine: Engine, adapter: Path, damage: object, message: str
) -> None:
    damage(adapter)  # type: ignore[operator]
    with pytest.raises(AdapterError, match=message):
        engine.add_adapter(adapter)
    assert "goods" not in engine.adapters


# --- the encoder's own names


@pytest.fixture(scope="module")
def knowing(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """A tiny base whose tower has the 1,000 classes."""
    folder = tmp_path_factory.mktemp("base") / "tiny"
    model: Any = tiny.model()
    config = tiny.tower_config()
    config.num_classes = len(imagenet_names())
    tower = EfficientNetLiteModel(config)
    state = tower.state_dict() | {
        name: tensor
        for name, tensor in model.model.vision_tower.state_dict().items()
        if not name.startswith("classifier")
    }
    tower.load_state_dict(state)
    torch.manual_seed(1)
    torch.nn.init.normal_(tower.classifier.weight, std=1.0)
    model.model.vision_tower = tower
    model.config.vision_config.num_classes = config.num_classes
    model.save_pretrained(folder)
    tiny.processor().save_pretrained(folder)
    engine = Engine.load(base=str(folder), settings=Settings(device="cpu", quantize="none"))
    engine.model.float()
    return engine


def test_without_an_adapter_the_encoder_names_what_it_sees(
    knowing: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = knowing.encode_images([tiny.picture(seed) for seed in range(3)])
    monkeypatch.setattr(knowing.model.model.language_model, "forward", None)
    found = knowing.label(images, threshold=0, top=2000)
    for image, each in zip(images, found, strict=True):
        assert image.pooled is not None
        with torch.inference_mode():
            logits = knowing.tower.classify(image.pooled[None])[0]
        shares = (logits / 0.8).softmax(-1).tolist()
        summed: dict[str, float] = {}
        for name, share in zip(imagenet_names(), shares, strict=True):
            summed[name] = summed.get(name, 0.0) + share
        assert dict(each.scores) == pytest.approx(summed, abs=1e-5)
        assert each.label == max(summed, key=lambda name: summed[name])
        assert sum(share for _, share in each.scores) == pytest.approx(1)
    assert knowing.label(images, threshold=1)[0].label is None
    assert knowing.recognise([]) == []


def test_evidence_comes_from_the_grounds_tower(
    knowing: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    told = Evidence((), 0.5, True)

    def judge(pooled: torch.Tensor, *_: object) -> Evidence:
        seen.append(pooled)
        return told

    monkeypatch.setattr("assistant.engine.holder.judge", judge)
    monkeypatch.setattr("assistant.engine.holder.shipped_domain", lambda: None)
    about = {"fingerprint": knowing._stack.identity().fingerprint}  # type: ignore[union-attr]
    name = knowing.add_adapter(write_stacked(tmp_path / "sees", targets=POINTWISE, on=about))
    plain = knowing.encode_image(tiny.picture(0))
    own = knowing.encode_image(tiny.picture(0), adapter=name)
    assert own.pooled is not None
    assert plain.pooled is not None
    assert plain.glance is None
    assert not torch.allclose(own.pooled, plain.pooled, atol=1e-2)
    passes: list[int] = []
    looking = eyes.quick(knowing.tower, torch.zeros(1, 3, 8, 8))
    assert looking is not None
    hook = looking.register_forward_hook(lambda *_: passes.append(1))
    assert knowing.evidence(own) == knowing.evidence(own) == told
    hook.remove()
    assert len(passes) == 1, "looked at once, and only when asked"
    torch.testing.assert_close(seen[0], plain.pooled, atol=1e-4, rtol=1e-4)
    assert knowing.recognise([own])[0].scores[0][0] == knowing.recognise([plain])[0].scores[0][0]


# --- calibration


def test_calibration_error_of_known_numbers() -> None:
    assert expected_calibration_error([], []) == 0
    assert expected_calibration_error([1.0, 1.0], [True, True]) == 0
    assert expected_calibration_error([0.9, 0.9], [True, False]) == pytest.approx(0.4)
    # Two bins of ten: 0.25 is sure of a quarter and never right, 0.75 always right.
    parts = expected_calibration_error([0.25] * 3 + [0.75], [False] * 3 + [True], bins=10)
    assert parts == pytest.approx((3 * 0.25 + 0.25) / 4)
    # Over- and underconfidence of one bin make up for each other; of two bins they do not.
    assert expected_calibration_error([0.6, 0.7], [True, False], bins=1) == pytest.approx(0.15)
    assert expected_calibration_error([0.6, 0.7], [True, False], bins=10) == pytest.approx(0.55)
    assert expected_calibration_error([0.0, 0.5], [False, True], bins=2) == pytest.approx(0.25)
    with pytest.raises(ValueError, match="as many answers"):
        expected_calibration_error([0.5], [])
    with pytest.raises(ValueError, match="not between 0 and 1"):
        expected_calibration_error([1.5], [True])


def drawn(temperature: float, count: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose softmax at a temperature is how often each label is true."""
    rng = np.random.default_rng(0)
    scores = rng.normal(0, 2, (count, 5))
    shares = np.exp(scores / temperature)
    shares /= shares.sum(1, keepdims=True)
    return scores, np.array([rng.choice(5, p=row) for row in shares])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_calibration_finds_the_temperature(temperature: float) -> None:
    scores, truth = drawn(temperature)
    found, threshold = calibrate(scores, truth)
    assert found == pytest.approx(temperature, rel=0.1)

    def error(t: float) -> float:
        labelled = decide(torch.tensor(scores), "abcde", coarse={}, temperature=t, threshold=0.0)
        right = [each.label == "abcde"[true] for each, true in zip(labelled, truth, strict=True)]
        return expected_calibration_error([each.confidence for each in labelled], right)

    assert error(found) < 0.03
    if temperature != 1.0:
        assert error(found) < 0.5 * error(1.0)
    assert 0.2 <= threshold <= 0.5


def test_the_threshold_keeps_the_right_answers() -> None:
    scores, truth = drawn(1.5)
    temperature, threshold = calibrate(scores, truth)
    labelled = decide(
        torch.tensor(scores), "abcde", coarse={}, temperature=temperature, threshold=threshold
    )
    sure = [each.scores[0][0] == "abcde"[true] for each, true in zip(labelled, truth, strict=True)]
    kept = [each.label is not None for each, right in zip(labelled, sure, strict=True) if right]
    assert sum(kept) >= 0.94 * len(kept)
    assert any(each.label is None for each in labelled)


def test_scores_that_part_everything_stay_finite() -> None:
    temperature, threshold = calibrate([[9.0, 0.0], [0.0, 9.0]], [0, 1])
    assert (temperature > 0, threshold) == (True, 0.5)
    assert calibrate([[1.0, 0.0]], [1])[1] == 0.5, "nothing right"


@pytest.mark.parametrize(
    ("scores", "truth"),
    [([], []), ([[1.0, 2.0]], [2]), ([[1.0, 2.0]], [0, 1]), ([1.0], [0]), ([[np.nan, 0]], [0])],
)
def test_calibration_needs_scores_that_go_with_the_truth(
    scores: Sequence[object], truth: Sequence[int]
) -> None:
    with pytest.raises(ValueError, match=r"needed|not among|no number"):
        calibrate(scores, truth)  # type: ignore[arg-type]


def test_the_better_part_gets_the_weight() -> None:
    good, truth = drawn(1.0, 800)
    noise = np.random.default_rng(1).normal(0, 2, good.shape)
    assert choose_weight(noise, good, truth) == 1.0
    assert choose_weight(good, noise, truth) <= 0.1
    assert choose_weight(good, good, truth) == 1.0, "of equals the cheaper one"


@given(
    st.lists(st.lists(st.floats(-50, 50), min_size=3, max_size=3), min_size=1, max_size=5),
    st.floats(0.05, 20),
    st.floats(0, 1),
)
@how(max_examples=50, deadline=None)
def test_decisions_hold_for_any_scores(
    rows: list[list[float]], temperature: float, threshold: float
) -> None:
    found = decide(
        torch.tensor(rows), "abc", coarse={"a": "A"}, temperature=temperature, threshold=threshold,
        top=3,
    )  # fmt: skip
    for each in found:
        assert sum(share for _, share in each.scores) == pytest.approx(1)
        assert (each.label is None) == (each.confidence < threshold)
        assert each.coarse == ("A" if each.label == "a" else None)


def test_scores_of_one_part_need_no_weight() -> None:
    only = torch.zeros(1, 2)
    assert LabelScores(("a", "b"), only, None).mixed(1.0) is only
    assert LabelScores(("a", "b"), None, only).mixed(0.0) is only
    with pytest.raises(ValueError, match="no scores"):
        LabelScores(("a", "b"), None, None).mixed(0.5)
    assert Calibration.of(None) == Calibration()


# --- the command


class Scripted:
    """An engine that knows two labels, and remembers how it was asked."""

    name, adapter, quantization = "embedded", "goods", "none"

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, object]]] = []

    def encode_images(self, pictures: Sequence[object]) -> list[object]:
        return list(pictures)

    def label(self, images: Sequence[object], **how_: object) -> list[Labelled]:
        self.asked.append(("label", how_))
        known = Labelled("Granny-Smith", "Apple", 0.875, (("Granny-Smith", 0.875), ("Kiwi", 0.125)))
        unsure = Labelled(None, None, 0.21, (("Kiwi", 0.21),))
        return [known, unsure][: len(images)]

    def recognise(self, images: Sequence[object], **how_: object) -> list[Labelled]:
        self.asked.append(("recognise", how_))
        return [Labelled("banana", None, 0.9, (("banana", 0.9),)) for _ in images]


@pytest.fixture
def scripted(monkeypatch: pytest.MonkeyPatch) -> Scripted:
    engine = Scripted()
    monkeypatch.setattr("assistant.engine.Engine.load", lambda *_args, **_named: engine)
    return engine


def run(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["label", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_the_command_tells_labels_and_none_of_these(scripted: Scripted, tmp_path: Path) -> None:
    first, second = tiny.picture_files(tmp_path, 2)
    code, said, _ = run(first, second, "--adapter", "goods")
    assert code == 0
    assert said.splitlines() == [
        f"{first}: Granny-Smith, Apple (88 %)",
        f"{second}: none of these (at best Kiwi, 21 %)",
    ]
    assert scripted.asked == [("label", {"labels": None, "threshold": None, "top": 5})]


def test_the_command_as_json(scripted: Scripted, tmp_path: Path) -> None:
    (first,) = tiny.picture_files(tmp_path, 1)
    code, said, _ = run(first, "--labels", "Kiwi, Granny-Smith,", "--json", "--threshold", 0.5)
    row = json.loads(said)
    assert code == 0
    assert (row["label"], row["coarse"], row["confidence"]) == ("Granny-Smith", "Apple", 0.875)
    assert row["scores"] == [["Granny-Smith", 0.875], ["Kiwi", 0.125]]
    assert (row["image"], row["model"], row["adapter"]) == (str(first), "embedded", "goods")
    asked = {"labels": ["Kiwi", "Granny-Smith"], "threshold": 0.5, "top": 5}
    assert scripted.asked == [("label", asked)]


def test_without_adapter_and_list_the_command_names_what_the_encoder_sees(
    scripted: Scripted, tmp_path: Path
) -> None:
    (first,) = tiny.picture_files(tmp_path, 1)
    assert run(first) == (0, f"{first}: banana (90 %)\n", "")
    assert scripted.asked == [("recognise", {"threshold": None, "top": 5})]


def test_a_list_from_a_file(scripted: Scripted, tmp_path: Path) -> None:
    (first,) = tiny.picture_files(tmp_path, 1)
    file = tmp_path / "labels.txt"
    file.write_bytes(b"\xef\xbb\xbfKiwi\r\n\n  K\xc3\xa4se \n")
    assert run(first, "--labels-file", file)[0] == 0
    assert scripted.asked[0][1]["labels"] == ["Kiwi", "Käse"]


def test_a_bad_picture_does_not_stop_the_others(scripted: Scripted, tmp_path: Path) -> None:
    (first,) = tiny.picture_files(tmp_path, 1)
    code, said, told = run(tmp_path / "missing.png", first)
    assert (code, said) == (2, f"{first}: banana (90 %)\n")
    assert "missing.png" in told


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "There are no labels to choose from: write one a line"),
        (b"\xff\xfe\x00", "is not UTF-8 text: save it as such"),
        (b"x" * (2**20 + 1), "is larger than 1 MiB"),
    ],
)
def test_a_list_that_is_none(
    scripted: Scripted, tmp_path: Path, content: bytes | None, message: str
) -> None:
    (first,) = tiny.picture_files(tmp_path, 1)
    file = tmp_path / "labels.txt"
    if content is not None:
        file.write_bytes(content)
    code, said, told = run(first, "--labels-file", file)
    assert (code, said) == (2, "")
    assert message in told
    assert not scripted.asked


def test_two_lists_or_an_empty_one(scripted: Scripted, tmp_path: Path) -> None:
    (first,) = tiny.picture_files(tmp_path, 1)
    assert "give one of them" in run(first, "--labels", "a", "--labels-file", first)[2]
    assert "no labels to choose from: write them as" in run(first, "--labels", " , ")[2]
    assert not scripted.asked


@pytest.mark.weights
def test_photos_are_named_by_the_embedded_base(base_cache: Path, photos: Path) -> None:
    from assistant.images import open_image

    engine = Engine.load("embedded", settings=Settings(cache_dir=base_cache, quantize="none"))
    names = {"Banana.webp": "banana", "Lemon.webp": "lemon", "Pineapple.webp": "pineapple"}
    images = engine.encode_images([open_image(photos / name) for name in names])
    assert [each.label for each in engine.recognise(images)] == list(names.values())
    listed = engine.label(images, labels=["Banana", "bicycle", "Pineapple"])
    assert [listed[0].label, listed[2].label] == ["Banana", "Pineapple"]
    assert {each.label for each in engine.label(images)} <= {*engine.labels, None}
