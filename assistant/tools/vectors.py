"""Vectors by image id, in a file of the cache: what they were made of can be read again."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assistant.whole_file import whole_file

Vector = NDArray[np.float32]

_LOG = logging.getLogger(__name__)
_ID_BYTES = 32


class KeptVectors:
    """Vectors of one embedder and one owner, the latest that were written.

    Args:
        folder: where the file is.
        key: what the vectors were made with and for whom; another key is another file.
    """

    def __init__(self, folder: Path, key: str) -> None:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        self.path = folder / f"{digest[:32]}.safetensors"
        self._lock = threading.Lock()
        self._known: dict[str, Vector] | None = None

    def read(self) -> dict[str, Vector]:
        """Float32 [d] by image id; empty where nothing was written, or the file is damaged."""
        with self._lock:
            if self._known is None:
                self._known = _read(self.path)
            return dict(self._known)

    def write(self, vectors: Mapping[str, Vector]) -> None:
        """Keep these and no others; a disk that is full costs only that they are made again."""
        with self._lock:
            self._known = dict(vectors)
            try:
                _write(self.path, self._known)
            except OSError as error:
                _LOG.warning("The vectors of product pictures were not kept: %s", error)


def _read(path: Path) -> dict[str, Vector]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        found = load(path.read_bytes())
        ids, vectors = found["ids"], found["vectors"]
    except (OSError, SafetensorError, KeyError, ValueError, TypeError):
        return {}
    fits = ids.ndim == vectors.ndim == 2 and len(ids) == len(vectors)
    if not fits or ids.dtype != np.uint8 or ids.shape[1] != _ID_BYTES:
        return {}
    rows = vectors.astype(np.float32)
    return {id.tobytes().hex(): row for id, row in zip(ids, rows, strict=True)}


def _write(path: Path, vectors: Mapping[str, Vector]) -> None:
    """Write the file whole, in the place of what was there.

    Raises:
        OSError: it cannot be written.
    """
    from safetensors.numpy import save

    if not vectors:
        path.unlink(missing_ok=True)
        return
    ids = np.frombuffer(bytes.fromhex("".join(vectors)), np.uint8).reshape(len(vectors), -1)
    data = save({"ids": ids, "vectors": np.stack(list(vectors.values()))})
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as part:
        part.write_bytes(data)
