"""How often the passage that answers a customer's question is found, and how quickly.

    python -m tests.benchmarks.retrieval --products products.jsonl --json

Every fact of every product is asked for in five wordings: by name, in small letters, with a slip,
and by two nicknames that are not the name (`nicknames`; half a name for a product without any).
Prints recall@1 and @5 in all, by wording and by fact, the milliseconds of a query, and with
--misses which questions failed. The bar is 95 % at 5.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from assistant.embedder import Embedder, Vectors, text_embedder
from assistant.knowledge import Knowledge
from assistant.settings import Settings
from tests.benchmarks.nicknames import NICKNAMES

BAR = 0.95
TIMED = 60
"""Questions whose time is taken."""

ERRORS = Console(stderr=True)

# Of each fact, how it shows in a product's row, and how customers ask for it.
ASKED = {
    "origin": (
        ("country",),
        ("Where does {} come from?", "Which country is {} from?", "what is the origin of {}"),
    ),
    "size": (
        ("and volume",),
        ("How much is in a pack of {}?", "what size or weight does {} have", "how heavy is {}"),
    ),
    "maker": (("manufacturer",), ("Who makes {}?", "which brand is {}", "{} - who produces it?")),
    "ingredients": (
        ("ingredients",),
        ("What is in {}?", "ingredients of {} please", "i have an allergy, what does {} contain"),
    ),
    "fat": (("fett ", "fat "), ("How much fat is in {}?", "is {} fatty?", "fat content of {}")),
    "sugar": (
        ("sockerarter", "sugars"),
        ("How much sugar does {} have?", "sugar in {}", "is there a lot of sugar in {}"),
    ),
    "energy": (
        ("kilokalori", "kilocalorie"),
        ("How many calories does {} have?", "kcal per 100 g of {}", "is {} fattening, calories?"),
    ),
    "vitamins": (("vitamin",), ("Which vitamins are in {}?", "does {} contain vitamins")),
    "about": (
        ("",),
        ("Tell me about {}.", "what does {} taste like", "how can i use {} in the kitchen", "{}"),
    ),
}


class Remembered:
    """An embedder that embeds many questions at once, ahead of their search."""

    def __init__(self, model: Embedder) -> None:
        self.model, self.name = model, model.name
        self.vectors: dict[str, Vectors] = {}

    def remember(self, texts: Sequence[str]) -> None:
        """Embed them, in the order of their lengths, which wastes least."""
        order = sorted(set(texts), key=len)
        self.vectors.update(zip(order, self.model.encode(order, query=True), strict=True))

    def encode(self, texts: Sequence[str], *, query: bool = False) -> Vectors:
        """As the model's; what is remembered is not embedded again."""
        if query and all(text in self.vectors for text in texts):
            return np.stack([self.vectors[text] for text in texts])
        return self.model.encode(texts, query=query)


@dataclass(frozen=True)
class Question:
    """A question, and the label of the product that answers it."""

    text: str
    label: str
    fact: str
    wording: str


def questions(rows: list[dict[str, Any]]) -> Iterator[Question]:
    """All questions about these products; the same ones each time."""
    for row in rows:
        label = row["label"]
        chance = random.Random(label)
        names = wordings(label, row.get("coarse_label", ""), chance)
        said = " ".join([row.get("description", ""), *row.get("information", [])]).casefold()
        for fact, (marks, templates) in ASKED.items():
            if not any(mark in said for mark in marks):
                continue
            for place, (wording, name) in enumerate(names.items()):
                text = templates[(place + chance.randrange(2)) % len(templates)].format(name)
                yield Question(text if wording == "name" else text.lower(), label, fact, wording)


def wordings(label: str, coarse: str, chance: random.Random) -> dict[str, str]:
    """What a product may be called."""
    name = label.replace("-", " ")
    words = name.split()
    half = " ".join(words[1:] or words)
    first, second = NICKNAMES.get(label, (half.lower(), f"{coarse} {words[0]}".lower()))
    return {
        "name": name,
        "small": name.lower(),
        "slip": slip(name.lower(), chance),
        "nickname": first,
        "other nickname": second,
    }


