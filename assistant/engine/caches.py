"""What the engine never computes twice: encoded pictures, and the keys and values of prefixes.

Both caches are bounded in bytes and forget what was used longest ago. Everything in them belongs to
a scope, the adapter and the tenant that it was computed for, and is found from no other.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from assistant.engine.values import EncodedImage

Scope = tuple[str, str]
"""Adapter and tenant."""

Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]
"""Keys and values of each layer, ``[1, heads, length, head_dim]``."""

Keys = tuple[int | str, ...]
"""What stands at each place of a prompt, see `assistant.engine.prompt.Prompt`."""


@dataclass(frozen=True)
class _Prefix:
    scope: Scope
    keys: Keys
    layers: Layers
    size: int


class PrefixCache:
    """Keys and values of conversations so far; the longest common beginning is reused.

    Args:
        budget: bytes that the tensors may take together; 0 keeps nothing.
    """

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._entries: list[_Prefix] = []  # the latest used last
        self._guard = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        with self._guard:
            return sum(entry.size for entry in self._entries)

    def longest(self, scope: Scope, keys: Keys) -> tuple[int, Layers | None]:
        """The length of the longest known beginning of ``keys``, and its tensors cut to it."""
        with self._guard:
            best, found = 0, None
            for entry in self._entries:
                if entry.scope == scope:
                    length = _common(entry.keys, keys)
                    if length > best:
                        best, found = length, entry
            if found is None:
                return 0, None
            self._entries.remove(found)
            self._entries.append(found)
        return best, tuple((k[:, :, :best], v[:, :, :best]) for k, v in found.layers)

    def put(self, scope: Scope, keys: Keys, layers: Layers, *, only_grown: bool = False) -> None:
        """Keep the tensors of ``keys``; entries that are beginnings of it are dropped.

        Args:
            only_grown: only where such a beginning is still there: what was forgotten stays so.
        """
        size = sum(tensor.nbytes for layer in layers for tensor in layer)
        if size > self.budget:
            return
        new = _Prefix(scope, keys, layers, size)
        with self._guard:
            others = [
                entry
                for entry in self._entries
                if entry.scope != scope or entry.keys != keys[: len(entry.keys)]
            ]
            if only_grown and len(others) == len(self._entries):
                return
            self._entries = [*others, new]
            total = sum(entry.size for entry in self._entries)
            while total > self.budget:
                total -= self._entries.pop(0).size

    def forget(self, tenant: str | None = None) -> None:
        """Drop what was kept for a tenant, or everything."""
        with self._guard:
            self._entries = [
                entry for entry in self._entries if tenant is not None and entry.scope[1] != tenant
            ]


def _common(first: Keys, second: Keys) -> int:
    """Length of the longest common beginning."""
    shortest = min(len(first), len(second))
    if first[:shortest] == second[:shortest]:
        return shortest
    return next(place for place in range(shortest) if first[place] != second[place])


class ImageCache:
    """Encoded pictures by scope and image id, at most ``budget`` bytes of them."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self._entries: OrderedDict[tuple[Scope, str], EncodedImage] = OrderedDict()
        self._size = 0
        self._guard = threading.Lock()

    def get(self, scope: Scope, ids: Sequence[str]) -> dict[str, EncodedImage]:
        """Those of the pictures that are known."""
        found = {}
        with self._guard:
            for id_ in ids:
                entry = self._entries.get((scope, id_))
                if entry is not None:
                    self._entries.move_to_end((scope, id_))
                    found[id_] = entry
        return found

    def put(self, scope: Scope, image: EncodedImage) -> None:
        """Keep a picture."""
        with self._guard:
            old = self._entries.pop((scope, image.id), None)
            self._size -= old.nbytes if old is not None else 0
            self._entries[scope, image.id] = image
            self._size += image.nbytes
            while self._size > self.budget and self._entries:
                self._size -= self._entries.popitem(last=False)[1].nbytes

    def forget(self, tenant: str | None = None) -> None:
        """Drop what was kept for a tenant, or everything."""
        with self._guard:
            for key in [key for key in self._entries if tenant is None or key[0][1] == tenant]:
                self._size -= self._entries.pop(key).nbytes
