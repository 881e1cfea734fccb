"""Pictures that a request names: data URIs, ids of /v1/images, and addresses where allowed.

Ids are those of pictures that were sent, and of those in indexed folders.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from assistant.api.errors import ApiError
from assistant.errors import ImageError, InputError, MissingError
from assistant.images import LoadedImage, open_image
from assistant.settings import Settings

if TYPE_CHECKING:
    from assistant.api.service import Service

SCHEME: Final = "sightdesk:"
"""Stands before the id of a picture that was sent to /v1/images."""

_ID: Final = re.compile(r"[0-9a-f]{64}")

Open = Callable[[str, str], LoadedImage]
"""Opens a picture by what a request calls it, and by the field in which it does."""


def opener(service: Service, tenant: str) -> Open:
    """Opens what a tenant's request names, each once.

    It raises:
        ApiError: there is no such picture, it cannot be opened, or its address may not be fetched.
    """
    known: dict[str, LoadedImage] = {}

    def open_(url: str, param: str) -> LoadedImage:
        if url in known:
            return known[url]
        try:
            found = _opened(url, service, tenant)
        except MissingError as error:
            raise ApiError(
                404, "There is no picture of this id; send it to /v1/images first.",
                code="image_not_found", param=param,
            ) from error  # fmt: skip
        except (ImageError, InputError) as error:
            raise ApiError(400, str(error), code="invalid_image", param=param) from error
        if len(url) < 4_096:  # of a data URI the picture is enough
            known[url] = found
        return found

    return open_


def from_data_uri(uri: str, settings: Settings) -> LoadedImage:
    """The picture in a data URI.

    Raises:
        InputError: it is not in base64, or too long.
        ImageError: it holds no picture.
    """
    head, comma, data = uri.partition(",")
    if not comma or not head.lower().endswith(";base64"):
        raise InputError(
            "A data URI of a picture has the form data:image/jpeg;base64,…; encode it so."
        )
    return from_base64(data, settings)


def from_base64(data: str, settings: Settings) -> LoadedImage:
    """The picture in a text of base64.

    Raises:
        InputError: it is no base64, or too long.
        ImageError: it holds no picture.
    """
    # Four signs stand for three bytes.
    if len(data) > settings.max_image_bytes * 4 // 3 + 4:
        limit = settings.max_image_bytes
        raise InputError(f"A picture has more than {limit:,} bytes; give a smaller one.")
    try:
        raw = base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("A picture is not valid base64; encode it again.") from error
    return open_image(raw, settings=settings)


def is_id(text: str) -> bool:
    """Whether it can be the id of a picture."""
    return _ID.fullmatch(text) is not None


def _opened(url: str, service: Service, tenant: str) -> LoadedImage:
    settings = service.settings
    if url[:5].lower() == "data:":
        return from_data_uri(url, settings)
    id = url.removeprefix(SCHEME).strip()
    if is_id(id):
        try:
            return service.store.load_image(id, tenant=tenant)
        except MissingError:
            return service.gallery(tenant).load(id)
    if url.startswith(SCHEME):
        raise MissingError("There is no such picture.")
    if url[:8].lower().startswith(("http://", "https://")) and settings.fetch_urls:
        from assistant.fetching import fetch_picture

        return open_image(fetch_picture(url, settings), settings=settings)
    raise InputError(
        "Pictures are not fetched from an address here; send a data URI, or the picture to "
        "/v1/images and its id."
    )
