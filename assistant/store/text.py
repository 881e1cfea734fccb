"""Text on its way into the database: cleaned, folded for the search, shortened to a title."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Sequence
from typing import Any

from assistant.errors import InputError

TITLE_COLUMNS = 44
"""Width of a default title; a Chinese character counts as two columns."""

MAX_TITLE = 200
"""Characters of a title or a file name."""

# Characters that reorder what follows them, so that a name can pretend to be another
# (UAX 9; CVE-2021-42574).
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def storable(text: str) -> str:
    """`text` as UTF-8 can hold it and Postgres takes it: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "")


def to_json(value: Any, what: str) -> str:
    """`value` as JSON in ASCII.

    Raises:
        InputError: JSON cannot hold it, such as NaN, which Postgres does not take.
    """
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{what} cannot be kept ({error}).") from error


def one_line(text: str, limit: int = MAX_TITLE) -> str:
    """`text` for a title or a name: one line, no control or bidi characters, at most `limit`."""
    spaced = "".join(
        " " if letter.isspace() or unicodedata.category(letter) == "Cc" else letter
        for letter in storable(text)
        if letter not in _BIDI
    )
    line = " ".join(spaced.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def fold(text: str) -> str:
    """`text` as it is searched: upper and lower case, full and half width are the same."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def default_title(shown: str, names: Sequence[str] = ()) -> str:
    """The first question, cut after a whole word; for an empty one the first picture's name."""
    line = one_line(shown, 10 * TITLE_COLUMNS) or one_line(names[0] if names else "")
    columns = 0
    cut = 0  # where a title may end: before a space, or after a character of two columns
    for index, letter in enumerate(line):
        wide = unicodedata.east_asian_width(letter) in "WF"
        columns += 2 if wide else 1
        if columns > TITLE_COLUMNS:
            return line[: cut or index].rstrip() + "…"
        if letter == " ":
            cut = index
        elif wide:
            cut = index + 1
    return line
