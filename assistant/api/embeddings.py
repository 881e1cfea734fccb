"""/v1/embeddings: texts as vectors, by the model that the knowledge is searched with."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

import numpy as np
from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from assistant.api import routes
from assistant.api.caller import note
from assistant.api.errors import ApiError, not_found
from assistant.api.routes import Who, errors, service_of
from assistant.api.sse import gather
from assistant.api.watch import GoneError, Watch
from assistant.embedder import BATCH, Embedder

router = routes.router(tag="Embeddings")

MOST_INPUTS: Final = 2_048
MOST_CHARS: Final = 100_000
"""Of one text; the default model reads its first 256 tokens."""

_AT_ONCE: Final = threading.BoundedSemaphore(2)
_CHARS_A_TOKEN: Final = 4


class EmbeddingRequest(BaseModel):
    """Texts to be embedded."""

    model_config = ConfigDict(
        strict=True,
        extra="allow",
        json_schema_extra={
            "examples": [{"model": "all-MiniLM-L6-v2", "input": ["a red apple", "ein Apfel"]}]
        },
    )

    model: str = Field(
        description="The embedder's name, all-MiniLM-L6-v2 by default; `embedded` names it too."
    )
    input: str | list[str] | list[int] | list[list[int]] = Field(
        description="Texts; arrays of tokens are refused."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(None, ge=1, description="Only as many as the model has.")
    user: str | None = None


class Embedding(BaseModel):
    """One text's vector, of length 1."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str = Field(
        description="With `base64`: little-endian float32 numbers in base64."
    )


class EmbeddingUsage(BaseModel):
    """Tokens of the texts."""

    prompt_tokens: int
    total_tokens: int


class Embeddings(BaseModel):
    """The vectors, in the order of the texts."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: EmbeddingUsage


@router.post(
    "/v1/embeddings", summary="Embed texts", response_model=Embeddings, responses=errors(404, 503)
)
async def embed(request: Request, asked: EmbeddingRequest, _who: Who) -> Response:
    """A vector for each text; texts that mean the same have a large dot product."""
    service = service_of(request)
    texts = _texts(asked.input)
    embedder = service.embedder()
    if asked.model not in (service.embedder_name, embedder.name, "embedded"):
        raise not_found(
            f"The model {asked.model[:80]!r} embeds nothing here; choose {service.embedder_name}.",
            param="model",
            code="model_not_found",
        )
    note(request, model=service.embedder_name)
    watch = Watch()
    with service.seat():
        try:
            parts = await gather(request, lambda: _embedded(embedder, texts, watch), watch)
        except GoneError:
            service.metrics.left()
            return Response(status_code=499)
    vectors = np.concatenate([vectors for vectors, _ in parts])
    tokens = sum(count for _, count in parts)
    if asked.dimensions not in (None, vectors.shape[1]):
        raise ApiError(
            400,
            f"This model gives {vectors.shape[1]} dimensions and no other number; leave "
            "dimensions out.",
            param="dimensions",
            code="invalid_value",
        )
    note(request, prompt_tokens=tokens)
    service.metrics.used(service.embedder_name, tokens, 0, 0)
    return JSONResponse(
        {
            "object": "list",
            "model": service.embedder_name,
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


def _texts(given: str | Sequence[Any]) -> list[str]:
    """The texts of a request.

    Raises:
        ApiError: tokens, no text, too many or too long ones.
    """
    texts = [given] if isinstance(given, str) else list(given)
    if any(not isinstance(text, str) for text in texts):
        raise ApiError(
            400,
            "Arrays of tokens are another tokenizer's; send texts (langchain-openai: "
            "check_embedding_ctx_length=False).",
            param="input",
            code="invalid_type",
        )
    if not texts or not all(text.strip() for text in texts):
        raise ApiError(
            400, "A text of the input is empty, or there is none; send texts.", param="input",
            code="invalid_value",
        )  # fmt: skip
    if len(texts) > MOST_INPUTS:
        raise ApiError(
            400, f"There are {len(texts)} texts; send {MOST_INPUTS} at a time.", param="input",
            code="invalid_value",
        )  # fmt: skip
    if max(map(len, texts)) > MOST_CHARS:
        raise ApiError(
            400, f"A text has more than {MOST_CHARS:,} characters; send parts of it.",
            param="input", code="invalid_value",
        )  # fmt: skip
    return texts


def _embedded(embedder: Embedder, texts: Sequence[str], watch: Watch) -> Iterator[tuple[Any, int]]:
    """Vectors and tokens, batch by batch, so that a client that goes leaves the rest undone."""
    for start in range(0, len(texts), BATCH):
        batch = texts[start : start + BATCH]
        while not _AT_ONCE.acquire(timeout=0.1):
            watch.check()
        try:
            watch.check()
            yield embedder.encode(batch), _tokens(embedder, batch)
        finally:
            _AT_ONCE.release()


def _tokens(embedder: Embedder, texts: Sequence[str]) -> int:
    count = getattr(embedder, "count_tokens", None)
    if count is not None:
        return int(count(texts))
    return sum(-(-len(text) // _CHARS_A_TOKEN) for text in texts)


def _encoded(vector: Any, form: str | None) -> list[float] | str:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    found: list[float] = vector.astype(float).tolist()
    return found
