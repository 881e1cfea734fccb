"""What each tool takes and gives. The schemas that clients see are made of these classes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MOST_IMAGES = 8
"""Pictures of one message; as many as the agent takes."""

Image = Annotated[
    str,
    Field(
        min_length=1,
        description="Image id (8 or more of its digits), sightdesk://image/… link, base64 or data: "
        "URI of a JPEG, PNG, WebP, GIF, BMP, TIFF or HEIC file, or, on this machine, the path of "
        "a file in a folder that you opened.",
    ),
]
Confidence = Annotated[float, Field(ge=0, le=1)]


class Takes(BaseModel):
    """Arguments; none but these."""

    model_config = ConfigDict(extra="forbid")


class OneImage(Takes):
    """A picture."""

    image: Image


class NamedImage(OneImage):
    """A picture to keep."""

    name: Annotated[str, Field(max_length=200, description="What to call it.")] = ""


class Question(OneImage):
    """A picture and what is asked of it."""

    question: Annotated[str, Field(description="One question about what the picture shows.")]


class WordsOrImage(Takes):
    """Words, a picture, or both."""

    query: Annotated[str, Field(description="Words, such as a product's name.")] = ""
    image: Annotated[
        str, Field(description="A picture to find similar ones of; as for describe_image.")
    ] = ""


class Query(Takes):
    """Words to look up."""

    query: Annotated[str, Field(description="A question or words to look up.")]


class Message(Takes):
    """What a customer writes."""

    message: Annotated[str, Field(description="What the customer writes.")]
    images: Annotated[
        list[Image], Field(max_length=MOST_IMAGES, description="Pictures that come with it.")
    ] = []
    thread_id: Annotated[
        str,
        Field(max_length=200, description="Goes on with a conversation; empty begins a new one."),
    ] = ""


class Wish(Takes):
    """Why a person is needed."""

    reason: Annotated[str, Field(description="Why a person is needed, in a few words.")]
    thread_id: Annotated[
        str,
        Field(max_length=200, description="The ask_desk conversation that it is about, if any."),
    ] = ""


# --- what they give


class KeptImage(BaseModel):
    """A picture that can be named from now on."""

    image_id: str
    uri: str
    name: str
    width: int
    height: int
    bytes: int


class Description(BaseModel):
    """What a picture shows."""

    image_id: str
    description: str
    caution: Annotated[
        str | None, Field(description="Why not to rely on it, where there is a reason.")
    ] = None


class AnswerFromImage(BaseModel):
    """What a picture says to a question."""

    image_id: str
    question: str
    answer: str
    caution: Annotated[
        str | None, Field(description="Why not to rely on it, where there is a reason.")
    ] = None


class LabelScore(BaseModel):
    """How likely a label is."""

    label: str
    confidence: Confidence


class Label(BaseModel):
    """The product in a picture."""

    image_id: str
    label: Annotated[str | None, Field(description="null: none of the known ones is likely.")]
    coarse: Annotated[str | None, Field(description="The kind that the label belongs to.")] = None
    confidence: Annotated[Confidence, Field(description="Of the likeliest label.")]
    scores: Annotated[list[LabelScore], Field(description="The likeliest, best first.")] = []


class TextLine(BaseModel):
    """A line of text in a picture."""

    text: str
    box: Annotated[
        list[list[float]],
        Field(description="Four corners [x, y] in pixels, clockwise from the text's upper left."),
    ]
    confidence: Confidence
    row: Annotated[int, Field(description="Lines of one row stand beside each other.")]


class ReadText(BaseModel):
    """The text in a picture."""

    image_id: str
    text: str
    lines: list[TextLine]


class FoundPicture(BaseModel):
    """A picture that was found."""

    image_id: str
    uri: str
    title: Annotated[str, Field(description="A product's name, or a file's.")]
    label: str
    caption: Annotated[str, Field(description="What it shows, if that is known.")] = ""
    score: Annotated[
        float, Field(description="How likely it is what was asked for; above 1: by name.")
    ]


class FoundPictures(BaseModel):
    """Pictures, best first."""

    pictures: list[FoundPicture]


class Passage(BaseModel):
    """A piece of the knowledge base."""

    id: str
    uri: str
    title: str
    text: str
    source: Annotated[str, Field(description="The document that it is from.")]
    label: Annotated[str, Field(description="The product that it is about, if any.")] = ""
    image_id: Annotated[str, Field(description="A picture that shows it, if any.")] = ""
    score: Annotated[float, Field(description="Cosine of words and passage, up to 1.")]


class Passages(BaseModel):
    """Pieces of the knowledge base, best first."""

    passages: list[Passage]


class Citation(BaseModel):
    """What an answer rests on; [1] in it is the first."""

    number: int
    kind: Literal["passage", "image"]
    id: str
    uri: str
    title: str
    text: str
    origin: str = ""


class Reply(BaseModel):
    """The desk's answer."""

    answer: str
    outcome: Literal["answered", "abstained", "handed_over"]
    thread_id: Annotated[str, Field(description="Give it to go on with this conversation.")]
    citations: list[Citation]
    tools: Annotated[list[str], Field(description="Tools that the desk used, in order.")]
    ticket_id: Annotated[str | None, Field(description="Set where a person takes over.")] = None
    seconds: float


class Ticket(BaseModel):
    """A person was called."""

    ticket_id: str
    thread_id: str
    reason: str


def schema(shape: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of a class, without pydantic's titles, which only repeat the names."""
    mode: Literal["validation", "serialization"]
    mode = "validation" if issubclass(shape, Takes) else "serialization"
    found: dict[str, Any] = _untitled(shape.model_json_schema(mode=mode))
    return found


def mended(error: ValidationError, tool: str, takes: type[BaseModel]) -> str:
    """One sentence about the first thing that is wrong with a tool's arguments."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    name = ".".join(str(part)[:40] for part in first["loc"])
    names = ", ".join(takes.model_fields)
    if first["type"] == "missing":
        return f"{tool} needs the argument {name}; its arguments are: {names}."
    if first["type"] == "extra_forbidden":
        return f"{tool} takes no argument {name!r}; its arguments are: {names}."
    reason = str(first["msg"])
    return f"The argument {name} of {tool} cannot be used ({reason[:1].lower()}{reason[1:]})."


def _untitled(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _untitled(inner)
            for key, inner in value.items()
            if not (key == "title" and isinstance(inner, str))
        }
    return [_untitled(inner) for inner in value] if isinstance(value, list) else value
