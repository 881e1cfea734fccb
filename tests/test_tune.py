"""Fine-tuning: folded towers, both stages, resuming after a kill, two processes, bad input."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from adapters.tune import loop
from adapters.tune.curves import draw_curves, read_log, sparkline
from adapters.tune.lock import training_folder
from adapters.tune.material import Order
from adapters.tune.run import Run
from adapters.tune.save import vision_tensors
from adapters.tune.settings import Tuning, parse_set, tuning
from adapters.tune.tower import TrainableTower
from assistant.adapter_files import find_adapter
from assistant.engine import Engine
from assistant.errors import AdapterError, DataError, InputError, SightdeskError
from assistant.images import open_image
from assistant.settings import Settings
from assistant.vision import fused
from tests import tiny

COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 60, 200)}
SMALL: dict[str, Any] = {
    "encoder_from": 1,
    "encoder_epochs": 6,
    "encoder_batch": 8,
    "encoder_rate": 3e-3,
    "head_rate": 3e-2,
    "language_epochs": 1,
    "tokens": 400,
    "rank": 2,
    "alpha": 4,
    "variants": 2,
    "replay": 0.0,
    "remember": 0.0,
    "average": 0.5,
    "warmup": 2,
    "validations": 2,
    "held_out": 0.25,
    "smoothing": 0.0,
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        base=str(tiny.directory()), data_dir=tmp_path / "data", cache_dir=tmp_path / "cache",
        device="cpu", quantize="none",
    )  # fmt: skip


def coloured(folder: Path, each: int = 8) -> Path:
    """A data file of pictures of three colours, each with noise of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, colour in COLOURS.items():
        for number in range(each):
            noise = tiny.pixels(1000 * colour[0] + number)
            Image.blend(Image.new("RGB", noise.size, colour), noise, 0.25).save(
                folder / f"{name}{number}.png"
            )
            rows.append({"image": f"{name}{number}.png", "label": name, "coarse_label": "colour"})
    file = folder / "labels.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return file


def run_of(data: Path, out: Path, settings: Settings, **knobs: Any) -> Run:
    out.mkdir(parents=True, exist_ok=True)
    # Measured, it might be another one in each of two trainings that are compared.
    (out / "precision").write_text("float32", encoding="utf-8")
    recipe = Tuning(**(SMALL | knobs))
    run = Run(Order(data, None, None, out, recipe, "colours"), settings)
    run.prepare()
    run.ready()
    return run


def losses(out: Path, stage: str) -> list[str]:
    with (out / f"{stage}.csv").open(encoding="utf-8", newline="") as stream:
        return [row["loss"] for row in csv.DictReader(stream)]


# --- the tower in training form


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_what_a_folded_tower_learns_is_the_same_in_a_plain_one(kind: str) -> None:
    ground = tiny.tower()
    trained = TrainableTower(ground, Tuning.model_validate({"encoder": kind, "encoder_from": 1}))
    pixels = torch.rand(3, 3, tiny.IMAGE_SIZE, tiny.IMAGE_SIZE) * 2 - 1
    before = ground(pixels).last_hidden_state
    assert torch.allclose(trained(pixels).last_hidden_state, before, atol=1e-4)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in trained.changing().values():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    after = trained(pixels).last_hidden_state
    assert not torch.allclose(after, before, atol=1e-2), "it changed"
    plain = tiny.tower()
    trained.write_back(plain)
    assert torch.allclose(plain(pixels).last_hidden_state, after, atol=1e-4)
    frozen = (tower.stem.get_submodule("conv").get_parameter("weight") for tower in (plain, ground))
    assert torch.equal(*frozen), "frozen parts stay"


def test_low_rank_factors_fit_the_unfolded_convolutions() -> None:
    ground = tiny.tower()
    trained = TrainableTower(ground, Tuning(encoder="lora", encoder_from=0, encoder_rank=2))
    with torch.no_grad():
        for parameter in trained.changing().values():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    plain = tiny.tower()
    with torch.no_grad():
        for name, (down, up) in trained.low_rank(ground).items():
            weight = plain.get_parameter(f"{name}.conv.weight")
            weight.add_((up @ down)[:, :, None, None])
    pixels = torch.rand(2, 3, tiny.IMAGE_SIZE, tiny.IMAGE_SIZE)
    assert torch.allclose(plain(pixels).pooler_output, trained(pixels).pooler_output, atol=1e-3)


