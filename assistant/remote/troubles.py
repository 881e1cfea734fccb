"""What goes wrong with a server elsewhere, in one sentence that says what to do.

Nothing that a server says is believed: its words are cut, made printable, and shown only where it
explains a refusal; a page of HTML never is, nor is the key, should a server repeat it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any, Final

import httpx

from assistant.errors import BusyError, InputError, RemoteError, SightdeskError
from assistant.remote.address import Address

LONGEST_WAIT: Final = 20.0
"""Seconds that a server may ask for before a question is given back instead of asked again."""

_WAIT: Final = 2.0  # where a busy server names no time
_SHOWN: Final = 200


class Passing(Exception):
    """A trouble that may be gone the next time.

    Args:
        error: what is raised where it is not.
        wait: seconds that the server wants to be left alone; None where it names none.
        learned: the next time it is asked in another way.
    """

    def __init__(
        self, error: SightdeskError, wait: float | None = None, *, learned: bool = False
    ) -> None:
        super().__init__(str(error))
        self.error, self.wait, self.learned = error, wait, learned


@dataclass(frozen=True)
class Refusal:
    """What a server said with a status that is no success."""

    status: int
    message: str = ""
    code: str = ""
    param: str = ""


class Troubles:
    """Makes the errors of one server.

    Args:
        address: of it.
        key: that is sent to it, and shown nowhere.
    """

    def __init__(self, address: Address, key: str = "") -> None:
        self._address, self._key = address, key
        self._place = f"The model server at {address.server}"

    def refusal(self, status: int, body: bytes) -> Refusal:
        """What a body says about itself, in OpenAI's shape or one like it."""
        try:
            found = json.loads(body)
        except (ValueError, RecursionError):
            return Refusal(status)
        return self.said(found, status)

    def said(self, found: Any, status: int = 0) -> Refusal:
        """The same of JSON that is read already; a status inside it counts where none is given."""
        error = found.get("error", found) if isinstance(found, dict) else found
        if isinstance(error, str):
            return Refusal(status, self._clean(error))
        if not isinstance(error, dict):
            return Refusal(status)
        text = error.get("message") or error.get("detail") or ""
        code = error.get("code")
        if not status and isinstance(code, int) and 100 <= code < 600:
            status = code
        shown = text if isinstance(text, str) else json.dumps(text)
        return Refusal(
            status, self._clean(shown), str(code or error.get("type") or ""),
            str(error.get("param") or ""),
        )  # fmt: skip

    def of_status(self, refusal: Refusal, headers: httpx.Headers) -> Passing | SightdeskError:
        """The trouble behind a status that is no success."""
        status, told = refusal.status, f" ({refusal.message})" if refusal.message else ""
        wait = _retry_after(headers)
        if status == 429 or (status == 503 and wait is not None):
            busy = BusyError(
                f"{self._place} has too much to do{told}; ask again in a moment.", wait or _WAIT
            )
            return Passing(busy, wait)
        if status >= 500 or status == 408:
            # What it says of itself may be a stack trace.
            return Passing(
                RemoteError(
                    f"{self._place} failed (HTTP {status}); look at its log, or try again."
                ),
                wait,
            )
        if 300 <= status < 400:
            return RemoteError(
                f"{self._place} sends elsewhere (HTTP {status}), which is not followed; set "
                "SIGHTDESK_BASE to the new address."
            )
        if status in (401, 403):
            how = "correct" if self._key else "set"
            return RemoteError(
                f"{self._place} asks for another key (HTTP {status}); {how} SIGHTDESK_BASE_KEY."
            )
        if status == 404 and ("model" in refusal.message.lower() or "model" in refusal.code):
            return RemoteError(
                f"{self._place} does not know the model {self._address.model!r}{told}; correct "
                "SIGHTDESK_BASE."
            )
        if status in (404, 405):
            return RemoteError(
                f"{self._place} answers no questions at this address (HTTP {status}); correct "
                "SIGHTDESK_BASE, whose address mostly ends in /v1."
            )
        if status == 413:
            return InputError(
                f"{self._place} does not take so much at once (HTTP 413); send fewer or smaller "
                "pictures, or start a new conversation."
            )
        return InputError(
            f"{self._place} refused the question (HTTP {status}){told}; shorten it, send fewer "
            "pictures, or look at its log."
        )

    def of_failure(self, error: Exception) -> Passing | SightdeskError:
        """The trouble behind what the client raised."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            late = isinstance(error, httpx.ConnectTimeout)
            reason = "no connection in time" if late else _reason(error)
            return Passing(
                RemoteError(
                    f"{self._place} cannot be reached ({reason}); start it, or correct "
                    "SIGHTDESK_BASE."
                )
            )
        if isinstance(error, httpx.DecodingError):
            return self.garbage()
        if isinstance(error, httpx.TransportError):
            return Passing(
                RemoteError(f"{self._place} broke the connection off; look at its log, or try "
                            "again.")
            )  # fmt: skip
        return RemoteError(f"{self._place} cannot be asked ({_reason(error)}); correct "
                           "SIGHTDESK_BASE.")  # fmt: skip

    def silent(self, seconds: float) -> RemoteError:
        """Not a word in time."""
        return RemoteError(
            f"{self._place} has not begun to answer within {seconds:.0f} s; try again later, or "
            "raise SIGHTDESK_BASE_TIMEOUT."
        )

    def stuck(self) -> RemoteError:
        """It fell silent in the middle, or will not end."""
        return RemoteError(f"{self._place} stopped in the middle of an answer; try again.")

    def broken_off(self) -> RemoteError:
        """The connection ended in the middle."""
        return RemoteError(f"{self._place} broke off in the middle of an answer; try again.")

    def garbage(self) -> RemoteError:
        """What came is not what such servers send."""
        return RemoteError(
            f"What answers at {self._address.server} is no OpenAI-compatible server; correct "
            "SIGHTDESK_BASE, whose address mostly ends in /v1."
        )

    def unformed(self) -> RemoteError:
        """The answer has not the form that was asked for."""
        return RemoteError(
            f"The model {self._address.model!r} does not keep to the form of an answer that is "
            "asked for; use a server with structured outputs, or another model."
        )

    def _clean(self, text: str) -> str:
        if self._key:
            text = text.replace(self._key, "…")
        if "<html" in text[:1_000].lower() or "<!doctype" in text[:1_000].lower():
            return ""
        line = " ".join("".join(c if c.isprintable() else " " for c in text[:2_000]).split())
        return line[:_SHOWN].rstrip(".; ")


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds in ``Retry-After``, which may be a number or a date (RFC 9110, 10.2.3)."""
    said = headers.get("retry-after", "").strip()
    try:
        wait = float(said)
    except ValueError:
        try:
            wait = parsedate_to_datetime(said).timestamp() - time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(wait, 0.0), 86_400.0) if wait == wait else None


def _reason(error: Exception) -> str:
    """Why, in the words of the system, which are the last of a chain."""
    cause: BaseException = error
    while (cause.__cause__ or cause.__context__) is not None and not isinstance(cause, OSError):
        cause = cause.__cause__ or cause.__context__  # type: ignore[assignment]
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    if "Multiple exceptions" in text or "All connection attempts failed" in text:
        text = "connection refused"
    return " ".join(text.split())[:_SHOWN].rstrip(".;")
