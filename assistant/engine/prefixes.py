"""The prefix cache: keys and values of conversations so far; the longest beginning is reused.

What a tenant asked is found by nobody else, since how quickly an answer begins would tell of it.
Only beginnings that are registered as no one's secret, such as the desk's own instructions, are
everybody's. They come to be there whole or not at all: a part of one would tell where somebody's
text parts from it.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import torch

from assistant.engine.blocks import BlockTree, Form
from assistant.engine.caches import Keys, Layers, Scope
from assistant.engine.prefix_files import PrefixFiles

_MOST_SHARED: Final = 32
"""Beginnings that are registered at most; those that were registered longest ago go."""

_log = logging.getLogger(__name__)


@dataclass
class _Shared:
    """A beginning that is everybody's.

    Attributes:
        missing: there is no file of it that could be read.
    """

    missing: bool = False


class PrefixCache:
    """Keys and values by adapter and tenant, in blocks; see `assistant.engine.blocks`.

    Args:
        budget: bytes that the tensors may take together; 0 keeps nothing.
        files: where registered beginnings outlive the process; None: nowhere.
    """

    def __init__(self, budget: int, files: PrefixFiles | None = None) -> None:
        self.budget, self.files = budget, files
        self._tree = BlockTree()
        self._shared: OrderedDict[tuple[str, Keys], _Shared] = OrderedDict()
        self._guard = threading.Lock()
        self._writing: list[threading.Thread] = []

    @property
    def size(self) -> int:
        """Bytes of all tensors."""
        with self._guard:
            return self._tree.size

    def share(self, revision: str, keys: Keys) -> None:
        """Register a beginning that is everybody's who uses an adapter; it must be no secret.

        Args:
            revision: of the adapter.
        """
        with self._guard:
            if keys:
                self._shared.setdefault((revision, keys), _Shared())
                self._shared.move_to_end((revision, keys))
            while len(self._shared) > _MOST_SHARED:
                self._shared.popitem(last=False)

    def longest(self, scope: Scope, keys: Keys) -> tuple[int, Layers | None]:
        """The length of the longest known beginning of ``keys``, and a copy of its tensors."""
        revision, tenant = scope
        self._read_files(revision, keys)
        with self._guard:
            form = self._tree.form(revision)
            found = self._tree.find(revision, tenant, keys)
            if form is None or not found.length:
                return 0, None
            self._tree.use(found.block)
            pieces = found.pieces()
        return found.length, _joined(form, pieces)

    def put(self, scope: Scope, keys: Keys, layers: Layers, *, grown_from: int = 0) -> None:
        """Keep the tensors of ``keys``, copied where they are not there yet.

        Args:
            layers: of these tokens at least.
            grown_from: only where so many of the tokens are still there: what was forgotten
                meanwhile stays so.
        """
        form = Form.of(layers)
        if not keys or form is None or form.token_bytes * len(keys) > self.budget:
            return
        assert layers[0][0].shape[2] >= len(keys), "tokens without keys and values"
        revision, tenant = scope
        with self._guard:
            tree = self._tree
            if tree.form(revision) in (None, form):
                if tree.find(revision, tenant, keys).length < grown_from:
                    return
            elif grown_from:
                return
            known = [beginning for beginning, _ in self._beginnings(revision, keys)]
            new = [beginning for beginning in known if not self._has(revision, beginning)]
            for beginning in new:
                tree.add(revision, None, beginning, layers, form)
            tree.add(revision, tenant, keys, layers, form)
            tree.shrink(self.budget)
        for beginning in new:
            self._write_file(revision, beginning)

    def forget(self, tenant: str | None = None) -> None:
        """Drop what was kept for a tenant, or everything; files of shared beginnings stay."""
        with self._guard:
            self._tree.forget(tenant)

    def settle(self) -> None:
        """Wait until what is being written to files is there."""
        with self._guard:
            writing = list(self._writing)
        for thread in writing:
            thread.join()

    # --- shared beginnings; whoever calls the first two has the guard

    def _beginnings(self, revision: str, keys: Keys) -> list[tuple[Keys, _Shared]]:
        """Those that a text begins with, shorter ones first."""
        found = [
            (beginning, shared)
            for (its, beginning), shared in self._shared.items()
            if its == revision and keys[: len(beginning)] == beginning
        ]
        return sorted(found, key=lambda each: len(each[0]))

    def _has(self, revision: str, beginning: Keys) -> bool:
        return self._tree.find(revision, None, beginning).length == len(beginning)

    def _read_files(self, revision: str, keys: Keys) -> None:
        """Read what a text begins with and is not in memory, once."""
        if self.files is None:
            return
        with self._guard:
            wanted = [
                (beginning, shared)
                for beginning, shared in self._beginnings(revision, keys)
                if not shared.missing and not self._has(revision, beginning)
            ]
        for beginning, shared in wanted:
            layers = self.files.read(revision, beginning)
            form = Form.of(layers) if layers is not None else None
            if layers is None or form is None:
                shared.missing = True
            elif form.token_bytes * len(beginning) <= self.budget:
                with self._guard:
                    # What was computed meanwhile is of this model for certain.
                    if self._tree.form(revision) in (None, form):
                        self._tree.add(revision, None, beginning, layers, form)
                        self._tree.shrink(self.budget)

    def _write_file(self, revision: str, beginning: Keys) -> None:
        """Write a beginning to a file while others go on; the process waits for it at its end."""
        if self.files is None:
            return
        thread = threading.Thread(
            target=self._written, args=(self.files, revision, beginning), name="prefix-file"
        )
        with self._guard:
            self._writing = [each for each in self._writing if each.is_alive()]
            with suppress(RuntimeError):  # Python is about to end
                thread.start()
                self._writing.append(thread)

    def _written(self, files: PrefixFiles, revision: str, beginning: Keys) -> None:
        try:
            with self._guard:
                form = self._tree.form(revision)
                found = self._tree.find(revision, None, beginning)
                if form is None or found.length < len(beginning):
                    return  # it had to go already
                pieces = found.pieces()
                shared = self._shared.get((revision, beginning))
            if files.write(revision, beginning, _joined(form, pieces)) and shared is not None:
                shared.missing = False
        except Exception:  # nobody waits for it, and the next start computes as this one did
            _log.warning("A beginning could not be kept for the next start", exc_info=True)


def _joined(form: Form, pieces: list[list[torch.Tensor]]) -> Layers:
    """Layers of the pieces of each group of tensors; always a copy."""
    return form.unpacked(tuple(torch.cat(piece, 2) for piece in pieces))
