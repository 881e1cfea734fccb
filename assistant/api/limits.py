"""How much a client may ask for: requests, bytes and tokens a minute, requests at once.

Buckets that fill up evenly: a client that was quiet may ask for a minute's worth at once. Bytes and
tokens are known only afterwards, so that a bucket can owe some; who owes waits until it is paid
back. Each process counts for itself: n replicas let n times as much through.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from assistant.api.errors import ApiError
from assistant.store.keys import KeyLimits

MINUTE: Final = 60.0

_MAX_CLIENTS: Final = 20_000
"""Whose buckets are kept; one that is forgotten is full again."""


@dataclass
class Bucket:
    """As much as `size` a minute.

    Args:
        size: what it holds when it is full.
        now: seconds on any clock that only goes forward.
    """

    size: int
    now: float
    level: float = field(init=False)

    def __post_init__(self) -> None:
        self.level = float(self.size)

    def fill(self, now: float) -> float:
        """What is in it now."""
        gained = max(0.0, now - self.now) * self.size / MINUTE
        self.level, self.now = min(float(self.size), self.level + gained), now
        return self.level

    def wait(self, wanted: float) -> float:
        """Seconds until it holds so much."""
        return max(0.0, wanted - self.level) * MINUTE / self.size


@dataclass
class _Client:
    limits: KeyLimits
    buckets: dict[str, Bucket]
    running: int = 0


class Limiter:
    """Counts what each client asks for; for one event loop.

    Args:
        clock: gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    def enter(self, name: str, limits: KeyLimits) -> dict[str, str]:
        """Let a request in, which `leave` must follow; returns headers that say what is left.

        Raises:
            ApiError: 429, it must wait; nothing was counted.
        """
        client = self._client(name, limits)
        now = self._clock()
        if limits.concurrent is not None and client.running >= limits.concurrent:
            raise _refused("requests at once", limits.concurrent, 1.0, {}, "")
        for bucket in client.buckets.values():
            bucket.fill(now)
        told = _told(client.buckets)
        for kind, bucket in client.buckets.items():
            # Less than one is none: what a request costs of the others is known afterwards.
            if bucket.level < 1:
                raise _refused(f"{kind} a minute", bucket.size, bucket.wait(1), told, kind)
        if "requests" in client.buckets:
            client.buckets["requests"].level -= 1
        client.running += 1
        return _told(client.buckets)

    def spend(self, name: str, kind: str, amount: float) -> None:
        """Count `bytes` or `tokens` that a request has used."""
        client = self._clients.get(name)
        if client is not None and kind in client.buckets:
            bucket = client.buckets[kind]
            bucket.fill(self._clock())
            bucket.level -= amount

    def leave(self, name: str) -> None:
        """A request is over."""
        client = self._clients.get(name)
        if client is not None:
            client.running -= 1

    def _client(self, name: str, limits: KeyLimits) -> _Client:
        client = self._clients.get(name)
        if client is None or client.limits != limits:
            sizes = {
                "requests": limits.requests,
                "bytes": limits.received,
                "tokens": limits.tokens,
            }
            now = self._clock()
            buckets = {kind: Bucket(size, now) for kind, size in sizes.items() if size}
            client = _Client(limits, buckets, client.running if client else 0)
            self._clients[name] = client
        self._clients.move_to_end(name)
        if len(self._clients) > _MAX_CLIENTS:
            self._forget()
        return client

    def _forget(self) -> None:
        """Drop who has not asked for longest and has nothing running."""
        for name, client in self._clients.items():
            if client.running == 0:
                del self._clients[name]
                return


def _told(buckets: dict[str, Bucket]) -> dict[str, str]:
    """As OpenAI tells it: https://platform.openai.com/docs/guides/rate-limits."""
    headers: dict[str, str] = {}
    for kind in ("requests", "tokens"):
        bucket = buckets.get(kind)
        if bucket is not None:
            headers[f"x-ratelimit-limit-{kind}"] = str(bucket.size)
            headers[f"x-ratelimit-remaining-{kind}"] = str(max(0, math.floor(bucket.level)))
            headers[f"x-ratelimit-reset-{kind}"] = _span(bucket.wait(bucket.size))
    return headers


def _span(seconds: float) -> str:
    """As ``6m0s``, ``1.5s`` or ``20ms``."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:.3g}s"


def _refused(what: str, most: int, wait: float, headers: dict[str, str], kind: str) -> ApiError:
    seconds = max(1, math.ceil(wait))
    return ApiError(
        429,
        f"This key may ask for {most:,} {what}, and has; try again in {seconds} s.",
        # OpenAI names the bucket that is empty here.
        kind or "requests",
        "rate_limit_exceeded",
        headers=headers | {"Retry-After": str(seconds)},
    )
