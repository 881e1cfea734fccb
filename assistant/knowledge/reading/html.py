"""HTML as blocks: what a reader of the page sees, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup, Tag
from bs4.element import NavigableString, PreformattedString

from assistant.knowledge.blocks import Block
from assistant.knowledge.reading.text import row_text
from assistant.store.text import one_line

_NOT_SHOWN = """
    script style noscript template svg math canvas iframe object embed head title nav form
    button select option input textarea audio video
"""
_UNSEEN = _NOT_SHOWN.split()
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_OWN_LINE = """
    address article aside blockquote body br dd details div dl dt fieldset figcaption figure
    footer header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul
"""
_BREAKS = frozenset(_OWN_LINE.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}


def html_title(data: bytes | str) -> str:
    """The page's title, empty where it has none."""
    found = _soup(data).title
    return one_line(found.get_text(" ")) if found is not None else ""


def html_blocks(data: bytes | str) -> Iterator[Block]:
    """Blocks of a page; scripts, styles, menus, forms and what is hidden are left out.

    Args:
        data: bytes, whose encoding the page tells or is guessed, or text.
    """
    soup = _soup(data)
    for tag in soup(_UNSEEN):
        tag.decompose()
    for tag in [*soup.find_all(hidden=True), *soup.find_all(style=_HIDDEN)]:
        # One inside another is gone already.
        if not tag.decomposed:
            tag.decompose()
    held: list[str] = []
    kind = "paragraph"
    table: Tag | None = None
    header: list[str] = []
    skipped: Tag | None = None  # a heading or a row, which was taken as a whole

    def release() -> Iterator[Block]:
        text = " ".join("".join(held).split())
        held.clear()
        if text:
            yield Block("item", f"- {text}") if kind == "item" else Block("paragraph", text)

    for node in soup.descendants:
        if skipped is not None:
            if any(parent is skipped for parent in node.parents):
                continue
            skipped = None
        if isinstance(node, NavigableString):
            # Comments, declarations and the like are kinds of it.
            if not isinstance(node, PreformattedString):
                if held and node.parent is not None and _new_block(node):
                    yield from release()
                    kind = "paragraph"
                held.append(str(node))
        elif isinstance(node, Tag) and node.name in _HEADINGS:
            yield from release()
            kind, skipped = "paragraph", node
            yield Block("heading", " ".join(node.get_text(" ").split()), _HEADINGS[node.name])
        elif isinstance(node, Tag) and node.name == "tr" and node.find("tr") is None:
            yield from release()
            kind, skipped = "paragraph", node
            above = node.find_parent("table")
            if above is not table:
                table, header = above, []
            cells = node.find_all(["td", "th"])
            said = [" ".join(cell.get_text(" ").split()) for cell in cells]
            if cells and not header and all(cell.name == "th" for cell in cells):
                header = said
            elif any(said):
                yield Block("row", row_text(header, said))
        elif isinstance(node, Tag) and node.name in _BREAKS:
            yield from release()
            kind = "item" if node.name in ("li", "dd") else "paragraph"
        elif isinstance(node, Tag) and node.name == "img":
            held.append(f" {node.get('alt') or ''} ")
    yield from release()


def _new_block(text: NavigableString) -> bool:
    """Whether what stands before a text is a block that has ended, such as ``</p>``."""
    before = text.previous_sibling
    return isinstance(before, Tag) and (before.name in _BREAKS or before.name in _HEADINGS)


def _soup(data: bytes | str) -> BeautifulSoup:
    return BeautifulSoup(data, "lxml")
