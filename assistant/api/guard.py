"""What stands between the network and the routes.

Each request passes, from the outside in:

    headers.py    its head is small and says one thing; a browser may ask from that page
    auth.py       its key is good and may do this: before a byte of its body is read
    limits.py     its key has not asked for too much
    body.py       its body comes in time and is not too large
    audit.py      what came of it is written down, without a word of what was said

Nothing of this looks into answers; they are streamed through.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.audit import Audit, harmless
from assistant.api.auth import ALL_SCOPES, Keyring, Opened, is_public, scope_of, why_not_open
from assistant.api.body import Body, check_json, is_form, is_json, told_of
from assistant.api.bounds import Bounds
from assistant.api.caller import Caller
from assistant.api.errors import ApiError, told
from assistant.api.headers import Cors, check_head, request_id, secured
from assistant.api.limits import Limiter

if TYPE_CHECKING:
    from starlette.applications import Starlette

    from assistant.api.service import Service

_CLIENT_GONE: Final = 499
"""In the audit log, as nginx has it: no answer was wanted any more."""

_FOR_WATCHERS: Final = ("/healthz", "/readyz", "/metrics")
_METHODS: Final = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_VISIT: Final = "sightdesk.visit"


def install(app: Starlette, service: Service, *, bounds: Bounds | None = None) -> None:
    """Put the guard before everything that was added to an app so far.

    It is closed with the app's lifespan.
    """
    app.add_middleware(
        Guard,
        keyring=Keyring(service.store, service.settings),
        audit=Audit(service.settings),
        origins=service.settings.allowed_origins,
        most=service.settings.max_body_bytes,
        bounds=bounds or Bounds(),
    )


class Guard:
    """Middleware; see the module.

    Args:
        origins: whose pages may call.
        most: bytes of a body.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        keyring: Keyring,
        audit: Audit,
        origins: tuple[str, ...],
        most: int,
        bounds: Bounds,
    ) -> None:
        self.app = app
        self.keyring, self.audit = keyring, audit
        self.origins, self.most, self.bounds = origins, most, bounds
        self.limiter = Limiter()
        self._cors = Cors(_inside, origins)
        self.running = 0
        self.held = 0
        """Bytes of the bodies of all requests that are worked on."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI says."""
        if scope["type"] == "http":
            visit = _Visit(self, scope, receive, send)
            scope[_VISIT] = visit
            await visit.run(self._cors)
        elif scope["type"] == "lifespan":
            try:
                await self.app(scope, receive, send)
            finally:
                self.keyring.close()
                self.audit.close()
        else:
            await send({"type": "websocket.close", "code": 1008})


async def _inside(scope: Scope, receive: Receive, send: Send) -> None:
    visit: _Visit = scope[_VISIT]
    await visit.inside(receive, send)


