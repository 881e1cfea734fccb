"""Who writes an answer, and whether that process still lives.

An exchange that streams names its writer, so that one whose process was killed is known at once
where it ran on this host, and by its age elsewhere.
"""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

import psutil

# A process's start is computed from the time of boot, which moves when the clock is set.
_SAME_START = 5.0  # seconds


def this_process() -> str:
    """Host, process and start time of the process that calls."""
    return _name(os.getpid())


@cache
def _name(pid: int) -> str:
    return f"{_host()}/{pid}/{psutil.Process(pid).create_time():.0f}"


@cache
def _host() -> str:
    """The host, and the set of processes that is seen from here.

    Containers may share a host's name and see none of each other's processes: what is no process
    here may be one there.
    """
    try:
        # Linux: "pid:[4026531836]".
        processes = Path("/proc/self/ns/pid").readlink().name
    except OSError:
        return platform.node()
    return f"{platform.node()}/{processes.strip('pid:[]')}"


def has_ended(writer: str) -> bool:
    """Whether `writer` surely runs no more: False where it ran on another host."""
    host, pid, started = writer.rsplit("/", 2)
    if host not in (_host(), platform.node()):  # the latter of a row from before
        return False
    try:
        process = psutil.Process(int(pid))
        there: float = process.create_time()
        if abs(there - float(started)) > _SAME_START:
            return True
        # One that was killed stands in the list until whoever started it has looked.
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
