"""What reading a picture gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]
Box = tuple[Point, Point, Point, Point]


@dataclass(frozen=True)
class Line:
    """A piece of text that stands in one line.

    Attributes:
        text: as it was read.
        box: its corners in pixels of the picture, clockwise from where the text's upper left is.
        confidence: mean probability of its characters.
        row: number of the row that it stands in; a receipt's item and its price are in one.
    """

    text: str
    box: Box
    confidence: float
    row: int = 0


@dataclass(frozen=True)
class Reading:
    """What a picture says, in reading order."""

    lines: tuple[Line, ...] = ()

    @property
    def text(self) -> str:
        """All rows, one a line."""
        rows: dict[int, list[str]] = {}
        for line in self.lines:
            rows.setdefault(line.row, []).append(line.text)
        return "\n".join(" ".join(texts) for texts in rows.values())

    def to_dict(self) -> dict[str, Any]:
        """As JSON stores it."""
        return {
            "lines": [
                {
                    "text": line.text,
                    "box": [[round(x, 1), round(y, 1)] for x, y in line.box],
                    "confidence": round(line.confidence, 4),
                    "row": line.row,
                }
                for line in self.lines
            ]
        }
