"""What is to be embedded, in the forms in which clients of various servers spell it.

OpenAI's `/v1/embeddings` knows texts alone. For pictures there is no one form, so that those of the
common servers are taken: Jina's `{"image": …}` and `{"text": …}` among the inputs (Azure's has both
in one), vLLM's `messages` as in a chat, the lists of parts under `content` of Voyage and Cohere,
and Infinity's data URIs among the texts with or without its `modality`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from pydantic import ConfigDict, Field

from assistant.api.chat_request import PICTURE, Given, ImageUrl
from assistant.api.errors import ApiError

MOST_INPUTS: Final = 2_048
MOST_CHARS: Final = 100_000
"""Of one text; the default model reads its first 256 tokens."""
MOST_PICTURES: Final = 256
MOST_PARTS: Final = 16
"""Of one input."""

_DIMENSIONS: Final = 65_536


class EmbeddingPart(Given):
    """Words or a picture, as a part of one input."""

    type: str | None = Field(None, description="`text`, `image_url`, `image_base64` or `image`.")
    text: str | None = None
    image: str | ImageUrl | None = Field(
        None, description="A picture as in `image_url.url`, or in base64."
    )
    image_url: str | ImageUrl | None = None
    image_base64: str | None = None


class EmbeddingInput(EmbeddingPart):
    """Words, a picture, or both, which have one vector together."""

    content: str | list[EmbeddingPart] | None = None


class EmbeddingMessage(Given):
    """A message of a chat, whose words and pictures have one vector together."""

    role: str = "user"
    content: str | list[EmbeddingPart]


class EmbeddingRequest(Given):
    """Texts and pictures to be embedded."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"model": "all-MiniLM-L6-v2", "input": ["a red apple", "ein Apfel"]},
                {
                    "model": "sightdesk-space",
                    "input": [{"text": "a red apple"}, {"image": PICTURE}],
                },
            ]
        },
    )

    model: str = Field(
        description="The embedder's name: all-MiniLM-L6-v2 by default, which `embedded` names too; "
        "for pictures, and words in one space with them, the picture embedder of /v1/models."
    )
    input: str | list[str | EmbeddingInput] | list[int] | list[list[int]] | None = Field(
        None, description="Texts and pictures; arrays of tokens are refused."
    )
    messages: list[EmbeddingMessage] | None = Field(
        None, description="In place of `input`: one vector for all that is in them (vLLM's form)."
    )
    modality: Literal["text", "image"] | None = Field(
        None, description="What plain texts in `input` are: with `image`, pictures (Infinity's)."
    )
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(
        None, ge=1, le=_DIMENSIONS,
        description="How many numbers a vector has. The picture embedder's can be cut short; the "
        "text embedder gives as many as it has.",
    )  # fmt: skip
    user: str | None = None


@dataclass
class Item:
    """One thing that gets a vector.

    Attributes:
        texts: its words.
        pictures: how the request calls its pictures.
        param: the field of the request that it comes from.
    """

    param: str
    texts: list[str] = field(default_factory=list)
    pictures: list[str] = field(default_factory=list)


def items_of(asked: EmbeddingRequest, *, pictures: bool) -> list[Item]:
    """What is to be embedded, in its order.

    Args:
        pictures: whether the model takes pictures, so that a data URI among the texts is one.

    Raises:
        ApiError: there is nothing, too much, an empty text, tokens, or pictures for a model of
            texts.
    """
    items = list(_messages(asked) if asked.messages is not None else _inputs(asked, pictures))
    if not items:
        raise _refused("There is no input; send texts or pictures.", "input")
    if len(items) > MOST_INPUTS:
        raise _refused(f"There are {len(items)} inputs; send {MOST_INPUTS} at a time.", "input")
    for item in items:
        _check(item)
    count = sum(len(item.pictures) for item in items)
    if count > MOST_PICTURES:
        raise _refused(
            f"There are {count} pictures; send {MOST_PICTURES} at a time.", "input",
            "too_many_images",
        )  # fmt: skip
    return items


def _messages(asked: EmbeddingRequest) -> Iterator[Item]:
    if asked.input is not None:
        raise _refused("There is both input and messages; send one of them.", "messages")
    item = Item("messages")
    for message in asked.messages or ():
        _add(item, message.content)
    yield item


def _inputs(asked: EmbeddingRequest, pictures: bool) -> Iterator[Item]:
    given = asked.input
    if given is None:
        raise ApiError(
            400, "'input' is missing; send texts or pictures.", param="input",
            code="missing_required_parameter",
        )  # fmt: skip
    for place, one in enumerate([given] if isinstance(given, str) else given):
        param = "input" if isinstance(given, str) else f"input.{place}"
        if isinstance(one, str):
            is_picture = asked.modality == "image" or (
                pictures and asked.modality is None and one[:11].lower() == "data:image/"
            )
            yield Item(param, pictures=[one]) if is_picture else Item(param, texts=[one])
        elif isinstance(one, EmbeddingInput):
            item = Item(param)
            _add(item, [one])
            if one.content is not None:
                _add(item, one.content)
            yield item
        else:
            raise ApiError(
                400,
                "Arrays of tokens are another tokenizer's; send texts (langchain-openai: "
                "check_embedding_ctx_length=False).",
                param="input",
                code="invalid_type",
            )


def _add(item: Item, content: str | Sequence[EmbeddingPart]) -> None:
    if isinstance(content, str):
        item.texts.append(content)
        return
    for part in content:
        if part.text is not None:
            item.texts.append(part.text)
        for picture in (part.image, part.image_url, part.image_base64):
            if picture is not None:
                item.pictures.append(picture if isinstance(picture, str) else picture.url)


def _check(item: Item) -> None:
    if not (item.texts or item.pictures) or not all(text.strip() for text in item.texts):
        # As it was before there were pictures: where all is texts, the field is what is wrong.
        raise _refused("An input is empty; send texts or pictures.", "input")
    if len(item.texts) + len(item.pictures) > MOST_PARTS:
        raise _refused(f"An input has more than {MOST_PARTS} parts; send fewer.", item.param)
    if sum(map(len, item.texts)) > MOST_CHARS:
        raise _refused(
            f"A text has more than {MOST_CHARS:,} characters; send parts of it.", "input"
        )


def _refused(message: str, param: str, code: str = "invalid_value") -> ApiError:
    return ApiError(400, message, param=param, code=code)


def has_pictures(items: Sequence[Item]) -> Item | None:
    """The first of them with a picture, if any."""
    return next((item for item in items if item.pictures), None)
