"""Keys of the server: made, found again, revoked; what is kept of a key does not give it away.

    sk-sd-7k2m9xq4r0ht-<43 letters and digits>
          └ its id     └ 256 random bits

Kept is the SHA-256 of the whole. Slow hashes are for passwords, which can be guessed; nobody goes
through 2**256 keys. Keys belong to tenants; whoever can run the command sees those of all.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select, update

from assistant.errors import InputError, StoreError
from assistant.store.models import ApiKeyRow
from assistant.store.room import Room, now
from assistant.store.text import one_line

SCOPES: Final[dict[str, str]] = {
    "chat": "ask models and the agent, list models, make embeddings",
    "images": "upload pictures and read them",
    "threads": "read and change conversations",
    "tickets": "read, answer and close tickets",
    "knowledge": "search the knowledge base, and change it",
    "mcp": "use the tools over MCP",
    "admin": "read the server's metrics",
}
"""What a key may be allowed to do."""

DEFAULT_SCOPES = ("chat", "images", "threads", "tickets", "knowledge", "mcp")

PREFIX = "sk-sd-"

_ID_LETTERS = string.ascii_lowercase + string.digits
_ID_LENGTH = 12
_SECRET_LETTERS = string.ascii_letters + string.digits
_SECRET_LENGTH = 43  # 62**43 > 2**256
_ID = re.compile(rf"[a-z0-9]{{{_ID_LENGTH}}}")
_KEY = re.compile(rf"{PREFIX}({_ID.pattern})-[A-Za-z0-9]{{{_SECRET_LENGTH}}}")

_MAX_NAME = 100
_MOST = 2**31 - 1


@dataclass(frozen=True)
class KeyLimits:
    """How much a key may ask for; None: as much as comes."""

    requests: int | None = None
    """A minute."""
    received: int | None = None
    """Bytes of requests a minute."""
    tokens: int | None = None
    """Read and written together, a minute."""
    concurrent: int | None = None
    """At once."""


@dataclass(frozen=True)
class ApiKey:
    """A key without what opens the door. Times are in UTC."""

    id: str
    tenant: str
    name: str
    scopes: tuple[str, ...]
    limits: KeyLimits
    created: datetime
    expires: datetime | None
    revoked: datetime | None
    used: datetime | None
    """When it was last used, to the minute or so."""
    digest: str = field(repr=False, default="")
    """SHA-256 of the whole key, hexadecimal."""

    def opens(self, at: datetime) -> bool:
        """Whether it is neither revoked nor expired at this time."""
        return self.revoked is None and (self.expires is None or at < self.expires)


def digest_of(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def key_id_of(key: str) -> str | None:
    """The id inside a key; None: it has not the form of a key."""
    found = _KEY.fullmatch(key)
    return found and found[1]


class Keys(Room):
    """The part of the store that keeps keys."""

    def create_key(
        self,
        name: str,
        *,
        tenant: str = "",
        scopes: Iterable[str] = DEFAULT_SCOPES,
        limits: KeyLimits | None = None,
        expires: timedelta | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key; returns it with its text, which nobody can show again.

        Args:
            name: what people call it.
            scopes: some of `SCOPES`.
            expires: how long it is good for; None: until it is revoked.

        Raises:
            InputError: no name, an unknown scope, a limit below 1 or a time that is over already.
            StoreError: it cannot be written.
        """
        limits = limits or KeyLimits()
        chosen = _known(scopes)
        given = (limits.requests, limits.received, limits.tokens, limits.concurrent)
        if any(each is not None and not 1 <= each <= _MOST for each in given):
            raise InputError(f"A key's limits are numbers from 1 to {_MOST:,}; give such a one.")
        if expires is not None and not timedelta() < expires <= timedelta(days=36_500):
            raise InputError("A key is good for a while between now and 100 years; give another.")
        name = one_line(name, _MAX_NAME)
        if not name:
            raise InputError("A key needs a name, so that you know later whose it is; give one.")
        if tenant != one_line(tenant, _MAX_NAME):
            raise InputError(
                f"A tenant's name is one line of up to {_MAX_NAME} characters; give such a one."
            )
        id = _random(_ID_LETTERS, _ID_LENGTH)
        text = f"{PREFIX}{id}-{_random(_SECRET_LETTERS, _SECRET_LENGTH)}"
        created = now()
        row = ApiKeyRow(
            id=id,
            tenant=tenant,
            name=name,
            digest=digest_of(text),
            scopes=list(chosen),
            requests=limits.requests,
            received=limits.received,
            tokens=limits.tokens,
            concurrent=limits.concurrent,
            created=created,
            expires=None if expires is None else created + expires,
            revoked=None,
            used=None,
        )
        with self.database.write() as session:
            session.add(row)
            session.flush()
            return _value(row), text

    def api_keys(self, *, tenant: str | None = None) -> list[ApiKey]:
        """All keys, or those of a tenant, also revoked ones, the oldest first.

        Raises:
            StoreError: they cannot be read.
        """
        query = select(ApiKeyRow).order_by(ApiKeyRow.created, ApiKeyRow.id)
        if tenant is not None:
            query = query.where(ApiKeyRow.tenant == tenant)
        with self.database.read() as session:
            return [_value(row) for row in session.scalars(query)]

    def revoke_key(self, id: str) -> ApiKey:
        """Let a key open nothing any more; one that is revoked already stays as it is.

        Args:
            id: of the key; the whole key is taken too.

        Raises:
            StoreError: there is no such key, or it cannot be written.
        """
        id = key_id_of(id) or id
        if not _ID.fullmatch(id):
            raise _no_key(id)
        with self.database.write() as session:
            row = session.get(ApiKeyRow, id, with_for_update=True)
            if row is None:
                raise _no_key(id)
            if row.revoked is None:
                row.revoked = now()
                session.flush()
            return _value(row)

    def note_key_use(self, used: Mapping[str, datetime]) -> None:
        """Write down when keys, by their ids, were last used.

        Raises:
            StoreError: it cannot be written.
        """
        with self.database.write() as session:
            for id, at in used.items():
                session.execute(
                    update(ApiKeyRow)
                    .where(ApiKeyRow.id == id)
                    .values(used=at)
                    .execution_options(synchronize_session=False)
                )


def _known(scopes: Iterable[str]) -> tuple[str, ...]:
    given = set(scopes)
    if unknown := sorted(given - set(SCOPES)):
        raise InputError(
            f"No scope is called {one_line(unknown[0], 50)}; give some of {', '.join(SCOPES)}."
        )
    if not given:
        raise InputError(f"A key without a scope opens nothing; give some of {', '.join(SCOPES)}.")
    return tuple(scope for scope in SCOPES if scope in given)


def _no_key(id: str) -> StoreError:
    return StoreError(f"There is no key {one_line(id, 20)}; sightdesk keys list shows their ids.")


def _random(letters: str, length: int) -> str:
    return "".join(secrets.choice(letters) for _ in range(length))


def _value(row: ApiKeyRow) -> ApiKey:
    return ApiKey(
        id=row.id,
        tenant=row.tenant,
        name=row.name,
        scopes=tuple(row.scopes),
        limits=KeyLimits(row.requests, row.received, row.tokens, row.concurrent),
        created=row.created,
        expires=row.expires,
        revoked=row.revoked,
        used=row.used,
        digest=row.digest,
    )
