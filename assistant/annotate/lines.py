"""Files of lines that are only ever added to: what was half written is no line."""

from __future__ import annotations

import os
from typing import BinaryIO

_PIECE = 2**16


def cut_off(opened: BinaryIO) -> int:
    """Cut a file behind its last whole line, go to its end, and tell its length then."""
    end = size = opened.seek(0, os.SEEK_END)
    tail = b""
    while end and b"\n" not in tail:
        start = max(0, end - _PIECE)
        opened.seek(start)
        tail = opened.read(end - start)
        end = start + tail.rfind(b"\n") + 1 if b"\n" in tail else start
    if end < size:
        opened.truncate(end)
        os.fsync(opened.fileno())
    opened.seek(0, os.SEEK_END)
    return end
