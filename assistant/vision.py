"""The vision tower: EfficientNet-Lite as a transformers model that LLaVA can hold.

Importing this module registers the tower with transformers' ``AutoConfig`` and ``AutoModel``, so
that a `LlavaConfig` whose ``vision_config`` has ``model_type = "efficientnet_lite"`` builds it.

The tower gives a square grid of feature vectors. Each joins the last 1x1 convolution (what things
are) with three earlier stages and the mean colour of the cell (what they look like), standardised
channel by channel: a frozen ImageNet classifier forgets colour and number in its last layers, and
questions ask for both.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights
from transformers import AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutputWithPooling

# (repeats, kernel, stride, expansion, output channels) of EfficientNet-Lite0; Lite2 widens it by
# 1.1 and deepens it by 1.2. Tan & Le, "EfficientNet", ICML 2019, table 1; the Lite variants drop
# squeeze-and-excitation, use ReLU6 and keep stem and head at their size.
_STAGES_LITE2: tuple[tuple[int, int, int, int, int], ...] = (
    (1, 3, 1, 1, 16),
    (3, 3, 2, 6, 24),
    (3, 5, 2, 6, 48),
    (4, 3, 2, 6, 88),
    (4, 5, 1, 6, 120),
    (5, 5, 2, 6, 208),
    (1, 3, 1, 6, 352),
)


class EfficientNetLiteConfig(PretrainedConfig):
    """Configuration of `EfficientNetLiteModel`; the defaults are EfficientNet-Lite2's.

    Args:
        stages: one (repeats, kernel, stride, expansion, channels) for each stage.
        stem_channels: output channels of the first convolution.
        head_channels: output channels of the last 1x1 convolution.
        feature_stages: indices of the stages that join the head's features.
        grid: side of the square grid of image tokens; an image becomes ``grid ** 2`` of them.
        image_size: side in pixels of the square input.
        num_classes: outputs of the classifier that the tower was pre-trained with.
    """

    model_type = "efficientnet_lite"

    def __init__(
        self,
        stages: Any = _STAGES_LITE2,
        stem_channels: int = 32,
        head_channels: int = 1280,
        feature_stages: Any = (1, 2, 4),
        grid: int = 6,
        image_size: int = 260,
        num_classes: int = 1000,
        batch_norm_eps: float = 1e-3,
        **kwargs: Any,
    ) -> None:
        self.stages = [list(stage) for stage in stages]
        self.stem_channels = stem_channels
        self.head_channels = head_channels
        self.feature_stages = list(feature_stages)
        self.grid = grid
        self.image_size = image_size
        # What LlavaProcessor divides by to count the image tokens: (image_size // patch_size)^2.
        self.patch_size = image_size // grid
        self.num_classes = num_classes
        self.batch_norm_eps = batch_norm_eps
        # What LlavaMultiModalProjector takes as its input width.
        self.hidden_size = (
            head_channels + sum(self.stages[index][4] for index in self.feature_stages) + 3
        )
        kwargs.pop("hidden_size", None)
        kwargs.pop("patch_size", None)
        super().__init__(**kwargs)


class SameConv2d(nn.Conv2d):
    """A convolution padded as TensorFlow's "SAME": at stride 2 the odd pixel goes right and below.

    The weights were trained in TensorFlow; symmetric padding would shift every feature map.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """``[B, in, H, W]`` to ``[B, out, ceil(H / stride), ceil(W / stride)]``."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride == 1:
            return F.conv2d(input, self.weight, self.bias, 1, kernel // 2, 1, self.groups)
        height, width = input.shape[-2:]
        rows = max((-(-height // stride) - 1) * stride + kernel - height, 0)
        columns = max((-(-width // stride) - 1) * stride + kernel - width, 0)
        padded = F.pad(input, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        return F.conv2d(padded, self.weight, self.bias, stride, 0, 1, self.groups)


class ConvNorm(nn.Module):
    """Convolution, batch norm and (unless ``linear``) ReLU6."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        eps: float,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.conv = SameConv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=eps)
        self.linear = linear

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, inputs, H, W]`` to ``[B, outputs, H / stride, W / stride]``."""
        x = self.norm(self.conv(x))
        return x if self.linear else F.relu6(x)


class InvertedResidual(nn.Module):
    """Expand 1x1, depthwise k×k, project 1x1, with a skip where shapes allow (MobileNetV2)."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, eps: float
    ) -> None:
        super().__init__()
        middle = inputs * expansion
        self.expand = ConvNorm(inputs, middle, 1, eps=eps) if expansion != 1 else nn.Identity()
        self.depthwise = ConvNorm(middle, middle, kernel, stride=stride, groups=middle, eps=eps)
        self.project = ConvNorm(middle, outputs, 1, eps=eps, linear=True)
        self.skip = stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """``[B, inputs, H, W]`` to ``[B, outputs, H / stride, W / stride]``."""
        y: torch.Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.skip else y


