"""The desk's tools as the model is shown them, and foreign ones, so that new tools work as well."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from assistant.desk_prompts import ToolLine

# As `assistant.tools` has them; a test compares the two.
OWN: dict[str, ToolLine] = {
    line.name: line
    for line in (
        ToolLine("describe_image", "Describe a picture in a sentence.", ("image",)),
        ToolLine(
            "ask_image", "Answer a question about what a picture shows.", ("image", "question")
        ),
        ToolLine("label_image", "Name the product in a picture.", ("image",)),
        ToolLine("read_text", "Read the text in a receipt, label or screen.", ("image",)),
        ToolLine(
            "search_images",
            "Find product pictures by words or by a picture.",
            ("query?", "image?"),
        ),
        ToolLine(
            "search_knowledge",
            "Look up products, delivery, returns and other facts.",
            ("query",),
        ),
        ToolLine("hand_over", "Call a person to take over.", ("reason",)),
    )
}

HELD_TOOLS = 8
"""Every so-manyth foreign tool is never trained on, to measure how new ones go."""


@dataclass(frozen=True)
class ForeignTool:
    """A tool that some shop might add, and how customers ask for it."""

    line: ToolLine
    arguments: dict[str, dict[str, Any]]
    requests: tuple[str, ...]
    vague: tuple[str, ...]
    ask_back: str

    @property
    def takes_photo(self) -> bool:
        """Whether one of its arguments is a picture."""
        return any(about["type"] == "image" for about in self.arguments.values())

    def request(self, rng: random.Random, photo: str) -> tuple[str, dict[str, Any]]:
        """What a customer says, and the arguments that it means."""
        text = rng.choice(self.requests)
        values: dict[str, Any] = {}
        for name, about in self.arguments.items():
            values[name] = photo if about["type"] == "image" else rng.choice(about["values"])
            written = values[name]
            if isinstance(written, bool):
                written = "true" if written else "false"
            text = text.replace(f"{{{name}}}", str(written))
        return text, values


def foreign_tools(*, held: bool) -> list[ForeignTool]:
    """Those of `tools.jsonl`; some are held out of the training."""
    text = files("adapters.tool_use").joinpath("tools.jsonl").read_text(encoding="utf-8")
    found = []
    for number, line in enumerate(text.splitlines()):
        row = json.loads(line)
        if (number % HELD_TOOLS == HELD_TOOLS - 1) != held:
            continue
        names = tuple(row["args"])
        found.append(
            ForeignTool(
                ToolLine(row["name"], row["description"], names),
                row["args"],
                tuple(row["requests"]),
                tuple(row.get("vague", ())),
                row.get("ask_back", ""),
            )
        )
    return found


def renamed(rng: random.Random, line: ToolLine) -> ToolLine:
    """A foreign tool's description as another author might write it."""
    words = line.description
    if rng.random() < 0.5:
        words = words[:1].upper() + words[1:] + "."
    return ToolLine(line.name, words, line.arguments)
