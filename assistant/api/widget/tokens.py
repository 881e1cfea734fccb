"""Who a visitor of the widget is, as long as nobody can say it in their stead.

A token is a JSON web token signed with HMAC-SHA256 (RFC 7519, HS256): the visitor's random id, the
tenant, the origin of the page that it was given to, and when it ends. It is renewed while the tab
is open. A picture that a visitor may see goes by its id and a signature for that visitor.

The secret is `Settings.widget_secret`, else one that is made once and kept in the data folder,
which replicas share.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jwt

from assistant.errors import StoreError
from assistant.settings import Settings

LIVES_S: Final = 30 * 60
RENEWED_WITHIN_S: Final = 12 * 3600
"""After its end, a token opens nothing but a new one: a laptop sleeps longer than a token lives."""

LONGEST_S: Final = 7 * 86_400
"""From a visitor's first token to the last."""

MOST_CHARS: Final = 2_000
_ISSUER: Final = "sightdesk-widget"
_FILE: Final = "widget.key"
_HANDLE: Final = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{32})")
_VISITOR: Final = re.compile(r"[0-9a-f]{16}")


class BadTokenError(Exception):
    """A token that opens nothing; `expired` where it did once."""

    def __init__(self, *, expired: bool = False) -> None:
        super().__init__("expired" if expired else "not valid")
        self.expired = expired


@dataclass(frozen=True)
class Visitor:
    """Somebody at a page.

    Attributes:
        id: 16 hexadecimal digits, with which the ids of all their conversations begin.
        origin: of the page.
        born: when they got their first token, in seconds since 1970.
    """

    id: str
    tenant: str
    origin: str
    born: int

    @property
    def name(self) -> str:
        """Names one client, for fairness in the engine's queue."""
        return f"{self.tenant}//{self.id}"

    def thread_id(self, own: str) -> str:
        """A conversation's id in the store, of the 16 digits that the visitor calls it by."""
        return f"{self.id}{own}"


class Tokens:
    """Gives tokens and reads them.

    Args:
        secret: at least 32 bytes.
    """

    def __init__(self, secret: bytes) -> None:
        self._tokens = _derived(secret, b"tokens")
        self._pictures = _derived(secret, b"pictures")

    @classmethod
    def open(cls, settings: Settings) -> Tokens:
        """With the secret of the settings, or of the data folder.

        Raises:
            StoreError: it cannot be kept there.
        """
        given = settings.widget_secret
        if given is not None:
            return cls(given.get_secret_value().encode())
        return cls(kept_secret(settings.data_dir))

    def visitor(self, tenant: str, origin: str) -> Visitor:
        """Somebody new."""
        return Visitor(secrets.token_hex(8), tenant, origin, int(time.time()))

    def issue(self, visitor: Visitor, *, lives_s: float = LIVES_S) -> str:
        """A token for a visitor, from now on."""
        now = int(time.time())
        claims = {
            "iss": _ISSUER,
            "sub": visitor.id,
            "aud": visitor.origin,
            "tenant": visitor.tenant,
            "born": visitor.born,
            "iat": now,
            "exp": now + int(lives_s),
        }
        return jwt.encode(claims, self._tokens, algorithm="HS256")

    def read(self, token: str, *, late_s: float = 0.0) -> Visitor:
        """Whose token it is.

        Args:
            late_s: how long after its end it is still taken.

        Raises:
            BadTokenError: it was not given by this desk, or has ended.
        """
        if len(token) > MOST_CHARS:
            raise BadTokenError
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                self._tokens,
                algorithms=["HS256"],
                issuer=_ISSUER,
                leeway=late_s,
                options={"require": ["exp", "iat", "sub", "aud"], "verify_aud": False},
            )
            visitor = Visitor(claims["sub"], claims["tenant"], claims["aud"], int(claims["born"]))
        except jwt.ExpiredSignatureError:
            raise BadTokenError(expired=True) from None
        except (jwt.InvalidTokenError, KeyError, TypeError, ValueError):
            raise BadTokenError from None
        if not _VISITOR.fullmatch(visitor.id):
            raise BadTokenError
        return visitor

    def renewable(self, token: str, tenant: str, origin: str) -> Visitor | None:
        """The visitor who may have a new token for this one; None: they come as somebody new."""
        try:
            visitor = self.read(token, late_s=RENEWED_WITHIN_S)
        except BadTokenError:
            return None
        same = visitor.origin == origin and visitor.tenant == tenant
        return visitor if same and time.time() - visitor.born < LONGEST_S else None

    # --- pictures

    def picture(self, visitor: Visitor, image_id: str) -> str:
        """The name under which a visitor may see a picture."""
        return f"{image_id}.{self._mark(visitor, image_id)}"

    def picture_id(self, visitor: Visitor, name: str) -> str | None:
        """The image id of such a name; None where it is not one of this visitor's."""
        found = _HANDLE.fullmatch(name)
        if found is None or not hmac.compare_digest(found[2], self._mark(visitor, found[1])):
            return None
        return found[1]

    def _mark(self, visitor: Visitor, image_id: str) -> str:
        said = "\0".join((visitor.tenant, visitor.id, image_id)).encode()
        return hmac.digest(self._pictures, said, "sha256").hex()[:32]


def kept_secret(folder: Path) -> bytes:
    """The secret of a data folder, made where there is none; two processes get the same.

    Raises:
        StoreError: it cannot be written or read.
    """
    path = folder / _FILE
    try:
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            handle, made = tempfile.mkstemp(prefix=f".{_FILE}-", dir=folder)  # mode 0600
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(secrets.token_hex(32).encode())
                with suppress(FileExistsError):
                    os.link(made, path)
            finally:
                os.unlink(made)
        secret = path.read_bytes().strip()
    except OSError as error:
        raise StoreError(
            f"The widget's key {path} cannot be kept ({error.strerror}): make the folder writable, "
            "or set SIGHTDESK_WIDGET_SECRET."
        ) from error
    if len(secret) < 32:
        raise StoreError(f"The widget's key {path} is damaged: delete it to have a new one made.")
    return secret


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """A key for one purpose, so that no signature passes for one of another kind."""
    return hmac.digest(hashlib.sha256(secret).digest(), b"sightdesk/widget/" + purpose, "sha256")
