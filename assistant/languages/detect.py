"""Which language a short text is in: by its script, then by its common words, then by n-grams.

n-grams (py3langid) are weak on the two or three words that a customer writes, and common words are
not; English is what is answered where nothing speaks for another language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from functools import cache
from typing import TYPE_CHECKING, Final

from assistant.languages.common import COMMON, LETTERS

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

_LONGEST = 2_000
_LEAST_LETTERS, _FEW = 18, 12
"""Letters that n-grams need, and with a common word."""
_SURE = 0.9
"""Probability that n-grams need."""

# One sign of these says as much as so many letters.
_WEIGHTS: Final = {"CJK": 3, "HIRAGANA": 2, "KATAKANA": 2, "HANGUL": 2}
_SCRIPTS: Final = {
    "CJK": "zh", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "CYRILLIC": "ru",
    "ARABIC": "ar", "HEBREW": "he", "GREEK": "el", "THAI": "th", "DEVANAGARI": "hi",
    "BENGALI": "bn", "TAMIL": "ta", "TELUGU": "te", "GEORGIAN": "ka", "ARMENIAN": "hy",
}  # fmt: skip
# Addresses, and what has a digit in it: numbers, sizes, order codes.
_NO_WORDS = re.compile(r"https?://\S+|\S+@\S+|\S*\d\S*")
_ELIDED = re.compile("(?:qu|dell|nell|sull|all|dall|un|[ldjncsmt])'(?=.)")
_ELISIONS: Final = {
    "l'": ("fr", "it"), "d'": ("fr", "it"), "c'": ("fr", "it"), "un'": ("it",),
    **dict.fromkeys(("j'", "n'", "s'", "m'", "t'", "qu'"), ("fr",)),
    **dict.fromkeys(("dell'", "nell'", "sull'", "all'", "dall'"), ("it",)),
}  # fmt: skip
_PRONOUNS: Final = frozenset(
    ["je", "tu", "il", "elle", "on", "nous", "vous", "ils", "elles", "moi", "ce", "là", "ci"]
)
_NAMES = re.compile(r"(?<=[^\W\d_] )[^\W\d_]*[A-ZÀ-ÖØ-Þ][^\W\d_]*")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


# How English is shortened in chats; some of it means "you" or "the" in Slavic languages.
_TYPED_ENGLISH = frozenset(("ty", "ta", "thx", "tysm", "np", "pls", "plz", "u", "k"))


def language_of(text: str) -> str:
    """ISO 639-1 code of the language of `text`; ``en`` where that is not sure.

    Numbers, addresses and codes say nothing, and a few foreign words in a sentence do not change
    its language.

    >>> language_of("wo kommt das her?")
    'de'
    >>> language_of("Gala 42 XL")
    'en'
    """
    plain = unicodedata.normalize("NFKC", _NO_WORDS.sub(" ", text[:_LONGEST]))
    script = _script(plain)
    if script != "LATIN":
        return _of_script(script, plain)
    return _of_latin(plain)


def _script(text: str) -> str:
    """The script that most of it is in; LATIN where there are no letters."""
    weights: Counter[str] = Counter()
    for letter in text:
        if letter.isalpha():
            name = unicodedata.name(letter, "").split(" ")[0]
            weights[name] += _WEIGHTS.get(name, 1)
    # Japanese has two scripts beside Chinese characters, one of them for foreign words.
    kana = weights["HIRAGANA"] + weights["KATAKANA"]
    if kana and (5 * weights["HIRAGANA"] >= weights["CJK"] or kana > weights["CJK"]):
        weights["HIRAGANA"] = kana + weights.pop("CJK", 0)
    known = {name: count for name, count in weights.items() if name in _SCRIPTS}
    if not known:
        return "LATIN"
    most = max(known, key=lambda name: known[name])
    # Names of products are in Latin letters everywhere, other words are not.
    latin = sum(word in _by_word() for word in _words(text))
    return "LATIN" if weights["LATIN"] > known[most] and latin else most


def _of_script(script: str, text: str) -> str:
    small = text.casefold()
    if script == "CYRILLIC":
        if re.search("[іїєґ]", small):
            return "uk"
        if re.search("[ђћљњџј]", small):
            return "sr"
    if script == "ARABIC" and re.search("[پچژگ]", small):
        return "ur" if re.search("[ٹڈڑےں]", small) else "fa"
    return _SCRIPTS[script]


def _of_latin(text: str) -> str:
    words = _words(text)
    if not words or _TYPED_ENGLISH.issuperset(words):
        return "en"
    scores = _scores(words, text.casefold())
    if scores["en"] and scores["en"] < max(scores.values()):
        # "protein content of God Morgon Juice": a name is in its own language.
        small = _scores(_words(_NAMES.sub(" ", text)), "")
        if small["en"] >= max(small.values()):
            return "en"
    ranked = sorted(scores.items(), key=lambda pair: -pair[1])[:2]
    best, score = ranked[0] if ranked else ("en", 0.0)
    second = ranked[1][1] if len(ranked) > 1 else 0.0
    if score >= 1.0 and score >= 1.5 * second:
        return best
    letters = sum(map(len, words))
    guess, sure = _by_ngrams(" ".join(words))
    known = [word for word in words if _languages_with(word)]
    if score < 0.5 and len(words) > 1 and len(known) <= 1:
        # One word of many languages, which a name may have too: "Piel de Sapo".
        if known and guess in _languages_with(known[0]) and letters >= _FEW and sure >= _SURE:
            return guess
        score = 0.0
    if score and scores[guess] >= 0.6 * score and guess != "en" and best != "en":
        return guess
    if score and score > scores["en"]:
        # As many words of two languages: the n-grams choose between them, English where they tell
        # of neither.
        close = [language for language in scores if scores[language] >= 0.9 * score]
        if len(close) == 1 or guess not in close:
            return best if score >= 1.2 * scores["en"] and score >= 0.5 else "en"
        return guess
    if not score and letters >= _LEAST_LETTERS and sure >= _SURE and not _is_name(text):
        return guess
    return "en"


def _is_name(text: str) -> bool:
    """Whether it is written as names of products are: a capital at most words."""
    words: list[str] = _WORD.findall(text)
    return 2 * sum(word[0].isupper() for word in words) > len(words)


def _words(text: str) -> list[str]:
    """Words in small letters; French ones are taken apart where they are written together."""
    found: list[str] = []
    for word in _WORD.findall(text.casefold().replace("’", "'")):
        if word in _by_word():
            found.append(word)
            continue
        elided = _ELIDED.match(word)
        found += [elided[0]] if elided else []
        rest = word[elided.end() :] if elided else word
        stem, _, pronoun = rest.rpartition("-")
        found += [stem, f"-{pronoun}"] if stem and pronoun in _PRONOUNS else [rest]
    return found


def _scores(words: list[str], text: str) -> dict[str, float]:
    """How much the words speak for each language: a word of many languages says little."""
    scores: dict[str, float] = defaultdict(float)
    for word in words:
        having = ("fr",) if word[0] == "-" else _ELISIONS.get(word) or _languages_with(word)
        for language in having:
            scores[language] += 1.0 / len(having)
    for language, letters in LETTERS.items():
        found = sum(text.count(letter) for letter in letters)
        if found:
            scores[language] += min(2, found) * 0.75
    return scores


@cache
def _by_word() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for language, words in COMMON.items():
        for word in words:
            found.setdefault(word, []).append(language)
    return {word: tuple(languages) for word, languages in found.items()}


def _languages_with(word: str) -> tuple[str, ...]:
    return _by_word().get(word, ())


def _by_ngrams(text: str) -> tuple[str, float]:
    language, probability = _identifier().classify(text)
    return str(language), float(probability)


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(sorted(COMMON))
    return identifier
