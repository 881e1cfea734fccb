"""How often a visitor, and all visitors behind one address, may do something.

One bucket a name, filled at a steady pace; the names that were used last are kept, so that memory
stays bounded however many come.
"""

from __future__ import annotations

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from assistant.api.errors import ApiError

MOST_NAMES: Final = 20_000


@dataclass(frozen=True)
class Pace:
    """So many a minute, and so many at once."""

    a_minute: float
    at_once: float


# An address may be a household, an office or a mobile network; a visitor is one tab.
SESSIONS_ADDRESS: Final = Pace(60, 60)
MESSAGES_VISITOR: Final = Pace(12, 6)
MESSAGES_ADDRESS: Final = Pace(60, 40)
IMAGES_VISITOR: Final = Pace(30, 16)
IMAGES_ADDRESS: Final = Pace(120, 80)
READS_VISITOR: Final = Pace(240, 120)
READS_ADDRESS: Final = Pace(1_200, 600)


class Rates:
    """Buckets by name; safe to use from several threads.

    Args:
        clock: seconds that only grow.
        most: names that are remembered.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, most: int = MOST_NAMES
    ) -> None:
        self._clock, self._most = clock, most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._guard = threading.Lock()

    def take(self, name: str, pace: Pace) -> None:
        """Count one use under a name.

        Raises:
            ApiError: 429 with ``Retry-After``; it came too soon, and was not counted.
        """
        now = self._clock()
        a_second = pace.a_minute / 60
        with self._guard:
            left, since = self._buckets.pop(name, (pace.at_once, now))
            left = min(pace.at_once, left + (now - since) * a_second)
            allowed = left >= 1
            self._buckets[name] = (left - 1 if allowed else left, now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        if not allowed:
            raise too_many((1 - left) / a_second)


def too_many(seconds: float) -> ApiError:
    """429: it may be tried again after so many seconds."""
    wait = max(1, math.ceil(seconds))
    return ApiError(
        429,
        f"That was too much at once; try again in {wait} seconds.",
        code="too_many",
        headers={"Retry-After": str(wait)},
    )


def network(host: str) -> str:
    """What counts as one address: an IPv6 customer has 2^64 of them."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host[:100]
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
