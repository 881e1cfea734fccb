"""Quantization: what is replaced, what stays, what it changes, and how it is chosen."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from peft import PeftModel
from torch import nn
from transformers import LlavaForConditionalGeneration
from typer.testing import CliRunner

from assistant import quantize
from assistant.cli import app
from assistant.cli.machine import examine
from assistant.engine import Engine, Sampling, Turn
from assistant.engine.decoding import reader_of
from assistant.errors import InputError
from assistant.images import open_image
from assistant.llava import attach_adapter, load_base, settle
from assistant.quantize import (
    Kind,
    Quantized,
    Speed,
    choose_quantization,
    full_precision,
    quantize_model,
)
from assistant.settings import Settings, get_settings
from assistant.shape import Shape
from tests import tiny
from tests.merged_adapters import write_merged
from tests.shipped import composed

CPU = torch.device("cpu")
SHAPE = Shape(((576, 576), (1536, 576), (576, 1536)), 30)
KINDS: tuple[Quantized, ...] = ("nf4", "int8")
# Shares of the logits' spread by which quantization may move them. Measured: 0.29 and 0.03; one
# layer's output is moved by 0.09 and 0.009 of its own.
DISTANCE = {"nf4": 0.4, "int8": 0.06}
LAYER_DISTANCE = {"nf4": 0.11, "int8": 0.012}


def wide(dtype: torch.dtype = torch.bfloat16) -> Any:
    """The tiny LLaVA with rows of 64 weights, as NF4 takes them."""
    config: Any = tiny.model().config
    config.text_config.hidden_size = 64
    config.text_config.intermediate_size = 128
    config.text_config.head_dim = 16
    config.text_config.initializer_range = 0.1
    torch.manual_seed(0)
    model: Any = LlavaForConditionalGeneration(config)
    model.generation_config = tiny.model().generation_config
    return model.to(dtype).eval()


def narrow() -> Any:
    model: Any = tiny.model()
    return model.to(torch.bfloat16)


@pytest.fixture(scope="module")
def wide_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases") / "wide"
    wide().save_pretrained(folder)
    tiny.processor().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LoRA and projector for the wide model, of a size that matters."""
    return write_merged(
        tmp_path_factory.mktemp("adapters") / "goods", wide(torch.float32), base="wide"
    )


@pytest.fixture(autouse=True)
def measured_anew() -> Iterator[None]:
    measure = quantize._measure
    measure.cache_clear()
    yield
    measure.cache_clear()


def replaced(model: Any) -> set[str]:
    return {
        name
        for name, module in model.named_modules()
        if type(module).__module__.startswith("bitsandbytes")
    }


def logits(model: Any) -> torch.Tensor:
    ids = torch.arange(40, 60).unsqueeze(0)
    with torch.inference_mode():
        return model(input_ids=ids).logits.float()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).square().mean().sqrt() / other.std())


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_language_models_linear_layers_are_replaced(kind: Quantized) -> None:
    model = wide()
    full = dict(model.state_dict())
    linear = {
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and ".language_model." in name
    }
    assert quantize_model(model, kind) is model
    assert replaced(model) == linear
    assert len(linear) == 14
    after = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, tensor in full.items():
        if name.removesuffix(".weight") not in linear and name != "lm_head.weight":
            assert torch.equal(after[name], tensor), name
            assert after[name].dtype == tensor.dtype
    assert type(model.lm_head) is nn.Linear
    assert model.lm_head.weight is model.get_input_embeddings().weight


@pytest.mark.parametrize("kind", KINDS)
def test_quantized_logits_stay_close(kind: Quantized) -> None:
    full = logits(wide())
    model = quantize_model(wide(), kind)
    moved = distance(logits(model), full)
    assert 0 < moved < DISTANCE[kind]
    assert torch.equal(logits(model), logits(model)), "the first call packs the weights, no more"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "columns"), [(576, 576), (192, 576), (64, 128)])
