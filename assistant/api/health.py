"""/healthz, /readyz and /metrics: for whoever watches the server."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import BaseModel, Field
from sqlalchemy import text

from assistant.api.routes import Who, errors, service_of
from assistant.errors import StoreError

if TYPE_CHECKING:
    from assistant.api.service import Service

router = APIRouter(tags=["Health"])

_FRESH_S: Final = 1.0
"""For which the answer of the database is believed: anybody may ask."""

_guard = threading.Lock()


class Health(BaseModel):
    """The server runs."""

    status: Literal["ok"]


class Readiness(BaseModel):
    """Whether the server can answer questions now, and what is missing."""

    status: Literal["ready", "not ready"]
    engine: Literal["ready", "loading", "failed"]
    database: Literal["ready", "unreachable"]
    queue: Literal["ready", "full"] = Field(description="What waits for the engine.")


@router.get("/healthz", summary="Whether it runs", response_model=Health)
async def healthy() -> JSONResponse:
    """The process is alive."""
    return JSONResponse({"status": "ok"})


@router.get(
    "/readyz",
    summary="Whether it can answer",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not now; the fields say why."}},
)
def ready(request: Request) -> JSONResponse:
    """The model is loaded, the database answers and there is room in the queue."""
    service = service_of(request)
    engine = "ready" if service.ready else "loading" if service.trouble is None else "failed"
    found = {
        "engine": engine,
        "database": "ready" if _reached(service) else "unreachable",
        "queue": "full" if is_full(service) else "ready",
    }
    good = all(state == "ready" for state in found.values())
    status = "ready" if good else "not ready"
    return JSONResponse({"status": status, **found}, 200 if good else 503)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=PlainTextResponse,
    responses=errors(),
)
def metrics(request: Request, _who: Who) -> Response:
    """Requests, tokens, pictures, outcomes, what runs and what waits."""
    return Response(
        service_of(request).metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )


def is_full(service: Service) -> bool:
    """Whether the next question would be refused."""
    load = service.load_figures()
    full = load is not None and (load.closing or load.waiting >= load.queue_size > 0)
    return full or service.running >= service.seats


def _reached(service: Service) -> bool:
    with _guard:
        at, reached = service.database_seen
        if time.monotonic() - at < _FRESH_S:
            return reached
        try:
            with service.store.database.read() as session:
                session.execute(text("SELECT 1"))
            reached = True
        except StoreError:
            reached = False
        service.database_seen = (time.monotonic(), reached)
        return reached
