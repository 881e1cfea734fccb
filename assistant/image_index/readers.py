"""Threads that read, hash and open files ahead of the embedding, within a bound of memory.

Decoding and hashing release Python's lock, so they run beside the embedding, which is the longest
part. Opened pictures are large (36 MB at 12 megapixels): a thread opens the next one only while
those that wait take less than `MOST_BYTES`.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from queue import Empty, Full, Queue
from typing import Generic, TypeVar

Given = TypeVar("Given")
Got = TypeVar("Got")

MOST_BYTES = 512 * 2**20
"""Of pixels that wait to be embedded; one picture a thread may come on top."""

_WAITING = 256
_LOOK_AGAIN = 0.1  # seconds


class Room:
    """How many bytes are held, and who waits until they are fewer."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._held = 0
        self._closed = False
        self._changed = threading.Condition()

    def wait(self) -> None:
        """Wait until there is room."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._held < self.most)

    def take(self, count: int) -> None:
        """Hold so many bytes more."""
        with self._changed:
            self._held += count

    def give(self, count: int) -> None:
        """Hold so many bytes less."""
        with self._changed:
            self._held -= count
            self._changed.notify_all()

    def close(self) -> None:
        """Let all go on who wait."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


class Readers(Generic[Given, Got]):
    """Work on things in threads; the results come as they are done, in no certain order.

    Args:
        work: called in a thread for each thing. What it raises ends `results`.
        things: what is worked on.
        threads: how many; as many as there are cores by default.
    """

    def __init__(
        self, work: Callable[[Given], Got], things: Sequence[Given], threads: int | None = None
    ) -> None:
        self._work, self._things, self._next = work, things, iter(things)
        self._taking = threading.Lock()
        self._closed = threading.Event()
        self._done: Queue[Got | BaseException] = Queue(_WAITING)
        count = min(threads or cores(), max(1, len(things)))
        self._threads = [
            threading.Thread(target=self._run, name="sightdesk-reader", daemon=True)
            for _ in range(count)
        ]
        for thread in self._threads:
            thread.start()

    def results(self) -> Iterator[Got]:
        """What `work` gave, one for each thing."""
        for _ in self._things:
            result = self._done.get()
            if isinstance(result, BaseException):
                raise result
            yield result

    def close(self) -> None:
        """Begin nothing more, and wait for what is under way."""
        self._closed.set()
        for thread in self._threads:
            thread.join()
        while True:
            try:
                self._done.get_nowait()
            except Empty:
                return

    def _run(self) -> None:
        while not self._closed.is_set():
            with self._taking:
                try:
                    thing = next(self._next)
                except StopIteration:
                    return
            result: Got | BaseException
            try:
                result = self._work(thing)
            except BaseException as error:  # told to whoever asks for the results
                result = error
            while not self._closed.is_set():
                try:
                    self._done.put(result, timeout=_LOOK_AGAIN)
                    break
                except Full:
                    continue


def cores() -> int:
    """Cores that this process may use, at most 16."""
    try:
        return min(16, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on macOS and Windows
        return min(16, os.cpu_count() or 1)
