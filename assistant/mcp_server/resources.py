"""Pictures and passages of one tenant, which a client can read by their addresses.

Listed are the shop's product pictures; every other picture, those of indexed folders among them,
and every passage can be read by the link that a tool gave.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

from mcp import types
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.shared.exceptions import McpError
from pydantic import AnyUrl

from assistant.errors import InputError, SightdeskError
from assistant.mcp_server.contents import address, image_uri
from assistant.mcp_server.work import Work

if TYPE_CHECKING:
    from assistant.tools import Desk

NOT_FOUND: Final = -32002
"""The protocol's code of a resource that is not there."""
PAGE: Final = 50
"""Resources of one page of the list."""
COMPLETED: Final = 50
"""Ids that a beginning is completed to; the protocol allows 100."""
LARGEST: Final = 2 * 2**20
"""Bytes of a picture that is given as it is kept; a larger one is given smaller."""
LONGEST_SIDE: Final = 2_048
"""Pixels of such a smaller one."""

TEMPLATES: Final = [
    types.ResourceTemplate(
        name="image",
        title="Picture",
        uriTemplate="sightdesk://image/{id}",
        description="A picture that was added, of an indexed folder, or of a product of the shop.",
        mimeType="image/webp",
    ),
    types.ResourceTemplate(
        name="passage",
        title="Passage",
        uriTemplate="sightdesk://passage/{id}",
        description="A piece of the knowledge base that an answer cites.",
        mimeType="text/plain",
    ),
]


async def listed(work: Work, cursor: str | None) -> types.ListResourcesResult:
    """Product pictures, page by page.

    Raises:
        McpError: the cursor is none that was given.
    """
    start = _place(cursor)
    desk = await work.desk()
    knowledge = desk.knowledge
    products = await work.thread(knowledge.products) if knowledge is not None else []
    shown = list({each.image_id: each for each in products if each.image_id}.values())
    page = shown[start : start + PAGE]
    more = start + PAGE < len(shown)
    return types.ListResourcesResult(
        resources=[
            types.Resource(
                uri=AnyUrl(image_uri(each.image_id)),
                name=each.label,
                title=each.label.replace("-", " "),
                description=each.coarse_label or None,
                mimeType="image/webp",
            )
            for each in page
        ],
        nextCursor=str(start + PAGE) if more else None,
    )


async def read(work: Work, uri: str) -> list[ReadResourceContents]:
    """What an address of ours names.

    Raises:
        McpError: it names nothing that this tenant may see.
    """
    found = address(uri)
    if found is None:
        raise _none(uri, "addresses here begin with sightdesk://image/ or sightdesk://passage/")
    kind, id = found
    desk = await work.desk()
    try:
        if kind == "image":
            return await work.thread(_image, desk, id)
        return await work.thread(_passage, desk, id)
    except SightdeskError as error:
        raise _none(uri, str(error)) from error


async def completed(work: Work, template: str, beginning: str) -> types.Completion:
    """Ids of pictures that begin so."""
    if template != TEMPLATES[0].uriTemplate:
        return types.Completion(values=[], total=0, hasMore=False)
    desk = await work.desk()
    found = await work.thread(_ids, desk, beginning.strip().lower())
    return types.Completion(values=found[:COMPLETED], hasMore=len(found) > COMPLETED)


def _ids(desk: Desk, beginning: str) -> list[str]:
    own = desk.store.image_ids(beginning, tenant=desk.tenant, limit=COMPLETED + 1)
    indexed = desk.gallery.ids(beginning, limit=COMPLETED + 1)
    known = (id for id in desk.product_images() if id.startswith(beginning))
    return sorted({*own, *indexed, *known})


def _image(desk: Desk, id: str) -> list[ReadResourceContents]:
    image = desk.load_image(id)
    data = desk.kept_bytes(image.id) or b""
    mime = "image/png" if data.startswith(b"\x89PNG") else "image/webp"
    if not 0 < len(data) <= LARGEST:
        from assistant.images import fit_within

        buffer = io.BytesIO()
        fit_within(image.pixels, LONGEST_SIDE).save(buffer, "WEBP", quality=85, method=2)
        data, mime = buffer.getvalue(), "image/webp"
    about = {"sightdesk": {"image_id": image.id, "width": image.width, "height": image.height}}
    return [ReadResourceContents(content=data, mime_type=mime, meta=about)]


def _passage(desk: Desk, id: str) -> list[ReadResourceContents]:
    from assistant.tools.clean import KEPT_CHARS, as_data, as_line

    if desk.knowledge is None:
        raise InputError("The knowledge base is empty; add documents first.")
    passage = desk.knowledge.passage(id)
    head = [as_line(passage.title, 200), as_data(passage.text, KEPT_CHARS)]
    place = f", {passage.place}" if passage.place else ""
    text = "\n\n".join([part for part in head if part] + [f"({passage.source}{place})"])
    about: dict[str, Any] = {
        "sightdesk": {
            "source": passage.source,
            "label": passage.label,
            "image_id": passage.image_id,
        }
    }
    return [ReadResourceContents(content=text, mime_type="text/plain", meta=about)]


def _place(cursor: str | None) -> int:
    if cursor is None or cursor == "":
        return 0
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 9:
        raise McpError(
            types.ErrorData(
                code=types.INVALID_PARAMS, message="There is no such cursor; list from the start."
            )
        )
    return int(cursor)


def _none(uri: str, reason: str) -> McpError:
    shown = "".join(letter for letter in uri[:100] if letter.isprintable())
    return McpError(
        types.ErrorData(
            code=NOT_FOUND, message=f"There is nothing at {shown}: {reason}", data={"uri": shown}
        )
    )
