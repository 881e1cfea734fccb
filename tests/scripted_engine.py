"""An engine that says what it was told to, at once or slowly, as a server asks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from assistant.engine.values import Answer, EncodedImage
from assistant.errors import AdapterError


class Saying(Iterator[str]):
    """As `assistant.engine.Stream`; notes when it was closed."""

    def __init__(self, text: str, delay: float) -> None:
        self.answer: Answer | None = None
        self.closed_at: float | None = None
        self._pieces = [f"{word} " for word in text.split(" ")]
        self._pieces[-1] = self._pieces[-1].rstrip()
        self._given: list[str] = []
        self._delay = delay
        self._closed = threading.Event()

    def __next__(self) -> str:
        stopped = self._closed.wait(self._delay) if self._delay else self._closed.is_set()
        if stopped or len(self._given) == len(self._pieces):
            self._end("cancelled" if stopped else "stop")
            raise StopIteration
        self._given.append(self._pieces[len(self._given)])
        return self._given[-1]

    def close(self) -> None:
        """As `Stream.close`."""
        if self.answer is None and self.closed_at is None:
            self.closed_at = time.perf_counter()
        self._closed.set()

    def __enter__(self) -> Saying:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _end(self, finish: Any) -> None:
        if self.answer is None:
            count = len(self._given)
            self.answer = Answer("".join(self._given), count, 0.0, finish, computed=7, reused=5)


class SayingEngine:
    """Says `text`, or what it gives for a question.

    Args:
        delay: seconds before each word.
    """

    name, adapter, quantization = "embedded", None, "none"

    def __init__(self, text: str | Callable[[Sequence[Any]], str] = "A dog.", delay: float = 0.0):
        self.text, self.delay = text, delay
        self.asked: list[dict[str, Any]] = []
        self.streams: list[Saying] = []

    def choices(self) -> list[str]:
        """As `Engine.choices`."""
        return ["embedded", "shop"]

    def resolve(self, adapter: str | None) -> Any:
        """As `Engine.resolve`."""
        if adapter not in (None, "embedded", "shop"):
            raise AdapterError(f"There is no adapter {adapter}.")
        return adapter

    def encode_images(self, images: Sequence[Any], **_: Any) -> list[EncodedImage]:
        """As `Engine.encode_images`."""
        return [EncodedImage(image.id, torch.zeros(1, 1)) for image in images]

    def stream(self, turns: Sequence[Any], images: Sequence[Any] = (), **options: Any) -> Saying:
        """As `Engine.stream`."""
        self.asked.append({"turns": list(turns), "images": list(images), **options})
        text = self.text if isinstance(self.text, str) else self.text(turns)
        saying = Saying(text, self.delay)
        self.streams.append(saying)
        return saying
