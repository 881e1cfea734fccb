"""/v1/embeddings: texts and pictures as vectors, by the models that the searches here use.

Texts alone are for the model that the knowledge is searched with; the picture embedder has pictures
and words in one space.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from assistant.api import routes
from assistant.api.caller import note
from assistant.api.embedding_request import EmbeddingRequest, Item, has_pictures, items_of
from assistant.api.errors import ApiError, not_found
from assistant.api.models import is_picture_model, picture_model
from assistant.api.pictures import SCHEME, Open, is_id, opener
from assistant.api.routes import Who, errors, service_of
from assistant.api.sse import gather
from assistant.api.turns import EMBEDDING, OPENING, Turn
from assistant.api.watch import GoneError, Watch
from assistant.embedder import BATCH, Embedder

if TYPE_CHECKING:
    from assistant.api.service import Service
    from assistant.space import PictureEmbedder, Vectors

router = routes.router(tag="Embeddings")

Part = tuple[Any, int]
"""Vectors, float32 [n, d], and how many tokens their texts have."""

_CHARS_A_TOKEN: Final = 4
_PICTURES: Final = 8
"""That are decoded at a time, unless a few have as many pixels as this:"""
_PIXELS: Final = 16_000_000


class Embedding(BaseModel):
    """One input's vector, of length 1."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(
        description="With `base64`: little-endian float32 numbers in base64."
    )


class EmbeddingUsage(BaseModel):
    """Tokens of the texts; pictures have none."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """The vectors, in the order of the inputs."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


