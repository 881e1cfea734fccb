"""What the parts of the graph write while they work, as events, and the time that it took."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from assistant.agent.events import Event, Sentence, ToolEnded, ToolStarted, Words
from assistant.sources import Source


class Clock:
    """Turns what the graph's parts write into events, and adds up what they took.

    Attributes:
        said: whether there was a sentence.
        words: what the last tool said word by word.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._first: float | None = None
        self._parts: defaultdict[str, float] = defaultdict(float)
        self.said = False
        self.words = ""

    def event(self, value: Any) -> Event | None:
        """The event of what a part wrote; None where it is none."""
        if not isinstance(value, dict):
            return None  # a foreign tool's own
        if "words" in value and "tool" in value:
            self._note_first()
            self.words += str(value["words"])
            return Words(str(value["words"]), str(value["tool"]))
        if "started" in value:
            self.words = ""
            return ToolStarted(value["started"]["name"], value["started"]["args"])
        if "ended" in value:
            ended = value["ended"]
            self._parts[ended["name"]] += ended["seconds"]
            return ToolEnded(
                ended["name"], ended["text"], ended["seconds"], ended.get("trouble", "")
            )
        if "model" in value:
            self._parts["model"] += value["model"]["seconds"]
            return None
        if "sentence" in value:
            self._note_first()
            self.said = True
            cited = tuple(Source.from_dict(each) for each in value["sentence"]["citations"])
            return Sentence(value["sentence"]["text"], cited)
        return None

    def seconds(self) -> dict[str, float]:
        """Seconds of each tool, of the model, to the first word and in total."""
        total = time.perf_counter() - self._began
        return {**self._parts, "first": total if self._first is None else self._first,
                "total": total}  # fmt: skip

    def _note_first(self) -> None:
        if self._first is None:
            self._first = time.perf_counter() - self._began
