"""A file in a message as a model of words and pictures reads it: text, and pictures of scans."""

from __future__ import annotations

from typing import Final

from assistant.errors import InputError
from assistant.images import LoadedImage
from assistant.settings import Settings

MOST_CHARS: Final = 8_000
"""Characters of a file that are read: some 2,000 tokens, a quarter of the embedded base's room."""

MOST_SCANS: Final = 4
"""Pages without text that are shown as pictures."""

_LEFT_OUT: Final = "[The rest of the file is left out.]"


def read_file(data: bytes, name: str, settings: Settings) -> tuple[str, list[LoadedImage]]:
    """Text of a PDF, DOCX, HTML, Markdown, CSV or text file, and pictures of its scanned pages.

    Raises:
        InputError: it is larger than a document may be.
        DataError: it is none of those, protected, damaged or empty.
    """
    from assistant.knowledge.reading import Source, read_document

    if len(data) > settings.max_document_bytes:
        raise InputError(
            f"A file has more than {settings.max_document_bytes:,} bytes; give a smaller one."
        )
    scans: list[LoadedImage] = []

    def shown(page: LoadedImage) -> str:
        """Stands in for reading: the model looks at the page itself."""
        if len(scans) >= MOST_SCANS:
            return ""
        scans.append(page)
        return f"(Page {len(scans)} of the scan is a picture.)"

    reading = read_document(Source(name or "the file", data, settings, read_text=shown))
    text = "\n\n".join(draft.text for draft in reading.drafts)
    if len(text) > MOST_CHARS:
        text = f"{text[:MOST_CHARS].rsplit(None, 1)[0]}\n{_LEFT_OUT}"
    return text, scans
