"""What a base needs, said before it is loaded: counts, bytes of every form, and the doctor."""

from __future__ import annotations

import copy
import json
import os
import platform
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import torch
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    Qwen2_5_VLConfig,
)
from typer.testing import CliRunner

from assistant import needs, packed, slower
from assistant.cli import app
from assistant.engine import Engine
from assistant.errors import WeightsError
from assistant.llava import load_base, settle
from assistant.needs import Form, Needs, Place, needs_of, needs_of_config
from assistant.quantize import quantize_model
from assistant.settings import Settings
from assistant.weights import embedded_directory
from tests import families, tiny
from tests.shipped import composed

CPU = torch.device("cpu")
GIB = 2**30
RUNNER = CliRunner()


def llava_7b() -> LlavaConfig:
    """LLaVA-1.5-7B: CLIP ViT-L/14 at 336 pixels, Vicuna-7B with a table of 32,064 rows."""
    return LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=1024,
            intermediate_size=4096,
            num_hidden_layers=24,
            num_attention_heads=16,
            image_size=336,
            patch_size=14,
            projection_dim=768,
        ),
        text_config=LlamaConfig(vocab_size=32064),
        image_seq_length=576,
    )


def real_bytes(model: Any) -> int:
    """What the weights of a loaded model take, each tensor once."""
    total = 0
    for parameter in model.parameters():
        total += parameter.nbytes
        state = getattr(parameter, "quant_state", None)
        total += state.absmax.nbytes + state.code.nbytes if state is not None else 0
    for module in model.modules():
        scales = getattr(getattr(module, "state", None), "SCB", None)
        total += scales.nbytes if scales is not None else 0
        total += sum(
            buffer.nbytes
            for name, buffer in module.named_buffers(recurse=False)
            if name not in module._non_persistent_buffers_set
        )
    return total


@pytest.mark.parametrize("name", families.NAMES)
def test_the_bytes_are_those_of_the_loaded_model(name: str) -> None:
    folder = families.directory(name)
    found = needs_of(folder)
    loaded = load_base(folder, name, CPU, "auto").model
    forms: tuple[Form, ...] = ("float32", "bfloat16", "nf4", "int8")
    for form in forms:
        model: Any = copy.deepcopy(loaded)
        if form == "float32":
            settle(model, CPU, torch.float32)
        else:
            if form in ("nf4", "int8"):
                quantize_model(model, form)
            settle(model, CPU)
        assert found.weights[form] == real_bytes(model), form
    assert found.counts.total == sum(p.numel() for p in families.model(name).parameters())
    assert found.counts.tower and found.counts.projector and found.counts.output


def test_the_embedded_form_shares_its_table_and_stores_buffers() -> None:
    found = needs_of(tiny.directory())
    base = load_base(tiny.directory(), "tiny", CPU, "auto")
    model: Any = base.model
    settle(model, CPU)
    assert found.weights["bfloat16"] == real_bytes(model)
    assert found.counts.output == 0 and found.picture == tiny.GRID**2
    assert found.copied in (0, 2 * found.counts.embedding)


def test_pictures_and_cache_are_those_of_an_answer() -> None:
    """For families that cut pictures the number of tokens is asked of the processor."""
    for name in families.NAMES:
        found = needs_of(families.directory(name))
        base = load_base(families.directory(name), name, CPU, torch.bfloat16)
        engine = Engine(base, None, {}, prefix_bytes=2**26)
        image = engine.encode_image(tiny_photo())
        assert found.picture is not None
        assert len(image.features) <= found.picture <= len(image.features) + 20, name
        keys = base.model.config.get_text_config().num_hidden_layers * 2 * 2 * 16 * 2
        assert found.token == keys, "two layers, keys and values, two heads of 16 in bfloat16"


def tiny_photo() -> Any:
    from assistant.images import open_image

    return open_image(tiny.pixels(3, 1024, 768))


