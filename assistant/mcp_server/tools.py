"""The tools of the desk as MCP offers them: what each takes, gives, and is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from mcp import types
from pydantic import BaseModel

from assistant.errors import SightdeskError
from assistant.mcp_server import asking, shapes
from assistant.mcp_server.contents import (
    image_link,
    image_uri,
    passage_link,
    passage_uri,
    picture,
    words,
)
from assistant.mcp_server.pictures import Taken, take
from assistant.mcp_server.work import Made, Work, used

if TYPE_CHECKING:
    from assistant.tools import Desk


@dataclass(frozen=True)
class Kind:
    """A tool.

    Attributes:
        reads_only: it changes nothing; a picture that is sent with a call is kept for an hour.
        repeatable: the same call again changes nothing more.
    """

    title: str
    description: str
    takes: type[shapes.Takes]
    gives: type[BaseModel]
    work: Callable[[Work, Any], Awaitable[Made]]
    reads_only: bool = True
    repeatable: bool = True

    def listed(self, name: str) -> types.Tool:
        """As a client sees it."""
        return types.Tool(
            name=name,
            title=self.title,
            description=self.description,
            inputSchema=shapes.schema(self.takes),
            outputSchema=shapes.schema(self.gives),
            annotations=types.ToolAnnotations(
                title=self.title,
                readOnlyHint=self.reads_only,
                destructiveHint=False,
                idempotentHint=self.repeatable,
                openWorldHint=False,
            ),
        )


async def add_image(work: Work, given: shapes.NamedImage) -> Made:
    """Keep a picture, and say how it is called from now on."""
    desk = await work.desk()
    taken = await take(work, desk, given.image, name=given.name)
    value = await work.thread(_kept, desk, taken.id)
    said = f"Kept as image {value.image_id} ({value.name}, {value.width} × {value.height} pixels)."
    return Made(value, [words(said), image_link(value.image_id, value.name, size=value.bytes)])


async def describe_image(work: Work, given: shapes.OneImage) -> Made:
    """A sentence about a picture."""
    desk, taken = await _seen(work, given.image)
    work.progress.tell("Describing the picture", 0.5)
    text, found = await used(work, desk, "describe_image", image=taken.id)
    value = shapes.Description(image_id=taken.id, description=text, caution=found.get("caution"))
    return Made(value, [words(text), *_named(taken)])


async def ask_image(work: Work, given: shapes.Question) -> Made:
    """What a picture says to a question."""
    desk, taken = await _seen(work, given.image)
    work.progress.tell("Looking at the picture", 0.5)
    text, found = await used(work, desk, "ask_image", image=taken.id, question=given.question)
    value = shapes.AnswerFromImage(
        image_id=taken.id, question=given.question, answer=text, caution=found.get("caution")
    )
    return Made(value, [words(text), *_named(taken)])


async def label_image(work: Work, given: shapes.OneImage) -> Made:
    """The product in a picture."""
    desk, taken = await _seen(work, given.image)
    work.progress.tell("Labelling the picture", 0.5)
    text, found = await used(work, desk, "label_image", image=taken.id)
    value = shapes.Label(
        image_id=taken.id,
        label=found["label"],
        coarse=found["coarse"],
        confidence=found["confidence"],
        scores=[shapes.LabelScore(label=name, confidence=share) for name, share in found["scores"]],
    )
    return Made(value, [words(text), *_named(taken)])


async def read_text(work: Work, given: shapes.OneImage) -> Made:
    """The text in a picture."""
    desk = await work.desk()
    taken = await take(work, desk, given.image)
    work.progress.tell("Reading the text")
    text, found = await used(work, desk, "read_text", image=taken.id)
    lines = [shapes.TextLine(**line) for line in found["lines"]]
    value = shapes.ReadText(image_id=taken.id, text=text if lines else "", lines=lines)
    return Made(value, [words(text), *_named(taken)])


async def search_images(work: Work, given: shapes.WordsOrImage) -> Made:
    """Pictures of products, and of the folders that the tenant has indexed."""
    desk, id = await work.desk(eyes=bool(given.image.strip())), ""
    if given.image.strip():
        id = (await take(work, desk, given.image)).id
    work.progress.tell("Searching the pictures", 0.5)
    text, found = await used(work, desk, "search_images", query=given.query, image=id)
    pictures: list[shapes.FoundPicture] = []
    content: list[types.ContentBlock] = [words(text)]
    for source, score in zip(found["sources"], found["scores"], strict=True):
        pictures.append(
            shapes.FoundPicture(
                image_id=source["id"],
                uri=image_uri(source["id"]),
                title=source["title"],
                label=source["label"],
                caption=source["text"] if source["text"] != source["title"] else "",
                score=score,
            )
        )
        content += await work.thread(_shown, desk, source["id"], source["title"])
    return Made(shapes.FoundPictures(pictures=pictures), content)


async def search_knowledge(work: Work, given: shapes.Query) -> Made:
    """Passages of the knowledge base."""
    desk = await work.desk()
    work.progress.tell("Searching the knowledge base")
    text, found = await used(work, desk, "search_knowledge", query=given.query)
    passages: list[shapes.Passage] = []
    content: list[types.ContentBlock] = [words(text)]
    for source, score in zip(found["sources"], found["scores"], strict=True):
        passages.append(
            shapes.Passage(
                id=source["id"],
                uri=passage_uri(source["id"]),
                title=source["title"],
                text=source["text"],
                source=source["origin"],
                label=source["label"],
                image_id=source["image_id"],
                score=score,
            )
        )
        content.append(passage_link(source["id"], source["title"], source["origin"]))
    return Made(shapes.Passages(passages=passages), content)


async def _seen(work: Work, image: str) -> tuple[Desk, Taken]:
    """The desk with its model loaded, and the picture; a bad picture is told before that."""
    desk = await work.desk()
    taken = await take(work, desk, image)
    await work.see()
    return desk, taken


def _named(taken: Taken) -> list[types.TextContent]:
    """How a picture that was sent is called, so that it need not be sent again."""
    return [words(f"(image id {taken.id})")] if taken.sent else []


def _kept(desk: Desk, id: str) -> shapes.KeptImage:
    """What is known of a picture that the desk may see."""
    about = desk.about_image(id)
    return shapes.KeptImage(
        image_id=id, uri=image_uri(id), name=about.name, width=about.width, height=about.height,
        bytes=about.size,
    )  # fmt: skip


def _shown(desk: Desk, id: str, title: str) -> list[types.ContentBlock]:
    """A picture that was found, small, and a link to it."""
    try:
        small = picture(desk.thumbnail(id))
    except SightdeskError:
        small = None  # its file is gone; what was found is still true
    link = image_link(id, title)
    return [link] if small is None else [small, link]


TOOLS: Final = {
    "describe_image": Kind(
        "Describe a picture",
        "Describe a picture in a sentence.",
        shapes.OneImage,
        shapes.Description,
        describe_image,
    ),
    "ask_image": Kind(
        "Ask about a picture",
        "Answer a question about what a picture shows.",
        shapes.Question,
        shapes.AnswerFromImage,
        ask_image,
    ),
    "label_image": Kind(
        "Name the product in a picture",
        "Name the product in a picture, with how sure that is.",
        shapes.OneImage,
        shapes.Label,
        label_image,
    ),
    "read_text": Kind(
        "Read text in a picture",
        "Read the text in a receipt, label or screen, line by line with boxes.",
        shapes.OneImage,
        shapes.ReadText,
        read_text,
    ),
    "search_images": Kind(
        "Find pictures",
        "Find product pictures, and those of indexed folders, by words, by a picture, or by both.",
        shapes.WordsOrImage,
        shapes.FoundPictures,
        search_images,
    ),
    "search_knowledge": Kind(
        "Search the knowledge base",
        "Look up products, delivery, returns and other facts of the shop.",
        shapes.Query,
        shapes.Passages,
        search_knowledge,
    ),
    "add_image": Kind(
        "Add a picture",
        "Keep a picture once and get its id, which all other tools take.",
        shapes.NamedImage,
        shapes.KeptImage,
        add_image,
        reads_only=False,
    ),
    "ask_desk": Kind(
        "Ask the support desk",
        "Let the support desk answer a customer's message: it looks at the pictures, looks things "
        "up, cites what it says, and calls a person where one is needed.",
        shapes.Message,
        shapes.Reply,
        asking.ask_desk,
        reads_only=False,
        repeatable=False,
    ),
    "hand_over": Kind(
        "Call a person",
        "Open a ticket so that a person takes over.",
        shapes.Wish,
        shapes.Ticket,
        asking.hand_over,
        reads_only=False,
    ),
}
"""All tools by name, in the order in which they are listed."""
