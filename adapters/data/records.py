"""Objects out of JSON Lines and JSON lists, each with the line that it begins in.

Lines are read one by one and bounded. A list is read whole (bounded too), but taken apart element
by element, so that a damaged end costs only what stands after it.
"""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from adapters.data.notes import Notes
from assistant.errors import DataError

MAX_LINE = 96 * 2**20
"""Of a row with pictures inside its text; readers of other formats refuse far shorter ones."""

MAX_LIST = 2 * 2**30

Record = tuple[int, dict[str, Any], int]
"""Line, object, and its size in bytes (of one in a list: in characters)."""

_BLANKS = re.compile(r"[ \t\r\n]*")


def head(file: Path, size: int = 1 << 16) -> bytes:
    """The first bytes of a file, without a byte order mark of UTF-8.

    Raises:
        DataError: it cannot be read, or is UTF-16.
    """
    with _opened(file) as stream:
        start = stream.read(size)
    if start.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise DataError(f"{file} is written in UTF-16; save it as UTF-8.")
    return start.removeprefix(BOM_UTF8)


def lines(file: Path, limit: int = MAX_LINE) -> Iterator[tuple[int, bytes | None]]:
    """Yield (number, line) for every line, None in place of one longer than ``limit``.

    Raises:
        DataError: the file cannot be read.
    """
    number = 0
    try:
        with _opened(file) as stream:
            while raw := stream.readline(limit + 1):
                number += 1
                if number == 1:
                    raw = raw.removeprefix(BOM_UTF8)
                if len(raw) <= limit:
                    yield number, raw
                    continue
                while raw and not raw.endswith(b"\n"):
                    raw = stream.readline(limit + 1)
                yield number, None
    except OSError as error:
        raise _unreadable(file, error) from error


def records(file: Path, notes: Notes) -> Iterator[Record]:
    """Yield every object; what is none becomes a finding.

    Raises:
        DataError: the file cannot be read, or is no list of rows.
    """
    start = head(file).lstrip()
    return _elements(file, notes) if start.startswith(b"[") else _json_lines(file, notes)


def _json_lines(file: Path, notes: Notes) -> Iterator[Record]:
    first = True
    for number, raw in lines(file):
        where = f"{file}:{number}"
        if raw is None:
            notes.error("long-row", where, f"The row is longer than {MAX_LINE:,} bytes; split it.")
        elif raw.strip():
            try:
                value = json.loads(raw.decode("utf-8"))
            except (ValueError, RecursionError):
                if first and file.suffix == ".json":
                    raise DataError(
                        f"{file} is neither a list of rows nor one row a line; "
                        f"write it as [{{...}}, ...] or as JSON Lines."
                    ) from None
                notes.error(
                    "not-json", where, "The row is not JSON in UTF-8; correct or remove it."
                )
            else:
                if isinstance(value, dict):
                    yield number, value, len(raw)
                else:
                    _not_an_object(notes, where)
            first = False


def _elements(file: Path, notes: Notes) -> Iterator[Record]:
    try:
        with _opened(file) as stream:
            data = stream.read(MAX_LIST + 1)
    except OSError as error:
        raise _unreadable(file, error) from error
    if len(data) > MAX_LIST:
        raise DataError(
            f"{file} is larger than {MAX_LIST / 2**30:.0f} GiB, the most that a JSON list may have;"
            f" write one row a line (JSON Lines)."
        )
    try:
        text = data.removeprefix(BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}:{line} is not UTF-8; save the file as UTF-8.") from error
    del data
    decoder = json.JSONDecoder()
    place, line, counted = _skip_blanks(text, text.index("[") + 1), 1, 0
    while text[place : place + 1] != "]":
        line += text.count("\n", counted, place)
        counted = place
        try:
            value, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        if isinstance(value, dict):
            yield line, value, end - place
        else:
            _not_an_object(notes, f"{file}:{line}")
        place = _skip_blanks(text, end)
        if text[place : place + 1] == ",":
            place = _skip_blanks(text, place + 1)
        elif text[place : place + 1] != "]":
            line += text.count("\n", counted, place)
            break
    else:
        return
    notes.error(
        "not-json",
        f"{file}:{line}",
        "The list is damaged or cut off here, and what follows is not read; mend it.",
    )


def _skip_blanks(text: str, place: int) -> int:
    found = _BLANKS.match(text, place)
    return found.end() if found else place


def _not_an_object(notes: Notes, where: str) -> None:
    notes.error("not-json", where, "The row is not a JSON object; write it as {...}.")


def _opened(file: Path) -> BinaryIO:
    try:
        if file.exists() and not file.is_file():
            raise DataError(f"{file} is not a regular file; save the data to a file first.")
        return file.open("rb")
    except (OSError, ValueError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"{file} cannot be read ({reason}); check the path.")
