"""The door: which keys open it, what they open, and when it is open to all.

No key at all (none in the settings, none ever made) means that the server is somebody's own, on
their own machine: it answers who calls it there, and nobody else. A page on the web that the
browser of that person shows is somebody else, also where a name was made to point at this machine
(DNS rebinding), and so is what comes through a proxy.

Keys are read from the store every few seconds, all at once: a revoked one is refused after that
time, and no flood of wrong keys reaches the database.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from assistant.api.caller import Caller
from assistant.errors import InputError, StoreError
from assistant.settings import Settings
from assistant.store import SCOPES, ApiKey, KeyLimits, Store
from assistant.store.keys import digest_of, key_id_of

ALL_SCOPES: Final = frozenset(SCOPES)

OPERATOR: Final = "operator"
"""What the audit log calls the key of the settings; the id of a made key is longer."""

# Longest first where one stands inside another. A path that is not here needs a key of any kind.
_NEEDED: Final = (
    ("/v1/images", "images"),
    ("/v1/threads", "threads"),
    ("/v1/tickets", "tickets"),
    ("/v1/knowledge", "knowledge"),
    ("/v1", "chat"),
    ("/mcp", "mcp"),
    ("/metrics", "admin"),
)
_PUBLIC: Final = ("/healthz", "/readyz", "/docs", "/openapi.json", "/widget", "/widget.js")
_LOG = logging.getLogger(__name__)


def is_public(path: str) -> bool:
    """Whether a path is answered without a key; the widget's has tokens of its own."""
    return any(_under(path, start) for start in _PUBLIC)


def scope_of(path: str) -> str | None:
    """What a key needs for a path; None: nothing but to be a key."""
    return next((scope for start, scope in _NEEDED if _under(path, start)), None)


def _under(path: str, start: str) -> bool:
    return path == start or path.startswith(f"{start}/")


def is_loopback(host: str) -> bool:
    """Whether a host that a server listens on is reached from its own machine alone."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def is_own_name(host: str) -> bool:
    """Whether nobody else can have a name that led here: a foreign one may be made to (rebinding).

    Names without a dot are those of one's own machine or network.
    """
    return is_loopback(host) or not ("." in host or ":" in host)


def check_door(settings: Settings, store: Store, host: str) -> None:
    """Before a server starts to listen on a host.

    Raises:
        InputError: others could call it, and there is no key.
        StoreError: the keys cannot be read.
    """
    if is_loopback(host) or settings.api_key is not None or store.api_keys():
        return
    raise InputError(
        f"On {host[:100]} others can call the server, and there is no key yet; make one with "
        f"sightdesk keys create NAME, set SIGHTDESK_API_KEY, or listen on 127.0.0.1."
    )


@dataclass(frozen=True)
class Opened:
    """A key that was accepted."""

    caller: Caller
    limits: KeyLimits = field(default_factory=KeyLimits)


@dataclass(frozen=True)
class _Snapshot:
    keys: dict[str, ApiKey]
    at: float


class Keyring:
    """The keys of a store and of the settings.

    Args:
        fresh_s: how old what was read may be.
        eager_s: how old it must be to be read anew for a key that is not in it.
        stale_s: how old it may be while the store cannot be read.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        fresh_s: float = 2.0,
        eager_s: float = 0.2,
        stale_s: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        secret = settings.api_key
        self._own = None if secret is None else digest_of(secret.get_secret_value())
        self._fresh, self._eager, self._stale = fresh_s, eager_s, stale_s
        self._clock = clock
        self._snapshot: _Snapshot | None = None
        self._used: dict[str, datetime] = {}
        self._noted = clock()
        self._worker: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Write down what was used last."""
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.submit(self._note_use)
            worker.shutdown(wait=True)

    async def is_open(self) -> bool:
        """Whether there is no key at all.

        Raises:
            StoreError: nobody knows.
        """
        return self._own is None and not (await self._keys(self._clock() - self._fresh)).keys

    async def find(self, presented: str) -> Opened | None:
        """Whom a key is of; None: it opens nothing.

        Raises:
            StoreError: nobody knows.
        """
        digest = digest_of(presented)
        if self._own is not None and hmac.compare_digest(digest, self._own):
            return Opened(Caller("", OPERATOR, ALL_SCOPES))
        id = key_id_of(presented)
        if id is None:
            return None
        asked = self._clock()
        found = await self._keys(asked - self._fresh)
        if id not in found.keys and found.at < asked:
            # It may have been made since. All who wait here are served by one query.
            await asyncio.sleep(found.at + self._eager - asked)
            found = await self._keys(asked)
        key = found.keys.get(id)
        if key is None or not hmac.compare_digest(digest, key.digest):
            return None
        now = datetime.now(UTC)
        if not key.opens(now):
            return None
        self._used[id] = now
        return Opened(Caller(key.tenant, id, frozenset(key.scopes) & ALL_SCOPES), key.limits)

    async def _keys(self, since: float) -> _Snapshot:
        found = self._snapshot
        if found is not None and found.at >= since:
            return found
        if self._worker is None:
            # Of its own: where the server's other threads are all busy, the door is not.
            self._worker = ThreadPoolExecutor(1, thread_name_prefix="keys")
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._worker, self._read, since)

    def _read(self, since: float) -> _Snapshot:
        """In the one thread of the worker, so that many who wait are served by one query."""
        found, now = self._snapshot, self._clock()
        if found is not None and found.at >= since:
            return found
        try:
            read = {key.id: key for key in self._store.api_keys()}
        except StoreError as error:
            if found is None or now - found.at > self._stale:
                raise
            _LOG.warning("Keys are not read anew: %s", error)
            return found
        self._snapshot = _Snapshot(read, now)
        if now - self._noted > 60:
            self._note_use()
        return self._snapshot

    def _note_use(self) -> None:
        used, self._used = self._used, {}
        self._noted = self._clock()
        try:
            if used:
                self._store.note_key_use(used)
        except StoreError as error:
            _LOG.warning("When keys were used is not written down: %s", error)


def why_not_open(server: str | None, headers: dict[str, str], origins: tuple[str, ...]) -> str:
    """Why a request is not answered by a server without keys; empty: it is.

    Args:
        server: the address that was called, of the connection.
        headers: of the request, in small letters.
        origins: whose pages may call the server.
    """
    if server is not None and _is_address(server) and not is_loopback(server):
        return "The server has no key and answers its own machine only"
    if "x-forwarded-for" in headers or "forwarded" in headers:
        return "The server has no key and does not answer through a proxy"
    netloc = headers.get("host", "").strip().lower()
    host = netloc[1:].partition("]")[0] if netloc.startswith("[") else netloc.partition(":")[0]
    if not is_own_name(host):
        return "The server has no key and answers to the name localhost only"
    origin = headers.get("origin")
    own = origin is None or origin.lower().partition("://")[2] == netloc
    if not own and origin not in origins:
        return "The server has no key and does not answer to web pages of others"
    return ""


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
