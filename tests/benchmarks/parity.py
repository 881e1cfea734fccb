"""Whether greedy answers are the tokens that plain transformers would choose.

    python -m tests.benchmarks.parity DEV.jsonl --count 500 --precision float32 --json

Each of --count prompts is a photo with a question, some with an answer and a further question. This
engine answers with --tokens tokens; plain transformers (`LlavaForConditionalGeneration` with the
shipped adapter merged, its own forward, no cache) then reads prompt and answer in one pass and says
at each place which token it would have chosen. Told are, of all places:

- `same`: share of tokens that are plain's own choice;
- `farthest`: the largest difference of plain's two best logits where the engine chose another one;
- `beyond`: tokens that differ where plain's two best are more than --margin apart (by default 1e-3
  in float32, 0.25 in bfloat16): 0 means that the answers are the same.
"""

from __future__ import annotations

import argparse
import json
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import track

from adapters.rows import read_captions
from assistant.bench.plain import load_plain
from assistant.engine import Engine, Sampling, Turn
from assistant.engine.prompt import Prompt
from assistant.images import open_image
from assistant.settings import get_settings

MARGINS = {"float32": 1e-3, "bfloat16": 0.25}
QUESTIONS = (
    "What is in this picture?",
    "What colour is it?",
    "Describe the picture in one sentence.",
    "Is there a dog?",
    "How many people are there?",
    "Where was this taken?",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help='rows {"image": ..., "references": [...]}')
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--precision", choices=sorted(MARGINS), default="bfloat16")
    parser.add_argument("--quantize", default="none")
    parser.add_argument("--margin", type=float, default=None)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    margin = MARGINS[options.precision] if options.margin is None else options.margin
    dtype = getattr(torch, options.precision)
    engine = Engine.load("embedded", quantize=options.quantize)
    engine.model.to(dtype)
    plain = plain_model(dtype)
    rows = read_captions(options.data)
    asked = zip(cycle(rows), cycle(QUESTIONS), range(options.count), strict=False)
    tokens = same = beyond = 0
    farthest = 0.0
    for row, question, number in track(
        islice(asked, options.count), "Asking", options.count, console=Console(stderr=True)
    ):
        image = open_image(row.path)
        encoded = engine.encode_image(image)
        turns = [Turn("user", question, (encoded.id,))]
        if number % 3 == 2:  # a follow-up, on top of what the cache has
            turns += [Turn("assistant", row.references[0]), Turn("user", "What else is there?")]
        prompt = engine.prompts.build(turns, [encoded])
        ids = written(engine, turns, encoded, options.tokens)
        if not ids:
            continue
        logits = told(plain, engine.processor, prompt, image.pixels, ids)
        best = logits.topk(2).values
        chosen = torch.tensor(ids)
        differs = logits.argmax(-1) != chosen
        apart = (best[:, 0] - best[:, 1])[differs]
        tokens += len(ids)
        same += int((~differs).sum())
        beyond += int((apart > margin).sum())
        farthest = max(farthest, float(apart.max()) if len(apart) else 0.0)
    found: dict[str, Any] = {
        "precision": options.precision,
        "quantize": options.quantize,
        "prompts": options.count,
        "tokens": tokens,
        "same": round(same / tokens, 5),
        "farthest": round(farthest, 4),
        "margin": margin,
        "beyond": beyond,
    }
    lines = "\n".join(f"{name:<10} {value}" for name, value in found.items())
    print(json.dumps(found) if options.json else lines)


def plain_model(dtype: torch.dtype) -> Any:
    """What somebody has who loads base and adapter with transformers and peft."""
    model: Any = load_plain("embedded", None, get_settings(), torch.device("cpu")).model
    return model.float() if dtype == torch.float32 else model


def written(engine: Engine, turns: list[Turn], image: Any, most: int) -> tuple[int, ...]:
    """The tokens of an answer, the end token where it came to that."""
    answer = engine.generate(turns, [image], sampling=Sampling(max_tokens=most))
    ids = tuple(engine.prompts.answer_ids(answer.text))
    ends = engine.model.generation_config.eos_token_id
    end = ends[0] if isinstance(ends, list) else ends
    return (*ids, int(end)) if answer.finish == "stop" else ids


@torch.inference_mode()
def told(
    model: Any, processor: Any, prompt: Prompt, picture: Any, ids: tuple[int, ...]
) -> torch.Tensor:
    """Plain's logits ``[tokens, vocab]`` for each token of an answer, after those before it."""
    pixels = processor.image_processor([picture], return_tensors="pt")["pixel_values"]
    whole = torch.tensor([[*prompt.ids, *ids[:-1]]])
    output = model(input_ids=whole, pixel_values=pixels.to(model.dtype))
    logits: torch.Tensor = output.logits[0, len(prompt.ids) - 1 :].float()
    return logits


if __name__ == "__main__":
    main()