def test_only_upper_stages_train_and_depthwise_layers_take_no_lora() -> None:
    ground = tiny.tower()
    full = TrainableTower(ground, Tuning(encoder="full", encoder_from=2))
    assert {name.split(".")[0] for name in full.changing()} == {"stages", "head"}
    assert all(name.startswith(("stages.2.", "head.")) for name in full.changing())
    lora = TrainableTower(ground, Tuning(encoder="lora", encoder_from=0))
    assert all("lora_" in name for name in lora.changing())
    assert not any("depthwise" in name for name in lora.changing())
    frozen = TrainableTower(ground, Tuning(encoder="frozen"))
    assert frozen.changing() == {}
    tensors, convolutions, whole = vision_tensors(full, ground)
    assert whole == ["vision_tower.stages.2", "vision_tower.head"]
    assert not convolutions
    assert all(".vision_tower." in name for name in tensors)
    assert fused(ground).head.conv.weight.shape == ground.head.conv.weight.shape


# --- from data to adapter


@pytest.mark.parametrize("encoder", ["full", "lora", "frozen"])
def test_an_adapter_is_trained_saved_and_used(
    encoder: str, settings: Settings, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "photos")
    run = run_of(data, tmp_path / "out", settings, encoder=encoder)
    plan = run.plan()
    assert plan.pictures + plan.held_out == 24
    assert plan.labels == 3
    assert ("encoder" in plan.trainable) == (encoder != "frozen")
    assert run.train()
    folder = tmp_path / "out" / "adapter"
    about = json.loads((folder / "sightdesk.json").read_text(encoding="utf-8"))
    assert about["labels"] == dict.fromkeys(("blue", "green", "red"), "colour")
    assert tuning(config=folder / "recipe.toml") == run.recipe
    engine = Engine.load(adapter=str(folder), quantize="none", settings=settings)
    image = open_image(data.parent / "red0.png")
    (encoded,) = engine.encode_images([image])
    pixels = run.base.processor.image_processor([image.pixels], return_tensors="pt")
    seen = run.tower(pixels["pixel_values"]).last_hidden_state[0]
    mine = run.model.model.multi_modal_projector(seen[None])[0]
    assert torch.allclose(encoded.features.float(), mine.float(), atol=0.15, rtol=0.1)
    if encoder != "frozen":
        (labelled,) = engine.label([encoded], threshold=0.0)
        assert labelled.label in about["labels"]
        head = load_file(folder / "label_head.safetensors")
        assert head["label_head.weight"].shape == (3, 16)


def test_the_encoder_learns_to_tell_the_labels_apart(settings: Settings, tmp_path: Path) -> None:
    run = run_of(
        coloured(tmp_path / "photos"), tmp_path / "out", settings,
        encoder_epochs=25, language_epochs=0, patience=20, average=0.0,
    )  # fmt: skip
    assert run.train()
    _, values, scores = read_log(tmp_path / "out", "encoder")
    assert sum(values[-5:]) < 0.5 * sum(values[:5])
    assert max(found["accuracy"] for _, found in scores) >= 0.8


