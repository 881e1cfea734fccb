"""Headers: what is taken of a request's, and what every answer has.

The answers are for programs: a browser must neither guess their type, run what is in them, keep
them, show them in a frame nor tell others where they came from. Pages of other origins read nothing
unless `allowed_origins` names them.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from typing import Final

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from assistant.api.errors import ApiError

MAX_HEADERS: Final = 100
MAX_HEADER_BYTES: Final = 32 * 2**10
MAX_TARGET_BYTES: Final = 8 * 2**10

REQUEST_ID: Final = "x-request-id"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ONCE: Final = ("host", "content-length", "content-type", "authorization", "origin", "expect")

_FOR_PROGRAMS: Final = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"

_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
# openai's clients send the last ones with every request.
_TAKEN: Final = (
    "Authorization",
    "Idempotency-Key",
    "Last-Event-ID",
    "Mcp-Protocol-Version",
    "Mcp-Session-Id",
    "OpenAI-Beta",
    "OpenAI-Organization",
    "OpenAI-Project",
    "X-Request-Id",
    *(
        f"X-Stainless-{name}"
        for name in (
            "Arch", "Async", "Helper-Method", "Lang", "OS", "Package-Version", "Poll-Helper",
            "Read-Timeout", "Retry-Count", "Runtime", "Runtime-Version", "Timeout",
        )
    ),
)  # fmt: skip
_SHOWN: Final = (
    "X-Request-Id",
    "Retry-After",
    "Mcp-Session-Id",
    *(
        f"X-RateLimit-{what}-{kind}"
        for what in ("Limit", "Remaining", "Reset")
        for kind in ("Requests", "Tokens")
    ),
)


def check_head(raw_path: bytes, query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse a request whose head is too large, or says two things at once.

    Raises:
        ApiError: 414, 431 or 400.
    """
    if len(raw_path) + len(query) > MAX_TARGET_BYTES:
        raise ApiError(414, "The address is too long; send what is long in the body.")
    pairs = list(headers)
    size = sum(len(name) + len(value) + 4 for name, value in pairs)
    if len(pairs) > MAX_HEADERS or size > MAX_HEADER_BYTES:
        raise ApiError(
            431,
            f"The headers are too many or too long; send at most {MAX_HEADERS} "
            f"of {MAX_HEADER_BYTES // 2**10} KiB together.",
        )
    names = [name.lower() for name, _ in pairs]
    for once in _ONCE:
        if names.count(once.encode()) > 1:
            raise ApiError(400, f"The header {once} is there twice; send it once.")
    if b"transfer-encoding" in names and b"content-length" in names:
        # Two programs may read the end of such a body at two places (RFC 9112, section 6.3).
        raise ApiError(400, "The body has a length and is chunked; send it as one of the two.")


def request_id(given: str | None) -> str:
    """The id that a request brings, where it is harmless in headers and logs, or a new one."""
    if given is not None and _REQUEST_ID.fullmatch(given):
        return given
    return f"req_{secrets.token_hex(12)}"


def secured(path: str, headers: list[tuple[bytes, bytes]], id: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that every answer has; a route's own stay as they are."""
    widget = path.startswith("/widget")
    wanted = {
        REQUEST_ID: id,
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "cross-origin" if widget else "same-origin",
        "content-security-policy": _FOR_PROGRAMS,
        "cache-control": "no-store",
    }
    if not widget:
        wanted["x-frame-options"] = "DENY"
    there = {name.lower() for name, _ in headers}
    return headers + [
        (name.encode(), value.encode("latin-1"))
        for name, value in wanted.items()
        if name.encode() not in there
    ]


class Cors(CORSMiddleware):
    """Answers browsers that ask whether a page may call; those that may not are told in JSON.

    Args:
        origins: of the pages that may.
    """

    def __init__(self, app: ASGIApp, origins: tuple[str, ...]) -> None:
        super().__init__(
            app,
            allow_origins=origins,
            allow_methods=_METHODS,
            allow_headers=_TAKEN,
            expose_headers=_SHOWN if origins else (),
        )

    def preflight_response(self, request_headers: Headers) -> Response:
        """204 for a page that may, 403 for others."""
        response = super().preflight_response(request_headers)
        if response.status_code < 400:
            kept = {n: v for n, v in response.headers.items() if not n.startswith("content-")}
            return Response(status_code=204, headers=kept)
        return ApiError(
            403,
            "Pages of this origin may not call the server so; its operator allows an origin with "
            "SIGHTDESK_ALLOWED_ORIGINS.",
            code="origin_not_allowed",
            headers={"Vary": "Origin"},
        ).response()
