"""Tiny random models of the families of full-size models: the real classes, built without network.

Each has a picture tower of two layers and a language model of two layers, 64 wide as NF4 takes
rows; a byte-level BPE with the family's own special tokens; the family's own picture processor and
a chat template of its form. They are saved as a hub download looks and loaded from there.
"""

from __future__ import annotations

import atexit
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    CLIPVisionConfig,
    GenerationConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3Processor,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextProcessor,
    LlavaOnevisionConfig,
    LlavaOnevisionForConditionalGeneration,
    LlavaProcessor,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2Config,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    SiglipVisionConfig,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import (
    LlavaNextImageProcessorPil,
)
from transformers.models.llava_onevision.image_processing_pil_llava_onevision import (
    LlavaOnevisionImageProcessorPil,
)
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

from assistant.processors import (
    LlavaOnevisionProcessor,
    Qwen2_5_VLProcessor,
    Qwen2VLProcessor,
    Qwen3VLProcessor,
    SmolVLMProcessor,
)

NAMES = (
    "llava",
    "llava_next",
    "llava_onevision",
    "smolvlm",
    "idefics3",
    "qwen2_vl",
    "qwen2_5_vl",
    "qwen3_vl",
)
_SIDE, _PATCH = 28, 14
_PINPOINTS = [[28, 56], [56, 28], [56, 56], [28, 84]]
_CORPUS = (
    "user assistant system USER: ASSISTANT: User: Assistant: Describe the picture in a sentence.",
    "What colour is the dog? A brown dog runs on the grass. Yes. No. Two men play music.",
)
_WIDE: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 2048,
    "initializer_range": 0.15,  # large enough that greedy choices are clear
}
_SEEN: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.2,
}
_IDEFICS_TOKENS = (
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    "<end_of_utterance>",
    *(f"<row_{row}_col_{column}>" for row in range(1, 5) for column in range(1, 5)),
)
_QWEN_TOKENS = ("<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
_SPECIAL = {
    "llava": ("<image>",),
    "llava_next": ("<image>",),
    "llava_onevision": ("<image>", "<video>"),
    "smolvlm": (*_IDEFICS_TOKENS, "<video>"),
    "idefics3": _IDEFICS_TOKENS,
    "qwen2_vl": _QWEN_TOKENS,
    "qwen2_5_vl": _QWEN_TOKENS,
    "qwen3_vl": _QWEN_TOKENS,
}
_PARTS = (
    "{%- if message['content'] is string -%}{{ message['content'] }}{%- else -%}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}{{ 'IMAGE' }}"
    "{%- else -%}{{ part['text'] }}{%- endif -%}{%- endfor -%}{%- endif -%}"
)
_CHAT_ML = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message['role'] + '\n' }}"
    + _PARTS
    + "{{ '<|im_end|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
_VICUNA = (
    "{%- for message in messages -%}{{ message['role'].upper() + ': ' }}"
    + _PARTS
    + "{{ '<|im_end|>' if message['role'] == 'assistant' else ' ' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'ASSISTANT:' }}{%- endif -%}"
)
_IDEFICS = (
    "<|im_start|>{%- for message in messages -%}{{ message['role'].capitalize() }}"
    "{{ ':' if message['content'][0]['type'] == 'image' else ': ' }}"
    + _PARTS
    + "{{ '<end_of_utterance>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'Assistant:' }}{%- endif -%}"
)
_TEMPLATES = {
    "llava": _VICUNA.replace("IMAGE", "<image>\n"),
    "llava_next": _VICUNA.replace("IMAGE", "<image>\n"),
    "llava_onevision": _CHAT_ML.replace("IMAGE", "<image>"),
    "smolvlm": _IDEFICS.replace("IMAGE", "<image>"),
    "idefics3": _IDEFICS.replace("IMAGE", "<image>"),
    **{
        name: _CHAT_ML.replace("IMAGE", "<|vision_start|><|image_pad|><|vision_end|>")
        for name in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
    },
}


@cache
def tokenizer(name: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE with a few merges and the family's special tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    special = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", *_SPECIAL[name])
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(_CORPUS, trainer)
    end = "<end_of_utterance>" if name in ("smolvlm", "idefics3") else "<|im_end|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe, bos_token="<|im_start|>", eos_token=end, pad_token="<|endoftext|>"
    )