class EfficientNetLiteModel(PreTrainedModel):
    """EfficientNet-Lite that returns a grid of standardised multi-stage features.

    ``hidden_states[-1]`` (and ``last_hidden_state``) is ``[B, grid², hidden_size]``, row by row
    from the top left; ``pooler_output`` is the classifier's input ``[B, head_channels]``.
    """

    config_class = EfficientNetLiteConfig
    base_model_prefix = "efficientnet_lite"
    main_input_name = "pixel_values"
    _no_split_modules = ["InvertedResidual"]  # noqa: RUF012 (transformers declares it so)
    _supports_sdpa = True  # it has no attention; LLaVA asks all its parts alike

    feature_mean: torch.Tensor
    feature_scale: torch.Tensor

    def __init__(self, config: EfficientNetLiteConfig) -> None:
        super().__init__(config)
        eps = config.batch_norm_eps
        self.stem = ConvNorm(3, config.stem_channels, 3, stride=2, eps=eps)
        stages = []
        channels = config.stem_channels
        for repeats, kernel, stride, expansion, outputs in config.stages:
            blocks = []
            for index in range(repeats):
                blocks.append(
                    InvertedResidual(
                        channels, outputs, kernel, stride if index == 0 else 1, expansion, eps
                    )
                )
                channels = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.head = ConvNorm(channels, config.head_channels, 1, eps=eps)
        self.classifier = nn.Linear(config.head_channels, config.num_classes)
        self.register_buffer("feature_mean", torch.zeros(config.hidden_size))
        self.register_buffer("feature_scale", torch.ones(config.hidden_size))
        self.post_init()  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> EfficientNetLiteModel:
        """Stay in evaluation mode: batch-norm statistics would drift on small batches."""
        super().train(False)
        return self

    def forward(self, pixel_values: torch.Tensor, **_: Any) -> BaseModelOutputWithPooling:
        """Encode pictures.

        Args:
            pixel_values: ``[B, 3, H, W]``, RGB as ``(value - 127) / 128``.
        """
        x = self.stem(pixel_values.to(self.dtype))
        levels = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index in self.config.feature_stages:
                levels.append(x)
        x = self.head(x)
        return self.gathered(x, [*levels, pixel_values.to(x.dtype)])

    def gathered(
        self, x: torch.Tensor, levels: Sequence[torch.Tensor]
    ) -> BaseModelOutputWithPooling:
        """What `forward` makes of the head's grid, and of the stages' and the picture itself."""
        grids = [F.adaptive_avg_pool2d(each, self.config.grid).float() for each in (x, *levels)]
        features = torch.cat(grids, dim=1).flatten(2).transpose(1, 2)  # [B, grid², hidden_size]
        features = ((features - self.feature_mean) * self.feature_scale).to(x.dtype)
        return BaseModelOutputWithPooling(
            last_hidden_state=features,
            pooler_output=x.mean(dim=(2, 3)),
            hidden_states=(features,),
        )

    def classify(self, pooled: torch.Tensor) -> torch.Tensor:
        """Logits ``[B, num_classes]`` of the pre-training classes from ``pooler_output``."""
        logits: torch.Tensor = self.classifier(pooled.to(self.classifier.weight.dtype))
        return logits


def fused(tower: EfficientNetLiteModel) -> EfficientNetLiteModel:
    """A copy of the tower with batch norms folded into the convolutions: same output, faster."""
    folded: Any = copy.deepcopy(tower)
    tower = folded.float()
    for module in tower.modules():
        if isinstance(module, ConvNorm):
            norm: Any = module.norm
            module.conv.weight, module.conv.bias = fuse_conv_bn_weights(
                module.conv.weight, None, norm.running_mean, norm.running_var, norm.eps,
                norm.weight, norm.bias,
            )  # fmt: skip
            module.norm = nn.Identity()  # type: ignore[assignment]
    return tower


def convert_checkpoint(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename the tensors of the `efficientnet_lite_pytorch` checkpoint of Lite2 to the tower's.

    Args:
        state: names such as ``_blocks.3._depthwise_conv.weight``; blocks are counted through.

    Returns:
        The same tensors under the names of `EfficientNetLiteModel`; batch counters are left out.
    """
    places = [
        (stage, block)
        for stage, (repeats, *_rest) in enumerate(_STAGES_LITE2)
        for block in range(repeats)
    ]
    parts = {
        "_expand_conv": "expand.conv",
        "_bn0": "expand.norm",
        "_depthwise_conv": "depthwise.conv",
        "_bn1": "depthwise.norm",
        "_project_conv": "project.conv",
        "_bn2": "project.norm",
    }
    outer = {
        "_conv_stem": "stem.conv",
        "_bn0": "stem.norm",
        "_conv_head": "head.conv",
        "_bn1": "head.norm",
        "_fc": "classifier",
    }
    renamed = {}
    for name, tensor in state.items():
        if name.endswith("num_batches_tracked"):
            continue
        first, *rest = name.split(".")
        if first == "_blocks":
            stage, block = places[int(rest[0])]
            target = f"stages.{stage}.{block}.{parts[rest[1]]}.{rest[2]}"
        else:
            target = f"{outer[first]}.{rest[0]}"
        renamed[target] = tensor
    return renamed


AutoConfig.register("efficientnet_lite", EfficientNetLiteConfig, exist_ok=True)
AutoModel.register(EfficientNetLiteConfig, EfficientNetLiteModel, exist_ok=True)
