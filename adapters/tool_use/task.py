"""The training task: each step draws new decisions and new answers, and no two are alike."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from peft import PeftModel

from adapters.lora import MergedLora
from adapters.objectives import llava_of, packed_logits, packed_loss
from adapters.packing import Batch, collate, fill_rows
from adapters.tool_use.answers import Sheets
from adapters.tool_use.requests import Requests
from adapters.tool_use.trees import DeskTokens, Known
from adapters.train import trim_allocator
from adapters.tune.loop import Group, Tensors

_TRIM = 4  # steps after which a process of several gigabytes of holes is one of one


@dataclass(frozen=True)
class Knobs:
    """How the adapter is trained.

    Attributes:
        decisions: pages of decisions a step.
        answers: sheets of answers a step.
        held: pages and sheets each to validate on.
    """

    seed: int = 0
    rank: int = 12
    alpha: int = 24
    rate: float = 8e-4
    weight_decay: float = 0.01
    decisions: int = 1
    answers: int = 2
    conversations: int = 5
    held: int = 10


class ToolUseTask:
    """A `Task` of `adapters.tune.loop`; the projector and the encoder stay as they are."""

    name = "tool-use"
    score_name = "score"

    def __init__(self, adapted: PeftModel, tokenizer: Any, knobs: Knobs) -> None:
        self._model, self._knobs = adapted, knobs
        self._tokens = DeskTokens(tokenizer)
        self._pad = int(tokenizer.pad_token_id)
        self._requests, self._sheets = Requests(), Sheets()
        self._held = self._held_out()
        self._merged = MergedLora(adapted)
        self._merged.__enter__()
        llava_of(adapted).model.language_model.train()

    def close(self) -> None:
        """Give the layers their own way of computing back."""
        self._merged.__exit__(None, None, None)

    def _held_out(self) -> list[tuple[str, Known]]:
        """Prompts of businesses and foreign tools that are never trained on."""
        requests, sheets = Requests(held=True), Sheets(held=True)
        found = []
        for number in range(self._knobs.held):
            rng = random.Random(f"held {number}")
            found.append(("decision", self._tokens.decisions(requests.draw(rng))))
            found.append(("answer", self._tokens.answers(sheets.draw(rng))))
        return found

    def _drawn(self, draw: int) -> list[Known]:
        knobs = self._knobs
        rng = random.Random(f"{knobs.seed} step {draw}")
        pages = [self._requests.draw(rng, knobs.conversations) for _ in range(knobs.decisions)]
        sheets = [self._sheets.draw(rng) for _ in range(knobs.answers)]
        known = [self._tokens.decisions(page) for page in pages]
        return known + [self._tokens.answers(sheet) for sheet in sheets]

    def groups(self) -> list[Group]:
        """The factors of LoRA."""
        named = {n: p for n, p in self._model.named_parameters() if p.requires_grad}
        return [Group(named, self._knobs.rate, self._knobs.weight_decay)]

    def loss(self, draw: int) -> torch.Tensor:
        """Cross-entropy of a step's decisions and answers."""
        batch = collate(fill_rows([known.tree for known in self._drawn(draw)]), self._pad)
        device = self._model.device.type
        with torch.autocast(device, torch.bfloat16):
            return packed_loss(self._model, batch, no_pictures(self._model))

    def updated(self, step: int) -> None:
        """Merge the factors anew."""
        self._merged.refresh()
        if step % _TRIM == 0:
            trim_allocator()

    def buffers(self) -> Tensors:
        """None: everything is in the parameters."""
        return {}

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Share of held-out turns that greedy decoding would write to the letter, by kind.

        The right words before a token are given, so that a turn is right if each of its tokens is
        the likeliest one.
        """
        right: Counter[str] = Counter()
        count: Counter[str] = Counter()
        for form, known in self._held:
            batch = collate([[known.tree]], self._pad)
            chosen = likeliest(self._model, batch) == batch.targets.to(self._model.device)
            at = 0
            learnt = [len(s.ids) for s in known.tree.segments if s.weight]
            for length, kind in zip(learnt, known.kinds, strict=True):
                good = bool(chosen[at : at + length].all())
                at += length
                for name in (form, f"{form}: {kind}"):
                    right[name] += good
                    count[name] += 1
        scores = {name: right[name] / count[name] for name in sorted(count)}
        scores["score"] = (scores["decision"] + scores["answer"]) / 2
        return scores

    def weights(self) -> Tensors:
        """Everything that trains."""
        return {name: p.detach().clone() for name, p in self.groups()[0].parameters.items()}

    @torch.no_grad()
    def adopt(self, weights: Tensors) -> None:
        """Take those weights."""
        for name, parameter in self.groups()[0].parameters.items():
            parameter.copy_(weights[name])
        self.updated(0)


def no_pictures(model: Any) -> torch.Tensor:
    """Features of no picture at all, as `packed_loss` wants them."""
    config = llava_of(model).config
    width = config.vision_config.hidden_size
    return torch.zeros((0, config.image_seq_length, width))


def likeliest(model: Any, batch: Batch) -> torch.Tensor:
    """The likeliest token ``[n]`` at each place where one is scored."""
    with torch.autocast(model.device.type, torch.bfloat16):
        return packed_logits(model, batch, no_pictures(model)).argmax(-1)
