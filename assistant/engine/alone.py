"""Answers to several prompts one after the other, for models that cannot be given a batch.

The `generate` of transformers is told nothing of where the tokens of pictures stand, see
`assistant.engine.places`, so that families which need it are not read by it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from assistant.engine.adapters import Adapter
from assistant.engine.decoding import write
from assistant.engine.holder import Holder
from assistant.engine.prefixes import PrefixCache
from assistant.engine.prompt import Prompt
from assistant.engine.streams import Words
from assistant.engine.values import Sampling


def draw_alone(
    engine: Holder,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    rows: Sequence[Adapter],
    answers: int,
) -> list[list[tuple[int, ...]]]:
    """Token ids of ``answers`` answers to each prompt, drawn as `sampling` says.

    Args:
        rows: the adapter of each prompt.
    """
    # What is read of a prompt for its first answer need not be read again for the others.
    prefixes = PrefixCache(engine.prefixes.budget)
    found = []
    for place, (prompt, adapter) in enumerate(zip(prompts, rows, strict=True)):
        own = []
        for number in range(answers):
            words = Words(engine.tokenizer, sampling.stop, lambda _text: None)
            first = sampling.seed
            seed = None if first is None else first + place * answers + number
            with engine.alone(adapter):
                written = write(
                    engine.model,
                    prompt,
                    replace(sampling, seed=seed),
                    prefixes=prefixes,
                    scope=(adapter.revision, ""),
                    cancelled=threading.Event(),
                    emit=words.add,
                )
            own.append(written.ids)
        found.append(own)
    return found
