"""The step of one token by onnxruntime: what it gives, beside whom, and where there is none."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer, LoraModel
from transformers import LlavaForConditionalGeneration

from assistant.eight_bits import BLOCK, Products, rounded
from assistant.engine import Engine, Sampling, Turn, together
from assistant.engine.fast import FastReader, Llama
from assistant.engine.reading import Reader
from assistant.engine.step import Step, can_step, prepare_step, step_of
from assistant.engine.step_graph import longest_text
from assistant.engine.step_weights import weight_file
from assistant.engine.together import ShelvedReader, Shelves, read_together
from assistant.errors import InputError
from assistant.packed import pack_linears
from assistant.settings import Settings
from tests import tiny
from tests.shipped import composed

# Of the logits' spread: eight bits of weights and of what they are given.
NEAR = 0.05


def llava(**changes: Any) -> Any:
    """The tiny LLaVA in float32, with rows of whole blocks and values of some size."""
    config: Any = copy.deepcopy(tiny.model().config)
    wide = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16, "initializer_range": 0.1}
    for name, value in (wide | changes).items():
        setattr(config.text_config, name, value)
    torch.manual_seed(0)
    model: Any = LlavaForConditionalGeneration(config)
    model.generation_config = tiny.model().generation_config
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias") and "language_model" in name:  # zero at first
                parameter.normal_(0, 0.2)
    return model.eval()


def words(model: Any, count: int) -> torch.Tensor:
    ids = torch.arange(count) * 7 % 300 + 20
    with torch.inference_mode():
        return model.get_input_embeddings()(ids).clone()


def one_by_one(reader: Reader, embeds: torch.Tensor, first: int) -> torch.Tensor:
    """Logits behind each token from the ``first`` on, which are read one by one."""
    with torch.inference_mode():
        reader.read(embeds[:first])
        return torch.cat([reader.read(part).float() for part in embeds[first:].split(1)])


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).square().mean().sqrt() / other.std())


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens were read before each step that the graph took."""
    pasts: list[int] = []
    original = Step.bind

    def bind(self: Step, memory: torch.Tensor, adapter: str | None) -> Any:
        bound = original(self, memory, adapter)
        if bound is None:
            return None

        def step(embeds: torch.Tensor, past: Sequence[int]) -> torch.Tensor:
            pasts.append(past[0])
            return bound(embeds, past)

        return step

    monkeypatch.setattr(Step, "bind", bind)
    return pasts


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1, "head_dim": 32},
        {"attention_bias": True, "mlp_bias": True},
        {"tie_word_embeddings": False},
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
        {"num_hidden_layers": 1},
    ],
    ids=str,
)
def test_steps_give_nearly_what_the_models_own_forward_gives(
    changes: dict[str, Any], tmp_path: Path, taken: list[int]
) -> None:
    model = llava(**changes)
    embeds = words(model, 180)
    expected = one_by_one(Reader(model), embeds, 9)
    assert prepare_step(model, "a", tmp_path)
    found = one_by_one(FastReader(model), embeds, 9)
    assert taken == list(range(8, 180)), "from the prompt's last on, also where memory grew"
    assert distance(found, expected) < NEAR
    assert float((found.argmax(-1) == expected.argmax(-1)).float().mean()) > 0.8


def test_prompts_and_steps_take_turns(tmp_path: Path, taken: list[int]) -> None:
    model = llava()
    prepare_step(model, None, tmp_path)
    embeds = words(model, 60)
    parts = (20, 1, 1, 7, 1, 30)
    slow, fast = Reader(model), FastReader(model)
    with torch.inference_mode():
        for part in embeds.split(list(parts)):
            expected, found = slow.read(part), fast.read(part).float()
            assert distance(found, expected) < NEAR
    assert taken == [19, 20, 21, 22, 29, 59], "what is short, and the last of what is long"
    kept = fast.kept()
    assert kept is not None and len(kept) == 2
    for ours, theirs in zip(kept, slow.kept() or (), strict=True):
        assert ours[0].shape == theirs[0].shape and ours[0].dtype == embeds.dtype
        assert distance(ours[0], theirs[0]) < NEAR and distance(ours[1], theirs[1]) < NEAR
    # Half of it is cut away; what is left is gone on from, by steps or by a prompt.
    cut = tuple((keys[:, :, :31], values[:, :, :31]) for keys, values in kept)
    on = FastReader(model, cut)
    with torch.inference_mode():
        found = torch.cat([on.read(part) for part in embeds[31:].split([1, 1, 27])])
    assert on.length == 60
    assert distance(found[-1:], expected) < NEAR


