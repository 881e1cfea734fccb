"""What each kind of finding is called where people read it, in the order of weight."""

from __future__ import annotations

KINDS = {
    # Of the data set as a whole.
    "one-row": "Only one row",
    "one-class": "Only one class",
    "label-case": "Labels that differ only in spelling",
    "leak": "The same picture in two splits",
    # Of the pictures.
    "missing-image": "Missing pictures",
    "bad-image": "Pictures that cannot be opened",
    "no-image": "Rows without a picture",
    "remote-image": "Pictures on the network",
    "bad-image-field": "'image' that names no picture",
    "bad-data-uri": "Pictures inside the text that cannot be read",
    "too-many-images": "Too many pictures",
    "image-marks": "Marks <image> that do not fit the pictures",
    "late-image": "Pictures after the first question",
    # Of the rows.
    "not-json": "Rows that are not JSON",
    "not-utf-8": "Rows that are not UTF-8",
    "bad-table": "Rows that cannot be taken apart",
    "long-row": "Rows that are too long",
    "long-text": "Texts that are too long",
    "missing-key": "Missing keys",
    "bad-value": "Values of the wrong kind",
    "empty-text": "Empty texts",
    "turn-order": "Turns out of order",
    "nothing-to-learn": "Rows with nothing to learn",
    "no-label": "Pictures outside the folders of classes",
    "label-conflict": "One picture, two labels",
    "unreadable-folder": "Folders that cannot be read",
    # Only told.
    "near-leak": "Nearly the same picture in two splits",
    "duplicate-row": "Rows that are there twice",
    "duplicate-image": "Pictures that are there twice",
    "near-duplicate": "Pictures that are nearly the same",
    "coarse-conflict": "Labels in two groups",
    "rare-class": "Classes with few pictures",
    "imbalance": "Unequal classes",
    "small-image": "Small pictures",
    "long-conversation": "Long conversations",
    "mark-inside": "Marks <image> inside the text",
    "mixed-image-field": "'image' as text and as list",
    "system-message": "System messages",
    "thumb-down": "Thumbs down without a correction",
    "not-a-picture": "Other files",
    "empty-folder": "Empty folders",
}


def title(kind: str) -> str:
    """The heading of a kind of finding."""
    return KINDS.get(kind, kind)


def weight(kind: str) -> int:
    """Where a kind stands in the order; an unknown one stands last."""
    order = list(KINDS)
    return order.index(kind) if kind in KINDS else len(order)
