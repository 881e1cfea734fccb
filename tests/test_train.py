"""Training a tiny LLaVA: it learns, stops and goes on, and writes what the engine loads."""

from __future__ import annotations

import csv
import json
import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ImageOps
from safetensors import safe_open
from safetensors.torch import save_file

from adapters import features
from adapters.features import FeatureStore
from adapters.objectives import CrossEntropy, Feeder, packed_loss
from adapters.packing import Branch, PromptTokens, Tree, collate
from adapters.publish import draw_loss, save_adapter
from adapters.recipe import Recipe
from adapters.train import StepReport, prepare, rate_factor, train
from assistant.errors import DataError
from assistant.images import open_image
from assistant.llava import attach_adapter, load_base
from assistant.vision import EfficientNetLiteModel, fused
from tests import tiny

RECIPE = Recipe(
    steps=12,
    projector_steps=3,
    tokens=120,
    rank=4,
    alpha=8,
    lora_rate=1e-2,
    projector_rate=1e-2,
    warmup=2,
)
NAMES = ("Banana", "A green pear", "Two men", "A brown dog")


@dataclass
class Pictures:
    """A source with one description and, by chance, one question a picture."""

    name: str
    paths: Sequence[Path]

    def branches(self, index: int, rng: random.Random) -> list[Branch]:
        asked = [Branch("Describe the picture.", (NAMES[index % len(NAMES)] + ".",))]
        if rng.random() < 0.5:
            asked.append(Branch("Is there a dog?", ("No.",), 2.0, ("Is it red?", "Yes.")))
        return asked


@dataclass
class Run:
    """A model with what feeds it."""

    model: Any
    feeder: Feeder

    def train(self, recipe: Recipe, folder: Path, stop_at: int | None = None) -> list[float]:
        """Losses of the steps; a Ctrl-C arrives during step ``stop_at``."""
        losses: list[float] = []

        def watch(report: StepReport) -> None:
            losses.append(report.loss)
            if report.step == stop_at:
                signal.raise_signal(signal.SIGINT)

        objective = CrossEntropy(self.feeder, recipe.tokens)
        finished = train(self.model, objective, recipe, folder, watch=watch)
        assert finished is (stop_at is None)
        return losses


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    return tiny.picture_files(tmp_path, 4)


def start(files: Sequence[Path], folder: Path, recipe: Recipe = RECIPE) -> Run:
    """A fresh model and feeder, as a new process would make them."""
    llava = tiny.model()
    sources = [Pictures("first", files[:3]), Pictures("second", files[3:])]
    fed = []
    for source, share in zip(sources, (0.7, 0.3), strict=True):
        store = FeatureStore.build(
            llava.model.vision_tower, source.paths, folder / "features", variants=2, revision="tiny"
        )
        fed.append((source, store, share))
    tokenizer = tiny.processor().tokenizer
    prompts = PromptTokens(tokenizer, llava.config.image_token_id, tiny.GRID**2)
    return Run(prepare(llava, recipe), Feeder(fed, prompts, recipe, tokenizer.pad_token_id))


def weights(model: Any) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def trained(name: str) -> bool:
    return "lora_" in name or "modules_to_save" in name


def test_it_learns_a_handful_of_pictures(files: list[Path], tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=60)
    losses = start(files, tmp_path, recipe).train(recipe, tmp_path / "run")
    assert len(losses) == 60
    assert sum(losses[-5:]) < 0.5 * sum(losses[:5])


def test_only_projector_and_lora_change(files: list[Path], tmp_path: Path) -> None:
    run = start(files, tmp_path)
    before = weights(run.model)
    run.train(RECIPE, tmp_path / "run")
    after = weights(run.model)
    assert before.keys() == after.keys()
    changed = {name for name, tensor in after.items() if not tensor.equal(before[name])}
    assert changed == {name for name in after if trained(name)}
    for part in ("vision_tower", "language_model", "lm_head", "multi_modal_projector"):
        assert any(part in name and name not in changed for name in after), part


