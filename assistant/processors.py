"""Processors of families that also take videos, without what videos need.

transformers' own classes for these families want a video processor, which wants torchvision, and
SmolVLM's wants a package that spells numbers out. Pictures need neither: these classes are the
families' own, with their own ways of writing pictures into a text, made of a tokenizer and a
picture processor alone. They have the same names, so that what they save is read by either.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from transformers import AutoProcessor, ProcessorMixin
from transformers.models.llava_onevision import processing_llava_onevision as _onevision
from transformers.models.qwen2_5_vl import processing_qwen2_5_vl as _qwen2_5
from transformers.models.qwen2_vl import processing_qwen2_vl as _qwen2
from transformers.models.qwen3_vl import processing_qwen3_vl as _qwen3
from transformers.models.smolvlm import processing_smolvlm as _smolvlm


class LlavaOnevisionProcessor(_onevision.LlavaOnevisionProcessor):
    """LLaVA-OneVision's, for pictures."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        num_image_tokens: int | None = None,
        vision_feature_select_strategy: str | None = None,
        chat_template: str | None = None,
        image_token: str = "<image>",
        video_token: str = "<video>",
        vision_aspect_ratio: str = "anyres_max_9",
        **_: Any,
    ) -> None:
        self.num_image_tokens = num_image_tokens
        self.vision_feature_select_strategy = vision_feature_select_strategy
        self.vision_aspect_ratio = vision_aspect_ratio
        _name_tokens(self, tokenizer, image=image_token, video=video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


class SmolVLMProcessor(_smolvlm.SmolVLMProcessor):
    """SmolVLM's, for pictures."""

    def __init__(
        self,
        image_processor: Any,
        tokenizer: Any,
        image_seq_len: int = 169,
        chat_template: str | None = None,
        **_: Any,
    ) -> None:
        _name_tokens(self, tokenizer, image="<image>", video="<video>")
        self.fake_image_token = getattr(tokenizer, "fake_image_token", "<fake_token_around_image>")
        self.global_image_token = getattr(tokenizer, "global_image_token", "<global-img>")
        self.end_of_utterance_token = getattr(
            tokenizer, "end_of_utterance_token", "<end_of_utterance>"
        )
        self.image_seq_len = image_seq_len
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    def apply_chat_template(self, *given: Any, **named: Any) -> Any:
        """As any processor's: the family's own asks its video processor first."""
        return ProcessorMixin.apply_chat_template(self, *given, **named)


class Qwen2VLProcessor(_qwen2.Qwen2VLProcessor):
    """Qwen2-VL's, for pictures."""

    def __init__(
        self,
        image_processor: Any = None,
        tokenizer: Any = None,
        chat_template: str | None = None,
        **_: Any,
    ) -> None:
        _name_tokens(self, tokenizer, image="<|image_pad|>", video="<|video_pad|>")
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)


class Qwen2_5_VLProcessor(_qwen2_5.Qwen2_5_VLProcessor):
    """Qwen2.5-VL's, for pictures."""

    __init__ = Qwen2VLProcessor.__init__


class Qwen3VLProcessor(_qwen3.Qwen3VLProcessor):
    """Qwen3-VL's, for pictures."""

    __init__ = Qwen2VLProcessor.__init__


_PICTURES_ONLY: Final[dict[str, Any]] = {
    "llava_onevision": LlavaOnevisionProcessor,
    "smolvlm": SmolVLMProcessor,
    "qwen2_vl": Qwen2VLProcessor,
    "qwen2_5_vl": Qwen2_5_VLProcessor,
    "qwen3_vl": Qwen3VLProcessor,
}


def load_processor(path: str | Path, model_type: str) -> Any:
    """The processor of a model's files, for pictures and text.

    Raises:
        OSError, ValueError: there is none, or it is damaged.
    """
    return _PICTURES_ONLY.get(model_type, AutoProcessor).from_pretrained(path)


def _name_tokens(processor: Any, tokenizer: Any, **usual: str) -> None:
    """Name the tokens that stand for pictures and videos, and their ids."""
    for kind, token in usual.items():
        name = f"{kind}_token"
        token = getattr(tokenizer, name, None) or token
        setattr(processor, name, token)
        setattr(processor, f"{name}_id", tokenizer.convert_tokens_to_ids(token))
