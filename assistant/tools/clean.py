"""Text that others wrote, made fit for a prompt: what a picture or a passage says is data.

Nothing in it can look like a turn of the chat, a tool call, a passage's number or the end of the
text, and none of it is longer than the model should read.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MODEL_CHARS: Final = 2_000
"""Characters of a picture's text that a model reads."""
KEPT_CHARS: Final = 20_000
"""Characters of it that the artifact keeps."""

# Chat templates write their marks as <|im_start|>, <jupyter_output>, </s> or <<SYS>>; a space after
# the first sign keeps the words and breaks the mark. Full-width signs are no marks of any template.
_MARK: Final = re.compile(r"<(?=[<|/\w])|\|(?=>)")
_INSTRUCTION: Final = re.compile(r"\[(?=/?INST\])")
_NUMBER: Final = re.compile(r"\[\s*((?:photo\s*)?\d{1,3})\s*\]", re.IGNORECASE)
_INVISIBLE: Final = {"Cc", "Cf", "Co", "Cs", "Cn"}
_JOINERS: Final = "\u200c\u200d"  # which Persian and emoji are written with


def as_data(text: str, limit: int = MODEL_CHARS) -> str:
    """`text` without control and invisible characters and template marks, at most `limit` long.

    Line breaks stay, `<|im_start|>` becomes `< |im_start| >` and `[1]` becomes `(1)`: only the
    tools number what can be cited.
    """
    # Three times the limit is enough, whatever is removed from it in honest text.
    lines = [_line(line) for line in text[: 3 * limit + 1_000].splitlines()]
    clean = "\n".join(line for line in lines if line)
    clean = _MARK.sub(lambda found: found[0] + " ", clean)
    clean = _NUMBER.sub(r"(\1)", _INSTRUCTION.sub("[ ", clean))
    if len(clean) <= limit:
        return clean
    return clean[: limit - 1].rstrip() + "…"


def as_line(text: str, limit: int = MODEL_CHARS) -> str:
    """The same in one line, which so cannot begin a passage of its own."""
    return " ".join(as_data(text, limit).split())


def _line(line: str) -> str:
    seen = (
        " " if letter.isspace() else letter
        for letter in line
        if letter.isspace() or letter in _JOINERS or unicodedata.category(letter) not in _INVISIBLE
    )
    return " ".join("".join(seen).split())
