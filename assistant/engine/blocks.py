"""Keys and values of conversations in blocks that stand on each other, so that many share them.

A block holds up to `BLOCK` tokens and stands on the first tokens of another one. It is known by
what it stands on and by the very keys of its tokens, not by a hash of them, so that two beginnings
are never taken for each other. Conversations that begin alike have the blocks of their beginning in
common, and take memory only for what is their own. Blocks of a fixed size come from PagedAttention
(Kwon et al., SOSP 2023), the tree and letting its leaves go first from RadixAttention (Zheng et
al., NeurIPS 2024). There blocks are cut in two where conversations part; here the other one stands
inside the block, which stays whole.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import torch

from assistant.engine.caches import Keys, Layers

BLOCK: Final = 32
"""Tokens of a block at most."""

Parts = tuple[torch.Tensor, ...]
"""Keys and values of some tokens as a `Form` packs them."""

Owner = str | None
"""The tenant whose a block is; None: everybody's."""


@dataclass(frozen=True)
class Form:
    """How the tensors of a model's layers are packed: those of one shape as one tensor.

    Attributes:
        groups: the numbers of the tensors in each, counted through keys and values layer by layer.
        kinds: heads, width, dtype and device of those of a group.
    """

    groups: tuple[tuple[int, ...], ...]
    kinds: tuple[tuple[int, int, torch.dtype, torch.device], ...]

    @classmethod
    def of(cls, layers: Layers) -> Form | None:
        """The form of some layers; None where they do not all hold the same number of tokens."""
        found: dict[tuple[int, int, torch.dtype, torch.device], list[int]] = {}
        lengths = set()
        for number, tensor in enumerate(tensor for layer in layers for tensor in layer):
            if tensor.dim() != 4 or tensor.shape[0] != 1:
                return None
            lengths.add(tensor.shape[2])
            kind = tensor.shape[1], tensor.shape[3], tensor.dtype, tensor.device
            found.setdefault(kind, []).append(number)
        if len(lengths) != 1:
            return None
        return cls(tuple(tuple(numbers) for numbers in found.values()), tuple(found))

    @property
    def token_bytes(self) -> int:
        """What one token takes."""
        return sum(
            len(numbers) * heads * width * dtype.itemsize
            for numbers, (heads, width, dtype, _) in zip(self.groups, self.kinds, strict=True)
        )

    def packed(self, layers: Layers, start: int, end: int) -> Parts:
        """The tokens from ``start`` to ``end``, copied: ``[tensors, heads, T, width]`` of each."""
        flat = [tensor for layer in layers for tensor in layer]
        return tuple(
            torch.stack([flat[number][0, :, start:end] for number in numbers])
            for numbers in self.groups
        )

    def unpacked(self, parts: Parts) -> Layers:
        """The layers of parts, which they are views of."""
        flat: dict[int, torch.Tensor] = {}
        for numbers, part in zip(self.groups, parts, strict=True):
            flat |= zip(numbers, part.unsqueeze(1).unbind(), strict=True)
        return tuple((flat[number], flat[number + 1]) for number in range(0, len(flat), 2))


class Block:
    """Some tokens of a conversation; the root of a tree has none.

    Attributes:
        below: what it stands on, None for a root.
        at: how many tokens of that it stands on.
        owner: who finds it.
        keys: of its tokens. They may become more, as long as nobody parts from it there.
        parts: replaced where it grows, never written to.
        above: the blocks on it, by owner, place and first key.
    """

    __slots__ = ("above", "at", "below", "keys", "owner", "parts")

    def __init__(
        self, below: Block | None, at: int, owner: Owner, keys: Keys, parts: Parts
    ) -> None:
        self.below, self.at, self.owner = below, at, owner
        self.keys, self.parts = keys, parts
        self.above: dict[tuple[Owner, int, int | str], Block] = {}

    @property
    def size(self) -> int:
        """Bytes of its tensors."""
        return sum(part.nbytes for part in self.parts)

    def following(self, owner: Owner, keys: Keys, start: int, used: int) -> Iterator[Block]:
        """The blocks on it that may go on with a text.

        Args:
            start: tokens of the text before this block.
            used: tokens of this block that the text has too.
        """
        # What everybody finds may have come after a tenant's own block with the same tokens.
        mixed = self.owner is None and owner is not None
        for at in range(0 if mixed else used, used + 1):
            if start + at < len(keys):
                for whose in (None, owner) if mixed else (owner,):
                    block = self.above.get((whose, at, keys[start + at]))
                    if block is not None:
                        yield block


