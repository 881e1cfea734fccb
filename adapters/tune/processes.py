"""The processes of a training: those of an `accelerate launch`, and how one is asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch


class Processes:
    """The other processes of an `accelerate launch`, if any."""

    def __init__(self) -> None:
        self.count, self.index = 1, 0
        self._accelerator: Any = None

    @classmethod
    def join(cls) -> Processes:
        """Those that `accelerate launch` started, this one alone otherwise."""
        found = cls()
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import Accelerator

            found._accelerator = Accelerator()
            found.count = found._accelerator.num_processes
            found.index = found._accelerator.process_index
        return found

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.index == 0

    def mean(self, tensor: torch.Tensor) -> torch.Tensor:
        """The mean over all processes."""
        if self._accelerator is None:
            return tensor
        averaged: torch.Tensor = self._accelerator.reduce(tensor, "mean")
        return averaged

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        """The first process goes ahead, the others find what it left in the caches."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Until all are here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()


class StopRequest:
    """Turns SIGINT and SIGTERM into a request that the loop honours at the end of a step."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def _ask(self, number: int, frame: FrameType | None) -> None:
        self.asked = True

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
