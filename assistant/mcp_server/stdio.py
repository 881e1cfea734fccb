"""A client on standard input and output, which carry nothing but messages, a line each.

Whatever prints in this process, Python's or a C library's, prints to standard error instead: the
file descriptors are exchanged before the first message. A line that is too long is not kept in
memory; whoever sent it is told.
"""

from __future__ import annotations

import asyncio
import io
import os
import re
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import anyio
from mcp import types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from assistant.mcp_server.desks import Office, Visit
from assistant.mcp_server.server import build_server

_PIECE: Final = 2**20
_AN_ID: Final = re.compile(rb'"id"\s*:\s*(\d{1,15}|"[\w.\-]{1,64}")')
_ENDS: Final = 400
"""Bytes at either end of a line that is too long, where its id is looked for."""


@dataclass(frozen=True)
class Pipes:
    """What a client's messages come from and go to."""

    read: BinaryIO
    write: BinaryIO


@contextmanager
def own_pipes() -> Iterator[Pipes]:
    """Take standard input and output for messages alone; give them back at the end."""
    sys.stdout.flush()
    took, told = os.dup(0), os.dup(1)
    shown = sys.stdout
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        os.dup2(nothing, 0)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        # Not buffered in front of the thread that waits in it: a line is there when it is whole.
        with os.fdopen(os.dup(took), "rb") as read, os.fdopen(os.dup(told), "wb") as write:
            yield Pipes(read, write)
    finally:
        sys.stdout = shown
        for kept, number in ((took, 0), (told, 1)):
            os.dup2(kept, number)
            os.close(kept)
        os.close(nothing)


async def serve(office: Office, visit: Visit, pipes: Pipes, *, longest: int) -> None:
    """Answer one client until it closes its end.

    Args:
        longest: bytes of a message; base64 of the largest picture has to fit.
    """
    server = build_server(office, lambda: nullcontext(visit))
    lines = Lines(pipes.read, longest)
    out: Any = anyio.wrap_file(io.TextIOWrapper(pipes.write, encoding="utf-8", newline="\n"))
    async with stdio_server(lines, out) as (read, write):  # type: ignore[arg-type]
        lines.refuse = write.clone()
        async with lines.refuse:
            await server.run(read, write, server.create_initialization_options())


class Lines:
    """The lines of a pipe, none of them longer than `longest` bytes.

    They are read by a thread that ends with the process, since nothing can wake it.
    """

    def __init__(self, pipe: BinaryIO, longest: int) -> None:
        self._pipe, self._longest = pipe, longest
        self.refuse: Any = None
        """Where the answer to a line that is too long goes."""

    async def __aiter__(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        found: asyncio.Queue[bytes | None] = asyncio.Queue(maxsize=4)

        def read() -> None:
            try:
                while True:
                    line = self._line()
                    asyncio.run_coroutine_threadsafe(found.put(line), loop).result()
                    if line is None:
                        return
            except (RuntimeError, OSError, ValueError):
                return  # the loop or the pipe is closed
            except BaseException:
                return  # cancelled with the loop

        threading.Thread(target=read, name="read messages", daemon=True).start()
        while (line := await found.get()) is not None:
            if len(line) > self._longest:
                await self._too_long(line)
            elif line.strip():
                yield line.decode("utf-8", errors="replace")

    def _line(self) -> bytes | None:
        """The next line; None at the end; of one that is too long both ends, still too long."""
        line = self._pipe.readline(self._longest + 1)
        if not line:
            return None
        if len(line) <= self._longest:
            return line
        head, tail = line[:_ENDS], line[-_ENDS:]
        while not tail.endswith(b"\n") and (piece := self._pipe.readline(_PIECE)):
            tail = (tail + piece)[-_ENDS:]
        return head + b" " * (self._longest + 1 - len(head)) + tail

    async def _too_long(self, line: bytes) -> None:
        found = _AN_ID.search(line, len(line) - _ENDS) or _AN_ID.search(line[:_ENDS])
        if found is None or self.refuse is None:
            return
        text = found[1].decode()
        error = types.JSONRPCError(
            jsonrpc="2.0",
            id=text.strip('"') if text.startswith('"') else int(text),
            error=types.ErrorData(
                code=types.INVALID_REQUEST,
                message=f"This message is longer than {self._longest / 2**20:,.4g} MiB; send a "
                "smaller picture.",
            ),
        )
        await self.refuse.send(SessionMessage(types.JSONRPCMessage(error)))
