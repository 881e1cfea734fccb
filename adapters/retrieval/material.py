"""What a space learns from: captioned pictures, labelled ones, and texts of what the labels mean.

captions   {"image": "a.jpg", "references": ["A dog runs .", ...]}
labels     {"image": "a.jpg", "label": "Royal-Gala", "coarse_label": "Apple"}
products   {"label": "Royal-Gala", "coarse_label": "Apple", "description": "A sweet apple. …"}
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from adapters.rows import CaptionRow, LabelRow, Row, bad_row, read_captions, read_labels, records
from assistant.errors import DataError, InputError

RowT = TypeVar("RowT", bound=Row)

FORMS = (
    "photo of {label}",
    "a photo of {label}",
    "{label}",
    "{coarse}: {label}",
    "a picture of {label} in a shop",
)
_SENTENCES, _SHORTEST, _LONGEST = 3, 20, 200  # of a description that are learnt, in characters


@dataclass(frozen=True)
class Sources:
    """Files of a training, as the command names them.

    Attributes:
        captions, labels: of pictures to learn from.
        val_captions, val_labels: of pictures to validate and calibrate on; where there are none,
            a share of the others is held out.
        products: what the labels mean.
    """

    captions: tuple[Path, ...]
    labels: tuple[Path, ...] = ()
    val_captions: tuple[Path, ...] = ()
    val_labels: tuple[Path, ...] = ()
    products: tuple[Path, ...] = ()

    def files(self) -> list[Path]:
        """All of them."""
        return [
            *self.captions, *self.labels, *self.val_captions, *self.val_labels, *self.products
        ]  # fmt: skip

    def told(self) -> list[dict[str, Any]]:
        """Names, sizes and digests, for the card and to know a training again.

        Raises:
            DataError: a file cannot be read.
        """
        found = []
        for file in self.files():
            try:
                content = file.read_bytes()
            except OSError as error:
                raise DataError(
                    f"{file} cannot be read ({error.strerror}); correct the path."
                ) from error
            digest = hashlib.sha256(content).hexdigest()
            found.append({"name": file.name, "rows": content.count(b"\n"), "sha256": digest})
        return found


@dataclass(frozen=True)
class Pictures:
    """Pictures with what is said of them."""

    captioned: Sequence[CaptionRow]
    labelled: Sequence[LabelRow]


@dataclass(frozen=True)
class Material:
    """What to learn from and what to validate on; ``meanings`` has texts for every label."""

    learnt: Pictures
    held: Pictures
    meanings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read_material(sources: Sources, held_out: float, seed: int) -> Material:
    """All rows; no picture is opened yet.

    Raises:
        DataError: a file, or a row of it, cannot be used.
        InputError: there are too few pictures.
    """
    learnt, held = _split(sources.captions, sources.val_captions, read_captions, held_out, seed)
    labelled, judged = _split(sources.labels, sources.val_labels, read_labels, held_out, seed)
    if len(learnt) < 2 or len(held) < 2:
        raise InputError(
            f"{len(learnt)} captioned pictures to learn from and {len(held)} to validate on are "
            "too few; give at least two of each."
        )
    coarse = {row.label: row.coarse_label or row.label for row in [*labelled, *judged]}
    descriptions: dict[str, str] = {}
    for file in sources.products:
        for where, record in records(file):
            label, text = record.get("label"), record.get("description", "")
            if not isinstance(label, str) or not label.strip() or not isinstance(text, str):
                raise bad_row(where, "'label' or 'description' is no text, write it as a string")
            descriptions[label] = text
            group = record.get("coarse_label")
            coarse.setdefault(label, group if isinstance(group, str) and group else label)
    known = sorted({row.label for row in labelled})
    meanings = {
        label: texts_of(label, coarse[label], descriptions.get(label, "")) for label in known
    }
    judged = [row for row in judged if row.label in meanings]
    return Material(Pictures(learnt, labelled), Pictures(held, judged), meanings)


def texts_of(label: str, coarse: str, description: str = "") -> tuple[str, ...]:
    """What may be said of a picture with a label; the first is what it is asked for by."""
    said = [form.format(label=spoken(label), coarse=spoken(coarse)) for form in FORMS]
    sentences = [part.strip() for part in re.split(r"(?<=[.!?])\s+", description)]
    long = [part[:_LONGEST] for part in sentences if len(part) > _SHORTEST]
    return tuple(dict.fromkeys([*said, *long[:_SENTENCES]]))


def spoken(label: str) -> str:
    """A label as it stands in a sentence."""
    return re.sub(r"[-_\s]+", " ", label).strip().lower()


def _split(
    files: Iterable[Path], held: Iterable[Path], read: Any, share: float, seed: int
) -> tuple[list[Any], list[Any]]:
    """Rows to learn from, and rows of other pictures."""
    rows = [row for file in files for row in read(file)]
    judged = [row for file in held for row in read(file)]
    if judged:
        taken = {row.path.resolve() for row in judged}
        return [row for row in rows if row.path.resolve() not in taken], judged
    learnt: list[Any] = []
    for row in rows:  # all rows of a picture go the same way
        digest = hashlib.sha256(f"{seed} {row.image}".encode()).digest()
        (judged if int.from_bytes(digest[:4], "big") < share * 2**32 else learnt).append(row)
    return learnt, judged
