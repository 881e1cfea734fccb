"""`sightdesk mcp` with eyes that answer from a script, for the tests of its doors.

python -m tests.scripted_mcp [the command's options]

Environment: `SCRIPTED_GATE` a file without which the model is not there yet, `SCRIPTED_DELAY`
seconds between two words, `SCRIPTED_STOPPED` a file that is written when a stream is closed early,
`SCRIPTED_BROKEN` a sentence that the model's loading fails with, `SCRIPTED_NOISE` prints to
standard output meanwhile.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from assistant.errors import WeightsError
from assistant.labelling import Labelled

SEEN = "Two green apples lie on a white wooden table in the sun."
LABEL = "Granny-Smith"


class Stream(Iterator[str]):
    """As assistant.engine.Stream."""

    def __init__(self, words: Sequence[str], delay: float, stopped: Path | None) -> None:
        self._words, self._delay, self._stopped = iter(words), delay, stopped
        self.answer: Any = None
        self.closed = False

    def __next__(self) -> str:
        time.sleep(self._delay)
        if self.closed:
            raise StopIteration
        return next(self._words)

    def close(self) -> None:
        if self._stopped is not None and next(self._words, None) is not None:
            self._stopped.write_text("stopped", encoding="utf-8")
        self.closed = True


@dataclass
class Eyes:
    """An engine that sees the same in each picture."""

    delay: float = 0.0
    stopped: Path | None = None
    name: str = "scripted"
    adapter: str | None = None
    quantization: str = "none"
    asked: list[tuple[str, str]] = field(default_factory=list)

    def encode_images(self, images: Sequence[Any], **_: Any) -> list[Any]:
        import torch

        from assistant.engine import EncodedImage

        found = []
        for image in images:
            colour = torch.tensor(image.pixels.resize((1, 1)).getpixel((0, 0)), dtype=torch.float32)
            found.append(EncodedImage(image.id, torch.zeros(1, 1), colour))
        return found

    def encode_image(self, image: Any, **more: Any) -> Any:
        return self.encode_images([image], **more)[0]

    def evidence(self, image: Any) -> None:
        return None

    def stream(self, turns: Any, images: Any, *, tenant: str = "", **_: Any) -> Stream:
        self.asked.append((turns[-1].text, tenant))
        return Stream([f"{word} " for word in SEEN.split()], self.delay, self.stopped)

    def label(self, images: Any, **_: Any) -> list[Labelled]:
        scores = ((LABEL, 0.97), ("Lemon", 0.02))
        return [Labelled(LABEL, "Apple", 0.97, scores) for _ in images]

    recognise = label


def install(eyes: Eyes) -> None:
    """Let services of this process use those eyes, no embedder's weights, and a scripted model."""
    from assistant import space
    from assistant.api import service
    from assistant.knowledge import core
    from tests.test_knowledge.conftest import BagOfWords
    from tests.tiny_space import TinySpace

    def made(progress: Callable[[str, float | None], None] | None) -> Eyes:
        gate = os.environ.get("SCRIPTED_GATE")
        while gate is not None and not Path(gate).exists():
            if progress is not None:
                progress("Reading the weights", 0.5)
            time.sleep(0.02)
        if "SCRIPTED_NOISE" in os.environ:
            print("a library says hello")
            os.write(1, b"and a library in C\n")
        if "SCRIPTED_BROKEN" in os.environ:
            raise WeightsError(os.environ["SCRIPTED_BROKEN"])
        return eyes

    def load(self: Any, progress: Any = None) -> None:
        try:
            self._take(made(progress))
        except WeightsError as error:
            self.trouble = str(error)
        finally:
            self._loaded.set()

    def open_agent(self: Any, tenant: str) -> Any:
        # Here, since whatever imports the agent takes seconds.
        if self._agent_model is None:
            from tests.scripted_desk import Counter

            self._agent_model = Counter(delay=eyes.delay).model
        return opened(self, tenant)

    opened = service.Service._open_agent
    service.Service._open_agent = open_agent  # type: ignore[method-assign]
    service.Service.load = load  # type: ignore[method-assign]
    core.text_embedder = lambda *_: BagOfWords()  # type: ignore[assignment,attr-defined]
    tiny = TinySpace()
    space.picture_embedder = lambda *_: tiny


def main(words: Sequence[str]) -> None:
    from assistant.cli import app
    from assistant.errors import SightdeskError

    stopped = os.environ.get("SCRIPTED_STOPPED")
    delay = float(os.environ.get("SCRIPTED_DELAY", "0"))
    install(Eyes(delay, Path(stopped) if stopped else None))
    try:
        app(["mcp", *words], prog_name="sightdesk")
    except SightdeskError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from error


if __name__ == "__main__":
    main(sys.argv[1:])
