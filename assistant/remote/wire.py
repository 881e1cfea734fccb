"""Bodies of responses, read up to a size: whole, or as server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx

from assistant.remote.troubles import Troubles

LONGEST_LINE: Final = 2**22


async def events(response: httpx.Response, troubles: Troubles) -> AsyncIterator[str]:
    """The data of each server-sent event (WHATWG HTML, 9.2); comments and names are passed over."""
    held, data = b"", list[str]()
    async for chunk in response.aiter_bytes():
        *lines, held = (held + chunk).split(b"\n")
        if len(held) > LONGEST_LINE:
            raise troubles.garbage()
        for raw in lines:
            line = raw.rstrip(b"\r").decode("utf-8", "replace")
            if line.startswith("data:"):
                data.append(line[5:].removeprefix(" "))
            elif not line and data:
                yield "\n".join(data)
                data.clear()
    last = held.rstrip(b"\r").decode("utf-8", "replace")
    if last.startswith("data:"):
        data.append(last[5:].removeprefix(" "))
    if data:
        yield "\n".join(data)


async def body_of(response: httpx.Response, most: int) -> bytes:
    """A body up to a size; what is longer is cut, and so no JSON any more."""
    found = bytearray()
    async for chunk in response.aiter_bytes():
        found += chunk
        if len(found) > most:
            break
    return bytes(found[:most])
