"""A base's identity is its content; an adapter that was trained on another one is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from adapters.publish import save_adapter
from adapters.recipe import Recipe
from adapters.train import prepare
from assistant.adapter_files import AdapterFiles, check_fits, read_adapter
from assistant.errors import AdapterError, WeightsError
from assistant.fingerprint import base_fingerprint, identify_base
from tests import tiny


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return shutil.copytree(tiny.directory(), tmp_path / "base")


@pytest.fixture(scope="module")
def grounds(tmp_path_factory: pytest.TempPathFactory) -> tuple[AdapterFiles, AdapterFiles]:
    """Two adapters that are relative to raw parts and differ in one value."""
    folder = tmp_path_factory.mktemp("grounds")
    recipe = Recipe(rank=4, alpha=8)
    save_adapter(prepare(tiny.model(), recipe), folder / "a", recipe, base="", labels={})
    shutil.copytree(folder / "a", folder / "b")
    tensors = load_file(folder / "b" / "adapter_model.safetensors")
    first = next(iter(tensors))
    tensors[first].view(-1)[0] += 1
    save_file(tensors, folder / "b" / "adapter_model.safetensors")
    return read_adapter(folder / "a", "a"), read_adapter(folder / "b", "b")


def edit(file: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


def change_tensor(base: Path, part: str) -> None:
    tensors = load_file(base / "model.safetensors")
    name = next(name for name in tensors if part in name)
    tensors[name] = tensors[name] + 0.01
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})


def test_a_base_is_known_again_wherever_and_however_it_lies(base: Path, tmp_path: Path) -> None:
    known = base_fingerprint(tiny.directory(), None)
    assert len(known) == 64
    assert base_fingerprint(base, None) == known
    edit(base / "config.json", lambda config: config.update(transformers_version="6", novelty=1))
    edit(base / "config.json", lambda config: config["text_config"].update(_name_or_path="/x"))
    assert base_fingerprint(base, None) == known

    model = tiny.model()
    model.save_pretrained(tmp_path / "shards", max_shard_size="20KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 3
    assert base_fingerprint(tmp_path / "shards", None) == known


@pytest.mark.parametrize(
    "part", ["layers.1.mlp.up_proj", "embed_tokens", "stages.0", "linear_2.bias", "running_mean"]
)
def test_a_change_of_any_tensor_is_seen(base: Path, part: str) -> None:
    change_tensor(base, part)
    assert base_fingerprint(base, None) != base_fingerprint(tiny.directory(), None)


def test_dtype_and_configuration_count(base: Path, tmp_path: Path) -> None:
    known = base_fingerprint(base, None)
    half = shutil.copytree(base, tmp_path / "half")
    tensors = load_file(half / "model.safetensors")
    save_file({n: t.bfloat16() for n, t in tensors.items()}, half / "model.safetensors")
    assert base_fingerprint(half, None) != known
    edit(base / "config.json", lambda config: config.update(vision_feature_select_strategy="x"))
    assert base_fingerprint(base, None) != known


def test_the_ground_counts_and_what_it_replaces_does_not(
    base: Path, grounds: tuple[AdapterFiles, AdapterFiles]
) -> None:
    first, second = (base_fingerprint(base, ground) for ground in grounds)
    assert len({first, second, base_fingerprint(base, None)}) == 3
    change_tensor(base, "multi_modal_projector.linear_1.weight")
    assert base_fingerprint(base, grounds[0]) == first, "the ground brings its own projector"
    change_tensor(base, "layers.0.self_attn.q_proj")
    assert base_fingerprint(base, grounds[0]) != first


def test_preprocessing_and_projector_are_told(base: Path) -> None:
    identity = identify_base(base, None)
    assert identity.projector == [39, 32]
    assert identity.preprocessing["size"] == {"height": 32, "width": 32}
    assert identity.preprocessing["image_mean"] == [127 / 255] * 3
    on = identity.on("embedded")
    assert json.loads(json.dumps(on)) == on
    assert set(on) == {"base", "fingerprint", "preprocessing", "projector"}
    # Earlier releases of transformers wrote the picture's part into a file of its own.
    (base / "processor_config.json").rename(base / "preprocessor_config.json")
    edit(base / "preprocessor_config.json", lambda c: c.update(c.pop("image_processor")))
    assert identify_base(base, None).preprocessing == identity.preprocessing


def truncated(base: Path) -> None:
    file = base / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-5000])


def no_header(base: Path) -> None:
    (base / "model.safetensors").write_bytes(b"\xff" * 64)


def odd_header(base: Path) -> None:
    header = b'{"a": {"dtype": "F32", "shape": "?", "data_offsets": [0]}}'
    data = len(header).to_bytes(8, "little") + header
    (base / "model.safetensors").write_bytes(data)


def no_weights(base: Path) -> None:
    (base / "model.safetensors").unlink()


def no_config(base: Path) -> None:
    (base / "config.json").unlink()


def odd_config(base: Path) -> None:
    (base / "config.json").write_text("[" * 100_000)


@pytest.mark.parametrize(
    "damage", [truncated, no_header, odd_header, no_weights, no_config, odd_config]
)
def test_a_damaged_base_is_one_sentence(base: Path, damage: Callable[[Path], None]) -> None:
    damage(base)
    with pytest.raises(WeightsError, match=r"cannot be read; restore|missing or damaged; give"):
        identify_base(base, None)


def test_an_adapter_is_checked_against_the_content_not_the_name(base: Path) -> None:
    identity = identify_base(base, None)

    def check(files: AdapterFiles, name: str, at: Path) -> None:
        now = identify_base(at, None)
        check_fits(
            files,
            now.fingerprint,
            name,
            preprocessing=now.preprocessing,
            projector=now.projector,
        )

    files = AdapterFiles("shop", base, {"on": identity.on("mine")})
    assert files.stacked
    check(files, "quite another name", base)
    check(AdapterFiles("old", base, {"base": "x"}), "mine", base)
    edit(base / "processor_config.json", lambda c: c["image_processor"].update(resample=3))
    with pytest.raises(AdapterError, match=r"pictures prepared in another way .*\(resample\)"):
        check(files, "mine", base)
    change_tensor(base, "layers.0.self_attn.q_proj")
    with pytest.raises(AdapterError, match="on another state of the base 'mine'"):
        check(files, "mine", base)
    with pytest.raises(AdapterError, match=r"on another base \(mine\) than 'other'"):
        check(files, "other", base)
    tensors = load_file(base / "model.safetensors")
    name = next(n for n in tensors if n.endswith("multi_modal_projector.linear_1.weight"))
    tensors[name] = torch.zeros(32, 40)
    save_file(tensors, base / "model.safetensors")
    with pytest.raises(AdapterError, match=r"projector from 39 to 32, but .* 40 to 32"):
        check(files, "mine", base)
