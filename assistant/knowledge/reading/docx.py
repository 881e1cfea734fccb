"""DOCX as blocks: headings, paragraphs, lists and tables in their order."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from typing import TYPE_CHECKING

from assistant.errors import DataError
from assistant.knowledge.blocks import Block
from assistant.knowledge.reading.source import Source
from assistant.knowledge.reading.text import row_text
from assistant.store.text import one_line

if TYPE_CHECKING:
    from docx.table import Table
    from docx.text.paragraph import Paragraph

_MOST_PARTS = 10_000
_MOST_GROWTH = 4
"""Its parts may be so many times as large as the largest file that is read."""

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)


def docx_blocks(source: Source) -> tuple[str, list[Block]]:
    """Title, empty where it has none, and blocks.

    Raises:
        DataError: it is protected, damaged, or grows beyond all measure when it is unpacked.
    """
    _check_parts(source)
    from docx import Document
    from docx.table import Table

    try:
        document = Document(io.BytesIO(source.data))
        title = one_line(document.core_properties.title or "")
        blocks = []
        size = 0
        for part in document.iter_inner_content():
            for block in _table(part) if isinstance(part, Table) else _paragraph(part):
                size += len(block.text)
                if size > source.settings.max_document_chars:
                    source.bounded(" " * size)
                blocks.append(block)
    except DataError:
        raise
    # The package raises whatever its parser does for a file that is none.
    except Exception as error:
        raise DataError(f"{source.name} is damaged; save it as DOCX again.") from error
    return title, blocks


def _check_parts(source: Source) -> None:
    """Raise a `DataError` for a file that unpacks to too much, before anything is unpacked."""
    most = _MOST_GROWTH * source.settings.max_document_bytes
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as parts:
            entries = parts.infolist()
            size = sum(entry.file_size for entry in entries)
            names = {entry.filename for entry in entries}
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(f"{source.name} is damaged; save it as DOCX again.") from error
    if len(entries) > _MOST_PARTS or size > most:
        raise DataError(
            f"{source.name} unpacks to {size / 2**20:,.0f} MiB in {len(entries):,} parts, which is "
            f"too much; save its text as a smaller file."
        )
    if "word/document.xml" not in names:
        raise DataError(f"{source.name} is no DOCX file; save it as one again.")


def _paragraph(paragraph: Paragraph) -> Iterator[Block]:
    text = paragraph.text.strip()
    if not text:
        return
    style = (paragraph.style.name if paragraph.style is not None else "") or ""
    if found := _HEADING.match(style):
        yield Block("heading", text, int(found[1]))
    elif style.lower() == "title":
        yield Block("heading", text, 1)
    elif style.lower().startswith("list") or _is_numbered(paragraph):
        yield Block("item", f"- {text}")
    else:
        yield Block("paragraph", text)


def _is_numbered(paragraph: Paragraph) -> bool:
    properties = paragraph._p.pPr
    return properties is not None and properties.numPr is not None


def _table(table: Table) -> Iterator[Block]:
    header: list[str] = []
    for row in table.rows:
        cells: list[str] = []
        last = None
        for cell in row.cells:
            # A merged cell comes once for each column that it spans.
            if cell._tc is not last:
                cells.append(" ".join(cell.text.split()))
            last = cell._tc
        if not header:
            header = cells
        elif any(cells):
            yield Block("row", row_text(header, cells))
    if header and len(table.rows) == 1:
        yield Block("row", row_text([], header))
