"""Words as they are compared: folded, cut into Chinese characters, corrected for a slip.

The glossary gives the English names of what stands on Scandinavian packages; the foreign word stays
beside them, since that is what an answer can cite.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

MAX_QUERY = 1_000
"""Characters of a question that are looked at."""

MAX_QUERY_WORDS = 48

_WORD = re.compile(r"\w+", re.UNICODE)
# Scripts that put no space between words: kana and Chinese characters, one by one.
_WIDE = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")

# Words that ask rather than say what about; they are left out of the full-text search alone.
_ASKING = """
    a about all am an and any are as at be been but by can could did do does for from get got
    had has have he her his how i if in into is it its just kind like many me much my of on one or
    our out please she should so some tell than that the their them then there these they this
    those to us was we were what when where which who whose why will with would you your
"""
STOP_WORDS = frozenset(_ASKING.split())

GLOSSARY = {
    "energi": "energy",
    "kilokalori": "kcal",
    "fett": "fat",
    "varav mättat fett": "of which saturated fat",
    "varav enkelomättat fett": "of which monounsaturated fat",
    "varav fleromättat fett": "of which polyunsaturated fat",
    "kolhydrat": "carbohydrate",
    "kolhydrater": "carbohydrate",
    "varav sockerarter": "of which sugars",
    "fiber": "fibre",
    "protein": "protein",
    "natrium": "sodium",
    "kalcium": "calcium",
    "kalium": "potassium",
    "klor": "chlorine",
    "fosfor": "phosphorus",
    "molybden": "molybdenum",
    "jod": "iodine",
    "järn": "iron",
    "zink": "zinc",
    "folsyra": "folic acid",
    "pantotensyra": "pantothenic acid",
    "laktos": "lactose",
    "mikrogram": "microgram",
    "sverige": "Sweden",
    "danmark": "Denmark",
    "norge": "Norway",
    "nederländerna": "the Netherlands",
    "spanien": "Spain",
    "italien": "Italy",
    "tyskland": "Germany",
    "frankrike": "France",
    "polen": "Poland",
}
"""Swedish, in small letters, to English."""


def folded(text: str) -> str:
    """Small letters without accents, one width: what is compared, never what is shown."""
    if text.isascii():
        return text.casefold()  # what the rest comes to, in a tenth of the time
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in plain if not unicodedata.combining(letter))


def tokens(text: str) -> list[str]:
    """Words of `text`, folded; a Chinese character or a kana is a word of its own."""
    return _WORD.findall(_WIDE.sub(r" \1 ", folded(text)).replace("_", " "))


def query_words(text: str) -> list[str]:
    """Words of a question that say what it is about, each once; all where none of them does."""
    found = list(dict.fromkeys(tokens(text[:MAX_QUERY])))
    telling = [word for word in found if word not in STOP_WORDS]
    return (telling or found)[:MAX_QUERY_WORDS]


def corrected(words: Sequence[str], known: Collection[str]) -> list[str]:
    """`words` with the known word that each unknown one was most likely meant as added.

    Only words of four letters and more: below that too many are one slip apart.
    """
    out = list(words)
    for word in words:
        if len(word) < 4 or word in known or not word.isalpha():
            continue
        near = [other for other in known if abs(len(other) - len(word)) <= 2 and len(other) > 3]
        # Neighbours that changed places count as two slips, which is too much in a short word.
        swapped = [other for other in near if _is_swapped(word, other)]
        out += swapped[:1] or difflib.get_close_matches(word, near, n=1, cutoff=0.78)
    return list(dict.fromkeys(out))


def _is_swapped(word: str, other: str) -> bool:
    """Whether two neighbours that change places make one word the other."""
    if len(word) != len(other):
        return False
    at = [place for place in range(len(word)) if word[place] != other[place]]
    return (
        len(at) == 2
        and at[1] == at[0] + 1
        and (word[at[0]], word[at[1]]) == (other[at[1]], other[at[0]])
    )


def singular(word: str) -> str:
    """A crude English singular, so that "lemons" and "lemon" are one title."""
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("oes", "ches", "shes", "xes")):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def mentions(title: Sequence[str], words: Sequence[str]) -> bool:
    """Whether the words of a title stand in `words` one after the other, singular or plural."""
    wanted = [singular(word) for word in title]
    said = [singular(word) for word in words]
    width = len(wanted)
    return width > 0 and any(
        said[start : start + width] == wanted for start in range(len(said) - width + 1)
    )


def readable(label: str) -> str:
    """A label as people write it: "Golden-Delicious" is "Golden Delicious"."""
    return " ".join(re.sub(r"[-_]+", " ", label).split())


def vocabulary(titles: Iterable[str]) -> frozenset[str]:
    """The words of `titles`."""
    return frozenset(word for title in titles for word in tokens(title))


def meant(words: Sequence[str], known: Collection[str]) -> list[str]:
    """`words` with each unknown one replaced by the known word that it was most likely meant as."""
    out = []
    for word in words:
        near = corrected([word], known)
        out.append(near[-1])
    return out
