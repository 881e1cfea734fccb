"""The requests that the embedded adapter was trained to answer in a known form."""

from __future__ import annotations

from typing import Final, Literal

Detail = Literal["short", "sentence", "detailed"]

DESCRIBE: Final[dict[str, str]] = {
    "short": "Describe the picture in a few words.",
    "sentence": "Describe the picture in one sentence.",
    "detailed": "Describe the picture in detail.",
}
LABEL_QUESTION: Final = "What product is this?"
CANT_TELL: Final = "I can't tell from this picture."


def spoken_label(label: str) -> str:
    """``Golden-Delicious`` as it is written in an answer: ``Golden Delicious``."""
    return label.replace("-", " ").replace("_", " ")
