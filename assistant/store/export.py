"""A conversation as a zip: Markdown or JSON, with its photos in ``images/``.

What people and models wrote is escaped to the last character that could mean something, so that a
conversation that is opened elsewhere loads nothing from anywhere and runs nothing.
"""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import asdict
from io import BytesIO
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import quote

from assistant.errors import InputError, StoreError
from assistant.store.text import one_line
from assistant.store.threads import Threads
from assistant.store.values import Exchange, Thread

# CommonMark 0.31, section 2.4: any ASCII punctuation may be escaped; these can mean something.
_MARKS = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$^=:@/>\"'])")
_UNSAFE_NAME = re.compile(r"[^\w.-]+")


class Export(Threads):
    """The part of the store that gives conversations away."""

    def export_thread(
        self, id: str, *, form: Literal["markdown", "json"], tenant: str = ""
    ) -> bytes:
        """A zip with ``conversation.md`` or ``conversation.json`` and the photos.

        A photo whose file is missing is left out.

        Raises:
            StoreError: the tenant has no such thread, or it cannot be read.
        """
        if form not in ("markdown", "json"):
            raise InputError(f"There is no export as {form}; choose markdown or json.")
        thread = self.thread(id, tenant=tenant)
        buffer = BytesIO()
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            paths = self._add_pictures(archive, thread, tenant)
            if form == "json":
                archive.writestr("conversation.json", _as_json(thread, paths))
            else:
                archive.writestr("conversation.md", _as_markdown(thread, paths))
        return buffer.getvalue()

    def _add_pictures(
        self, archive: zipfile.ZipFile, thread: Thread, tenant: str
    ) -> dict[str, str]:
        """Put each picture in once; returns their paths in the archive by id."""
        paths: dict[str, str] = {}
        for exchange in thread.exchanges:
            stems = [_stem(name) for name in exchange.names]
            shown = zip(exchange.images, stems, strict=True)
            used = zip(exchange.used, (f"{stem}-enhanced" for stem in stems), strict=True)
            for id, stem in (*shown, *used):
                if id in paths:
                    continue
                try:
                    data = self.image_bytes(id, tenant=tenant)
                except StoreError:
                    continue
                ending = ".png" if data.startswith(b"\x89PNG") else ".webp"
                paths[id] = f"images/{len(paths) + 1:03d}-{stem}{ending}"
                # They are compressed as far as they go.
                archive.writestr(paths[id], data, zipfile.ZIP_STORED)
        return paths


def _stem(name: str) -> str:
    """A file's name without its ending, of letters that every file system takes."""
    return _UNSAFE_NAME.sub("-", PurePosixPath(one_line(name, 60)).stem).strip("-.") or "photo"


def _as_json(thread: Thread, paths: dict[str, str]) -> str:
    document = asdict(thread)
    for exchange in document["exchanges"]:
        exchange["images"] = [{"id": id, "path": paths.get(id)} for id in exchange["images"]]
        exchange["used"] = [{"id": id, "path": paths.get(id)} for id in exchange["used"]]
    return json.dumps(document, ensure_ascii=False, indent=2, default=lambda time: time.isoformat())


def _as_markdown(thread: Thread, paths: dict[str, str]) -> str:
    parts = [f"# {escape_markdown(thread.title) or 'Conversation'}"]
    for exchange in thread.exchanges:
        parts += _exchange_parts(exchange, paths)
    return "\n\n".join(parts) + "\n"


def _exchange_parts(exchange: Exchange, paths: dict[str, str]) -> list[str]:
    parts = [f"## {exchange.position + 1}. {exchange.created:%Y-%m-%d %H:%M} UTC"]
    for shown, used, name in zip(exchange.images, exchange.used, exchange.names, strict=True):
        parts.append(_picture(shown, name, paths))
        if used != shown:
            parts.append(_picture(used, f"{name}, as the model was given it", paths))
    if exchange.shown.strip():
        parts.append("**Question**\n\n" + escape_markdown(exchange.shown))
    by_person = exchange.details.get("by") == "person"
    title = "Answer by a person" if by_person else "Answer"
    parts.append(f"**{title}**\n\n" + (escape_markdown(exchange.answer) or "–"))
    parts += _sources(exchange.details.get("citations"), paths)
    if ticket := exchange.details.get("ticket"):
        parts.append(f"*Ticket {escape_markdown(one_line(str(ticket), 40))}*")
    if exchange.state != "done":
        parts.append(f"*The answer is {exchange.state}.*")
    if exchange.error:
        parts.append("**Error**\n\n" + escape_markdown(exchange.error))
    if exchange.correction:
        parts.append("**Correction**\n\n" + escape_markdown(exchange.correction))
    return parts


def _sources(citations: object, paths: dict[str, str]) -> list[str]:
    """What an answer rests on, under the numbers that it has in the answer."""
    listed = citations if isinstance(citations, list) else []
    found = [one for one in listed if isinstance(one, dict)]
    parts = ["**Sources**"] if found else []
    for number, source in enumerate(found, 1):
        title, origin, text = (str(source.get(key) or "") for key in ("title", "origin", "text"))
        of = f", {escape_markdown(one_line(origin))}" if origin else ""
        line = f"\\[{number}\\] {escape_markdown(one_line(title))}{of}"
        shown = str(source.get("image_id") or "")
        if source.get("kind") == "image" and shown in paths:
            line = f"{line}: {_picture(shown, title, paths)}"
        parts.append("\\\n".join(part for part in (line, escape_markdown(text)) if part))
    return parts


def _picture(id: str, name: str, paths: dict[str, str]) -> str:
    label = escape_markdown(one_line(name))
    return f"![{label}]({quote(paths[id])})" if id in paths else f"{label} is missing."


def escape_markdown(text: str) -> str:
    """`text` so that any Markdown reader shows it letter by letter.

    No line becomes code by its indentation, no address a link or a picture, no tag HTML; line
    breaks stay.
    """
    lines = (line.strip() for line in text.splitlines())
    # As entities, since a reader that looks for HTML first knows no backslash.
    shown = (line.replace("&", "&amp;").replace("<", "&lt;") for line in lines)
    escaped = [_MARKS.sub(r"\\\1", line) for line in shown]
    followed = [*escaped[1:], ""]
    ends = ("\\" if line and after else "" for line, after in zip(escaped, followed, strict=False))
    return "\n".join(line + end for line, end in zip(escaped, ends, strict=True))
