"""What a visitor waits for: photo and question, follow-up with and without the cache.

    python -m tests.benchmarks.chat --json

Median seconds over --rounds, in one run and turn about:

- `first_word`, `answer`: a new photo and a question, to the first word, to the last of 32 tokens;
- `follow_up`: the third question about that photo, to the first word, and `follow_up_cleared`, the
  same after everything that was computed for the conversation was dropped; `ratio` of the two. A
  visitor reads an answer before the next question: meanwhile the model reads ahead;
- `computed` and `reused`: tokens of the follow-up's prompt;
- `token`: each further token of the long answer.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from assistant.engine import Answer, Engine, Sampling, Turn
from assistant.images import LoadedImage, open_image

PHOTOS = Path(__file__).resolve().parents[1] / "photos"
QUESTIONS = ("What is in this picture?", "What colour is it?", "Is it on a table?")
SHORT, LONG = Sampling(max_tokens=12), Sampling(max_tokens=32)
READING_S = 0.5  # between an answer and the next question


def first_word(engine: Engine, turns: list[Turn], image: LoadedImage) -> tuple[float, Answer]:
    """Seconds from the question, its picture's encoding included, to the first word."""
    began = time.perf_counter()
    with engine.stream(turns, [engine.encode_image(image)], sampling=SHORT) as stream:
        next(stream)
        seconds = time.perf_counter() - began
        for _ in stream:
            pass
    assert stream.answer is not None
    time.sleep(READING_S)
    return seconds, stream.answer


def measure(engine: Engine, rounds: int) -> dict[str, float]:
    """See the module's text."""
    photos = [open_image(path) for path in sorted(PHOTOS.glob("*.webp"))]
    taken: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        taken.setdefault(name, []).append(value)

    for number in track(range(rounds), "Asking", console=Console(stderr=True)):
        image = photos[number % len(photos)]
        engine.forget()
        turns = [Turn("user", QUESTIONS[0], (image.id,))]
        note("first_word", first_word(engine, turns, image)[0])
        engine.forget()
        began = time.perf_counter()
        free = [Turn("user", "Describe the picture in detail.", (image.id,))]
        answer = engine.generate(free, [engine.encode_image(image)], sampling=LONG)
        note("answer", time.perf_counter() - began)
        note("answer_tokens", answer.tokens)
        assert answer.first_word is not None
        note("token", (answer.seconds - answer.first_word) / max(answer.tokens - 2, 1))
        engine.forget()
        for question in QUESTIONS[1:]:
            answer = first_word(engine, turns, image)[1]
            turns += [Turn("assistant", answer.text), Turn("user", question)]
        seconds, cached = first_word(engine, turns, image)
        note("follow_up", seconds)
        note("computed", cached.computed)
        note("reused", cached.reused)
        engine.forget()
        seconds, cleared = first_word(engine, turns, image)
        note("follow_up_cleared", seconds)
        assert cleared.reused == 0
    found = {name: round(statistics.median(values), 4) for name, values in taken.items()}
    found["ratio"] = round(found["follow_up"] / found["follow_up_cleared"], 3)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found = measure(Engine.load(), given.rounds)
    print(json.dumps(found, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
