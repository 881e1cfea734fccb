"""PDF as blocks: the text of each page, and for a page without text what a picture of it says."""

from __future__ import annotations

import io
import logging
import re
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from assistant.errors import DataError, ImageError
from assistant.images import LoadedImage, open_image
from assistant.knowledge.blocks import Block
from assistant.knowledge.reading.source import Source
from assistant.store.text import one_line

if TYPE_CHECKING:
    import pypdfium2

_PDFIUM = threading.RLock()  # it is not for several threads at once

_SCANNED = 12
"""A page of fewer letters and digits than that is taken for a scan."""

_SCAN_DPI = 200
_SCAN_PIXELS = 12_000_000
_REPEATED = 0.6
"""A first or last line on so many of the pages is a header or footer."""


def pdf_blocks(source: Source) -> tuple[str, list[Block], list[str]]:
    """Title, empty where it has none; blocks with their page; what could not be read.

    Raises:
        DataError: it is protected by a password, damaged, or has too many pages or characters.
    """
    title, pages, troubles = _texts(source)
    scanned = [
        number for number, text in enumerate(pages) if sum(map(str.isalnum, text)) < _SCANNED
    ]
    if scanned:
        troubles += _read_scans(source, pages, scanned)
    blocks: list[Block] = []
    for number, lines in enumerate(_without_repeats(pages), 1):
        blocks += _blocks(lines, f"page {number}")
    return title, blocks, troubles


