"""Random adapters as training writes them, for any base, and a tiny LLaVA with CLIP's tower."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import (
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)

from assistant.fingerprint import BaseIdentity
from tests import tiny

LANGUAGE = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
PROJECTOR = ("linear_1", "linear_2")
# What training of the tiny tower saves whole, and the convolutions of it that take LoRA.
TOWER = ("vision_tower.stages.2", "vision_tower.head")
POINTWISE = ("stages.2.0.expand.conv", "head.conv")


def write(
    folder: Path,
    model: Any,
    identity: BaseIdentity | None,
    *,
    base: str,
    whole: Sequence[str] = (*TOWER, *PROJECTOR),
    convolutions: Sequence[str] = (),
    scale: float = 0.05,
) -> PeftModel:
    """Write a random adapter for ``model``, which is changed, and return it unmerged.

    Args:
        identity: what it is stacked on; None makes one that is relative to raw parts.
        scale: of the random weights.
    """
    torch.manual_seed(0)
    names = "|".join(re.escape(name) for name in convolutions)
    config = LoraConfig(
        r=4,
        lora_alpha=8,
        target_modules=LANGUAGE + (rf"|.*vision_tower\.({names})" if names else ""),
        modules_to_save=list(whole) or None,
        task_type="CAUSAL_LM",
    )
    adapted = get_peft_model(model, config)
    tensors = {}
    state = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    with torch.no_grad():
        for name, tensor in state.items():
            if tensor.is_floating_point() and "running_" not in name:
                tensor += scale * (1 if "lora_" in name else 0.2) * torch.randn_like(tensor)
                tensor.copy_(tensor.to(torch.bfloat16))  # the file and the model hold the same
            stored = torch.bfloat16 if tensor.is_floating_point() else tensor.dtype
            tensors[name] = tensor.detach().to(stored, copy=True).contiguous()
    folder.mkdir(parents=True)
    config.inference_mode = True
    config.base_model_name_or_path = base
    config.save_pretrained(str(folder))
    save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    about: dict[str, Any] = {
        "format": 2,
        "name": folder.name,
        "labels": {"Lemon": "Fruit", "Leek": "Vegetable"},
        "label_head": None,
        "calibration": None,
        "recipe": {"preset": "quick", "seed": 0, "rank": 4},
        "data": {"name": "shop", "pictures": 12, "terms": "mine"},
        "scores": {"shop/val": {"accuracy_fine": 0.75, "accuracy_coarse": 0.9, "n": 40}},
        "made": "2025-01-01",
        "versions": {"hardware": "2 CPU threads"},
    }
    if identity is not None:
        about["on"] = identity.on(base)
    (folder / "sightdesk.json").write_text(json.dumps(about), encoding="utf-8")
    return adapted.eval()


def clip_llava(folder: Path) -> Path:
    """A tiny random LLaVA of transformers' own parts only."""
    words = tiny.tokenizer()
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            image_size=tiny.IMAGE_SIZE,
            patch_size=tiny.IMAGE_SIZE // tiny.GRID,
            projection_dim=32,
        ),
        text_config=LlamaConfig(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=False,
            initializer_range=0.3,
        ),
        image_token_index=tiny.SPECIAL_TOKENS.index("<jupyter_output>"),
        image_seq_length=tiny.GRID**2,
    )
    torch.manual_seed(7)
    LlavaForConditionalGeneration(config).save_pretrained(folder)
    processor: Any = tiny.processor()
    LlavaProcessor(
        image_processor=processor.image_processor,
        tokenizer=processor.tokenizer,
        patch_size=tiny.IMAGE_SIZE // tiny.GRID,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=processor.chat_template,
        image_token=processor.image_token,
    ).save_pretrained(folder)
    return folder