def test_the_first_stage_trains_the_projector_alone(files: list[Path], tmp_path: Path) -> None:
    run = start(files, tmp_path)
    before = weights(run.model)
    run.train(replace(RECIPE, steps=4, projector_steps=10), tmp_path / "run")
    after = weights(run.model)
    lora = [name for name in after if "lora_" in name]
    assert lora
    assert all(after[name].equal(before[name]) for name in lora)
    assert all(not after[name].any() for name in lora if "lora_B" in name)
    projector = [name for name in after if "modules_to_save" in name]
    assert len(projector) == 4, "weight and bias of two layers"
    assert not any(after[name].equal(before[name]) for name in projector)


@pytest.mark.parametrize("stop_at", [2, 7], ids=["projector stage", "second stage"])
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    files: list[Path], tmp_path: Path, stop_at: int
) -> None:
    handler = signal.getsignal(signal.SIGINT)
    whole = start(files, tmp_path)
    expected = whole.train(RECIPE, tmp_path / "whole")
    first = start(files, tmp_path).train(RECIPE, tmp_path / "parts", stop_at)
    assert len(first) == stop_at
    assert signal.getsignal(signal.SIGINT) is handler
    again = start(files, tmp_path)
    rest = again.train(RECIPE, tmp_path / "parts")
    assert first + rest == pytest.approx(expected, abs=1e-5)
    ends = weights(whole.model)
    for name, tensor in weights(again.model).items():
        torch.testing.assert_close(tensor, ends[name], atol=1e-5, rtol=1e-4, msg=name)
    with (tmp_path / "parts" / "loss.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 13))
    assert [float(row["loss"]) for row in rows] == pytest.approx(expected, abs=1e-4)


def test_a_finished_run_has_nothing_left_to_do(files: list[Path], tmp_path: Path) -> None:
    run = start(files, tmp_path)
    run.train(RECIPE, tmp_path / "run")
    again = start(files, tmp_path)
    assert again.train(RECIPE, tmp_path / "run") == []
    ends = weights(run.model)
    assert all(tensor.equal(ends[name]) for name, tensor in weights(again.model).items())


def garbage(file: Path) -> None:
    file.write_bytes(b"\x00" * 64)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-64])


def nameless(file: Path) -> None:
    save_file({"weight.x": torch.zeros(1)}, file)