def test_adapters_beside_the_layers_are_heard(tmp_path: Path, taken: list[int]) -> None:
    model = llava()
    prepare_step(model, None, tmp_path)
    bare = one_by_one(FastReader(model), words(model, 12), 9)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"])
    config.init_lora_weights = False
    torch.manual_seed(1)
    LoraModel(model.model.language_model, config, "some")
    expected = one_by_one(Reader(model), words(model, 12), 9)
    found = one_by_one(FastReader(model), words(model, 12), 9)
    assert distance(found, expected) < NEAR
    assert distance(found, bare) > 5 * NEAR
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.enable_adapters(False)
    again = one_by_one(FastReader(model), words(model, 12), 9)
    assert distance(again, bare) < 1e-3, "with places for factors, and none in them"
    assert len(taken) == 3 * 4


def test_what_is_no_product_of_factors_is_read_as_ever(tmp_path: Path, taken: list[int]) -> None:
    model = llava()
    prepare_step(model, None, tmp_path)
    config = LoraConfig(r=4, target_modules=["v_proj", "down_proj"], use_dora=True)
    config.init_lora_weights = False
    LoraModel(model.model.language_model, config, "some")
    embeds = words(model, 12)
    expected, found = one_by_one(Reader(model), embeds, 9), one_by_one(FastReader(model), embeds, 9)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)
    assert not taken


def test_several_texts_are_read_by_one_step(
    tmp_path: Path, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "_SHORTEST", 64)
    model = llava()
    prepare_step(model, None, tmp_path)
    llama, shelves = Llama(model), Shelves()
    embeds = words(model, 80)
    readers = [ShelvedReader(llama, shelves, 64) for _ in range(5)]
    slow = [Reader(model) for _ in range(5)]

    def read(numbers: Sequence[int], parts: Sequence[torch.Tensor]) -> None:
        told = range(len(numbers))
        found = read_together(llama, [readers[n] for n in numbers], parts, told)
        expected = torch.cat([slow[n].read(part) for n, part in zip(numbers, parts, strict=True)])
        assert distance(found.float(), expected) < NEAR

    with torch.inference_mode():
        for number in range(5):
            read([number], [embeds[number : number + 10 + number]])
        alone = len(taken)
        read([0, 1, 2, 3, 4], embeds[30:35].split(1))
        read([4, 2, 0], embeds[35:38].split(1))  # in another order, some are left out
        assert len(taken) == alone + 2
        read([3, 1], [embeds[38:39], embeds[39:42]])  # one of them reads more: no step
        read([0, 4], embeds[42:44].split(1))  # more places between them than texts
        assert len(taken) == alone + 2
        readers[1].leave()
        slow[1] = Reader(model)
        readers[1] = ShelvedReader(llama, shelves, 64)
        read([1], [embeds[44:60]])
        read([0, 1, 2, 3, 4], embeds[60:65].split(1))
        assert len(taken) == alone + 4
        for at in range(60):  # one outgrows its place, and goes on elsewhere
            read([2], [embeds[at : at + 1]])
        assert readers[2].shelf is not readers[0].shelf
        read([2, 0], embeds[65:67].split(1))
        read([0, 1, 3, 4], embeds[67:71].split(1))


def test_texts_of_one_adapter_are_read_by_one_step(tmp_path: Path, taken: list[int]) -> None:
    model = llava()
    prepare_step(model, None, tmp_path)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"])
    config.init_lora_weights = False
    torch.manual_seed(1)
    LoraModel(model.model.language_model, config, "some")
    llama, shelves, embeds = Llama(model), Shelves(), words(model, 40)
    readers = [ShelvedReader(llama, shelves, 64) for _ in range(3)]
    slow = [Reader(model) for _ in range(3)]
    with torch.inference_mode():
        for reader, other in zip(readers, slow, strict=True):
            read_together(llama, [reader], [embeds[:9]], [0], ["some"])
            other.read(embeds[:9])
        before = len(taken)
        found = read_together(llama, readers, embeds[9:12].split(1), [0, 2], ["some"] * 3)
        expected = torch.cat([slow[n].read(embeds[9 + n : 10 + n]) for n in (0, 2)])
        assert distance(found, expected) < NEAR and len(taken) == before + 1
        # With different ones it is no step, and sees what steps wrote.
        mixed = read_together(
            llama, readers, embeds[12:15].split(1), [0, 2], ["some", None, "some"]
        )
        expected = torch.cat([slow[n].read(embeds[12 + n : 13 + n]) for n in (0, 2)])
        assert distance(mixed, expected) < NEAR and len(taken) == before + 1


def test_the_file_is_made_once_and_is_bounded(tmp_path: Path) -> None:
    model = llava()
    first = weight_file(model, "a" * 64, tmp_path)
    written = first.path.stat().st_mtime_ns
    os.utime(first.path, ns=(1, 1))
    again = weight_file(model, "a" * 64, tmp_path)
    assert again.path == first.path and not again.passing
    assert again.path.stat().st_mtime_ns >= written, "it was used now"
    for name in "bcdefg":
        path = weight_file(model, name * 64, tmp_path).path
        assert path.exists()
    assert len(list(tmp_path.iterdir())) == 4
    # A file that was cut off is none.
    path.write_bytes(path.read_bytes()[:-1])
    whole = weight_file(model, "g" * 64, tmp_path).path
    assert whole == path and prepare_step(model, "g" * 64, tmp_path)


