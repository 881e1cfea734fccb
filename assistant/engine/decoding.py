"""Writing one answer, token by token, on top of what the prefix cache has.

Only the tokens that no cached prefix covers are computed; afterwards the whole conversation is kept
for the next question. The tokens equal those that the model gives without a cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from assistant.engine.caches import Layers, PrefixCache, Scope
from assistant.engine.constrained import Guide
from assistant.engine.fast import FastReader, can_read
from assistant.engine.prompt import Prompt, embed
from assistant.engine.reading import Reader
from assistant.engine.values import Sampling

# A reader that goes away is noticed between two blocks of a long prompt.
_BLOCK = 256
# The last token of an answer and how templates end a turn and begin one are fewer.
_AHEAD = 32


@dataclass(frozen=True)
class Written:
    """The tokens of an answer without the end token, and how they came to be."""

    ids: tuple[int, ...]
    finish: Literal["stop", "length", "cancelled"]
    computed: int
    reused: int


@torch.inference_mode()
def write(
    model: Any,
    prompt: Prompt,
    sampling: Sampling,
    *,
    prefixes: PrefixCache,
    scope: Scope,
    cancelled: threading.Event,
    emit: Callable[[int], bool],
    guide: Guide | None = None,
) -> Written:
    """Write the answer to a prompt.

    Args:
        emit: is given each token and says whether the answer should go on.
        guide: allows only answers of a form; what it leaves no choice about is read in one go.

    The caller holds the engine: nothing else may run the model meanwhile.
    """
    reader, reused, logits = _read(model, prompt, prefixes, scope, cancelled)
    if logits is None:
        return Written((), "cancelled", reader.length - reused, reused)
    table = model.get_input_embeddings()
    ends = end_tokens(model)
    choose = _chooser(model, sampling)
    ids: list[int] = []
    finish: Literal["stop", "length", "cancelled"] = "length"
    seen = torch.tensor([prompt.ids], device=model.device)
    while len(ids) < sampling.max_tokens:
        if guide is not None and guide.ended:
            finish = "stop"
            break
        forced = guide.forced() if guide is not None else []
        if forced:
            next_ids = forced[: sampling.max_tokens - len(ids)]
        else:
            next_ids = [int(choose(seen, logits if guide is None else guide.mask(logits)))]
        ended = next((at for at, token in enumerate(next_ids) if token in ends), None)
        if guide is not None and ended is None:
            guide.take(next_ids)
        going = True
        for token in next_ids[:ended]:
            ids.append(token)
            going = emit(token) and going
        if cancelled.is_set():
            finish = "cancelled"
            break
        if not going or ended is not None:
            finish = "stop"
            break
        if len(ids) < sampling.max_tokens:
            tokens = torch.tensor(next_ids, device=model.device)
            seen = torch.cat([seen, tokens[None]], dim=1)
            logits = reader.read(table(tokens))
    kept = reader.kept()
    if kept is not None:
        prefixes.put(scope, (prompt.keys + tuple(ids))[: reader.length], kept)
    return Written(tuple(ids), finish, len(prompt) - reused, reused)


def _read(
    model: Any, prompt: Prompt, prefixes: PrefixCache, scope: Scope, cancelled: threading.Event
) -> tuple[Reader, int, torch.Tensor | None]:
    """Read a prompt on top of what the cache knows of it.

    Returns:
        The reader, how many tokens the cache had, and logits ``[1, vocab]`` for what follows, None
        where the reading was cancelled.
    """
    limit = len(prompt) - 1  # at least one token is computed: its output chooses the first word
    reader = _opened(model, prompt, limit, prefixes, scope)
    reused = reader.length
    embeds = embed(model, prompt, reused)
    logits = None
    for start in range(0, len(embeds), _BLOCK):
        if cancelled.is_set():
            return reader, reused, None
        logits = reader.read(embeds[start : start + _BLOCK])
    return reader, reused, logits


@torch.inference_mode()
def beginnings(
    model: Any,
    prompt: Prompt,
    starts: Sequence[Sequence[int]],
    *,
    prefixes: PrefixCache,
    scope: Scope,
) -> list[float]:
    """How likely an answer begins with each of some tokens, as log-probabilities.

    The prompt is kept: an answer that is written afterwards reads only its last token again. The
    caller holds the engine.
    """
    reader, _, logits = _read(model, prompt, prefixes, scope, threading.Event())
    assert logits is not None
    kept = reader.kept()
    if kept is not None:
        prefixes.put(scope, prompt.keys[: reader.length], kept)
    table = model.get_input_embeddings()
    first = logits[0].float().log_softmax(-1)
    found = []
    for start in starts:
        total = float(first[start[0]])
        branch = reader_of(model, kept) if len(start) > 1 else None
        for token, following in pairwise(start):
            assert branch is not None
            given = table(torch.tensor([token], device=model.device))
            total += float(branch.read(given)[0].float().log_softmax(-1)[following])
        found.append(total)
    return found


@torch.inference_mode()
def read_ahead(model: Any, ahead: Prompt, *, prefixes: PrefixCache, scope: Scope) -> int:
    """Read what will come next whatever is asked, so that the next question need not wait for it.

    Args:
        ahead: a conversation up to where the next question begins.

    Returns:
        How many tokens were read. The caller holds the engine.
    """
    reader = _opened(model, ahead, len(ahead), prefixes, scope)
    embeds = embed(model, ahead, reader.length)
    # What the cache has let go is not worth reading anew: the question may never come.
    if not reader.length or not 0 < len(embeds) <= _AHEAD:
        return 0
    reader.read(embeds)
    kept = reader.kept()
    if kept is not None:
        prefixes.put(scope, ahead.keys, kept, only_grown=True)
    return len(embeds)


def end_tokens(model: Any) -> set[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def _opened(model: Any, prompt: Prompt, most: int, prefixes: PrefixCache, scope: Scope) -> Reader:
    """A reader that has read what the cache knows of a prompt, ``most`` tokens at most."""
    length, layers = prefixes.longest(scope, prompt.keys)
    length = min(length, most)
    known: Layers | None = None
    if layers is not None and length:
        known = tuple((keys[:, :, :length], values[:, :, :length]) for keys, values in layers)
    return reader_of(model, known)


def reader_of(model: Any, layers: Layers | None = None) -> Reader:
    """The quickest reader that a model can have."""
    return (FastReader if can_read(model) else Reader)(model, layers)


def _chooser(
    model: Any, sampling: Sampling
) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Chooses the next token ``[1]`` from the ids so far ``[1, L]`` and logits ``[1, vocab]``."""
    processors: Any = LogitsProcessorList()
    penalty = model.generation_config.repetition_penalty
    if penalty is not None and penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(penalty))
    if sampling.temperature == 0:
        return lambda seen, logits: cast(torch.Tensor, processors(seen, logits.float()).argmax(-1))
    processors.append(TemperatureLogitsWarper(sampling.temperature))
    if sampling.top_p < 1:
        processors.append(TopPLogitsWarper(sampling.top_p))
    generator = torch.Generator(model.device)
    if sampling.seed is None:
        generator.seed()
    else:
        generator.manual_seed(sampling.seed)

    def draw(seen: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        chances = processors(seen, logits.float()).softmax(-1)
        return torch.multinomial(chances, 1, generator=generator)[:, 0]

    return draw
