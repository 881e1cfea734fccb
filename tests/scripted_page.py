"""Starts the page with an engine that answers from a script; `test_ui_browser` runs it.

python tests/scripted_page.py PORT
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.closing import Closing
from assistant.errors import WeightsError

PAGE = Path(__file__).resolve().parent.parent / "ui" / "app.py"
SIGHTDESK = Path(__file__).with_name("scripted_sightdesk.py")
HOSTILE = (
    '<img src="http://evil.example/x.png"> ![x](http://evil.example/y.png) <b>b</b> '
    "<script>alert(1)</script> [click](http://evil.example/z) :red[x] :smile: $x$ `y`"
)
LONG = " ".join(f"word{number}" for number in range(500))
ROWS = 6


class ScriptedStream(Closing, Iterator[str]):
    """As assistant.engine.Stream, word by word; remembers whether it was closed early."""

    def __init__(self, text: str, delay: float) -> None:
        self.answer: Any = None
        self.closed = False
        self._words = iter(text.split(" "))
        self._delay = delay
        self._written: list[str] = []
        self._began = time.perf_counter()

    def __next__(self) -> str:
        time.sleep(self._delay)
        word = next(self._words, None)
        if word is None or self.closed:
            self._end("stop")
            raise StopIteration
        self._written.append(word)
        return word + " "

    def close(self) -> None:
        self.closed = True
        self._end("cancelled")

    def _end(self, finish: Any) -> None:
        from assistant.engine import Answer

        if self.answer is None:
            seconds = time.perf_counter() - self._began
            text = " ".join(self._written)
            self.answer = Answer(text, len(self._written), seconds, finish, 12, 60, 0.25)


@dataclass
class ScriptedEngine:
    """Answers from a queue and records what it was asked; its last answer is repeated."""

    answers: list[str]
    delay: float = 0.0
    """Seconds between two pieces."""
    name: str = "embedded"
    adapter: str | None = "shop"
    quantization: str = "nf4"
    familiar: bool = True
    known: tuple[str, ...] = ("embedded", "shop", "sight")
    """Adapters that can be chosen."""
    by_question: dict[str, str] = field(default_factory=dict)
    """Answers to questions that hold the key, before those of the queue."""
    asked: list[list[tuple[str, str, tuple[str, ...]]]] = field(default_factory=list)
    sampled: list[Any] = field(default_factory=list)
    adapters: list[str | None] = field(default_factory=list)
    """Which adapter each answer was asked of."""
    given: list[list[str]] = field(default_factory=list)
    encoded: list[str] = field(default_factory=list)
    streams: list[ScriptedStream] = field(default_factory=list)
    loading: float = 0.0
    failures: list[str] = field(default_factory=list)
    """Sentences that the next loadings fail with."""

    def load(
        self, *, progress: Callable[[str, float | None], None] | None = None, **_: Any
    ) -> ScriptedEngine:
        """As Engine.load."""
        if progress is not None:
            progress("Reading the model", 0.5)
        time.sleep(self.loading)
        if self.failures:
            raise WeightsError(self.failures.pop(0))
        return self

    def choices(self) -> list[str]:
        """As Engine.choices; the adapter `agent` runs a desk and is none to ask about photos."""
        return [name for name in self.known if name != "agent"]

    def has(self, adapter: str) -> bool:
        """As Engine.has."""
        return adapter in self.known

    def fits(self, image: Any, adapter: str | None = None) -> bool:
        """As Engine.fits; the adapter `sight` sees with a tower of its own."""
        return image.eyes == ("sight" if adapter == "sight" else "")

    def encode_images(
        self, images: Sequence[Any], *, adapter: str | None = None, **_: Any
    ) -> list[Any]:
        """As Engine.encode_images."""
        from assistant.engine import EncodedImage

        self.encoded += [image.id for image in images]
        nothing: Any = None
        eyes = "sight" if adapter == "sight" else ""
        return [EncodedImage(image.id, nothing, eyes=eyes) for image in images]

    def stream(
        self,
        turns: Sequence[Any],
        images: Sequence[Any],
        *,
        sampling: Any = None,
        adapter: str | None = None,
        **_: Any,
    ) -> ScriptedStream:
        """As Engine.stream, word by word."""
        self.adapters.append(adapter)
        self.asked.append([(turn.role, turn.text, turn.images) for turn in turns])
        self.given.append([image.id for image in images])
        self.sampled.append(sampling)
        question = turns[-1].text
        answer = next((a for key, a in self.by_question.items() if key in question), None)
        if answer is None:
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.streams.append(ScriptedStream(answer, self.delay))
        return self.streams[-1]

    def look(
        self,
        turns: Sequence[Any],
        pictures: Sequence[Any],
        answer: str,
        *,
        adapter: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> list[Any]:
        """As Engine.look: a spot that wanders from the upper left to the lower right."""
        from assistant.engine.values import Gaze

        words = answer.split()
        found = []
        if progress is not None:
            progress(0.5)
        for place, word in enumerate(words):
            centre = ROWS * (place + 0.5) / len(words)
            cells = [
                [2.0 ** -((row - centre) ** 2 + (column - centre) ** 2) for column in range(ROWS)]
                for row in range(ROWS)
            ]
            total = sum(map(sum, cells)) * len(pictures)
            grid = tuple(tuple(cell / total for cell in row) for row in cells)
            found += [Gaze(word, image.id, grid) for image in pictures]
        return found

    def evidence(self, image: Any) -> Any:
        """As Engine.evidence."""
        from assistant.evidence import Evidence

        names = (("banana", 0.83), ("lemon", 0.06), ("slug", 0.03), ("corn", 0.02), ("fig", 0.01))
        return Evidence(names, 0.71 if self.familiar else 0.02, self.familiar)


def serve(engine: ScriptedEngine, port: int) -> None:
    """Serve the page on `port` of this machine until the process is ended."""
    from streamlit.web import bootstrap

    import assistant.engine
    import assistant.space
    import ui.jobs
    from tests.tiny_space import TinySpace

    space = TinySpace()
    assistant.engine.Engine = engine  # type: ignore[assignment,misc]
    assistant.space.picture_embedder = lambda *_, **__: space
    ui.jobs.sightdesk = lambda: (sys.executable, str(SIGHTDESK))
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.maxUploadSize": 32,
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
    }
    from streamlit import config

    config._main_script_path = str(PAGE)
    bootstrap.load_config_options({name.replace(".", "_"): v for name, v in options.items()})
    bootstrap.run(str(PAGE), False, [], {})


def main(port: int) -> None:
    """The page as `test_ui_browser` needs it."""
    engine = ScriptedEngine(
        ["Three ripe bananas lie on a wooden table."],
        delay=0.1,
        by_question={
            "hostile": HOSTILE,
            "long story": LONG,
            "colour": "They are yellow.",
            "now": "The end.",
        },
        loading=float(os.environ.get("SCRIPTED_LOADING", "0")),
        familiar="SCRIPTED_UNFAMILIAR" not in os.environ,
        failures=[os.environ["SCRIPTED_FAILURE"]] if "SCRIPTED_FAILURE" in os.environ else [],
    )
    threading.current_thread().name = "page"
    serve(engine, port)


if __name__ == "__main__":
    main(int(sys.argv[1]))
