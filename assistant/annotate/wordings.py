"""What a person may type for a label or a description, so that a training can take it."""

from __future__ import annotations

import unicodedata

from assistant.annotate.values import LONGEST_TEXT
from assistant.errors import InputError
from assistant.labelling import LONGEST_LABEL


def checked_label(text: str | None) -> str:
    """A label, on one line.

    Raises:
        InputError: it is none.
    """
    label = " ".join((text or "").split())
    if not label:
        raise InputError("There is no label; type one.")
    if len(label) > LONGEST_LABEL or not _is_text(label):
        raise InputError(f"That is no label; give words, {LONGEST_LABEL} characters at most.")
    return label


def checked_caption(text: str | None) -> str:
    """A description, on one line; raises as `checked_label` does."""
    caption = " ".join((text or "").split())
    if not caption:
        raise InputError("There is no description; type one.")
    if len(caption) > LONGEST_TEXT or not _is_text(caption) or "<image>" in caption:
        raise InputError(
            f"That is no description; give plain text, {LONGEST_TEXT:,} characters at most."
        )
    return caption


def spelling_key(label: str) -> str:
    """What two spellings of one label have in common.

    >>> spelling_key("granny smith") == spelling_key("Granny-Smith")
    True
    """
    plain = unicodedata.normalize("NFKC", label).casefold()
    return " ".join(plain.replace("-", " ").replace("_", " ").split())


def _is_text(text: str) -> bool:
    """No control characters, and no half of a character."""
    return not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in text)
