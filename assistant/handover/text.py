"""Text as it is compared: without case, accents, width and marks that change no meaning."""

from __future__ import annotations

import re
import unicodedata

# Latin letters that have no accent to take off.
_LETTERS = str.maketrans({"ł": "l", "đ": "d", "ø": "o", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
_ARABIC = str.maketrans(
    {"أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه", "ؤ": "و", "ئ": "ي", "ـ": None}
)
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ`´ʹ′", "'"))
_SENTENCES = re.compile(r"[.!?。！？;؟…\n\r।]+")
_MOST = 4_000


def normalised(text: str) -> str:
    """`text` in small letters without accents, of half width, cut to what anybody types.

    >>> normalised("¿Puedo HABLAR con un　humano?")
    '¿puedo hablar con un humano?'
    """
    wide = unicodedata.normalize("NFKC", text[:_MOST]).casefold().translate(_APOSTROPHES)
    kept: list[str] = []
    for letter in wide:
        parts = unicodedata.normalize("NFD", letter)
        # An accent on a Latin or Greek letter goes; й, が and 한 stay what they are.
        if parts[0] != letter and ("a" <= parts[0] <= "z" or "α" <= parts[0] <= "ω"):
            kept.append(parts[0])
        elif not _is_mark(letter):
            kept.append(letter)
    plain = "".join(kept).translate(_LETTERS).translate(_ARABIC).replace("ё", "е")
    return re.sub(r"[ \t\xa0]+", " ", plain)


def _is_mark(letter: str) -> bool:
    """Accents that stand alone, Arabic and Hebrew vowel signs, and what cannot be seen."""
    kind = unicodedata.category(letter)
    if kind == "Cf":
        return True
    return kind == "Mn" and not "\u0900" <= letter <= "\u0e7f" and letter not in "\u3099\u309a"


def sentences(text: str) -> list[tuple[str, bool]]:
    """Sentences of a normalised text, and whether each is a question."""
    found = []
    start = 0
    for mark in [*_SENTENCES.finditer(text), None]:
        end = len(text) if mark is None else mark.start()
        part = text[start:end].strip(" ¿¡\"'()[]*_-–—,")
        asked = mark is not None and any(sign in mark[0] for sign in "?？؟")
        if part:
            found.append((part, asked or "¿" in text[start:end]))
        start = end if mark is None else mark.end()
    return found
