"""Training the space: learning, going on after a kill, what is saved, bad input."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from adapters.adapters_cli import adapters_app
from adapters.retrieval import run as running
from adapters.retrieval.calibration import calibrate, fit_curve
from adapters.retrieval.material import Sources, read_material, spoken, texts_of
from adapters.retrieval.recipe import SpaceRecipe, space_recipe
from adapters.retrieval.run import Ground, train_space
from adapters.retrieval.texts import TextStore, UpperText
from adapters.retrieval.views import Cut, ViewStore
from adapters.tune.loop import Group
from assistant.errors import DataError, InputError
from assistant.settings import Settings
from assistant.space.assembling import load_text, load_tower
from assistant.space.choosing import embedded_space
from assistant.space.modules import grid_features, pixel_values
from assistant.vision import fused
from tests import random_space, tiny
from tests.tiny_space import COLOURS

SMALL: dict[str, Any] = {
    "steps": 12, "batch": 8, "tower_stage": 2, "tower_block": 0, "views": 2, "size": 32,
    "use_size": 32, "queries": 2, "hidden": 8, "text_layers": 1, "rank": 2, "head_steps": 3,
    "label_every": 3, "label_batch": 6, "warmup": 2, "validations": 2, "max_tokens": 40,
    "head_rate": 3e-3, "text_rate": 3e-3, "tower_rate": 3e-3, "average": 0.5, "save_every_s": 0.01,
}  # fmt: skip
NAMES = list(COLOURS)


def write_data(folder: Path) -> Sources:
    """Two-coloured pictures that say their colours, and one-coloured ones with a label."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    captions, labels = [], []
    for number in range(32):
        upper, lower = rng.choice(len(NAMES), 2, replace=False)
        pixels = np.zeros((12, 16, 3), np.uint8)
        pixels[:6], pixels[6:] = COLOURS[NAMES[upper]], COLOURS[NAMES[lower]]
        Image.fromarray(pixels).save(folder / f"{number}.png")
        said = [
            f"{NAMES[upper]} over {NAMES[lower]}",
            f"a {NAMES[upper]} part and a {NAMES[lower]}",
        ]
        captions.append({"image": f"{number}.png", "references": said})
    for number, name in enumerate(NAMES * 2):
        shade = rng.integers(-15, 16, 3) + COLOURS[name]
        Image.new("RGB", (10, 10), tuple(shade.clip(0, 255))).save(folder / f"l{number}.png")
        labels.append({"image": f"l{number}.png", "label": f"All-{name}", "coarse_label": "Paint"})
    products = [
        {
            "label": f"All-{NAMES[0]}",
            "coarse_label": "Paint",
            "description": "As red as a tomato is. Dry.",
        }
    ]
    for name, rows in (("captions", captions), ("labels", labels), ("products", products)):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text)
    lines = (folder / "captions.jsonl").read_text().splitlines(keepends=True)
    (folder / "train.jsonl").write_text("".join(lines[:24]))
    (folder / "val.jsonl").write_text("".join(lines[24:]))
    lines = (folder / "labels.jsonl").read_text().splitlines(keepends=True)
    (folder / "val-labels.jsonl").write_text("".join(lines[len(NAMES) :]))
    return Sources(
        (folder / "train.jsonl",), (folder / "labels.jsonl",), (folder / "val.jsonl",),
        (folder / "val-labels.jsonl",), (folder / "products.jsonl",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    return write_data(tmp_path_factory.mktemp("data") / "data")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    text = random_space.write_text(tmp_path_factory.mktemp("text") / "text")
    return Ground(tiny.directory(), text, "tiny")


@pytest.fixture(scope="module")
def trained(
    sources: Sources, ground: Ground, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[float]]:
    """A training to its end, and its losses."""
    out = tmp_path_factory.mktemp("out")
    losses: list[float] = []
    settings = Settings(cache_dir=out / "cache")
    knobs = {
        "steps": 150, "batch": 12, "label_batch": 8, "rank": 8, "text_layers": 2, "hidden": 32,
        "dropout": 0, "text_dropout": 0, "soft": 0, "average": 0.9, "save_every_s": 60,
    }  # fmt: skip
    recipe = SpaceRecipe(**SMALL | knobs)
    assert train_space(
        sources, out, recipe, ground, settings, terms="mine",
        watch=lambda report: losses.append(report.loss),
    )  # fmt: skip
    return out, losses


def test_it_learns_and_is_loaded_as_it_was_trained(
    trained: tuple[Path, list[float]], ground: Ground, sources: Sources
) -> None:
    out, losses = trained
    assert np.mean(losses[-9:]) < 0.8 * np.mean(losses[:9])
    about = json.loads((out / "space" / "space.json").read_text())
    with (out / "space.csv").open(newline="") as file:
        told = [json.loads(row["scores"]) for row in csv.DictReader(file) if row["scores"]]
    best = max(told, key=lambda scores: scores["score"])
    found = about["scores"]["held-out captions"]
    assert found["n"] == 8 and found["t2i_r5"] > 0.7
    # What is measured through files and the embedder is what training saw, but for the packing.
    assert found["t2i_r5"] == pytest.approx(best["t2i_r5"], abs=0.15)
    labels = about["scores"]["held-out labels"]
    assert labels["n"] == len(NAMES) and labels["mean_average_precision"] > 0.45
    assert about["data"]["captioned"] == 24 and about["data"]["labels"] == len(NAMES)
    assert about["data"]["terms"] == "mine" and about["recipe"]["steps"] == 150
    assert {file["name"] for file in about["data"]["files"]} >= {"train.jsonl", "products.jsonl"}
    assert about["calibration"]["words"][0] > 0 and 0.05 <= about["calibration"]["threshold"] <= 0.5
    assert about["scores"]["calibration of words"]["auc"] > 0.6
    card = (out / "space" / "README.md").read_text()
    assert "held\\-out captions" in card and "Terms: mine" in card
    space = embedded_space(out / "space", "cpu", out, base=ground.base, text=ground.text)
    picture = Image.new("RGB", (10, 10), COLOURS["red"])
    cosines = space.encode_pictures([picture]) @ space.encode_texts(["all red", "all blue"]).T
    assert cosines.shape == (1, 2)


# --- its parts


def test_below_and_above_are_the_whole_tower() -> None:
    tower = fused(load_tower(tiny.directory()))
    pixels = pixel_values([tiny.pixels(1), tiny.pixels(2)], tiny.IMAGE_SIZE)
    with torch.no_grad():
        whole = grid_features(tower, pixels)
        for stage, block in ((0, 0), (1, 0), (1, 1), (2, 0)):
            cut = Cut(tower, stage, block)
            assert torch.allclose(cut.above(cut.below(pixels)), whole, atol=1e-5)
            names = set(cut.trained())
            assert "head.conv.weight" in names and not any("stem" in n for n in names)
            assert any(name.startswith(f"stages.{stage}.{block}.") for name in names)
            assert not any(name.startswith(f"stages.{stage}.{block - 1}.") for name in names)


def test_views_are_computed_once_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    tower = fused(load_tower(tiny.directory()))
    cut = Cut(tower, 2, 0)
    paths = tiny.picture_files(tmp_path, 70)
    seen: list[int] = []

    def build(folder: str, stop: int | None = None) -> ViewStore:
        def progress(done: int, total: int) -> None:
            seen.append(done)
            if stop is not None and done >= stop:
                raise KeyboardInterrupt

        return ViewStore.build(
            cut, paths, tmp_path / folder, size=32, views=3, revision="r", progress=progress
        )

    whole = build("a").maps(range(70), None)
    with pytest.raises(KeyboardInterrupt):
        build("b", stop=64)
    seen.clear()
    again = build("b")
    assert seen == [70] and torch.equal(again.maps(range(70), None), whole)
    seen.clear()
    build("b")
    assert not seen, "what is there is not computed again"
    with torch.no_grad():
        expected = cut.below(pixel_values([Image.open(paths[0])], 32))[0]
    assert torch.allclose(whole[0], expected, atol=0.02 * float(expected.abs().max()))
    assert not np.allclose(again._data[0, 0], again._data[0, 1], atol=0.05)


def test_upper_text_is_the_encoder_until_it_has_learnt(ground: Ground, tmp_path: Path) -> None:
    words = load_text(ground.text, 40)
    texts = ["red over blue", "a long text that says a lot of colours: red, green", "x"]
    store = TextStore.build(words, texts, tmp_path, layers=1, revision="r")
    again = TextStore.build(words, texts, tmp_path, layers=1, revision="r")
    assert torch.equal(store.base, again.base)
    upper = UpperText(words, 1, 2, random_space.WIDTH, 0.0).eval()
    with torch.no_grad():
        found = upper(*store.rows([0, 1, 2]))
    assert torch.allclose(found, store.base, atol=5e-3)  # states are kept in half precision
    assert set(upper.changes()) >= {"encoder.layer.1.output.dense.lora_b"}
    assert not any(".layer.0." in name for name in upper.changes())


def test_a_group_rests_until_its_step() -> None:
    assert Group({}, 1.0, 0.0).share(0, 10) == 1
    group = Group({}, 1.0, 0.0, start=5)
    assert [group.share(step, 2) for step in (0, 4, 5, 6, 9)] == [0, 0, 0.5, 1, 1]


def test_material_is_read_and_parted(sources: Sources) -> None:
    material = read_material(sources, 0.5, 0)
    assert len(material.learnt.captioned) == 24 and len(material.held.captioned) == 8
    # Pictures that validate are not learnt from, though a file names them.
    assert len(material.learnt.labelled) == len(material.held.labelled) == len(NAMES)
    assert "As red as a tomato is." in material.meanings["All-red"]
    assert material.meanings["All-blue"][0] == "photo of all blue"
    own = read_material(Sources(sources.captions), 0.3, 0)
    held = {row.image for row in own.held.captioned}
    assert 2 <= len(held) <= 14 and not held & {row.image for row in own.learnt.captioned}
    assert read_material(Sources(sources.captions), 0.3, 0) == own
    assert read_material(Sources(sources.captions), 0.3, 1) != own
    assert spoken("Sweet-Potato_x") == "sweet potato x"
    assert texts_of("A", "B", "Short. " + "A longer sentence of words. " * 9)[-1].startswith(
        "A lon"
    )


def test_hard_negatives_come_with_their_picture(
    sources: Sources, ground: Ground, tmp_path: Path
) -> None:
    recipe = SpaceRecipe(**SMALL | {"neighbours": 1, "steps": 2, "captions": 2, "label_every": 0})
    assert train_space(
        Sources(sources.captions, val_captions=sources.val_captions),
        tmp_path, recipe, ground, Settings(cache_dir=tmp_path / "cache"),
    )  # fmt: skip
    about = json.loads((tmp_path / "space" / "space.json").read_text())
    assert "calibration of pictures" in about["scores"]  # of crops, where nothing has a label


def test_a_curve_is_found_again() -> None:
    rng = np.random.default_rng(0)
    cosines = rng.uniform(-0.5, 1, 200_000).astype(np.float32)
    right = rng.random(len(cosines)) < 1 / (1 + np.exp(-(12 * cosines - 5)))
    slope, offset = fit_curve(cosines, right, np.ones(len(cosines)))
    assert slope == pytest.approx(12, rel=0.05) and offset == pytest.approx(-5, rel=0.05)
    slope, offset = fit_curve(np.array([0.1, 0.9]), np.array([False, True]), np.ones(2))
    assert np.isfinite([slope, offset]).all() and slope > 0


def test_calibration_says_how_likely_it_is() -> None:
    rng = np.random.default_rng(0)
    images = rng.normal(size=(300, 32)).astype(np.float32)
    images /= np.linalg.norm(images, axis=1, keepdims=True)
    own = np.repeat(np.arange(300), 2)
    captions = images[own] + 0.15 * rng.normal(size=(600, 32)).astype(np.float32)
    captions /= np.linalg.norm(captions, axis=1, keepdims=True)
    labels = np.arange(300) // 2
    calibration, told = calibrate(images, captions, own, labels, images)
    assert set(told) == {"words", "pictures"}
    assert told["words"]["auc"] > 0.95 and told["words"]["ece"] < 0.05
    assert told["words"]["right_above"] > 0.5 > 0.05 > told["words"]["wrong_above"]
    assert calibration.words[0] > 0
    cosines = captions @ images.T
    said = calibration.of_words(cosines)
    assert said[np.arange(600), own].mean() > 0.5 > 0.05 > said.mean()


# --- stopping, killing, resuming

PROGRAM = """
import json, sys
from pathlib import Path
from adapters.retrieval.material import Sources
from adapters.retrieval.recipe import SpaceRecipe
from adapters.retrieval.run import Ground, train_space
from assistant.settings import Settings
given = json.loads(sys.argv[1])
paths = lambda names: tuple(Path(name) for name in names)
sources = Sources(*(paths(names) for names in given["sources"]))
ground = Ground(Path(given["base"]), Path(given["text"]), "tiny")
done = train_space(sources, Path(given["out"]), SpaceRecipe(**given["recipe"]), ground, Settings())
sys.exit(0 if done else 130)
"""


def started(sources: Sources, ground: Ground, out: Path, cache: Path) -> subprocess.Popen[bytes]:
    given = {
        "sources": [
            [str(p) for p in each]
            for each in (sources.captions, sources.labels, sources.val_captions, sources.val_labels,
                         sources.products)
        ],
        "base": str(ground.base), "text": str(ground.text), "out": str(out), "recipe": SMALL,
    }  # fmt: skip
    out.mkdir(exist_ok=True)
    environment = os.environ | {"SIGHTDESK_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", PROGRAM, json.dumps(given)], env=environment)


def losses_of(out: Path) -> list[tuple[str, str]]:
    with (out / "space.csv").open(newline="") as file:
        return [(row["step"], row["loss"]) for row in csv.DictReader(file)]


def test_a_killed_training_goes_on_with_the_losses_it_would_have_had(
    sources: Sources, ground: Ground, tmp_path: Path
) -> None:
    recipe = SpaceRecipe(**SMALL)
    whole = tmp_path / "whole"
    whole.mkdir()
    torch.set_num_threads(1)
    assert train_space(sources, whole, recipe, ground, Settings(cache_dir=tmp_path / "cache"))
    out = tmp_path / "killed"
    process = started(sources, ground, out, tmp_path / "cache")
    while process.poll() is None:
        if (out / "space.safetensors").exists() and len(losses_of(out)) >= 5:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    before = len(losses_of(out))
    assert train_space(sources, out, recipe, ground, Settings(cache_dir=tmp_path / "cache"))
    found, expected = losses_of(out), losses_of(whole)
    assert [step for step, _ in found] == [step for step, _ in expected] and before >= 5
    assert [float(loss) for _, loss in found] == pytest.approx(
        [float(loss) for _, loss in expected], abs=2e-5
    )
    one, other = ((p / "space" / "model.safetensors").read_bytes() for p in (whole, out))
    assert len(one) == len(other)


def test_another_training_is_not_gone_on_with(
    trained: tuple[Path, list[float]], sources: Sources, ground: Ground
) -> None:
    out, _ = trained
    recipe = SpaceRecipe(**SMALL | {"steps": 61})
    with pytest.raises(DataError, match="another recipe"):
        train_space(sources, out, recipe, ground, Settings(cache_dir=out / "cache"))


# --- bad input


def test_what_cannot_be_used_is_told(sources: Sources, ground: Ground, tmp_path: Path) -> None:
    settings = Settings(cache_dir=tmp_path)

    def train(given: Sources = sources, **knobs: Any) -> None:
        train_space(given, tmp_path, SpaceRecipe(**SMALL | knobs), ground, settings)

    with pytest.raises(DataError, match=r"nowhere\.jsonl cannot be read"):
        train(Sources((tmp_path / "nowhere.jsonl",)))
    with pytest.raises(InputError, match="no block 7 in stage 2"):
        train(tower_block=7)
    with pytest.raises(InputError, match="has 2 layers, not 5"):
        train(text_layers=5)
    one = tmp_path / "one.jsonl"
    one.write_text(json.dumps({"image": "a.png", "references": ["a"]}) + "\n")
    with pytest.raises(InputError, match="too few"):
        train(Sources((one,)))
    with pytest.raises(DataError, match="cannot be read"):
        train(Sources((one, *sources.captions), val_captions=sources.val_captions))
    wrong = tmp_path / "products.jsonl"
    wrong.write_text('{"label": 3}\n')
    with pytest.raises(DataError, match=r"products.jsonl:1: 'label'"):
        train(Sources(sources.captions, val_captions=sources.val_captions, products=(wrong,)))
    with pytest.raises(InputError, match="There is no knob 'stepz'"):
        space_recipe(None, {"stepz": 3})
    with pytest.raises(InputError, match="batch cannot be used"):
        space_recipe(None, {"batch": 1})


def test_the_command(
    sources: Sources, ground: Ground, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assistant.llava.ensure_embedded", lambda *_: ground.base)
    monkeypatch.setattr("assistant.space.choosing.text_directory", lambda: ground.text)
    monkeypatch.setattr(running, "embedded_space", embedded_space)
    monkeypatch.setattr("adapters.train.tune_allocator", lambda: None)
    arguments = [
        "train-space",
        "--data",
        str(sources.captions[0]),
        "--val",
        str(sources.val_captions[0]),
    ]
    arguments += ["--labels", str(sources.labels[0]), "--products", str(sources.products[0])]
    arguments += ["--out", str(tmp_path / "out"), "--json", "--steps", "2"]
    for name, value in SMALL.items():
        if name != "steps":
            arguments += ["--set", f"{name}={value}"]
    done = CliRunner().invoke(adapters_app, arguments)
    assert done.exit_code == 0, done.output
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"progress", "step", "done"} <= {event["event"] for event in events}
    assert (tmp_path / "out" / "space" / "model.safetensors").is_file()
    assert "held-out captions" in events[-1]["scores"]
