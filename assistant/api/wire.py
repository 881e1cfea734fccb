"""The connection itself: clients that never end a head, never read, or speak no HTTP.

uvicorn's own protocol waits for a request's head and for a slow reader as long as they like. This
one looks at each connection every second. `server_options` is what `uvicorn.run` takes for it.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import sys
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from assistant.api.bounds import Bounds
from assistant.api.errors import INVALID, error_body
from assistant.api.headers import MAX_HEADER_BYTES, MAX_TARGET_BYTES

_LOOK_S: Final = 1.0


def server_options(bounds: Bounds | None = None) -> dict[str, Any]:
    """Arguments of `uvicorn.run` or `uvicorn.Config` for a server that faces the internet."""
    bounds = bounds or Bounds()
    logging.getLogger("uvicorn.error").addFilter(_is_news)
    return {
        "http": type("BoundWire", (Wire,), {"bounds": bounds}),
        "ws": "none",
        # Beyond both, the guard's own refusals do not come to pass: it is the last resort.
        "h11_max_incomplete_event_size": 2 * (MAX_HEADER_BYTES + MAX_TARGET_BYTES),
        "timeout_keep_alive": bounds.idle_s,
        "server_header": False,
        # The audit log tells more, and no paths as they were asked for.
        "access_log": False,
    }


class Wire(H11Protocol):
    """One connection."""

    bounds = Bounds()

    def connection_made(self, transport: Any) -> None:
        """Count what is written from now on, unless there are too many connections already."""
        self._counting = _Counting(transport)
        super().connection_made(self._counting)  # type: ignore[arg-type]
        self._seen: object = None
        self._idle_since = self._stuck_since = self.loop.time()
        self._drained = 0
        self._look_again = self.loop.call_later(self._every, self._look)
        if self._is_one_too_many():
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It has ended."""
        self._look_again.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Something came; what cannot be answered any more ends the connection."""
        try:
            super().data_received(data)
        except h11.ProtocolError:
            self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP: say so in JSON, where no answer is under way."""
        hint = getattr(sys.exception(), "error_status_hint", 400)
        if self.cycle is not None and not self.cycle.response_complete:
            self._give_up()
            return
        words = {
            431: "The headers are too long; send shorter ones.",
            501: "This way of sending a body is not known; send it chunked or with its length.",
        }
        self._refuse(hint, words.get(hint, "This is no HTTP request; send one."))

    @property
    def _every(self) -> float:
        return min(_LOOK_S, self.bounds.head_s / 4, self.bounds.write_s / 4)

    def _is_one_too_many(self) -> bool:
        if len(self.connections) > self.bounds.connections:
            return True
        address = self.client[0] if self.client else ""
        if not _is_global(address):
            return False
        clients = [getattr(each, "client", None) for each in self.connections]
        same = [client for client in clients if client is not None and client[0] == address]
        return len(same) > self.bounds.per_address

    def _look(self) -> None:
        now = self.loop.time()
        if self._takes_nothing(now):
            self._give_up()
            return
        if self._sends_no_head(now) and not self.transport.is_closing():
            if self.conn.trailing_data[0]:
                self._refuse(408, "The request came too slowly; send it again.")
            else:
                self.transport.close()
        self._look_again = self.loop.call_later(self._every, self._look)

    def _takes_nothing(self, now: float) -> bool:
        """Whether what waits for the client has waited too long."""
        waiting = self._counting.waiting
        drained = self._counting.written - waiting
        if not waiting or drained - self._drained >= self.bounds.write_bytes:
            self._stuck_since, self._drained = now, drained
        return bool(now - self._stuck_since > self.bounds.write_s)

    def _sends_no_head(self, now: float) -> bool:
        """Whether the head of a request is overdue."""
        if self.conn.their_state is not h11.IDLE or self.cycle is not self._seen:
            self._seen, self._idle_since = self.cycle, now
        return now - self._idle_since > self.bounds.head_s

    def _give_up(self) -> None:
        """End the connection and what is worked on for it, whatever still waits to be sent."""
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.abort()

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps(error_body(message, INVALID)).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        try:
            for event in (
                h11.Response(status_code=status, headers=headers, reason=b""),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            self.transport.abort()
        self.transport.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Not a line for each of the internet's probes, which would fill a disk."""
    return record.msg != "Invalid HTTP request received."


class _Counting:
    """A transport that knows how much was written to it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.written = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """As the transport's."""
        self.written += len(data)
        self._transport.write(data)

    @property
    def waiting(self) -> int:
        """Bytes that the system has not taken yet."""
        return self._transport.get_write_buffer_size()


def _is_global(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_global
    except ValueError:
        return False
