"""The quick ways give what the slow ones give: packed weights, a Llama without its own forward."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig
from peft.tuners.lora import LoraLayer, LoraModel
from torch import nn
from transformers import LlavaConfig, LlavaForConditionalGeneration, Qwen2Config

from assistant.engine import Engine, Sampling, Turn
from assistant.engine.fast import FastReader, can_read
from assistant.engine.reading import Reader
from assistant.packed import PackedLinear, PackedWeights, can_pack, pack_linears
from assistant.quantize import quantize_model
from assistant.settings import Settings
from tests import tiny

needs_packing = pytest.mark.skipif(not can_pack(), reason="the processor has no such products")


def llava(text: Any = None, **changes: Any) -> Any:
    """The tiny LLaVA with another language model, or with changes to its own."""
    config: Any = copy.deepcopy(tiny.model().config)
    for name, value in changes.items():
        setattr(config.text_config, name, value)
    if text is not None:
        config = LlavaConfig(
            vision_config=config.vision_config,
            text_config=text,
            image_token_index=config.image_token_id,
            image_seq_length=tiny.GRID**2,
            vision_feature_select_strategy="full",
            vision_feature_layer=-1,
        )
    torch.manual_seed(0)
    model: Any = LlavaForConditionalGeneration(config)
    model.generation_config = tiny.model().generation_config
    return model.eval()


def wide() -> Any:
    """With rows that four bits can hold, in bfloat16."""
    return llava(hidden_size=64, intermediate_size=128, head_dim=16, initializer_range=0.1).to(
        torch.bfloat16
    )


def words(model: Any, count: int) -> torch.Tensor:
    """Embeddings ``[count, hidden]`` of some tokens."""
    ids = torch.arange(count) * 7 % 300 + 20
    with torch.inference_mode():
        return model.get_input_embeddings()(ids).clone()


def told(reader: Reader, embeds: torch.Tensor, parts: tuple[int, ...]) -> torch.Tensor:
    """Logits ``[parts, vocab]`` behind each part of a text that is read in parts."""
    with torch.inference_mode():
        return torch.cat([reader.read(part).float() for part in embeds.split(list(parts))])


# A prompt, single tokens as they are written, a further question, and more than there was room for.
PARTS = (9, 1, 1, 6, 1, 140, 1, 70, 1)


def assert_alike(model: Any, tolerance: float = 2e-4) -> None:
    assert can_read(model)
    embeds = words(model, sum(PARTS))
    slow, fast = Reader(model), FastReader(model)
    expected, found = told(slow, embeds, PARTS), told(fast, embeds, PARTS)
    assert fast.length == slow.length == sum(PARTS)
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=tolerance)
    whole = told(FastReader(model), embeds, (sum(PARTS),))
    torch.testing.assert_close(whole, expected[-1:], atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 4},
        {"num_key_value_heads": 1, "head_dim": 16},
        {"attention_bias": True, "mlp_bias": True},
        {"hidden_act": "gelu"},
        {"tie_word_embeddings": False},
        {"rope_parameters": {"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}},
    ],
    ids=str,
)
def test_a_llama_is_read_as_its_own_forward_reads_it(changes: dict[str, Any]) -> None:
    model = llava(**changes)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):  # zero at first
                parameter.normal_(0, 0.2)
    assert_alike(model)


def test_adapters_beside_the_layers_are_heard() -> None:
    model = llava()
    bare = told(FastReader(model), words(model, 9), (9,))
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"])
    config.init_lora_weights = False
    LoraModel(model, config, "some")
    assert_alike(model)
    assert (told(FastReader(model), words(model, 9), (9,)) - bare).abs().max() > 0.1
    for module in model.modules():
        if isinstance(module, LoraLayer):
            module.enable_adapters(False)
    torch.testing.assert_close(told(FastReader(model), words(model, 9), (9,)), bare)


@pytest.mark.parametrize(
    "options",
    [
        {"target_modules": ["k_proj", "gate_proj", "o_proj"], "lora_alpha": 6},
        {"target_modules": "all-linear", "rank_pattern": {"v_proj": 2}, "use_rslora": True},
        {"target_modules": ["q_proj", "up_proj"], "lora_bias": True},
        {"target_modules": ["v_proj", "down_proj"], "use_dora": True},
    ],
    ids=["some layers of each", "ranks", "biases", "DoRA"],
)
def test_adapters_of_any_kind_are_heard(options: dict[str, Any]) -> None:
    model = llava()
    config = LoraConfig(r=4, **options)
    config.init_lora_weights = False
    torch.manual_seed(1)
    LoraModel(model.model.language_model, config, "some")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name:
                parameter.normal_(0, 0.2)
    assert_alike(model)


@pytest.mark.parametrize("kind", ["nf4", "int8"])
def test_quantized_layers_are_read_as_they_are(kind: Any) -> None:
    model = quantize_model(wide(), kind)
    embeds = words(model, 12)
    slow = told(Reader(model), embeds, (10, 1, 1))
    fast = told(FastReader(model), embeds, (10, 1, 1))
    assert float((fast - slow).square().mean().sqrt() / slow.std()) < 0.04


@needs_packing
def test_packed_layers_are_read_as_the_plain_ones() -> None:
    plain, packed = wide(), wide()
    assert pack_linears(packed) == 15
    embeds = words(plain, 30)
    slow = told(Reader(plain), embeds, (20, 1, 8, 1))
    for reader in (FastReader(packed), Reader(packed)):
        found = told(reader, embeds, (20, 1, 8, 1))
        assert float((found - slow).square().mean().sqrt() / slow.std()) < 0.02


@needs_packing
def test_adapters_beside_packed_layers_are_heard() -> None:
    """Some of the layers that are packed as one have an adapter, others have none."""
    plain, packed = wide(), wide()
    pack_linears(packed)
    config = LoraConfig(r=4, target_modules=["q_proj", "v_proj", "up_proj", "o_proj"])
    for model in (plain, packed):
        torch.manual_seed(1)
        config.init_lora_weights = False
        LoraModel(model, config, "some")
        for parameter in model.parameters():
            if parameter.dtype == torch.float32:
                parameter.data = parameter.data.to(torch.bfloat16)
    embeds = words(plain, 30)
    slow = told(Reader(plain), embeds, (20, 1, 8, 1))
    for reader in (FastReader(packed), Reader(packed)):
        found = told(reader, embeds, (20, 1, 8, 1))
        assert float((found - slow).square().mean().sqrt() / slow.std()) < 0.02


def test_readers_go_on_where_others_stopped() -> None:
    model = llava()
    embeds = words(model, 30)
    expected = told(Reader(model), embeds, (30,))
    for first, second in ((Reader, FastReader), (FastReader, Reader), (FastReader, FastReader)):
        began = first(model)
        told(began, embeds[:20], (20,))
        kept = began.kept()
        assert kept is not None
        cut = tuple((keys[:, :, :15], values[:, :, :15]) for keys, values in kept)
        on = second(model, cut)
        assert on.length == 15
        found = told(on, embeds[15:], (15,))
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=2e-4)
        assert cut[0][0].equal(kept[0][0][:, :, :15]), "what is kept is never written to"
    assert FastReader(model).kept() is None


@pytest.mark.parametrize(
    "model",
    [
        llava(rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
        llava(
            Qwen2Config(
                vocab_size=360,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=4,
                num_key_value_heads=2,
            )
        ),
        nn.Linear(4, 4),
    ],
    ids=["dynamic angles", "Qwen2", "no LLaVA"],
)
def test_other_models_are_left_to_their_own_forward(model: Any) -> None:
    assert not can_read(model)


def test_an_engine_answers_alike_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
    engine.model.float()
    image = engine.encode_image(tiny.picture(1))
    turns = [Turn("user", "What is it?", (image.id,))]
    sampling = Sampling(max_tokens=160, temperature=1.5, seed=3)
    monkeypatch.setattr(engine.model.generation_config, "eos_token_id", None)
    fast = engine.generate(turns, [image], sampling=sampling)
    engine.forget()
    monkeypatch.setattr("assistant.engine.decoding.can_read", lambda _model: False)
    slow = engine.generate(turns, [image], sampling=sampling)
    assert fast.tokens == 160
    assert fast.text == slow.text


# --- packed weights


@needs_packing
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(192, 576), (49, 33)])
def test_a_packed_layer_gives_what_the_plain_one_gives(
    biased: bool, rows: int, columns: int
) -> None:
    torch.manual_seed(0)
    plain = nn.Linear(columns, rows, biased, dtype=torch.bfloat16)
    layer = PackedLinear(plain)
    assert layer.weights is not None
    for shape in ((1, columns), (1, 7, columns), (99, columns)):
        given = torch.randn(shape, dtype=torch.bfloat16)
        with torch.inference_mode():
            torch.testing.assert_close(layer(given), plain(given), atol=0.01, rtol=0.01)


@needs_packing
@pytest.mark.parametrize("biased", [False, True])
def test_layers_that_are_packed_as_one_give_each_its_own(biased: bool) -> None:
    torch.manual_seed(0)
    plain = [nn.Linear(64, rows, biased, dtype=torch.bfloat16) for rows in (64, 32, 32)]
    shared = PackedWeights(plain)
    layers = [PackedLinear(x, shared, at) for x, at in zip(plain, (0, 64, 96), strict=True)]
    given = [torch.randn(5, 64, dtype=torch.bfloat16) for _ in range(2)]
    orders = ((0, 0), (1, 0), (2, 0), (0, 1), (0, 0), (2, 1), (2, 1), (1, 1), (0, 1))
    with torch.inference_mode():
        for layer, input in orders:  # in any order, some of them twice
            expected = plain[layer](given[input])
            torch.testing.assert_close(layers[layer](given[input]), expected, atol=0.01, rtol=0.01)
        weight = plain[1].weight.detach().clone()
        assert layers[1].float().weight.equal(weight.float())
        torch.testing.assert_close(layers[2](given[0]), plain[2](given[0]), atol=0.01, rtol=0.01)


@needs_packing
def test_another_precision_makes_it_plain_again() -> None:
    plain = nn.Linear(64, 32, dtype=torch.bfloat16)
    weight = plain.weight.detach().clone()
    layer = nn.Sequential(PackedLinear(plain)).float()[0]
    assert isinstance(layer, PackedLinear)
    assert layer.weights is None
    assert layer.weight.equal(weight.float()), "value for value the same"
    given = torch.randn(3, 64)
    torch.testing.assert_close(layer(given), plain.float()(given))


@needs_packing
def test_only_what_can_be_packed_is_packed() -> None:
    model = wide()
    table = model.get_input_embeddings().weight
    tower = [m for m in model.model.vision_tower.modules() if isinstance(m, nn.Linear)]
    assert pack_linears(model) == 15
    assert model.get_input_embeddings().weight is table
    assert table.layout == torch.strided
    assert type(model.model.multi_modal_projector.linear_1) is nn.Linear
    assert all(type(layer) is nn.Linear for layer in tower)
    assert pack_linears(model) == 0
    assert pack_linears(llava()) == 0, "in float32"
    assert pack_linears(quantize_model(wide(), "int8")) == 0
    assert pack_linears(nn.Linear(4, 4)) == 0


@needs_packing
def test_an_engine_packs_what_is_not_quantized(monkeypatch: pytest.MonkeyPatch) -> None:
    def packed() -> int:
        engine = Engine.load(base=str(tiny.directory()), settings=Settings(device="cpu"))
        return sum(isinstance(module, PackedLinear) for module in engine.model.modules())

    assert packed() == 15
    monkeypatch.setattr("assistant.packed.can_pack", lambda: False)
    assert packed() == 0
