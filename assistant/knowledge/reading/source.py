"""What every reader gets: a file's bytes and name, the limits, and whom to tell how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from assistant.errors import DataError
from assistant.images import LoadedImage
from assistant.settings import Settings

ReadText = Callable[[LoadedImage], str]
"""Reads the text that a picture shows; empty where there is none."""

Report = Callable[[str, float | None], None]


def _silent(_message: str, _fraction: float | None) -> None:
    pass


@dataclass(frozen=True)
class Source:
    """A file that is about to be read.

    Attributes:
        name: what messages call it.
        data: all its bytes.
        settings: the limits.
        folder: where a product's picture may be; None where there are no files beside it.
        read_text: reads scanned pages.
        report: is told what is read, and how much of it is done.
    """

    name: str
    data: bytes
    settings: Settings
    folder: Path | None = None
    read_text: ReadText | None = None
    report: Report = _silent

    @property
    def stem(self) -> str:
        """A title for a document that has none."""
        return Path(self.name).stem.replace("_", " ").replace("-", " ").strip() or self.name

    def bounded(self, text: str) -> str:
        """`text`, where it is not too long.

        Raises:
            DataError: it is.
        """
        if len(text) > self.settings.max_document_chars:
            raise DataError(
                f"{self.name} holds more than {self.settings.max_document_chars:,} characters; "
                f"split it, or raise SIGHTDESK_MAX_DOCUMENT_CHARS."
            )
        return text
