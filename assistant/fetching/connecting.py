"""Connections to addresses that were judged, with one deadline for all that is done on them."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import httpcore

from assistant.errors import InputError
from assistant.fetching.addresses import is_public, literal

Resolver = Callable[[str, int], Sequence[str]]
"""The addresses of a name, for a port."""

MOST_LOOK_UPS: Final = 32
_MOST_ADDRESSES: Final = 32
_LOOK_UPS = threading.BoundedSemaphore(MOST_LOOK_UPS)


def system_resolver(name: str, port: int) -> Sequence[str]:
    """The addresses that this machine knows for a name.

    Raises:
        OSError: it knows none.
    """
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Deadline:
    """When all of it must be done."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, most: float | None = None) -> float:
        """Seconds that are left, `most` at most.

        Raises:
            TimeoutError: none.
        """
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left if most is None else min(left, most)


class JudgedBackend(httpcore.NetworkBackend):
    """Resolves a name once, judges all of its addresses, and connects to one of them.

    The name stays what the certificate is checked against and what the server is told.

    Args:
        idle_s: for each step: a connection, a piece of what is read.
        allowed: addresses with ports that are taken without being judged; for tests alone.
    """

    def __init__(
        self,
        resolver: Resolver,
        deadline: Deadline,
        idle_s: float,
        allowed: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        self._resolver, self._deadline, self._idle = resolver, deadline, idle_s
        self._allowed = allowed
        self._system = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """As httpcore's.

        Raises:
            InputError: one of its addresses may not be called, or there are none.
        """
        trouble: Exception | None = None
        for address in self.judged(host, port):
            try:
                stream = self._system.connect_tcp(
                    address, port, self._deadline.left(self._idle), local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
                continue
            return _TimedStream(stream, self._deadline, self._idle)
        raise trouble or httpcore.ConnectError()

    def judged(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, all of which may be called.

        Raises:
            InputError: there are none, or not all of them may.
        """
        try:
            fixed = literal(host)
        except ValueError as error:
            raise refused() from error
        found = [str(fixed)] if fixed is not None else self._resolve(host, port)
        for address in found:
            if (address, port) not in self._allowed and not is_public(address):
                raise refused()
        return found

    def _resolve(self, name: str, port: int) -> list[str]:
        """In a thread, since the system's look-up has no limit of time that could be set."""
        if not _LOOK_UPS.acquire(timeout=self._deadline.left(self._idle)):
            raise InputError("Too many pictures are being fetched; try again in a moment.")
        result: list[Sequence[str] | BaseException] = []
        done = threading.Event()

        def look_up() -> None:
            try:
                result.append(self._resolver(name, port))
            except BaseException as error:  # handed to whoever waits
                result.append(error)
            finally:
                _LOOK_UPS.release()
                done.set()

        threading.Thread(target=look_up, name="look up a name", daemon=True).start()
        if not done.wait(self._deadline.left()):
            raise TimeoutError
        found = result[0]
        if isinstance(found, OSError | UnicodeError) or not found:
            raise InputError(
                "The picture's server is not known by that name; check the picture's address."
            )
        if isinstance(found, BaseException):
            raise found
        return list(found)[:_MOST_ADDRESSES]


class _TimedStream(httpcore.NetworkStream):
    """A connection on which nothing takes longer than the deadline, however it is dripped."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline, idle_s: float) -> None:
        self._stream, self._deadline, self._idle = stream, deadline, idle_s

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._deadline.left(self._idle))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._deadline.left(self._idle))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(self._idle)
        stream = self._stream.start_tls(ssl_context, server_hostname, left)
        return _TimedStream(stream, self._deadline, self._idle)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def refused() -> InputError:
    """The same sentence for all, so that nobody maps a network with it."""
    return InputError(
        "The picture's address is not one of the public internet; upload the picture itself."
    )
