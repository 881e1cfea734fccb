"""Decisions and answers as packed prompts: what they share stands once, at the root of a tree."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.packing import Segment, TemplateTokens, Tree
from adapters.tool_use.answers import Sheet
from adapters.tool_use.requests import Page
from assistant.desk_prompts import (
    QUESTION_CHARS,
    UNKNOWN,
    answer_system,
    decision_system,
    shortened,
)

_UNKNOWN_WEIGHT = 0.25  # an answer of 16 tokens


@dataclass(frozen=True)
class Known:
    """A tree, and for each of its learnt segments, in order, what kind it is."""

    tree: Tree
    kinds: tuple[str, ...]


class DeskTokens(TemplateTokens):
    """The token ids of the parts of a prompt, equal to what the processor's template gives."""

    def turn(self, role: str, text: str, *, first: bool = False) -> tuple[int, ...]:
        """A whole turn that the model reads."""
        start = f"{'' if first else chr(10)}<|im_start|>{role}\n"
        return (*self._encode(start), *self.answer(text.strip()))

    def opened(self) -> tuple[int, ...]:
        """The start of a turn that the model writes."""
        return self._encode("\n<|im_start|>assistant\n")

    def decisions(self, page: Page) -> Known:
        """A list of tools with all its conversations."""
        root = self.turn("system", decision_system(page.tools), first=True)
        segments = [Segment(root, -1)]
        kinds: list[str] = []
        for case in page.cases:
            above = 0
            read: tuple[int, ...] = ()
            for line in case.lines:
                if not line.learnt:
                    read = (*read, *self.turn(line.role, line.text))
                    continue
                segments.append(Segment((*read, *self.opened()), above))
                ids = self.answer(line.text.strip())
                segments.append(Segment(ids, len(segments) - 1, _weight(ids)))
                kinds.append(case.kind)
                above = len(segments) - 1
                read = ()
        return Known(Tree([], tuple(segments)), tuple(kinds))

    def answers(self, sheet: Sheet) -> Known:
        """Sources with all that is asked of them."""
        root = self.turn("system", answer_system(sheet.sources), first=True)
        segments = [Segment(root, -1)]
        kinds: list[str] = []
        for asked in sheet.asked:
            question = self.turn("user", shortened(asked.question, QUESTION_CHARS))
            segments.append(Segment((*question, *self.opened()), 0))
            ids = self.answer(asked.answer.strip())
            unknown = asked.answer == UNKNOWN
            # What begins an answer must weigh the same whether it is a long one or none: else
            # "unknown" is what the model says where it is not sure.
            weight = _UNKNOWN_WEIGHT if unknown else _weight(ids)
            segments.append(Segment(ids, len(segments) - 1, weight))
            kinds.append("unknown" if unknown else "known")
        return Known(Tree([], tuple(segments)), tuple(kinds))


def _weight(ids: tuple[int, ...]) -> float:
    """A long answer counts more than a short one, but not in proportion: most of it is copied."""
    return float(len(ids)) ** -0.5