def processor(name: str) -> Any:
    """The family's own processor at the tiny tower's size."""
    words, template = tokenizer(name), _TEMPLATES[name]
    common: dict[str, Any] = {"tokenizer": words, "chat_template": template}
    if name == "llava":
        pictures = CLIPImageProcessorPil(
            size={"shortest_edge": _SIDE}, crop_size={"height": _SIDE, "width": _SIDE}
        )
        return LlavaProcessor(
            pictures,
            patch_size=_PATCH,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            **common,
        )
    if name == "llava_next":
        tiles = LlavaNextImageProcessorPil(
            size={"shortest_edge": _SIDE},
            crop_size={"height": _SIDE, "width": _SIDE},
            image_grid_pinpoints=_PINPOINTS,
        )
        return LlavaNextProcessor(
            tiles,
            patch_size=_PATCH,
            vision_feature_select_strategy="default",
            num_additional_image_tokens=1,
            **common,
        )
    if name == "llava_onevision":
        cut = LlavaOnevisionImageProcessorPil(
            size={"height": _SIDE, "width": _SIDE}, image_grid_pinpoints=_PINPOINTS
        )
        return LlavaOnevisionProcessor(
            cut,
            num_image_tokens=(_SIDE // _PATCH) ** 2,
            vision_feature_select_strategy="full",
            **common,
        )
    if name in ("smolvlm", "idefics3"):
        kind = SmolVLMImageProcessorPil if name == "smolvlm" else Idefics3ImageProcessorPil
        split = kind(size={"longest_edge": 64}, max_image_size={"longest_edge": 32})
        made = SmolVLMProcessor if name == "smolvlm" else Idefics3Processor
        return made(split, image_seq_len=4, **common)
    patch = 4 if name != "qwen3_vl" else 8
    native = Qwen2VLImageProcessorPil(
        patch_size=patch,
        merge_size=2,
        temporal_patch_size=2,
        size={"shortest_edge": 4 * (2 * patch) ** 2, "longest_edge": 16 * (2 * patch) ** 2},
    )
    qwen = {
        "qwen2_vl": Qwen2VLProcessor,
        "qwen2_5_vl": Qwen2_5_VLProcessor,
        "qwen3_vl": Qwen3VLProcessor,
    }[name]
    return qwen(native, **common)


def model(name: str) -> Any:
    """The random model, in float32 and evaluation mode."""
    words = tokenizer(name)
    ids: dict[str, Any] = {token: words.convert_tokens_to_ids(token) for token in _SPECIAL[name]}
    ends: dict[str, Any] = {
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
        "pad_token_id": words.pad_token_id,
    }
    text: dict[str, Any] = {"vocab_size": len(words), **_WIDE, **ends}
    torch.manual_seed(3)
    made: Any
    if name in ("llava", "llava_next"):
        clip = CLIPVisionConfig(**_SEEN, image_size=_SIDE, patch_size=_PATCH)
        shared: dict[str, Any] = {"vision_config": clip, "image_token_index": ids["<image>"]}
        if name == "llava":
            config = LlavaConfig(text_config=LlamaConfig(**text), image_seq_length=4, **shared)
            made = LlavaForConditionalGeneration(config)
        else:
            made = LlavaNextForConditionalGeneration(
                LlavaNextConfig(
                    text_config=MistralConfig(**text, sliding_window=None),
                    image_grid_pinpoints=_PINPOINTS,
                    **shared,
                )
            )
    elif name == "llava_onevision":
        made = LlavaOnevisionForConditionalGeneration(
            LlavaOnevisionConfig(
                vision_config=SiglipVisionConfig(
                    **{k: v for k, v in _SEEN.items() if k != "initializer_range"},
                    image_size=_SIDE,
                    patch_size=_PATCH,
                    vision_use_head=False,
                ),
                text_config=Qwen2Config(**text),
                image_token_index=ids["<image>"],
                video_token_index=ids["<video>"],
                image_grid_pinpoints=_PINPOINTS,
            )
        )
    elif name in ("smolvlm", "idefics3"):
        seen: dict[str, Any] = {**_SEEN, "image_size": 32, "patch_size": 8}
        whole: dict[str, Any] = {
            "text_config": LlamaConfig(**text),
            "vision_config": seen,
            "scale_factor": 2,
            "image_token_id": ids["<image>"],
        }
        if name == "smolvlm":
            made = SmolVLMForConditionalGeneration(SmolVLMConfig(**whole))
        else:
            made = Idefics3ForConditionalGeneration(Idefics3Config(**whole))
    else:
        made = _qwen(name, text, ids)
    with torch.no_grad():
        for part, parameter in made.named_parameters():
            if "norm" not in part and "language_model" not in part and "text_model" not in part:
                parameter.normal_(0, 0.2)
    made.generation_config = GenerationConfig(**ends)
    return made.eval()


def _qwen(name: str, text: dict[str, Any], ids: dict[str, Any]) -> Any:
    rope: dict[str, Any] = {
        "rope_type": "default",
        "rope_theta": 10000.0,
        "mrope_section": [2, 3, 3],
    }
    tokens: dict[str, Any] = {
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
    }
    seen: dict[str, Any] = {"depth": 2, "num_heads": 2, "patch_size": 4, "spatial_merge_size": 2}
    if name == "qwen2_vl":
        seen |= {"embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2}
        return Qwen2VLForConditionalGeneration(
            Qwen2VLConfig(
                text_config={**text, "rope_parameters": rope}, vision_config=seen, **tokens
            )
        )
    seen |= {"hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 64}
    if name == "qwen2_5_vl":
        seen |= {"window_size": 16, "fullatt_block_indexes": [1]}
        return Qwen2_5_VLForConditionalGeneration(
            Qwen2_5_VLConfig(
                text_config={**text, "rope_parameters": rope}, vision_config=seen, **tokens
            )
        )
    seen |= {"patch_size": 8, "deepstack_visual_indexes": [0, 1], "num_position_embeddings": 16}
    rope["mrope_interleaved"] = True
    wide = {**text, "head_dim": 16, "rope_parameters": rope}
    return Qwen3VLForConditionalGeneration(
        Qwen3VLConfig(text_config=wide, vision_config=seen, **tokens)
    )


@cache
def directory(name: str) -> Path:
    """The tiny model as a download looks, saved once a process and removed at its end."""
    folder = tempfile.TemporaryDirectory(prefix=f"sightdesk-{name}-")
    atexit.register(folder.cleanup)
    path = Path(folder.name) / name
    model(name).save_pretrained(path)
    processor(name).save_pretrained(path)
    return path