def test_seven_billion_without_a_byte_of_memory() -> None:
    found = needs_of_config(llava_7b())
    assert found.counts.total == 7_063_427_072
    parts = found.counts
    assert parts.language + parts.embedding + parts.output == 6_738_939_904, "Vicuna and 64 rows"
    assert found.weights["bfloat16"] == pytest.approx(14.1e9, rel=0.005)
    assert found.weights["float32"] == 2 * found.weights["bfloat16"]
    assert 3.9e9 < found.weights["nf4"] < 4.7e9
    assert found.weights["int8"] == pytest.approx(7.66e9, rel=0.01)
    assert found.weights["w8"] > found.weights["bfloat16"]
    assert found.token == 32 * 2 * 4096 * 2
    assert found.context == 576 + 512


def test_grouped_heads_and_towers_of_another_family() -> None:
    """Qwen2.5-VL-7B: 8.29 billion weights, four heads of keys and values."""
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
            "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
        },
        vision_config={
            "depth": 32, "hidden_size": 1280, "intermediate_size": 3420, "num_heads": 16,
            "out_hidden_size": 3584,
        },
    )  # fmt: skip
    found = needs_of_config(config)
    assert found.counts.total == pytest.approx(8.29e9, rel=0.001)
    assert found.token == 28 * 2 * 4 * 128 * 2
    assert "w8" not in found.weights, "only LLaVA with a Llama is read that way"


def test_what_fits() -> None:
    found = needs_of_config(llava_7b())
    assert found.fitting(64 * GIB) == list(found.weights)
    assert found.fitting(9 * GIB) == ["nf4", "int8"]
    assert found.fitting(6 * GIB) == ["nf4"]
    assert found.fitting(2 * GIB) == []
    assert found.whole("bfloat16") > found.weights["bfloat16"] + found.token * found.context


@pytest.mark.parametrize("given", ["", '{"model_type": "bert"}', '{"model_type": "gemma3"}'])
def test_configurations_that_are_of_no_use(tmp_path: Path, given: str) -> None:
    (tmp_path / "config.json").write_text(given, encoding="utf-8")
    with pytest.raises(WeightsError) as error:
        needs_of(tmp_path)
    assert "\n" not in str(error.value)


# --- the doctor


