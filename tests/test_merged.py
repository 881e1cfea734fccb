"""Bases with an adapter merged in: kept, found again, and never taken for another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from assistant import merged
from assistant.engine import Engine, loading
from assistant.llava import attach_adapter
from assistant.settings import Settings
from tests import tiny
from tests.merged_adapters import write_merged


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """LoRA and projector for the tiny model, of a size that matters."""
    return write_merged(tmp_path_factory.mktemp("adapters") / "goods", tiny.model(), base="tiny")


@pytest.fixture
def merges(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of adapters that were merged."""
    found: list[str] = []

    def attach(base: Any, path: Path, name: str) -> Any:
        found.append(name)
        return attach_adapter(base, path, name)

    monkeypatch.setattr(loading, "attach_adapter", attach)
    return found


def opened(adapter: Path, cache: Path) -> Engine:
    settings = Settings(device="cpu", cache_dir=cache, quantize="none")
    return Engine.load(base=str(tiny.directory()), adapter=str(adapter), settings=settings)


def weights(engine: Engine) -> dict[str, torch.Tensor]:
    model = engine.model.float()  # whatever was packed has plain weights again
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_base_is_merged_once(adapter: Path, tmp_path: Path, merges: list[str]) -> None:
    first = weights(opened(adapter, tmp_path))
    engine = opened(adapter, tmp_path)
    assert len(merges) == 1 and engine.adapter is not None
    assert same(weights(engine), first)
    assert not [path for path in tmp_path.rglob("*.partial")]


def test_another_adapter_is_another_base(
    adapter: Path, tmp_path: Path, merges: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = weights(opened(adapter, tmp_path))
    other = tmp_path / "other"
    other.mkdir()
    for file in adapter.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    tensors = load_file(other / "adapter_model.safetensors")
    name = next(name for name in tensors if "lora_B" in name)
    tensors[name].view(-1)[0] += 1  # one number of all
    save_file(tensors, other / "adapter_model.safetensors", metadata={"format": "pt"})
    assert not same(weights(opened(other, tmp_path)), first)
    assert len(merges) == 2 and len(list((tmp_path / "merged").iterdir())) == 2
    # The one that was used longest ago makes room.
    monkeypatch.setattr(merged, "_KEPT", 1)
    assert same(weights(opened(adapter, tmp_path)), first) and len(merges) == 2
    tensors[name].view(-1)[0] += 1
    save_file(tensors, other / "adapter_model.safetensors", metadata={"format": "pt"})
    opened(other, tmp_path)
    assert len(merges) == 3 and len(list((tmp_path / "merged").iterdir())) == 1


def test_what_is_damaged_is_merged_anew(adapter: Path, tmp_path: Path, merges: list[str]) -> None:
    first = weights(opened(adapter, tmp_path))
    (kept,) = (tmp_path / "merged").iterdir()
    for name in ("model.safetensors", "config.json"):
        (kept / name).write_bytes((kept / name).read_bytes()[:-40])
        assert same(weights(opened(adapter, tmp_path)), first)
    assert len(merges) == 3


def test_large_models_and_closed_folders_keep_nothing(
    adapter: Path, tmp_path: Path, merges: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    opened(adapter, tmp_path / "file")
    monkeypatch.setattr(merged, "LARGEST", 1000)
    for _ in range(2):
        opened(adapter, tmp_path)
    assert len(merges) == 3 and not (tmp_path / "merged").exists()
