"""Choosing among candidate descriptions of a picture.

Three kinds of evidence: how likely the words are given the picture; how likely they are anyway,
given a grey picture, which tells what is only habit (the maximum mutual information criterion of
Li et al., NAACL 2016); and how much a candidate agrees with the others (minimum Bayes risk, Kumar
and Byrne, NAACL 2004).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

_LONGEST_GRAM = 4


@dataclass(frozen=True)
class Evidence:
    """What speaks for a candidate: nats a token with and without the picture, and agreement."""

    seen: float
    habit: float
    agreement: float


# Chosen by tests/benchmarks/tune_rerank.py on every second of the first 232 pictures of Flickr8k's
# dev split.
HABIT_WEIGHT = 0.2
AGREEMENT_WEIGHT = 1.0


def score(evidence: Evidence, habit_weight: float, agreement_weight: float) -> float:
    """What is seen, less what is only habit, and what the others say too; larger is better."""
    return evidence.seen - habit_weight * evidence.habit + agreement_weight * evidence.agreement


def weigh(
    model: Any,
    prompt: torch.Tensor,
    blank_prompt: torch.Tensor,
    answers: Sequence[tuple[int, ...]],
    texts: Sequence[str],
    places: torch.Tensor | None = None,
    blank_places: torch.Tensor | None = None,
) -> list[Evidence]:
    """Evidence for each candidate answer.

    Args:
        model: a LLaVA-family model.
        prompt: ``[L, hidden]``, the embedded request with the picture.
        blank_prompt: ``[L', hidden]``, the same with a grey picture.
        answers: token ids, the end token included.
        texts: the answers as text.
        places, blank_places: ``[3, 1, L]`` positions, where they are not what is counted.
    """
    seen = mean_log_likelihoods(model, prompt, answers, places)
    habit = mean_log_likelihoods(model, blank_prompt, answers, blank_places)
    return [Evidence(*values) for values in zip(seen, habit, agreement(texts), strict=True)]


@torch.inference_mode()
def mean_log_likelihoods(
    model: Any,
    prompt: torch.Tensor,
    answers: Sequence[tuple[int, ...]],
    places: torch.Tensor | None = None,
) -> list[float]:
    """Mean log-likelihood of each answer's tokens after a prompt that is read once, in nats."""
    language, count = model.model.language_model, len(answers)
    longest = max(map(len, answers))
    ids = torch.zeros((count, longest), dtype=torch.long, device=prompt.device)
    there = torch.zeros((count, longest), device=prompt.device)
    for row, answer in enumerate(answers):
        ids[row, : len(answer)] = torch.tensor(answer)
        there[row, : len(answer)] = 1
    cache = DynamicCache()
    first: dict[str, Any] = {"past_key_values": cache, "use_cache": True}
    second = dict(first)
    if places is not None:
        behind = places[..., -1:] + 1 + torch.arange(longest - 1, device=places.device)
        first["position_ids"] = places
        second["position_ids"] = behind.expand(3, count, -1)
    read = language(inputs_embeds=prompt[None], **first)
    hidden = read.last_hidden_state[:, -1:].expand(count, -1, -1)
    if longest > 1:
        cache.batch_repeat_interleave(count)
        words = model.get_input_embeddings()(ids[:, :-1])
        said = language(inputs_embeds=words, **second)
        hidden = torch.cat([hidden, said.last_hidden_state], dim=1)
    logits = model.lm_head(hidden).float()
    each = logits.gather(-1, ids[..., None])[..., 0] - logits.logsumexp(-1)
    means: list[float] = ((each * there).sum(-1) / there.sum(-1)).tolist()
    return means


def agreement(texts: Sequence[str]) -> list[float]:
    """How much each text shares with the others: mean F1 of n-grams of one to four words."""
    grams = [_grams(text) for text in texts]
    shared = []
    for number, own in enumerate(grams):
        others = [_overlap(own, other) for place, other in enumerate(grams) if place != number]
        shared.append(sum(others) / len(others) if others else 0.0)
    return shared


def _grams(text: str) -> list[Counter[tuple[str, ...]]]:
    words = [word.strip('.,;:!?"') for word in text.lower().split()]
    return [
        Counter(zip(*(words[start:] for start in range(length)), strict=False))
        for length in range(1, _LONGEST_GRAM + 1)
    ]


def _overlap(
    first: Sequence[Counter[tuple[str, ...]]], second: Sequence[Counter[tuple[str, ...]]]
) -> float:
    total = 0.0
    for own, other in zip(first, second, strict=True):
        size = own.total() + other.total()
        total += 2 * (own & other).total() / size if size else 0.0
    return total / _LONGEST_GRAM
