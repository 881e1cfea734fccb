"""The widget's place in the server: what its routes share, and who is let in.

Pages of other web sites ask here, so the browser must be told which may read the answers: the
origin that asks, where it is allowed, and nothing otherwise. That holds for refusals too, so that
the script can say why.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from assistant.api.caller import Caller
from assistant.api.errors import ApiError
from assistant.api.widget.answers import Answers
from assistant.api.widget.origins import Origins
from assistant.api.widget.rates import Pace, Rates, network
from assistant.api.widget.threads import Threads
from assistant.api.widget.tokens import BadTokenError, Tokens, Visitor
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.api.service import Service

API: Final = "/widget/v1/"
MOST_DECODED: Final = 2
"""Pictures that are opened at the same time; each may take 200 MB for a moment."""

_PREFLIGHT_S: Final = "600"
_METHODS: Final = "GET, POST, OPTIONS"
_HEADERS: Final = "Authorization, Content-Type"


class Widget:
    """What the widget's routes share.

    Attributes:
        tokens, origins, rates, answers: see their modules.
        decoding: room for a picture that is being opened.
    """

    def __init__(self, service: Service) -> None:
        self.service = service
        self.settings: Settings = service.settings
        self.tokens = Tokens.open(service.settings)
        self.origins = Origins(service.settings.widget_origins)
        self.rates = Rates()
        self.answers = Answers(service)
        self.decoding = asyncio.Semaphore(MOST_DECODED)

    def close(self) -> None:
        """Stop the answers that are being written."""
        self.answers.close()

    def allows(self, scope: Scope) -> str | None:
        """The tenant that the page of a request asks; None where its origin may not."""
        headers = Headers(scope=scope)
        server = str((scope.get("server") or ("",))[0])
        return self.origins.tenant(headers.get("origin", ""), headers.get("host", ""), server)

    def tenant(self, request: Request) -> tuple[str, str]:
        """The tenant that a page's origin asks, and the origin.

        Raises:
            ApiError: 403, the page's origin is not allowed.
        """
        tenant = self.allows(request.scope)
        if tenant is None:
            raise _foreign()
        return tenant, request.headers.get("origin", "")

    def visitor(self, request: Request) -> Visitor:
        """Whose token a request carries.

        Raises:
            ApiError: 401 where it carries none that counts here.
        """
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer" or not token:
                raise BadTokenError
            visitor = self.tokens.read(token.strip())
            origin = request.headers.get("origin")
            if origin is not None and origin != visitor.origin:
                raise BadTokenError
        except BadTokenError as error:
            raise ApiError(
                401,
                "The token has ended; ask for a new one."
                if error.expired
                else "There is no token that is valid here; ask for one.",
                code="token_expired" if error.expired else "invalid_token",
            ) from None
        # For the audit log and the queue's fairness, as an API key's.
        request.state.caller = Caller(visitor.tenant, "", frozenset({"widget"}), visitor.id)
        return visitor

    def threads(self, visitor: Visitor) -> Threads:
        """A visitor's conversations."""
        return Threads(self.service.store, self.tokens, visitor)

    def count(self, what: str, request: Request, visitor: Visitor, own: Pace, all: Pace) -> None:
        """Count one use by a visitor and by their address.

        Raises:
            ApiError: 429.
        """
        self.rates.take(f"{what} {visitor.tenant} {visitor.id}", own)
        self.count_address(what, request, all)

    def count_address(self, what: str, request: Request, pace: Pace) -> None:
        """Count one use by an address.

        Raises:
            ApiError: 429.
        """
        host = request.client.host if request.client is not None else ""
        self.rates.take(f"{what} {network(host)}", pace)


class WidgetDoor:
    """Middleware: tells browsers which origin may read what the widget's routes answer."""

    def __init__(self, app: ASGIApp, widget: Widget) -> None:
        self._app, self._widget = app, widget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight; let others pass where their origin is allowed, or none is named."""
        if scope["type"] != "http" or not scope["path"].startswith(API):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowed = self._widget.allows(scope) is not None

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = MutableHeaders(scope=message)
                for name in [name for name in own if name.startswith("access-control-")]:
                    del own[name]
                own.add_vary_header("Origin")
                own.setdefault("Cache-Control", "no-store")
                if allowed and origin is not None:
                    own["Access-Control-Allow-Origin"] = origin
                    own["Access-Control-Expose-Headers"] = "Retry-After"
            await send(message)

        if scope["method"] == "OPTIONS":
            await _preflight(origin if allowed else None, headers)(scope, receive, send)
        elif origin is not None and not allowed:
            await _foreign().response()(scope, receive, told)
        else:
            await self._app(scope, receive, told)


def install(app: FastAPI, service: Service) -> Widget:
    """Add the widget's routes and its door to an app; close what is returned before the service.

    Raises:
        StoreError: the secret for tokens cannot be kept.
    """
    from assistant.api.widget import pages, routes

    widget = Widget(service)
    app.state.widget = widget
    app.include_router(pages.router)
    app.include_router(routes.router)
    app.add_middleware(WidgetDoor, widget=widget)
    return widget


def _preflight(origin: str | None, headers: Headers) -> Response:
    """What a browser is told before it asks for a page of an origin that may; 403 for others."""
    if origin is None:
        refusal = _foreign().response()
        refusal.headers["Vary"] = "Origin"
        return refusal
    found = {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Methods": _METHODS,
        "Access-Control-Allow-Headers": _HEADERS,
        "Access-Control-Max-Age": _PREFLIGHT_S,
        "Vary": "Origin",
    }
    # A public page that embeds a desk in the same house.
    if headers.get("access-control-request-private-network") == "true":
        found["Access-Control-Allow-Private-Network"] = "true"
    return Response(status_code=204, headers=found)


def _foreign() -> ApiError:
    return ApiError(
        403,
        "This web site may not show the chat; its operator adds its origin to "
        "SIGHTDESK_WIDGET_ORIGINS.",
        code="origin_not_allowed",
    )
