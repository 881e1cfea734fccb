"""One picture: its address checked, its redirects followed, its bytes counted while they come."""

from __future__ import annotations

import ssl
import threading
from functools import cache
from typing import Final

import httpcore
import httpx

from assistant.errors import InputError
from assistant.fetching.connecting import (
    Deadline,
    JudgedBackend,
    Resolver,
    refused,
    system_resolver,
)
from assistant.images import FORMATS, is_picture
from assistant.settings import Settings

MOST_REDIRECTS: Final = 3
MOST_AT_ONCE: Final = 16
IDLE_S: Final = 5.0

_LONGEST: Final = 4_096
_ENOUGH_TO_KNOW: Final = 32
_PORTS: Final = {"http": 80, "https": 443}
_REDIRECTS: Final = (301, 302, 303, 307, 308)
# No word on who asks for whom. Compressed, a small answer could be a large picture.
_HEADERS: Final = [
    (b"Accept", b"image/*"),
    (b"Accept-Encoding", b"identity"),
    (b"User-Agent", b"sightdesk"),
    (b"Connection", b"close"),
]
_ROOM = threading.BoundedSemaphore(MOST_AT_ONCE)


def fetch_picture(url: str, settings: Settings, *, resolver: Resolver | None = None) -> bytes:
    """The bytes of a picture on the web, which `open_image` takes.

    Args:
        url: http or https.
        settings: `fetch_urls` must be on; `fetch_ports`, `fetch_seconds` and `max_image_bytes`
            bound what is done.
        resolver: finds the addresses of a name; the system's by default.

    Raises:
        InputError: it is off, the address may not be called or does not answer with a picture.
    """
    return Fetcher(settings, resolver=resolver).fetch(url)


class Fetcher:
    """Fetches pictures within the settings.

    Args:
        resolver: finds the addresses of a name; the system's by default.
        allowed: addresses with ports that are called without being judged. For tests alone: no
            setting leads here.
        certificates: whom to trust; by default what httpx trusts.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        resolver: Resolver | None = None,
        allowed: frozenset[tuple[str, int]] = frozenset(),
        certificates: ssl.SSLContext | None = None,
    ) -> None:
        self._settings = settings
        self._resolver = resolver or system_resolver
        self._allowed = allowed
        self._certificates = certificates

    def fetch(self, url: str) -> bytes:
        """As `fetch_picture`."""
        if not self._settings.fetch_urls:
            raise InputError(
                "Pictures are not fetched from addresses here; send the picture itself, as a data "
                "URI or an upload (SIGHTDESK_FETCH_URLS=true allows addresses)."
            )
        deadline = Deadline(self._settings.fetch_seconds)
        if not _ROOM.acquire(timeout=self._settings.fetch_seconds):
            raise InputError("Too many pictures are being fetched; try again in a moment.")
        try:
            return self._follow(_parsed(url), deadline)
        except (TimeoutError, httpcore.TimeoutException) as error:
            raise InputError(
                f"The picture was not there within {self._settings.fetch_seconds:g} s; try again, "
                f"or upload it."
            ) from error
        # Names in unusual letters, headers that are none, certificates that are another's.
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError) as error:
            raise InputError(
                "The picture's server cannot be reached or does not speak as web servers do; check "
                "the address, or upload the picture."
            ) from error
        finally:
            _ROOM.release()

    def _follow(self, url: httpx.URL, deadline: Deadline) -> bytes:
        backend = JudgedBackend(self._resolver, deadline, IDLE_S, self._allowed)
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url)
            found = self._get(url, backend)
            if isinstance(found, bytes):
                return found
            url = found
        raise InputError("The picture's address leads on too often; give the one where it ends.")

    def _check(self, url: httpx.URL) -> None:
        if url.scheme not in _PORTS:
            raise InputError(
                "A picture's address begins with https:// or http://; give such a one."
            )
        if url.userinfo or not url.host:
            raise InputError("A picture's address has a host and no user in it; give such a one.")
        port = url.port or _PORTS[url.scheme]
        if port not in self._settings.fetch_ports and not any(
            port == allowed for _, allowed in self._allowed
        ):
            raise refused()

    def _get(self, url: httpx.URL, backend: JudgedBackend) -> bytes | httpx.URL:
        """A picture, or where to look for it."""
        with (
            httpcore.ConnectionPool(
                ssl_context=self._certificates or _certificates(),
                max_connections=1,
                network_backend=backend,
            ) as pool,
            pool.stream("GET", _core(url), headers=[_host(url), *_HEADERS]) as answer,
        ):
            headers = httpx.Headers(answer.headers)
            if answer.status in _REDIRECTS:
                return _parsed(headers.get("location", ""), url)
            if answer.status != 200:
                raise InputError(
                    f"The picture's server answers {answer.status}; check the address, or upload "
                    f"the picture."
                )
            return self._read(answer, headers)

    def _read(self, answer: httpcore.Response, headers: httpx.Headers) -> bytes:
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise InputError("The picture comes compressed, unasked; upload the picture.")
        most = self._settings.max_image_bytes
        length = headers.get("content-length", "")
        if length.isascii() and length.isdigit() and int(length[:18]) > most:
            raise _too_large(most)
        data = bytearray()
        for piece in answer.iter_stream():
            data += piece
            if len(data) > most:
                raise _too_large(most)
            if len(data) >= _ENOUGH_TO_KNOW:
                _check_kind(data)
        _check_kind(data)
        return bytes(data)


def _check_kind(data: bytearray) -> None:
    if not is_picture(bytes(data[:_ENOUGH_TO_KNOW])):
        listed = ", ".join(FORMATS[:-1])
        raise InputError(
            f"What is at the picture's address is no picture ({listed} or {FORMATS[-1]}); check "
            f"the address, or upload the picture."
        )


def _parsed(text: str, base: httpx.URL | None = None) -> httpx.URL:
    """An address, or the one that a redirect of `base` leads to."""
    try:
        return httpx.URL(_checked(text)) if base is None else base.join(_checked(text))
    # Also for names that IDNA does not know.
    except (httpx.InvalidURL, ValueError) as error:
        raise InputError(
            "The picture's address cannot be read; give one such as https://host/picture.jpg."
        ) from error


def _checked(text: str) -> str:
    """`text` without what one program passes over and another reads (tabs, ends of lines, \\)."""
    odd = any(letter <= " " or letter in "\\\x7f" for letter in text)
    if not text or odd or len(text) > _LONGEST:
        raise InputError(
            "The picture's address cannot be read; give one such as https://host/picture.jpg."
        )
    return text


def _core(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(
        scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
    )


def _host(url: httpx.URL) -> tuple[bytes, bytes]:
    return b"Host", url.netloc


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust, read once, whatever the environment says."""
    return httpx.create_ssl_context(trust_env=False)


def _too_large(most: int) -> InputError:
    return InputError(
        f"The picture is larger than {most / 2**20:,.4g} MiB, the most that is fetched; scale it "
        f"down, or raise SIGHTDESK_MAX_IMAGE_BYTES."
    )
