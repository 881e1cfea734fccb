"""Many clients at once on one shared engine: how much more it writes, and whether all is right.

    python -m tests.benchmarks.serving --clients 32 --seconds 600 --json

Each client is a thread that holds conversations about its pictures (the demo shop's and made-up
ones, now and then two at once): it asks, reads the answer as it comes, asks on, and begins anew
as somebody else.

- `alone`, `together`: tokens that were written a second for one client and for all; `ratio`. One
  client asks before and after the many, so that a change of the machine's pace shows in both;
- `answers`, `wrong`, `differing`, `lost`: each different answer is read again behind its question,
  alone: each token should be the likeliest one. Where it is not, by less than 0.25 of logits, it
  `differs`, as rounding differs between one row and many in bfloat16; by more it is wrong, as
  another client's answer would be. `lost` is one that never came;
- `first_word`: seconds from the question to the first word, median and 95th percentile;
- `memory`: MB that the process took after a third of the time, and at its end;
- `batch`: answers in one pass, on average; `step`: seconds of one pass.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import threading
import time
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import psutil
import torch
from transformers import DynamicCache

from assistant.batching import Load, SharedEngine
from assistant.batching import client as who
from assistant.cli.progress import show_progress
from assistant.engine import Engine, Sampling, Turn
from assistant.engine.decoding import end_tokens
from assistant.engine.prompt import Prompt, embed
from assistant.images import LoadedImage, open_image
from assistant.settings import get_settings
from tests.pictures import scene

SHOP = Path(__file__).resolve().parents[2] / "assistant" / "demo" / "shop" / "pictures"
MADE_UP = 40
OPENINGS = (
    "What is in this picture?",
    "Describe the picture in detail.",
    "What colour is it, and what could it be used for?",
    "Is it fresh? Give your reasons.",
    "Tell me a short story about what you see.",
    "How many things are there, and where do they lie?",
)
FURTHER = (
    "What colour is it?",
    "Why do you think so?",
    "What else can you see there?",
    "Is there anything written on it?",
    "What would you put next to it?",
)
CLOSE = 0.25  # logits between which rounding may decide
SAMPLING = Sampling(max_tokens=64)


@dataclass(frozen=True)
class Said:
    """An answer, the tokens that it was written with, and what it was asked behind."""

    client: int
    prompt: Prompt
    ids: tuple[int, ...]
    ended: bool


@dataclass
class Heard:
    """What all clients of a run heard."""

    said: list[Said] = field(default_factory=list)
    first_words: list[float] = field(default_factory=list)
    tokens: int = 0
    asked: int = 0
    failures: list[str] = field(default_factory=list)
    guard: threading.Lock = field(default_factory=threading.Lock)


def pictures() -> list[LoadedImage]:
    """The demo shop's and made-up ones of several shapes."""
    shapes = ((320, 240), (240, 320), (640, 200), (224, 224))
    made = [open_image(scene(seed, shapes[seed % 4])) for seed in range(MADE_UP)]
    return [open_image(path) for path in sorted(SHOP.glob("*.webp"))] + made


def converse(
    engine: SharedEngine, number: int, shown: list[LoadedImage], until: float, heard: Heard
) -> None:
    """One client, until the time is over."""
    chance = random.Random(number)
    who.set(f"client {number}")
    try:
        for visit in count():
            # Each conversation is a new visitor's, whose pictures nobody has seen before.
            tenant = f"client {number}, visit {visit}"
            if time.perf_counter() >= until:
                return
            mine = chance.sample(shown, 2 if chance.random() < 0.2 else 1)
            seen = engine.encode_images(mine, tenant=tenant)
            ids = tuple(image.id for image in seen)
            turns = [Turn("user", chance.choice(OPENINGS), ids)]
            for _ in range(chance.randint(1, 3)):
                if time.perf_counter() >= until:
                    return
                with heard.guard:
                    heard.asked += 1
                prompt = engine.prompt(turns, seen, engine.resolve(None))
                with engine.stream(turns, seen, sampling=SAMPLING, tenant=tenant) as stream:
                    text = "".join(stream)
                answer = stream.answer
                assert answer is not None and answer.text == text, "pieces are not the answer"
                said = engine.prompts.answer_ids(text)
                with heard.guard:
                    heard.tokens += answer.tokens
                    heard.first_words.append(answer.first_word or answer.seconds)
                    heard.said.append(Said(number, prompt, said, answer.finish == "stop"))
                turns += [Turn("assistant", text), Turn("user", chance.choice(FURTHER))]
    except Exception as error:
        with heard.guard:
            heard.failures.append(f"client {number}: {error!r}")


