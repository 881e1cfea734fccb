"""Errors as OpenAI's clients read them: ``{"error": {"message", "type", "param", "code"}}``.

Whatever goes wrong in a request ends here, the framework's own errors too. A message says what is
wrong and what to do; nothing of the inside of the server is in it.
"""

from __future__ import annotations

import http
import logging
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from assistant.errors import (
    BusyError,
    ConflictError,
    MissingError,
    RemoteError,
    SightdeskError,
    StoreError,
    WeightsError,
)

INVALID: Final = "invalid_request_error"
SERVER: Final = "server_error"
_TYPES: Final = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}
_MESSAGES: Final = {
    404: "There is no such path here; /docs lists those that there are.",
    405: "This path does not take this method; /docs lists those that it takes.",
    413: "The request is too large; send less at once.",
}
_SHOWN_CHARS: Final = 300
_LOG = logging.getLogger(__name__)


class ErrorDetail(BaseModel):
    """What went wrong."""

    message: str = Field(description="What is wrong, and what to do.")
    type: str = Field(description="The kind of error.", examples=[INVALID])
    param: str | None = Field(None, description="The field that is meant.")
    code: str | None = Field(None, description="A word for programs.")


class ErrorBody(BaseModel):
    """The body of every answer that is no success."""

    error: ErrorDetail


class ApiError(Exception):
    """An error that a client is told.

    Args:
        status: of HTTP.
        type: by default what OpenAI calls errors of this status.
        code: a word for programs.
        param: the field of the request that is meant.
        headers: of the answer, such as ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        message: str,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.type = type or _type(status)
        self.headers = dict(headers or {})

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return error_body(self.message, self.type, self.code, self.param)

    def response(self) -> JSONResponse:
        """As an answer."""
        return JSONResponse(self.body(), self.status, self.headers)


class NotReadyError(BusyError):
    """The model is still being loaded, or could not be; or the server is being stopped."""


def error_body(
    message: str, type: str, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """OpenAI's shape of an error."""
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


def told(error: BaseException) -> ApiError:
    """Any error as one that a client is told; one that nobody foresaw is logged with its trace."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, BusyError):
        wait = str(max(1, math.ceil(error.retry_after)))
        status, code = (503, "not_ready") if isinstance(error, NotReadyError) else (429, "busy")
        return ApiError(status, str(error), code=code, headers={"Retry-After": wait})
    if isinstance(error, ConflictError):
        return ApiError(409, str(error), code="conflict")
    if isinstance(error, MissingError):
        return not_found(str(error))
    if isinstance(error, StoreError | WeightsError):
        _LOG.warning("A request could not be served: %s", error)
        return ApiError(503, str(error), code="unavailable", headers={"Retry-After": "5"})
    if isinstance(error, RemoteError):
        _LOG.warning("The model's server failed: %s", error)
        return ApiError(502, str(error), code="model_server_failed")
    if isinstance(error, SightdeskError):
        return ApiError(400, str(error), code=_code(error))
    _LOG.error("A request failed", exc_info=error)
    return ApiError(
        500,
        "The server failed at this request; its log says more. Try again, or ask its operator.",
        code="internal_error",
    )


def not_found(what: str, *, param: str | None = None, code: str = "not_found") -> ApiError:
    """404: there is nothing of that name, or it is another tenant's, which looks the same."""
    return ApiError(404, what, INVALID, code, param)


def install(app: FastAPI) -> None:
    """Let every error of an app be told in this shape."""

    async def own(_request: Request, error: Exception) -> JSONResponse:
        return told(error).response()

    async def framework(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        found = _http(error)
        if found.status == 405 and (allowed := allowed_methods(app, request.url.path)):
            found.headers["Allow"] = ", ".join(allowed)
        return found.response()

    async def invalid(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return invalid_request(error.errors(), error.body).response()

    app.add_exception_handler(ApiError, own)
    app.add_exception_handler(SightdeskError, own)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(Exception, own)


def allowed_methods(app: FastAPI, path: str) -> list[str]:
    """The methods that a path takes: several routes may share it, and each knows its own alone."""
    found: set[str] = set()
    known = app.openapi()["paths"]
    if path in known:  # /v1/images/search is no picture's id
        return sorted(method.upper() for method in known[path])
    for pattern, methods in known.items():
        # A model's name may have a slash in it.
        part = ".+" if pattern == "/v1/models/{model}" else "[^/]+"
        if re.fullmatch(re.sub(r"\{[^}]+\}", part, pattern), path):
            found |= {method.upper() for method in methods}
    return sorted(found)


def invalid_request(errors: Sequence[Mapping[str, Any]], body: Any = None) -> ApiError:
    """The first of pydantic's complaints in one sentence, with the field's place in the body."""
    first = errors[0] if errors else {}
    places = [str(part) for part in first.get("loc", ())]
    if places[:1] in (["body"], ["query"], ["path"], ["header"]):
        places = places[1:]
    if first.get("type") == "json_invalid":
        reason = str(first.get("ctx", {}).get("error", "")).rstrip(".")
        message = f"The body is not valid JSON ({reason}); correct it and send it again."
        return ApiError(400, message, code="invalid_json")
    param = ".".join(_fields(places, body))[:200] or None
    reason = str(first.get("msg") or "it cannot be used").removeprefix("Value error, ")
    missing = first.get("type") == "missing"
    where = f"'{param}'" if param else "The body"
    message = f"{where} is missing." if missing else f"{where}: {reason}."[:_SHOWN_CHARS]
    if missing and not param:
        message = "The body is missing; send JSON with the header Content-Type: application/json."
    elif not param:
        message = (
            f"The body cannot be used ({reason}); send JSON with the header Content-Type: "
            "application/json."
        )
    return ApiError(400, message.replace("..", "."), code=_complaint(first), param=param)


def _fields(places: Sequence[str], body: Any) -> list[str]:
    """A place without what is no field: pydantic puts the kinds of parts and messages in between.

    Args:
        body: in which the fields are; None: all are fields.
    """
    if not isinstance(body, dict):
        return list(places)
    found: list[str] = []
    here: Any = body
    for number, name in enumerate(places):
        last = number == len(places) - 1
        if isinstance(here, list) and name.isdigit() and int(name) < len(here):
            here = here[int(name)]
        elif isinstance(here, dict) and name in here:
            here = here[name]
        elif not (last and isinstance(here, dict)):  # a field that is missing is one all the same
            continue
        found.append(name)
    return found


def _complaint(first: Mapping[str, Any]) -> str:
    kind = str(first.get("type", ""))
    if kind == "missing":
        return "missing_required_parameter"
    return "invalid_type" if kind.endswith("_type") else "invalid_value"


def _http(error: HTTPException) -> ApiError:
    status = error.status_code
    message = _MESSAGES.get(status) or str(error.detail or http.HTTPStatus(status).phrase)
    return ApiError(status, message, headers=dict(error.headers or {}))


def _type(status: int) -> str:
    if status >= 500:
        return SERVER
    return _TYPES.get(status, INVALID)


def _code(error: SightdeskError) -> str | None:
    names = {
        "ImageError": "invalid_image",
        "AdapterError": "invalid_adapter",
        "TooLongError": "context_length_exceeded",
    }
    return names.get(type(error).__name__, "invalid_value")
