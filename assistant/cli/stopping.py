"""Ctrl-C while a command has pictures under way: the first ends it gently, the second at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def stops_gently() -> Iterator[threading.Event]:
    """The event is set by the first Ctrl-C; outside the main thread it never is."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def interrupt(_number: int, _frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # Not by way of a stream, which may be writing at this moment.
        with suppress(OSError):
            os.write(2, b"\nEnding after the pictures under way; Ctrl-C again ends at once.\n")

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
