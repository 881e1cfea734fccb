"""The one internal form of training data, whatever file it came from.

An `Example` is a picture (or a few) with what is known of it: captions, a label, a conversation.
Readers make them (`adapters.data.formats`), validation looks at them, training and evaluation use
them; nobody else knows how a file is written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Exchange:
    """A question about the pictures and its answer; ``weight`` counts in the loss."""

    question: str
    answer: str
    weight: float = 1.0


@dataclass(frozen=True)
class Example:
    """One row of a data set.

    Attributes:
        where: its file and line, or the picture's path where a folder is the data set.
        images: its pictures in the order of their marks; nearly always one.
        references: captions, any of which would be a right description.
        label: the class of the picture, spelt as the data spells it.
        coarse_label: the group that the class belongs to.
        exchanges: a conversation about the pictures, in order. Independent questions about a
            picture are examples of their own.
        split: the split that the data names (``train``, ``val``…), None where it names none.
    """

    where: str
    images: tuple[Path, ...]
    references: tuple[str, ...] = ()
    label: str | None = None
    coarse_label: str | None = None
    exchanges: tuple[Exchange, ...] = ()
    split: str | None = None


@dataclass(frozen=True)
class Finding:
    """Something that validation noticed.

    Attributes:
        kind: a short fixed name, such as ``missing-image`` or ``near-duplicate``.
        where: file and line, or path.
        message: one sentence that says what is wrong and what to do.
        severity: an ``error`` row is left out of training; a ``warning`` is only told.
        image: the picture to show beside it, if it can be opened.
        other: where two pictures are compared, the second.
    """

    kind: str
    where: str
    message: str
    severity: Severity = "error"
    image: Path | None = None
    other: Path | None = None


@dataclass(frozen=True)
class Dataset:
    """What a reader gave: the usable rows, and what was wrong with others."""

    name: str
    format: str
    examples: tuple[Example, ...]
    findings: tuple[Finding, ...] = field(default=())

    @property
    def labels(self) -> dict[str, str | None]:
        """Every label with its coarse label, sorted by name."""
        known = {e.label: e.coarse_label for e in self.examples if e.label is not None}
        return dict(sorted(known.items()))
