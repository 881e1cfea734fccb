"""The webhook: what happens to tickets, posted as signed JSON to an address of the operator's.

`assistant.store.deliveries` says what is to be posted. Here it is: at least once, in order for each
ticket, under the same id and with the same body at each try. A receiver checks the signature and
passes over ids that it has seen:

    Sightdesk-Delivery: 3b323f36befc4e17a77a32ad136da2cc
    Sightdesk-Event: ticket.opened              or ticket.message
    Sightdesk-Signature: t=1767225600,v1=<hexadecimal HMAC-SHA256 of "t.body">

Only `webhook_url` of the settings is called; redirects are not followed, answers are not read.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import random
import ssl
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from assistant.errors import InputError, StoreError
from assistant.settings import Settings, get_settings
from assistant.store import Delivery, Store

if TYPE_CHECKING:
    import httpx

MAX_ATTEMPTS = 30
"""A call that failed so often, over most of a day, is given up."""

FIRST_WAIT, LONGEST_WAIT = 5.0, 3600.0
"""Seconds before the second try, and before a late one."""

TRY_SECONDS = 20.0
"""For one call, from the connection to the answer's headers."""

LEASE_SECONDS = 60.0
"""How long a call that is being made is nobody else's; longer than it may take."""

EVERY_SECONDS = 5.0
"""How often `Courier` looks for what is due."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivered:
    """What one round did."""

    done: int = 0
    failed: int = 0
    """To be tried again."""
    dead: int = 0
    """Given up."""


def deliver_due(
    settings: Settings | None = None, *, store: Store | None = None, limit: int = 100
) -> Delivered:
    """Post what is due now, each once.

    Args:
        settings: `webhook_url` and `webhook_secret`; without an address nothing is done.
        store: an open one; by default it is opened for this.
        limit: how many at most.

    Raises:
        InputError: there is an address and no secret.
        StoreError: the store cannot be opened, read or written.
    """
    settings = settings or get_settings()
    if settings.webhook_url is None:
        return Delivered()
    if settings.webhook_secret is None:
        raise InputError(
            "SIGHTDESK_WEBHOOK_URL is set without SIGHTDESK_WEBHOOK_SECRET; set one of at least 16 "
            "characters, which the receiver checks the signature with."
        )
    if store is None:
        with Store.open(settings) as opened:
            return deliver_due(settings, store=opened, limit=limit)
    done = failed = dead = 0
    for _ in range(limit):
        delivery = store.claim_delivery(LEASE_SECONDS)
        if delivery is None:
            break
        outcome = _deliver(store, settings, delivery)
        done += outcome == "done"
        failed += outcome == "failed"
        dead += outcome == "dead"
    return Delivered(done, failed, dead)


def _deliver(store: Store, settings: Settings, delivery: Delivery) -> str:
    try:
        body = payload(store, delivery)
    except StoreError:
        # It was deleted since: there is nothing left to tell, and no row to mark.
        return "gone"
    trouble, wait = asyncio.run(_post(settings, delivery, body))
    if trouble is None:
        store.end_delivery(delivery)
        return "done"
    if delivery.attempts >= MAX_ATTEMPTS:
        store.end_delivery(delivery, error=trouble)
        _LOG.warning("The webhook was not told of ticket %s: %s", delivery.ticket_id, trouble)
        return "dead"
    pause = max(wait, backoff(delivery.attempts))
    again = datetime.now(UTC) + timedelta(seconds=min(pause, LONGEST_WAIT))
    store.end_delivery(delivery, error=trouble, again=again)
    return "failed"


def backoff(attempts: int) -> float:
    """Seconds to wait after so many tries: doubled each time, and between half and all of that."""
    whole = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(attempts - 1, 60))
    return whole * random.uniform(0.5, 1.0)


def payload(store: Store, delivery: Delivery) -> bytes:
    """The body, of what never changes in a ticket, so that each try has the same.

    Raises:
        StoreError: the ticket was deleted, or it cannot be read.
    """
    ticket = store.ticket(delivery.ticket_id, tenant=delivery.tenant)
    told: dict[str, Any] = {
        "delivery": delivery.id,
        "event": _event(delivery),
        "ticket": ticket.id,
        "tenant": ticket.tenant,
        "thread": ticket.thread_id,
        "kind": ticket.kind,
        "reason": ticket.reason,
        "summary": ticket.summary,
        "created": ticket.created.isoformat(),
    }
    if delivery.position < 0:
        told["transcript"] = list(ticket.transcript)
    else:
        reply = ticket.replies[delivery.position]
        told["message"] = {
            "author": reply.author,
            "text": reply.text,
            "images": list(reply.images),
            "created": reply.created.isoformat(),
        }
    return json.dumps(told, sort_keys=True).encode()


def _event(delivery: Delivery) -> str:
    return "ticket.opened" if delivery.position < 0 else "ticket.message"


async def _post(settings: Settings, delivery: Delivery, body: bytes) -> tuple[str | None, float]:
    """What went wrong, None where nothing did, and how many seconds the receiver wants to wait."""
    import httpx

    assert settings.webhook_url is not None and settings.webhook_secret is not None
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "sightdesk",
        "Sightdesk-Delivery": delivery.id,
        "Sightdesk-Event": _event(delivery),
        "Sightdesk-Signature": sign(settings.webhook_secret.get_secret_value(), body),
    }
    try:
        # A server that sends its headers drop by drop would pass any timeout between two of them.
        async with (
            asyncio.timeout(TRY_SECONDS),
            httpx.AsyncClient(
                follow_redirects=False, timeout=TRY_SECONDS, verify=_certificates()
            ) as client,
            client.stream("POST", settings.webhook_url, content=body, headers=headers) as answer,
        ):
            return _judge(answer)
    except TimeoutError:
        return f"no answer within {TRY_SECONDS:.0f} s", 0.0
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"{type(error).__name__}: {error}".rstrip(": "), 0.0
    except (OSError, ValueError) as error:
        return f"it cannot be called ({error})", 0.0


@cache
def _certificates() -> ssl.SSLContext:
    """Whom to trust, read once: it is a file of hundreds."""
    import httpx

    return httpx.create_ssl_context()


def _judge(answer: httpx.Response) -> tuple[str | None, float]:
    if answer.is_success:
        return None, 0.0
    if answer.is_redirect:
        return f"HTTP {answer.status_code}: redirects are not followed; set the new address", 0.0
    after = answer.headers.get("Retry-After", "")
    return f"HTTP {answer.status_code}", float(
        after
    ) if after.isascii() and after.isdigit() else 0.0


def sign(secret: str, body: bytes, *, at: int | None = None) -> str:
    """The header ``Sightdesk-Signature`` of a body, at a time in seconds since 1970."""
    moment = int(time.time()) if at is None else at
    signed = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    return f"t={moment},v1={signed.hexdigest()}"


def verify(secret: str, header: str, body: bytes, *, tolerance: float = 300.0) -> bool:
    """Whether a header is the signature of a body, made within `tolerance` seconds of now.

    For a receiver that is written in Python; others do the same.
    """
    fields = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    moment = fields.get("t", "")
    if not (moment.isascii() and moment.isdigit()) or len(moment) > 15:
        return False
    if abs(time.time() - int(moment)) > tolerance:
        return False
    return hmac.compare_digest(sign(secret, body, at=int(moment)).encode(), header.encode())


class Courier:
    """A thread that delivers while a door is open; a process of its own is not needed.

    Args:
        settings: `webhook_url` and `webhook_secret`; without an address no thread is started.
    """

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or get_settings()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> Courier:
        """Begin; what fails is logged and tried again."""
        if self._settings.webhook_url is not None and self._thread is None:
            self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
            self._thread.start()
        return self

    def stop(self) -> None:
        """End after the call that is being made."""
        self._end.set()
        if self._thread is not None:
            self._thread.join(TRY_SECONDS + EVERY_SECONDS)

    def _run(self) -> None:
        told = ""
        while not self._end.is_set():
            try:
                with Store.open(self._settings) as store:
                    while not self._end.is_set():
                        deliver_due(self._settings, store=store)
                        told = ""
                        self._end.wait(EVERY_SECONDS)
            except (InputError, StoreError) as error:
                if str(error) != told:
                    told = str(error)
                    _LOG.warning("The webhook is not told of tickets: %s", told)
                self._end.wait(EVERY_SECONDS)
