"""What the engine never computes twice: encoded pictures; prefixes are in `prefixes`.

Both caches are bounded in bytes and forget what was used longest ago. What is in them belongs to a
scope, the adapter and the tenant that it was computed for, and is found from no other.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

import torch

from assistant.engine.values import EncodedImage

Scope = tuple[str, str]
"""Adapter and tenant."""

Layers = tuple[tuple[torch.Tensor, torch.Tensor], ...]
"""Keys and values of each layer, ``[1, heads, length, head_dim]``."""

Keys = tuple[int | str, ...]
"""What stands at each place of a prompt, see `assistant.engine.prompt.Prompt`."""


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
