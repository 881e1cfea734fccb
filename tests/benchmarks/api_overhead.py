"""What the server adds to a request: ms over calling the engine, by a scripted instant engine.

    python -m tests.benchmarks.api_overhead --json

Median and 95th percentile of ms over --requests, one after the other on a connection that stays
open, turn about with the engine called as `ChatLlava` calls it:

- `engine`: the chat model over the engine, in this process;
- `whole`, `stream`: the same question over HTTP, to the last byte; `health` is a path that does
  nothing, so what HTTP and this machine take;
- `added`, `added_stream`: the medians over `engine` (bar: 5 ms a request).

The client is as plain as can be, in a process of its own, since its time is not the server's.
"""

from __future__ import annotations

import argparse
import http.client
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from langchain_core.messages import HumanMessage
from rich.console import Console
from rich.progress import track

from assistant.chat_model import ChatLlava
from assistant.settings import Settings
from tests.api_server import Served, served
from tests.scripted_engine import SayingEngine

ANSWER = "Three ripe bananas lie on a wooden table."
QUESTION = "What is in this picture?"
BAR_MS = 5.0


class Asking:
    """A connection that stays open.

    Args:
        server: whom to ask.
    """

    def __init__(self, server: Served) -> None:
        address = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(str(address.hostname), address.port)

    def ask(self, *, stream: bool) -> None:
        """One question, to the last byte of its answer."""
        body = json.dumps(
            {
                "model": "embedded",
                "messages": [{"role": "user", "content": QUESTION}],
                "stream": stream,
            }
        )
        self._send("POST", "/v1/chat/completions", body)

    def look(self) -> None:
        """Ask whether it is alive."""
        self._send("GET", "/healthz", None)

    def _send(self, method: str, path: str, body: str | None) -> None:
        headers = {"Content-Type": "application/json"}
        self._connection.request(method, path, body, headers)
        answer = self._connection.getresponse()
        answer.read()
        assert answer.status == 200, answer.status


def measure(requests: int) -> dict[str, Any]:
    """See the module's text."""
    taken: dict[str, list[float]] = {}

    def note(name: str, work: Callable[[], Any]) -> None:
        began = time.perf_counter()
        work()
        taken.setdefault(name, []).append(1000 * (time.perf_counter() - began))

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = Settings(data_dir=folder / "data", cache_dir=folder / "cache")
        engine = SayingEngine(ANSWER)
        model = ChatLlava(engine=engine, settings=settings)
        with served(engine, settings=settings) as server:
            client = Asking(server)
            for _ in range(20):
                client.ask(stream=False)
                client.ask(stream=True)
            for _ in track(range(requests), "Asking", console=Console(stderr=True)):
                note("engine", lambda: list(model.stream([HumanMessage(QUESTION)])))
                note("health", client.look)
                note("whole", lambda: client.ask(stream=False))
                note("stream", lambda: client.ask(stream=True))
                engine.asked.clear()
                engine.streams.clear()
    median = {name: statistics.median(values) for name, values in taken.items()}
    late = {name: statistics.quantiles(values, n=20)[-1] for name, values in taken.items()}
    return {
        "requests": requests,
        "added": round(median["whole"] - median["engine"], 2),
        "added_stream": round(median["stream"] - median["engine"], 2),
        "median": {name: round(value, 2) for name, value in median.items()},
        "p95": {name: round(value, 2) for name, value in late.items()},
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.parse_args()
    result = measure(options.requests)
    if options.json:
        print(json.dumps(result))
    else:
        for key, value in result.items():
            print(f"{key:<14} {value}")


if __name__ == "__main__":
    main()
