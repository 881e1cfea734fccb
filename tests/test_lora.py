"""LoRA as one product with the merged weight, and going on from an adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peft.tuners.lora import Linear as LoraLinear
from safetensors.torch import load_file, save_file

from adapters.lora import MergedLora, start_from
from adapters.publish import save_adapter
from adapters.recipe import Recipe
from adapters.train import prepare
from assistant.errors import AdapterError
from tests import tiny

RECIPE = Recipe(rank=4, alpha=8)


def adapted(rank: int = 4, seed: int = 0) -> Any:
    """A tiny model whose LoRA and projector are random."""
    model = prepare(tiny.model(), Recipe(rank=rank, alpha=2 * rank))
    torch.manual_seed(seed)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data.normal_(0, 0.1)
    return model


def loss_and_gradients(model: Any) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    ids = torch.arange(20, 44).view(2, 12)
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    gradients = {
        name: parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if parameter.grad is not None
    }
    model.zero_grad()
    return loss.detach(), gradients


def test_merged_layers_give_the_same_loss_and_gradients() -> None:
    model = adapted()
    loss, gradients = loss_and_gradients(model)
    with MergedLora(model):
        merged_loss, merged_gradients = loss_and_gradients(model)
    torch.testing.assert_close(merged_loss, loss, atol=1e-5, rtol=0)
    assert sum("lora_" in name for name in gradients) == 2 * 2 * 7, "2 layers, 7 matrices, A and B"
    assert merged_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(merged_gradients[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


def test_refresh_takes_up_what_was_learnt() -> None:
    model = adapted()
    with MergedLora(model) as merged:
        before, _ = loss_and_gradients(model)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.data.mul_(3)
        stale, _ = loss_and_gradients(model)
        merged.refresh()
        after, _ = loss_and_gradients(model)
    expected, _ = loss_and_gradients(model)
    assert stale.equal(before)
    assert not after.equal(before)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_layers_are_as_they_were_afterwards() -> None:
    model = adapted()
    with pytest.raises(KeyboardInterrupt), MergedLora(model):
        raise KeyboardInterrupt
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLinear)]
    assert layers
    for layer in layers:
        assert not {"forward", "merged_weight"} & vars(layer).keys()


def test_an_adapter_is_gone_on_from(tmp_path: Path) -> None:
    trained = adapted(seed=1)
    save_adapter(trained, tmp_path / "a", RECIPE, base="tiny", labels={})
    fresh = prepare(tiny.model(), RECIPE)
    start_from(fresh, tmp_path / "a")
    known = dict(trained.named_parameters())
    for name, parameter in fresh.named_parameters():
        if parameter.requires_grad:
            torch.testing.assert_close(
                parameter.data, known[name].data.bfloat16().float(), atol=0, rtol=0, msg=name
            )
            assert parameter.dtype == torch.float32


def test_an_adapter_of_another_rank_or_scale_is_refused(tmp_path: Path) -> None:
    save_adapter(adapted(rank=8), tmp_path / "a", RECIPE, base="tiny", labels={})
    with pytest.raises(AdapterError, match="of rank 8 and alpha 16, not 4 and 8; leave --rank out"):
        start_from(prepare(tiny.model(), RECIPE), tmp_path / "a")
    save_adapter(adapted(), tmp_path / "b", RECIPE, base="tiny", labels={})
    with pytest.raises(AdapterError, match="of rank 4 and alpha 8, not 4 and 4"):
        start_from(prepare(tiny.model(), Recipe(rank=4, alpha=4)), tmp_path / "b")


def test_an_adapter_without_its_projector_is_refused(tmp_path: Path) -> None:
    save_adapter(adapted(), tmp_path / "a", RECIPE, base="tiny", labels={})
    file = tmp_path / "a" / "adapter_model.safetensors"
    save_file({n: t for n, t in load_file(file).items() if "lora_" in n}, file)
    with pytest.raises(AdapterError, match="without its projector"):
        start_from(prepare(tiny.model(), RECIPE), tmp_path / "a")


def test_under_autocast_gradients_stay_close_to_pefts() -> None:
    """bfloat16 products: within 3 % of each gradient's size, whatever the base's dtype."""
    for dtype in (torch.float32, torch.bfloat16):
        model = adapted()
        for name, parameter in model.named_parameters():
            if not parameter.requires_grad:
                parameter.data = parameter.data.to(dtype)
            assert parameter.requires_grad or parameter.dtype == dtype, name
        with torch.autocast("cpu", torch.bfloat16):
            loss, gradients = loss_and_gradients(model)
            with MergedLora(model):
                merged_loss, merged_gradients = loss_and_gradients(model)
        torch.testing.assert_close(merged_loss, loss, atol=0.05, rtol=0)
        for name, gradient in gradients.items():
            other = merged_gradients[name]
            assert other.dtype == gradient.dtype == torch.float32
            assert (other - gradient).norm() < 0.1 * gradient.norm(), name


def test_layers_that_cannot_be_merged_keep_pefts_way() -> None:
    model = adapted()
    layers = [layer for layer in model.modules() if isinstance(layer, LoraLinear)]
    layers[0].lora_dropout["default"] = torch.nn.Dropout(0.5)
    with MergedLora(model):
        assert not hasattr(layers[0], "merged_weight")
        assert hasattr(layers[1], "merged_weight")


def test_an_adapter_that_lacks_layers_is_refused(tmp_path: Path) -> None:
    save_adapter(adapted(), tmp_path / "a", RECIPE, base="tiny", labels={})
    file = tmp_path / "a" / "adapter_model.safetensors"
    tensors = load_file(file)
    save_file({name: t for name, t in tensors.items() if "layers.1" not in name}, file)
    with pytest.raises(AdapterError, match="made for another base"):
        start_from(prepare(tiny.model(), RECIPE), tmp_path / "a")
