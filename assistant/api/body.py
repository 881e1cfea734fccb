"""What is read of a request's body: within bounds of size, time, depth and number.

A client may lie about the length, send a byte a second, or put ten million brackets into JSON that
cost a hundred times their size when they are read. Whatever comes is counted while it comes.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from starlette.types import Message, Receive

from assistant.api.bounds import Bounds
from assistant.api.errors import ApiError

_DIGITS: Final = re.compile(r"[0-9]{1,18}")

# What opens, closes or parts values.
_MARK: Final = re.compile(rb'["\[\]{},]')
# To the end of a string; it never goes back, so that no string takes long.
_STRING: Final = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
# All escapes, but for half a surrogate pair, which is no character.
_WHOLE: Final = re.compile(
    rb"(?:[^\\]++|\\[^u]|\\u(?![dD][89a-fA-F])|\\u[dD][89abAB]..\\u[dD][c-fC-F]..)*+", re.DOTALL
)


class Body:
    """The body of one request, as the app receives it.

    Args:
        receive: gives the messages of ASGI.
        headers: of the request, in small letters.
        most: bytes that are taken.

    Attributes:
        received: bytes that came.
        over: whether all of it came.
        trouble: why it is not read on.
    """

    def __init__(
        self, receive: Receive, headers: Mapping[str, str], most: int, bounds: Bounds
    ) -> None:
        self._receive, self._most, self._bounds = receive, most, bounds
        length = headers.get("content-length", "")
        self.length = int(length) if _DIGITS.fullmatch(length) else None
        self.expects = "expect" in headers
        self.received = 0
        self.over = not self.length and "transfer-encoding" not in headers
        self.trouble: ApiError | None = None
        self._began: float | None = None
        self._whole: bytes | None = None

    def check_length(self) -> None:
        """Refuse what is announced to be too long, before a byte of it is read.

        Raises:
            ApiError: 413.
        """
        if self.length is not None and self.length > self._most:
            raise self._refused(_too_large(self._most))

    async def receive(self) -> Message:
        """As ASGI's `receive`, within the bounds.

        Raises:
            ApiError: 413 or 408; it stays in `trouble`, since a framework may turn it into another.
        """
        if self._whole is not None:
            body, self._whole = self._whole, None
            return {"type": "http.request", "body": body, "more_body": False}
        if self.over:
            # Only the end of the connection can come now, however long that takes.
            return await self._receive()
        message = await self._in_time()
        if message["type"] != "http.request":
            return message
        self.received += len(message.get("body", b""))
        if self.received > self._most:
            raise self._refused(_too_large(self._most))
        self.over = not message.get("more_body", False)
        return message

    async def read(self, hold: Callable[[int], None]) -> bytes | None:
        """All of it, which `receive` then gives once more; None: the client has gone.

        Args:
            hold: is told after each piece how many bytes are held, and may raise an `ApiError`.

        Raises:
            ApiError: as `receive`, and of `hold`.
        """
        pieces: list[bytes] = []
        while not self.over:
            message = await self.receive()
            if message["type"] != "http.request":
                return None
            pieces.append(message.get("body", b""))
            hold(self.received)
        self._whole = b"".join(pieces)
        return self._whole

    async def drain(self) -> None:
        """Let the rest of a refused body come for a moment: who still sends may not listen yet."""
        if self.over or self.expects:
            return
        try:
            async with asyncio.timeout(self._bounds.linger_s):
                while not self.over:
                    message = await self._receive()
                    self.over = message["type"] != "http.request" or not message.get("more_body")
        except TimeoutError:
            pass

    async def _in_time(self) -> Message:
        """The next message, from a client that sends steadily."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        bounds = self._bounds
        allowed = bounds.body_s + self.received / bounds.body_rate - (now - self._began)
        try:
            async with asyncio.timeout(max(0.0, min(bounds.stall_s, allowed))):
                return await self._receive()
        except TimeoutError:
            raise self._refused(
                ApiError(408, "The body came too slowly; send it again.", code="too_slow")
            ) from None

    def _refused(self, error: ApiError) -> ApiError:
        self.trouble = error
        return error


def check_json(body: bytes, bounds: Bounds) -> None:
    """Refuse JSON that would cost far more than its size, or whose text is no text.

    It is not parsed here: what is no JSON at all passes, for whoever parses it to say so.

    Raises:
        ApiError: 400.
    """
    depth = count = at = 0
    while (found := _MARK.search(body, at)) is not None:
        at, mark, count = found.end(), found[0], count + 1
        if mark in b"[{":
            depth += 1
        elif mark in b"]}":
            depth -= 1
        elif mark == b'"':
            at = _end_of_string(body, at)
        if depth > bounds.json_depth:
            raise _bad_json(f"is nested more than {bounds.json_depth} levels deep")
        if count > bounds.json_tokens:
            raise _bad_json(f"has more than {bounds.json_tokens:,} strings, brackets and commas")
    if b"\\u" in body and _WHOLE.fullmatch(body) is None:
        raise _bad_json("has half a surrogate pair in it, which is no character")


def _end_of_string(body: bytes, start: int) -> int:
    """Behind the quotation mark that ends a string, or the end where there is none."""
    end = body.find(b'"', start)  # fifty times as fast as looking at each letter of a picture
    if end < 0:
        return len(body)
    if body[end - 1] != ord("\\"):
        return end + 1
    found = _STRING.match(body, start)
    return len(body) if found is None else found.end()


def is_json(content_type: str) -> bool:
    """Whether a body of this type may be read as JSON; one that says nothing may."""
    kind = content_type.partition(";")[0].strip().lower()
    return not kind or kind == "application/json" or kind.endswith("+json") or kind == "text/plain"


def is_form(content_type: str) -> bool:
    """Whether a body is a form with files, which is written to disk while it comes."""
    return content_type.strip().lower().startswith("multipart/")


def _bad_json(what: str) -> ApiError:
    return ApiError(400, f"The body {what}; send another.", code="invalid_json")


def _too_large(most: int) -> ApiError:
    return ApiError(
        413,
        f"The request is larger than {most / 2**20:,.4g} MiB, the most that is taken; send less.",
        code="request_too_large",
    )


def told_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The headers of a request by their names in small letters."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
