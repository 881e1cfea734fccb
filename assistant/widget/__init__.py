"""The chat widget that any web page can show: plain scripts and one style sheet, as written.

`script()` puts them together, in the order of `PARTS`, into the one file that a page loads:

    words.js     all words, in English and Chinese
    page.js      elements, icons, text with marks and links, colours
    wire.js      tokens, requests, streamed answers, uploads
    photos.js    photos made small and shown, on canvases
    turn.js      a question and its answer
    frame.js     the bubble and the window; focus, keys, theme
    box.js       the message box
    sources.js   what an answer rests on, opened
    asking.js    a question on its way, sent again where the connection breaks
    chat.js      the conversation
    start.js     the tag's attributes, and the beginning
    style.css    how it looks

They share one scope of their own, and leave the page nothing but `window.sightdesk`.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
PARTS: Final = (
    "words.js", "page.js", "wire.js", "photos.js", "turn.js", "frame.js", "box.js", "sources.js",
    "asking.js", "chat.js", "start.js",
)  # fmt: skip


@cache
def script() -> bytes:
    """What a page loads, in UTF-8."""
    style = json.dumps((FOLDER / "style.css").read_text(encoding="utf-8"), ensure_ascii=False)
    parts = [(FOLDER / name).read_text(encoding="utf-8").strip() for name in PARTS]
    lines = [
        "// Sightdesk's chat widget; window.sightdesk.open() opens it.",
        "(() => {",
        '"use strict";',
        f"const STYLE = {style};",
        *parts,
        "})();",
        "",
    ]
    return "\n".join(lines).encode()