def _texts(source: Source) -> tuple[str, list[str], list[str]]:
    """Title, text of each page, and troubles."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError, PyPdfError

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(source.data))
        if reader.is_encrypted and not reader.decrypt(""):
            raise _protected(source)
        total = len(reader.pages)
        title = one_line(str(reader.metadata.title or "") if reader.metadata else "")
    except DependencyError:
        # Ciphers that it has no package for; pdfium brings its own.
        return _texts_of_pdfium(source)
    except DataError:
        raise
    # Damaged files raise whatever the parser stumbles over.
    except Exception as error:
        if isinstance(error, PyPdfError | ValueError | TypeError | KeyError | AttributeError):
            return _texts_of_pdfium(source)
        raise DataError(f"{source.name} is damaged; save it as PDF again.") from error

    def text_of(number: int) -> str:
        return reader.pages[number].extract_text()

    pages, troubles = _each_page(source, total, text_of)
    return title, pages, troubles


def _texts_of_pdfium(source: Source) -> tuple[str, list[str], list[str]]:
    with _PDFIUM, closing(_pdfium(source)) as document:
        title = one_line(document.get_metadata_dict().get("Title", ""))

        def text_of(number: int) -> str:
            page = document[number]
            try:
                return str(page.get_textpage().get_text_range()).replace("\r\n", "\n")
            finally:
                page.close()

        pages, troubles = _each_page(source, len(document), text_of)
        return title, pages, troubles


def _each_page(
    source: Source, total: int, text_of: Callable[[int], str]
) -> tuple[list[str], list[str]]:
    """Text of each page, "" for one that cannot be read, which is among the troubles."""
    if total > source.settings.max_document_pages:
        raise DataError(
            f"{source.name} has {total:,} pages and {source.settings.max_document_pages:,} are "
            f"read; split it, or raise SIGHTDESK_MAX_DOCUMENT_PAGES."
        )
    pages: list[str] = []
    broken: list[str] = []
    size = 0
    for number in range(total):
        source.report(f"Reading {source.name}, {total:,} pages", number / total)
        try:
            pages.append(text_of(number))
        except Exception:  # one page of a file that others can be read of
            pages.append("")
            broken.append(str(number + 1))
        size += len(pages[-1])
        if size > source.settings.max_document_chars:
            source.bounded(" " * size)
    if not broken:
        return pages, []
    return pages, [
        f"{source.name}: page {', '.join(broken[:10])} cannot be read; save it as PDF again."
    ]


def _read_scans(source: Source, pages: list[str], scanned: list[int]) -> list[str]:
    """Read pages without text from pictures of them into `pages`; returns troubles."""
    if source.read_text is None:
        # Nothing is missing on an empty page among others, and nobody can tell.
        if len(scanned) == len(pages):
            return [
                f"{source.name} holds pictures of pages and no text; switch on reading text from "
                f"pictures, or add it as text."
            ]
        return []
    failed: list[str] = []
    with _PDFIUM, closing(_pdfium(source)) as document:
        for done, number in enumerate(scanned):
            source.report(f"Reading {len(scanned):,} scanned pages", done / len(scanned))
            try:
                picture = _picture(document, number, source)
                pages[number] = source.read_text(picture) or pages[number]
            # Whatever reads may fail in its own ways; the other pages are still worth reading.
            except Exception:
                logging.getLogger(__name__).warning("A page was not read.", exc_info=True)
                failed.append(str(number + 1))
    if not failed:
        return []
    return [f"{source.name}: page {', '.join(failed[:10])} could not be read; add it as text."]


def _picture(document: pypdfium2.PdfDocument, number: int, source: Source) -> LoadedImage:
    """A page as a picture of at most `_SCAN_PIXELS`."""
    page = document[number]
    try:
        width, height = page.get_size()  # in points, 72 an inch
        scale = min(_SCAN_DPI / 72, (_SCAN_PIXELS / max(1.0, width * height)) ** 0.5)
        pixels = page.render(scale=scale).to_pil()
    finally:
        page.close()
    try:
        return open_image(pixels, settings=source.settings, name=source.name)
    except ImageError as error:
        raise DataError(f"{source.name} has a page that is no picture.") from error


def _pdfium(source: Source) -> pypdfium2.PdfDocument:
    import pypdfium2

    try:
        return pypdfium2.PdfDocument(source.data)
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            raise _protected(source) from error
        raise DataError(f"{source.name} is damaged; save it as PDF again.") from error


def _protected(source: Source) -> DataError:
    return DataError(
        f"{source.name} is protected by a password; save a copy without one and add that."
    )


def _without_repeats(pages: list[str]) -> list[list[str]]:
    """Lines of each page, without headers, footers and page numbers."""
    split = [[line.strip() for line in page.split("\n")] for page in pages]
    full = [[line for line in lines if line] for lines in split]
    edges = Counter(_shape(line) for lines in full for line in {*lines[:2], *lines[-2:]} if lines)
    most = max(3, _REPEATED * len(pages))
    repeated = {shape for shape, count in edges.items() if count >= most}
    for lines in split:
        if sum(map(bool, lines)) <= 2:
            continue  # a page of a line or two says nothing but them
        for order in (range(len(lines)), range(len(lines) - 1, -1, -1)):
            seen = 0
            for place in order:
                if not lines[place]:
                    continue
                seen += 1
                if seen > 2:
                    break
                if _shape(lines[place]) in repeated:
                    lines[place] = ""
    return split


def _shape(line: str) -> str:
    """A line with every number alike: "Page 3 of 9" is the same on each page."""
    return re.sub(r"\d+", "#", line)


def _blocks(lines: list[str], place: str) -> list[Block]:
    """Paragraphs of a page: lines joined, and words that were parted at the end of one."""
    blocks: list[Block] = []
    text = ""
    for line in [*lines, ""]:
        is_item = re.match(r"(?:[-•*–▪●]|\d{1,2}[.)])\s", line)
        if (not line or is_item) and text:
            blocks.append(Block("paragraph", text, 0, place))
            text = ""
        if not line:
            continue
        if re.search(r"\w-$", text) and line[:1].islower():
            text = text[:-1] + line
        else:
            text = f"{text} {line}" if text else line
        # A full stop well before the margin ends a paragraph; this also ends headings.
        if is_item is None and len(line) < 50 and re.search(r"[.!?:]$", line):
            blocks.append(Block("paragraph", text, 0, place))
            text = ""
    return blocks
