"""Which parts of a LLaVA train, and how that is written in a PEFT configuration."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model

from adapters.tune.settings import Part, Tuning
from assistant.families import family_of

PROJECTOR = ("linear_1", "linear_2")
# Architectures name them alike: Llama, Mistral, Qwen2, Gemma, SmolLM.
LANGUAGE = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
# What peft itself puts in the place of "no module takes LoRA".
_NONE = "dummy-target-modules"


def lora_config(
    recipe: Tuning,
    *,
    convolutions: Iterable[str] = (),
    saved: Iterable[str] = (),
    part: str = "language_model",
) -> LoraConfig:
    """The configuration of an adapter.

    Args:
        convolutions: full names of the tower's convolutions that take LoRA of `encoder_rank`.
        saved: names of the tower's modules that are saved whole.
        part: what the base's family calls its language model, see `assistant.families`.
    """
    patterns = []
    whole = list(saved)
    if recipe.language == "lora":
        patterns.append(rf".*{part}.*\.({'|'.join(LANGUAGE)})")
    elif recipe.language == "full":
        whole += LANGUAGE
    if recipe.projector == "lora":
        patterns.append(rf".*multi_modal_projector\.({'|'.join(PROJECTOR)})")
    elif recipe.projector == "full":
        # Naming the layers, not the projector module: batches that mix adapters need it.
        whole += PROJECTOR
    names = [re.escape(name) for name in convolutions]
    if names:
        patterns.append(rf".*vision_tower\.({'|'.join(names)})")
    ranks = {rf".*vision_tower\.{name}": recipe.encoder_rank for name in names}
    return LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        target_modules="|".join(f"({pattern})" for pattern in patterns) if patterns else _NONE,
        rank_pattern=ranks,
        alpha_pattern=dict(ranks),  # a scale of one
        modules_to_save=whole or None,
        task_type="CAUSAL_LM",
    )


def attach(model: Any, recipe: Tuning) -> PeftModel:
    """Make projector and language model trainable as the recipe says, in float32."""
    torch.manual_seed(recipe.seed)
    if model.device.type == "cpu" and recipe.quantize == "none":
        model.set_attn_implementation("eager")  # there, backward through sdpa takes twice as long
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        adapted: PeftModel = get_peft_model(
            model, lora_config(recipe, part=family_of(model).language)
        )
    for parameter in adapted.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if recipe.checkpointing:
        inner: Any = adapted.get_base_model()
        inner.model.language_model.gradient_checkpointing_enable(
            gradient_checkpointing_kwargs={"use_reentrant": False}
        )
        inner.model.language_model.train()
    return adapted


def split_parameters(
    adapted: PeftModel,
) -> tuple[dict[str, torch.nn.Parameter], dict[str, torch.nn.Parameter]]:
    """Trainable parameters of the projector and of the language model, by name."""
    projector: dict[str, torch.nn.Parameter] = {}
    language: dict[str, torch.nn.Parameter] = {}
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            (projector if "multi_modal_projector" in name else language)[name] = parameter
    return projector, language


def counted(parameters: Iterable[torch.nn.Parameter]) -> int:
    """How many numbers they hold."""
    return sum(parameter.numel() for parameter in parameters)


def trains(part: Part) -> bool:
    """Whether a part changes at all."""
    return part != "frozen"
