"""Which reader a file is for, and what it gave."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from assistant.errors import DataError
from assistant.knowledge.blocks import passages
from assistant.knowledge.reading.rows import csv_drafts, jsonl_drafts
from assistant.knowledge.reading.source import ReadText, Report, Source
from assistant.knowledge.reading.text import decoded, markdown_blocks, text_blocks
from assistant.knowledge.values import Draft, Reading

__all__ = ["SUFFIXES", "ReadText", "Report", "Source", "read_document"]

SUFFIXES = {
    ".md": "markdown",
    ".markdown": "markdown",
    ".txt": "text",
    ".text": "text",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".pdf": "pdf",
    ".docx": "docx",
    ".csv": "csv",
    ".tsv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
"""What a folder is searched for; a file that is named itself may end otherwise."""

READABLE = "Markdown, text, HTML, PDF, DOCX, CSV or JSON lines"

_HTML = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<(?:!doctype html|html)\b", re.IGNORECASE)


def read_document(source: Source) -> Reading:
    """Read a file: its format by its content, and where that is text, by its ending.

    Raises:
        DataError: it is too large, of no known format, protected, damaged or empty.
    """
    if len(source.data) > source.settings.max_document_bytes:
        raise DataError(
            f"{source.name} is larger than {source.settings.max_document_bytes / 2**20:.0f} MiB; "
            f"split it, or raise SIGHTDESK_MAX_DOCUMENT_BYTES."
        )
    kind = _kind(source)
    drafts, troubles = _READERS[kind](source)
    drafts = [draft for draft in drafts if draft.text.strip()]
    if not drafts:
        raise DataError(
            troubles[0] if troubles else f"{source.name} holds no text; add one that does."
        )
    return Reading(kind, tuple(drafts), tuple(troubles))


def _kind(source: Source) -> str:
    data = source.data
    by_name = SUFFIXES.get(Path(source.name).suffix.lower(), "")
    if b"%PDF-" in data[:1024]:
        return "pdf"
    if data.startswith(b"PK\x03\x04") and by_name == "docx":
        return "docx"
    if by_name in ("pdf", "docx"):
        raise DataError(f"{source.name} is no {by_name.upper()} file; save it as one again.")
    # UTF-16 has zeros in ordinary text, and a mark that says so.
    if b"\0" in data[:65536] and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(f"{source.name} is no document; give {READABLE}.")
    if by_name:
        return by_name
    start = data[:4096].decode("utf-8", "replace").lstrip("\ufeff")
    if _HTML.match(start):
        return "html"
    return "jsonl" if re.match(r"\s*\{\s*\"", start) else "text"


def _text(source: Source) -> tuple[list[Draft], list[str]]:
    return passages(text_blocks(source.bounded(decoded(source.data))), source.stem), []


def _markdown(source: Source) -> tuple[list[Draft], list[str]]:
    return passages(markdown_blocks(source.bounded(decoded(source.data))), source.stem), []


def _html(source: Source) -> tuple[list[Draft], list[str]]:
    from assistant.knowledge.reading.html import html_blocks, html_title

    source.bounded("" if len(source.data) < 2**20 else decoded(source.data))
    title = html_title(source.data) or source.stem
    return passages(html_blocks(source.data), title), []


def _pdf(source: Source) -> tuple[list[Draft], list[str]]:
    from assistant.knowledge.reading.pdf import pdf_blocks

    title, blocks, troubles = pdf_blocks(source)
    return passages(blocks, title or source.stem), troubles


def _docx(source: Source) -> tuple[list[Draft], list[str]]:
    from assistant.knowledge.reading.docx import docx_blocks

    title, blocks = docx_blocks(source)
    return passages(blocks, title or source.stem), []


def _csv(source: Source) -> tuple[list[Draft], list[str]]:
    return csv_drafts(source, source.bounded(decoded(source.data)))


def _jsonl(source: Source) -> tuple[list[Draft], list[str]]:
    return jsonl_drafts(source, source.bounded(decoded(source.data)))


_READERS: dict[str, Callable[[Source], tuple[list[Draft], list[str]]]] = {
    "text": _text,
    "markdown": _markdown,
    "html": _html,
    "pdf": _pdf,
    "docx": _docx,
    "csv": _csv,
    "jsonl": _jsonl,
}