def partial(file: Path) -> None:
    with safe_open(file, "pt") as opened:
        state = opened.metadata()
        names = sorted(opened.keys())
        kept = {name: opened.get_tensor(name) for name in names[: len(names) // 2]}
    save_file(kept, file, metadata=state)


@pytest.mark.parametrize("damage", [garbage, cut, nameless, partial])
def test_a_damaged_state_is_refused(files: list[Path], tmp_path: Path, damage: Any) -> None:
    short = replace(RECIPE, steps=2)
    start(files, tmp_path).train(short, tmp_path / "run")
    damage(tmp_path / "run" / "state.safetensors")
    with pytest.raises(DataError, match=r"state\.safetensors is damaged.*remove it"):
        start(files, tmp_path).train(short, tmp_path / "run")


def test_a_state_of_another_rank_is_refused(files: list[Path], tmp_path: Path) -> None:
    start(files, tmp_path).train(replace(RECIPE, steps=2), tmp_path / "run")
    other = replace(RECIPE, rank=8)
    with pytest.raises(DataError, match=r"of a run with rank 4, not 8; give the same options"):
        start(files, tmp_path, other).train(other, tmp_path / "run")


def test_a_run_may_be_given_more_time_but_no_other_recipe(
    files: list[Path], tmp_path: Path
) -> None:
    short = replace(RECIPE, steps=2)
    start(files, tmp_path).train(short, tmp_path / "run")
    assert len(start(files, tmp_path).train(replace(RECIPE, steps=5), tmp_path / "run")) == 3
    other = replace(RECIPE, steps=9, lora_rate=0.5)
    with pytest.raises(DataError, match=r"of a run with lora_rate 0\.01, not 0\.5"):
        start(files, tmp_path).train(other, tmp_path / "run")


def test_steps_after_the_last_save_are_logged_once(files: list[Path], tmp_path: Path) -> None:
    """As after `kill -9`: the log is ahead of the state."""
    start(files, tmp_path).train(replace(RECIPE, steps=3), tmp_path / "run")
    with (tmp_path / "run" / "loss.csv").open("a") as file:
        file.write("4,1.0,1.0,1,1,1.0,\n5,1.0,1.0,1")
    start(files, tmp_path).train(replace(RECIPE, steps=6), tmp_path / "run")
    with (tmp_path / "run" / "loss.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [1, 2, 3, 4, 5, 6]


def test_a_loss_that_is_no_number_ends_the_run(files: list[Path], tmp_path: Path) -> None:
    run = start(files, tmp_path)
    for name, parameter in run.model.named_parameters():
        if "modules_to_save" in name:
            parameter.data.fill_(float("nan"))
    with pytest.raises(
        DataError, match=r"The loss is nan at step 0 .*; run the same command to go on"
    ):
        run.train(RECIPE, tmp_path / "run")


def test_rate_rises_stays_and_falls() -> None:
    recipe = Recipe(warmup=10, decay=0.25)
    assert rate_factor(recipe, 0, 0.0) == pytest.approx(0.1)
    assert rate_factor(recipe, 9, 0.1) == 1.0
    assert rate_factor(recipe, 500, 0.75) == 1.0
    assert rate_factor(recipe, 600, 0.875) == pytest.approx(0.5)
    assert rate_factor(recipe, 700, 1.0) == 0.0
    assert rate_factor(replace(recipe, warmup=0, decay=0.0), 0, 1.0) == 1.0


def test_draws_depend_on_seed_and_step_alone(files: list[Path], tmp_path: Path) -> None:
    def trees(recipe: Recipe) -> list[Tree]:
        feeder = start(files, tmp_path, recipe).feeder
        counters = feeder.counters()
        drawn = [tree for _ in range(4) for tree in feeder.trees(counters, recipe.tokens)]
        spent = counters.spent
        assert sum(spent) == sum(map(len, drawn)) >= 4 * recipe.tokens
        assert spent[0] > spent[1] > 0, "tokens go by the sources' shares"
        return drawn

    assert trees(RECIPE) == trees(RECIPE)
    assert trees(RECIPE) != trees(replace(RECIPE, seed=1))


def test_an_epoch_visits_every_picture_once(files: list[Path], tmp_path: Path) -> None:
    feeder = start(files, tmp_path).feeder
    for epoch in range(3):
        seen = [feeder.visit(0, epoch * 3 + place)[0] for place in range(3)]
        assert sorted(seen) == [0, 1, 2]


def test_a_saved_adapter_answers_as_the_trained_model(files: list[Path], tmp_path: Path) -> None:
    """Merged and rounded to bfloat16, logits stay within 3 % of their spread."""
    run = start(files, tmp_path)
    run.train(RECIPE, tmp_path / "run")
    folder = tmp_path / "adapter"
    labels = {"Banana": None, "Golden-Delicious": "Apple"}
    save_adapter(run.model, folder, RECIPE, base="tiny", labels=labels)
    assert sorted(path.name for path in folder.iterdir() if path.name != "README.md") == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "sightdesk.json",
    ]
    about = json.loads((folder / "sightdesk.json").read_text(encoding="utf-8"))
    assert about["base"] == "tiny"
    assert about["labels"] == {"Banana": "Banana", "Golden-Delicious": "Apple"}
    assert Recipe(**about["recipe"]) == RECIPE
    with safe_open(folder / "adapter_model.safetensors", "pt") as opened:
        names = list(opened.keys())
    assert all("lora_" in name or "linear_" in name for name in names)
    assert sum("linear_" in name for name in names) == 4, "the projector is in the same file"

    device = torch.device("cpu")
    base = load_base(tiny.directory(), "tiny", device, torch.float32)
    words: Any = tiny.processor()
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "A dog?"}]}
    inputs = words(
        text=words.apply_chat_template([message], add_generation_prompt=True),
        images=tiny.pixels(0),
        return_tensors="pt",
    )
    with torch.inference_mode():
        plain = base.model(**inputs).logits
        unmerged = run.model.eval().get_base_model()(**inputs).logits
        merged_base = attach_adapter(base, folder, "mine")
        assert merged_base.model.dtype == torch.bfloat16
        assert not any("lora" in name for name, _ in merged_base.model.named_parameters())
        merged = merged_base.model(**inputs).logits.float()
    distance = (merged - unmerged).pow(2).mean().sqrt() / unmerged.std()
    assert distance < 0.03
    assert (plain - unmerged).pow(2).mean().sqrt() / unmerged.std() > 10 * distance


