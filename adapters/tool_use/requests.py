"""Conversations: what customers ask for, with which photos, and the steps that it takes.

Each is a list of exchanges. Of the last one, and of the calls of those before it, every step is
learnt. What was said in the end of an earlier one is only read.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from adapters.tool_use.answers import Pages, filled, outcome, receipt
from adapters.tool_use.descriptions import VISIBLE
from adapters.tool_use.products import Product, drawn, product
from adapters.tool_use.tools import OWN, ForeignTool, foreign_tools, renamed
from adapters.tool_use.wording import in_context, named, pronoun, typed
from adapters.tool_use.words import SAYINGS, WORDS
from assistant.desk_prompts import (
    CALL,
    FINISH,
    SAY,
    Exchange,
    Line,
    Step,
    ToolLine,
    exchange_lines,
    photo,
)

ASKS_FOR_PERSON = "the customer asks for a person"
GRAVE = "the customer has a serious complaint"
# About looks: of a photo, the picture itself answers these.
_VISIBLE = VISIBLE | {"about", "ripe"}


@dataclass(frozen=True)
class Learnt:
    """A turn of a conversation; ``learnt`` is what the model is to write."""

    role: str
    text: str
    learnt: bool


@dataclass(frozen=True)
class Case:
    """A conversation to learn a decision from, and what kind it is."""

    kind: str
    lines: tuple[Learnt, ...]

    def calls(self) -> set[str]:
        """Names of the tools that are called."""
        written = (line.text for line in self.lines if line.role == "assistant")
        return {text.split()[1] for text in written if text.startswith(CALL)}


@dataclass(frozen=True)
class Page:
    """A list of tools and conversations that use them."""

    tools: tuple[ToolLine, ...]
    cases: tuple[Case, ...]


class Requests:
    """Draws pages of decisions."""

    def __init__(self, *, held: bool = False) -> None:
        self._foreign = foreign_tools(held=held)
        self._pages = Pages(held=held).pages
        self._kinds: dict[str, tuple[float, tuple[str, ...], Callable[..., Case]]] = {
            "fact in words": (4.0, ("search_knowledge",), self._fact),
            "rule": (3.0, ("search_knowledge",), self._rule),
            "fact of a photo": (5.0, ("label_image", "search_knowledge"), self._two_hops),
            "follow-up": (2.5, ("label_image", "search_knowledge"), self._follow_up),
            "follow-up in words": (1.5, ("search_knowledge",), self._follow_up_in_words),
            "rule beside a photo": (0.8, ("search_knowledge",), self._rule_beside_photo),
            "name": (1.5, ("label_image",), self._name),
            "describe": (1.5, ("describe_image",), self._describe),
            "look": (2.5, ("ask_image",), self._look),
            "read": (1.5, ("read_text",), self._read),
            "paper": (1.2, ("read_text",), self._paper),
            "similar": (1.0, ("search_images",), self._similar),
            "show": (1.2, ("search_images",), self._show),
            "person": (1.5, ("hand_over",), self._person),
            "small talk": (1.5, (), self._small_talk),
            "no photo": (1.0, (), self._no_photo),
            "which": (0.8, (), self._which),
        }

    def draw(self, rng: random.Random, count: int = 12) -> Page:
        """A list of tools, and conversations of all kinds that it has the tools for."""
        own = list(OWN)
        if rng.random() < 0.3:
            own = rng.sample(own, rng.randint(2, len(own)))
        foreign = rng.sample(self._foreign, min(len(self._foreign), rng.choice((0, 0, 1, 2, 3, 5))))
        lines = [OWN[name] for name in own] + [renamed(rng, tool.line) for tool in foreign]
        if rng.random() < 0.5:
            rng.shuffle(lines)
        kinds = {
            name: (weight, draw)
            for name, (weight, needs, draw) in self._kinds.items()
            if set(needs) <= set(own)
        }
        cases = []
        for _ in range(count):
            if foreign and rng.random() < 0.3:
                cases.append(self._foreign_case(rng, rng.choice(foreign)))
                continue
            (name,) = rng.choices(list(kinds), [weight for weight, _ in kinds.values()])
            case = kinds[name][1](rng)
            while not case.calls() <= set(own):  # what came before may have needed another tool
                case = kinds[name][1](rng)
            cases.append(replace(case, kind=name))
        return Page(tuple(lines), tuple(cases))

    # --- kinds, each with the tools that the table above names

    def _fact(self, rng: random.Random) -> Case:
        thing = product(rng)
        text = _question(rng, thing)
        return _case([], _looked_up(text, self._passage(rng, thing)), finish=True)

    def _rule(self, rng: random.Random) -> Case:
        text, found = self._rule_text(rng)
        return _case([], Exchange(text, (), (_search(text, found),)), finish=True)

    def _two_hops(self, rng: random.Random) -> Case:
        thing = product(rng)
        text = _pronoun_question(rng, thing)
        if rng.random() < 0.15:
            text = f"{rng.choice(SAYINGS['beside_photo'])} {text}"
        before = self._earlier(rng) if rng.random() < 0.25 else []
        number = 1 + sum(len(exchange.photos) for exchange in before)
        label, said = _label(rng, thing)
        named = Step("label_image", {"image": photo(number)}, label)
        if rng.random() < 0.08:
            named = replace(named, result=_no_label(rng))
            return _case(before, Exchange(text, (number,), (named,)), finish=True)
        steps = (named, _search(f"{said}: {text}", self._passage(rng, thing)))
        return _case(before, Exchange(text, (number,), steps), finish=True)

    def _follow_up(self, rng: random.Random) -> Case:
        thing = product(rng)
        first = typed(rng, rng.choice(SAYINGS["what_is_this"]))
        label, said = _label(rng, thing)
        steps = [Step("label_image", {"image": photo(1)}, label)]
        answered = f"The photo shows {said}."
        if rng.random() < 0.5:
            first = _pronoun_question(rng, thing)
            steps.append(_search(f"{said}: {first}", self._passage(rng, thing)))
            if thing.facts:
                answered += " " + rng.choice(thing.facts).answer
        before = [Exchange(first, (1,), tuple(steps), answered)]
        if rng.random() < 0.2:
            before.append(Exchange("thanks", (), (), "You are welcome! Is there anything else?"))
        text = rng.choice(SAYINGS["and"]) + _pronoun_question(rng, thing)
        if rng.random() < 0.25:
            text, found = self._rule_text(rng)
            return _case(before, Exchange(text, (), (_search(text, found),)), finish=True)
        found = self._passage(rng, thing)
        return _case(before, Exchange(text, (), (_search(f"{said}: {text}", found),)), finish=True)

    def _follow_up_in_words(self, rng: random.Random) -> Case:
        thing = product(rng)
        first = _question(rng, thing, plain=True)
        found = self._passage(rng, thing)
        said = rng.choice(thing.facts).answer if thing.facts else "I do not know that."
        before = [Exchange(first, (), (_search(first, found),), said)]
        text = rng.choice(SAYINGS["and"]) + _pronoun_question(rng, thing, visible=True)
        query = f"{thing.title}: {text}"
        return _case(before, Exchange(text, (), (_search(query, found),)), finish=True)

    def _rule_beside_photo(self, rng: random.Random) -> Case:
        text, found = self._rule_text(rng)
        return _case([], Exchange(text, (1,), (_search(text, found),)), finish=True)

    def _name(self, rng: random.Random) -> Case:
        before, number, new = self._photos(rng)
        label, _ = _label(rng, product(rng))
        if rng.random() < 0.1:
            label = _no_label(rng)
        step = Step("label_image", {"image": photo(number)}, label)
        text = typed(rng, rng.choice(SAYINGS["what_is_this"]))
        return _case(before, Exchange(text, new, (step,)), finish=True)

    def _describe(self, rng: random.Random) -> Case:
        before, number, new = self._photos(rng)
        step = Step("describe_image", {"image": photo(number)}, rng.choice(SAYINGS["captions"]))
        text = rng.choice(SAYINGS["describe"] if new else SAYINGS["describe"][:-1])
        text = typed(rng, text) if text else ""
        return _case(before, Exchange(text, new, (step,)), finish=True)

    def _look(self, rng: random.Random) -> Case:
        before, number, new = self._photos(rng)
        text = typed(rng, _visual(rng))
        step = Step(
            "ask_image", {"image": photo(number), "question": text}, rng.choice(SAYINGS["seen"])
        )
        return _case(before, Exchange(text, new, (step,)), finish=True)

    def _read(self, rng: random.Random) -> Case:
        before, number, new = self._photos(rng)
        step = Step("read_text", {"image": photo(number)}, receipt(rng).sources[0][1])
        text = typed(rng, rng.choice(SAYINGS["read"]))
        return _case(before, Exchange(text, new, (step,)), finish=True)

    def _paper(self, rng: random.Random) -> Case:
        step = Step("read_text", {"image": photo(1)}, receipt(rng).sources[0][1])
        text = rng.choice(SAYINGS["paper"]).replace("{good}", rng.choice(WORDS["packed"]).lower())
        return _case([], Exchange(typed(rng, text), (1,), (step,)), finish=True)

    def _similar(self, rng: random.Random) -> Case:
        before, number, new = self._photos(rng)
        found = "\n".join(f"{product(rng).title} ({rng.getrandbits(32):08x})" for _ in range(3))
        step = Step("search_images", {"image": photo(number)}, found)
        text = typed(rng, rng.choice(SAYINGS["similar"]))
        return _case(before, Exchange(text, new, (step,)), finish=True)

    def _show(self, rng: random.Random) -> Case:
        thing = product(rng)
        good = rng.choice(
            (
                thing.title,
                thing.kind.lower(),
                f"{rng.choice(WORDS['colours'])} {thing.kind.lower()}",
            )
        )
        found = f"{thing.title} ({rng.getrandbits(32):08x})"
        step = Step("search_images", {"query": good}, found)
        text = rng.choice(SAYINGS["show"]).replace("{good}", good)
        return _case([], Exchange(text, (), (step,)), finish=True)

    def _person(self, rng: random.Random) -> Case:
        before = self._earlier(rng) if rng.random() < 0.5 else []
        grave = rng.random() < 0.3
        text = typed(rng, rng.choice(SAYINGS["grave" if grave else "person"]))
        shown = (1 + sum(len(e.photos) for e in before),) if grave and rng.random() < 0.3 else ()
        step = Step("hand_over", {"reason": GRAVE if grave else ASKS_FOR_PERSON})
        return _case(before, Exchange(text, shown, (step,)))

    def _small_talk(self, rng: random.Random) -> Case:
        before = self._earlier(rng) if rng.random() < 0.4 else []
        text, said = rng.choice(SAYINGS["hello"])
        return _case(before, Exchange(typed(rng, text), (), (), said), say=True)

    def _no_photo(self, rng: random.Random) -> Case:
        text, said = rng.choice(SAYINGS["no_photo"])
        return _case([], Exchange(typed(rng, text), (), (), said), say=True)

    def _which(self, rng: random.Random) -> Case:
        text = _pronoun_question(rng, product(rng))
        return _case([], Exchange(text, (), (), SAYINGS["which"]), say=True)

    def _foreign_case(self, rng: random.Random, tool: ForeignTool) -> Case:
        if tool.vague and rng.random() < 0.2:
            text = typed(rng, rng.choice(tool.vague))
            case = _case([], Exchange(text, (), (), tool.ask_back), say=True)
            return replace(case, kind="foreign, vague")
        number = (1,) if tool.takes_photo else ()
        text, values = tool.request(rng, photo(1))
        step = Step(tool.line.name, values, outcome(rng))
        return replace(_case([], Exchange(text, number, (step,)), finish=True), kind="foreign")

    # --- parts

    def _rule_text(self, rng: random.Random) -> tuple[str, str]:
        page = rng.choice(self._pages)
        fact = filled(rng, rng.choice(page.facts))
        return typed(rng, rng.choice(fact.questions)), f"[1] {page.title}: {fact.sentence}"

    def _passage(self, rng: random.Random, thing: Product) -> str:
        found = [f"[1] {thing.title}: {thing.text}"]
        if rng.random() < 0.3:
            other = product(rng)
            found = [f"[1] {other.title}: {other.text}"]
        return found[0] if rng.random() < 0.95 else "Nothing was found in the knowledge base."

    def _earlier(self, rng: random.Random) -> list[Exchange]:
        """An exchange that has nothing to do with what comes."""
        draw = rng.random()
        if draw < 0.4:
            text, found = self._rule_text(rng)
            return [Exchange(text, (), (_search(text, found),), found[4:].partition(": ")[2])]
        if draw < 0.6:
            text, said = rng.choice(SAYINGS["hello"])
            return [Exchange(text, (), (), said)]
        if draw < 0.8:
            caption = rng.choice(SAYINGS["captions"])
            step = Step("describe_image", {"image": photo(1)}, caption)
            return [Exchange(rng.choice(SAYINGS["describe"][:-1]), (1,), (step,), caption)]
        thing = product(rng)
        text = _question(rng, thing)
        said = rng.choice(thing.facts).answer if thing.facts else "I do not know that."
        return [Exchange(text, (), (_search(text, self._passage(rng, thing)),), said)]

    def _photos(self, rng: random.Random) -> tuple[list[Exchange], int, tuple[int, ...]]:
        """What was before, the photo that is meant, and the photos that come with the question."""
        draw = rng.random()
        if draw < 0.6:
            return [], 1, (1,)
        before = self._earlier(rng)
        count = sum(len(exchange.photos) for exchange in before)
        if count and draw < 0.8:
            return before, 1, ()
        return before, count + 1, (count + 1,)


def _case(
    before: list[Exchange], last: Exchange, *, finish: bool = False, say: bool = False
) -> Case:
    lines: list[Learnt] = []
    for exchange in before:
        lines += [_learnt(line, said=False) for line in exchange_lines(exchange)]
    lines += [_learnt(line, said=say) for line in exchange_lines(last)]
    if finish:
        lines.append(Learnt("assistant", FINISH, True))
    return Case("", tuple(lines))


def _learnt(line: Line, *, said: bool) -> Learnt:
    role, text = line
    return Learnt(role, text, role == "assistant" and (said or not text.startswith(SAY)))


def _search(query: str, found: str) -> Step:
    return Step("search_knowledge", {"query": query}, found)


def _looked_up(text: str, found: str) -> Exchange:
    return Exchange(text, (), (_search(text, found),))


def _label(rng: random.Random, thing: Product) -> tuple[str, str]:
    """What `label_image` says, and the label in words."""
    label = thing.title.replace(" ", "-") if rng.random() < 0.8 else thing.title
    return f"{label} ({thing.kind}), confidence {rng.uniform(0.4, 1):.2f}", thing.title


def _no_label(rng: random.Random) -> str:
    best = product(rng).title.replace(" ", "-")
    return f"none of these (at best {best}, confidence {rng.uniform(0.05, 0.5):.2f})"


def _question(rng: random.Random, thing: Product, *, plain: bool = False) -> str:
    asked = drawn(rng, thing.facts).questions if thing.facts else thing.absent
    if rng.random() < 0.25:
        asked = thing.absent
    name = thing.title if plain else named(rng, thing.title, thing.kind)
    return typed(rng, in_context(rng, rng.choice(asked), name, SAYINGS["contexts"]))


def _pronoun_question(rng: random.Random, thing: Product, *, visible: bool = False) -> str:
    facts = tuple(fact for fact in thing.facts if visible or fact.name not in _VISIBLE)
    asked = drawn(rng, facts).questions if facts and rng.random() < 0.7 else thing.absent
    return typed(rng, pronoun(rng, rng.choice(asked)))


def _visual(rng: random.Random) -> str:
    text: str = rng.choice(SAYINGS["look"])
    return text.replace("{thing}", rng.choice(SAYINGS["things"])).replace(
        "{who}", rng.choice(SAYINGS["who"])
    )
