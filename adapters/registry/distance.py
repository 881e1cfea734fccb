"""How far the outputs of one model are from those of another, on pictures made up for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from assistant.quantize import Kind

# Root mean square of the logits' difference over their deviation, at most. What is merged is
# rounded once more, to bfloat16, and computed in it; four bits are coarse. The embedded base, whose
# adapter meets a picture of nothing here, has 0.03, 0.11 and 0.40.
LIMITS: dict[Kind, float] = {"none": 0.08, "int8": 0.25, "nf4": 0.6}
# Merging alone, in float32, is the same computation in another order.
MERGING_LIMIT = 1e-3
_QUESTIONS = ("What is in the picture?", "Describe the picture in one sentence.")
_ANSWER = 16


@dataclass(frozen=True)
class Distance:
    """Between two sets of logits at the same positions.

    Attributes:
        relative: root mean square of the difference, over the standard deviation of the reference.
        largest: the largest difference of one logit.
        cosine: the mean over positions of the cosine of the logits, each less its mean.
        same_word: share of the positions where both hold the same token for the likeliest.
    """

    relative: float
    largest: float
    cosine: float
    same_word: float

    def as_json(self) -> dict[str, float]:
        """Rounded, for people and programs."""
        return {name: float(f"{value:.4g}") for name, value in asdict(self).items()}


def distance(reference: torch.Tensor, other: torch.Tensor) -> Distance:
    """Of logits ``[N, vocabulary]`` from those of the reference."""
    difference = other - reference
    ours, theirs = (x - x.mean(dim=-1, keepdim=True) for x in (other, reference))
    return Distance(
        relative=float(difference.pow(2).mean().sqrt() / reference.std()),
        largest=float(difference.abs().max()),
        cosine=float(torch.nn.functional.cosine_similarity(ours, theirs, dim=-1).mean()),
        same_word=float((reference.argmax(-1) == other.argmax(-1)).float().mean()),
    )


@dataclass(frozen=True)
class Probe:
    """A made-up picture with a question and an answer of ``answer`` tokens, as model inputs."""

    inputs: dict[str, torch.Tensor]
    answer: int


@torch.inference_mode()
def probes(model: Any, processor: Any) -> list[Probe]:
    """Made-up pictures and questions with what the model itself answers to them."""
    found = []
    pad = getattr(processor.tokenizer, "pad_token_id", None) or processor.tokenizer.eos_token_id
    for seed, question in enumerate(_QUESTIONS):
        text = _prompt(processor, question)
        given = dict(processor(text=text, images=_picture(seed), return_tensors="pt"))
        length = given["input_ids"].shape[1]
        whole = model.generate(
            **_placed(given, model),
            do_sample=False,
            min_new_tokens=_ANSWER,
            max_new_tokens=_ANSWER,
            pad_token_id=pad,
        ).cpu()
        answer = whole.shape[1] - length
        for name, value in given.items():
            if name == "input_ids":
                given[name] = whole
            elif value.shape == (1, length):  # a mask is of ones, a kind of token is text's
                more = torch.full((1, answer), int(name == "attention_mask"), dtype=value.dtype)
                given[name] = torch.cat([value, more], dim=1)
        found.append(Probe(given, answer))
    return found


@torch.inference_mode()
def logits(model: Any, asked: Sequence[Probe]) -> torch.Tensor:
    """The logits ``[N, vocabulary]``, float32, from which each token of the answers comes."""
    rows = []
    for probe in asked:
        out = model(**_placed(probe.inputs, model)).logits[0, -probe.answer - 1 : -1]
        rows.append(out.float().cpu())
    return torch.cat(rows)


def _placed(inputs: dict[str, torch.Tensor], model: Any) -> dict[str, torch.Tensor]:
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in inputs.items()
    }


def _prompt(processor: Any, question: str) -> str:
    if getattr(processor, "chat_template", None):
        content = [{"type": "image"}, {"type": "text", "text": question}]
        message = {"role": "user", "content": content}
        return str(processor.apply_chat_template([message], add_generation_prompt=True))
    return f"{processor.image_token}\n{question}"


def _picture(seed: int) -> Image.Image:
    patches = np.random.default_rng(seed).integers(0, 256, (5, 6, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((320, 240), Image.Resampling.BICUBIC)