class _Visit:
    """One request on its way in and its answer on its way out."""

    def __init__(self, guard: Guard, scope: Scope, receive: Receive, send: Send) -> None:
        self.guard, self.scope = guard, scope
        self.headers = told_of(scope)
        self.path: str = scope["path"].removeprefix(scope.get("root_path", ""))
        self.body = Body(receive, self.headers, guard.most, guard.bounds)
        self._send = send
        self.id = request_id(self.headers.get("x-request-id"))
        scope.setdefault("state", {})["request_id"] = self.id
        self.extra: dict[str, str] = {}
        self.status = 0
        self.sent = 0
        self.client: str | None = None
        """Whom `Limiter` counts it for."""
        self.held = 0

    async def run(self, cors: Cors) -> None:
        """Answer it, whatever happens, and write down what came of it."""
        began = time.perf_counter()
        self.guard.running += 1
        try:
            # The widget is for pages of other origins than those that may use keys: it has its own
            # door.
            door = _inside if self.path.startswith("/widget") else cors
            await door(self.scope, self.body.receive, self.send)
        finally:
            self.guard.running -= 1
            self._release()
            self._account()
            self._write_down(time.perf_counter() - began)

    async def inside(self, receive: Receive, send: Send) -> None:
        """Behind the question whether a browser may read the answer."""
        try:
            await self._pass(receive, send)
        except ClientDisconnect:
            return
        except Exception as error:
            if self.status:
                # Half an answer is out: whoever reads it must see that it broke off.
                raise
            # Now, since what still comes of its body is waited for.
            self._release()
            await told(error).response()(self.scope, receive, send)

    async def _pass(self, receive: Receive, send: Send) -> None:
        scope, guard = self.scope, self.guard
        check_head(scope.get("raw_path") or b"", scope.get("query_string", b""), scope["headers"])
        if guard.running > guard.bounds.requests and self.path not in _FOR_WATCHERS:
            raise _busy()
        await self._let_in()
        self.body.check_length()
        kind = self.headers.get("content-type", "")
        # Who has shown no key is given no memory; the widget's routes read their own, in small.
        if self.client is not None and not self.body.over and not is_form(kind):
            body = await self.body.read(self._hold)
            if body is None:
                return
            if is_json(kind):
                check_json(body, guard.bounds)
        await guard.app(scope, receive, send)

    async def _let_in(self) -> None:
        """Who asks, and whether they may.

        Raises:
            ApiError: 401, 403 or 429.
        """
        if is_public(self.path):
            return
        opened = await self._opened()
        caller = opened.caller
        self.scope["state"]["caller"] = caller
        needed = scope_of(self.path)
        if needed is not None and needed not in caller.scopes:
            raise ApiError(
                403,
                f"This key may not do this; one with the scope {needed} may.",
                code="insufficient_scope",
            )
        self.extra |= self.guard.limiter.enter(caller.name, opened.limits)
        self.client = caller.name

    async def _opened(self) -> Opened:
        keyring, given = self.guard.keyring, self.headers.get("authorization", "")
        scheme, _, key = given.partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            opened = await keyring.find(key.strip())
            if opened is not None:
                return opened
        if await keyring.is_open():
            # Clients insist on sending some key; where there are none, any does.
            server = self.scope.get("server")
            reason = why_not_open(server and server[0], self.headers, self.guard.origins)
            if not reason:
                return Opened(Caller("", "", ALL_SCOPES))
            raise ApiError(
                403, f"{reason}; its operator sets one with SIGHTDESK_API_KEY.", code="no_key_set"
            )
        what = "This API key is wrong, revoked or expired" if given else "There is no API key"
        raise ApiError(
            401,
            f"{what}; send a good one as Authorization: Bearer KEY.",
            code="invalid_api_key",
            headers={"WWW-Authenticate": "Bearer"},
        )

    def _hold(self, bytes_: int) -> None:
        """Count so many bytes as held by this request in place of those before.

        Raises:
            ApiError: 429, there is no room.
        """
        guard, more = self.guard, bytes_ - self.held
        if more > 0 and guard.held + more > guard.bounds.bodies_bytes:
            raise _busy()
        guard.held += more
        self.held = bytes_

    def _release(self) -> None:
        self.guard.held -= self.held
        self.held = 0

    async def send(self, message: Message) -> None:
        """As ASGI's `send`, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            if self.body.trouble is not None and message["status"] != self.body.trouble.status:
                # The app took the end of its reading for something else.
                raise self.body.trouble
            self.status = message["status"]
            # "name" as in HTTP/2: some clients look for small letters.
            mine = [(name.encode(), value.encode()) for name, value in self.extra.items()]
            headers = secured(self.path, [*message.get("headers", []), *mine], self.id)
            if not self.body.over:
                headers.append((b"connection", b"close"))
            await self._send({**message, "headers": headers})
            return
        if message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            if not message.get("more_body", False) and not self.body.over:
                await self._send({**message, "more_body": True})
                await self.body.drain()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    def _account(self) -> None:
        """Take what the request used from what its key may."""
        if self.client is None:
            return
        limiter, noted = self.guard.limiter, self.scope["state"].get("noted", {})
        limiter.leave(self.client)
        limiter.spend(self.client, "bytes", self.body.received)
        tokens = harmless(noted)
        used = tokens.get("prompt_tokens", 0) + tokens.get("completion_tokens", 0)
        limiter.spend(self.client, "tokens", used)

    def _write_down(self, seconds: float) -> None:
        state = self.scope["state"]
        caller: Any = state.get("caller")
        route = getattr(self.scope.get("route"), "path", None)
        self.guard.audit.write(
            request=self.id,
            key=caller.key_id if caller else "",
            tenant=caller.tenant if caller else "",
            visitor=caller.visitor if caller else "",
            method=self.scope["method"] if self.scope["method"] in _METHODS else "other",
            route=route if isinstance(route, str) else "",
            status=self.status or _CLIENT_GONE,
            ms=round(seconds * 1000),
            received=self.body.received,
            sent=self.sent,
            **harmless(state.get("noted", {})),
        )


def _busy() -> ApiError:
    return ApiError(
        429,
        "The server is busy; try again in a moment.",
        code="busy",
        headers={"Retry-After": "1"},
    )
