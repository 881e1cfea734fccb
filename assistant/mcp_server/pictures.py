"""How a client hands in a picture: by id, in base64, or as a file in a folder that it opened."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from assistant.errors import ImageError, InputError
from assistant.mcp_server.contents import address, file_path
from assistant.mcp_server.work import Work

if TYPE_CHECKING:
    from assistant.settings import Settings
    from assistant.tools import Desk

_AN_ID: Final = re.compile(r"(?:image|img|id)?[\s:#\[]*[0-9a-fA-F]{8,64}[\s\].…]*")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_\-\s]+={0,2}\s*")
_SHORTEST: Final = 44  # base64 of the smallest picture that there can be
_DATA: Final = re.compile(r"data:[^,]{0,200}?(;base64)?,", re.IGNORECASE)
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+:")


@dataclass(frozen=True)
class Taken:
    """A picture of the store.

    Attributes:
        id: its name there.
        sent: whether the client sent it just now, and so may not know the id.
        name: what the client calls it; empty where it did not say.
    """

    id: str
    sent: bool = False
    name: str = ""


async def take(work: Work, desk: Desk, given: str, *, name: str = "") -> Taken:
    """The picture that an argument names or holds; one that is sent is kept in the store.

    Raises:
        InputError: it names nothing that this client may see.
        ImageError: it is no picture, or too large.
        StoreError: it cannot be kept.
    """
    text = given.strip()
    ours = address(text)
    if ours is not None:
        if ours[0] != "image":
            raise InputError("This link is no picture's; give a link that begins with "
                             "sightdesk://image/.")  # fmt: skip
        text = ours[1]
    if _AN_ID.fullmatch(text):
        return Taken(await work.thread(desk.image_id, text))
    data = await work.thread(_decoded, text, desk.settings)
    if data is not None:
        return await work.thread(_keep, desk, data, name or "picture")
    path = _path(text)
    if not work.visit.local:
        raise InputError("A file's path means nothing to this server; send the picture itself, as "
                         "base64 or as a data: URI.")  # fmt: skip
    folders = await work.folders()
    return await work.thread(_keep, desk, path, name, folders)


def inside(path: Path, folders: Sequence[Path]) -> Path:
    """The file that a path leads to, links followed, if it is in one of the folders.

    A relative path is looked for in each folder.

    Raises:
        InputError: it is in none of them, or there are none.
    """
    if not folders:
        raise InputError(
            "No folder is open to this server: let the client open one (roots), start it with "
            "--folder, or send the picture as base64."
        )
    found = None
    for folder in folders:
        try:
            real = (folder / path).resolve()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte
            continue
        if any(real.is_relative_to(each) for each in folders):
            found = found or real
            if real.exists():
                return real
    if found is None:
        raise InputError(
            "This file is in no folder that the client opened; move it there, or send the picture "
            "as base64."
        )
    return found


def _keep(
    desk: Desk, source: bytes | Path, name: str, folders: Sequence[Path] | None = None
) -> Taken:
    from assistant.images import open_image

    if folders is not None and isinstance(source, Path):
        name = name or source.name
        source = inside(source, folders)
    shown = name if isinstance(source, Path) else "The picture"
    image = open_image(source, settings=desk.settings, name=shown)
    stored = desk.store.put_image(image, name=name, tenant=desk.tenant)
    return Taken(stored.id, sent=True, name=stored.name)


def _decoded(text: str, settings: Settings) -> bytes | None:
    """The bytes of base64 or of a ``data:`` URI; None where it is neither.

    Raises:
        ImageError: it is not what it seems to be, or too large.
    """
    from assistant.images import is_picture

    start = _DATA.match(text)
    if start is None and text[:5].lower() == "data:":
        raise ImageError("This data: URI has no comma; write data:image/jpeg;base64,… .")
    if start is not None and start[1] is None:
        raise ImageError("Only data: URIs in base64 are read; write data:image/jpeg;base64,… .")
    rest = text[start.end() :] if start is not None else text
    # A quarter more than needed, for line breaks: what is longer is not looked at.
    if len(rest) > settings.max_image_bytes * 5 // 3 + 1_000:
        raise _too_large(settings)
    if start is None and (len(rest) < _SHORTEST or not _BASE64.fullmatch(rest)):
        return None
    packed = "".join(rest.split()).replace("-", "+").replace("_", "/").rstrip("=")
    if len(packed) * 3 // 4 > settings.max_image_bytes:
        raise _too_large(settings)
    try:
        data = base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise ImageError("The picture is not valid base64; encode the whole file again.") from error
    if not data:
        raise ImageError("The picture is empty (0 bytes); send the whole file.")
    # A path without a dot may look like base64, which begins with / too, where it is a JPEG.
    if start is None and text.startswith("/") and not is_picture(data):
        return None
    return data


def _path(text: str) -> Path:
    if len(text) > 4_096 or "\0" in text:
        raise InputError("This is no picture: give an image id, base64 or a data: URI.")
    if text[:5].lower() == "file:":
        path = file_path(text)
        if path is None:
            raise InputError("This file: address is none of this machine; write file:///path.")
        return path
    # C:\ is a drive, not a scheme.
    if _SCHEME.match(text) and not re.match(r"[A-Za-z]:[\\/]", text):
        raise InputError(
            "Pictures are not fetched from addresses here; download it and send it as base64 or as "
            "a data: URI."
        )
    return Path(text)


def _too_large(settings: Settings) -> ImageError:
    return ImageError(
        f"The picture is larger than {settings.max_image_bytes / 2**20:,.4g} MiB, the most that is "
        "opened; scale it down, or raise SIGHTDESK_MAX_IMAGE_BYTES."
    )
