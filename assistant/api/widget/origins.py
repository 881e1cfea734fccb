"""Which web sites may show the widget, and for which tenant.

An origin is compared as a whole: no wildcard, no suffix, no ``null``. The server's own pages may
always, which are told by the ``Host`` that the browser sent, so that it holds behind a proxy too. A
server on its own machine alone believes only names that nobody else can have, since any page may
have its own name lead here (DNS rebinding).
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from assistant.api.auth import is_loopback, is_own_name

_PORTS = {"http": 80, "https": 443}


class Origins:
    """The origins of the settings.

    Args:
        allowed: ``https://shop.example`` or ``https://shop.example=tenant``.
    """

    def __init__(self, allowed: Sequence[str]) -> None:
        self._tenants: dict[str, str] = {}
        for text in allowed:
            origin, _, tenant = text.partition("=")
            self._tenants[_normal(origin)] = tenant

    def tenant(self, origin: str, host: str, server: str = "") -> str | None:
        """Whose desk a page of `origin` asks; None where it may not.

        Args:
            host: the ``Host`` header of the request.
            server: the address that was called.
        """
        normal = _normal(origin)
        if not normal:
            return None
        if normal in self._tenants:
            return self._tenants[normal]
        place = _place(normal)
        if place != _place(f"{urlsplit(normal).scheme}://{host}"):
            return None
        return None if is_loopback(server) and not is_own_name(place[0] or "") else ""


def _normal(origin: str) -> str:
    """An origin without what need not be written; empty where it is none."""
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in ("", "/"):
        return ""
    if parts.username is not None or parts.query or parts.fragment:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    shown = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return f"{parts.scheme}://{host}{shown}"


def _place(origin: str) -> tuple[str | None, int | None]:
    """Host and port; a proxy that speaks TLS leaves both as the browser wrote them."""
    try:
        parts = urlsplit(origin)
        return parts.hostname, parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return None, None
