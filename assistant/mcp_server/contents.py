"""Words, small pictures and links as MCP shows them, and the addresses of what can be read."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

from mcp import types
from pydantic import AnyUrl

LARGEST_PICTURE: Final = 256 * 2**10
"""Bytes of a picture that is shown beside the words; a thumbnail has some 20,000."""

_ADDRESS: Final = re.compile(r"sightdesk://(image|passage)/([0-9a-f]{8,64})/?", re.IGNORECASE)


def image_uri(id: str) -> str:
    """The address of a picture."""
    return f"sightdesk://image/{id}"


def passage_uri(id: str) -> str:
    """The address of a passage."""
    return f"sightdesk://passage/{id}"


def address(uri: str) -> tuple[str, str] | None:
    """Kind and id of what an address of ours names; None where it is none."""
    found = _ADDRESS.fullmatch(uri.strip())
    return (found[1].lower(), found[2].lower()) if found is not None else None


def words(text: str) -> types.TextContent:
    """Words."""
    return types.TextContent(type="text", text=text)


def picture(data: bytes, mime: str = "image/webp") -> types.ImageContent | None:
    """A picture; None where it is too large to be shown beside words."""
    if len(data) > LARGEST_PICTURE:
        return None
    return types.ImageContent(type="image", data=base64.b64encode(data).decode(), mimeType=mime)


def image_link(id: str, title: str, *, size: int | None = None) -> types.ResourceLink:
    """A link to a picture."""
    return types.ResourceLink(
        type="resource_link", uri=AnyUrl(image_uri(id)), name=f"image {id[:8]}",
        title=title or None, mimeType="image/webp", size=size,
    )  # fmt: skip


def passage_link(id: str, title: str, source: str) -> types.ResourceLink:
    """A link to a passage."""
    return types.ResourceLink(
        type="resource_link", uri=AnyUrl(passage_uri(id)), name=f"passage {id[:8]}",
        title=title or None, description=source or None, mimeType="text/plain",
    )  # fmt: skip


def file_path(uri: str) -> Path | None:
    """The path that a ``file:`` address of this machine names, None where it names none."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or not parts.path:
        return None
    path = url2pathname(parts.path)
    return Path(path) if "\0" not in path else None
