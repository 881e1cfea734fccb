"""Beam search over many prompts at once, without copying what all beams share.

`transformers` keeps a copy of the prompt's keys and values for every beam and copies all of them
whenever beams change places. Here a prompt's part lies still: beams of one prompt have the same, so
that only the few tokens that were written move; and a prompt whose answers are found leaves the
batch. What is found is the same: a hypothesis scores its mean log-likelihood a token, end token
included, and a prompt is done when its best running beam cannot beat its worst finished one
(``early_stopping=False`` of `GenerationMixin.generate`, the default).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

Allowed = Callable[[tuple[int, ...]], Sequence[int]]
"""The tokens that may follow those of an answer so far."""


@dataclass
class _Hypotheses:
    """The best finished answers of one prompt: mean log-likelihood and tokens, best first."""

    most: int
    found: list[tuple[float, tuple[int, ...]]] = field(default_factory=list)

    def add(self, score: float, ids: tuple[int, ...]) -> None:
        self.found.append((score, ids))
        self.found.sort(key=lambda each: -each[0])
        del self.found[self.most :]

    def beats(self, running: float) -> bool:
        return len(self.found) == self.most and self.found[-1][0] >= running


class _SharedLayer(DynamicLayer):
    """A layer whose first ``fixed`` places stay where they are when beams change places."""

    def __init__(self, prompt: DynamicLayer, beams: int, room: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        keys, values = prompt.keys, prompt.values
        assert keys is not None and values is not None
        self.lazy_initialization(keys, values)
        rows, heads, self.fixed, width = keys.shape
        self.length = self.fixed
        shape = (rows * beams, heads, self.fixed + room, width)
        self._keys, self._values = keys.new_empty(shape), values.new_empty(shape)
        self._keys[:, :, : self.fixed] = keys.repeat_interleave(beams, 0)
        self._values[:, :, : self.fixed] = values.repeat_interleave(beams, 0)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_: Any, **__: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        end = self.length + key_states.shape[2]
        self._keys[:, :, self.length : end] = key_states
        self._values[:, :, self.length : end] = value_states
        self.length = end
        return self._keys[:, :, :end], self._values[:, :, :end]

    def get_seq_length(self) -> int:
        return self.length

    def move(self, rows: torch.Tensor) -> None:
        """Row ``n`` takes what row ``rows[n]`` has written."""
        written = slice(self.fixed, self.length)
        self._keys[:, :, written] = self._keys[rows, :, written]
        self._values[:, :, written] = self._values[rows, :, written]

    def keep(self, rows: torch.Tensor) -> None:
        """Only these rows stay."""
        self._keys, self._values = self._keys[rows], self._values[rows]


@torch.inference_mode()
def beam_search(
    model: Any,
    embeds: torch.Tensor,
    mask: torch.Tensor,
    *,
    beams: int,
    max_tokens: int,
    ends: set[int],
    answers: int = 1,
    allowed: Allowed | None = None,
    assign: Callable[[Sequence[int]], None] = lambda _rows: None,
    places: torch.Tensor | None = None,
) -> list[list[tuple[int, ...]]]:
    """The likeliest answers to each prompt, best first.

    Args:
        model: gives logits for ``inputs_embeds`` with a ``cache``.
        embeds: ``[B, L, hidden]``, padded on the left.
        mask: ``[B, L]``, 0 where padded.
        beams: answers that are followed at once for each prompt.
        ends: tokens that end an answer.
        answers: how many are wanted for each prompt, at most ``beams``.
        allowed: restricts what is written, end tokens included.
        assign: is told before a pass which prompt each row belongs to.
        places: ``[3, B, L]`` positions, where they are not what is counted.

    Returns:
        Token ids without the end token, ``answers`` for each prompt (fewer where fewer can be
        written).
    """
    count = len(mask)
    # A masked place has no position of its own; the first token of a row stands at 0.
    positions = (mask.cumsum(-1) - 1).clamp(min=0) if places is None else places
    cache = DynamicCache()
    assign(range(count))
    output = model(
        inputs_embeds=embeds,
        attention_mask=mask,
        position_ids=positions,
        cache=cache,
        use_cache=True,
        logits_to_keep=1,
    )
    logits = output.logits[:, -1].float()
    cache.layers = [
        _SharedLayer(layer, beams, max_tokens)
        for layer in cache.layers
        if isinstance(layer, DynamicLayer)
    ]
    done = [_Hypotheses(beams) for _ in range(count)]
    running = list(range(count))  # prompts that are still written, in the order of the rows
    written: list[list[tuple[int, ...]]] = [[()] for _ in running]
    # At the first step all beams of a prompt are one.
    scores = torch.zeros((count, 1), device=embeds.device)
    mask = mask.repeat_interleave(beams, 0)
    place = positions[..., -1:].repeat_interleave(beams, -2)
    for step in range(1, max_tokens + 1):
        chances = logits.log_softmax(-1)
        if allowed is not None:
            chances = _restricted(chances, [ids for rows in written for ids in rows], allowed)
        best, origins, tokens = _continuations(chances, scores, len(ends), beams)
        rows: list[int] = []
        following: list[list[tuple[int, ...]]] = []
        new_scores: list[list[float]] = []
        moved: list[int] = []
        for row, prompt in enumerate(running):
            going: list[tuple[float, int, tuple[int, ...]]] = []
            ranked = zip(best[row], origins[row], tokens[row], strict=True)
            for rank, (value, origin, token) in enumerate(ranked):
                if value == -torch.inf or len(going) == beams:
                    break
                ids = written[row][origin]
                if token not in ends:
                    going.append((value, origin, (*ids, token)))
                if rank < beams and (token in ends or step == max_tokens):
                    done[prompt].add(value / step, ids if token in ends else (*ids, token))
            if not going or step == max_tokens or done[prompt].beats(going[0][0] / step):
                continue
            # Fewer ways to go on than beams: what fills the rest is impossible, so it never wins.
            going += [(-torch.inf, *going[-1][1:])] * (beams - len(going))
            rows.append(row)
            new_scores.append([value for value, _, _ in going])
            moved += [row * beams + origin for _, origin, _ in going]
            following.append([ids for _, _, ids in going])
        if not rows:
            break
        _move(cache, rows, moved, len(running), beams)
        chosen = torch.tensor(
            [row * beams + beam for row in rows for beam in range(beams)], device=mask.device
        )
        mask = torch.cat([mask[chosen], mask.new_ones((len(chosen), 1))], dim=1)
        place = place[..., chosen, :] + 1
        running = [running[row] for row in rows]
        written = following
        scores = torch.tensor(new_scores, device=embeds.device)
        assign([prompt for prompt in running for _ in range(beams)])
        last = torch.tensor([[ids[-1]] for texts in written for ids in texts], device=embeds.device)
        logits = (
            model(
                input_ids=last,
                attention_mask=mask,
                position_ids=place,
                cache=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            .logits[:, -1]
            .float()
        )
    return [[ids for _, ids in each.found[:answers]] for each in done]


def _continuations(
    chances: torch.Tensor, scores: torch.Tensor, ends: int, beams: int
) -> tuple[list[list[float]], list[list[int]], list[list[int]]]:
    """Summed log-likelihoods, beams and tokens of the best continuations of each prompt.

    Args:
        chances: ``[prompts * width, vocab]`` log-likelihoods of the next token.
        scores: ``[prompts, width]`` of the beams so far.

    As many as may end, and as many again as go on whatever ends. Each beam's own best are found
    first: the best of all are among them, and a search in all at once takes far longer.
    """
    prompts, width = scores.shape
    wanted = (ends + 1) * beams
    own, tokens = chances.topk(min(wanted, chances.shape[-1]))
    each = own.shape[-1]
    total = own.view(prompts, width, each) + scores[:, :, None]
    best, places = total.flatten(1).topk(min(wanted, width * each))
    chosen = tokens.view(prompts, width * each).gather(1, places)
    return best.tolist(), (places // each).tolist(), chosen.tolist()


def _restricted(
    chances: torch.Tensor, written: Sequence[tuple[int, ...]], allowed: Allowed
) -> torch.Tensor:
    """Log-likelihoods with all but the allowed tokens impossible; not normalised again."""
    result = torch.full_like(chances, -torch.inf)
    for row, ids in enumerate(written):
        places = torch.tensor(list(allowed(ids)), dtype=torch.long, device=chances.device)
        result[row, places] = chances[row, places]
    return result


def _move(
    cache: DynamicCache, rows: Sequence[int], moved: Sequence[int], count: int, beams: int
) -> None:
    """Give every beam what its origin has written; drop prompts that are done."""
    layers = [layer for layer in cache.layers if isinstance(layer, _SharedLayer)]
    device = layers[0].device
    places = torch.tensor(moved, device=device)
    if len(rows) < count:
        for layer in layers:
            layer.keep(places)
    elif list(moved) != list(range(count * beams)):
        for layer in layers:
            layer.move(places)
