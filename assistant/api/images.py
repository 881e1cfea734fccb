"""/v1/images: a picture is sent once, and named by its id in any number of questions."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException

from assistant.api import routes
from assistant.api.caller import note
from assistant.api.chat_request import PICTURE
from assistant.api.errors import ApiError, not_found
from assistant.api.pictures import from_base64, from_data_uri, is_id
from assistant.api.routes import Limit, Offset, Who, errors, page, seconds, service_of
from assistant.api.service import Service
from assistant.api.sse import in_thread
from assistant.errors import ImageError, InputError, MissingError
from assistant.images import LoadedImage, open_image
from assistant.store import StoredImage
from assistant.tools.gallery import THUMBNAIL_PIXELS

router = routes.router(tag="Images")

_ID: Final = "The picture's id: 64 hexadecimal digits."
_NAME_CHARS: Final = 200


class ImageUpload(BaseModel):
    """A picture in JSON."""

    model_config = ConfigDict(strict=True, extra="allow")

    image: str = Field(
        min_length=1,
        description="A data URI, or the file's bytes in base64.",
        examples=[PICTURE],
    )
    name: str | None = Field(None, max_length=_NAME_CHARS, description="Of the file.")


class Image(BaseModel):
    """A picture that is kept."""

    id: str = Field(description=_ID)
    object: Literal["image"]
    name: str
    width: int
    height: int
    bytes: int = Field(description="As it is kept, losslessly.")
    created_at: int
    expires_at: int | None = Field(
        description="When it goes unless a conversation or a ticket shows it; null: it stays for "
        "as long as they do."
    )
    url: str = Field(
        description="What stands in `image_url.url` of a question.", examples=["sightdesk:5f0c…"]
    )


class Images(BaseModel):
    """Pictures that were sent ahead."""

    object: Literal["list"]
    data: list[Image]
    total: int
    has_more: bool


class DeletedImage(BaseModel):
    """A picture that is gone."""

    id: str
    object: Literal["image.deleted"]
    deleted: Literal[True]


_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {"schema": ImageUpload.model_json_schema()},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}},
                    "required": ["file"],
                }
            },
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


@router.post(
    "/v1/images",
    summary="Send a picture",
    status_code=200,
    response_model=Image,
    responses=errors(503),
    openapi_extra=_BODY,
)
async def send(request: Request, caller: Who) -> JSONResponse:
    """Keep a picture, to be named by its id later: once for as often as it is sent.

    As a form with the field `file`, as JSON with base64, or the file itself as the body, whatever
    its type. JPEG, PNG, WebP, GIF, BMP, TIFF and HEIC are opened.
    """
    service = service_of(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    data: bytes | str
    if kind == "multipart/form-data":
        data, name = await _from_form(request, service.settings.max_image_bytes)
    elif kind.startswith("image/") or kind == "application/octet-stream":
        data, name = await request.body(), ""
    else:
        data, name = await _from_json(request)
    note(request, images=1)

    def work() -> dict[str, Any]:
        image = _opened(data, service, name)
        stored = service.store.put_image(image, name=name or "photo", tenant=caller.tenant)
        until = service.store.keep_image(stored.id, tenant=caller.tenant)
        return _told(stored, until)

    return JSONResponse(await in_thread(request, work))


@router.get(
    "/v1/images",
    summary="List pictures that were sent",
    response_model=Images,
    responses=errors(503),
)
def listed(request: Request, caller: Who, limit: Limit = 50, offset: Offset = 0) -> JSONResponse:
    """Those that are kept by themselves, the newest first."""
    store = service_of(request).store
    found = store.kept_images(limit=limit, offset=offset, tenant=caller.tenant)
    data = [_told(stored, until) for stored, until in found]
    return JSONResponse(page(data, store.count_kept_images(tenant=caller.tenant), offset))


@router.get(
    "/v1/images/{id}", summary="Show a picture", response_model=Image, responses=errors(404, 503)
)
def shown(request: Request, id: str, caller: Who) -> JSONResponse:
    """Name and size of a picture that was sent, or is in an indexed folder."""
    service = service_of(request)
    try:
        stored = service.store.image_info(_checked(id), tenant=caller.tenant)
    except MissingError:
        return JSONResponse(_told(service.gallery(caller.tenant).about(id), None))
    return JSONResponse(_told(stored, service.store.kept_until(id, tenant=caller.tenant)))


@router.get(
    "/v1/images/{id}/content",
    summary="Fetch a picture",
    response_class=Response,
    responses={
        200: {
            "description": "The picture's pixels, upright, without metadata.",
            "content": {
                "image/webp": {"schema": {"type": "string", "format": "binary"}},
                "image/png": {"schema": {"type": "string", "format": "binary"}},
            },
        },
        **errors(404, 503),
    },
)
def content(
    request: Request,
    id: str,
    caller: Who,
    size: Annotated[
        Literal["full", "thumbnail"], Query(description="A thumbnail has 320 pixels at most.")
    ] = "full",
) -> Response:
    """The picture itself, as it was sent or from its indexed folder."""
    service = service_of(request)
    read = service.store.image_bytes if size == "full" else service.store.thumbnail
    try:
        data = read(_checked(id), tenant=caller.tenant)
    except MissingError:
        side = None if size == "full" else THUMBNAIL_PIXELS
        data = service.gallery(caller.tenant).bytes(id, side)
    kind = "image/png" if data.startswith(b"\x89PNG") else "image/webp"
    # The id is that of the pixels: what it names never changes.
    headers = {"Cache-Control": "private, max-age=86400, immutable", "ETag": f'"{id}-{size}"'}
    return Response(data, media_type=kind, headers=headers)


@router.delete(
    "/v1/images/{id}",
    summary="Remove a picture",
    response_model=DeletedImage,
    responses=errors(404, 409, 503),
)
def removed(request: Request, id: str, caller: Who) -> JSONResponse:
    """Remove a picture that no conversation and no ticket shows."""
    store = service_of(request).store
    if not store.release_image(_checked(id), tenant=caller.tenant):
        raise ApiError(
            409,
            "A conversation or a ticket shows this picture, and it stays for as long as they do.",
            code="image_in_use",
        )
    return JSONResponse({"id": id, "object": "image.deleted", "deleted": True})


def _checked(id: str) -> str:
    if not is_id(id):
        raise not_found("There is no picture of this id.", param="id", code="image_not_found")
    return id


async def _from_form(request: Request, limit: int) -> tuple[bytes, str]:
    try:
        async with request.form(max_files=1, max_fields=8) as form:
            file = form.get("file") or form.get("image")
            if not isinstance(file, UploadFile):
                raise ApiError(
                    400, "The form has no field 'file' with a file in it; add one.", param="file",
                    code="missing_required_parameter",
                )  # fmt: skip
            # One byte above the limit is enough to be refused.
            return await file.read(limit + 1), (file.filename or "")[:_NAME_CHARS]
    except HTTPException as error:
        raise ApiError(400, f"The form cannot be read ({error.detail}); send it again.") from error


async def _from_json(request: Request) -> tuple[str, str]:
    try:
        upload = ImageUpload.model_validate(await request.json())
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    except ValueError as error:
        raise ApiError(
            400,
            "The body is no JSON; send JSON with 'image', a form with 'file', or the file itself "
            "with its type.",
            code="invalid_json",
        ) from error
    return upload.image, upload.name or ""


def _opened(data: bytes | str, service: Service, name: str) -> LoadedImage:
    try:
        if isinstance(data, bytes):
            return open_image(data, settings=service.settings, name=name or None)
        if data[:5].lower() == "data:":
            return from_data_uri(data, service.settings)
        return from_base64(data, service.settings)
    except (ImageError, InputError) as error:
        raise ApiError(400, str(error), code="invalid_image", param="image") from error


def _told(stored: StoredImage, until: datetime | None) -> dict[str, Any]:
    return {
        "id": stored.id,
        "object": "image",
        "name": stored.name,
        "width": stored.width,
        "height": stored.height,
        "bytes": stored.size,
        "created_at": seconds(stored.created),
        "expires_at": None if until is None else seconds(until),
        "url": f"sightdesk:{stored.id}",
    }
