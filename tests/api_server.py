"""The server on a port of this machine, in a thread, for tests that call it as clients do."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from assistant.api.app import create_app, server_options
from assistant.api.service import Service
from assistant.cli.serve import listen
from assistant.settings import Settings, get_settings
from tests.test_knowledge.conftest import BagOfWords
from tests.tiny_space import TinySpace


@contextmanager
def served(
    engine: Any,
    *,
    settings: Settings | None = None,
    agent_model: Any = None,
    picture_embedder: Any = None,
    **options: Any,
) -> Iterator[Served]:
    """A server with an engine, and what is behind it."""
    with Service.open(
        settings or get_settings(),
        engine=engine,
        agent_model=agent_model,
        embedder=BagOfWords(),
        picture_embedder=picture_embedder or TinySpace("tiny-space@1"),
    ) as service:
        app = create_app(service)
        listening = listen("127.0.0.1", 0)
        config = uvicorn.Config(app, **{**server_options(10.0), **options})
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield Served(service, server, f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(10)
            listening.close()


class Served:
    """A running server.

    Attributes:
        url: without a path.
    """

    def __init__(self, service: Service, server: uvicorn.Server, url: str) -> None:
        self.service, self.server, self.url = service, server, url

    @property
    def v1(self) -> str:
        """The base URL that OpenAI's clients want."""
        return f"{self.url}/v1"
