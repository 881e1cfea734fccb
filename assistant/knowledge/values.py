"""What the knowledge base hands out: frozen values, never rows of a database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class Passage:
    """A piece of a document, short enough to be read at once and cited."""

    id: str
    """32 hexadecimal digits; the same as long as its document says the same there."""
    document: str
    """Name of the document, as `Knowledge.remove` takes it."""
    source: str
    """File name as it is cited, such as ``returns.md``."""
    title: str
    """A product's name, or the document's title and the headings above the passage."""
    text: str
    place: str = ""
    """Where in the document: ``page 3``, ``row 12``, a heading."""
    label: str = ""
    """The product's label, such as ``Granny-Smith``; empty for other passages."""
    coarse_label: str = ""
    image_id: str = ""
    """Of the picture that shows it, in the store; empty where there is none."""


@dataclass(frozen=True)
class Hit:
    """A passage that was found."""

    passage: Passage
    score: float
    """Cosine between the question and the passage, 0 to 1: how much they are about the same."""
    rank_score: float = 0.0
    """What the hits are sorted by; means nothing beyond one search."""


@dataclass(frozen=True)
class Document:
    """A file that was added."""

    name: str
    kind: str
    """``markdown``, ``text``, ``html``, ``pdf``, ``docx``, ``csv`` or ``jsonl``;
    ``entries`` where a program added its passages one by one."""
    passages: int
    size: int
    """Bytes of the file."""
    created: datetime
    updated: datetime


@dataclass(frozen=True)
class Product:
    """A label of a product file, with what is known about it."""

    label: str
    coarse_label: str
    image_id: str
    passage_ids: tuple[str, ...]


@dataclass(frozen=True)
class Added:
    """What `Knowledge.add` did."""

    documents: int = 0
    """Documents that are new or changed."""
    passages: int = 0
    """Passages of those."""
    unchanged: int = 0
    """Documents that were there already."""
    removed: int = 0
    """Documents that their folder does not hold any more."""
    troubles: tuple[str, ...] = ()
    """One sentence each about what could not be read."""


@dataclass(frozen=True)
class Draft:
    """A passage on its way in: as `Passage`, with the picture still a file."""

    title: str
    text: str
    place: str = ""
    label: str = ""
    coarse_label: str = ""
    image: Path | None = None


@dataclass(frozen=True)
class Reading:
    """A document as it was read."""

    kind: str
    drafts: tuple[Draft, ...]
    troubles: tuple[str, ...] = ()
