"""Text as words that can be compared: stems, synonyms, Swedish labels, and what a negation reaches.

Letters of any script count; Chinese and Japanese, which leave no space between words, give pairs of
neighbouring characters instead.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

from assistant.grounding import tables

_WIDE = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]+")
_LETTER = r"[^\W\d_\u3040-\u30ff\u3400-\u9fff]"
_WORD = re.compile(rf"{_LETTER}+(?:['’]{_LETTER}+)?\d*|[.,;:!?()\[\]。，、；：！？|•\n]")
LINE_ENDS = ".;!?。；！？|•\n"
CLAUSE_WORDS = tables.listed("and or but plus och und oder y et ou however while although")
_NOT = re.compile(r"(?i)\b(\w+?)n['’]t\b")
_SHORTENED = re.compile(r"['’](?:s|re|ll|ve|d|m)$")
_REACH = 5
"""Words that "not" reaches."""
_SHORT_REACH = 2
"""Words that "no" and "without" reach, which go with a noun."""
_WIDE_NEGATION = re.compile(r"[不没沒无無非未]")


@dataclass(frozen=True)
class Word:
    """One word of a text.

    Attributes:
        shown: as it is written.
        stem: what it is compared by; of synonyms, that of the first.
        denial: which negation of the text reaches it, counted from 1; 0 for none.
        clause: which part between commas (colons, "and") it stands in.
        line: which part between full stops, semicolons and line breaks.
        start: where it stands in the text.
        is_name: it is written like a name.
        heads: a colon follows, and after it what it is.
    """

    shown: str
    stem: str
    denial: int = 0
    clause: int = 0
    line: int = 0
    start: int = 0
    is_name: bool = False
    heads: bool = False

    @property
    def negated(self) -> bool:
        """Whether a negation reaches it."""
        return self.denial > 0

    @property
    def is_attribute(self) -> bool:
        """Whether it only names what the value beside it is."""
        return self.stem in _attributes()

    @property
    def is_free(self) -> bool:
        """Whether it claims nothing; the month of May does."""
        return not self.stem or (
            self.stem in _free() and not (self.is_name and self.shown == "May")
        )


def plain(text: str) -> str:
    """One form of letters and spaces; hyphens inside words become spaces ("lactose-free")."""
    text = unicodedata.normalize("NFKC", text)
    text = re.sub(r"(?<=[^\W\d_])[-‐‑_/](?=[^\W\d_])", " ", text)
    text = re.sub(r"(?<=\d)[-‐‑](?=[^\W\d_])", " ", text)
    text = re.sub(r"(?<=\s)[-–—*·](?=\s)", "|", text)  # parts a line as a new line would
    text = re.sub(r"(?i)\b(between \S+(?: [ap]\.?m\.?)?) and (?=\S*\d)", r"\1 to ", text)
    text = re.sub(r"(?i)\b(?:no|nr)\b\.?(?=\s*\d)", "number", text)  # "Receipt no 12"
    return re.sub(r"[^\S\n]+", " ", text)


def words(text: str) -> tuple[Word, ...]:
    """The words of a `plain` text in order, without the free ones' stems being left out."""
    text = _NOT.sub(lambda m: f"{'can' if m[1].lower() == 'ca' else m[1]} not", text)
    tokens = [(match[0], match.start()) for match in _WORD.finditer(text)]
    found: list[Word] = []
    clause, line, reach, denials, first = 0, 0, 0, 0, True
    place = 0
    while place < len(tokens):
        shown, start = tokens[place]
        lower = _SHORTENED.sub("", shown.lower())
        if not lower[:1].isalpha():
            if shown not in "()[]":
                reach, clause = 0, clause + 1
                if shown in ":：" and found:
                    found[-1] = replace(found[-1], heads=True)
                line += shown in LINE_ENDS
            first = first or shown in ".!?:。！？\n"
            place += 1
            continue
        joined, length = _joined(tokens, place)
        place += length
        if lower == "free" and joined is None:
            after = tokens[place][0].lower() if place < len(tokens) else ""
            if after in {"from", "of"}:
                reach = 0 if reach else _REACH + 1  # "not free from" says that it is in
                denials += 1
                continue
            if found and found[-1].clause == clause and not found[-1].is_free:
                denials += 1
                found[-1] = replace(found[-1], denial=0 if found[-1].denial else denials)
                continue
        if lower in tables.NEGATORS:
            reach = _SHORT_REACH if lower in tables.NOUN_NEGATORS else _REACH
            denials, first = denials + 1, False
            continue
        if lower in tables.SCOPE_ENDS:
            reach = 0
        if lower in CLAUSE_WORDS:
            clause += 1
        is_name = not first and shown[0].isupper()
        for stem in _stems(lower if joined is None else joined):
            found.append(Word(shown, stem, denials if reach else 0, clause, line, start, is_name))
        if joined or not (found and found[-1].is_free):
            reach = max(0, reach - 1)
        first = False
    found += _wide(text)
    return tuple(found)


