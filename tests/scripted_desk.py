"""The demo's shop with the real agent, a scripted model and scripted eyes, for tests of the page.

`Counter.open` takes the place of `Agent.open`. What is asked for, the model finds out as a good one
would: by label and passage for a photo, by passage for words.

python -m tests.scripted_desk PORT
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.tools import BaseTool, StructuredTool

from assistant.agent import Agent, open_checkpointer
from assistant.chat_model.reading import text_of
from assistant.knowledge import Knowledge
from assistant.settings import Settings, get_settings
from assistant.sources import Source
from assistant.store import Store
from assistant.tools import Desk, build_tools
from assistant.tools.build import OneImage, Question
from tests.scripted_model import ScriptedChat, call
from tests.scripted_page import HOSTILE, ScriptedEngine, serve
from tests.test_knowledge.conftest import BagOfWords

LABEL = "Granny-Smith"
ORIGIN = "Granny Smith apples are from France."
RETURNS = "Unopened packages that do not need cooling can be returned within 14 days."
SEEN = "A green apple lies on a white shelf."
NOTE = f"The note on the door says {HOSTILE}"
LONG = "Deliveries come from Monday to Saturday."


def fill(folder: Path, *, settings: Settings | None = None) -> None:
    """Put the demo's shop, and a note of ill will, into the knowledge base."""
    from assistant.demo import SHOP

    note = folder / "note.txt"  # of a page, the reader would take the marks away
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(f"{NOTE}.\n", encoding="utf-8")
    with Store.open(settings or get_settings()) as store:
        knowledge = Knowledge.open(store=store, embedder=BagOfWords())
        knowledge.add(SHOP)
        knowledge.add(note)


@dataclass
class Counter:
    """Makes agents of a desk, and knows what they were asked.

    Attributes:
        delay: seconds between two words, and before a tool's result.
        failing: the model's server is down.
        hanging: seconds that looking at a photo takes; more than `patience` is too long.
    """

    delay: float = 0.0
    failing: bool = False
    hanging: float = 0.0
    patience: float = 60.0
    agents: list[Agent] = field(default_factory=list)
    model: ScriptedChat = field(init=False)

    def __post_init__(self) -> None:
        self.model = ScriptedChat(replies=[self.reply], between=lambda _: time.sleep(self.delay))

    def open(self, desk: Desk, **_: Any) -> Agent:
        """As `Agent.open`."""
        desk.timeout_s = self.patience
        looked_up = build_tools(desk, names=["search_knowledge", "hand_over"])
        agent = Agent(
            desk, self.model, open_checkpointer(desk.settings),
            tools=[*looked_up, *self.eyes(desk)], wait_s=0.0,
        )  # fmt: skip
        self.agents.append(agent)
        return agent

    def eyes(self, desk: Desk) -> list[BaseTool]:
        """Tools that see the same in each photo."""

        def label_image(image: str) -> Any:
            (image,) = desk.store.image_ids(image)
            time.sleep(max(self.delay, self.hanging))
            text = f"{LABEL} (Apple), confidence 0.97"
            source = Source("image", image, "Granny Smith", text, "label_image", LABEL, image)
            return text, {"sources": [source.to_dict()]}

        def ask_image(image: str, question: str) -> Any:
            from langgraph.config import get_stream_writer

            (image,) = desk.store.image_ids(image)
            write = get_stream_writer()
            for word in SEEN.split(" "):
                time.sleep(self.delay)
                write({"tool": "ask_image", "words": f"{word} "})
            source = Source("image", image, "picture", SEEN, "ask_image", image_id=image)
            return SEEN, {"sources": [source.to_dict()]}

        kinds: list[tuple[Any, Any]] = [(label_image, OneImage), (ask_image, Question)]
        return [
            StructuredTool.from_function(
                work,
                description=work.__name__,
                args_schema=schema,
                response_format="content_and_artifact",
            )
            for work, schema in kinds
        ]

    def reply(self, messages: Sequence[BaseMessage]) -> str | AIMessage:
        """The next step."""
        if self.failing:
            raise ConnectionError("the model's server is down")
        place = max(at for at, m in enumerate(messages) if isinstance(m, HumanMessage))
        question = text_of(messages[place])
        photos = re.findall(r"\[photo ([0-9a-f]+)\]", " ".join(text_of(m) for m in messages))
        done = [str(m.name) for m in messages[place:] if isinstance(m, ToolMessage)]
        words = question.rpartition("]")[2].strip().lower()
        time.sleep(self.delay)
        if "from" in words:
            if photos and not done:
                return call("label_image", image=photos[-1])
            if "search_knowledge" not in done:
                return call("search_knowledge", "call-2", query="Granny Smith country")
            return ORIGIN
        if "see" in words or "describe" in words:
            if not done:
                return call("ask_image", image=photos[-1], question="What do you see?")
            return f"{SEEN} [1]"
        if not done:
            looked_up = "delivery days" if "story" in words else words[:80]
            return call("search_knowledge", query=looked_up)
        if "return" in words:
            return f"{RETURNS} The deposit is €0.25 for a plastic bottle."
        if "note" in words:
            return NOTE
        if "story" in words:
            return " ".join([LONG] * 150)
        return "unknown"


def install(counter: Counter) -> None:
    """Let the page of this process use a counter's agents, and the embedder that needs no model."""
    from assistant.knowledge import core

    Agent.open = counter.open  # type: ignore[method-assign]
    core.text_embedder = lambda *_: BagOfWords()  # type: ignore[assignment,attr-defined]


def main(port: int) -> None:
    """The page as `test_ui_agent_browser` needs it, with the shop."""
    counter = Counter(
        delay=float(os.environ.get("SCRIPTED_DELAY", "0.08")),
        failing="SCRIPTED_DOWN" in os.environ,
    )
    install(counter)
    if "SCRIPTED_EMPTY" not in os.environ:
        fill(get_settings().data_dir / "files")
    threading.current_thread().name = "page"
    engine = ScriptedEngine(["Three ripe bananas lie on a wooden table."], delay=0.05)
    engine.known = ("embedded", "agent")
    serve(engine, port)


if __name__ == "__main__":
    main(int(sys.argv[1]))
