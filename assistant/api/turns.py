"""Turns at what is dear: embedders, and room for pictures that are decoded for them."""

from __future__ import annotations

import threading
from typing import Final

from assistant.api.watch import Watch

EMBEDDING: Final = threading.BoundedSemaphore(2)
"""Batches that are embedded at a time."""

OPENING: Final = threading.BoundedSemaphore(4)
"""Requests whose pictures are decoded at a time, a few of each."""


class Turn:
    """One of a few turns; a client that goes does not wait for it.

    Args:
        among: how many there are at a time.
        watch: of the request.

    Raises, when entered:
        GoneError: the client has gone.
    """

    def __init__(self, among: threading.BoundedSemaphore, watch: Watch) -> None:
        self._among, self._watch = among, watch

    def __enter__(self) -> None:
        while not self._among.acquire(timeout=0.1):
            self._watch.check()
        if self._watch.gone.is_set():
            self._among.release()
            self._watch.check()

    def __exit__(self, *_: object) -> None:
        self._among.release()
