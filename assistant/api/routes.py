"""What all routes have in common: how a body is read, and what the documentation says of errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Annotated, Any, Final

import pydantic_core
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.routing import APIRoute

from assistant.api.caller import Caller, caller_of
from assistant.api.errors import ErrorBody
from assistant.api.service import Service

Who = Annotated[Caller, Depends(caller_of)]
"""The caller of a route."""

Limit = Annotated[int, Query(ge=1, le=100, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=1_000_000, description="How many to pass over.")]
Search = Annotated[str, Query(max_length=500, description="Words that all must be in it.")]

_EXAMPLE: Final = {
    "error": {
        "message": "'temperature': Input should be less than or equal to 2.",
        "type": "invalid_request_error",
        "param": "temperature",
        "code": "invalid_value",
    }
}
_WORDS: Final = {
    400: "The request cannot be used; the message says why.",
    401: "There is no key, or it is wrong, revoked or out of date.",
    403: "The key may not do this.",
    404: "There is no such thing, or it is another tenant's.",
    409: "It was changed meanwhile, or is in another state.",
    413: "The request is larger than this server takes.",
    429: "Too much at once; `Retry-After` says when to come back.",
    500: "The server failed; its log says why.",
    503: "The model is still being loaded, or something that is needed is out of order.",
}


class _Request(Request):
    """A request whose JSON is read by pydantic: faster, and not to be drowned in brackets."""

    async def json(self) -> Any:
        """The body as JSON.

        Raises:
            JSONDecodeError: it is none, or no UTF-8.
        """
        if not hasattr(self, "_json"):
            body = await self.body()
            try:
                self._json = pydantic_core.from_json(body, allow_inf_nan=False)
            except ValueError as error:
                raise json.JSONDecodeError(str(error)[:200], "", 0) from error
        return self._json


class Route(APIRoute):
    """A route whose body is read as `_Request` does."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """As FastAPI asks for it."""
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            return await handle(_Request(request.scope, request.receive))

        return handled


def router(*, tag: str) -> APIRouter:
    """A router for paths that need a key."""
    return APIRouter(tags=[tag], route_class=Route, strict_content_type=False)


def service_of(request: Request) -> Service:
    """The service of the app that a request is made to."""
    service: Service = request.app.state.service
    return service


def seconds(when: datetime) -> int:
    """A time as OpenAI's API has it: whole seconds since 1970."""
    return int(when.timestamp())


def page(data: list[Any], total: int, offset: int) -> dict[str, Any]:
    """A part of a list, in OpenAI's shape."""
    return {
        "object": "list",
        "data": data,
        "total": total,
        "has_more": offset + len(data) < total,
    }


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the documentation says of these statuses, and of those that any path may have."""
    return {
        status: {
            "model": ErrorBody,
            "description": _WORDS[status],
            "content": {"application/json": {"example": _EXAMPLE}},
        }
        for status in sorted({400, 401, 403, 413, 429, 500, *statuses})
    }
