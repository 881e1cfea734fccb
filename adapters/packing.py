"""Packing: everything asked about a picture behind one copy of its image tokens.

A picture's prompt is a tree: the image tokens are the root, each question is a branch, each of its
answers a leaf, a follow-up question hangs below an answer. The trees of several pictures share a
row. A token sees the tokens of its own segment before it and of the segments above it, and its
position continues its parent's, so that the loss equals that of separate rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Segment:
    """A run of tokens in a prompt tree.

    ``parent`` is the index of an earlier segment, -1 for the root. ``weight`` is what each of its
    tokens counts in the loss, 0 for what the model is given rather than asked to write.
    """

    ids: tuple[int, ...]
    parent: int
    weight: float = 0.0


@dataclass(frozen=True)
class Tree:
    """One picture with all that is asked about it; ``image`` is its row in a feature store.

    Pictures that are shown together are a list of such rows.
    """

    image: Any
    segments: tuple[Segment, ...]

    def __len__(self) -> int:
        return sum(len(segment.ids) for segment in self.segments)


@dataclass(frozen=True)
class Branch:
    """A question and its answers; ``follow_up`` asks again about the same picture afterwards.

    ``then`` are any number of further questions and answers, each below the one before.
    """

    question: str
    answers: tuple[str, ...]
    weight: float = 1.0
    follow_up: tuple[str, str] | None = None
    then: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Batch:
    """Trees packed into ``rows`` rows of ``length`` tokens.

    Attributes:
        ids: ``[rows, length]`` token ids; the image tokens are ``image_token_id``.
        positions: ``[rows, length]`` rotary positions.
        visible: ``[rows, 1, length, length]``, True where a query (dim 2) may see a key (dim 3).
        sources: ``[n]`` flat indices into ``ids`` of the tokens whose output is scored.
        targets: ``[n]`` token ids that they should predict. One source may have several.
        weights: ``[n]`` what each counts.
        images: the trees' images, in the order in which their tokens occur in ``ids.flatten()``.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    visible: torch.Tensor
    sources: torch.Tensor
    targets: torch.Tensor
    weights: torch.Tensor
    images: tuple[Any, ...]


class TemplateTokens:
    """Token ids of the parts of a prompt: the template's own marks, and words that are in it."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    def _encode(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _words(self, text: str) -> tuple[int, ...]:
        """Untrusted text: special tokens written out in it stay ordinary characters."""
        ids = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return tuple(ids)

    def answer(self, text: str) -> tuple[int, ...]:
        """The assistant's words and the end of its turn: the tokens that are learnt."""
        return (*self._words(text), *self._encode("<|im_end|>"))


class PromptTokens(TemplateTokens):
    """The token ids of a conversation's parts, equal to what the processor's template gives."""

    def __init__(self, tokenizer: Any, image_token_id: int, image_tokens: int) -> None:
        super().__init__(tokenizer)
        self._image = (image_token_id,) * image_tokens

    def image(self, count: int = 1) -> tuple[int, ...]:
        """The start of the user's turn and its pictures."""
        shown = (*self._image, *self._encode("\n")) * count
        return (*self._encode("<|im_start|>user\n"), *shown)

    def question(self, text: str, *, follow_up: bool = False) -> tuple[int, ...]:
        """The rest of the user's turn and the start of the assistant's."""
        before = self._encode("\n<|im_start|>user\n") if follow_up else ()
        after = self._encode("<|im_end|>\n<|im_start|>assistant\n")
        return (*before, *self._words(text), *after)

    def tree(self, image: Any, branches: Sequence[Branch]) -> Tree:
        """All branches about one picture as a tree."""
        count = len(image) if isinstance(image, list) else 1
        segments = [Segment(self.image(count), -1)]
        for branch in branches:
            asked = len(segments)
            segments.append(Segment(self.question(branch.question), 0))
            for text in branch.answers:
                segments.append(Segment(self.answer(text), asked, branch.weight))
            follow_up = () if branch.follow_up is None else (branch.follow_up,)
            for question, answer in (*follow_up, *branch.then):
                answered = len(segments) - 1
                segments.append(Segment(self.question(question, follow_up=True), answered))
                segments.append(Segment(self.answer(answer), len(segments) - 1, branch.weight))
        return Tree(image, tuple(segments))


# A row this long spends as much on attention as on everything else (SmolLM2-135M, measured).
_ATTENTION_TOKENS = 900


def fill_rows(trees: Sequence[Tree]) -> list[list[Tree]]:
    """Spread trees over the number of rows that costs least, padding and attention counted.

    Few long rows waste little padding, many short ones little attention. Each tree goes, longest
    first, to the row that is shortest so far (Graham's LPT rule).
    """
    ordered = sorted(trees, key=len, reverse=True)
    best: list[list[Tree]] = []
    least = float("inf")
    for count in range(1, len(ordered) + 1):
        rows: list[list[Tree]] = [[] for _ in range(count)]
        lengths = [0] * count
        for tree in ordered:
            shortest = lengths.index(min(lengths))
            rows[shortest].append(tree)
            lengths[shortest] += len(tree)
        cost = count * max(lengths) * (1 + max(lengths) / _ATTENTION_TOKENS)
        if cost < least:
            best, least = rows, cost
    return best


def collate(rows: Sequence[Sequence[Tree]], pad_id: int) -> Batch:
    """Pack rows of trees into tensors; padding sees only itself, so that softmax stays finite."""
    length = max(sum(len(tree) for tree in row) for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    positions = torch.zeros((len(rows), length), dtype=torch.long)
    visible = torch.eye(length, dtype=torch.bool).repeat(len(rows), 1, 1)
    sources: list[int] = []
    targets: list[int] = []
    weights: list[float] = []
    images = []
    for number, row in enumerate(rows):
        offset = 0
        for tree in row:
            images += tree.image if isinstance(tree.image, list) else [tree.image]
            spans: list[tuple[int, int]] = []
            depths: list[int] = []  # position just after each segment
            for segment in tree.segments:
                start, end = offset, offset + len(segment.ids)
                depth = depths[segment.parent] if segment.parent >= 0 else 0
                ids[number, start:end] = torch.tensor(segment.ids)
                positions[number, start:end] = torch.arange(depth, depth + end - start)
                visible[number, start:end, start:end] = torch.ones(
                    end - start, end - start, dtype=torch.bool
                ).tril()
                above = segment.parent
                while above >= 0:
                    first, last = spans[above]
                    visible[number, start:end, first:last] = True
                    above = tree.segments[above].parent
                if segment.weight:
                    # The parent's last token predicts the first: it does so for every child.
                    before = spans[segment.parent][1] - 1
                    flat = [number * length + at for at in (before, *range(start, end - 1))]
                    sources += flat
                    targets += segment.ids
                    weights += [segment.weight] * len(segment.ids)
                spans.append((start, end))
                depths.append(depth + end - start)
                offset = end
    return Batch(
        ids=ids,
        positions=positions,
        visible=visible[:, None],
        sources=torch.tensor(sources, dtype=torch.long),
        targets=torch.tensor(targets, dtype=torch.long),
        weights=torch.tensor(weights),
        images=tuple(images),
    )
