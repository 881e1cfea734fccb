"""Who writes an answer, and whether that process still lives.

An exchange that streams names its writer, so that one whose process was killed is known at once
where it ran on this host, and by its age elsewhere.
"""

from __future__ import annotations

import os
import platform
from functools import cache

import psutil

# A process's start is computed from the time of boot, which moves when the clock is set.
_SAME_START = 5.0  # seconds


def this_process() -> str:
    """Host, process and start time of the process that calls."""
    return _name(os.getpid())


@cache
def _name(pid: int) -> str:
    return f"{platform.node()}/{pid}/{psutil.Process(pid).create_time():.0f}"


def has_ended(writer: str) -> bool:
    """Whether `writer` surely runs no more: False where it ran on another host."""
    host, pid, started = writer.rsplit("/", 2)
    if host != platform.node():
        return False
    try:
        there: float = psutil.Process(int(pid)).create_time()
        return abs(there - float(started)) > _SAME_START
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