def slip(name: str, chance: random.Random) -> str:
    """`name` with two letters of its longest word swapped, one left out, or one twice."""
    word = max(name.split(), key=len)
    at = chance.randrange(1, len(word) - 1)
    swapped = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
    wrong = chance.choice([swapped, word[:at] + word[at + 1 :], word[:at] + word[at] + word[at:]])
    return name.replace(word, wrong, 1)


def measure(products: Path, embedder: str | None, limit: int | None) -> dict[str, Any]:
    """Recall and times over the products of a file."""
    rows = [json.loads(line) for line in products.read_text("utf-8").splitlines() if line.strip()]
    asked = list(questions(rows))
    if limit is not None:
        asked = random.Random(0).sample(asked, min(limit, len(asked)))
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), embedder=embedder)
        model = text_embedder(None, settings)
        embedder_once = Remembered(model)
        knowledge = Knowledge.open(settings, embedder=embedder_once)
        start = time.perf_counter()
        added = knowledge.add(products)
        adding = time.perf_counter() - start
        embedder_once.remember([question.text for question in asked])
        ranks: list[tuple[Question, int | None, list[str]]] = []
        for question in track(asked, "Asking", console=ERRORS):
            hits = knowledge.search(question.text, limit=5)
            found = [hit.passage.label for hit in hits]
            rank = found.index(question.label) + 1 if question.label in found else None
            ranks.append((question, rank, found))
        # One by one, as customers ask.
        embedder_once.vectors.clear()
        times: list[float] = []
        for question in random.Random(1).sample(asked, min(TIMED, len(asked))):
            start = time.perf_counter()
            knowledge.search(question.text, limit=5)
            times.append(time.perf_counter() - start)
        knowledge.store.close()
    return {
        "products": len(rows),
        "questions": len(asked),
        "passages": added.passages,
        "recall@1": share([rank == 1 for _, rank, _ in ranks]),
        "recall@5": share([rank is not None for _, rank, _ in ranks]),
        "by_wording": grouped(ranks, "wording"),
        "by_fact": grouped(ranks, "fact"),
        "add_seconds": round(adding, 1),
        "query_ms": {
            "median": round(1000 * statistics.median(times), 1),
            "p95": round(1000 * statistics.quantiles(times, n=20)[-1], 1),
        },
        "passed": share([rank is not None for _, rank, _ in ranks]) >= BAR,
        "misses": [
            {**asdict(question), "found": found} for question, rank, found in ranks if rank is None
        ],
    }


def grouped(ranks: list[tuple[Question, int | None, list[str]]], by: str) -> dict[str, Any]:
    """Recall for each value of a question's attribute."""
    groups: dict[str, list[int | None]] = defaultdict(list)
    for question, rank, _ in ranks:
        groups[getattr(question, by)].append(rank)
    return {
        name: {
            "questions": len(each),
            "recall@1": share([rank == 1 for rank in each]),
            "recall@5": share([rank is not None for rank in each]),
        }
        for name, each in groups.items()
    }


def share(values: list[bool]) -> float:
    """Part of the values that are true, four places."""
    return round(sum(values) / max(1, len(values)), 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=Path, required=True, help="JSON lines of products")
    parser.add_argument("--embedder", help="directory or hub id; all-MiniLM-L6-v2 by default")
    parser.add_argument("--limit", type=int, help="ask only so many questions, drawn at random")
    parser.add_argument("--misses", action="store_true", help="list the questions that failed")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    result = measure(given.products, given.embedder, given.limit)
    if not given.misses:
        del result["misses"]
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name}: {value if not isinstance(value, list) else ''}")
        for each in value if isinstance(value, list) else []:
            print("   ", each)


if __name__ == "__main__":
    main()
