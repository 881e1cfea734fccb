"""Descriptions of many pictures written together, each token the likeliest, with how likely it was.

A reader on a shelf each (`assistant.engine.together`): the weights pass by once for one token of
every picture, and who is done makes room for the next one, so that nobody waits for the longest
answer and nothing is padded. The words are those that `Engine.describe` finds picture by picture.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch

from assistant.engine.decoding import end_tokens
from assistant.engine.fast import Llama, can_read
from assistant.engine.prompt import embed
from assistant.engine.together import ShelvedReader, Shelves, read_together
from assistant.engine.values import GREEDY, EncodedImage, Turn
from assistant.prompts import DESCRIBE, Detail

if TYPE_CHECKING:
    from assistant.engine import Engine

ROWS: Final = 32
"""Descriptions that are written at once; from here on more hardly gain anything."""
_NEW: Final = 8  # of them whose questions are read in one pass: what a layer widens stays small
_EXPECTED: Final = 64  # tokens that most descriptions stay below


@dataclass
class _Row:
    """One description while it is written."""

    number: int
    pending: torch.Tensor  # [T, hidden], what is to be read
    reader: ShelvedReader
    ids: list[int] = field(default_factory=list)
    total: float = 0.0  # log-probability of its tokens and its end


def can_write(engine: Engine) -> bool:
    """Whether an engine's model can be read together, and says the likeliest token as it is."""
    model = getattr(engine, "model", None)
    if model is None or not can_read(model):
        return False
    return model.generation_config.repetition_penalty in (None, 1.0)


@torch.inference_mode()
def write_together(
    engine: Engine, images: Sequence[EncodedImage], detail: Detail, adapter: str | None = None
) -> list[tuple[str, float]]:
    """A description of each picture, and the geometric mean of its tokens' probabilities.

    Args:
        engine: one that `can_write`.

    Raises:
        InputError: a picture was encoded for another adapter.
    """
    chosen = engine.resolve(adapter)
    question = DESCRIBE[detail]
    prompts = deque(
        (number, engine.prompt([Turn("user", question, (image.id,))], [image], chosen))
        for number, image in enumerate(images)
    )
    found: list[tuple[str, float]] = [("", 0.0)] * len(prompts)
    ends, table = end_tokens(engine.model), engine.model.get_input_embeddings()
    with engine.alone(chosen):
        llama, shelves, rows = Llama(engine.model), Shelves(), list[_Row]()
        while rows or prompts:
            for _ in range(min(ROWS - len(rows), _NEW, len(prompts))):
                number, prompt = prompts.popleft()
                reader = ShelvedReader(llama, shelves, len(prompt) + _EXPECTED)
                rows.append(_Row(number, embed(engine.model, prompt), reader))
            logits = read_together(
                llama, [row.reader for row in rows], [row.pending for row in rows], range(len(rows))
            ).float()
            best, tokens = logits.max(-1)
            likely = (best - logits.logsumexp(-1)).tolist()
            words = table(tokens)
            going = []
            for place, (row, token) in enumerate(zip(rows, tokens.tolist(), strict=True)):
                row.total += likely[place]
                row.pending = words[place : place + 1]
                ended = token in ends
                if not ended:
                    row.ids.append(token)
                if not ended and len(row.ids) < GREEDY.max_tokens:
                    going.append(row)
                    continue
                row.reader.leave()
                sure = math.exp(row.total / (len(row.ids) + ended))
                found[row.number] = engine.answer(row.ids, GREEDY, 0.0, 0).text, sure
            rows = going
    return found
