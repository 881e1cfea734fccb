"""Does "where it looked" mean anything? Hide parts of the picture itself and see what words lose.

    python -m tests.benchmarks.gaze --captions dev.jsonl --limit 24 --json

For each word of the model's own descriptions, each ninth of the picture is blurred in turn, the
picture encoded anew, and the word's loss in log-likelihood taken: that is the truth, made without
the method that is judged. A map is good where the ninth that it weighs most is one whose hiding
costs the word much. Printed for the engine's maps and, beside them, for plain attention:
`correlation` over the ninths, `top` (nats lost by hiding the ninth that the map weighs most),
`mean` (by hiding any), and `rank` (share of the other ninths that cost less; 0.5 is chance).
Only words that lose something somewhere count: "the" rests on no part of a picture.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from PIL import ImageFilter
from rich.console import Console
from rich.progress import track

from adapters.rows import read_captions
from assistant.engine import EncodedImage, Engine, Turn
from assistant.engine.gaze import _likelihoods, _words
from assistant.engine.prompt import Prompt, embed
from assistant.images import LoadedImage, open_image
from assistant.prompts import DESCRIBE

NINTHS = [(row, column) for row in range(3) for column in range(3)]
MATTERS = 0.3  # nats


def hidden(image: LoadedImage) -> list[LoadedImage]:
    """The picture with each of its ninths blurred beyond recognition."""
    width, height = image.pixels.size
    blurred = image.pixels.filter(ImageFilter.GaussianBlur(max(width, height) / 6))
    found = []
    for row, column in NINTHS:
        box = (
            column * width // 3, row * height // 3,
            (column + 1) * width // 3, (row + 1) * height // 3,
        )  # fmt: skip
        copy = image.pixels.copy()
        copy.paste(blurred.crop(box), box)
        found.append(open_image(copy))
    return found


def ninths(grid: torch.Tensor) -> torch.Tensor:
    """A square map ``[side, side]`` summed over each ninth, ``[9]``."""
    side = len(grid)
    marks = [round(side * part / 3) for part in range(4)]
    return torch.stack(
        [
            grid[marks[row] : marks[row + 1], marks[column] : marks[column + 1]].sum()
            for row, column in NINTHS
        ]
    )


def losses(
    engine: Engine, prompt: Prompt, image: EncodedImage, parts: list[EncodedImage], ids: Any
) -> torch.Tensor:
    """What each token loses when each part is hidden, ``[tokens, parts]``."""
    with torch.inference_mode():
        whole = _likelihoods(engine, [prompt], ids)
        others = [Prompt(prompt.ids, prompt.keys, (part.features,), (image.id,)) for part in parts]
        return (whole - _likelihoods(engine, others, ids)).T.cpu()


def attention(engine: Engine, prompt: Prompt, ids: Any) -> torch.Tensor:
    """Mean attention to the picture's tokens when each token is written, ``[tokens, n]``."""
    model = engine.model
    places = [place for place, key in enumerate(prompt.keys) if isinstance(key, str)]
    with torch.inference_mode():
        words = model.get_input_embeddings()(torch.tensor(ids[:-1], device=engine.device))
        row = torch.cat([embed(model, prompt), words])[None]
        model.set_attn_implementation("eager")
        try:
            output = model(inputs_embeds=row, use_cache=False, output_attentions=True)
        finally:
            model.set_attn_implementation("sdpa")
    layers = torch.stack([layer[0].float().mean(0) for layer in output.attentions]).mean(0)
    return layers[len(prompt) - 1 :, places].cpu()


def measure(engine: Engine, images: list[LoadedImage]) -> dict[str, dict[str, float]]:
    """The figures of each kind of map over all words that rest on some part of a picture."""
    kept: dict[str, list[tuple[torch.Tensor, torch.Tensor]]] = {"occlusion": [], "attention": []}
    for image in track(images, "Hiding", console=Console(stderr=True)):
        encoded = engine.encode_image(image)
        turns = [Turn("user", DESCRIBE["sentence"], (image.id,))]
        prompt = engine.prompts.build(turns, [encoded])
        answer = engine.generate(turns, [encoded]).text
        ids = engine.prompts.answer_ids(answer)
        truth = losses(engine, prompt, encoded, engine.encode_images(hidden(image)), ids)
        attended = attention(engine, prompt, ids)
        side = int(attended.shape[1] ** 0.5)
        gazes = engine.look(turns, [image], answer)
        for gaze, (_, first, last) in zip(gazes, _words(engine, ids), strict=True):
            lost = truth[first:last].sum(0)
            if lost.max() < MATTERS:
                continue
            kept["occlusion"].append((ninths(torch.tensor(gaze.grid)), lost))
            plain = attended[first:last].mean(0).view(side, side)
            kept["attention"].append((ninths(plain), lost))
    return {name: figures(pairs) for name, pairs in kept.items()}


def figures(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> dict[str, float]:
    """See the module's text."""
    maps, truth = (torch.stack(each) for each in zip(*pairs, strict=True))
    top = truth.gather(1, maps.argmax(1, keepdim=True))
    centred = [each - each.mean(1, keepdim=True) for each in (maps, truth)]
    product = (centred[0] * centred[1]).sum(1)
    size = (centred[0].norm(dim=1) * centred[1].norm(dim=1)).clamp(min=1e-9)
    return {
        "correlation": round(float((product / size).mean()), 3),
        "top": round(float(top.mean()), 3),
        "mean": round(float(truth.mean()), 3),
        "rank": round(float((truth < top).sum(1).div(len(NINTHS) - 1).mean()), 3),
        "words": len(pairs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captions", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=24)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    rows = read_captions(given.captions)[: given.limit]
    # As trained: NF4 reads prompts slowly, and here little else is done.
    found = measure(Engine.load(quantize="none"), [open_image(row.path) for row in rows])
    print(json.dumps(found, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
