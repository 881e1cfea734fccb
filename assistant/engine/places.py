"""Where the tokens of a text stand, for models whose rotary positions tell rows from columns.

For most models a token stands where it is counted. In the Qwen-VL families a position has three
parts (M-RoPE: Wang et al., "Qwen2-VL", arXiv 2409.12191, section 2.1): time, row and column. Words
have the same number in all three; the tokens of a picture have its own time, their row and their
column; what follows a picture goes on from its longer side, which is less than its tokens. So the
position of a token that is written later is not the number of tokens before it, and what a cache
knows of a text must be gone on with from the right place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from assistant.engine.caches import Layers
from assistant.engine.prompt import Prompt
from assistant.engine.reading import Reader
from assistant.families import FAMILIES


def places_pictures(model: Any) -> bool:
    """Whether the tokens of a picture do not stand where they are counted."""
    family = FAMILIES.get(model.config.model_type)
    return family is not None and family.multimodal_places


def places_of(model: Any, prompt: Prompt) -> torch.Tensor | None:
    """Positions ``[3, L]`` of a prompt's tokens; None where a token stands where it is counted."""
    if not places_pictures(model):
        return None
    token = model.config.image_token_id
    parts: list[torch.Tensor] = []
    grids = iter(prompt.grids)
    at, place, length = 0, 0, len(prompt.ids)
    while at < length:
        if prompt.ids[at] != token:
            end = at
            while end < length and prompt.ids[end] != token:
                end += 1
            parts.append(torch.arange(place, place + end - at).expand(3, -1))
            place += end - at
        else:
            grid = next(grids)
            assert grid is not None
            rows, columns = grid
            end = at + rows * columns
            row = torch.arange(rows).repeat_interleave(columns)
            column = torch.arange(columns).repeat(rows)
            parts.append(torch.stack([torch.zeros_like(row), row, column]) + place)
            place += max(rows, columns)
        at = end
    return torch.cat(parts, 1)[:, :length]


def places_of_rows(model: Any, prompts: Sequence[Prompt]) -> torch.Tensor | None:
    """Positions ``[3, B, L]`` of prompts that are padded on the left; None as in `places_of`."""
    found = [places_of(model, prompt) for prompt in prompts]
    length = max(map(len, prompts))
    rows = [
        torch.nn.functional.pad(each, (length - each.shape[1], 0))
        for each in found
        if each is not None
    ]
    return torch.stack(rows, 1).to(model.device) if rows else None


class PlacedReader(Reader):
    """As `Reader`, for a text whose tokens do not stand where they are counted.

    Args:
        places: ``[3, L]`` of the prompt; what comes behind it goes on from the last one.
    """

    def __init__(self, model: Any, layers: Layers | None, places: torch.Tensor) -> None:
        super().__init__(model, layers)
        self._places = places

    def placed(self, count: int) -> dict[str, torch.Tensor]:
        start, known = self.length, self._places.shape[1]
        here = self._places[:, start : start + count]
        behind = torch.arange(max(start, known), start + count) - known
        if len(behind):
            # The last token of a prompt is a word, which stands at one place in all three parts.
            following = behind + int(self._places[0, -1]) + 1
            here = torch.cat([here, following.expand(3, -1)], 1)
        return {"position_ids": here[:, None].to(self._model.device)}
