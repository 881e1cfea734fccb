"""In which order the pieces of text of a picture are read: rows from top to bottom, columns apart.

A page that was photographed leans and its lines run together or apart, so that an item and its
price are at different heights. The slope of the lines is fitted as it changes down the page, and
what lies on one such line is one row. Paragraphs side by side are read one after the other; cells
of a table, which are short, stay in their rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# In heights of the text.
_SAME_ROW: Final = 0.5
_GUTTER: Final = 1.0
_LONG_LINE: Final = 10.0

_COLUMN_ROWS: Final = 3
_MOST_FOR_COLUMNS: Final = 1_000


@dataclass(frozen=True)
class _Piece:
    """A box on the straightened page."""

    number: int
    left: float
    right: float
    y: float
    height: float


def rows(boxes: Floats) -> list[list[int]]:
    """Numbers of the boxes, row by row in reading order, each row from left to right.

    Args:
        boxes: ``[N, 4, 2]`` corners in pixels, clockwise from the text's upper left.
    """
    if not len(boxes):
        return []
    lines = _lines(_straightened(np.asarray(boxes, np.float64)))
    found = [part for block in _blocks(lines) for part in block]
    return [[piece.number for piece in line] for line in found]


def _straightened(boxes: Floats) -> list[_Piece]:
    """The boxes with the slope of their lines taken out."""
    start = (boxes[:, 0] + boxes[:, 3]) / 2
    end = (boxes[:, 1] + boxes[:, 2]) / 2
    middle = (start + end) / 2
    along = end - start
    length = np.hypot(along[:, 0], along[:, 1])
    height = np.maximum(
        np.hypot(*(boxes[:, 3] - boxes[:, 0]).T), np.hypot(*(boxes[:, 2] - boxes[:, 1]).T)
    )
    turn = _turn(along, length, height)
    start, end, middle = start @ turn, end @ turn, middle @ turn
    slope = _slopes(middle[:, 1], end - start, length / np.maximum(height, 1.0))
    across = middle[:, 0] - np.median(middle[:, 0])
    y = middle[:, 1] - slope * across
    return [
        _Piece(number, float(start[number, 0]), float(end[number, 0]), float(y[number]),
               float(max(height[number], 1.0)))
        for number in range(len(boxes))
    ]  # fmt: skip


def _turn(along: Floats, length: Floats, height: Floats) -> Floats:
    """The rotation that makes most lines run from left to right: ``[2, 2]``, for rows of points."""
    weight = length * (length > 2 * height) + 1e-6
    angle = np.arctan2((along[:, 1] * weight).sum(), (along[:, 0] * weight).sum())
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def _slopes(y: Floats, along: Floats, longness: Floats) -> Floats:
    """Slope of the line at each height: a straight fit to the long boxes, outliers left out."""
    usable = (longness > 2) & (along[:, 0] > 0)
    if usable.sum() < 2:
        return np.zeros_like(y)
    slope = along[:, 1] / np.maximum(along[:, 0], 1e-6)
    weight = np.where(usable, np.minimum(longness, 30.0), 0.0)
    spread = max(float(np.ptp(y[usable])), 1.0)
    place = (y - y[usable].mean()) / spread
    # A weak pull to lines that are parallel, for pages with few or short ones.
    pull = np.diag([0.0, 0.02 * weight.sum()])
    design = np.stack([np.ones_like(place), place], axis=1)
    for _ in range(3):
        normal = design.T @ (design * weight[:, None]) + pull + 1e-9 * np.eye(2)
        fit = np.linalg.solve(normal, design.T @ (weight * slope))
        off = np.abs(slope - design @ fit)
        scale = max(float(np.median(off[usable])), 0.003)
        weight = np.where(usable & (off < 4 * scale), np.minimum(longness, 30.0), 0.0)
        if not weight.any():
            return np.zeros_like(y)
    return np.asarray(design @ fit)


def _lines(pieces: Sequence[_Piece]) -> list[list[_Piece]]:
    """Pieces that stand in one row, rows from top to bottom."""
    found: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda piece: piece.y):
        # Only the last few rows can be at this height.
        near = [line for line in found[-4:] if _beside(piece, line)]
        if near:
            min(near, key=lambda line: abs(_height_of(line) - piece.y)).append(piece)
        else:
            found.append([piece])
    for line in found:
        line.sort(key=lambda piece: piece.left)
    return sorted(found, key=_height_of)


def _height_of(line: Sequence[_Piece]) -> float:
    return sum(piece.y for piece in line) / len(line)


def _beside(piece: _Piece, line: Sequence[_Piece]) -> bool:
    """Whether a piece is at a row's height and over none of its pieces."""
    for other in line:
        small = min(piece.height, other.height)
        off = abs(other.y - piece.y)
        if off > _SAME_ROW * small:
            return False
        # Neighbours' boxes overlap a little; one over the other at half a height is another row.
        shared = min(piece.right, other.right) - max(piece.left, other.left)
        narrow = min(piece.right - piece.left, other.right - other.left)
        if shared > (0.8 if off < 0.5 * _SAME_ROW * small else 0.3) * max(narrow, 0.0):
            return False
    return True


