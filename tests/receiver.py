"""A webhook's receiver on the loopback, which behaves as a test tells it."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """One POST."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def delivery(self) -> str:
        """The id that is the same at each try."""
        return self.headers["sightdesk-delivery"]

    @property
    def told(self) -> dict[str, Any]:
        """The body, read."""
        read: dict[str, Any] = json.loads(self.body)
        return read


@dataclass
class Receiver:
    """What came, and how the next calls are answered."""

    url: str = ""
    calls: list[Call] = field(default_factory=list)
    answers: list[int | str] = field(default_factory=list)
    """A status, `hang`, `drip`, `reset` or `redirect` for each call that comes; 200 after them."""
    headers: dict[str, str] = field(default_factory=dict)
    patience: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that listens until the end of the block."""
    here = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers.get("Content-Length", 0))
            names = {name.lower(): value for name, value in self.headers.items()}
            here.calls.append(Call(self.path, names, self.rfile.read(size)))
            answer = here.answers.pop(0) if here.answers else 200
            if answer == "hang":
                here.patience.wait(30)
            elif answer == "drip":
                self._drip()
            elif answer == "reset":
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.connection.close()
            else:
                self.send_response(302 if answer == "redirect" else int(answer))
                if answer == "redirect":
                    self.send_header("Location", f"{here.url}/elsewhere")
                for name, value in here.headers.items():
                    self.send_header(name, value)
                self.end_headers()

        def do_GET(self) -> None:
            here.calls.append(Call(self.path, {}, b""))
            self.send_response(200)
            self.end_headers()

        def _drip(self) -> None:
            """A header that never ends, a letter at a time."""
            try:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
                for _ in range(200):
                    self.wfile.write(b"a")
                    self.wfile.flush()
                    time.sleep(0.05)
            except OSError:
                pass

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except (OSError, ValueError):
                self.close_connection = True

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield here
    finally:
        here.patience.set()
        server.shutdown()
        server.server_close()
