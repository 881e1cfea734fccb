"""Writing one answer, token by token, on top of what the prefix cache has.

Only the tokens that no cached prefix covers are computed; afterwards the whole conversation is kept
for the next question. The tokens equal those that the model gives without a cache.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal, cast

import torch
from transformers.generation.logits_process import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)

from assistant.engine.caches import Keys, Layers, Scope
from assistant.engine.constrained import Guide
from assistant.engine.fast import FastReader, can_read
from assistant.engine.places import PlacedReader, places_of
from assistant.engine.prefixes import PrefixCache
from assistant.engine.prompt import Prompt, embed
from assistant.engine.reading import Reader
from assistant.engine.values import Sampling

# A reader that goes away is noticed between two blocks of a long prompt.
_BLOCK = 256
# The last token of an answer and how templates end a turn and begin one are fewer.
_AHEAD = 32


Finish = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True)
class Written:
    """The tokens of an answer without the end token, and how they came to be."""

    ids: tuple[int, ...]
    finish: Finish
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
    draft = Draft(model, prompt, sampling, emit, guide)
    while following := draft.go_on(logits):
        if cancelled.is_set():
            break
        logits = reader.read(table(torch.tensor(following, device=model.device)))
    keep(reader, prompt.keys + tuple(draft.ids), prefixes, scope)
    finish: Finish = "cancelled" if cancelled.is_set() else draft.finish
    return Written(tuple(draft.ids), finish, len(prompt) - reused, reused)


class Draft:
    """An answer while it is written: chooses what comes next and knows when it is whole.

    Args:
        emit, guide: as for `write`.

    Attributes:
        ids: the tokens so far.
        finish: what ended it, where it is whole.
        likeliest: whether the likeliest token always follows, so that whoever has many drafts may
            look for it in all of them at once.
    """

    def __init__(
        self,
        model: Any,
        prompt: Prompt,
        sampling: Sampling,
        emit: Callable[[int], bool],
        guide: Guide | None = None,
    ) -> None:
        self._most, self._emit, self._guide = sampling.max_tokens, emit, guide
        self._ends = end_tokens(model)
        self._choose = _chooser(model, sampling)
        penalised = model.generation_config.repetition_penalty not in (None, 1.0)
        self._seen = torch.tensor([prompt.ids if penalised else ()], device=model.device)
        self._penalised = penalised
        self.ids: list[int] = []
        self.finish: Literal["stop", "length"] = "length"
        self.likeliest = not penalised and sampling.temperature == 0 and guide is None

    def go_on(self, logits: torch.Tensor, likeliest: int | None = None) -> list[int]:
        """Choose what follows; the tokens that are to be read next, none where it is whole.

        Args:
            logits: ``[1, vocab]`` for what follows.
            likeliest: the token that has the largest of them, where that is known.
        """
        guide = self._guide
        if guide is not None and guide.ended:
            self.finish = "stop"
            return []
        forced = guide.forced() if guide is not None else []
        if forced:
            following = forced[: self._most - len(self.ids)]
        elif self.likeliest and likeliest is not None:
            following = [likeliest]
        else:
            allowed = logits if guide is None else guide.mask(logits)
            following = [int(self._choose(self._seen, allowed))]
        ended = next((at for at, token in enumerate(following) if token in self._ends), None)
        if guide is not None and ended is None:
            guide.take(following)
        going = True
        for token in following[:ended]:
            self.ids.append(token)
            going = self._emit(token) and going
        if not going or ended is not None:
            self.finish = "stop"
            return []
        if len(self.ids) >= self._most:
            return []
        if self._penalised:
            new = torch.tensor([following], device=self._seen.device)
            self._seen = torch.cat([self._seen, new], dim=1)
        return following


def keep(
    reader: Reader,
    keys: Keys,
    prefixes: PrefixCache,
    scope: Scope,
    *,
    grown_from: int = 0,
) -> None:
    """Keep what was read for the next question; see `PrefixCache.put`."""
    kept = reader.kept()
    if kept is not None:
        prefixes.put(scope, keys[: reader.length], kept, grown_from=grown_from)


def _read(
    model: Any, prompt: Prompt, prefixes: PrefixCache, scope: Scope, cancelled: threading.Event
) -> tuple[Reader, int, torch.Tensor | None]:
    """Read a prompt on top of what the cache knows of it.

    Returns:
        The reader, how many tokens the cache had, and logits ``[1, vocab]`` for what follows, None
        where the reading was cancelled.
    """
    limit = len(prompt) - 1  # at least one token is computed: its output chooses the first word
    reader = opened(partial(reader_of, model, prompt), prompt, limit, prefixes, scope)
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
        branch = reader_of(model, prompt, kept) if len(start) > 1 else None
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
    reader = opened(partial(reader_of, model, ahead), ahead, len(ahead), prefixes, scope)
    embeds = embed(model, ahead, reader.length)
    # What the cache has let go is not worth reading anew: the question may never come.
    known = reader.length
    if not known or not 0 < len(embeds) <= _AHEAD:
        return 0
    reader.read(embeds)
    keep(reader, ahead.keys, prefixes, scope, grown_from=known)
    return len(embeds)


def end_tokens(model: Any) -> set[int]:
    """The tokens that end an answer."""
    ends = model.generation_config.eos_token_id
    return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


def opened(
    make: Callable[[Layers | None], Reader],
    prompt: Prompt,
    most: int,
    prefixes: PrefixCache,
    scope: Scope,
) -> Reader:
    """A reader that has read what the cache knows of a prompt, ``most`` tokens at most.

    Args:
        make: a reader on top of keys and values.
    """
    length, layers = prefixes.longest(scope, prompt.keys)
    length = min(length, most)
    known: Layers | None = None
    if layers is not None and length:
        known = tuple((keys[:, :, :length], values[:, :, :length]) for keys, values in layers)
    return make(known)


def reader_of(model: Any, prompt: Prompt | None = None, layers: Layers | None = None) -> Reader:
    """The quickest reader that a model can have, for a prompt and what is written behind it."""
    if can_read(model):
        return FastReader(model, layers)
    places = places_of(model, prompt) if prompt is not None else None
    return Reader(model, layers) if places is None else PlacedReader(model, layers, places)


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