@pytest.mark.parametrize("biased", [False, True])
def test_a_layer_gives_nearly_what_it_gave(
    kind: Quantized, rows: int, columns: int, biased: bool
) -> None:
    torch.manual_seed(0)
    full = nn.Linear(columns, rows, biased, dtype=torch.bfloat16)
    layer = quantize._quantized(full, kind, CPU)
    for tokens in (1, 7, 64):
        given = torch.randn(tokens, columns, dtype=torch.bfloat16)
        with torch.inference_mode():
            assert distance(layer(given).float(), full(given).float()) < LAYER_DISTANCE[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_quantized_weights_take_less(kind: Quantized) -> None:
    layer = quantize_model(wide(), kind).model.language_model.layers[0].mlp.down_proj
    stored = layer.weight.numel() * layer.weight.element_size()
    assert stored == 64 * 128 * (0.5 if kind == "nf4" else 1)


def test_rows_that_nf4_cannot_hold_stay() -> None:
    model = quantize_model(narrow(), "nf4")
    assert replaced(model) == {
        f"model.language_model.layers.{number}.mlp.down_proj" for number in range(2)
    }
    assert distance(logits(model), logits(narrow())) < DISTANCE["nf4"]
    assert len(replaced(quantize_model(narrow(), "int8"))) == 14


def test_a_model_without_such_layers_is_refused() -> None:
    class Bare(nn.Module):
        language_model = nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8))

        def get_output_embeddings(self) -> None:
            return None

    with pytest.raises(InputError, match="no linear layers that NF4 can hold"):
        quantize_model(Bare(), "nf4")
    with pytest.raises(InputError, match="not found"):
        quantize_model(nn.Linear(64, 64), "nf4")


def test_unknown_kinds_are_refused(wide_directory: Path) -> None:
    with pytest.raises(InputError, match="give one of: auto, none, nf4, int8"):
        Engine.load(str(wide_directory), quantize="int3", settings=Settings(device="cpu"))
    with pytest.raises(InputError, match="nf4, int8"):
        quantize_model(wide(), "int3")  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", ["missing", "without its library"])
def test_bitsandbytes_that_is_broken_gives_one_sentence(
    wide_directory: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, broken: str
) -> None:
    if broken == "missing":
        monkeypatch.setitem(sys.modules, "bitsandbytes.nn", None)
    else:

        def fail(*_: Any, **__: Any) -> None:
            raise RuntimeError("\nNative library not available.\nMore lines.")

        monkeypatch.setattr("bitsandbytes.functional.quantize_4bit", fail)
    (picture,) = tiny.picture_files(tmp_path, 1)
    command = ["ask", str(picture), "What is it?", "--base", str(wide_directory)]
    result = CliRunner().invoke(app, [*command, "--quantize", "nf4"])
    assert result.exit_code == 2
    (line,) = [line for line in result.stderr.splitlines() if "bitsandbytes" in line]
    assert "--quantize none" in line
    assert "More lines" not in result.stderr
    assert CliRunner().invoke(app, [*command, "--quantize", "none"]).exit_code == 0


def test_a_wrong_setting_gives_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTDESK_QUANTIZE", "int3")
    get_settings.cache_clear()
    with pytest.raises(InputError, match="SIGHTDESK_QUANTIZE"):
        get_settings()


# --- loading


def test_an_adapter_is_merged_in_float32_layer_by_layer(
    wide_directory: Path, adapter: Path
) -> None:
    """From bfloat16 files, the weights equal those of a merge of the whole model in float32."""
    base = load_base(wide_directory, "wide", CPU, "auto")
    assert base.model.dtype == torch.bfloat16
    ours = dict(attach_adapter(base, adapter, "goods").model.named_parameters())
    whole = load_base(wide_directory, "wide", CPU, torch.float32).model
    merged: Any = PeftModel.from_pretrained(whole, adapter).merge_and_unload()
    for name, theirs in merged.named_parameters():
        assert torch.equal(ours[name], theirs.to(torch.bfloat16)), name


