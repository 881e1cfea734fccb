"""HTTP by the byte, for tests of clients that no library would send."""

from __future__ import annotations

import json
import socket
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Reply:
    """One answer; status 0 means that the connection was closed without one."""

    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float

    @property
    def error(self) -> dict[str, Any]:
        """OpenAI's error; fails where it has not that shape."""
        found = json.loads(self.body)["error"]
        assert set(found) == {"message", "type", "param", "code"}
        assert found["message"].endswith(".")
        assert "Traceback" not in self.body.decode()
        return found


class Line:
    """A connection to a server.

    Args:
        url: of the server.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0, buffer: int | None = None) -> None:
        parts = urlsplit(url)
        self._began = time.monotonic()
        self._socket = socket.socket()
        if buffer is not None:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.settimeout(timeout_s)
        self._socket.connect((parts.hostname, parts.port))
        self._rest = b""

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes | str) -> bool:
        """Whether it could be sent: a server that has closed takes nothing."""
        try:
            self._socket.sendall(data.encode("latin-1") if isinstance(data, str) else data)
        except OSError:
            return False
        return True

    def half_close(self) -> None:
        """Say that nothing more comes."""
        self._socket.shutdown(socket.SHUT_WR)

    def take(self, size: int) -> bytes:
        """What comes next, at most so much; empty at the end."""
        try:
            return self._socket.recv(size)
        except ConnectionError:
            return b""

    def reply(self) -> Reply:
        """The next answer."""
        data = self._rest
        while b"\r\n\r\n" not in data:
            piece = self.take(65_536)
            if not piece:
                return Reply(0, {}, data, time.monotonic() - self._began)
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        headers = {name.lower(): value for name, value in pairs}
        status = int(first.split(" ")[1])
        if "content-length" in headers:
            size = int(headers["content-length"])
            while len(data) < size and (piece := self.take(65_536)):
                data += piece
            data, self._rest = data[:size], data[size:]
        elif status >= 200 and status not in (204, 304):
            while not data.endswith(b"0\r\n\r\n") and (piece := self.take(65_536)):
                data += piece
        return Reply(status, headers, data, time.monotonic() - self._began)

    def is_closed(self) -> bool:
        """Whether the server closes it within the timeout, having sent nothing more."""
        try:
            return self._socket.recv(1) == b""
        except ConnectionError:
            return True


def ask(
    url: str,
    path: str = "/v1/models",
    *headers: str,
    method: str = "GET",
    body: bytes = b"",
    version: str = "1.1",
) -> Reply:
    """One request on a connection of its own; a length is added where there is a body."""
    named = {header.partition(":")[0].lower() for header in headers}
    lines = [f"{method} {path} HTTP/{version}", *headers]
    if "host" not in named:
        lines.append("Host: localhost")
    if body and not named & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    with Line(url) as line:
        line.send("\r\n".join([*lines, "", ""]).encode("latin-1") + body)
        return line.reply()
