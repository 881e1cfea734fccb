"""Descriptions: what the engine says of a picture without being asked a question."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from PIL import Image

from assistant.engine.adapters import Adapter
from assistant.engine.prompt import Prompt, embed
from assistant.engine.values import GREEDY, Answer, EncodedImage, Mode, Sampling, Turn
from assistant.errors import InputError
from assistant.images import open_image
from assistant.prompts import DESCRIBE, Detail
from assistant.rerank import AGREEMENT_WEIGHT, HABIT_WEIGHT, Evidence, score, weigh

if TYPE_CHECKING:
    from assistant.engine.core import Engine

_BEAM_CANDIDATES, _DRAWN_CANDIDATES = 4, 6
SAMPLING: Final = {
    "greedy": GREEDY,
    "beam": Sampling(beams=4),
    "sample": Sampling(temperature=0.7, top_p=0.9),
}


def sampling_for(detail: Detail, mode: Mode, seed: int | None) -> Sampling | None:
    """How a description is drawn; None where it is the best of several, drawn in two ways.

    Raises:
        InputError: there is no such detail or mode.
    """
    if detail not in DESCRIBE:
        raise InputError(f"detail is {detail!r}; give one of: {', '.join(DESCRIBE)}.")
    if mode == "rerank":
        return None
    if mode not in SAMPLING:
        modes = ", ".join([*SAMPLING, "rerank"])
        raise InputError(f"mode is {mode!r}; give one of: {modes}.")
    return replace(SAMPLING[mode], seed=seed)


def describe(
    engine: Engine,
    images: Sequence[EncodedImage],
    *,
    detail: Detail = "sentence",
    mode: Mode = "greedy",
    seed: int | None = None,
    adapter: str | None = None,
) -> list[Answer]:
    """Describe pictures, each on its own.

    Args:
        detail: a few words, one sentence, or a few sentences.
        mode: most likely word by word, beam search, drawn at random (with ``seed``), or the best of
            several candidates (see `assistant.rerank`), which takes longest.

    Raises:
        InputError: there is no such detail or mode.
    """
    sampling = sampling_for(detail, mode, seed)
    if sampling is None:
        return _best_weighed(engine, images, detail, seed, engine.resolve(adapter))
    return engine.generate_batch(
        [_request(image, DESCRIBE[detail]) for image in images],
        sampling=sampling,
        adapter=adapter,
    )


def _best_weighed(
    engine: Engine,
    images: Sequence[EncodedImage],
    detail: Detail,
    seed: int | None,
    adapter: Adapter,
) -> list[Answer]:
    if not images:
        return []
    began = time.perf_counter()
    found = weighed(engine, images, detail, seed, adapter)
    seconds = (time.perf_counter() - began) / len(images)
    best = (
        max(candidates, key=lambda c: score(c[1], HABIT_WEIGHT, AGREEMENT_WEIGHT))[0]
        for candidates in found
    )
    return [replace(answer, seconds=seconds) for answer in best]


def weighed(
    engine: Engine,
    images: Sequence[EncodedImage],
    detail: Detail,
    seed: int | None,
    adapter: Adapter,
) -> list[list[tuple[Answer, Evidence]]]:
    """Different candidates for each picture, and what speaks for each."""
    engine.check_seen(images, adapter)
    prompts = [_prompt(engine, image, DESCRIBE[detail]) for image in images]
    beam, drawn = SAMPLING["beam"], replace(SAMPLING["sample"], seed=seed)
    likely = engine.search(prompts, beam, rows=[adapter] * len(prompts), answers=_BEAM_CANDIDATES)
    others = engine.draw_ids(
        prompts, drawn, rows=[adapter] * len(prompts), answers=_DRAWN_CANDIDATES
    )
    grey = _prompt(engine, _grey(engine, adapter), DESCRIBE[detail])
    blank = embed(engine.model, grey)
    end: int = engine.tokenizer.eos_token_id
    results = []
    for prompt, first, second in zip(prompts, likely, others, strict=True):
        found: dict[str, tuple[Answer, tuple[int, ...]]] = {}
        for ids in [*first, *second]:
            answer = engine.answer(ids, drawn, 0.0, len(prompt))
            whole = (*ids, end) if answer.finish == "stop" else tuple(ids)
            found.setdefault(answer.text, (answer, whole))
        with engine.alone(adapter):
            evidence = weigh(
                engine.model,
                embed(engine.model, prompt),
                blank,
                [ids for _, ids in found.values()],
                list(found),
                engine.places([prompt]),
                engine.places([grey]),
            )
        answers = [answer for answer, _ in found.values()]
        results.append(list(zip(answers, evidence, strict=True)))
    return results


def _request(image: EncodedImage, text: str) -> tuple[list[Turn], list[EncodedImage]]:
    return [Turn("user", text, (image.id,))], [image]


def _prompt(engine: Engine, image: EncodedImage, text: str) -> Prompt:
    return engine.prompts.build(*_request(image, text))


def _grey(engine: Engine, adapter: Adapter | None = None) -> EncodedImage:
    """A picture that shows nothing."""
    grey = open_image(Image.new("RGB", (64, 64), (127, 127, 127)))
    return engine.encode_image(grey, adapter=adapter)