@pytest.mark.parametrize("kind", KINDS)
def test_the_engine_quantizes_what_was_merged(
    wide_directory: Path, adapter: Path, kind: Quantized
) -> None:
    settings = Settings(device="cpu")
    engine = Engine.load(str(wide_directory), str(adapter), quantize=kind, settings=settings)
    full = Engine.load(str(wide_directory), str(adapter), quantize="none", settings=settings)
    bare = Engine.load(str(wide_directory), quantize=kind, settings=settings)
    assert (engine.quantization, full.quantization, bare.quantization) == (kind, "none", kind)
    assert len(replaced(engine.model)) == 14
    assert not replaced(full.model)
    merged = attach_adapter(load_base(wide_directory, "wide", CPU, "auto"), adapter, "goods").model
    expected = logits(quantize_model(merged, kind))
    assert torch.equal(logits(engine.model), expected)
    assert distance(logits(bare.model), expected) > DISTANCE[kind], "the adapter matters"
    picture = engine.encode_image(tiny.picture(1))
    answer = engine.generate([Turn("user", "What?", (picture.id,))], [picture])
    assert answer.tokens > 0


def test_what_is_settled_lies_in_no_file_and_keeps_its_frequencies(wide_directory: Path) -> None:
    model = load_base(wide_directory, "wide", CPU, "auto").model
    before = {name: p.data_ptr() for name, p in model.named_parameters()}
    rotary = model.model.language_model.rotary_emb.inv_freq.clone()
    settle(model, CPU)
    assert all(p.data_ptr() != before[name] for name, p in model.named_parameters())
    assert model.lm_head.weight is model.get_input_embeddings().weight
    after = model.model.language_model.rotary_emb.inv_freq
    assert after.dtype == torch.float32
    assert torch.equal(after, rotary)
    assert model.model.vision_tower.feature_mean.dtype == torch.bfloat16


# --- the choice


def fake(monkeypatch: pytest.MonkeyPatch, speeds: dict[Kind, float], **failures: str) -> list[int]:
    """Let nothing be measured but these seconds for a token; returns a list of the calls."""
    calls: list[int] = []

    def measure(_shape: Shape, _device: torch.device) -> Any:
        calls.append(1)
        return {kind: Speed(0.01, seconds) for kind, seconds in speeds.items()}, failures

    measure.cache_clear = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setattr(quantize, "_measure", measure)
    return calls


@pytest.mark.parametrize(
    ("speeds", "free", "kind"),
    [
        ({"none": 0.02, "nf4": 0.01, "int8": 0.03}, 2**33, "nf4"),
        ({"none": 0.02, "nf4": 0.019, "int8": 0.03}, 2**33, "none"),
        ({"none": 0.02, "int8": 0.01}, 2**33, "int8"),
        ({"none": 0.02}, 2**33, "none"),
        ({"none": 0.02, "nf4": 0.03, "int8": 0.04}, 2**29 + 2**26, "nf4"),
        ({"none": 0.02, "nf4": 0.03, "int8": 0.04}, 0, "nf4"),
    ],
)
def test_the_fastest_that_fits_is_chosen(
    monkeypatch: pytest.MonkeyPatch, speeds: dict[Kind, float], free: float, kind: Kind
) -> None:
    fake(monkeypatch, speeds)
    monkeypatch.setattr(quantize, "_free", lambda _device: free)
    choice = choose_quantization(Settings())
    assert choice.kind == kind
    assert set(choice.measured) == set(speeds)
    assert str(full_precision(CPU)).removeprefix("torch.") in choice.reason


def test_a_backend_that_fails_is_left_out_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    original = quantize._quantized

    def broken(full: nn.Linear, kind: Quantized, device: torch.device) -> nn.Linear:
        if kind == "nf4":
            raise OSError("no such kernel")
        return original(full, kind, device)

    monkeypatch.setattr(quantize, "_quantized", broken)
    choice = choose_quantization(Settings(cache_dir=tmp_path))
    assert set(choice.measured) == {"none", "int8", "w8"}
    assert "NF4 is left out (no such kernel)" in choice.reason
    assert not list(tmp_path.iterdir()), "what failed is tried again"


