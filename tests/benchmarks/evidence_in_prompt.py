"""Does it help to tell the language model what the encoder's ImageNet head sees?

    python -m tests.benchmarks.evidence_in_prompt --captions dev.jsonl --corpus train.jsonl \\
        --labels val.jsonl --named FOLDER --json

Asks each question as it is and with "The picture may show: <names>." before it, for names above
two probabilities, and prints the share of right answers, for familiar and unfamiliar pictures
apart, over the pictures that have such a name. FOLDER holds pictures whose file names say what they
show, such as ``great_heron.png``: an answer that has one of the words is right.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track

from adapters.metrics import normalize_answer, normalize_label
from adapters.mixture import CaptionSource
from adapters.rows import read_labels
from assistant.engine import EncodedImage, Engine, Sampling, Turn
from assistant.evidence import Evidence, judge, shipped_domain
from assistant.images import open_image
from assistant.prompts import LABEL_QUESTION

FROM = (0.15, 0.5)
BATCH = 8
ERRORS = Console(stderr=True)


@dataclass(frozen=True)
class Item:
    """A question about a picture, and what is right."""

    kind: str
    path: Path
    question: str
    answers: tuple[str, ...]

    def right(self, answer: str) -> bool:
        if self.kind == "named":
            return bool(set(self.answers) & set(re.findall("[a-z]+", answer.lower())))
        if self.kind == "label":
            return normalize_label(answer) == normalize_label(self.answers[0])
        return normalize_answer(answer) == normalize_answer(self.answers[0])


def items(given: argparse.Namespace) -> list[Item]:
    """Up to --limit questions of each kind, drawn with a seed."""
    found: list[Item] = []
    if given.captions:
        pictures = CaptionSource.read(given.captions)
        maker = CaptionSource.read(given.corpus).questions
        for index, path in enumerate(pictures.paths):
            rng = random.Random(index)
            pairs = maker.answerable(pictures.references[index], rng, 1)
            found += [Item("answerable", path, pair.question, (pair.answer,)) for pair in pairs]
            asked = maker.unanswerable(pictures.references[index], rng, 1, heldout=True)
            found += [Item("unanswerable", path, pair.question, (pair.answer,)) for pair in asked]
    if given.labels:
        found += [
            Item("label", row.path, LABEL_QUESTION, (row.label,))
            for row in read_labels(given.labels)
        ]
    for path in sorted(given.named.rglob("*.png")) if given.named else []:
        words = tuple(word for word in re.findall("[a-z]+", path.stem.lower()) if len(word) > 2)
        if words and min(open_image(path).pixels.size) >= 64:
            found.append(Item("named", path, "What is in the picture?", words))
    random.Random(0).shuffle(found)
    kept: dict[str, list[Item]] = defaultdict(list)
    for item in found:
        if len(kept[item.kind]) < given.limit:
            kept[item.kind].append(item)
    return [item for group in kept.values() for item in group]


def ask(
    engine: Engine,
    asked: Sequence[tuple[Item, EncodedImage, Evidence]],
    start: float | None,
) -> list[str]:
    """Answers, with the names from that probability on before the question."""
    conversations = []
    for item, image, evidence in asked:
        names = [name for name, share in evidence.names if start and share >= start]
        words = f"The picture may show: {', '.join(names)}. " if names else ""
        conversations.append(([Turn("user", words + item.question, (image.id,))], [image]))
    answers = engine.generate_batch(conversations, sampling=Sampling(max_tokens=24))
    return [answer.text for answer in answers]


def look(engine: Engine, part: Sequence[Item]) -> list[tuple[Item, EncodedImage, Evidence]]:
    """The questions with their pictures encoded and judged."""
    tower = engine.model.model.vision_tower
    seen = []
    for item, image in zip(
        part, engine.encode_images([open_image(item.path) for item in part]), strict=True
    ):
        assert image.pooled is not None
        seen.append((item, image, judge(image.pooled, tower, shipped_domain())))
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for option in ("--captions", "--corpus", "--labels", "--named"):
        parser.add_argument(option, type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--examples", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    engine = Engine.load()
    questions = items(given)
    tallies: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    shown = 0
    for begin in track(range(0, len(questions), BATCH), "Asking", console=ERRORS):
        seen = look(engine, questions[begin : begin + BATCH])
        plain = ask(engine, seen, None)
        for start in FROM:
            which = [i for i, (_, _, found) in enumerate(seen) if found.names[0][1] >= start]
            hinted = ask(engine, [seen[i] for i in which], start) if which else []
            for i, answer in zip(which, hinted, strict=True):
                item, _, evidence = seen[i]
                side = "familiar" if evidence.familiar else "unfamiliar"
                pair = item.right(plain[i]), item.right(answer)
                tallies[f"{item.kind}, {side}, names from {start}"].append(pair)
                if shown < given.examples and plain[i] != answer:
                    shown += 1
                    ERRORS.print(f"{item.path.name} {item.question} | {plain[i]} | {answer}")
    result: dict[str, Any] = {
        name: {
            "n": len(pairs),
            "without": round(sum(before for before, _ in pairs) / len(pairs), 3),
            "with": round(sum(after for _, after in pairs) / len(pairs), 3),
        }
        for name, pairs in sorted(tallies.items())
    }
    print(json.dumps(result, indent=None if given.json else 1))


if __name__ == "__main__":
    main()
