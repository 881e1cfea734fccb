"""Streamable HTTP: `mcp_app(service)` for an app of Starlette's or FastAPI's, at /mcp.

    mcp = mcp_app(service)
    app.router.routes.extend(mcp.routes)      # /mcp, with and without a slash behind it

    async with mcp.running():                 # in the app's lifespan
        yield

Who calls is what the app's guard put into the request's state (`assistant.api.caller.Caller`); a
session belongs to the key that opened it, and so do its tenant's data. Where no key was asked for,
the server is for this machine alone, and only names of this machine are taken in `Host`, so that no
web page can reach it by a name of its own (DNS rebinding).
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.streamable_http import MCP_SESSION_ID_HEADER
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

from assistant.mcp_server.desks import Desks, Later, Office, Visit, unwatched
from assistant.mcp_server.server import GONE, Gone, build_server

if TYPE_CHECKING:
    from assistant.settings import Settings

PATH: Final = "/mcp"
MOST_SESSIONS: Final = 512
"""Sessions of all clients together."""
MOST_OF_ONE: Final = 64
"""Sessions of one key."""
IDLE_S: Final = 30 * 60.0
"""After which a session that nobody uses ends."""

LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_ENVELOPE: Final = 64 * 2**10
"""Bytes of a message beside the picture in it."""

_opening: ContextVar[tuple[Visit, Seat]] = ContextVar("opening")


class McpApp:
    """The endpoint, as an ASGI app, with the sessions that it keeps.

    Args:
        desks: opens the desks; with the model that they share.
        watched: see `Office`.
        hosts: names under which the server is reached without a key, beside those of this machine.
        origins: of web pages that may call it from a browser, such as ``https://shop.example``.
        caller_of: who calls; by default what the app's guard found.
        text_only: tell all clients in words alone; else those that add ``?content=text``.
        most_sessions: of all clients together.
        most_of_one: of one key.
        idle_s: after which a session that nobody uses ends.
    """

    def __init__(
        self,
        desks: Later[Desks],
        settings: Settings,
        *,
        watched: Callable[[], AbstractContextManager[Callable[[], None]]] = unwatched,
        hosts: Sequence[str] = (),
        origins: Sequence[str] = (),
        caller_of: Callable[[HTTPConnection], Awaitable[Any]] | None = None,
        text_only: bool = False,
        most_sessions: int = MOST_SESSIONS,
        most_of_one: int = MOST_OF_ONE,
        idle_s: float = IDLE_S,
    ) -> None:
        self._office = Office(desks, watched)
        self._caller_of = caller_of or _guarded
        self._hosts, self._origins = (*LOOPBACK, *hosts), tuple(origins)
        self._text_only = text_only
        self._seats = Seats(most_of_one)
        self._limits: dict[str, Any] = {
            "max_sessions": most_sessions,
            "session_idle_timeout": idle_s,
            "max_request_body_size": longest_message(settings),
        }
        self._manager: StreamableHTTPSessionManager | None = None
        # Once: a filter that is there already is not added again.
        logging.getLogger("mcp.server.streamable_http").addFilter(_is_news)
        self.routes = [Route(path, self, include_in_schema=False) for path in (PATH, f"{PATH}/")]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While it is entered, sessions can be opened; they end with it.

        It may be entered again after that, as an app's lifespan is in tests.
        """
        manager = StreamableHTTPSessionManager(
            build_server(self._office, self._visit), **self._limits
        )
        async with manager.run():
            self._manager = manager
            try:
                yield
            finally:
                self._manager = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        scope["route"] = self.routes[0]  # by which the audit log calls it
        manager = self._manager
        if manager is None:
            await _refused(503, "The server is being started or stopped; try again in a moment.")(
                scope, receive, send
            )
            return
        request = HTTPConnection(scope)
        caller = await self._caller_of(request)
        if trouble := await self._checked(request, caller):
            await trouble(scope, receive, send)
            return
        name = str(getattr(caller, "name", "") or f"{caller.tenant}/{caller.key_id}")
        scope = {**scope, "user": _user(caller, name), GONE: (gone := Gone())}

        async def watched() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.happened()
            return message

        if MCP_SESSION_ID_HEADER in request.headers:
            await manager.handle_request(scope, watched, send)
            return
        seat = self._seats.take(name)
        if seat is None:
            text = f"This key has {self._seats.most} sessions open; close one, or wait."
            await _refused(429, text, {"Retry-After": "60"})(scope, receive, send)
            return
        text_only = self._text_only or parse_qs(request.url.query).get("content") == ["text"]
        visit = Visit(tenant=caller.tenant, name=name, text_only=text_only)
        before = _opening.set((visit, seat))
        try:
            await manager.handle_request(scope, watched, send)
        finally:
            _opening.reset(before)
            if not seat.used:
                seat.leave()

    @contextmanager
    def _visit(self) -> Iterator[Visit]:
        """Who opens a session: the request that does left it in the context that it inherits."""
        visit, seat = _opening.get()
        seat.used = True
        try:
            yield visit
        finally:
            seat.leave()

    async def _checked(self, request: HTTPConnection, caller: Any) -> Response | None:
        """The SDK's check of `Host` and `Origin`; None where they are as they should be."""
        host = request.headers.get("host", "")
        # With a key nobody comes by accident: whatever name led here is a good one.
        names = [host] if caller.key_id else [*self._hosts, *(f"{each}:*" for each in self._hosts)]
        own = [f"{scheme}://{host}" for scheme in ("http", "https")] if host in names else []
        local = [f"http://{each}" for each in self._hosts] if not caller.key_id else []
        origins = [*own, *local, *(f"{each}:*" for each in local), *self._origins]
        settings = TransportSecuritySettings(allowed_hosts=names, allowed_origins=origins)
        return await TransportSecurityMiddleware(settings).validate_request(request)


class Seat:
    """One session's place among those of its key."""

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave: Callable[[], None] | None = leave
        self.used = False

    def leave(self) -> None:
        """Give it back, once."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


class Seats:
    """How many sessions each key has open."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, name: str) -> Seat | None:
        """A place for one more session; None where the key has as many as it may."""
        with self._lock:
            if self._taken[name] >= self.most:
                return None
            self._taken[name] += 1
        return Seat(lambda: self._left(name))

    def _left(self, name: str) -> None:
        with self._lock:
            self._taken[name] -= 1
            if self._taken[name] <= 0:
                del self._taken[name]


def mcp_app(service: Desks, **options: Any) -> McpApp:
    """The endpoint for a service that is open; see the module for how an app takes it in.

    Args:
        service: `assistant.api.service.Service`, or what is like it.
        options: as for `McpApp`.
    """
    return McpApp(Later.of(service), service.settings, **options)


def longest_message(settings: Settings) -> int:
    """Bytes of a message that holds the largest picture in base64."""
    return settings.max_image_bytes * 4 // 3 + _ENVELOPE


def _user(caller: Any, name: str) -> AuthenticatedUser:
    """Whom the SDK binds a session to."""
    token = AccessToken(token="", client_id=name, subject=caller.tenant, scopes=[])
    return AuthenticatedUser(token)


def _is_news(record: logging.LogRecord) -> bool:
    """Whether the SDK logs more than that a client has closed a stream of its own."""
    error = record.exc_info[1] if record.exc_info else None
    return not isinstance(error, anyio.ClosedResourceError | anyio.BrokenResourceError)


async def _guarded(request: HTTPConnection) -> Any:
    return request.state.caller


def _refused(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    error = {"code": -32000, "message": text}
    body = {"jsonrpc": "2.0", "id": None, "error": error}
    return JSONResponse(body, status, headers)