@router.post(
    "/v1/embeddings",
    summary="Embed texts and pictures",
    response_model=Embeddings,
    responses=errors(404, 503),
)
async def embed(request: Request, asked: EmbeddingRequest, caller: Who) -> Response:
    """A vector for each input; those that mean the same have a large dot product.

    Pictures are given as in a chat: a data URI, the id of one that was sent to /v1/images or is
    indexed, or an https address where the server may fetch such. Words and a picture in one input
    have the vector between theirs.
    """
    service = service_of(request)
    watch = Watch()
    if is_picture_model(service, asked.model):
        name, items = picture_model(service), items_of(asked, pictures=True)
        note(request, images=sum(len(item.pictures) for item in items))
        work = _items_embedded(service, items, asked.dimensions, caller.tenant, watch)
    elif asked.model in (service.embedder_name, "embedded", service.embedder().name):
        name, items = service.embedder_name, items_of(asked, pictures=False)
        _refuse_pictures(items, asked.model, service)
        work = _texts_embedded(service.embedder(), items, asked.dimensions, watch)
    else:
        choices = filter(None, (service.embedder_name, picture_model(service)))
        raise not_found(
            f"The model {asked.model[:80]!r} embeds nothing here; choose {' or '.join(choices)}.",
            param="model",
            code="model_not_found",
        )
    note(request, model=name)
    with service.seat():
        try:
            parts = await gather(request, work, watch)
        except GoneError:
            service.metrics.left()
            return Response(status_code=499)
    vectors = np.concatenate([vectors for vectors, _ in parts])
    tokens = sum(count for _, count in parts)
    note(request, prompt_tokens=tokens)
    service.metrics.used(name, tokens, 0, 0)
    return JSONResponse(
        {
            "object": "list",
            "model": name,
            "data": [
                {
                    "object": "embedding",
                    "index": place,
                    "embedding": _encoded(vector, asked.encoding_format),
                }
                for place, vector in enumerate(vectors)
            ],
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
    )


def _refuse_pictures(items: Sequence[Item], model: str, service: Service) -> None:
    """Say which model takes pictures, where one that takes none is sent some.

    Raises:
        ApiError: it is.
    """
    shown = has_pictures(items)
    if shown is None:
        return
    other = picture_model(service)
    advice = f"for pictures choose {other}" if other else "none here embeds pictures"
    raise ApiError(
        400, f"The model {model[:80]!r} embeds texts alone; {advice}.", param=shown.param,
        code="invalid_value",
    )  # fmt: skip


def _texts_embedded(
    embedder: Embedder, items: Sequence[Item], dimensions: int | None, watch: Watch
) -> Callable[[], Iterator[Part]]:
    """Vectors batch by batch, so that a client that goes leaves the rest undone."""
    texts = ["\n".join(item.texts) for item in items]

    def work() -> Iterator[Part]:
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            with Turn(EMBEDDING, watch):
                vectors, tokens = embedder.encode(batch), _tokens(embedder, batch)
            if dimensions not in (None, vectors.shape[1]):
                raise ApiError(
                    400,
                    f"This model gives {vectors.shape[1]} dimensions and no other number; leave "
                    "dimensions out.",
                    param="dimensions",
                    code="invalid_value",
                )
            yield vectors, tokens

    return work


def _items_embedded(
    service: Service, items: Sequence[Item], dimensions: int | None, tenant: str, watch: Watch
) -> Callable[[], Iterator[Part]]:
    """The same of words and pictures in their common space."""

    def work() -> Iterator[Part]:
        space = _shortened(service.picture_embedder(), dimensions)
        open_ = opener(service, tenant)
        texts = [text for item in items for text in item.texts]
        tokens = 0
        words = np.zeros((0, space.dimensions), np.float32)
        for start in range(0, len(texts), BATCH):
            batch = texts[start : start + BATCH]
            with Turn(EMBEDDING, watch):
                words = np.concatenate([words, space.encode_texts(batch)])
            tokens += _tokens(service.picture_embedder(), batch)
        seen = _pictures_embedded(service, space, items, open_, watch)
        at_word = at_picture = 0
        rows = []
        for item in items:
            next_word, next_picture = at_word + len(item.texts), at_picture + len(item.pictures)
            rows.append(_between(words[at_word:next_word], seen[at_picture:next_picture]))
            at_word, at_picture = next_word, next_picture
        yield np.stack(rows), tokens

    return work


def _pictures_embedded(
    service: Service, space: PictureEmbedder, items: Sequence[Item], open_: Open, watch: Watch
) -> Vectors:
    """The vectors of all pictures, of which a few are decoded at a time."""
    found = [np.zeros((0, space.dimensions), np.float32)]
    left = [(picture, item.param) for item in items for picture in item.pictures]
    while left:
        with Turn(OPENING, watch):
            batch: list[Any] = []
            pixels = 0
            while left and len(batch) < _PICTURES and pixels < _PIXELS:
                watch.check()
                picture, param = left.pop(0)
                batch.append(open_(_named(picture), param).pixels)
                pixels += batch[-1].width * batch[-1].height
            with Turn(EMBEDDING, watch):
                found.append(space.encode_pictures(batch))
        service.metrics.embedded(len(batch))
    return np.concatenate(found)


def _shortened(space: PictureEmbedder, dimensions: int | None) -> PictureEmbedder:
    """The embedder with so many numbers a vector, of length 1 again.

    Raises:
        ApiError: it has not as many.
    """
    from assistant.space import reduced

    most = space.dimensions
    if dimensions in (None, most):
        return space
    assert dimensions is not None
    if dimensions > most:
        raise ApiError(
            400, f"This model gives {most} dimensions at most; ask for 1 to {most}.",
            param="dimensions", code="invalid_value",
        )  # fmt: skip
    return reduced(space, dimensions)


def _between(words: Vectors, pictures: Vectors) -> Vectors:
    """One vector of length 1 for words, [n, d], and pictures, [m, d]: each kind counts the same."""
    kinds = [rows.mean(axis=0) for rows in (words, pictures) if len(rows)]
    if len(words) + len(pictures) == 1:
        found: Vectors = kinds[0]
        return found
    kinds = [kind / max(float(np.linalg.norm(kind)), 1e-9) for kind in kinds]
    total = np.sum(kinds, axis=0)
    return np.asarray(total / max(float(np.linalg.norm(total)), 1e-9), np.float32)


def _named(picture: str) -> str:
    """What a request calls a picture, as it stands in a chat; bare base64 as a data URI."""
    text = picture.strip()
    known = ("data:", "http:", "https:", SCHEME)
    if text[:10].lower().startswith(known) or is_id(text):
        return text
    return f"data:image/*;base64,{text}"


def _tokens(embedder: object, texts: Sequence[str]) -> int:
    count = getattr(embedder, "count_tokens", None)
    if count is not None:
        return int(count(texts))
    return sum(-(-len(text) // _CHARS_A_TOKEN) for text in texts)


def _encoded(vector: Any, form: str | None) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    found: list[float] = vector.astype(float).tolist()
    return found