def test_the_measurement_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = fake(monkeypatch, {"none": 0.02, "nf4": 0.01, "int8": 0.03})
    settings = Settings(cache_dir=tmp_path / "new")
    assert choose_quantization(settings, remember=False).kind == "nf4"
    assert not (tmp_path / "new").exists()
    first = choose_quantization(settings)
    assert len(calls) == 2
    assert choose_quantization(settings) == first
    assert len(calls) == 2
    (file,) = (tmp_path / "new").iterdir()
    for damaged in ("no JSON", "[]", json.dumps(dict.fromkeys(json.loads(file.read_text()), 3))):
        file.write_text(damaged)
        assert choose_quantization(settings) == first
    assert len(calls) == 5
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert choose_quantization(Settings(cache_dir=blocked / "cache")).kind == "nf4"


def test_what_was_measured_on_a_busy_machine_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, {"none": 0.02, "nf4": 0.01})
    quick = quantize._measure

    def starved(*given: Any) -> Any:
        time.sleep(0.2)  # as if another process had the processor
        return quick(*given)

    monkeypatch.setattr(quantize, "_measure", starved)
    assert choose_quantization(Settings(cache_dir=tmp_path)).kind == "nf4"
    assert not list(tmp_path.iterdir())


def test_threads_that_wait_for_each_other_do_not_pass_for_a_quiet_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake(monkeypatch, {"none": 0.02, "nf4": 0.01})
    quick = quantize._measure

    def spinning(*given: Any) -> Any:
        until = time.perf_counter() + 0.2
        while time.perf_counter() < until:
            pass
        return quick(*given)

    monkeypatch.setattr(quantize, "_measure", spinning)
    busy = iter([100.0, 100.1])
    monkeypatch.setattr(quantize, "_others_s", lambda: next(busy))
    choose_quantization(Settings(cache_dir=tmp_path))
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(quantize, "_others_s", lambda: 100.0)
    monkeypatch.setattr(quantize, "_OWN_SHARE", 0.0)
    choose_quantization(Settings(cache_dir=tmp_path))
    assert list(tmp_path.iterdir())


def test_the_kept_measurements_are_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fake(monkeypatch, {"none": 0.02})
    for threads in range(20):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        choose_quantization(Settings(cache_dir=tmp_path))
    assert len(json.loads((tmp_path / "quantization.json").read_text())) == 16


def test_nothing_is_measured_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = fake(monkeypatch, {"none": 0.02, "nf4": 0.01})
    for kind in get_args(Kind):
        assert choose_quantization(Settings(quantize=kind)).kind == kind
    small = choose_quantization(Settings(), wide().config.get_text_config())
    assert (small.kind, "small" in small.reason) == ("none", True)
    unknown = choose_quantization(Settings(base="nobody/nothing"))
    assert (unknown.kind, "not known" in unknown.reason) == ("none", True)
    assert not calls


def test_the_shape_is_that_of_the_layers() -> None:
    model = wide()
    layers = [
        (module.out_features, module.in_features)
        for module in model.model.language_model.layers[0].modules()
        if isinstance(module, nn.Linear)
    ]
    shape = Shape.of(model.config.text_config)
    assert sorted(shape.linears) == sorted(layers)
    assert shape.weights == 2 * sum(rows * columns for rows, columns in layers)


def test_every_form_is_measured_here() -> None:
    speeds, failures = quantize._measure(SHAPE, CPU)
    assert not failures
    assert set(speeds) == {"none", "nf4", "int8", "w8"}
    for speed in speeds.values():
        assert 0 < speed.token < speed.answer


def test_a_block_larger_than_the_sample_is_measured_in_part() -> None:
    speeds, failures = quantize._measure(Shape(((8192, 4096),), 40), CPU)
    assert not failures
    assert speeds["none"].prompt > quantize._measure(SHAPE, CPU)[0]["none"].prompt


