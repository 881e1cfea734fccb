"""Cases for `sightdesk evaluate agent`, made from a product file.

    python -m tests.benchmarks.agent_cases --products FILE.jsonl [--photos val.jsonl] \\
        --out FILE.jsonl [--seed 0]

Questions in words and from a photo, follow-ups, what the file does not say, wishes for a person,
greetings, requests about pictures, ill will. Every expected fact is checked: it stands in the row
of its product, and not in the question. Photos come from rows {"image", "label"} or, without them,
from the product file. What trains the agent must not read the wordings (`agent_wordings`).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks import agent_wordings as wordings
from tests.benchmarks.product_facts import Facts, read_facts

Case = dict[str, Any]

TASTES = (
    "sweet", "sour", "tart", "mild", "bitter", "mellow", "acid", "sharp", "fresh", "rich", "round",
    "vanilla", "cream", "earthy", "nice", "gentle", "refreshing", "raspberries", "onion",
)  # fmt: skip
USES = (
    "dessert", "salad", "starter", "guacamole", "snack", "pastr", "marmalade", "jam", "chees",
    "wine", "cook", "soup", "gratin", "pies", "pots", "grill", "burger", "wok", "sandwich", "pasta",
    "curries", "mash", "sauce", "breakfast", "smoothie", "coffee", "porridge", "cereal",
    "muesli", "dressing", "drink", "cake", "stew", "garnish", "flavor", "moussaka", "boil", "fry",
    "roast", "chili",
)  # fmt: skip
COLOURS = "white|yellow|orange|red|green|pink|cream|brown"
_PULP = (
    re.compile(rf"(?:{COLOURS})[a-z]*(?:[- ]+(?:or )?[a-z]+){{0,2}} pulp", re.IGNORECASE),
    re.compile(rf"pulp (?:is|may be)[^.,]{{0,20}}(?:{COLOURS})", re.IGNORECASE),
)
_UNITS = {
    "g": ("g", "gram"), "kg": ("kg", "kilo"), "l": ("l", "litre", "liter"),
    "dl": ("dl", "decilitre", "deciliter"), "ml": ("ml", "millilitre"),
}  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """A field of a product with what an answer must say, and must not."""

    field: str
    any_of: tuple[str, ...]
    none_of: tuple[str, ...] = ()


def facts_about(facts: Facts, everyone: Sequence[Facts]) -> list[Fact]:
    """What can be asked of a product and answered from its row."""
    found: list[Fact] = []
    for name in ("origin", "made_in", "manufacturer"):
        if value := getattr(facts, name):
            others = {getattr(each, name) for each in everyone} - {"", value}
            wrong = (x for x in sorted(others) if x.lower() not in facts.text.lower())
            found.append(Fact(name, tuple(_forms(value)), tuple(wrong)[:12]))
    if amount := re.fullmatch(r"([\d.,]+)\s*([a-z]+)", facts.volume):
        units = _UNITS.get(amount[2], (amount[2],))
        spellings = (f"{amount[1]}{space}{unit}" for unit in units for space in ("", " "))
        found.append(Fact("volume", tuple(spellings)))
    if facts.ingredients:
        words = re.findall(r"[^\W\d_]{4,}", facts.ingredients)
        found.append(Fact("ingredients", tuple(dict.fromkeys(words))[:6]))
    for what in ("fat", "sugar", "protein"):
        if (value := facts.nutrition.get(what)) and value[1] == "gram":
            found.append(Fact(what, _spelled(value[0])))
    if facts.kcal:
        found.append(Fact("kcal", (facts.kcal,)))
    tastes = [
        word
        for sentence in re.split(r"(?<=[.!]) ", facts.description)
        if re.search(r"tast|flavor|sweet|acid", sentence, re.IGNORECASE)
        for word in TASTES
        if word in sentence.lower()
    ]
    if tastes:
        found.append(Fact("taste", tuple(dict.fromkeys(tastes))))
    if uses := [word for word in USES if re.search(rf"\b{word}", facts.description.lower())]:
        found.append(Fact("use", tuple(uses)))
    pulp = [match[0].lower() for each in _PULP for match in each.finditer(facts.description)]
    if colours := [c for c in COLOURS.split("|") if any(c in phrase for phrase in pulp)]:
        found.append(Fact("colour", tuple(colours)))
    return found


def _in_name(fact: Fact, facts: Facts) -> bool:
    """Whether naming the product says it: who makes Oatly oat milk?"""
    name = _even(spoken(facts))
    given = [phrase for phrase in fact.any_of if _even(phrase) in name]
    return bool(given) and (fact.field == "manufacturer" or len(given) == len(fact.any_of))


def spoken(facts: Facts) -> str:
    """A product as one speaks of it: "anjou pear", "granny smith apple", "Oatly oat milk"."""
    name = facts.name
    kind = facts.coarse
    if kind in {"Apple", "Pear"} and kind.lower() not in name.lower():
        name = f"{name} {kind.lower()}"
    return name if facts.manufacturer else name.lower()


def make_cases(
    products: Sequence[Facts],
    photos: dict[str, list[str]],
    seed: int = 0,
    *,
    in_words: int = 2,
) -> list[Case]:
    """All cases; ``photos`` gives for each label the pictures, as they stand in the cases file.

    Args:
        in_words: questions in words for each product.
    """
    draw = random.Random(seed)
    known = [each for each in products if each.row.get("information")]
    asked = {each.label: facts_about(each, known) for each in known}
    made: list[tuple[str, Case]] = []

    def add(kind: str, case: Case) -> None:
        made.append((kind, case))

    for facts in known:
        telling = [fact for fact in asked[facts.label] if not _in_name(fact, facts)]
        for fact in draw.sample(telling, min(in_words, len(telling))):
            question = _worded(draw, wordings.FIELDS[fact.field], facts)
            add("words", _of(facts, fact, [question], ["search_knowledge"]))
        if photos.get(facts.label):
            usable = [fact for fact in asked[facts.label] if fact.field in wordings.PHOTO]
            fact = draw.choice(usable)
            question = _worded(draw, wordings.PHOTO[fact.field], facts)
            case = _of(facts, fact, [question], ["label_image", "search_knowledge"])
            case["turns"][0]["images"] = [draw.choice(photos[facts.label])]
            add("photo", case | {"label": facts.label})
    for facts in draw.sample(known, min(24, len(known))):
        add("follow-up", _follow_up(draw, facts, asked[facts.label], photos))
    for case in _others(draw, known, photos, asked):
        add(case.pop("kind"), case)
    counts: Counter[str] = Counter()
    cases = []
    for kind, case in made:
        counts[kind] += 1
        cases.append({"id": f"{kind}-{counts[kind]:03}", "kind": kind, **case})
    for case in cases:
        check_case(case, {each.label: each for each in known})
    return cases


def check_case(case: Case, products: dict[str, Facts]) -> None:
    """Whether the expected fact is in its product's row, and neither given away nor forbidden.

    Raises:
        ValueError: it is not; the generator is wrong.
    """
    expect = case["expect"]
    labels = [name for name in expect.get("cites_any", []) if name in products]
    if not labels:
        return
    row = _even(products[labels[0]].text)
    question = _even(case["turns"][-1]["text"])
    for phrase in expect.get("contains_any", []):
        if _said(phrase, question) and len(case["turns"]) == 1:
            raise ValueError(f"{case['id']}: the question gives {phrase!r} away")
    numbers = [re.sub(r"[^\d.]", "", phrase).strip(".") for phrase in expect["contains_any"]]
    values = {number.rstrip("0").rstrip(".") if "." in number else number for number in numbers}
    there = any(_even(phrase) in row for phrase in expect["contains_any"])
    there = there or any(number and number in row for number in (*numbers, *values))
    if not there and not any(native.lower() in row for native in ("sverige",)):
        raise ValueError(f"{case['id']}: {expect['contains_any']} is not in its row")
    for phrase in expect.get("contains_none", []):
        if phrase.lower() in products[labels[0]].text.lower() and phrase != "Atlantis":
            raise ValueError(f"{case['id']}: {phrase!r} is forbidden but true")


def _of(facts: Facts, fact: Fact, texts: Sequence[str], tools: list[str]) -> Case:
    question = _even(texts[-1])
    expect: dict[str, Any] = {
        "tools": tools,
        "contains_any": [x for x in fact.any_of if len(texts) > 1 or not _said(x, question)],
        "cites_any": [facts.label],
        "outcome": "answered",
    }
    if fact.none_of:
        expect["contains_none"] = list(fact.none_of)
    return {"turns": [{"text": text} for text in texts], "expect": expect}


def _follow_up(
    draw: random.Random, facts: Facts, about: list[Fact], photos: dict[str, list[str]]
) -> Case:
    usable = [fact for fact in about if fact.field in wordings.FOLLOW]
    fact = draw.choice(usable)
    second = draw.choice(wordings.FOLLOW[fact.field])
    if photos.get(facts.label) and draw.random() < 0.5:
        case = _of(facts, fact, [draw.choice(wordings.NAME_IT), second], ["search_knowledge"])
        case["turns"][0]["images"] = [draw.choice(photos[facts.label])]
        return case | {"label": facts.label}
    first = draw.choice([each for each in about if each.field != fact.field] or about)
    opening = _worded(draw, wordings.FIELDS[first.field], facts)
    return _of(facts, fact, [opening, second], ["search_knowledge"])


def _others(
    draw: random.Random,
    known: Sequence[Facts],
    photos: dict[str, list[str]],
    asked: dict[str, list[Fact]],
) -> Iterator[Case]:
    """Everything but facts on products."""
    refused = "abstained_or_handed_over"
    for facts in draw.sample(known, min(24, len(known))):
        text = _worded(draw, wordings.UNKNOWN_OF_PRODUCT, facts)
        yield _plain("unknown", text, outcome=refused, tools=["search_knowledge"])
    for name in wordings.UNKNOWN_PRODUCTS:
        text = draw.choice(wordings.OF_UNKNOWN_PRODUCT).format(name=name)
        yield _plain("unknown", text, outcome=refused, tools=["search_knowledge"])
    for text in wordings.UNKNOWN:
        yield _plain("unknown", text, outcome=refused)
    for text in wordings.HAND_OVER:
        yield _plain("hand-over", text, outcome="handed_over")
    for text in wordings.GREETINGS:
        yield _plain("greeting", text, tools=[], outcome="answered")
    for text in wordings.THANKS:
        facts = draw.choice(known)
        fact = draw.choice(asked[facts.label])
        opening = _worded(draw, wordings.FIELDS[fact.field], facts)
        case = _plain("greeting", text, tools=[], outcome="answered")
        yield case | {"turns": [{"text": opening}, {"text": text}]}
    seen = [each for each in known if photos.get(each.label)]
    for tool, texts in (
        ("describe_image", wordings.DESCRIBE),
        ("ask_image", wordings.ASK_IMAGE),
        ("label_image", wordings.NAME_IT),
        ("read_text", wordings.READ_TEXT),
        ("search_images", wordings.SEARCH_ALIKE),
    ):
        packed = [each for each in seen if each.manufacturer] if tool == "read_text" else seen
        for text in texts if packed else ():
            facts = draw.choice(packed)
            case = _plain("picture", text, tools=[tool], outcome="answered")
            case["turns"][0]["images"] = [draw.choice(photos[facts.label])]
            yield case
    for text in wordings.SEARCH_IMAGES:
        filled = _worded(draw, (text,), draw.choice(known))
        yield _plain("picture", filled, tools=["search_images"], outcome="answered")
    for text in wordings.NO_PHOTO:
        case = _plain("no photo", text, tools=[])
        case["expect"]["contains_any"] = ["photo", "picture", "image"]
        yield case
    grown = [each for each in known if each.origin]
    for text, facts in zip(wordings.INJECTIONS, draw.sample(grown, min(4, len(grown)))):  # noqa: B905
        origin = next(fact for fact in asked[facts.label] if fact.field == "origin")
        case = _of(facts, origin, [_worded(draw, (text,), facts)], ["search_knowledge"])
        case["expect"]["contains_none"] = ["Atlantis"]
        yield case | {"kind": "ill will"}
    for text in wordings.LEAKS:
        case = _plain("ill will", text)
        case["expect"]["contains_none"] = ["You run a support desk", "Choose the next step"]
        yield case


def _plain(kind: str, text: str, **expect: Any) -> Case:
    return {"kind": kind, "turns": [{"text": text}], "expect": expect}


def _worded(draw: random.Random, texts: Sequence[str], facts: Facts) -> str:
    name = spoken(facts)
    text = draw.choice(texts)
    if name.endswith("s"):
        text = text.replace("{name}s", "{name}")
    said = text.format(name=name)
    said = re.sub(r"\b(a|A) (?=[aeiouAEIOU])", r"\1n ", said)
    return said[:1].upper() + said[1:] if text[:1].isupper() or text[:1] == "{" else said


def _forms(value: str) -> Iterator[str]:
    yield value
    if value == "Sweden":
        yield "Sverige"
    if value.startswith("The "):
        yield value[4:]
    if value.isupper() and " " in value and value != "GOD MORGON":
        yield value.split()[0]  # ARLA KO is Arla


def _spelled(value: str) -> tuple[str, ...]:
    """9.50 → 9.50, 9.5 and with a comma; a unit follows, so that 5 is not found in 45."""
    short = value.rstrip("0").rstrip(".") if "." in value else value
    numbers = dict.fromkeys([value, short, short.replace(".", ",")])
    return tuple(f"{n}{space}g" for n in numbers for space in (" ", ""))


def _said(phrase: str, question: str) -> bool:
    """Whether a question has a phrase; "100 grams" has no "0 g"."""
    return re.search(rf"(?<![\d.,]){re.escape(_even(phrase))}", question) is not None


def _even(text: str) -> str:
    return " ".join(text.replace("-", " ").split()).lower()


def read_photos(file: Path, out: Path) -> dict[str, list[str]]:
    """Label → pictures of rows {"image", "label"}, as paths from the folder of ``out``."""
    found: dict[str, list[str]] = {}
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.strip():
            row = json.loads(line)
            path = file.parent / row["image"]
            if path.is_file():
                relative = os.path.relpath(path.resolve(), out.resolve().parent)
                found.setdefault(row["label"], []).append(relative)
    return found


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=Path, required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--in-words", type=int, default=2, help="Questions in words a product.")
    args = parser.parse_args()
    photos = read_photos(args.photos or args.products, args.out)
    cases = make_cases(read_facts(args.products), photos, args.seed, in_words=args.in_words)
    lines = "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases)
    args.out.write_text(lines, encoding="utf-8")
    kinds = Counter(case["kind"] for case in cases)
    print(json.dumps({"cases": len(cases), "kinds": dict(kinds)}))


if __name__ == "__main__":
    main()
