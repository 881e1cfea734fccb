"""Progress notifications: what is being done, at most a few times a second.

A client that gave no token gets none. The numbers only grow, as the protocol wants it; how much is
left is seldom known, and then each notification comes a little nearer to the total of 1.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import anyio

if TYPE_CHECKING:
    from mcp.server.session import ServerSession

EVERY_S: Final = 0.2
BEAT_S: Final = 2.0
"""What takes long is said to go on this often, so that a client's clock starts anew."""
LONGEST: Final = 200
"""Characters of a message."""

_STEP: Final = 0.05  # of what is left, where nobody knows how much that is


class Progress:
    """Tells one request's client how far it is; `tell` may be called from any thread.

    Args:
        token: the client's for this request; None: it does not want to know.
        request_id: of the request, so that its own stream carries it.
    """

    def __init__(self, session: ServerSession, token: str | int | None, request_id: str) -> None:
        self._session, self._token, self._request_id = session, token, request_id
        self._message, self._fraction = "", 0.0
        self._sent = 0.0
        self._watched: Callable[[], tuple[str, float | None]] | None = None
        self._task: asyncio.Task[None] | None = None

    def tell(self, message: str, fraction: float | None = None) -> None:
        """Say what is being done now, and how much of the request is: 0 to 1."""
        self._watched = None
        self._message = _short(message)
        if fraction is not None:
            self._fraction = fraction

    def watch(self, told: Callable[[], tuple[str, float | None]]) -> None:
        """Say from now on what this says, until something else is told."""
        self._watched = told

    async def __aenter__(self) -> Progress:
        if self._token is not None:
            self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: Any) -> None:
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        said, at = "", -BEAT_S
        while True:
            message, fraction = self._now()
            if (message and message != said) or time.monotonic() - at >= BEAT_S:
                said, at = message, time.monotonic()
                try:
                    await self._send(message or "Working", fraction)
                except (anyio.ClosedResourceError, anyio.BrokenResourceError):
                    return  # the client is gone
            await asyncio.sleep(EVERY_S)

    def _now(self) -> tuple[str, float]:
        if self._watched is None:
            return self._message, self._fraction
        message, fraction = self._watched()
        # Loading is at most the first half of a request.
        return _short(message), 0.5 * min(max(fraction or 0.0, 0.0), 1.0)

    async def _send(self, message: str, fraction: float) -> None:
        least = self._sent + _STEP * (1.0 - self._sent)
        self._sent = min(max(fraction, least), 0.999) if fraction > least else least
        await self._session.send_progress_notification(
            self._token if self._token is not None else "",
            self._sent,
            total=1.0,
            message=message,
            related_request_id=self._request_id,
        )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"…{line[1 - LONGEST :]}"