def _blocks(lines: list[list[_Piece]]) -> list[list[list[_Piece]]]:
    """The rows with columns apart: each block is rows that are read in their order."""
    if sum(map(len, lines)) > _MOST_FOR_COLUMNS:
        return [lines]
    found: list[list[list[_Piece]]] = []
    at = 0
    while at < len(lines):
        end, gutter = _run(lines, at)
        columns = _columns(lines[at:end], gutter) if gutter is not None else None
        if columns is None:
            found.append([lines[at]])
            at += 1
        else:
            found += columns
            at = end
    return found


def _run(lines: list[list[_Piece]], at: int) -> tuple[int, float | None]:
    """Where the rows end that one gutter can run through, and where that is."""
    gutters = _gaps(lines[at])
    inner: float | None = None
    end = at
    for line in lines[at:]:
        wide = _GUTTER * float(np.median([piece.height for piece in line]))
        both = [
            (max(a, c), min(b, d))
            for a, b in gutters
            for c, d in _gaps(line)
            if min(b, d) - max(a, c) >= wide
        ]
        pieces = [piece for part in lines[at : end + 1] for piece in part]
        sides = [(a, b) for a, b in both if _parts(pieces, a, b)]
        if not sides and (inner is not None or not both):
            break
        gutters, end = both, end + 1
        if sides:
            a, b = max(sides, key=lambda pair: pair[1] - pair[0])
            inner = (a + b) / 2
    return end, inner


def _parts(pieces: Sequence[_Piece], a: float, b: float) -> bool:
    return any(p.right <= a for p in pieces) and any(p.left >= b for p in pieces)


def _gaps(line: Sequence[_Piece]) -> list[tuple[float, float]]:
    """Where a row has nothing, its two sides included."""
    edges = [-1e9, *(x for piece in line for x in (piece.left, piece.right)), 1e9]
    return [
        (left, right) for left, right in zip(edges[::2], edges[1::2], strict=True) if right > left
    ]


def _columns(lines: Sequence[Sequence[_Piece]], gutter: float) -> list[list[list[_Piece]]] | None:
    """Rows on either side, None where they are cells of a table and no columns of text."""
    sides: list[list[list[_Piece]]] = [[], []]
    for line in lines:
        for side, part in enumerate(
            ([p for p in line if p.left < gutter], [p for p in line if p.left >= gutter])
        ):
            if part:
                sides[side].append(part)
    for side_lines in sides:
        if len(side_lines) < _COLUMN_ROWS:
            return None
        # A line of a paragraph is one long piece; a table's is several short ones.
        lengths = [
            (line[0].right - line[0].left) / line[0].height if len(line) == 1 else 0.0
            for line in side_lines
        ]
        if float(np.median(lengths)) < _LONG_LINE:
            return None
    return sides
