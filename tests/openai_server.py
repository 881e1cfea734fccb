"""An OpenAI-compatible server on the loopback, which behaves as a test tells it.

    with openai_server(reply("A banana.")) as server:
        RemoteEngine(parse(server.base))

python -m tests.openai_server PORT    # a desk's model, for tests of processes; see `desk_reply`
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What one request is answered with.

    Attributes:
        words: of the answer, as they stream.
        delay: seconds before the first word, and between two.
        status: and ``body`` in place of an answer.
        vanish: after so many words the connection is reset.
        end: ``finish_reason``; None: the stream just ends, without [DONE].
        chances: tokens with their likeliest others and their probabilities, as ``logprobs``.
        call: name and arguments of a tool.
        raw: bytes in place of the stream's events.
    """

    words: Sequence[str] = ()
    delay: float = 0.0
    status: int = 200
    body: bytes | dict[str, Any] = b""
    headers: tuple[tuple[str, str], ...] = ()
    vanish: int | None = None
    end: str | None = "stop"
    chances: Sequence[dict[str, float]] = ()
    call: tuple[str, dict[str, Any]] | None = None
    raw: bytes | None = None
    usage: bool = True
    hang: bool = False


def reply(text: str, **more: Any) -> Reply:
    """An answer, word by word."""
    words = text.split(" ")
    return Reply([word + " " for word in words[:-1]] + words[-1:], **more)


def refusal(status: int, message: str, **more: Any) -> Reply:
    """An error in OpenAI's shape."""
    return Reply(status=status, body={"error": {"message": message, **more}})


Script = Reply | Callable[[dict[str, Any]], Reply]


@dataclass
class Served:
    """What was asked, and how the next requests are answered; the last reply is repeated."""

    replies: list[Script]
    models: Any = field(default_factory=lambda: [{"id": "llava"}])
    """Entries of the list; a `Reply` in its place."""
    url: str = ""
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    left: threading.Event = field(default_factory=threading.Event)
    """Set where a client went away in the middle."""
    told: int = 0
    """Words that were sent."""
    busiest: int = 0
    patience: threading.Event = field(default_factory=threading.Event)
    _running: int = 0
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base(self) -> str:
        """As the settings name it."""
        return f"openai:llava@{self.url}/v1"

    def next(self, body: dict[str, Any]) -> Reply:
        """How a request is answered."""
        with self._guard:
            self.asked.append(body)
            self.times.append(time.monotonic())
            script = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return script(body) if callable(script) else script

    @contextmanager
    def running(self) -> Iterator[None]:
        """Counts those that are answered at once."""
        with self._guard:
            self._running += 1
            self.busiest = max(self.busiest, self._running)
        try:
            yield
        finally:
            with self._guard:
                self._running -= 1


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Served

    def do_GET(self) -> None:
        self.served.paths.append(self.path)
        self.served.keys.append(self.headers.get("Authorization", ""))
        if isinstance(self.served.models, Reply):
            self._plain(self.served.models)
        else:
            self._json({"object": "list", "data": self.served.models})

    def do_POST(self) -> None:
        served = self.served
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        served.paths.append(self.path)
        served.keys.append(self.headers.get("Authorization", ""))
        said = served.next(body)
        with served.running():
            if said.hang:
                served.patience.wait(30)
            if said.status != 200 or said.body:
                self._plain(said)
            elif body.get("stream"):
                self._stream(said, body)
            else:
                time.sleep(said.delay)
                self._json(whole(said, body))

    def _stream(self, said: Reply, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        for name, value in said.headers:
            self.send_header(name, value)
        self.end_headers()
        try:
            if said.raw is not None:
                self.wfile.write(said.raw)
                return
            for number, word in enumerate(said.words):
                if said.vanish == number:
                    return self._reset()
                time.sleep(said.delay)
                self._event(event({"role": "assistant", "content": word}))
                self.served.told += 1
            if said.vanish == len(said.words):
                return self._reset()
            if said.call is not None:
                name, arguments = said.call
                function = {"name": name, "arguments": json.dumps(arguments)}
                call = {"index": 0, "id": f"call_{id(said)}", "type": "function",
                        "function": function}  # fmt: skip
                self._event(event({"role": "assistant", "tool_calls": [call]}))
            if said.end is not None:
                self._event(event({}, "tool_calls" if said.call else said.end))
                if said.usage and body.get("stream_options"):
                    self._event({"choices": [], "usage": usage(said)})
                self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            self.served.left.set()

    def _event(self, found: dict[str, Any]) -> None:
        self.wfile.write(f"data: {json.dumps(found)}\n\n".encode())
        self.wfile.flush()

    def _reset(self) -> None:
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()

    def _plain(self, said: Reply) -> None:
        data = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        self.send_response(said.status)
        for name, value in said.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _json(self, found: dict[str, Any]) -> None:
        self._plain(
            Reply(body=json.dumps(found).encode(), headers=(("Content-Type", "application/json"),))
        )

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


def event(delta: dict[str, Any], end: str | None = None) -> dict[str, Any]:
    """One event of a stream."""
    return {
        "id": "c", "object": "chat.completion.chunk", "created": 1, "model": "llava",
        "choices": [{"index": 0, "delta": delta, "finish_reason": end}],
    }  # fmt: skip


def whole(said: Reply, body: dict[str, Any]) -> dict[str, Any]:
    """An answer that does not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": "".join(said.words)}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": said.end or "stop"}
    if body.get("logprobs") and said.chances:
        choice["logprobs"] = {"content": [_token(each) for each in said.chances]}
    found = {"id": "c", "object": "chat.completion", "created": 1, "model": "llava",
             "choices": [choice]}  # fmt: skip
    return found | ({"usage": usage(said)} if said.usage else {})


def _token(shares: dict[str, float]) -> dict[str, Any]:
    import math

    told = [{"token": text, "logprob": math.log(share)} for text, share in shares.items()]
    return told[0] | {"top_logprobs": told}


def usage(said: Reply) -> dict[str, Any]:
    """What it counts."""
    written = len(said.words)
    return {
        "prompt_tokens": 40, "completion_tokens": written, "total_tokens": 40 + written,
        "prompt_tokens_details": {"cached_tokens": 30},
    }  # fmt: skip


@contextmanager
def openai_server(*replies: Script, port: int = 0, models: Any = None) -> Iterator[Served]:
    """A server that listens until the end of the block."""
    served = Served(list(replies) or [reply("Yes.")])
    if models is not None:
        served.models = models
    handler = type("Handler", (_Handler,), {"served": served})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield served
    finally:
        served.patience.set()
        server.shutdown()
        server.server_close()
