"""IPTC captions and keywords in JPEG files, without touching a pixel (IPTC-IIM 4.2).

The records stand in Photoshop's resource 0x0404, in segments APP13 of the file. All other segments
and the compressed pixels are copied byte by byte; of the records that were there, those that are
not replaced stay, in UTF-8 from then on.

    >>> written = with_iptc(path.read_bytes(), caption="A dog runs.", keywords=["dog"])
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

LONGEST_CAPTION: Final = 2_000
"""Bytes, as the standard has it; so with the next."""
LONGEST_KEYWORD: Final = 64

_APP13: Final = 0xED
_SCAN: Final = 0xDA
_PHOTOSHOP: Final = b"Photoshop 3.0\0"
_RECORDS, _DIGEST = 0x0404, 0x0425
_CAPTION, _KEYWORD, _VERSION = (2, 120), (2, 25), (2, 0)
_CHARACTERS: Final = (1, 90)
_UTF8: Final = b"\x1b%G"
_SEGMENT: Final = 65_533 - len(_PHOTOSHOP)
_LONGEST_DATASET: Final = 32_767
# Of record 2, numbers and what is no text: version, urgency, object data.
_NO_TEXT: Final = {(2, 0), (2, 10), (2, 202)}

Dataset = tuple[tuple[int, int], bytes]


def with_iptc(data: bytes, *, caption: str | None, keywords: Sequence[str]) -> bytes:
    """A JPEG file with a caption and keywords beside those that it has.

    Args:
        caption: takes the place of the one that is there; None leaves it.

    Raises:
        ValueError: it is no JPEG file, or its segments are damaged.
    """
    before, segments, rest = _taken_apart(data)
    own = [body for marker, body in segments if _is_photoshop(marker, body)]
    resources = list(_resources(b"".join(body[len(_PHOTOSHOP) :] for body in own)))
    known = [datum for kind, _, body in resources if kind == _RECORDS for datum in _datasets(body)]
    records = _packed(_changed(known, caption, keywords))
    others = [one for one in resources if one[0] not in (_RECORDS, _DIGEST)]
    whole = b"".join(_resource(*one) for one in [*others, (_RECORDS, b"\0\0", records)])
    new = [whole[at : at + _SEGMENT] for at in range(0, len(whole), _SEGMENT)]
    kept = [one for one in segments if not _is_photoshop(*one)]
    # Behind the segments that say what the file is: JFIF, Exif, XMP.
    place = next((n for n, (marker, _) in enumerate(kept) if not 0xE0 <= marker <= 0xE1), len(kept))
    written = [(_APP13, _PHOTOSHOP + part) for part in new]
    pieces = [_segment(*one) for one in [*kept[:place], *written, *kept[place:]]]
    return before + b"".join(pieces) + rest


def _taken_apart(data: bytes) -> tuple[bytes, list[tuple[int, bytes]], bytes]:
    """The start of image, the segments up to the first scan, and all that follows."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("it is no JPEG file")
    segments: list[tuple[int, bytes]] = []
    at = 2
    while True:
        while data[at : at + 2] == b"\xff\xff":  # fill bytes
            at += 1
        if at + 4 > len(data) or data[at] != 0xFF:
            raise ValueError("its segments are damaged")
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _SCAN:
            return data[:2], segments, data[at:]
        if length < 2 or at + 2 + length > len(data):
            raise ValueError("its segments are damaged")
        segments.append((marker, data[at + 4 : at + 2 + length]))
        at += 2 + length


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _is_photoshop(marker: int, body: bytes) -> bool:
    return marker == _APP13 and body.startswith(_PHOTOSHOP)


# --- Photoshop's resources


def _resources(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Number, name with its length and padding, and content of each."""
    at = 0
    while at + 12 <= len(data):
        if data[at : at + 4] not in (b"8BIM", b"MeSa", b"AgHg", b"PHUT", b"DCSR"):
            raise ValueError("its Photoshop resources are damaged")
        kind = int.from_bytes(data[at + 4 : at + 6], "big")
        name_end = at + 6 + (data[at + 6] + 2) // 2 * 2
        size = int.from_bytes(data[name_end : name_end + 4], "big")
        start = name_end + 4
        if start + size > len(data):
            raise ValueError("its Photoshop resources are damaged")
        yield kind, data[at + 6 : name_end], data[start : start + size]
        at = start + size + size % 2


def _resource(kind: int, name: bytes, body: bytes) -> bytes:
    head = b"8BIM" + struct.pack(">H", kind) + name + struct.pack(">I", len(body))
    return head + body + b"\0" * (len(body) % 2)


# --- records


def _datasets(data: bytes) -> Iterator[Dataset]:
    """Record and number, and content of each; what follows the last whole one is padding."""
    at = 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        name = data[at + 1], data[at + 2]
        size = int.from_bytes(data[at + 3 : at + 5], "big")
        at += 5
        if size & 0x8000:  # the length has a length
            width = size & 0x7FFF
            if width > 4:
                raise ValueError("its IPTC records are damaged")
            size = int.from_bytes(data[at : at + width], "big")
            at += width
        if at + size > len(data):
            raise ValueError("its IPTC records are damaged")
        yield name, data[at : at + size]
        at += size


def _changed(
    known: Sequence[Dataset], caption: str | None, keywords: Sequence[str]
) -> list[Dataset]:
    """The records with caption and keywords, by their numbers."""
    unicode = (_CHARACTERS, _UTF8) in known
    found = [
        (name, body if unicode or name in _NO_TEXT or name[0] != 2 else _as_utf8(body))
        for name, body in known
        if name not in (_CHARACTERS, _VERSION) and not (name == _CAPTION and caption is not None)
    ]
    version = next((body for name, body in known if name == _VERSION), struct.pack(">H", 4))
    found += [(_CHARACTERS, _UTF8), (_VERSION, version)]
    if caption is not None:
        found.append((_CAPTION, _cut(caption, LONGEST_CAPTION)))
    there = {body for name, body in found if name == _KEYWORD}
    for word in dict.fromkeys(_cut(word, LONGEST_KEYWORD) for word in keywords):
        if word and word not in there:
            found.append((_KEYWORD, word))
    return sorted(found, key=lambda one: one[0])


def _packed(datasets: Sequence[Dataset]) -> bytes:
    parts = []
    for (record, number), body in datasets:
        size = struct.pack(">H", len(body))
        if len(body) > _LONGEST_DATASET:
            size = struct.pack(">HI", 0x8004, len(body))
        parts.append(bytes((0x1C, record, number)) + size + body)
    return b"".join(parts)


def _as_utf8(body: bytes) -> bytes:
    """Text of whatever encoding; where none is named it was mostly Latin-1."""
    try:
        body.decode("utf-8")
    except UnicodeDecodeError:
        return body.decode("cp1252", "replace").encode()
    return body


def _cut(text: str, most: int) -> bytes:
    """Text in UTF-8 of so many bytes at most, without characters that steer anything."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return (
        " ".join(plain.split()).encode("utf-8", "replace")[:most].decode("utf-8", "ignore").encode()
    )
