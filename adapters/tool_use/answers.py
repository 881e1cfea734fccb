"""Sources with questions: which of them answers, and with what sentence; or that none does."""

from __future__ import annotations

import json
import random
from collections import defaultdict
from dataclasses import dataclass
from importlib.resources import files

from adapters.tool_use.products import Product, drawn, product
from adapters.tool_use.tools import foreign_tools
from adapters.tool_use.wording import in_context, named, pronoun, typed
from adapters.tool_use.words import SAYINGS, WORDS, brand
from assistant.desk_prompts import PHOTO, PICTURE, TEXT_IN_PHOTO, UNKNOWN

_QUESTIONS = 9
_QUESTIONS_OF_ONE = 14


@dataclass(frozen=True)
class Asked:
    """A question and what is to be written: sentences with marks, or `UNKNOWN`."""

    question: str
    answer: str


@dataclass(frozen=True)
class Sheet:
    """Sources, as title and text, and what is asked about them."""

    sources: tuple[tuple[str, str], ...]
    asked: tuple[Asked, ...]


@dataclass(frozen=True)
class PageFact:
    """A fact of a page with its slots filled."""

    sentence: str
    answer: str
    questions: tuple[str, ...]


@dataclass(frozen=True)
class Page:
    """The facts of one page of a business."""

    name: str
    title: str
    facts: tuple[dict[str, object], ...]


class Pages:
    """The pages of `pages.jsonl`; some businesses are held out of the training."""

    def __init__(self, *, held: bool) -> None:
        text = files("adapters.tool_use").joinpath("pages.jsonl").read_text(encoding="utf-8")
        grouped: dict[tuple[str, str], list[dict[str, object]]] = defaultdict(list)
        for line in text.splitlines():
            row = json.loads(line)
            grouped[row["business"], row["page"]].append(row)
        self.pages = [
            Page(page, str(rows[0]["title"]), tuple(rows))
            for (business, page), rows in sorted(grouped.items())
            if (business in HELD_BUSINESSES) == held
        ]


HELD_BUSINESSES = ("pet shop", "museum", "bakery", "bike repair", "garden centre", "library")


