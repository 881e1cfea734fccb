"""Answers that cannot but have a form: at each token, only what a grammar allows may be chosen.

A `Constraint` is the form, a grammar in the Lark dialect of llguidance, which does the work. A
`Guide` follows one answer through it. What the grammar leaves no choice about (the rest of a tool's
name, the quotes around an argument) is not chosen at all but read in one go.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch

from assistant.errors import InputError

MOST_CHARS: Final = 200_000
"""The longest grammar: a hundred tools with long schemas."""

_KEPT: Final = 64  # compiled grammars; one of the support desk takes 2 ms and some 100 kB


@dataclass(frozen=True)
class Constraint:
    """The form of an answer.

    Attributes:
        grammar: in llguidance's dialect of Lark; ``start`` is the whole answer.
    """

    grammar: str


class Guide:
    """One answer on its way through a grammar.

    Args:
        matcher: llguidance's, at the start of the answer.
        size: of the vocabulary as the model's output has it.
    """

    def __init__(self, matcher: Any, size: int) -> None:
        self._matcher, self._size = matcher, size

    @property
    def ended(self) -> bool:
        """Whether nothing may follow."""
        return bool(self._matcher.is_stopped())

    @property
    def whole(self) -> bool:
        """Whether the answer might end here."""
        return bool(self._matcher.is_accepting())

    def forced(self) -> list[int]:
        """The tokens that alone may follow; empty where there is a choice."""
        return cast(list[int], self._matcher.compute_ff_tokens())

    def mask(self, logits: torch.Tensor) -> torch.Tensor:
        """Logits ``[1, vocab]`` with minus infinity for what may not follow."""
        bits = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.uint8)
        places = torch.arange(8, dtype=torch.uint8)
        allowed = ((bits[:, None] >> places) & 1).bool().flatten()[: logits.shape[-1]]
        masked = logits.new_full(logits.shape, -torch.inf)
        chosen = allowed.nonzero()[:, 0].to(logits.device)
        masked[:, chosen] = logits[:, chosen]
        return masked

    def take(self, tokens: Sequence[int]) -> None:
        """Go on behind these tokens.

        Raises:
            InputError: the grammar does not allow them, or is too complex to follow.
        """
        if not self._matcher.consume_tokens(list(tokens)):
            raise InputError(f"The answer left its form ({_first_line(self._matcher.get_error())})")


class Guides:
    """Makes guides for the answers of one model; grammars are compiled once.

    Args:
        tokenizer: a fast tokenizer of transformers.
        size: of the vocabulary as the model's output has it.
        ends: the tokens that end an answer.
    """

    def __init__(self, tokenizer: Any, size: int, ends: Iterable[int]) -> None:
        self._tokenizer, self._size, self._ends = tokenizer, size, sorted(ends)
        self._view: Any = None
        self._compiled: OrderedDict[Constraint, Any] = OrderedDict()
        self._guard = threading.Lock()

    def start(self, constraint: Constraint) -> Guide:
        """A guide for one answer.

        Raises:
            InputError: the grammar cannot be used, or the tokenizer is none of the fast ones.
        """
        with self._guard:
            matcher = self._compiled.get(constraint)
            if matcher is None:
                matcher = self._compile(constraint)
                self._compiled[constraint] = matcher
                if len(self._compiled) > _KEPT:
                    self._compiled.popitem(last=False)
            self._compiled.move_to_end(constraint)
            return Guide(matcher.deep_copy(), self._size)

    def _compile(self, constraint: Constraint) -> Any:
        from llguidance import LLMatcher

        if len(constraint.grammar) > MOST_CHARS:
            raise InputError(
                f"The form of the answer has {len(constraint.grammar):,} characters and the limit "
                f"is {MOST_CHARS:,}; give fewer tools, or simpler ones."
            )
        if self._view is None:
            self._view = self._viewed()
        matcher = LLMatcher(self._view, constraint.grammar, log_level=0)
        if matcher.is_error():
            raise InputError(
                f"The form of the answer cannot be used ({_first_line(matcher.get_error())}); "
                "correct the schema or the tool."
            )
        return matcher

    def _viewed(self) -> Any:
        """The vocabulary as llguidance sees it, which takes a quarter of a second."""
        from llguidance import hf

        ends = self._ends or [self._tokenizer.eos_token_id]
        size = max(self._size, len(self._tokenizer))
        try:
            return hf.from_tokenizer(self._tokenizer, n_vocab=size, eos_token=ends)
        except (ValueError, TypeError) as error:
            raise InputError(
                "Answers of a given form need a fast tokenizer, which this base has not; use "
                "another base."
            ) from error


def _first_line(text: str) -> str:
    return " ".join(text.split("\n", 1)[0].split())[:200]
