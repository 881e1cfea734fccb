"""The queue in front of the model: bounded, and fair between clients, not between requests."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping

from assistant.batching.rows import Row


class Waiting:
    """Rows that wait, by client; whoever calls holds the scheduler's lock.

    The last quarter of the places is for clients that have nothing in the queue, so that one who
    sends many requests does not shut out all others.

    Args:
        size: rows that may wait.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._lines: OrderedDict[str, deque[Row]] = OrderedDict()  # served longest ago first
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Row]:
        for line in self._lines.values():
            yield from line

    def has_room(self, client: str) -> bool:
        """Whether one more row of a client may wait."""
        kept = self.size // 4 if client in self._lines else 0
        return self._count < self.size - kept

    def put(self, row: Row) -> None:
        """Let a row wait."""
        self._lines.setdefault(row.client, deque()).append(row)
        self._count += 1

    def take(self, running: Mapping[str, int], room: int) -> Row | None:
        """The next row: of the client with the fewest that run, or was served longest ago.

        Args:
            running: rows that run, by client.
            room: tokens that there is room for; a row that is larger is waited for.
        """
        if not self._lines:
            return None
        name = min(self._lines, key=lambda name: running.get(name, 0))  # the first of the least
        line = self._lines[name]
        if line[0].room > room:
            return None
        row = line.popleft()
        self._count -= 1
        self._lines.move_to_end(name)
        if not line:
            del self._lines[name]
        return row

    def drop(self, unwanted: Callable[[Row], bool]) -> list[Row]:
        """Take rows out of the queue."""
        dropped = [row for row in self if unwanted(row)]
        for row in dropped:
            line = self._lines[row.client]
            line.remove(row)
            if not line:
                del self._lines[row.client]
        self._count -= len(dropped)
        return dropped