def test_the_doctor_says_what_it_would_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, {"none": 0.02, "nf4": 0.01, "int8": 0.03})
    report = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
    assert report["quantization"]["choice"] == "nf4"
    assert "NF4 is clearly the fastest" in report["quantization"]["reason"]
    assert isinstance(report["cpu"]["extensions"], list)
    assert not Settings().cache_dir.exists(), "the doctor writes nothing"
    assert "NF4 is clearly the fastest" in CliRunner().invoke(app, ["doctor"]).stdout


def test_the_doctor_survives_a_broken_bitsandbytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.nn", None)
    report = examine()
    assert report["quantization"]["choice"] in {"none", "w8"}
    assert "left out" in report["quantization"]["reason"]


def test_chat_passes_it_to_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGHTDESK_QUANTIZE", "none")  # so that it is put back
    seen: list[str] = []

    def run(_command: Any) -> int:
        get_settings.cache_clear()
        seen.append(get_settings().quantize)
        return 0

    monkeypatch.setattr("assistant.cli.page.run_child", run)
    assert CliRunner().invoke(app, ["chat", "--quantize", "int8"]).exit_code == 0
    assert seen == ["int8"]


# --- the embedded model


@pytest.fixture(scope="module")
def embedded(base_cache: Path) -> dict[str, Engine]:
    settings = composed(Settings(cache_dir=base_cache, device="cpu", adapter=None))
    return {k: Engine.load("embedded", quantize=k, settings=settings) for k in get_args(Kind)}


@pytest.mark.weights
@pytest.mark.parametrize("kind", KINDS)
def test_quantized_answers_stay_sane(
    embedded: dict[str, Engine], kind: Quantized, photos: Path
) -> None:
    lines = (photos / "labels.jsonl").read_text(encoding="utf-8").splitlines()
    names = [json.loads(line)["image"] for line in lines][::2]
    full, engine = embedded["none"], embedded[kind]
    assert len(replaced(engine.model)) == 30 * 7
    pictures = full.encode_images([open_image(photos / name) for name in names])
    labelled = zip(full.label(pictures), engine.label(pictures), strict=True)
    same = [ours.label == theirs.label for ours, theirs in labelled]
    assert sum(same) >= 0.7 * len(same), f"{sum(same)} of {len(same)} labels are the same"
    for answer in engine.describe(pictures[:3], mode="greedy"):
        assert answer.finish == "stop"
        assert answer.text.endswith(".")
    turns = [Turn("user", "What colour is it?", (pictures[0].id,))]
    assert engine.generate(turns, pictures[:1], sampling=Sampling(max_tokens=16)).text


@pytest.mark.weights
@pytest.mark.parametrize(("kind", "bound"), [("nf4", 0.35), ("int8", 0.2)])
def test_quantized_logits_of_the_embedded_model(
    embedded: dict[str, Engine], kind: Kind, bound: float
) -> None:
    ids = embedded["none"].processor.tokenizer(
        "<|im_start|>user\nWhat is in the picture?<|im_end|>\n<|im_start|>assistant\n",
        return_tensors="pt",
    )["input_ids"]
    with torch.inference_mode():
        full = embedded["none"].model(input_ids=ids).logits.float()
        ours = embedded[kind].model(input_ids=ids).logits.float()
    assert 0 < distance(ours, full) < bound


@pytest.mark.weights
def test_a_step_in_eight_bits_is_nearly_the_full_one(embedded: dict[str, Engine]) -> None:
    moved, same = [], []
    text = "<|im_start|>user\nWhat is in the picture?<|im_end|>\n<|im_start|>assistant\nA dog runs"
    full, engine = embedded["none"], embedded["w8"]
    ids = full.processor.tokenizer(text, return_tensors="pt")["input_ids"][0]
    table = full.model.get_input_embeddings()
    with torch.inference_mode():
        slow, fast = reader_of(full.model), reader_of(engine.model)
        slow.read(table(ids)), fast.read(table(ids))
        for token in (1096, 260, 3121, 28, 284):
            given = table(torch.tensor([token]))
            expected, found = slow.read(given).float(), fast.read(given)
            moved.append(distance(found, expected))
            same.append(int(found.argmax()) == int(expected.argmax()))
    assert 0 < max(moved) < 0.15
    assert sum(same) >= 4
