"""How well `assistant.grounding` tells true sentences from corrupted ones, and how fast.

    python -m tests.benchmarks.grounding --products FILE.jsonl [--show 20] [--sheets 600]

Pairs are made from the product file: each fact in several wordings, and the same corrupted: another
number, another country, another product, the opposite, an attribute that nobody mentioned. Prints
one JSON object: share of true sentences that are dropped, of corrupted ones that pass (by kind),
and milliseconds a sentence. `--least` tries another share of content words. `--sheets` adds what
nobody wrote for this: answers of the agent's training material, true, and with their sources taken
away.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from assistant.grounding import check, judging, marks, sentences, without_marks
from assistant.sources import Source
from tests.benchmarks.product_facts import Facts, read_facts

WORDINGS = {
    "origin": (
        "{name} comes from {value}.",
        "The {lower} is from {value} [1].",
        "It comes from {value}.",
        "Its country of origin is {value}.",
        "Our {lower} are grown in {value}.",
        "{value} is where the {lower} comes from.",
    ),
    "volume": (
        "{name} weighs about {value}.",
        "It weighs {value} [1].",
        "One {lower} has a weight of around {value}.",
        "The size is {value}.",
    ),
    "made_in": (
        "{name} is made in {value}.",
        "The manufacturing country is {value}.",
        "It is produced in {value} [1].",
    ),
    "manufacturer": (
        "{name} is made by {value}.",
        "The manufacturer is {value}.",
        "{value} makes it [1].",
    ),
    "nutrient": (
        "{name} has {value} grams of {what} per 100 grams.",
        "It contains about {value} g of {what} per 100 g [1].",
        "There are {value} grams of {what} in 100 grams.",
        "The {what} content is {value} g.",
    ),
    "kcal": (
        "It has {value} kcal per 100 g.",
        "{name} contains about {value} calories per 100 g [1].",
        "The energy is {value} kilocalories.",
    ),
}  # fmt: skip
INVENTED = (
    "{name} is gluten free.", "It is a good source of iron.", "It lasts ten days at home.",
    "{name} costs 2 euros.", "It was harvested by hand.", "It keeps for 3 weeks.",
    "{name} is on offer this week.", "It won a prize for flavour.", "It is suitable for vegans.",
    "The packaging is recyclable.", "It helps against a cold.", "{name} is grown in greenhouses.",
)  # fmt: skip
QUESTIONS = {
    "origin": "Where does {lower} come from?",
    "volume": "How much does {lower} weigh?",
    "made_in": "Which country is {lower} made in?",
    "manufacturer": "Who makes {lower}?",
    "nutrient": "How much {what} is in {lower}?",
    "kcal": "How many calories has {lower}?",
}


@dataclass(frozen=True)
class Pair:
    """A sentence with its sources, and whether it is true."""

    kind: str
    sentence: str
    sources: tuple[Source, ...]
    question: str
    true: bool


def source_of(facts: Facts) -> Source:
    """A passage much as the knowledge base cuts it."""
    lines = dict.fromkeys(" ".join(line.split()) for line in facts.row.get("information", []))
    text = "\n".join([facts.description, *(x for x in lines if not x.startswith("Description"))])
    return Source("passage", facts.label, facts.name, text, "products.jsonl", facts.label)


def make_pairs(products: list[Facts], seed: int = 0) -> Iterator[Pair]:
    """True and corrupted sentences about each product, the right passage among two others."""
    draw = random.Random(seed)
    for facts in products:
        if not facts.row.get("information"):
            continue
        others = draw.sample([p for p in products if p.label != facts.label], 2)
        sources = tuple(source_of(each) for each in (facts, *others))
        for kind, what, value in _values(facts):
            wordings = WORDINGS[kind]
            words = {"name": facts.name, "lower": facts.name.lower(), "what": what}
            question = QUESTIONS[kind].format(**words)
            for wording in wordings:
                yield Pair(kind, wording.format(**words, value=value), sources, question, True)
                wrong = _other_value(kind, value, facts, products, draw)
                yield Pair(
                    f"other {kind}", wording.format(**words, value=wrong), sources, question, False
                )
            stranger = draw.choice(
                [
                    p
                    for p in products
                    if not _alike(p, facts, kind, value) and p.name not in facts.text
                ]
            )
            named = next(x for x in wordings if "{name}" in x)
            swapped = named.format(**words | {"name": stranger.name}, value=value)
            with_other = (sources[0], *sources[1:], source_of(stranger))
            yield Pair("other product", swapped, sources[:1], "", False)
            yield Pair("other product beside", swapped, with_other, question, False)
            if kind in {"origin", "made_in", "manufacturer"}:
                denied = named.replace(" is ", " is not ").replace("comes", "does not come")
                yield Pair("denied", denied.format(**words, value=value), sources, question, False)
        for sentence in sentences(facts.description):
            if re.search(r"\w", sentence):
                yield Pair("quoted", sentence, sources, "", True)
                if re.search(r"\bis (?!not)", sentence):
                    turned = re.sub(r"\bis ", "is not ", sentence, count=1)
                    yield Pair("quoted, denied", turned, sources, "", False)
        for sentence in draw.sample(INVENTED, 4):
            said = sentence.format(name=facts.name)
            yield Pair("invented", said, sources, f"Tell me about {facts.name}", False)


def _values(facts: Facts) -> Iterator[tuple[str, str, str]]:
    for kind in ("origin", "volume", "made_in", "manufacturer", "kcal"):
        if value := getattr(facts, kind):
            yield kind, "", value
    for what, (value, unit) in facts.nutrition.items():
        if unit == "gram" and what in {"fat", "sugar", "protein", "saturated fat"}:
            yield "nutrient", what, value


def _other_value(
    kind: str, value: str, facts: Facts, products: list[Facts], draw: random.Random
) -> str:
    if kind == "nutrient":
        inside = [v for v, _ in facts.nutrition.values() if float(v) != float(value)]
        return draw.choice([*inside, str(round(float(value) + draw.choice([1.3, 4, 11]), 1))])
    if kind == "kcal":
        return str(int(float(value)) + draw.choice([7, 20, 100]))
    if kind == "volume":
        return re.sub(r"[\d.]+", lambda m: f"{float(m[0]) + draw.choice([1, 20, 150]):g}", value)
    pool = {getattr(p, kind) for p in products} - {value, "", facts.manufacturer}
    return draw.choice(sorted(x for x in pool if x not in facts.text)) if pool else "Atlantis"


def _alike(other: Facts, facts: Facts, kind: str, value: str) -> bool:
    """Whether the sentence would be true of the other product, or names this one as well."""
    mine, theirs = set(facts.name.lower().split()), set(other.name.lower().split())
    if mine & theirs or other.label == facts.label:
        return True
    if kind == "nutrient":
        return any(v == value for v, _ in other.nutrition.values())
    if kind in {"origin", "made_in"}:
        return value in (other.origin, other.made_in)
    return getattr(other, kind) == value


def foreign_sheets(count: int, seed: int) -> dict[str, float]:
    """Shares of answers from the training material that are dropped, and that pass unsupported."""
    from adapters.tool_use.answers import Sheets

    draw = random.Random(seed)
    true: list[bool] = []
    removed: list[bool] = []
    for held in (True, False):
        drawn = Sheets(held=held)
        for sheet in (drawn.draw(draw) for _ in range(count)):
            sources = [
                Source(
                    "image" if re.search("photo|picture", title) else "passage",
                    str(number),
                    title,
                    text,
                    "label_image",
                )
                for number, (title, text) in enumerate(sheet.sources, 1)
            ]
            for asked in sheet.asked:
                for sentence in sentences(asked.answer) if marks(asked.answer) else ():
                    cited = set(marks(sentence))
                    true.append(check(sentence, sources, asked.question).supported)
                    left = [s for n, s in enumerate(sources, 1) if n not in cited]
                    if left and cited:
                        found = check(without_marks(sentence), left, asked.question)
                        removed.append(found.supported)
    return {
        "sheets_true": len(true),
        "sheets_false_drop": round(1 - sum(true) / max(1, len(true)), 5),
        "sheets_without_source": len(removed),
        "sheets_false_accept": round(sum(removed) / max(1, len(removed)), 5),
    }


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=Path, required=True)
    parser.add_argument("--least", type=float, default=judging.LEAST_COVERED)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", type=int, default=0, help="Print so many wrong judgements.")
    parser.add_argument("--sheets", type=int, default=0, help="Sheets of the training material.")
    args = parser.parse_args()
    judging.LEAST_COVERED = args.least
    told: Counter[tuple[str, bool]] = Counter()
    wrong: Counter[tuple[str, bool]] = Counter()
    seconds: list[float] = []
    shown: list[str] = []
    for pair in make_pairs(read_facts(args.products), args.seed):
        started = time.thread_time()
        support = check(pair.sentence, pair.sources, pair.question)
        seconds.append(time.thread_time() - started)
        right = support.supported == pair.true and not (pair.true and support.source != 0)
        told[pair.kind, pair.true] += 1
        if not right:
            wrong[pair.kind, pair.true] += 1
            shown.append(f"{pair.kind}: {pair.sentence} | {pair.question} | {support}")
    random.Random(args.seed).shuffle(shown)
    for line in shown[: args.show]:
        print(line)
    result: dict[str, object] = {
        "least_covered": args.least,
        "true": sum(n for (_, true), n in told.items() if true),
        "false_drop": _share(wrong, told, True),
        "corrupted": sum(n for (_, true), n in told.items() if not true),
        "false_accept": _share(wrong, told, False),
        "by_kind": {
            kind: f"{wrong[kind, true]}/{count}" for (kind, true), count in sorted(told.items())
        },
        "ms_median": round(1000 * statistics.median(seconds), 3),
        "ms_p99": round(1000 * statistics.quantiles(seconds, n=100)[98], 3),
    }
    if args.sheets:
        result |= foreign_sheets(args.sheets, args.seed)
    print(json.dumps(result, ensure_ascii=False))


def _share(wrong: Counter, told: Counter, true: bool) -> float:
    count = sum(n for (_, kind), n in told.items() if kind == true)
    return round(sum(n for (_, kind), n in wrong.items() if kind == true) / max(1, count), 4)


if __name__ == "__main__":
    main()
