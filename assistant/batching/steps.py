"""One step: all answers read their next tokens in one pass, prompts by parts.

Whoever calls holds the model.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Final

import torch

from assistant.batching.rows import Row
from assistant.engine.caches import Layers
from assistant.engine.decoding import reader_of
from assistant.engine.fast import Llama, can_read
from assistant.engine.holder import Holder
from assistant.engine.prompt import Prompt
from assistant.engine.reading import Reader
from assistant.engine.together import ShelvedReader, Shelves, read_together
from assistant.errors import AdapterError

_SHORT: Final = 8  # tokens of an answer that are read at once; more are a prompt
_LEAST, _MOST = 128, 256  # tokens of prompts in one step
_STEP_S: Final = 0.12  # what a step should take: who goes away is noticed behind it

Over = tuple[Row, Exception | None]
"""A row that goes no further, and the error that stopped it, if one did."""

_log = logging.getLogger(__name__)


class Steps:
    """Reads the next tokens of many rows.

    Args:
        engine: it holds the model.
    """

    def __init__(self, engine: Holder) -> None:
        self._engine = engine
        self._fast = can_read(engine.model)
        self._llama: Llama | None = None
        self._changes = 0  # of the layers, when they were looked up
        self._shelves = Shelves()
        self._over: list[Over] = []  # of the step that is taken
        self._token_s = 0.0  # of a prompt, as measured lately

    def reader(self, expected: int, prompt: Prompt, layers: Layers | None) -> Reader:
        """A reader on top of keys and values, which will come to hold about so many tokens."""
        if not self._fast:
            return reader_of(self._engine.model, prompt, layers)
        return ShelvedReader(self._looked_up(), self._shelves, expected, layers)

    def tidy(self) -> None:
        """Give back memory that nothing stands in now."""
        self._shelves.tidy()

    def _looked_up(self) -> Llama:
        changes = self._engine.changes
        if self._llama is None or self._changes != changes:
            self._llama, self._changes = Llama(self._engine.model), changes
        return self._llama

    def take(self, rows: Sequence[Row]) -> list[Over]:
        """One step of the rows; those that have all that was pending choose what follows.

        Returns:
            The rows whose answers are whole, and those that failed.
        """
        self._over = []
        rows = self._able(rows)
        counts = self._counts(rows)
        rows = [row for row in rows if counts[row]]
        rows.sort(key=lambda row: row.adapter.name)  # neighbours speak as one
        if not rows:
            return self._over
        began = time.perf_counter()
        told = self._read(rows, [counts[row] for row in rows])
        self._note(sum(counts.values()), len(rows), time.perf_counter() - began)
        for row in rows:
            row.pending = row.pending[counts[row] :]
        self._choose(told)
        return self._over

    def _able(self, rows: Sequence[Row]) -> list[Row]:
        """Those whose adapters are still there; the others fail."""
        able = []
        good: set[int] = set()
        for row in rows:
            if id(row.adapter) not in good:
                try:
                    self._engine.check_ready(row.adapter)
                    good.add(id(row.adapter))
                except AdapterError as error:
                    self._over.append((row, error))
                    continue
            able.append(row)
        return able

    def _counts(self, rows: Sequence[Row]) -> dict[Row, int]:
        """How many tokens each row reads now: answers all of theirs, prompts share what is left."""
        counts = {row: len(row.pending) for row in rows if len(row.pending) <= _SHORT}
        prompts = [row for row in rows if row not in counts]
        room = _MOST
        if self._token_s:
            room = int(_STEP_S / self._token_s) - sum(counts.values())
            room = min(max(room, _LEAST), _MOST)
        # Half for who is here longest, so that it ends; then short ones first: most are served.
        if len(prompts) > 1:
            counts[prompts[0]] = min(len(prompts[0].pending), room // 2)
            room -= counts[prompts[0]]
            prompts[1:] = sorted(prompts[1:], key=lambda row: len(row.pending))
        for row in prompts[1:] or prompts:
            counts[row] = min(len(row.pending), room)
            room -= counts[row]
        return counts

    def _note(self, tokens: int, rows: int, seconds: float) -> None:
        if tokens > 2 * rows + _SHORT:
            each = seconds / tokens
            self._token_s = 0.7 * self._token_s + 0.3 * each if self._token_s else each

    def _read(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[Row, torch.Tensor]:
        """Logits ``[1, vocab]`` of the rows that need them."""
        if self._fast and len(rows) > 1:
            try:
                return self._together(rows, counts)
            except Exception:  # whose fault it is shows when each is read by itself
                _log.warning("A pass failed; its answers go on one by one", exc_info=True)
        told: dict[Row, torch.Tensor] = {}
        for row, count in zip(rows, counts, strict=True):
            try:
                told |= self._together([row], [count])
            except Exception as error:
                self._over.append((row, error))
        return told

    def _together(self, rows: Sequence[Row], counts: Sequence[int]) -> dict[Row, torch.Tensor]:
        parts = [row.pending[:count] for row, count in zip(rows, counts, strict=True)]
        whole = [n for n, row in enumerate(rows) if counts[n] == len(row.pending)]
        if not self._fast:
            (row,) = rows
            with self._engine.speaking([row.adapter]):
                logits = row.reader.read(parts[0])
            return {row: logits} if whole else {}
        readers, speakers = [row.reader for row in rows], [row.adapter.key for row in rows]
        logits = read_together(self._looked_up(), readers, parts, whole, speakers)
        return {rows[n]: logits[place : place + 1] for place, n in enumerate(whole)}

    def _choose(self, told: dict[Row, torch.Tensor]) -> None:
        likeliest: dict[Row, int] = {}
        simple = [row for row in told if row.likeliest]
        if len(simple) > 1:
            # In full precision: among halves, the search takes five times as long.
            best = torch.cat([told[row] for row in simple]).float().argmax(-1).tolist()
            likeliest = dict(zip(simple, best, strict=True))
        for row, logits in told.items():
            try:
                if not row.go_on(logits, likeliest.get(row)):
                    self._over.append((row, None))
            except Exception as error:
                self._over.append((row, error))