@dataclass(frozen=True)
class Found:
    """The longest common beginning of a text and what is known.

    Attributes:
        length: its tokens.
        block: the last block of it.
        used: how many of its tokens.
    """

    length: int
    block: Block
    used: int

    def pieces(self) -> list[list[torch.Tensor]]:
        """Of each group of tensors the pieces along the tokens, in order."""
        block, used = self.block, self.used
        pieces: list[list[torch.Tensor]] = [[] for _ in block.parts]
        while block.below is not None:
            for piece, part in zip(pieces, block.parts, strict=True):
                piece.append(part if used == part.shape[2] else part[:, :, :used])
            block, used = block.below, block.at
        return [piece[::-1] for piece in pieces]


class BlockTree:
    """Everything that is known, in the order of its use; whoever calls lets nobody else in."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: dict[str, tuple[Form, Block]] = {}
        # A block comes before the one that it stands on, so that the first is always a leaf.
        self._order: OrderedDict[Block, None] = OrderedDict()

    def form(self, revision: str) -> Form | None:
        """How the tensors of an adapter are packed; None where none are there."""
        known = self._roots.get(revision)
        return known[0] if known is not None else None

    def find(self, revision: str, owner: Owner, keys: Keys) -> Found:
        """The longest beginning of ``keys`` that an owner finds, also within a block."""
        known = self._roots.get(revision)
        best = Found(0, known[1] if known is not None else Block(None, 0, None, (), ()), 0)
        waiting = [(best.block, 0)]
        while waiting:
            block, start = waiting.pop()
            used = _common(block.keys, keys, start)
            if start + used > best.length:
                best = Found(start + used, block, used)
            for following in block.following(owner, keys, start, used):
                waiting.append((following, start + following.at))
        return best

    def use(self, block: Block) -> None:
        """Note that a block and all below it were used."""
        while block.below is not None:
            self._order.move_to_end(block)
            block = block.below

    def add(self, revision: str, owner: Owner, keys: Keys, layers: Layers, form: Form) -> None:
        """Keep what is not there yet; the tensors are copied.

        Args:
            form: of ``layers``, which hold all of ``keys``. Where it is another than before, what
                was there is of another model.
        """
        if self.form(revision) != form:
            self._drop_tree(revision)
            self._roots[revision] = form, Block(None, 0, None, (), ())
        found = self.find(revision, owner, keys)
        block, used, length = found.block, found.used, found.length
        new = form.packed(layers, length, len(keys))
        start = length
        while length < len(keys):
            grows = block.below is not None and block.owner == owner
            grows = grows and used == len(block.keys) < BLOCK
            end = min(len(keys), length + (BLOCK - used if grows else BLOCK))
            its = keys[length:end]
            parts = tuple(part[:, :, length - start : end - start] for part in new)
            if grows:
                pairs = zip(block.parts, parts, strict=True)
                block.parts = tuple(torch.cat(pair, 2) for pair in pairs)
                block.keys += its
            else:
                # A copy: a view would hold on to all that is new.
                copies = tuple(part.clone(memory_format=torch.contiguous_format) for part in parts)
                below, block = block, Block(block, used, owner, its, copies)
                below.above[owner, used, its[0]] = block
                self._order[block] = None
            self.size += sum(part.nbytes for part in parts)
            used, length = len(block.keys), end
        self.use(block)

    def shrink(self, budget: int) -> None:
        """Let leaves go, those first that were used longest ago, down to so many bytes."""
        while self.size > budget:
            self._drop(next(iter(self._order)))

    def forget(self, tenant: str | None = None) -> None:
        """Let all blocks of a tenant go, or all."""
        if tenant is None:
            self._roots.clear()
            self._order.clear()
            self.size = 0
            return
        # Nothing but his own blocks stands on those of a tenant.
        for block in [block for block in self._order if block.owner == tenant]:
            self._drop(block)

    def _drop(self, block: Block) -> None:
        assert block.below is not None
        del self._order[block]
        del block.below.above[block.owner, block.at, block.keys[0]]
        self.size -= block.size

    def _drop_tree(self, revision: str) -> None:
        known = self._roots.pop(revision, None)
        waiting = list(known[1].above.values()) if known is not None else []
        while waiting:
            block = waiting.pop()
            waiting += block.above.values()
            self._drop(block)


def _common(block: Keys, keys: Keys, start: int) -> int:
    """How many keys of a block a text has from ``start`` on."""
    its = keys[start : start + len(block)]
    if its == block:
        return len(block)
    return next((at for at, (a, b) in enumerate(zip(block, its, strict=False)) if a != b), len(its))