def filled(rng: random.Random, row: dict[str, object]) -> PageFact:
    """A fact with values for its slots."""
    slots: dict[str, list[str]] = row["slots"]  # type: ignore[assignment]
    values = {name: rng.choice(choices) for name, choices in slots.items()}

    def fill(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", value)
        return text

    questions: list[str] = row["questions"]  # type: ignore[assignment]
    return PageFact(
        fill(str(row["sentence"])),
        fill(str(row["answer"])),
        tuple(fill(question) for question in questions),
    )


class Sheets:
    """Draws sheets of all kinds."""

    def __init__(self, *, held: bool = False) -> None:
        self._pages = Pages(held=held).pages
        self._foreign = foreign_tools(held=held)

    def draw(self, rng: random.Random) -> Sheet:
        """One sheet."""
        kind = rng.random()
        if kind < 0.42:
            return self.one(rng)
        if kind < 0.62:
            return self.goods(rng)
        if kind < 0.80:
            return self.rules(rng)
        if kind < 0.90:
            return self.mixed(rng)
        if kind < 0.92:
            return pictures(rng)
        if kind < 0.95:
            return self.done(rng)
        return receipt(rng)

    # --- kinds

    def goods(self, rng: random.Random) -> Sheet:
        """Passages of products, sometimes after what a photo shows."""
        products = _alike(rng, rng.choice((2, 3, 4, 4)))
        shown = products[0] if rng.random() < 0.3 else None
        order = rng.sample(products, len(products))
        sources = [(p.title, p.text) for p in order]
        if shown is not None:
            sources.insert(0, photo_source(rng, shown.title, shown.kind))
        asked = [_about(rng, order, shown) for _ in range(_QUESTIONS)]
        return Sheet(tuple(sources), tuple(asked))

    def one(self, rng: random.Random) -> Sheet:
        """The passage of the product that is asked about, sometimes after a photo of it."""
        thing = product(rng)
        shown = thing if rng.random() < 0.3 else None
        sources = [(thing.title, thing.text)]
        if shown is not None:
            sources.insert(0, photo_source(rng, thing.title, thing.kind))
        asked = [_about(rng, [thing], shown) for _ in range(_QUESTIONS_OF_ONE)]
        return Sheet(tuple(sources), tuple(dict.fromkeys(asked)))

    def rules(self, rng: random.Random) -> Sheet:
        """Passages of pages."""
        passages, asked = self._passages(rng, rng.choice((1, 2, 3, 4)))
        order = list(range(len(passages)))
        return _sheet(rng, passages, asked, order)

    def mixed(self, rng: random.Random) -> Sheet:
        """What a search finds among products and pages."""
        passages, asked = self._passages(rng, rng.choice((1, 2)))
        things = [product(rng) for _ in range(rng.choice((1, 2)))]
        passages = [*passages, *((p.title, p.text) for p in things)]
        order = rng.sample(range(len(passages)), len(passages))
        sheet = _sheet(rng, passages, asked, order)
        place = {number: at for at, number in enumerate(order)}
        first = len(passages) - len(things)
        more = []
        for number, thing in enumerate(things):
            for fact in rng.sample(thing.facts, min(2, len(thing.facts))):
                question = rng.choice(fact.questions).replace("{p}", named(rng, thing.title))
                mark = place[first + number] + 1
                more.append(Asked(typed(rng, question), f"{fact.answer} [{mark}]"))
        return Sheet(sheet.sources, (*sheet.asked, *more))

    def done(self, rng: random.Random) -> Sheet:
        """What a foreign tool said, told to the customer."""
        tool = rng.choice(self._foreign)
        said = outcome(rng)
        asked = [Asked(tool.request(rng, "photo 1")[0], f"{said} [1]") for _ in range(3)]
        return Sheet(((tool.line.name, said),), tuple(asked))

    def _passages(
        self, rng: random.Random, count: int
    ) -> tuple[list[tuple[str, str]], list[tuple[str, str, int]]]:
        """Passages, and questions as (question, answer, passage), -1 for those left unknown."""
        pages = rng.sample(self._pages, count)
        passages: list[tuple[str, str]] = []
        asked: list[tuple[str, str, int]] = []
        for number, page in enumerate(pages):
            rows = rng.sample(page.facts, len(page.facts))
            shown = max(1, min(len(rows) - 1, rng.choice((1, 2, 3, 4))))
            told = [filled(rng, row) for row in rows[:shown]]
            passages.append((page.title, " ".join(fact.sentence for fact in told)))
            for fact in told:
                for question in rng.sample(fact.questions, min(2, len(fact.questions))):
                    asked.append((question, fact.answer, number))
            for row in rows[shown : shown + 2]:
                asked.append((rng.choice(filled(rng, row).questions), "", -1))
        others = [page for page in self._pages if page not in pages] or self._pages
        asked.append(
            (rng.choice(filled(rng, rng.choice(rng.choice(others).facts)).questions), "", -1)
        )
        if rng.random() < 0.4:
            asked.append((rng.choice(SAYINGS["elsewhere"]), "", -1))
        return passages, rng.sample(asked, min(len(asked), _QUESTIONS))


def outcome(rng: random.Random) -> str:
    """What some tool may say."""
    number, day = (
        rng.randint(2, 999),
        rng.choice(("Monday", "Tuesday", "12 May", "Friday", "tomorrow")),
    )
    clock = f"{rng.randint(7, 21)}:{rng.choice(('00', '15', '30', '45'))}"
    return rng.choice(
        (
            f"The order is on its way and comes on {day}.",
            f"It is booked for {day} at {clock}.",
            f"The result is {number}.",
            f"There are {number} left.",
            "It is done.",
            f"The amount is {number} euros.",
            f"The code is {brand(rng).upper()}{number}.",
            f"The nearest one is at {number} Mill Lane.",
            f"It was cancelled on {day}.",
            f"The balance is {number}.50.",
            "That was changed.",
            f"It opens at {clock}.",
            f"{number} grams",
            f"An e-mail was sent at {clock}.",
            f"Ready on {day}.",
            f"The number is {rng.choice('ABCKX')}-{number}.",
            "No such entry was found.",
        )
    )


def pictures(rng: random.Random) -> Sheet:
    """What `search_images` found."""
    found = [product(rng).title for _ in range(rng.choice((1, 2, 3, 4)))]
    good = rng.choice((found[0], found[0].split()[-1].lower(), rng.choice(WORDS["foods"]).lower()))
    said = " ".join(f"Here is {title}. [{number}]" for number, title in enumerate(found, 1))
    asked = [
        Asked(typed(rng, text.replace("{good}", good)), said)
        for text in rng.sample(SAYINGS["pictures"], 3)
    ]
    return Sheet(tuple((PICTURE, title) for title in found), tuple(asked))


def photo_source(rng: random.Random, title: str, kind: str) -> tuple[str, str]:
    """What `label_image` found, as a source."""
    label = title.replace(" ", "-") if rng.random() < 0.8 else title
    return (PHOTO, f"{label} ({kind}), confidence {rng.uniform(0.4, 1):.2f}")


def shows(title: str, mark: int) -> str:
    """The sentence that names what a photo shows."""
    return f"The photo shows {title}. [{mark}]"


def _sheet(
    rng: random.Random,
    passages: list[tuple[str, str]],
    asked: list[tuple[str, str, int]],
    order: list[int],
) -> Sheet:
    place = {number: at for at, number in enumerate(order)}
    rows = []
    for question, answer, number in asked:
        text = UNKNOWN if number < 0 else f"{answer} [{place[number] + 1}]"
        rows.append(Asked(typed(rng, question), text))
    return Sheet(tuple(passages[number] for number in order), tuple(rows))


def _alike(rng: random.Random, count: int) -> list[Product]:
    """Products that are easily taken for each other."""
    first = product(rng)
    found = [first]
    while len(found) < count:
        words = first.title.split()
        draw = rng.random()
        if draw < 0.35 and len(words) > 1:
            # The same words but for one.
            words[rng.randrange(len(words))] = rng.choice(WORDS["words"])
            other = product(rng, " ".join(words), first.kind)
        elif draw < 0.7:
            other = product(rng, "", first.kind)
        else:
            other = product(rng)
        if other.title.lower() not in {p.title.lower() for p in found}:
            found.append(other)
    return found


def _about(rng: random.Random, products: list[Product], shown: Product | None) -> Asked:
    """A question about one of the products, or about none of them."""
    first = 2 if shown is not None else 1
    draw = rng.random()
    if shown is not None and draw < 0.12:
        question = rng.choice(SAYINGS["what_is_this"])
        return Asked(typed(rng, question), shows(shown.title, 1))
    about = shown if shown is not None and draw < 0.7 else rng.choice(products)
    mark = products.index(about) + first
    if rng.random() < 0.08:
        # One that is not there, though its name sounds as if it were.
        words = about.title.split()
        words[-1 if rng.random() < 0.5 else 0] = rng.choice(WORDS["words"])
        other = " ".join(words) if rng.random() < 0.6 else brand(rng)
        if other.lower() in {p.title.lower() for p in products}:
            return Asked(rng.choice(SAYINGS["elsewhere"]), UNKNOWN)
        fact = rng.choice(about.facts) if about.facts else None
        question = rng.choice(fact.questions if fact else about.absent)
        return Asked(_worded(rng, question, other, "", None), UNKNOWN)
    if rng.random() < 0.04:
        return Asked(typed(rng, rng.choice(SAYINGS["elsewhere"])), UNKNOWN)
    if rng.random() < 0.27 or not about.facts:
        return Asked(
            _worded(rng, rng.choice(about.absent), about.title, about.kind, shown), UNKNOWN
        )
    fact = drawn(rng, about.facts)
    question = rng.choice(fact.questions)
    text = f"{fact.answer} [{mark}]"
    if about is shown:
        text = f"{shows(about.title, 1)} {text}"
    return Asked(_worded(rng, question, about.title, about.kind, shown), text)


def _worded(rng: random.Random, question: str, title: str, kind: str, shown: Product | None) -> str:
    """By name, or about the photo as a decision's query puts it: ``name: question``."""
    draw = rng.random()
    if shown is not None and shown.title == title and draw < 0.75:
        plain = typed(rng, pronoun(rng, question))
        return f"{title}: {plain}" if draw < 0.5 else plain
    if draw < 0.25:
        return f"{title}: {typed(rng, pronoun(rng, question))}"
    return typed(rng, in_context(rng, question, named(rng, title, kind), SAYINGS["contexts"]))


def receipt(rng: random.Random) -> Sheet:
    """The text of a receipt, label or screen, as `read_text` gives it."""
    shop = (
        f"{brand(rng)} {rng.choice(('Market', 'Store', 'Shop', 'Foods', 'Ltd', 'Kiosk'))}".upper()
    )
    goods = rng.sample([*WORDS["packed"], *WORDS["foods"]], rng.randint(2, 6))
    prices = [f"{rng.randint(0, 40)}.{rng.choice(('00', '50', '90', '95', '25'))}" for _ in goods]
    total = f"{sum(map(float, prices)):.2f}"
    date = f"{rng.randint(1, 28):02}.{rng.randint(1, 12):02}.20{rng.randint(20, 29)}"
    clock = f"{rng.randint(8, 21)}:{rng.randint(0, 59):02}"
    number = str(rng.randint(1000, 99999))
    payment = rng.choice(("CARD", "CASH", "VISA", "GIFT CARD"))
    lines = [shop, f"Receipt no {number}", f"{date} {clock}"]
    lines += [f"{thing} {price}" for thing, price in zip(goods, prices, strict=True)]
    lines += [f"TOTAL {total}", payment]
    asked: list[tuple[str, str]] = [
        (
            rng.choice(
                (
                    "What is the total?",
                    "how much did i pay",
                    "what's the sum on this receipt?",
                    "total amount please",
                )
            ),
            f"TOTAL {total}",
        ),
        (
            rng.choice(
                (
                    "What is the date on it?",
                    "when was this bought",
                    "which day is the receipt from?",
                )
            ),
            f"The date is {date}",
        ),
        (
            rng.choice(("Which shop is this from?", "what store is it", "where was this bought?")),
            f"The shop is {shop}",
        ),
        (
            rng.choice(("What is the receipt number?", "receipt no?", "which number does it have")),
            f"Receipt no {number}",
        ),
        (
            rng.choice(("How was it paid?", "cash or card?", "what payment method was used")),
            f"The payment is {payment}",
        ),
    ]
    thing, price = rng.choice(list(zip(goods, prices, strict=True)))
    asked.append(
        (
            rng.choice(
                (
                    f"How much was the {thing}?",
                    f"price of {thing.lower()}",
                    f"what did the {thing.lower()} cost?",
                )
            ),
            f"{thing} {price}",
        )
    )
    missing = rng.choice([good for good in WORDS["packed"] if good not in goods])
    unknown = [
        f"How much was the {missing}?",
        "who was the cashier",
        "What is the address of the shop?",
        "how long is the guarantee?",
        "what is my customer number",
        "Is there a discount code?",
    ]
    rows = [Asked(typed(rng, question), f"{answer}. [1]") for question, answer in asked]
    rows += [Asked(typed(rng, question), UNKNOWN) for question in rng.sample(unknown, 2)]
    return Sheet(((TEXT_IN_PHOTO, " ".join(lines)),), tuple(rng.sample(rows, len(rows))))
