"""The engine's lock: one thread at a time has the model, and with it all of the processor.

torch computes with OpenMP, and each thread that calls it gets helpers of its own, which stay. GNU's
OpenMP counts them: where the helpers of all threads together are more than the processor has cores,
each goes to sleep after every product instead of waiting a moment for the next one, and an answer
takes almost twice as long. So a thread that gives the model away sends its helpers home; new ones
are there in a fifth of a millisecond.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path

_MAPS = Path("/proc/self/maps")
_SOFT = 1  # omp_pause_soft: nothing but the threads is given up


class ModelLock:
    """As `threading.RLock`; who gives it away has no helpers any more."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._depth = 0  # of whoever has the lock

    def acquire(self, blocking: bool = True) -> bool:
        taken = self._lock.acquire(blocking)
        if taken:
            self._depth += 1
        return taken

    def release(self) -> None:
        if self._depth == 1:
            dismiss_helpers()
        self._depth -= 1
        self._lock.release()

    def __enter__(self) -> ModelLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def dismiss_helpers() -> None:
    """Send the helpers of this thread home, where GNU's OpenMP has them."""
    for pause in _pauses():
        pause(_SOFT)


@cache
def _pauses() -> tuple[Callable[[int], int], ...]:
    """`omp_pause_resource_all` (OpenMP 5.0, section 3.2.43) of each GNU OpenMP in this process."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    files = {line.split(maxsplit=5)[-1] for line in lines if "libgomp" in line}
    found = []
    for file in sorted(files):
        try:
            found.append(ctypes.CDLL(file).omp_pause_resource_all)
        except (OSError, AttributeError):  # gone meanwhile, or older than OpenMP 5.0
            continue
    return tuple(found)
