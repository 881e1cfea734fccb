"""/v1/models: the base first, then each adapter that fits it, the agent, the picture embedder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from assistant.api import routes
from assistant.api.errors import not_found
from assistant.api.routes import Who, errors, service_of
from assistant.api.service import AGENT, short_name
from assistant.errors import SightdeskError

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
    parent: str | None = Field(
        default=None, description="Of an adapter, the base that it belongs to."
    )


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


def picture_model(service: Service) -> str:
    """What the model that embeds pictures is called; empty where there is none."""
    try:
        name = service.picture_embedder().name
    except SightdeskError:
        return ""
    # Behind the @ stands which training of it: for those who keep vectors.
    return short_name(name).partition("@")[0]


def is_picture_model(service: Service, model: str) -> bool:
    """Whether a model's name is that of the one that embeds pictures."""
    name = picture_model(service)
    return bool(name) and model in (name, service.picture_embedder().name)


def unknown(service: Service, model: str) -> Exception:
    """The error about a model that is not here."""
    choices = ", ".join([*names(service), AGENT])
    if is_picture_model(service, model):
        return not_found(
            f"The model {model[:80]!r} answers nothing, it embeds (/v1/embeddings); choose one of: "
            f"{choices}.",
            param="model",
            code="model_not_found",
        )
    return not_found(
        f"The model {model[:80]!r} is not here; choose one of: {choices}.",
        param="model",
        code="model_not_found",
    )


@router.get("/v1/models", summary="List the models", response_model=Models, responses=errors(503))
def list_models(request: Request, _who: Who) -> JSONResponse:
    """The base, each adapter that fits it, and the agent; at last what embeds pictures."""
    service = service_of(request)
    embedder = picture_model(service)
    known = [*names(service), AGENT, *([embedder] if embedder else [])]
    found = [_told(service, name) for name in known]
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
    if model not in (AGENT, service.embedder_name) and not is_picture_model(service, model):
        adapter_of(service, model)
    return JSONResponse(_told(service, model))


def _told(service: Service, name: str) -> dict[str, Any]:
    adapter = name in names(service) and name != service.base_name
    return {
        "id": name,
        "object": "model",
        "created": service.started,
        "owned_by": "sightdesk",
        "parent": service.base_name if adapter else None,
    }