def stems(text: str) -> frozenset[str]:
    """The stems of all words that are not free."""
    return frozenset(word.stem for word in words(plain(text)) if not word.is_free)


def is_foreign(text: str) -> bool:
    """Whether it is written in another language than English, judged by its small words."""
    letters = re.findall(r"[^\W\d_]+", text)
    if sum(map(len, _WIDE.findall(text))) > 0.2 * max(1, sum(map(len, letters))):
        return True
    lower = [word.lower() for word in letters]
    foreign = sum(word in tables.FOREIGN for word in lower)
    english = sum(word in {"the", "is", "are", "of", "and", "it", "from", "with", "in", "for", "to"}
                  for word in lower)  # fmt: skip
    return foreign >= 2 and foreign > english


def has_wide(text: str) -> bool:
    """Whether it has Chinese or Japanese characters."""
    return _WIDE.search(text) is not None


@lru_cache(maxsize=8192)
def stem(word: str) -> str:
    """A light stem of a lower-case English word: plurals and endings of verbs and comparison.

    It need not be a word, only the same for forms of one: "berries" and "berry" → "berri".
    """
    if len(word) <= 3 or not word.isascii():
        return word
    for ending, instead, least in (
        ("iest", "i", 6), ("ier", "i", 6), ("ies", "i", 5), ("ied", "i", 5), ("ily", "i", 6),
        ("ing", "", 6), ("edly", "", 7), ("ed", "", 5), ("ness", "", 7), ("ity", "", 7),
        ("est", "", 6), ("er", "", 6), ("ly", "", 6), ("sses", "ss", 6), ("xes", "x", 5),
        ("shes", "sh", 6), ("ches", "ch", 6), ("oes", "o", 5), ("s", "", 4),
    ):  # fmt: skip
        if word.endswith(ending) and len(word) >= least:
            if ending == "s" and word.endswith(("ss", "us", "is")):
                break
            word = word[: len(word) - len(ending)] + instead
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if len(word) > 3 and word.endswith("y") else word


@lru_cache(maxsize=1)
def _free() -> frozenset[str]:
    return frozenset(_same().get(stem(word), stem(word)) for word in tables.FREE)


@lru_cache(maxsize=1)
def _attributes() -> frozenset[str]:
    return frozenset(_same().get(stem(word), stem(word)) for word in tables.ATTRIBUTES)


@lru_cache(maxsize=1)
def measured() -> dict[str, frozenset[str]]:
    """Stem of an attribute → units that its amounts may have, ``""`` for none."""
    return {
        _same().get(stem(name), stem(name)): frozenset(units)
        for names, units in tables.MEASURED
        for name in names.split()
    }


@lru_cache(maxsize=1)
def _same() -> dict[str, str]:
    """Stem of a word → stem of the first word that means the same."""
    found: dict[str, str] = {}
    for line in tables.SAME.split("\n"):
        names = line.split()
        for name in names:
            found.setdefault(stem(name), stem(names[0]))
    return found


@lru_cache(maxsize=8192)
def _stems(lower: str) -> tuple[str, ...]:
    text = tables.SWEDISH.get(lower, lower)
    return tuple(_same().get(stem(part), stem(part)) for part in text.split()) or ("",)


def _joined(tokens: list[tuple[str, int]], place: int) -> tuple[str | None, int]:
    """The one word that stands for the next ones, if there is such, and how many they are."""
    pair = tuple(token.lower() for token, _ in tokens[place : place + 2])
    for length in (2, 1):
        if pair[:length] in tables.JOINED:
            return tables.JOINED[pair[:length]], length
    return None, 1


def _wide(text: str) -> list[Word]:
    """Pairs of neighbouring characters; a negation reaches those after it in the same run."""
    found = []
    for run in _WIDE.finditer(text):
        negation = _WIDE_NEGATION.search(run[0])
        for place in range(max(1, len(run[0]) - 1)):
            pair = run[0][place : place + 2]
            denied = int(negation is not None and place > negation.start())
            found.append(Word(pair, pair, denied, start=run.start() + place))
    return found