def test_a_cache_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    model = llava()
    found = weight_file(model, "a", tmp_path / "file" / "steps")
    assert found.passing and found.path.exists()
    path = found.path
    del found
    assert not path.exists(), "it goes with whoever had it"
    assert prepare_step(model, "a", tmp_path / "file" / "steps")


def test_a_step_that_cannot_be_made_is_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import onnxruntime

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("no such operator")

    model = llava()
    monkeypatch.setattr(onnxruntime, "InferenceSession", broken)
    embeds = words(model, 12)
    expected = one_by_one(Reader(model), embeds, 9)
    assert prepare_step(model, None, tmp_path)
    found = one_by_one(FastReader(model), embeds, 9)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)
    assert caplog.text.count("no such operator") == 1
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("tempfile.mkstemp", lambda *_, **__: (tmp_path / "file" / "a").open())
    assert not prepare_step(llava(), "a", tmp_path / "file")


@pytest.mark.parametrize("changes", [{"hidden_act": "gelu"}, {"hidden_size": 48}, {"head_dim": 8}])
def test_models_of_other_forms_have_none(changes: dict[str, Any]) -> None:
    assert not can_step(llava(**changes))


def test_packed_layers_have_none_any_more() -> None:
    model = llava().to(torch.bfloat16)
    if pack_linears(model):
        assert not can_step(model)


def test_longer_texts_are_read_without_it(
    tmp_path: Path, taken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = llava()
    prepare_step(model, None, tmp_path)
    step = step_of(model)
    assert step is not None and step.longest == longest_text(model)
    monkeypatch.setattr(step, "longest", 12)
    one_by_one(FastReader(model), words(model, 15), 10)
    assert taken == [9, 10, 11]


def test_an_engine_writes_by_steps(tmp_path: Path, taken: list[int]) -> None:
    model = llava().to(torch.bfloat16)
    model.save_pretrained(tmp_path / "base")
    tiny.processor().save_pretrained(tmp_path / "base")
    settings = Settings(device="cpu", cache_dir=tmp_path / "cache", quantize="w8")
    engine = Engine.load(base=str(tmp_path / "base"), settings=settings)
    assert engine.quantization == "w8"
    assert len(list((tmp_path / "cache" / "steps").iterdir())) == 1
    image = engine.encode_image(tiny.picture(1))
    turns = [Turn("user", "What is it?", (image.id,))]
    first = engine.generate(turns, [image], sampling=Sampling(max_tokens=12))
    assert len(taken) >= first.tokens - 1 > 0
    again = Engine.load(base=str(tmp_path / "base"), settings=settings)
    assert again.generate(turns, [image], sampling=Sampling(max_tokens=12)).text == first.text


@pytest.mark.weights
def test_the_desks_adapter_is_written_by_steps(base_cache: Path, taken: list[int]) -> None:
    settings = composed(Settings(cache_dir=base_cache, device="cpu", quantize="w8", adapter=None))
    engine = Engine.load("embedded", settings=settings)
    adapter = engine.add_adapter("agent")
    turns = [Turn("user", "Do you have oranges in the shop?")]
    told = [
        engine.generate(turns, sampling=Sampling(max_tokens=12), adapter=name)
        for name in (adapter, None, adapter)
    ]
    assert told[0].text == told[2].text != told[1].text
    assert len(taken) >= sum(each.tokens - 1 for each in told)


def test_it_is_refused_where_it_cannot_be(tmp_path: Path) -> None:
    model = llava(hidden_act="gelu").to(torch.bfloat16)
    model.save_pretrained(tmp_path)
    tiny.processor().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="Llama's form on the CPU; use --quantize none"):
        Engine.load(base=str(tmp_path), quantize="w8", settings=Settings(device="cpu"))


def test_weights_come_back_nearly() -> None:
    weight = torch.randn(5000, 64)
    weight[3] = 0
    for values, scales in [zip(*rounded(weight), strict=True)]:
        eight, each = np.concatenate(values), np.concatenate(scales)
    again = (eight.astype(np.float32) - 128) * each[..., None]
    assert eight.shape == (5000, 64 // BLOCK, BLOCK) and eight.min() >= 1
    assert np.abs(again.reshape(5000, 64) - weight.numpy()).max() < weight.abs().max() / 127
    assert not again[3].any()


def test_products_of_shapes_can_be_timed() -> None:
    assert Products([(64, 32), (32, 64)], 2).seconds() > 0
