"""Bytes as text, and plain text and Markdown as blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assistant.knowledge.blocks import Block

if TYPE_CHECKING:
    from markdown_it.token import Token

_BOMS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_WESTERN = "cp1252"
_FRONT_MATTER = re.compile(r"\A---\n.*?\n(?:---|\.\.\.)\n", re.DOTALL)


def decoded(data: bytes) -> str:
    """Text of a file in UTF-8, UTF-16, or the older encoding that fits its letters best."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return _lines(data.decode(encoding, "replace"))
    try:
        return _lines(data.decode("utf-8"))
    except UnicodeDecodeError:
        pass
    from charset_normalizer import from_bytes

    matches = from_bytes(data[: 2**18])
    best = matches.best()
    encoding = best.encoding if best is not None else _WESTERN
    for match in matches:
        # Of equals it names the first in the alphabet; this one is what most files are in.
        equal = best is not None and (match.chaos, match.coherence) == (best.chaos, best.coherence)
        if equal and _WESTERN in match.could_be_from_charset:
            encoding = _WESTERN
    try:
        return _lines(data.decode(encoding))
    except (UnicodeDecodeError, LookupError):
        return _lines(data.decode(_WESTERN, "replace"))


def text_blocks(text: str) -> Iterator[Block]:
    """Paragraphs are what empty lines stand between; a list keeps its lines."""
    for paragraph in re.split(r"\n\s*\n", text):
        lines = [line.strip() for line in paragraph.split("\n") if line.strip()]
        if len(lines) > 1 and all(re.match(r"[-*•–]\s|\d+[.)]\s", line) for line in lines):
            yield from (Block("item", line) for line in lines)
        else:
            yield Block("paragraph", " ".join(lines))


def markdown_blocks(text: str) -> Iterator[Block]:
    """Blocks of a Markdown page as people read it: no marks, no addresses, no raw HTML.

    A picture is its alternative text. A table's row says ``column: value`` for each cell.
    """
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("commonmark").enable("table").parse(_FRONT_MATTER.sub("", text))
    header: list[str] = []
    cells: list[str] = []
    in_head = False
    items: list[str] = []  # the mark of each list that is open
    for index, token in enumerate(tokens):
        if token.type == "inline":
            before = tokens[index - 1]
            said = _inline(token)
            if before.type == "heading_open":
                yield Block("heading", said, level=int(before.tag[1:]))
            elif before.type in ("th_open", "td_open"):
                (header if in_head else cells).append(said)
            elif items:
                yield Block("item", f"{items[-1]} {said}")
            else:
                yield Block("paragraph", said)
        elif token.type in ("fence", "code_block"):
            yield Block("paragraph", token.content)
        elif token.type == "html_block":
            from assistant.knowledge.reading.html import html_blocks

            yield from html_blocks(token.content)
        elif token.type == "list_item_open":
            items.append(f"{token.info}." if token.info else "-")
        elif token.type == "list_item_close":
            items.pop()
        elif token.type in ("thead_open", "thead_close"):
            in_head = token.type == "thead_open"
            header = [] if in_head else header
        elif token.type == "tr_close" and not in_head:
            yield Block("row", row_text(header, cells))
            cells = []


def row_text(header: list[str], cells: list[str]) -> str:
    """A table's row that can be understood without the others: ``Zone: 2; Fee: 3 euros``."""
    names = header + [""] * (len(cells) - len(header))
    said = (f"{name}: {cell}" if name else cell for name, cell in zip(names, cells, strict=False))
    return "; ".join(text for text, cell in zip(said, cells, strict=False) if cell.strip())


def _inline(token: Token) -> str:
    """The visible text of a line."""
    out: list[str] = []
    for child in token.children or ():
        if child.type == "image":
            out.append(_inline(child))
        elif child.type in ("softbreak", "hardbreak"):
            out.append(" ")
        elif child.type != "html_inline":
            out.append(child.content)
    return "".join(out)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