def test_captions_and_conversations_train_without_labels(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for path in tiny.picture_files(folder, 8):
        rows.append({"image": path.name, "references": ["A red apple.", "An apple on a table."]})
    turns = [("human", "<image>\nWhat is it?"), ("gpt", "A pear."), ("human", "Why?")]
    turns.append(("gpt", "It is green."))
    talk = [{"from": who, "value": said} for who, said in turns]
    file = folder / "captions.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = run_of(file, tmp_path / "out", settings, encoder="full", joint=True)
    assert "encoder" not in run.plan().steps
    assert run.train()
    assert "language" in run.seconds
    tensors = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert any("vision_tower" in name for name in tensors), "the encoder trained along"
    llava = folder / "llava.json"
    llava.write_text(
        json.dumps([{"id": n, "image": f"{n}.png", "conversations": talk} for n in range(6)])
    )
    talked = run_of(llava, tmp_path / "out2", settings, encoder="frozen")
    assert talked.train()
    assert float(losses(tmp_path / "out2", "language")[0]) > 0


def test_qlora_trains_on_a_base_of_four_bits(settings: Settings, tmp_path: Path) -> None:
    run = run_of(
        coloured(tmp_path / "photos", 4), tmp_path / "out", settings,
        encoder="frozen", quantize="nf4",
    )  # fmt: skip
    kinds = {type(module).__name__ for module in run.model.model.language_model.modules()}
    assert "Linear4bit" in kinds
    assert run.train()
    tensors = load_file(tmp_path / "out" / "adapter" / "adapter_model.safetensors")
    assert any("lora_B" in name and bool(tensor.any()) for name, tensor in tensors.items())


def test_a_replay_keeps_the_features_of_other_pictures(settings: Settings, tmp_path: Path) -> None:
    data = coloured(tmp_path / "photos")
    others = tmp_path / "others"
    others.mkdir()
    rows = [
        {"image": path.name, "references": ["A dog."]} for path in tiny.picture_files(others, 6)
    ]
    replay = others / "captions.jsonl"
    replay.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    drift = {}
    for remember in (0.0, 30.0):
        out = tmp_path / f"out{remember}"
        out.mkdir()
        knobs = SMALL | {
            "remember": remember, "remember_share": 0.5, "language_epochs": 0,
            "encoder_epochs": 12, "average": 0.0, "replay": 0.3,
        }  # fmt: skip
        run = Run(Order(data, None, replay, out, Tuning(**knobs), "x"), settings)
        run.prepare()
        run.ready()
        ground = tiny.tower()
        ground.load_state_dict(run.tower.float().state_dict())
        assert run.train()
        pixels = torch.rand(4, 3, tiny.IMAGE_SIZE, tiny.IMAGE_SIZE) * 2 - 1
        shift = run.tower.float()(pixels).last_hidden_state - ground(pixels).last_hidden_state
        drift[remember] = float(shift.square().mean())
    assert drift[30.0] < 0.7 * drift[0.0]


# --- stopping, killing, resuming


TRAIN = """
import sys
from pathlib import Path
from adapters.tune import loop
from tests.test_tune import run_of
from assistant.settings import Settings
data, out, root, base = map(Path, sys.argv[1:5])
settings = Settings(base=str(base), data_dir=root / "data", cache_dir=root / "cache", device="cpu")
run = run_of(data, out, settings, encoder_epochs=6, save_every_s=1e-6, patience=99)
sys.stdout.write(f"trained {run.train()}\\n")  # in one piece: two processes write here
"""


def start(data: Path, out: Path, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", TRAIN, str(data), str(out), str(root), str(tiny.directory())],
        cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def kill_after(process: subprocess.Popen[str], file: Path, rows: int) -> None:
    """``kill -9`` as soon as the log has so many rows."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if file.exists() and file.read_bytes().count(b"\n") > rows:
            os.kill(process.pid, signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()


def test_a_killed_training_goes_on_with_the_losses_it_would_have_had(
    settings: Settings, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "photos")
    whole = run_of(data, tmp_path / "whole", settings, save_every_s=1e-6, patience=99)
    assert whole.train()
    out = tmp_path / "killed"
    for stage, rows in (("encoder", 2), ("encoder", 7), ("language", 1)):
        process = start(data, out, tmp_path)
        kill_after(process, out / f"{stage}.csv", rows)
        assert process.returncode == -signal.SIGKILL
    process = start(data, out, tmp_path)
    told, errors = process.communicate(timeout=120)
    assert "trained True" in told, errors
    for stage in ("encoder", "language"):
        assert losses(out, stage) == losses(tmp_path / "whole", stage)
    first, second = (
        load_file(folder / "adapter" / "adapter_model.safetensors")
        for folder in (tmp_path / "whole", out)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_stop_is_honoured_and_the_run_goes_on(settings: Settings, tmp_path: Path) -> None:
    data = coloured(tmp_path / "photos")
    whole = run_of(data, tmp_path / "whole", settings)
    assert whole.train()
    out = tmp_path / "stopped"
    run = run_of(data, out, settings)
    run._watch = lambda report: os.kill(os.getpid(), signal.SIGINT) if report.step == 3 else None
    assert not run.train()
    assert len(losses(out, "encoder")) == 3
    assert not (out / "adapter").exists()
    again = run_of(data, out, settings)
    assert again.train()
    assert losses(out, "encoder") == losses(tmp_path / "whole", "encoder")


def test_another_recipe_does_not_go_on_with_a_checkpoint(
    settings: Settings, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "photos")
    assert run_of(data, tmp_path / "out", settings).train()
    with pytest.raises(DataError, match=r"other data or another recipe.*--out"):
        run_of(data, tmp_path / "out", settings, encoder_rate=1e-4).train()


def test_another_second_stage_keeps_the_first(settings: Settings, tmp_path: Path) -> None:
    data = coloured(tmp_path / "photos")
    out = tmp_path / "out"
    assert run_of(data, out, settings).train()
    before = (out / "encoder.csv").read_bytes()
    (out / "language.safetensors").unlink()
    again = run_of(data, out, settings, rank=3)
    assert again.train()
    assert (out / "encoder.csv").read_bytes() == before
    assert again.seconds["encoder"] > 0, "told, though it was not done again"
    (out / "encoder-done.safetensors").write_bytes(b"half")
    with pytest.raises(DataError, match=r"encoder-done\.safetensors is damaged"):
        run_of(data, out, settings, rank=3).train()


def test_two_processes_of_accelerate_learn_what_one_does(
    settings: Settings, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "photos")
    alone = run_of(data, tmp_path / "alone", settings, accumulate=2, language_epochs=6, patience=99)
    assert alone.train()
    program = tmp_path / "train.py"
    program.write_text(TRAIN.replace("encoder_epochs=6, save_every_s=1e-6", "language_epochs=6"))
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "--main_process_port", "0",
        str(program), str(data), str(tmp_path / "both"), str(tmp_path), str(tiny.directory()),
    ]  # fmt: skip
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        command, cwd=root,
        env=os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "1"},
        capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.stdout.count("trained True") == 2, done.stderr[-2000:]
    for stage in ("encoder", "language"):
        one, two = losses(tmp_path / "alone", stage), losses(tmp_path / "both", stage)
        assert len(one) == len(two) > 2
        assert [float(x) for x in two] == pytest.approx([float(x) for x in one], rel=2e-2)


# --- bad input and bad luck


def test_data_that_cannot_teach_are_refused(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    lines = coloured(folder).read_text(encoding="utf-8").splitlines()
    one = folder / "one.jsonl"
    one.write_text(lines[0] + "\n")
    with pytest.raises(DataError, match="too few"):
        run_of(one, tmp_path / "a", settings)
    alike = folder / "alike.jsonl"
    alike.write_text("\n".join(line for line in lines if '"red"' in line) + "\n")
    with pytest.raises(DataError, match=r"All labelled pictures.*'red'.*two\s*labels"):
        run_of(alike, tmp_path / "b", settings)


def test_a_loss_that_is_no_number_keeps_the_last_good_state(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = coloured(tmp_path / "photos")
    out = tmp_path / "out"
    run = run_of(data, out, settings, save_every_s=1e-6)
    task = run._encoder_task()
    assert task is not None
    real = type(task).loss

    def broken(self: Any, draw: int) -> torch.Tensor:
        return real(self, draw) * (float("nan") if draw == 4 else 1.0)

    monkeypatch.setattr(type(task), "loss", broken)
    with pytest.raises(DataError, match=r"became nan at step 5.*lower the learning rates"):
        run.train()
    kept = load_file(out / "encoder.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())
    assert len(losses(out, "encoder")) == 4


def test_a_full_disk_at_a_checkpoint_leaves_the_one_before(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = coloured(tmp_path / "photos")
    out = tmp_path / "out"
    run = run_of(data, out, settings, save_every_s=1e-6)
    real = save_file
    written = []

    def full(tensors: Any, file: Path, **more: Any) -> None:
        written.append(file)
        if len(written) == 3:
            Path(file).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, file, **more)

    monkeypatch.setattr(loop, "save_file", full)
    with pytest.raises(DataError, match=r"cannot be written \(No space left.*free some space"):
        run.train()
    assert not list(out.glob("*.partial"))
    assert load_file(out / "encoder.safetensors"), "the one before is whole"
    monkeypatch.setattr(loop, "save_file", real)
    assert run_of(data, out, settings, save_every_s=1e-6).train()


def test_a_damaged_checkpoint_is_named(settings: Settings, tmp_path: Path) -> None:
    data = coloured(tmp_path / "photos")
    out = tmp_path / "out"
    out.mkdir()
    (out / "encoder.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(DataError, match=r"encoder\.safetensors is damaged; remove it"):
        run_of(data, out, settings).train()


def test_a_folder_takes_one_training(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with (
        training_folder(folder, resume=False),
        pytest.raises(InputError, match="Another training runs in"),
        training_folder(folder, resume=False),
    ):
        pass
    with (
        pytest.raises(InputError, match="no training to resume"),
        training_folder(folder, resume=True),
    ):
        pass
    (folder / "recipe.toml").write_text("")
    with pytest.raises(InputError, match="--resume"), training_folder(folder, resume=False):
        pass
    with training_folder(folder, resume=True):
        pass
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match="cannot be a folder"),
        training_folder(tmp_path / "file", resume=False),
    ):
        pass


def test_knobs_come_from_preset_file_and_flags(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text('preset = "best"\nrank = 3\nencoder = "lora"\n')
    recipe = tuning(None, file, parse_set(["rank=5", "language=frozen"]))
    assert (recipe.preset, recipe.rank, recipe.encoder) == ("best", 5, "lora")
    assert recipe.language == "frozen"
    assert recipe.encoder_epochs == tuning("best").encoder_epochs
    saved = tmp_path / "saved.toml"
    saved.write_text(recipe.toml())
    assert tuning(None, saved) == recipe
    for bad, said in {
        "rank = 0": "rank cannot be used",
        "rnk = 1": "There is no knob 'rnk'",
        "rank =": "is not TOML",
        'preset = "huge"': "quick, balanced, best",
    }.items():
        file.write_text(bad + "\n")
        with pytest.raises(InputError, match=said):
            tuning(None, file)
    with pytest.raises(InputError, match="cannot be read"):
        tuning(None, tmp_path / "none.toml")
    with pytest.raises(InputError, match="KNOB=VALUE"):
        parse_set(["rank"])


def test_the_encoder_of_a_foreign_tower_can_only_be_frozen(
    settings: Settings, tmp_path: Path
) -> None:
    data = coloured(tmp_path / "photos")
    hub = settings.model_copy(update={"base": "somebody/llava"})
    with pytest.raises(InputError, match="in a directory"):
        run_of(data, tmp_path / "out", hub)


# --- the command, and what is seen of it


def test_the_command_trains_installs_and_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.commands import invoke

    monkeypatch.setenv("SIGHTDESK_BASE", str(tiny.directory()))
    monkeypatch.setenv("SIGHTDESK_QUANTIZE", "none")
    from assistant.settings import get_settings

    get_settings.cache_clear()
    data = coloured(tmp_path / "photos")
    knobs = [word for name, value in SMALL.items() for word in ("--set", f"{name}={value}")]
    command = ["adapters", "train", data, "--preset", "quick", "--name", "colours", *knobs]
    planned = invoke(*command, "--plan", "--json")
    plan = json.loads(planned.stdout.splitlines()[-1])
    assert plan["event"] == "plan" and plan["steps"]["encoder"] > 5
    told = [json.loads(line) for line in invoke(*command, "--json").stdout.splitlines()]
    assert [event["event"] for event in told if event["event"] in ("plan", "done")] == [
        "plan",
        "done",
    ]
    done = told[-1]
    assert 0 <= done["calibration"]["threshold"] <= 1
    assert done["scores"]["held out of the training data"]["n"] == 6
    assert find_adapter("colours", get_settings()).labels
    assert "red" in (Path(done["adapter"]) / "README.md").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="holds a training already"):
        invoke(*command)
    with pytest.raises(AdapterError, match=r"accuracy_fine.*stays in"):
        invoke(*command, "--resume", "--require", "accuracy_fine>1.5")
    with pytest.raises(SightdeskError):
        invoke("adapters", "train", tmp_path / "none.jsonl")


def test_curves_are_drawn_from_the_logs(tmp_path: Path) -> None:
    assert not draw_curves(tmp_path, tmp_path / "curves.png")
    lines = ["step,loss,rate,seconds,scores"]
    for step in range(1, 30):
        scores = '"{""accuracy"": 0.5}"' if step % 10 == 0 else ""
        lines.append(f"{step},{3 / step},1.0,0.1,{scores}")
    (tmp_path / "encoder.csv").write_text("\n".join([*lines, "30,"]), encoding="utf-8")
    steps, values, told = read_log(tmp_path, "encoder")
    assert (len(steps), values[0], told) == (
        29,
        3.0,
        [(10, {"accuracy": 0.5}), (20, {"accuracy": 0.5})],
    )
    assert draw_curves(tmp_path, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 400
    assert sparkline([]) == ""
    assert sparkline([3.0, 2.0, 1.0]) == "█▅▁"
    assert len(sparkline(values, 10)) == 10
