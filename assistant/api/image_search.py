"""/v1/images/search: pictures of the tenant's indexed folders, found by words or by a picture.

What a client is told of a file is its name and what is known of its picture, never where it lies.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from assistant.api import routes
from assistant.api.caller import note
from assistant.api.chat_request import MOST_COUNT, PICTURE, Given
from assistant.api.errors import ApiError
from assistant.api.pictures import opener
from assistant.api.routes import Who, errors, seconds, service_of
from assistant.api.sse import in_thread
from assistant.api.turns import OPENING, Turn
from assistant.api.watch import GoneError, Watch
from assistant.tools.gallery import file_name

if TYPE_CHECKING:
    from assistant.image_index import Filter, Found

router = routes.router(tag="Images")

MOST: Final = 100
"""Pictures of one answer."""
DEEPEST: Final = 10_000
"""How far down the list a client may look."""
MOST_LABELS: Final = 100
_WORDS: Final = 2_000
_LATEST: Final = 253_402_300_799  # the end of 9999


class PictureFilter(Given):
    """Which pictures are looked at; what is not given is not asked for."""

    labels: list[str] | None = Field(
        None, max_length=MOST_LABELS, description="Any of these labels, of `sightdesk label`."
    )
    coarse_labels: list[str] | None = Field(None, max_length=MOST_LABELS)
    folder: str | None = Field(
        None, pattern="^[0-9a-f]{32}$", description="Id of an indexed folder, as answers have it."
    )
    since: int | None = Field(
        None, ge=0, le=_LATEST, description="Taken then or later, in seconds since 1970."
    )
    until: int | None = Field(None, ge=0, le=_LATEST, description="Taken before.")
    min_side: int | None = Field(None, ge=0, le=MOST_COUNT, description="Of the shorter, pixels.")
    max_side: int | None = Field(None, ge=0, le=MOST_COUNT, description="Of the longer, pixels.")
    min_bytes: int | None = Field(None, ge=0, le=2**50, description="Of the file.")
    max_bytes: int | None = Field(None, ge=0, le=2**50)


class PictureSearch(Given):
    """Words, a picture, or both."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"query": "two dogs in the snow", "limit": 10}, {"image": PICTURE}]
        }
    )

    query: str | None = Field(None, max_length=_WORDS, description="What pictures are to show.")
    image: str | None = Field(
        None,
        description="What they are to be like: a data URI, an image id of /v1/images or of an "
        "earlier answer, or an https address, where the server may fetch such.",
    )
    limit: int = Field(20, ge=1, le=MOST)
    offset: int = Field(0, ge=0, le=DEEPEST, description="How many to pass over.")
    threshold: float | None = Field(
        None, ge=0, le=1,
        description="Likelihood that a picture has at least; by default that from which the "
        "embedder says anything, so that nothing is found where nothing is like it.",
    )  # fmt: skip
    filter: PictureFilter | None = None


class FoundImage(BaseModel):
    """A picture that was found, once for all files that show it."""

    id: str = Field(description="The image id: 64 hexadecimal digits.")
    object: Literal["image.match"]
    likelihood: float = Field(description="That it is what was asked for, 0 to 1.")
    name: str = Field(description="Of its file.")
    folder: str = Field(description="Id of the indexed folder.")
    width: int
    height: int
    bytes: int = Field(description="Of its file.")
    taken_at: int | None = Field(description="When the camera says that it was taken.")
    label: str
    coarse_label: str
    caption: str
    copies: int = Field(description="Further files with the same pixels.")
    url: str = Field(
        description="What stands in `image_url.url` of a question.", examples=["sightdesk:5f0c…"]
    )
    content_url: str = Field(description="The picture, for the same key.")
    thumbnail_url: str = Field(description="The same with 320 pixels at most.")


class FoundImages(BaseModel):
    """Pictures, the likeliest first."""

    object: Literal["list"]
    data: list[FoundImage]
    has_more: bool = Field(description="Whether there may be more that are likely enough.")


@router.post(
    "/v1/images/search",
    summary="Find indexed pictures",
    response_model=FoundImages,
    responses=errors(404, 503),
)
async def search(request: Request, asked: PictureSearch, caller: Who) -> Response:
    """Pictures of the tenant's indexed folders (`sightdesk index FOLDER`) by words, by a picture,
    or by both.

    Where nothing is like it, the list is empty.
    """
    service = service_of(request)
    query = " ".join((asked.query or "").split())
    image = (asked.image or "").strip()
    if not query and not image:
        raise ApiError(
            400, "There is nothing to search for; give a query, an image, or both.", param="query",
            code="missing_required_parameter",
        )  # fmt: skip
    where = _where(asked.filter)
    note(request, images=int(bool(image)))

    watch = Watch()

    def work() -> dict[str, Any]:
        gallery = service.gallery(caller.tenant)
        ask = partial(gallery.index.search, query, where=where, limit=asked.limit,
                      offset=asked.offset, threshold=asked.threshold)  # fmt: skip
        if image:
            with Turn(OPENING, watch):
                results = ask(image=opener(service, caller.tenant)(image, "image"))
        else:
            results = ask()
        found, likely = results.found, results.likely
        service.metrics.searched(bool(likely))
        more = bool(likely) and found[-1] is likely[-1]
        more = more and asked.offset + len(found) < results.total
        return {"object": "list", "data": [_told(hit) for hit in likely], "has_more": more}

    with service.seat():
        try:
            return JSONResponse(await in_thread(request, work, watch))
        except GoneError:
            service.metrics.left()
            return Response(status_code=499)


def _told(hit: Found) -> dict[str, Any]:
    file = hit.file
    content = f"/v1/images/{file.image_id}/content"
    return {
        "id": file.image_id,
        "object": "image.match",
        "likelihood": round(float(hit.likelihood), 4),
        "name": file_name(file),
        "folder": file.folder,
        "width": file.width,
        "height": file.height,
        "bytes": file.size,
        "taken_at": None if file.taken is None else seconds(file.taken),
        "label": file.label,
        "coarse_label": file.coarse_label,
        "caption": file.caption,
        "copies": len(hit.others),
        "url": f"sightdesk:{file.image_id}",
        "content_url": content,
        "thumbnail_url": f"{content}?size=thumbnail",
    }


def _where(asked: PictureFilter | None) -> Filter | None:
    if asked is None:
        return None
    from assistant.image_index import Filter

    return Filter(
        labels=tuple(asked.labels or ()),
        coarse_labels=tuple(asked.coarse_labels or ()),
        folder=asked.folder or "",
        since=_time(asked.since),
        until=_time(asked.until),
        min_side=asked.min_side,
        max_side=asked.max_side,
        min_bytes=asked.min_bytes,
        max_bytes=asked.max_bytes,
    )


def _time(given: int | None) -> datetime | None:
    return None if given is None else datetime.fromtimestamp(given, UTC)