@pytest.fixture
def config_only(tmp_path: Path) -> Path:
    """As one copies it from a hub: the configuration and the index of the weights."""
    folder = tmp_path / "llava-7b"
    llava_7b().save_pretrained(folder)
    index = {"metadata": {"total_size": 14_126_854_144}, "weight_map": {}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    return folder


def ask(*words: str) -> tuple[int, str, str]:
    result = RUNNER.invoke(app, ["doctor", *words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def free(monkeypatch: pytest.MonkeyPatch, size: int, *more: Place) -> None:
    place = Place("cpu", size, ("bfloat16", "nf4", "int8", "w8"))
    monkeypatch.setattr(needs, "places", lambda _settings: [place, *more])


def test_the_doctor_says_what_fits(config_only: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 6 * GIB, Place("cuda", 24 * GIB, ("bfloat16", "nf4", "int8")))
    code, out, _ = ask("--base", str(config_only))
    assert code == 0
    rows = {line.split()[0]: line for line in out.splitlines() if line}
    assert "7.06 billion" in rows["weights"] and "tower 303.51 million" in rows["weights"]
    assert "13.16 GiB" in rows["files"], "told by the index"
    assert rows["nf4"].endswith("cpu, cuda") and rows["bfloat16"].endswith("cuda")
    assert rows["w8"].endswith("no") and rows["float32"].endswith("not used here")
    code, out, _ = ask("--base", str(config_only), "--json")
    report = json.loads(out)
    assert report["parameters"]["total"] == 7_063_427_072
    assert report["places"][0]["fits"] == ["nf4"]
    assert report["places"][1]["fits"] == ["bfloat16", "nf4", "int8"]
    assert report["picture_tokens"] is None, "there is no processor to ask"


def test_the_doctor_ends_with_2_where_nothing_fits(
    config_only: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2 * GIB)
    code, _, told = ask("--base", str(config_only))
    assert code == 2
    assert "needs 5.33 GiB at least" in told and "smaller base" in told


def test_a_base_that_is_not_here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    def offline(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    for base, said in (("some/llava", "give that folder"), ("embedded", "sightdesk fetch")):
        code, _, told = ask("--base", base)
        assert code == 2 and said in told
        assert len(told.splitlines()) == 1
    code, _, told = ask("--base", "openai:m@http://127.0.0.1:1/v1")
    assert code == 2 and "served elsewhere" in told


def test_a_hub_id_in_the_cache(
    config_only: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The layout of the hub's own cache; nothing is asked of a network."""
    import huggingface_hub

    cache = tmp_path / "hub"
    place = cache / "models--some--llava"
    shutil.copytree(config_only, place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc", encoding="utf-8")
    known = huggingface_hub.try_to_load_from_cache
    monkeypatch.setattr(
        huggingface_hub,
        "try_to_load_from_cache",
        lambda name, file: known(name, file, cache_dir=cache),
    )
    code, out, _ = ask("--base", "some/llava", "--json")
    assert json.loads(out)["family"] == "LLaVA-1.5" and code in (0, 2)


# --- slower paths


def lacking(settings: Settings) -> str:
    return "\n".join(str(each) for each in slower.slower_paths(settings))


def test_what_a_weak_machine_lacks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(packed, "can_pack", lambda: False)
    monkeypatch.setattr(slower, "_cores", lambda: 1)
    monkeypatch.setattr(needs, "free_memory", lambda: 2 * GIB)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    found = lacking(Settings(cache_dir=tmp_path))
    for said in ("One core", "No AVX-512 (AVX2)", "float32", "2.0 GiB free", "No C++ compiler"):
        assert said in found
    for each in slower.slower_paths(Settings(cache_dir=tmp_path)):
        assert each.lacks and each.instead


def test_a_strong_machine_lacks_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(packed, "can_pack", lambda: True)
    monkeypatch.setattr(slower, "_cores", lambda: 8)
    monkeypatch.setattr(needs, "free_memory", lambda: 32 * GIB)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert slower.slower_paths(Settings(cache_dir=tmp_path / "new")) == []


def test_a_cache_folder_that_cannot_be_written_or_is_anothers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    other = tmp_path / "bases" / "smollm2-older"
    other.mkdir(parents=True)
    (other / "config.json").write_text("{}", encoding="utf-8")
    found = lacking(Settings(cache_dir=tmp_path))
    assert "another version's base (smollm2-older)" in found and "beside it" in found
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, how: path != tmp_path and real(path, how))
    assert "can only be read" in lacking(Settings(cache_dir=tmp_path))


def test_a_container_has_less_than_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"memory.max": 3 * GIB, "memory.current": GIB}
    memory = SimpleNamespace(available=16 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(needs, "_number", told.get)
    assert needs.free_memory() == 2 * GIB
    monkeypatch.setattr(needs, "_number", lambda _name: None)
    assert needs.free_memory() == 16 * GIB


def test_the_doctor_says_which_slower_paths_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slower, "_cores", lambda: 1)
    out = RUNNER.invoke(app, ["doctor"]).stdout
    assert "slower       One core: products run on one thread" in out
    report = json.loads(RUNNER.invoke(app, ["doctor", "--json"]).stdout)
    assert report["slower"][0]["lacks"] == "One core"


@pytest.mark.weights
def test_the_embedded_base(base_cache: Path) -> None:
    settings = composed(Settings(cache_dir=base_cache))
    found = needs_of(embedded_directory(settings))
    assert isinstance(found, Needs)
    assert found.counts.language == pytest.approx(106.2e6, rel=0.001)
    assert found.picture == 36 and found.counts.output == 0
    forms: list[Form] = ["bfloat16", "float32", "nf4", "int8", "w8"]
    assert list(found.weights) == forms