def test_the_loss_is_drawn(files: list[Path], tmp_path: Path) -> None:
    start(files, tmp_path).train(replace(RECIPE, steps=3), tmp_path / "run")
    draw_loss(tmp_path / "run" / "loss.csv", tmp_path / "loss.png")
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_features_equal_those_of_the_processor(files: list[Path], tmp_path: Path) -> None:
    """Training sees a picture as the engine will, within bfloat16's precision."""
    tower = tiny.tower()
    store = FeatureStore.build(tower, files, tmp_path / "features", variants=1, revision="a")
    pixels = [tiny.pixels(seed) for seed in range(4)]
    values = tiny.processor().image_processor(pixels, return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        expected = tower(values).last_hidden_state
    found = torch.stack([store[index, 0] for index in range(4)])
    assert (len(store), found.dtype, found.shape) == (4, torch.bfloat16, (4, 4, 39))
    distance = (found.float() - expected).pow(2).mean().sqrt()
    assert distance < 0.02 * expected.std()


def test_the_second_variant_is_the_mirror_image(files: list[Path], tmp_path: Path) -> None:
    mirrored = []
    for file in files:
        mirrored.append(tmp_path / f"mirror-{file.name}")
        ImageOps.mirror(tiny.pixels(int(file.stem))).save(mirrored[-1])
    tower = tiny.tower()
    folder = tmp_path / "features"
    store = FeatureStore.build(tower, files, folder, variants=3, revision="a")
    mirror = FeatureStore.build(tower, mirrored, folder, variants=1, revision="a")
    for index in range(len(files)):
        assert store[index, 1].equal(mirror[index, 0])
        assert not store[index, 1].equal(store[index, 0])
        assert not store[index, 2].equal(store[index, 0])


def test_an_interrupted_store_goes_on(
    files: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(features, "_BATCH", 2)
    opened: list[Path] = []
    real = open_image

    def noted(path: Path) -> Any:
        opened.append(path)
        return real(path)

    def interrupt(done: int, total: int) -> None:
        assert total == 4
        raise KeyboardInterrupt

    monkeypatch.setattr(features, "open_image", noted)
    tower = tiny.tower()

    def build(folder: str, revision: str = "a", progress: Any = None) -> FeatureStore:
        return FeatureStore.build(
            tower, files, tmp_path / folder, variants=3, revision=revision, progress=progress
        )

    with pytest.raises(KeyboardInterrupt):
        build("parts", progress=interrupt)
    assert opened == files[:2]
    parts = build("parts")
    assert opened == files
    whole = build("whole")
    for index in range(4):
        for variant in range(3):
            assert parts[index, variant].equal(whole[index, variant])
    opened.clear()
    build("parts")
    assert opened == [], "a finished store is read, not made"
    build("parts", revision="b")
    assert opened == files, "another tower has a store of its own"


@pytest.mark.parametrize("seed", range(3))
def test_the_fused_tower_equals_the_tower(seed: int) -> None:
    tower = tiny.tower(seed)
    before = weights(tower)
    x = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        quick = fused(tower)
        torch.testing.assert_close(
            quick(x).last_hidden_state, tower(x).last_hidden_state, atol=1e-4, rtol=0
        )
    assert isinstance(quick, EfficientNetLiteModel)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in quick.modules())
    assert all(tensor.equal(before[name]) for name, tensor in weights(tower).items())


def test_loss_of_a_plain_llava_is_that_of_a_fresh_adapter(
    files: list[Path], tmp_path: Path
) -> None:
    """LoRA starts as no change, and the projector's copy as the projector."""
    run = start(files, tmp_path)
    prompts = run.feeder._prompts
    tree = prompts.tree(0, [Branch("Describe the picture.", ("A dog.",))])
    batch = collate([[tree]], 2)
    values = torch.randn(1, tiny.GRID**2, 39)
    with torch.inference_mode():
        torch.testing.assert_close(
            packed_loss(run.model, batch, values), packed_loss(tiny.model(), batch, values)
        )
