"""/v1/models: the base first, then each adapter that fits it, then the agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from assistant.api import routes
from assistant.api.errors import not_found
from assistant.api.routes import Who, errors, service_of
from assistant.api.service import AGENT

if TYPE_CHECKING:
    from assistant.api.service import Service

router = routes.router(tag="Models")

EMBEDDED = "embedded"
"""Always names the base of this server, as the other doors call it."""


class Model(BaseModel):
    """A model that answers here."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class Models(BaseModel):
    """All models."""

    object: Literal["list"]
    data: list[Model]


def names(service: Service) -> dict[str, str]:
    """Names of the models that look at pictures, and the adapter of each; the base is first."""
    ground, *adapters = service.engine.choices()
    return {service.base_name: ground} | {name: name for name in adapters}


def adapter_of(service: Service, model: str) -> str:
    """The adapter that answers under a model's name.

    Raises:
        ApiError: 404, where there is none of that name.
    """
    known = names(service)
    ground = next(iter(known.values()))
    found = known.get(model)
    if found is None and model in (EMBEDDED, ground):
        found = ground
    if found is None:
        raise unknown(service, model)
    return found


def unknown(service: Service, model: str) -> Exception:
    """The error about a model that is not here."""
    choices = ", ".join([*names(service), AGENT])
    return not_found(
        f"The model {model[:80]!r} is not here; choose one of: {choices}.",
        param="model",
        code="model_not_found",
    )


@router.get("/v1/models", summary="List the models", response_model=Models, responses=errors(503))
def list_models(request: Request, _who: Who) -> JSONResponse:
    """The base, each adapter that fits it, and the agent."""
    service = service_of(request)
    found = [_told(service, name) for name in (*names(service), AGENT)]
    return JSONResponse({"object": "list", "data": found})


@router.get(
    "/v1/models/{model:path}",
    summary="Show a model",
    response_model=Model,
    responses=errors(404, 503),
)
def show_model(request: Request, model: str, _who: Who) -> JSONResponse:
    """One model."""
    service = service_of(request)
    if model not in (AGENT, service.embedder_name):
        adapter_of(service, model)
    return JSONResponse(_told(service, model))


def _told(service: Service, name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": service.started, "owned_by": "sightdesk"}
