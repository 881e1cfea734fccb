"""Where the model looked: what each word of an answer loses when a part of the picture is hidden.

Occlusion (Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks", ECCV 2014): a
grey window slides over the picture, the picture is encoded anew, and the loss of a word's
log-likelihood is credited to what the window covers. The weights of attention are not used: they
cost nothing, but say less about which part of the picture a word rests on, as
`tests/benchmarks/gaze.py` measures. It works for any model, whatever its image tokens stand for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from assistant.engine.adapters import Adapter
from assistant.engine.places import places_of_rows
from assistant.engine.prompt import Prompt, embed, widened
from assistant.engine.values import EncodedImage, Gaze, Turn
from assistant.errors import InputError
from assistant.images import LoadedImage, open_image

if TYPE_CHECKING:
    from assistant.engine.core import Engine

GRID = 6
"""Rows and columns of a map."""

_WINDOW = 2  # the window's side, in cells of the map
_ROWS = 8


def look(
    engine: Engine,
    turns: Sequence[Turn],
    pictures: Sequence[LoadedImage],
    answer: str,
    *,
    adapter: str | None = None,
    progress: Callable[[float], None] | None = None,
) -> list[Gaze]:
    """How much each word of an answer rests on each part of each picture.

    Args:
        turns: the conversation up to the question that ``answer`` answers.
        pictures: those that the turns show.
        answer: the words to explain; not necessarily the model's own.
        progress: is told the share that is done.

    Returns:
        One `Gaze` a word and picture, the words in order.

    Raises:
        InputError: there is no picture or no answer.
    """
    chosen = engine.resolve(adapter)
    encoded = engine.encode_images(pictures, adapter=chosen)
    prompt = engine.prompts.build(turns, encoded)
    ids = engine.prompts.answer_ids(answer)
    known = {picture.id: picture for picture in pictures}
    shown = list(dict.fromkeys(prompt.pictures))
    if not shown or not ids:
        raise InputError("There is no answer about a picture to explain; ask about one first.")
    whole = _likelihoods(engine, [prompt], ids, chosen)[0]
    windows = [
        (top, left) for top in range(GRID - _WINDOW + 1) for left in range(GRID - _WINDOW + 1)
    ]
    lost = []
    for number, id_ in enumerate(shown):
        drops = []
        for start in range(0, len(windows), _ROWS):
            if progress is not None:
                progress((number + start / len(windows)) / len(shown))
            part = [hide(known[id_], *window) for window in windows[start : start + _ROWS]]
            # Not by encode_images: what is hidden is never asked about again.
            hidden = engine.encode_anew(part, adapter=chosen)
            prompts = [_with(prompt, each, id_) for each in hidden]
            drops.append(whole - _likelihoods(engine, prompts, ids, chosen))
        lost.append(_credited(torch.cat(drops).clamp(min=0), windows))
    return _gazes(engine, ids, shown, lost)


def hide(picture: LoadedImage, top: int, left: int) -> LoadedImage:
    """The picture with a window of its mean colour, given in cells of the map."""
    width, height = picture.pixels.size
    mean = np.asarray(picture.pixels.resize((32, 32))).mean((0, 1))
    box = (
        left * width // GRID, top * height // GRID,
        max((left + _WINDOW) * width // GRID, 1), max((top + _WINDOW) * height // GRID, 1),
    )  # fmt: skip
    copy = picture.pixels.copy()
    copy.paste((int(mean[0]), int(mean[1]), int(mean[2])), box)
    return open_image(copy)


def _with(prompt: Prompt, other: EncodedImage, picture: str) -> Prompt:
    """The prompt with other features wherever a picture is shown."""
    features = other.features_among(len(prompt.pictures))
    changed = tuple(
        features if id_ == picture else own
        for id_, own in zip(prompt.pictures, prompt.features, strict=True)
    )
    return replace(prompt, features=changed)


def _likelihoods(
    engine: Engine, prompts: Sequence[Prompt], ids: Sequence[int], adapter: Adapter | None = None
) -> torch.Tensor:
    """Log-likelihood of each token of the answer after each prompt, ``[prompts, tokens]``."""
    with engine.alone(adapter), torch.inference_mode():
        return _computed(engine.model, prompts, ids)


def _computed(model: Any, prompts: Sequence[Prompt], ids: Sequence[int]) -> torch.Tensor:
    answer = torch.tensor(ids, device=model.device)
    words = model.get_input_embeddings()(answer[:-1])
    found = []
    for start in range(0, len(prompts), _ROWS):
        part = prompts[start : start + _ROWS]
        rows = [torch.cat(widened([embed(model, each), words])) for each in part]
        places = places_of_rows(model, part)
        if places is not None:  # the same of all: only their features differ
            behind = torch.arange(1, len(words) + 1, device=places.device)
            places = torch.cat([places, places[..., -1:] + behind], -1)
        output = model(
            inputs_embeds=torch.stack(rows),
            position_ids=places,
            use_cache=False,
            logits_to_keep=len(ids),
        )
        chances = output.logits.float().log_softmax(-1)
        found.append(chances.gather(-1, answer.expand(len(rows), -1)[..., None])[..., 0])
    return torch.cat(found)


def _credited(drops: torch.Tensor, windows: Sequence[tuple[int, int]]) -> torch.Tensor:
    """``[windows, tokens]`` to ``[tokens, GRID, GRID]``: the mean loss of all windows over it."""
    total = drops.new_zeros(drops.shape[1], GRID, GRID)
    cover = drops.new_zeros(GRID, GRID)
    for (top, left), drop in zip(windows, drops, strict=True):
        total[:, top : top + _WINDOW, left : left + _WINDOW] += drop[:, None, None]
        cover[top : top + _WINDOW, left : left + _WINDOW] += 1
    return total / cover


def _gazes(
    engine: Engine, ids: Sequence[int], pictures: Sequence[str], lost: Sequence[torch.Tensor]
) -> list[Gaze]:
    gazes = []
    for word, first, last in _words(engine, ids):
        summed = [each[first:last].sum(0) for each in lost]
        total = float(sum(part.sum() for part in summed))
        for id_, part in zip(pictures, summed, strict=True):
            # A word that rests on no part of any picture looked everywhere alike.
            alike = torch.full_like(part, 1 / (GRID**2 * len(pictures)))
            shares = part / total if total > 0 else alike
            grid = tuple(tuple(row) for row in shares.tolist())
            gazes.append(Gaze(word, id_, grid, float(part.max())))
    return gazes


def _words(engine: Engine, ids: Sequence[int]) -> list[tuple[str, int, int]]:
    """The words of an answer, each with its first token and the one after its last."""
    words: list[tuple[str, int, int]] = []
    first, given = 0, 0
    for end in range(1, len(ids) + 1):
        text = engine.tokenizer.decode(ids[:end], skip_special_tokens=True)
        more = engine.tokenizer.decode(ids[: end + 1], skip_special_tokens=True)
        whole = end == len(ids) or more[len(text) : len(text) + 1].isspace()
        if whole and text[given:].strip():
            words.append((text[given:].strip(), first, end))
            first, given = end, len(text)
    return words
