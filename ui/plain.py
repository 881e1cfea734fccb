"""Untrusted text made safe to draw: Markdown that reads as it was written, one line, short."""

from __future__ import annotations

import re
from typing import Final

_MARKS: Final = frozenset("\\`*_{}[]()<>#+-.!|~$:&\"'=^/@")


# What GitHub's Markdown makes a link of though its marks are escaped.
_ADDRESS: Final = re.compile(r"(?i)(https?:)(?=//)|(\bwww)(?=\.)|(@)(?=[-\w]+\.)")
_JOINER: Final = "\u2060"
"""Word joiner: it is not seen, and no line is broken at it."""


def escape_markdown(text: str) -> str:
    """Markdown that reads as `text`; for labels and boxes that have no plain form."""
    apart = _ADDRESS.sub(lambda found: found[0] + _JOINER, text)
    return "".join(f"\\{mark}" if mark in _MARKS else mark for mark in apart)


def one_line(text: str, longest: int) -> str:
    """`text` on one line and with at most `longest` characters, cut at a word where there is one.

    >>> one_line("What is  in this picture?", 12)
    'What is in…'
    """
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    cut = line[: longest - 1]
    # The last word goes where it is cut in two; writing without spaces is cut anywhere.
    if line[longest - 1] != " " and " " in cut:
        cut = cut.rpartition(" ")[0]
    return cut.rstrip(" ,;:.") + "…"


def label(text: str, longest: int = 48) -> str:
    """A title, name or question as the label of a button."""
    return escape_markdown(one_line(text, longest))


def name_model(model: object, adapter: object, quantization: object) -> str:
    """Model, adapter and quantization as one line of Markdown, each said once."""
    parts = [str(part) for part in (model, adapter, quantization) if part and part != "none"]
    return escape_markdown(" · ".join(dict.fromkeys(parts)))
