"""A visitor's conversations as the script draws them: nothing of the inside of the desk.

Passages and pictures that an answer rests on are shown; documents' names, arguments of tools, what
tools told the model and why something failed are not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from assistant.api.widget.tokens import Tokens, Visitor
from assistant.errors import StoreError
from assistant.sources import Source
from assistant.store import Exchange, Store, Ticket
from assistant.telling import (
    citations_of,
    is_by_desk,
    outcome_of,
    steps_of,
    ticket_of,
)

MOST_MESSAGES: Final = 100
MESSAGE: Final = "message"
"""Key of an exchange's details: the name that the visitor's script gave the question."""

TEXT_CHARS: Final = 2_000


class Threads:
    """Reads one visitor's conversations."""

    def __init__(self, store: Store, tokens: Tokens, visitor: Visitor) -> None:
        self._store, self._tokens, self._visitor = store, tokens, visitor

    def exchanges(self, own: str, *, make: bool = False) -> Sequence[Exchange]:
        """The last questions and answers; none where nothing was asked yet.

        Args:
            make: let the conversation begin where it has not.

        Raises:
            StoreError: they cannot be read.
        """
        id, tenant = self._visitor.thread_id(own), self._visitor.tenant
        if make:
            self._store.ensure_thread(id, tenant=tenant)
        try:
            return self._store.thread(id, tenant=tenant, last=MOST_MESSAGES).exchanges
        except StoreError:
            self._store.threads(limit=1, tenant=tenant)  # raises where it is not just the thread
            return ()

    def read(self, own: str, after: int = -1) -> dict[str, Any]:
        """The messages behind a position, and the ticket of the conversation.

        Raises:
            StoreError: they cannot be read.
        """
        found = self.exchanges(own)
        return {
            "messages": [self.message(each) for each in found if each.position > after],
            "ticket": self.ticket(own, found),
        }

    def ticket(self, own: str, exchanges: Sequence[Exchange]) -> dict[str, Any] | None:
        """The open ticket of a conversation, else the last one; None where no person was called."""
        tenant = self._visitor.tenant
        ticket: Ticket | None = self._store.ticket_of(self._visitor.thread_id(own), tenant=tenant)
        if ticket is None:
            ids = [ticket_of(each.details) for each in reversed(exchanges)]
            last = next((id for id in ids if id), None)
            if last is None:
                return None
            try:
                ticket = self._store.ticket(last, tenant=tenant)
            except StoreError:
                return None  # it was deleted
        return {"id": ticket.id, "state": ticket.state, "waiting": ticket.waiting}

    def message(self, exchange: Exchange) -> dict[str, Any]:
        """A question and its answer."""
        details = exchange.details
        by = details.get("by")
        return {
            "message_id": str(details.get(MESSAGE) or exchange.id)[:64],
            "position": exchange.position,
            "created": exchange.created.isoformat(),
            "text": exchange.shown,
            "images": [
                {"id": self._tokens.picture(self._visitor, id), "name": name}
                for id, name in zip(exchange.images, exchange.names, strict=False)
            ],
            "answer": exchange.answer,
            "by": "person" if by == "person" else "desk",
            "state": exchange.state,
            "failed": details.get("failed") is True,
            "outcome": outcome_of(details) if is_by_desk(exchange) else "",
            "ticket": ticket_of(details) or None,
            "citations": self.citations(citations_of(details)),
            "steps": [step.name for step in steps_of(details)],
        }

    def citations(self, sources: Iterable[Source | None]) -> list[dict[str, Any]]:
        """What an answer rests on, ``[1]`` first."""
        return [self._citation(source) for source in sources]

    def _citation(self, source: Source | None) -> dict[str, Any]:
        if source is None:
            source = Source("passage", "", "", "")
        image = source.image_id or (source.id if source.kind == "image" else "")
        own = source.kind == "image" and source.origin != "search_images"
        return {
            "kind": source.kind,
            "own": own,
            "title": "" if own else source.title[:200],
            "text": source.text[:TEXT_CHARS],
            "image": self._tokens.picture(self._visitor, image) if image else None,
            "url": source.origin if source.origin.startswith(("https://", "http://")) else None,
        }
