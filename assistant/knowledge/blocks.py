"""Blocks of a document, and how they become passages.

A reader gives headings, paragraphs, list items and table rows in order. A passage is what stands
under one heading, 80 to 200 words of it where there is as much; sentences and rows stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from assistant.knowledge.values import Draft
from assistant.store.text import one_line, storable

ENOUGH, MOST = 80, 200
"""Words of a passage: below the first one it takes more, beyond the second it never grows."""

_LONGEST_SENTENCE = 400  # words; what is longer is no sentence and is cut
_LONGEST_TITLE = 160  # characters

Kind = Literal["heading", "paragraph", "item", "row"]


@dataclass(frozen=True)
class Block:
    """A piece of a document that has no structure inside.

    Attributes:
        kind: what it is.
        text: what it says, without marks.
        level: of a heading, 1 for the highest.
        place: where it stands if that is not told by headings, such as ``page 3``.
    """

    kind: Kind
    text: str
    level: int = 0
    place: str = ""


# A full stop ends a sentence before a space and what can begin one; the marks of Chinese always do.
_END = re.compile(
    r"(?<=[.!?…])[\"'”’)\]]*\s+(?=[\"'“(\[]*[^\W\d_a-z]|[\"'“(\[]*\d|[-•*])|(?<=[\u3002\uff01\uff1f])\s*"
)
_SHORT = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|[A-Za-z]\.[a-z]|e\.g|i\.e|etc|approx|ca|cf|vs|no|nr|art|fig|mr|mrs|ms|dr|prof|st"
    r"|inc|ltd|co|tel|min|max|incl|excl|z\.b|bzw|usw|p\.ej|\d+)\.$",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """`text` as its sentences; "approx. 5 kg" and "Dr. No" are not two."""
    found: list[str] = []
    start = 0
    for end in _END.finditer(text):
        piece = text[start : end.start()]
        # A number and a stop may end a sentence; alone it is the number of a list.
        if _SHORT.search(piece) and not re.search(r"\w\s+\d+\.$", piece):
            continue
        found.append(text[start : end.end()].strip())
        start = end.end()
    found.append(text[start:].strip())
    return [sentence for sentence in found if sentence]


def count_words(text: str) -> int:
    """Words of `text`; two Chinese characters or kana count as one."""
    wide = len(re.findall(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]", text))
    return len(text.split()) + wide // 2


def passages(blocks: Iterable[Block], title: str) -> list[Draft]:
    """The passages of a document, in order.

    Args:
        blocks: what its reader found.
        title: what it is called where it has no heading of the first level.
    """
    title = one_line(title, _LONGEST_TITLE)
    drafts: list[Draft] = []
    above: dict[int, str] = {}  # headings that the current block stands under, by level
    held: list[Block] = []

    def release() -> None:
        name, place = _named(title, above)
        for text, first in _packed(held):
            drafts.append(Draft(name, text, first.place or place))
        held.clear()

    for block in blocks:
        text = _tidy(block.text)
        if not text:
            continue
        if block.kind == "heading":
            release()
            for level in [level for level in above if level >= block.level]:
                del above[level]
            above[block.level] = one_line(text, _LONGEST_TITLE)
        else:
            if held and block.place != held[-1].place:
                release()
            held.append(Block(block.kind, text, 0, block.place))
    release()
    return drafts


def _named(title: str, above: dict[int, str]) -> tuple[str, str]:
    """Title of the passages under these headings, and their place in the document."""
    path = [above[level] for level in sorted(above)]
    if not path or min(above) > 1:
        path.insert(0, title)
    return one_line(" – ".join(path), _LONGEST_TITLE), one_line(path[-1], _LONGEST_TITLE)


def _packed(blocks: list[Block]) -> Iterator[tuple[str, Block]]:
    """Texts of at most `MOST` words out of whole sentences, each with its first block."""
    parts: list[tuple[str, str, Block]] = []  # text, what stands before it, its block
    for block in blocks:
        between = "\n" if block.kind in ("item", "row") else "\n\n"
        if block.kind == "row" or count_words(block.text) <= ENOUGH:
            pieces = [block.text]
        else:
            pieces = sentences(block.text)
        whole = (part for piece in pieces for part in _cut(piece))
        parts += [(piece, between if not i else " ", block) for i, piece in enumerate(whole)]
    sizes = [count_words(text) for text, _, _ in parts]
    text, size, first = "", 0, None
    for index, (piece, between, block) in enumerate(parts):
        # What is left after it goes along where it would be too little for a passage of its own.
        left = sum(sizes[index:])
        full = size >= ENOUGH and size + left > MOST and between != " "
        if first is not None and (size + sizes[index] > MOST or full):
            yield text, first
            text, size, first = "", 0, None
        text = piece if first is None else text + between + piece
        size += sizes[index]
        first = first or block
    if first is not None:
        yield text, first


def _cut(text: str) -> list[str]:
    """`text` itself, or in pieces where no sentence is so long."""
    if count_words(text) <= _LONGEST_SENTENCE and len(text) <= 12 * _LONGEST_SENTENCE:
        return [text]
    pieces: list[str] = []
    for line in re.findall(r"\S{1,1000}", text):
        if pieces and len(pieces[-1]) + len(line) < 6 * MOST:
            pieces[-1] += " " + line
        else:
            pieces.append(line)
    return pieces


def _tidy(text: str) -> str:
    lines = (" ".join(line.split()) for line in storable(text).split("\n"))
    return "\n".join(line for line in lines if line)
