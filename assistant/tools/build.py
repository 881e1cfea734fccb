"""The tools as LangChain takes them: names, descriptions, typed arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from assistant.errors import InputError
from assistant.tools import finding, people, reading, seeing
from assistant.tools.desk import Desk
from assistant.tools.guard import Call, Job, Result

IMAGE_ID: Final = "image-id"
"""The format, in a tool's JSON schema, of an argument that names a picture."""

# LangChain copies the fields into a schema of its own, and keeps of each only this.
_AN_ID: Final = WithJsonSchema({"type": "string", "format": IMAGE_ID})

ImageId = Annotated[str, _AN_ID, Field(description="image id")]


class _Arguments(BaseModel):
    model_config = ConfigDict(extra="ignore")


class OneImage(_Arguments):
    """A picture."""

    image: ImageId


class Question(_Arguments):
    """A picture and what is asked of it."""

    image: ImageId
    question: Annotated[str, Field(description="one question")]


class WordsOrImage(_Arguments):
    """Words, a picture, or both."""

    query: Annotated[str, Field(description="words")] = ""
    image: ImageId = ""


class Query(_Arguments):
    """Words to look up."""

    query: Annotated[str, Field(description="words to look up")]


class Reason(_Arguments):
    """Why a person is needed."""

    reason: Annotated[str, Field(description="why, in a few words")]


@dataclass(frozen=True)
class _Kind:
    work: Callable[..., Result]
    arguments: type[BaseModel]
    description: str


_KINDS: Final = {
    "describe_image": _Kind(seeing.describe_image, OneImage, "Describe a picture in a sentence."),
    "ask_image": _Kind(seeing.ask_image, Question, "Answer a question about what a picture shows."),
    "label_image": _Kind(seeing.label_image, OneImage, "Name the product in a picture."),
    "read_text": _Kind(reading.read_text, OneImage, "Read the text in a receipt, label or screen."),
    "search_images": _Kind(
        finding.search_images, WordsOrImage, "Find product pictures by words or by a picture."
    ),
    "search_knowledge": _Kind(
        finding.search_knowledge, Query, "Look up products, delivery, returns and other facts."
    ),
    "hand_over": _Kind(people.hand_over, Reason, "Call a person to take over."),
}

TOOLS: Final = tuple(_KINDS)
"""Names of all tools."""


class DeskTool(StructuredTool):
    """A tool that knows its desk, where a `ChatLlava` then keeps the pictures of messages."""

    desk: Any = Field(default=None, exclude=True, repr=False)


def build_tools(desk: Desk | None = None, *, names: Sequence[str] | None = None) -> list[BaseTool]:
    """The tools of a desk, all of them or those named, in that order.

    Without a desk it is that of the settings (`Desk.open`).

    Each returns text, and an artifact with its ``sources`` (see `assistant.sources`); where it
    could not do what was asked, the artifact has ``trouble`` (see `assistant.tools.guard`).

    Raises:
        InputError: a name is not among `TOOLS`.
        SightdeskError: the settings' desk cannot be opened.
    """
    wanted = TOOLS if names is None else tuple(dict.fromkeys(names))
    unknown = [name for name in wanted if name not in _KINDS]
    if unknown:
        raise InputError(f"There is no tool {unknown[0][:40]!r}; give some of: {', '.join(TOOLS)}.")
    at = desk if desk is not None else Desk.open()
    return [_tool(at, name, _KINDS[name]) for name in wanted]


def _tool(desk: Desk, name: str, kind: _Kind) -> BaseTool:
    def job(arguments: dict[str, Any]) -> Job:
        def work(call: Call) -> Result:
            return kind.work(desk, call, **arguments)

        return Job(name, work, desk.timeout_s)

    def run(**arguments: Any) -> Result:
        return job(arguments).run()

    async def arun(**arguments: Any) -> Result:
        return await job(arguments).arun()

    return DeskTool.from_function(
        run,
        arun,
        name=name,
        description=kind.description,
        args_schema=kind.arguments,
        response_format="content_and_artifact",
        desk=desk,
    )