def run(
    engine: SharedEngine, clients: int, shown: list[LoadedImage], seconds: float, memory: list[int]
) -> tuple[Heard, float]:
    """So many clients for so long; what they heard, and the tokens that came a second."""
    heard = Heard()
    began = time.perf_counter()
    threads = [
        threading.Thread(target=converse, args=(engine, n, shown, began + seconds, heard))
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    this = psutil.Process()
    for thread in threads:
        while thread.is_alive():
            thread.join(2.0)
            memory.append(this.memory_info().rss >> 20)
    return heard, heard.tokens / (time.perf_counter() - began)


class Judge:
    """Reads answers again behind their questions, each alone.

    The logits of bfloat16 are 0.125 apart where they decide, which is as much as what is looked
    for: they are computed anew, in full precision, from what the last layer made of the tokens.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        weight = engine.model.get_output_embeddings().weight
        self._weight = (weight if weight.layout == torch.strided else weight.to_dense()).float()
        self._ends = sorted(end_tokens(engine.model))

    @torch.inference_mode()
    def gap(self, said: Said) -> float:
        """By how much the worst token of an answer is behind the likeliest, in logits.

        Read in one go, and where that is much also token by token, behind a prompt in one part and
        in two (what the cache has, and the rest), as the engine alone reads: each rounds in its own
        way, by up to 0.5 here, and what they do not agree upon is rounding.
        """
        length = len(said.prompt)
        found = self._gap(said, ())
        for parts in ((length,), (length // 2, length - length // 2), (5, length - 5)):
            if found >= CLOSE:
                found = min(found, self._gap(said, parts))
        return found

    def _gap(self, said: Said, prompt: tuple[int, ...]) -> float:
        whole = (*said.ids, self._ends[0]) if said.ended else said.ids
        model = self._engine.model
        words = model.get_input_embeddings()(torch.tensor(whole[:-1], dtype=torch.long))
        given = torch.cat([embed(model, said.prompt), words])
        parts = [*prompt, *[1] * len(words)] if prompt else [len(given)]
        cache = DynamicCache()
        with self._engine.alone():
            made = torch.cat(
                [
                    model.model.language_model(
                        inputs_embeds=part[None], cache=cache, use_cache=True
                    ).last_hidden_state[0]
                    for part in given.split(parts)
                ]
            )
        logits = made[-len(whole) :].float() @ self._weight.T
        chosen = logits.gather(-1, torch.tensor(whole)[:, None])[:, 0]
        if said.ended:  # by any token that ends an answer
            chosen[-1] = logits[-1, self._ends].max()
        return float((logits.max(-1).values - chosen).max())


def measure(given: argparse.Namespace) -> dict[str, object]:
    """See the module's text."""
    settings = get_settings()
    plain = Engine.load(quantize=given.quantize)
    shown = pictures()
    shared = SharedEngine(plain, settings=settings)
    memory: list[int] = []
    with show_progress(plain=True) as report:
        report("One client", None)
        one = run(shared, 1, shown, given.alone / 2, [])
        report(f"{given.clients} clients for {given.seconds:.0f} s", None)
        before: Load = shared.load()
        many, together = run(shared, given.clients, shown, given.seconds, memory)
        after: Load = shared.load()
        report("One client again", None)
        again = run(shared, 1, shown, given.alone / 2, [])
        shared.close()
        alone = (one[1] + again[1]) / 2
        different: dict[tuple[object, ...], Said] = {}
        for said in many.said:
            different.setdefault((said.prompt.keys, said.ids), said)
        judge, checked = Judge(plain), []
        for number, said in enumerate(different.values()):
            report("Reading the answers again, alone", number / len(different))
            checked.append(judge.gap(said))
    steps = after.steps_total - before.steps_total
    words = sorted(many.first_words)
    third = len(memory) // 3
    return {
        "quantize": plain.quantization,
        "clients": given.clients,
        "alone": round(alone, 1),
        "alone_before_and_after": [round(one[1], 1), round(again[1], 1)],
        "together": round(together, 1),
        "ratio": round(together / alone, 2),
        "answers": len(many.said),
        "different": len(checked),
        "wrong": sum(gap >= CLOSE for gap in checked),
        "differing": sum(0 < gap < CLOSE for gap in checked),
        "largest_gap": round(max(checked, default=0.0), 3),
        "lost": many.asked - len(many.said),
        "failures": many.failures[:5],
        "tokens_an_answer": round(many.tokens / max(len(many.said), 1), 1),
        "first_word": [
            round(statistics.median(words), 3),
            round(words[int(len(words) * 0.95)], 3),
        ],
        "first_word_alone": round(statistics.median(one[0].first_words), 3),
        "memory": [memory[third], memory[-1]],
        "batch": round((after.rows_total - before.rows_total) / steps, 1),
        "step": round((after.step_seconds_total - before.step_seconds_total) / steps, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--alone", type=float, default=60, help="seconds for one client")
    parser.add_argument("--quantize", default="auto")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(given)
    print(json.dumps(found, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
