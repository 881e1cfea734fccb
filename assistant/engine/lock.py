"""The engine's lock: one thread at a time has the model, and with it all of the processor.

Who waits gets it in turn, one client after the other, whatever number of requests each has. What
writes answers for many clients at once (`assistant.batching`) goes by *steps* and shares the time
with everybody else's work: neither waits long for the other.

torch computes with OpenMP, and each thread that calls it gets helpers of its own, which stay. GNU's
OpenMP counts them: where the helpers of all threads together are more than the processor has cores,
each goes to sleep after every product instead of waiting a moment for the next one, and an answer
takes almost twice as long. So a thread that gives the model away sends its helpers home; new ones
are there in a fifth of a millisecond.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Final

client: ContextVar[str] = ContextVar("client", default="")
"""Who asks, for turns to be taken fairly; empty where nobody says."""

_MAPS = Path("/proc/self/maps")
_SOFT = 1  # omp_pause_soft: nothing but the threads is given up

# Seconds that steps and other work can be ahead of each other: what was long ago does not count.
_STEPS_AHEAD: Final = 0.1
_WORK_AHEAD: Final = 0.5


class _Waiting:
    """A thread in front of the model; ``called`` is released when its turn comes."""

    def __init__(self) -> None:
        self.thread = threading.get_ident()
        self.called = threading.Lock()
        self.called.acquire()
        self.has_it = False


class ModelLock:
    """As `threading.RLock`, but fair; who gives it away has no helpers any more."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._owner: int | None = None
        self._depth = 0  # of whoever has the lock
        self._line: OrderedDict[str, deque[_Waiting]] = OrderedDict()  # the next client first
        self._steps: _Waiting | None = None
        self._stepping = False  # whether it is steps that have the model
        self._since = 0.0
        self._balance = 0.0  # seconds that other work is ahead of steps

    def acquire(self, blocking: bool = True, timeout: float = -1, *, steps: bool = False) -> bool:
        """Take the model, or wait for it.

        Args:
            timeout: seconds to wait at most; negative: as long as it takes.
            steps: for the one thread that writes answers in steps.
        """
        me = threading.get_ident()
        with self._guard:
            if self._owner == me:
                self._depth += 1
                return True
            if self._owner is None:
                self._hand_over(me, steps)
                return True
            if not blocking:
                return False
            waiting = _Waiting()
            name = client.get()
            if steps:
                self._steps = waiting
            else:
                self._line.setdefault(name, deque()).append(waiting)
        try:
            if waiting.called.acquire(timeout=timeout):
                return True
        except BaseException:  # an interrupt from the keyboard
            if not self._leave(waiting, name):
                self.release()
            raise
        return not self._leave(waiting, name)

    def release(self) -> None:
        """Give the model away; whose turn it is has it at once."""
        if self._owner != threading.get_ident():
            raise RuntimeError("the model is somebody else's")
        if self._depth > 1:
            self._depth -= 1
            return
        dismiss_helpers()
        with self._guard:
            self._account()
            following = self._next()
            if following is None:
                self._owner, self._depth = None, 0
            else:
                steps = following is self._steps
                if steps:
                    self._steps = None
                self._hand_over(following.thread, steps)
                following.has_it = True
                following.called.release()

    @property
    def due(self) -> bool:
        """Whether whoever has the model for steps should give it to those who wait."""
        if not self._line:
            return False
        with self._guard:
            self._account()
            return bool(self._line) and self._balance <= 0

    def __enter__(self) -> ModelLock:
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    # --- the guard is held

    def _hand_over(self, thread: int, steps: bool) -> None:
        self._owner, self._depth = thread, 1
        self._stepping, self._since = steps, time.perf_counter()

    def _account(self) -> None:
        """Note what time has passed for whoever has the model."""
        now = time.perf_counter()
        spent, self._since = now - self._since, now
        balance = self._balance - spent if self._stepping else self._balance + spent
        self._balance = min(max(balance, -_STEPS_AHEAD), _WORK_AHEAD)

    def _next(self) -> _Waiting | None:
        """Whose turn it is; taken out of the line, unless it is steps."""
        if self._steps is not None and (self._balance > 0 or not self._line):
            return self._steps
        if not self._line:
            return None
        name, line = self._line.popitem(last=False)
        following = line.popleft()
        if line:
            self._line[name] = line  # behind all other clients
        return following

    # --- end of what needs it

    def _leave(self, waiting: _Waiting, name: str) -> bool:
        """Stop waiting; False where the model came meanwhile."""
        with self._guard:
            if waiting.has_it:
                return False
            if self._steps is waiting:
                self._steps = None
                return True
            line = self._line[name]
            line.remove(waiting)
            if not line:
                del self._line[name]
            return True


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
