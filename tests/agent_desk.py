"""A small desk for tests of the agent: a store, scripted tools, a scripted model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from langchain_core.tools import BaseTool, StructuredTool
from pydantic import BaseModel, Field

from assistant.agent import Agent, Done, Event, Reply, open_checkpointer
from assistant.settings import Settings, get_settings
from assistant.sources import Source
from assistant.store import Store
from assistant.tools import Desk
from tests import tiny
from tests.scripted_model import ScriptedChat

DELICIOUS = Source(
    "passage",
    "p-1",
    "Golden Delicious",
    "Golden Delicious come from Italy. They weigh 180 g. They are sweet.",
    origin="products.jsonl",
    label="Golden-Delicious",
)
DELIVERY = Source(
    "passage", "p-2", "Delivery", "Delivery costs 5 euros. We deliver on Mondays.", "delivery.md"
)


class Words(BaseModel):
    query: str


class Photo(BaseModel):
    image: Annotated[str, Field(json_schema_extra={"format": "image-id"})]


class Reason(BaseModel):
    reason: str


@dataclass
class Shop:
    """A desk whose tools say what they are told to, and note how they were called."""

    settings: Settings = field(default_factory=get_settings)
    tenant: str = ""
    passages: Sequence[Source] = (DELICIOUS,)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    search: Callable[[str], Any] | None = None

    def __post_init__(self) -> None:
        self.store = Store.open(self.settings)
        self.desk = Desk(
            engine=None, store=self.store, knowledge=None, settings=self.settings,
            tenant=self.tenant, timeout_s=5.0,
        )  # fmt: skip

    def photo(self, seed: int = 1) -> str:
        """The id of a picture in the store."""
        return self.store.put_image(tiny.picture(seed), name=f"{seed}.png", tenant=self.tenant).id

    def tools(self) -> list[BaseTool]:
        def search_knowledge(query: str) -> Any:
            self.calls.append(("search_knowledge", {"query": query}))
            if self.search is not None:
                return self.search(query)
            lines = [f"[{at}] {s.title}: {s.text}" for at, s in enumerate(self.passages, 1)]
            return "\n".join(lines), {"sources": [s.to_dict() for s in self.passages]}

        def label_image(image: str) -> Any:
            self.calls.append(("label_image", {"image": image}))
            text = "Golden-Delicious (Apple), confidence 0.97"
            source = Source("image", image, "Golden Delicious", text, "label_image",
                            "Golden-Delicious", image)  # fmt: skip
            return text, {"sources": [source.to_dict()]}

        def ask_image(image: str) -> Any:
            from langgraph.config import get_stream_writer

            self.calls.append(("ask_image", {"image": image}))
            text = "Two dogs run on the beach."
            for word in text.split(" "):
                get_stream_writer()({"tool": "ask_image", "words": word + " "})
            source = Source("image", image, "picture", text, "ask_image", image_id=image)
            return text, {"sources": [source.to_dict()]}

        def hand_over(reason: str) -> Any:
            raise AssertionError("the agent opens the ticket itself")

        kinds: list[tuple[Callable[..., Any], type[BaseModel]]] = [
            (search_knowledge, Words), (label_image, Photo), (ask_image, Photo),
            (hand_over, Reason),
        ]  # fmt: skip
        return [
            StructuredTool.from_function(
                work,
                description=work.__name__,
                args_schema=schema,
                response_format="content_and_artifact",
            )
            for work, schema in kinds
        ]

    def agent(self, *replies: Any, tools: Sequence[BaseTool] = (), **model: Any) -> Agent:
        """An agent driven by a scripted model."""
        return self.driven(ScriptedChat(replies=list(replies), **model), tools=tools)

    def driven(self, model: Any, tools: Sequence[BaseTool] = ()) -> Agent:
        """An agent driven by a model, with its conversations in this desk's database."""
        return Agent(
            self.desk, model, open_checkpointer(self.settings),
            tools=[*self.tools(), *tools], wait_s=0.0,
        )  # fmt: skip


def told(events: Sequence[Event]) -> Reply:
    """The reply at the end of the events."""
    assert isinstance(events[-1], Done)
    return events[-1].reply
