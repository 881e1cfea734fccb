"""Names of files as text that a database holds, and back: none is lost, no two become one.

A name on a disk is bytes, and not always text. Bytes that are none are kept as characters of the
private use area, U+EF80 to U+EFFF for 80 to FF (the convention of MirOS' OPTU-8), and a name that
already holds one of those has it written byte by byte, so that each name comes back as it was.
"""

from __future__ import annotations

import os
import re

_BYTES = 0xEF00
_KEPT = re.compile("[\uef80-\uefff]")
_RUN = re.compile("[\uef80-\uefff]+")


def stored(path: str) -> str:
    """A path as the operating system gives it, as text that UTF-8 holds."""
    if path.isascii():
        return path
    text = os.fsencode(path).decode("utf-8", "surrogateescape")
    text = _KEPT.sub(lambda found: _as_characters(found[0].encode()), text)
    return "".join(
        chr(_BYTES + ord(letter) - 0xDC00) if "\udc80" <= letter <= "\udcff" else letter
        for letter in text
    )


def on_disk(name: str) -> str:
    """The path that `stored` was given."""
    if name.isascii() or not _RUN.search(name):
        return name
    pieces, last = [], 0
    for found in _RUN.finditer(name):
        pieces.append(name[last : found.start()].encode())
        pieces.append(bytes(ord(letter) - _BYTES for letter in found[0]))
        last = found.end()
    return os.fsdecode(b"".join([*pieces, name[last:].encode()]))


def shown(name: str) -> str:
    """A stored name on one line, without characters that could steer a terminal.

    What cannot be shown is written as Python writes it: ``\\n``, ``\\x1b``, ``\\u202e``.
    """
    return name if name.isprintable() else "".join(map(_shown, name))


def _shown(letter: str) -> str:
    if _KEPT.match(letter):
        return f"\\x{ord(letter) - _BYTES:02x}"
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


def _as_characters(data: bytes) -> str:
    return "".join(chr(_BYTES + byte) for byte in data)
