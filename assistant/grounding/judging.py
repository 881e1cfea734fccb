"""Whether a sentence stands in one of its sources.

A claim is a sentence without its marks: amounts, content words with their polarity, and whom it is
about. A source supports it if every amount stands there beside the same attribute, every content
word is there (or, for names and topics, in the question), no negation is turned round, and the
product that sentence or question name is the source's own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from assistant.grounding.cutting import marks, without_marks
from assistant.grounding.naming import whole_labels
from assistant.grounding.numbers import Amount
from assistant.grounding.tables import listed
from assistant.grounding.texts import Facts, Text, countries_in, facts_of, pairs, read
from assistant.grounding.words import Word, measured, plain, words
from assistant.sources import Source

LEAST_COVERED = 1.0
"""Share of the content words that must be there; see `tests/benchmarks/grounding.py`."""
LEAST_COVERED_WIDE = 0.6
"""The same of pairs of Chinese or Japanese characters, which are not words."""
MAX_SENTENCE = 2_000
_MAX_SOURCE = 20_000

_ANSWER = re.compile(
    r"^\W*(?P<word>yes|yeah|yep|no|nope)(?:\s*[,.!:;–-]+\s*|\s*$|\s+(?=(?:it|they|this|that|we)\b))",
    re.IGNORECASE,
)
# What is said of the picture itself rests on the picture.
_SHOWN = re.compile(
    r"\b(?:photo|picture|image)\b[^.]{0,20}\bshows?\b|\bI (?:can )?see\b|"
    r"^\s*(?:in|on) (?:the|your|this) (?:photo|picture|image),? (?:there )?(?:is|are|I)\b",
    re.IGNORECASE,
)
_PICTURED = re.compile(r"\b(photo|picture|image|shows?|see|looks?)\b", re.IGNORECASE)
# Questions whose words an answer may take up: they ask for one thing and claim nothing else.
_OPEN = re.compile(
    r"\b(where|when|who|how (?:much|many|long|heavy|big|large|far|old)|what country|what(?:'s| is) "
    r"the (?:weight|origin|price|country|volume))\b",
    re.IGNORECASE,
)
_SUBJECT = re.compile(
    r"\b(?:do|does|did|is|are|was|were|of|about|in|with|has|have)\s+"
    r"(?:(?:the|a|an|your|our|my|these|those|this|that|some|any)\s+)*(?P<name>[^?.,!;\n]{1,60}?)"
    r"(?=\s+(?:come|comes|weigh|cost|made|from|grow|grown|taste|contain|have|in|look|per|good|"
    r"originate|imported|produced|harvested)\b|\s*(?:[?.,!;\n]|$))",
    re.IGNORECASE,
)
_GENERIC = listed(
    "fruit vegetable product item one ones juice drink apple thing it they them this that these "
    "those he she you we i there"
)


@dataclass(frozen=True)
class Support:
    """What `check` found.

    Attributes:
        supported: the sentence may be said; also true of one that claims nothing ("You're
            welcome!"), which has no source.
        source: index of the source that carries it, or comes nearest; None where none does.
        score: share of its amounts and content words that are there, 0 to 1.
        missing: those that are not, as written; also a product that is not the source's, and words
            whose negation is turned round.
    """

    supported: bool
    source: int | None
    score: float
    missing: tuple[str, ...] = ()


def check(sentence: str, sources: Sequence[Source], question: str = "") -> Support:
    """Whether the sources carry a sentence of an answer, and which of them best.

    Args:
        sentence: with its marks, if it has any: ``[1]`` is ``sources[0]``, and then only sources
            that it cites count. Without marks all of them do.
        sources: passages, and pictures with what a tool saw in them.
        question: the customer's; names and topics may come from it, amounts never.

    Returns:
        The best source's `Support`. A sentence of more than 2,000 characters has none.
    """
    cited = marks(sentence)
    unknown = tuple(f"[{mark}]" for mark in cited if not 1 <= mark <= len(sources))
    if unknown or len(sentence) > MAX_SENTENCE:
        return Support(False, None, 0.0, unknown)
    text = without_marks(sentence)
    claim = _claim(text, question)
    if not any(not word.is_free for word in claim.words) and not claim.amounts:
        return Support(True, None, 1.0)
    asked = read(question[:MAX_SENTENCE])
    facts = [facts_of(source.label, source.title, source.text[:_MAX_SOURCE]) for source in sources]
    candidates = [mark - 1 for mark in cited] or list(range(len(sources)))
    if _SHOWN.search(text):
        candidates = [index for index in candidates if sources[index].kind == "image"]
    if not candidates:
        return Support(False, None, 0.0, _shown(claim.words, claim.amounts))
    named = _named(claim, asked, sources, facts)
    seen = frozenset().union(*(
        fact.own | (fact.said if source.origin == "label_image" else frozenset())
        for source, fact in zip(sources, facts, strict=True)
        if source.kind == "image" and source.label
    ))  # fmt: skip
    pictured = _PICTURED.search(text) is not None

    def judged(index: int) -> Support:
        source, fact = sources[index], facts[index]
        others = frozenset().union(*(each.own for each in facts if each.label != fact.label))
        return _judge(index, source, fact, claim, asked, question, named, seen, others)

    def rank(support: Support) -> tuple[bool, float, bool, bool]:
        source = sources[support.source or 0]
        fitting = pictured == (source.kind == "image")
        return support.supported, support.score, bool(source.label in named), fitting

    return max((judged(index) for index in candidates), key=rank)


def unknown_subject(question: str, source: Source) -> tuple[str, ...]:
    """What the question is about and the source does not know, such as a product it never names.

    ``"Where do your starfruits come from?"`` → ``("starfruits",)`` for a passage on pears; empty
    where the question says "it" or "this", or where any of its subject's words is known.
    """
    facts = facts_of(source.label, source.title, source.text[:_MAX_SOURCE])
    return _unknown_subject(question[:MAX_SENTENCE], facts)


def _judge(
    index: int,
    source: Source,
    facts: Facts,
    claim: Text,
    asked: Text,
    question: str,
    named: frozenset[str],
    seen: frozenset[str],
    others: frozenset[str],
) -> Support:
    content = [word for word in claim.words if not word.is_free]
    if claim.foreign and not facts.text.foreign:
        return _judge_foreign(index, source, facts, claim, named)
    allowed = _from_question(source, facts, claim, asked, question, others) | (
        seen if source.kind == "passage" else frozenset()
    )
    there = facts.said - facts.own
    values = bool(claim.amounts) or any(word.stem in there for word in content)
    absent = [
        word
        for word in content
        if word.stem not in facts.said
        and word.stem not in allowed
        and not (values and word.is_attribute)
    ]
    unsaid = {word.stem for word in content if word.is_attribute} - facts.said
    lost = [
        amount
        for amount in claim.amounts
        if not _bound(amount, claim, facts, asked) or not _may_be(amount, unsaid, facts)
    ]
    turned = _turned(claim, facts)
    parts = len(content) + len(claim.amounts)
    score = 1 - (len(absent) + len(lost) + 0.5 * len(turned)) / max(1, parts)
    wrong: tuple[str, ...] = ()
    if source.label and named and source.label not in named:
        wrong = (next(iter(sorted(named))),)
    elif source.label and not named:
        wrong = _stranger(claim, facts) or (
            () if facts.own & claim.stems else _unknown_subject(question, facts)
        )
    least = LEAST_COVERED_WIDE if claim.wide else LEAST_COVERED
    covered = 1 - len(absent) / max(1, len(content))
    anchored = bool(claim.amounts) or any(word.stem in facts.said for word in content)
    supported = covered >= least and anchored and not lost and not turned and not wrong
    if claim.wide and supported:
        absent = []
    missing = (*wrong, *_shown(absent, lost), *(word.shown for word in turned))
    return Support(supported, index, max(0.0, score - (0.5 if wrong else 0)), missing)


def _judge_foreign(
    index: int, source: Source, facts: Facts, claim: Text, named: frozenset[str]
) -> Support:
    """A claim in another language than its source: amounts, countries and products only.

    At least one of them must be there, for all else cannot be compared.
    """
    lost = [amount for amount in claim.amounts if not amount.is_in(facts.text.amounts)]
    places = countries_in(claim)
    absent = [name for name, country in places if country not in facts.said]
    if claim.wide:  # a name in Latin letters stands out of Chinese
        absent += [
            word.shown
            for word in claim.words
            if word.shown[0].isascii() and not word.is_free and word.stem not in facts.said
        ]
    anchors = len(claim.amounts) + len(places) + len(facts.own & claim.stems)
    wrong = tuple(sorted(named)[:1]) if named and source.label not in named else ()
    missing = (*wrong, *_shown((), lost), *absent)
    score = 1 - (len(lost) + len(absent)) / anchors if anchors else 0.0
    return Support(anchors > 0 and not missing, index, max(0.0, score), missing)


def _claim(text: str, question: str) -> Text:
    """What a sentence claims; a bare "yes" or "no" claims what was asked."""
    answer = _ANSWER.match(text)
    rest = text[answer.end() :] if answer else text
    claim = read(rest)
    if answer is None or claim.amounts or any(not word.is_free for word in claim.words):
        return claim
    asked = read(question[:MAX_SENTENCE])
    if not answer["word"].lower().startswith("n"):
        return asked
    turned = tuple(replace(word, denial=int(not word.denial)) for word in asked.words)
    return replace(asked, words=turned)


def _named(
    claim: Text, asked: Text, sources: Sequence[Source], facts: Sequence[Facts]
) -> frozenset[str]:
    """The labels that the claim is about: named in it, else in the question, else in a photo."""
    labels = {source.label: fact.label for source, fact in zip(sources, facts, strict=True)
              if source.label and fact.label}  # fmt: skip
    for text in (claim, asked):
        if whole := whole_labels(text, labels):
            several = len(whole) > 1 and text is claim
            return frozenset(("several products",)) if several else whole
    return frozenset(
        source.label
        for source in sources
        if source.kind == "image" and source.label and source.origin != "search_images"
    )


def _stranger(claim: Text, facts: Facts) -> tuple[str, ...]:
    """Another product that the source only compares with, where the claim is about that one."""
    strangers = facts.text.compared - facts.own
    subject = claim.stems - claim.compared
    if facts.label <= subject or not strangers & subject:
        return ()
    return tuple(word.shown for word in claim.words if word.stem in strangers & subject)


def _unknown_subject(question: str, facts: Facts) -> tuple[str, ...]:
    unknown: list[str] = []
    for found in _SUBJECT.finditer(plain(question)):
        name = [w for w in words(found["name"]) if not w.is_free and w.stem not in _GENERIC]
        if any(word.stem in facts.said for word in name):
            return ()
        unknown += [word.shown for word in name]
    return tuple(unknown)


def _from_question(
    source: Source,
    facts: Facts,
    claim: Text,
    asked: Text,
    question: str,
    others: frozenset[str],
) -> frozenset[str]:
    """Stems that the claim may take from the question; never the names of other products.

    Of a question that asks for one thing ("where …", "how much …"), not of "is it good for pies?".
    What a claim on a labelled product takes must not stand beside the product's name, for there it
    would say which one it is.
    """
    if not _OPEN.search(question):
        return frozenset()
    allowed = asked.stems - others
    if source.label:
        if not facts.own & claim.stems:
            return frozenset()
        in_order = [word for word in claim.words if word.stem]
        for before, after in pairwise(in_order):
            if after.stem in facts.own:
                allowed -= {before.stem}
            if before.stem in facts.own:
                allowed -= {after.stem}
    return allowed


def _bound(amount: Amount, claim: Text, facts: Facts, asked: Text) -> bool:
    """Whether the source has this amount, and not beside another attribute than the claim has."""
    there = tuple(other for other in facts.text.amounts if amount.per or not other.per)
    if not amount.may_be_in(there):
        return False
    if amount.per:
        return True
    clause, _ = claim.places[claim.amounts.index(amount)]
    own = _name_words(claim, facts)
    beside = {
        word.stem
        for word in claim.words
        if word.clause == clause and not word.is_free and word.start not in own
    }
    if not beside & facts.said:
        beside = set((claim.stems - facts.own) & facts.said or (asked.stems - facts.own))
    disagrees = False
    for word in facts.text.words:
        if word.stem not in beside:
            continue
        others = _beside(word, facts.text, amount)
        if amount.may_be_in(others):
            return True
        disagrees = disagrees or any(other.unit == amount.unit for other in others)
    # "1 litre" is not the 1 of "Class 1".
    return not disagrees and amount.is_in(there)


def _may_be(amount: Amount, attributes: set[str], facts: Facts) -> bool:
    """Whether an amount may be the value of attributes that its source does not name.

    The 1 of "Class 1" is no certification, and 1 l does not say what is in stock.
    """
    if not attributes or amount.per:
        return True
    if any(amount.unit not in measured()[each] for each in attributes & measured().keys()):
        return False
    return bool(amount.unit) or any(
        amount.equals(other) and not other.unit for other in facts.text.amounts
    )


def _name_words(claim: Text, facts: Facts) -> set[int]:
    """Where the words stand in a claim that are part of the product's name.

    The second "fat" of "Medium Fat Milk has 1.5 g of fat" is not.
    """
    found: set[int] = set()
    run: list[Word] = []
    for word in (*claim.words, None):
        if word is not None and word.stem in facts.own:
            run.append(word)
            continue
        if len(run) > 1 or {each.stem for each in run} >= facts.label:
            found.update(each.start for each in run)
        run = []
    return found


def _beside(word: Word, text: Text, amount: Amount) -> tuple[Amount, ...]:
    """Amounts of the same kind in the word's clause, or in its line if there are but few."""
    same = [
        (other, place)
        for other, place in zip(text.amounts, text.places, strict=True)
        if not other.per and (other.unit == amount.unit or not amount.unit or not other.unit)
    ]
    headed = [other for other, (clause, _) in same if clause == word.clause + 1]
    if word.heads and headed:
        return (headed[0],)
    near = tuple(other for other, (clause, _) in same if clause == word.clause)
    if near:
        return near
    line = tuple(other for other, (_, line) in same if line == word.line)
    return line if len(line) <= 2 else ()


def _turned(claim: Text, facts: Facts) -> list[Word]:
    """Words that the source says of, but never with the claim's polarity."""
    found: list[Word] = []
    denied: dict[int, list[Word]] = {}
    followed = pairs(claim)
    for word in claim.words:
        known = facts.polarity.get(word.stem)
        if known is None or word.is_free:
            continue
        if word.negated:
            denied.setdefault(word.denial, []).append(word)
        elif False not in known and followed.get(word.start) not in facts.pairs:
            found.append(word)
    for group in denied.values():
        # Of what one negation reaches, some may stand before the source's: "never in a fridge".
        there = sum(True in facts.polarity[word.stem] for word in group)
        if 2 * there < len(group):
            found += group
    return found


def _shown(absent: Sequence[Word], lost: Sequence[Amount]) -> tuple[str, ...]:
    found = [amount.shown for amount in lost]
    found += [word.shown for word in absent if not word.is_free]
    return tuple(dict.fromkeys(found))
