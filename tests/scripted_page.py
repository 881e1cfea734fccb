"""Starts the page with an engine that answers from a script; `test_ui` runs it in a browser.

python tests/scripted_page.py PORT
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent.parent / "ui" / "app.py"
HOSTILE = (
    '<img src="http://evil.example/x.png"> ![x](http://evil.example/y.png) <b>b</b> '
    "<script>alert(1)</script> [click](http://evil.example/z) :red[x] :smile: $x$ `y`"
)


@dataclass
class ScriptedEngine:
    """Answers from a queue and records what it was asked; its last answer is repeated."""

    answers: list[str]
    delay: float = 0.0
    """Seconds between two pieces."""
    name: str = "embedded"
    adapter: str | None = "shop"
    asked: list[list[tuple[str, str, tuple[str, ...]]]] = field(default_factory=list)
    given: list[list[str]] = field(default_factory=list)
    encoded: list[str] = field(default_factory=list)
    closed: int = 0

    def load(
        self, *, progress: Callable[[str, float | None], None] | None = None, **_: Any
    ) -> ScriptedEngine:
        """As Engine.load."""
        if progress is not None:
            progress("Reading the model", 0.5)
        return self

    def encode_images(self, images: Sequence[Any]) -> list[Any]:
        """As Engine.encode_images."""
        from assistant.engine import EncodedImage

        self.encoded += [image.id for image in images]
        nothing: Any = None
        return [EncodedImage(image.id, nothing) for image in images]

    def stream(self, turns: Sequence[Any], images: Sequence[Any], **_: Any) -> Iterator[str]:
        """As Engine.stream, word by word."""
        self.asked.append([(turn.role, turn.text, turn.images) for turn in turns])
        self.given.append([image.id for image in images])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        try:
            for word in answer.split(" "):
                time.sleep(self.delay)
                yield word + " "
        finally:
            self.closed += 1


def main(port: int) -> None:
    """Serve the page on `port` of this machine until the process is ended."""
    from streamlit.web import bootstrap

    import assistant.engine

    engine = ScriptedEngine(
        [
            "Three ripe bananas lie on a wooden table.",
            HOSTILE,
            " ".join(f"word{number}" for number in range(500)),
            "The end.",
        ],
        delay=0.15,
    )
    assistant.engine.Engine = engine  # type: ignore[assignment,misc]
    options = {
        "server.port": port,
        "server.address": "127.0.0.1",
        "server.headless": True,
        "server.fileWatcherType": "none",
        "browser.gatherUsageStats": False,
        "client.toolbarMode": "viewer",
    }
    bootstrap.load_config_options({name.replace(".", "_"): v for name, v in options.items()})
    bootstrap.run(str(PAGE), False, [], {})


if __name__ == "__main__":
    main(int(sys.argv[1]))
