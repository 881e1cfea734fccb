"""The SDK's own client, kept open in a thread for several tests, on pipes or over HTTP."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import jsonschema
import uvicorn
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl, FileUrl

from tests import tiny

T = TypeVar("T")
ROOT = Path(__file__).parent.parent
Connect = Callable[[], AbstractAsyncContextManager[ClientSession]]


class Client:
    """A session that several tests share.

    Attributes:
        started: what the server said to `initialize`.
    """

    started: types.InitializeResult

    def __init__(self, connect: Connect, patience: float = 120) -> None:
        self.patience = patience
        self._ready: Future[None] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._schemas: dict[str, Any] = {}

        async def main() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            async with connect() as session:
                self.session = session
                self.started = await session.initialize()
                self._ready.set_result(None)
                await self._stop.wait()

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:
                if not self._ready.done():
                    self._ready.set_exception(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        self._ready.result(patience)

    def run(self, ask: Callable[[ClientSession], Awaitable[T]]) -> T:
        """What a coroutine of the session gives."""

        async def asked() -> T:
            return await ask(self.session)

        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(self.patience)

    def call(self, tool: str, progress: Any = None, **arguments: Any) -> types.CallToolResult:
        """What a tool gives, its structured content held to the schema that was listed."""
        found = self.run(lambda s: s.call_tool(tool, arguments, progress_callback=progress))
        if not self._schemas:
            listed = self.run(lambda s: s.list_tools()).tools
            self._schemas = {each.name: each.outputSchema for each in listed}
        if not found.isError:
            jsonschema.validate(found.structuredContent, self._schemas[tool])
        return found

    def told(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured content of a result."""
        found = self.call(tool, **arguments)
        assert not found.isError, found.content
        assert found.structuredContent is not None
        return found.structuredContent

    def refused(self, tool: str, **arguments: Any) -> str:
        """The one sentence of a result with ``isError``."""
        found = self.call(tool, **arguments)
        assert found.isError and found.structuredContent is None
        (block,) = found.content
        assert isinstance(block, types.TextContent)
        assert block.text.endswith(".") and "Traceback" not in block.text
        assert "\n" not in block.text and len(block.text) < 500
        return block.text

    def read(self, uri: str) -> list[Any]:
        """The contents of a resource."""
        return list(self.run(lambda s: s.read_resource(AnyUrl(uri))).contents)

    def close(self) -> None:
        assert self._loop is not None and self._stop is not None
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not end with its client"


@contextmanager
def opened(connect: Connect, patience: float = 120) -> Iterator[Client]:
    client = Client(connect, patience)
    try:
        yield client
    finally:
        client.close()


def text_of(result: types.CallToolResult) -> str:
    return "\n".join(b.text for b in result.content if isinstance(b, types.TextContent))


def encoded(seed: int = 1, format: str = "PNG") -> str:
    """A picture in base64."""
    import io

    buffer = io.BytesIO()
    tiny.pixels(seed).save(buffer, format)
    return base64.b64encode(buffer.getvalue()).decode()


# --- on pipes


def scripted(data: Path, *options: str, **more: str) -> StdioServerParameters:
    """The command with scripted eyes, on that data folder."""
    return StdioServerParameters(
        command=sys.executable,
        args=["-m", "tests.scripted_mcp", *options],
        cwd=str(ROOT),
        env={**os.environ, "SIGHTDESK_DATA_DIR": str(data), "OMP_NUM_THREADS": "1", **more},
    )


@asynccontextmanager
async def on_pipes(
    server: StdioServerParameters, *, roots: list[Path] | None = None, log: Path | None = None
) -> AsyncIterator[ClientSession]:
    """A session with a process of its own, which may name files in `roots`."""

    async def list_roots(context: Any) -> types.ListRootsResult:
        found = [types.Root(uri=FileUrl(path.as_uri())) for path in roots or []]
        return types.ListRootsResult(roots=found)

    with open(log or os.devnull, "w", encoding="utf-8") as told:
        async with (
            stdio_client(server, errlog=told) as (read, write),
            ClientSession(
                read, write, list_roots_callback=list_roots if roots is not None else None
            ) as session,
        ):
            yield session


# --- over HTTP


@dataclass
class Served:
    """An app that listens on this machine."""

    app: Any
    url: str = ""
    _server: Any = None
    _thread: Any = field(default=None, repr=False)

    def __enter__(self) -> Served:
        config = uvicorn.Config(
            self.app, port=0, log_level="error", timeout_graceful_shutdown=2, lifespan="on"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        for _ in range(1000):
            if self._server.started:
                break
            threading.Event().wait(0.02)
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/mcp"
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()


@asynccontextmanager
async def over_http(url: str, key: str = "") -> AsyncIterator[ClientSession]:
    """A session over HTTP, with a key if one is given."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    async with (
        httpx.AsyncClient(headers=headers, timeout=60) as http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(read, write) as session,
    ):
        yield session
