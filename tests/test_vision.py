"""The vision tower: padding, feature grid, checkpoint names, registration."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel

from assistant.vision import (
    EfficientNetLiteConfig,
    EfficientNetLiteModel,
    SameConv2d,
    convert_checkpoint,
)
from tests import tiny

# (repeats, kernel, expansion, output channels) of EfficientNet-Lite2's stages, written down apart
# from the module so that a slip in its table shows.
LITE2 = (
    (1, 3, 1, 16),
    (3, 3, 6, 24),
    (3, 5, 6, 48),
    (4, 3, 6, 88),
    (4, 5, 6, 120),
    (5, 5, 6, 208),
    (1, 3, 6, 352),
)


def same_convolution(x: torch.Tensor, weight: torch.Tensor, stride: int) -> torch.Tensor:
    """TensorFlow's "SAME" for one channel, sum by sum: pixels outside the picture are zero."""
    (height, width), kernel = x.shape, weight.shape[0]
    rows, columns = math.ceil(height / stride), math.ceil(width / stride)
    top = max((rows - 1) * stride + kernel - height, 0) // 2
    left = max((columns - 1) * stride + kernel - width, 0) // 2
    out = torch.zeros(rows, columns)
    for row in range(rows):
        for column in range(columns):
            for i in range(kernel):
                for j in range(kernel):
                    y, z = row * stride + i - top, column * stride + j - left
                    if 0 <= y < height and 0 <= z < width:
                        out[row, column] += x[y, z] * weight[i, j]
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(6, 6), (7, 7), (5, 8)])
def test_same_padding_as_in_tensorflow(kernel: int, stride: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    layer = SameConv2d(1, 1, kernel, stride, bias=False)
    x = torch.randn(size)
    expected = same_convolution(x, layer.weight[0, 0].detach(), stride)
    torch.testing.assert_close(layer(x[None, None])[0, 0], expected, atol=1e-5, rtol=0)


def checkpoint() -> dict[str, torch.Tensor]:
    """Random tensors under all names of the published EfficientNet-Lite2 checkpoint."""
    state: dict[str, torch.Tensor] = {}

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            state[f"{name}.{part}"] = torch.rand(channels)
        state[f"{name}.num_batches_tracked"] = torch.tensor(7)

    state["_conv_stem.weight"] = torch.randn(32, 3, 3, 3)
    norm("_bn0", 32)
    inputs, number = 32, 0
    for repeats, kernel, expansion, outputs in LITE2:
        for _ in range(repeats):
            block, middle = f"_blocks.{number}", inputs * expansion
            if expansion != 1:
                state[f"{block}._expand_conv.weight"] = torch.randn(middle, inputs, 1, 1)
                norm(f"{block}._bn0", middle)
            state[f"{block}._depthwise_conv.weight"] = torch.randn(middle, 1, kernel, kernel)
            norm(f"{block}._bn1", middle)
            state[f"{block}._project_conv.weight"] = torch.randn(outputs, middle, 1, 1)
            norm(f"{block}._bn2", outputs)
            inputs, number = outputs, number + 1
    state["_conv_head.weight"] = torch.randn(1280, inputs, 1, 1)
    norm("_bn1", 1280)
    state["_fc.weight"], state["_fc.bias"] = torch.randn(1000, 1280), torch.randn(1000)
    return state


def test_every_tensor_of_the_checkpoint_finds_its_place() -> None:
    state = checkpoint()
    converted = convert_checkpoint(state)
    assert len(converted) == sum(not name.endswith("num_batches_tracked") for name in state)
    tower = EfficientNetLiteModel(EfficientNetLiteConfig())
    result = tower.load_state_dict(converted, strict=False)
    assert result.unexpected_keys == []
    expected = {"feature_mean", "feature_scale"}
    assert {n for n in result.missing_keys if not n.endswith("num_batches_tracked")} == expected
    loaded = tower.state_dict()
    assert loaded["stem.norm.bias"].equal(state["_bn0.bias"])
    assert loaded["stages.1.0.expand.conv.weight"].equal(state["_blocks.1._expand_conv.weight"])
    assert loaded["stages.6.0.project.norm.weight"].equal(state["_blocks.20._bn2.weight"])
    assert loaded["classifier.weight"].equal(state["_fc.weight"])


def test_train_keeps_the_batch_statistics() -> None:
    tower = tiny.tower()
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    assert tower.train() is tower
    assert not any(module.training for module in tower.modules())
    tower(torch.randn(3, 3, 32, 32))
    assert all(tensor.equal(before[name]) for name, tensor in tower.state_dict().items())


def test_train_of_the_whole_llava_leaves_the_tower_alone() -> None:
    llava = tiny.model().train()
    assert llava.training
    assert not any(module.training for module in llava.model.vision_tower.modules())


def test_registered_with_transformers() -> None:
    config = AutoConfig.for_model(**tiny.tower_config().to_dict())
    assert isinstance(config, EfficientNetLiteConfig)
    assert config.hidden_size == 16 + 8 + 12 + 3
    assert isinstance(AutoModel.from_config(config), EfficientNetLiteModel)


def test_shapes() -> None:
    output = tiny.tower()(torch.randn(2, 3, 32, 32))
    assert output.last_hidden_state.shape == (2, 4, 39)
    assert output.hidden_states[-1] is output.last_hidden_state
    assert output.pooler_output.shape == (2, 16)
    assert tiny.tower().classify(output.pooler_output).shape == (2, 5)


def test_grid_runs_row_by_row_from_the_top_left() -> None:
    """The last three channels are the cell's mean colour, which shows where a cell lies."""
    tower = tiny.tower()
    picture = torch.zeros(1, 3, 32, 32)
    colours = torch.tensor([[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [1.0, 1.0, 0]])
    for cell, colour in enumerate(colours):
        row, column = divmod(cell, 2)
        corner = (slice(row * 16, row * 16 + 16), slice(column * 16, column * 16 + 16))
        picture[0, :, corner[0], corner[1]] = colour[:, None, None]
    features = tower(picture).last_hidden_state[0, :, -3:]
    expected = (colours - tower.feature_mean[-3:]) * tower.feature_scale[-3:]
    torch.testing.assert_close(features, expected)


def test_features_are_standardised_by_the_stored_scale() -> None:
    tower, x = tiny.tower(), torch.randn(1, 3, 32, 32)
    scaled = tower(x).last_hidden_state
    mean, scale = tower.feature_mean.clone(), tower.feature_scale.clone()
    tower.feature_mean.zero_()
    tower.feature_scale.fill_(1.0)
    raw = tower(x).last_hidden_state
    torch.testing.assert_close(scaled, (raw - mean) * scale)
    pooled = F.adaptive_avg_pool2d(x, 2).flatten(2).transpose(1, 2)
    torch.testing.assert_close(raw[..., -3:], pooled)
