"""Figures of a shared engine: what it does now, and what it has done since it began."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

_RECENT: Final = 64  # answers that tell how quick it is now
_LEAST_S, _MOST_S = 1.0, 60.0


@dataclass(frozen=True)
class Load:
    """What an engine does; all that ends in ``_total`` only grows.

    Attributes:
        waiting: requests in the queue.
        running: answers that are being written.
        working: other calls (pictures, labels, descriptions) that wait or run.
        batch_size: answers that can be written at once.
        queue_size: requests that may wait.
        closing: whether nothing new is taken.
        tokens_total: tokens that were written.
        prompt_tokens_total: tokens of prompts that were read.
        reused_tokens_total: tokens of prompts that need not be read, as the cache had them.
        answers_total: answers that ended by themselves or at their length.
        cancelled_total: answers that nobody wanted any more.
        failed_total: answers that ended in an error.
        refused_total: requests that found the queue full.
        steps_total: passes of the model.
        rows_total: answers in all passes together; by `steps_total` it is the mean batch.
        step_seconds_total: seconds of all passes.
        largest: most answers in one pass so far.
    """

    waiting: int = 0
    running: int = 0
    working: int = 0
    batch_size: int = 0
    queue_size: int = 0
    closing: bool = False
    tokens_total: int = 0
    prompt_tokens_total: int = 0
    reused_tokens_total: int = 0
    answers_total: int = 0
    cancelled_total: int = 0
    failed_total: int = 0
    refused_total: int = 0
    steps_total: int = 0
    rows_total: int = 0
    step_seconds_total: float = 0.0
    largest: int = 0


@dataclass
class Figures:
    """Counts; each is written by one thread alone, or under its owner's lock."""

    tokens: int = 0
    prompt_tokens: int = 0
    reused_tokens: int = 0
    answers: int = 0
    cancelled: int = 0
    failed: int = 0
    refused: int = 0
    steps: int = 0
    rows: int = 0
    step_seconds: float = 0.0
    largest: int = 0
    _ended: deque[float] = field(default_factory=lambda: deque(maxlen=_RECENT))

    def step(self, rows: int, seconds: float) -> None:
        """Note a pass."""
        self.steps += 1
        self.rows += rows
        self.step_seconds += seconds
        self.largest = max(self.largest, rows)

    def ended(self) -> None:
        """Note that an answer has left its place to another one."""
        self._ended.append(time.monotonic())

    def wait_s(self, waiting: int) -> float:
        """Seconds until so many answers have ended, as quickly as the latest did."""
        ended = list(self._ended)
        if len(ended) < 2:
            return _LEAST_S
        each = (time.monotonic() - ended[0]) / len(ended)
        return min(max(each * waiting, _LEAST_S), _MOST_S)

    def told(self, now: Load) -> Load:
        """The counts, with what is so now."""
        return replace(
            now,
            tokens_total=self.tokens,
            prompt_tokens_total=self.prompt_tokens,
            reused_tokens_total=self.reused_tokens,
            answers_total=self.answers,
            cancelled_total=self.cancelled,
            failed_total=self.failed,
            refused_total=self.refused,
            steps_total=self.steps,
            rows_total=self.rows,
            step_seconds_total=self.step_seconds,
            largest=self.largest,
        )
