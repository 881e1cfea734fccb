"""Where a conversation is kept while the store cannot: in this tab's memory, until it is saved.

It answers the calls of `assistant.store.Store` that an open conversation needs, so that a full disk
or a locked database does not end it. `save` writes to a store what came about meanwhile.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from assistant.errors import StoreError
from assistant.images import fit_within
from assistant.store import Exchange, NewExchange, StoredImage, Thread

if TYPE_CHECKING:
    from assistant.images import LoadedImage
    from assistant.store import State, Store

THUMBNAIL_PIXELS = 320


@dataclass
class Scratch:
    """One conversation in memory.

    Args:
        store: what can perhaps still be read: photos of the earlier exchanges.
        thread_id: the conversation in the store; None for a new one.
    """

    store: Store | None = None
    thread_id: str | None = None
    title: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    total: int = 0
    _pictures: dict[str, tuple[str, LoadedImage]] = field(default_factory=dict)
    _known: dict[str, str] = field(default_factory=dict)
    """Ids here, and in the store for those exchanges that it has."""
    _changed: set[str] = field(default_factory=set)
    _dropped_from: int | None = None

    @classmethod
    def take_over(
        cls,
        store: Store | None,
        thread_id: str | None,
        title: str,
        exchanges: Sequence[Exchange],
        total: int,
    ) -> Scratch:
        """Go on with a conversation that the store has, or with a new one."""
        known = {exchange.id: exchange.id for exchange in exchanges}
        return cls(store, thread_id, title, list(exchanges), total, _known=known)

    @property
    def unsaved(self) -> int:
        """Exchanges that the store does not have as they are here."""
        return sum(
            exchange.id not in self._known or exchange.id in self._changed
            for exchange in self.exchanges
        )

    # --- as Store

    def put_image(self, image: LoadedImage, *, name: str, tenant: str = "") -> StoredImage:
        """Keep a picture."""
        self._pictures[image.id] = (name, image)
        return StoredImage(image.id, name, image.width, image.height, 0, datetime.now(UTC))

    def load_image(self, id: str, *, tenant: str = "") -> LoadedImage:
        """The picture of that id."""
        if id in self._pictures:
            return self._pictures[id][1]
        if self.store is None:
            raise StoreError("This photo is not here any more; send it again.")
        return self.store.load_image(id, tenant=tenant)

    def image_bytes(self, id: str, *, tenant: str = "") -> bytes:
        """The picture as a PNG file."""
        if id not in self._pictures and self.store is not None:
            return self.store.image_bytes(id, tenant=tenant)
        stream = BytesIO()
        self.load_image(id).pixels.save(stream, "PNG", compress_level=1)
        return stream.getvalue()

    def thumbnail(self, id: str, *, tenant: str = "") -> bytes:
        """A small JPEG of the picture."""
        if id not in self._pictures and self.store is not None:
            return self.store.thumbnail(id, tenant=tenant)
        stream = BytesIO()
        fit_within(self.load_image(id).pixels, THUMBNAIL_PIXELS).save(stream, "JPEG", quality=85)
        return stream.getvalue()

    def create_thread(self, title: str = "", *, tenant: str = "") -> Thread:
        """The one conversation that is kept here."""
        self.thread_id, self.title = self.thread_id or f"scratch-{uuid4().hex}", title
        return self.thread(self.thread_id)

    def thread(self, id: str, *, tenant: str = "", last: int | None = None) -> Thread:
        """The conversation, whatever the id."""
        now = datetime.now(UTC)
        shown = self.exchanges if last is None else self.exchanges[-last:]
        title = self.title or (self.exchanges[0].shown if self.exchanges else "")
        return Thread(id, title, bool(self.title), now, now, self.total, tuple(shown))

    def add_exchange(
        self, thread_id: str, exchange: NewExchange, *, after: int | None, tenant: str = ""
    ) -> Exchange:
        """Keep a question."""
        position = self.exchanges[-1].position + 1 if self.exchanges else 0
        values: dict[str, Any] = vars(exchange) | {
            "used": exchange.used or exchange.images,
            "names": exchange.names or tuple(self._name(id) for id in exchange.images),
        }
        kept = Exchange(
            id=f"scratch-{uuid4().hex}",
            thread_id=thread_id,
            position=position,
            created=datetime.now(UTC),
            thumb=None,
            correction=None,
            **values,
        )
        self.exchanges.append(kept)
        self.total += 1
        return kept

    def set_answer(
        self,
        exchange_id: str,
        *,
        answer: str,
        state: State,
        details: dict[str, Any],
        error: str | None = None,
        tenant: str = "",
    ) -> None:
        """Keep an answer."""
        self._change(exchange_id, answer=answer, state=state, details=details, error=error)

    def truncate(self, thread_id: str, position: int, *, tenant: str = "") -> None:
        """Drop exchanges from that position on."""
        kept = [exchange for exchange in self.exchanges if exchange.position < position]
        self.total -= len(self.exchanges) - len(kept)
        self.exchanges = kept
        before = position if self._dropped_from is None else self._dropped_from
        self._dropped_from = min(before, position)

    def set_feedback(
        self, exchange_id: str, *, thumb: int | None, correction: str | None, tenant: str = ""
    ) -> None:
        """Keep what a person thinks of an answer."""
        self._change(exchange_id, thumb=thumb, correction=correction)

    # --- back into a store

    def save(self, store: Store) -> str | None:
        """Write what came about here; returns the id of the thread.

        What is written is known from then on: after a failure half-way, the same call goes on.

        Raises:
            StoreError: the store still cannot.
        """
        if not self.exchanges and self.thread_id is None:
            return None
        if self.thread_id is None or self.thread_id.startswith("scratch-"):
            self.thread_id = store.create_thread(self.title).id
        if self._dropped_from is not None:
            store.truncate(self.thread_id, self._dropped_from)
            self._dropped_from = None
        after = store.thread(self.thread_id, last=1).last_position
        for exchange in self.exchanges:
            if exchange.id not in self._known:
                after = self._save_new(store, exchange, after)
            elif exchange.id in self._changed:
                self._save_changes(store, exchange)
            self._changed.discard(exchange.id)
        return self.thread_id

    def _save_new(self, store: Store, exchange: Exchange, after: int | None) -> int:
        for id in {*exchange.images, *exchange.used}:
            if id in self._pictures:
                name, image = self._pictures[id]
                store.put_image(image, name=name)
        new = NewExchange(
            question=exchange.question,
            shown=exchange.shown,
            images=exchange.images,
            used=exchange.used,
            names=exchange.names,
            enhancement=exchange.enhancement,
        )
        assert self.thread_id is not None
        saved = store.add_exchange(self.thread_id, new, after=after)
        self._known[exchange.id] = saved.id
        self._changed.add(exchange.id)
        self._save_changes(store, exchange)
        return saved.position

    def _save_changes(self, store: Store, exchange: Exchange) -> None:
        id = self._known[exchange.id]
        state: State = "stopped" if exchange.state == "streaming" else exchange.state
        store.set_answer(
            id,
            answer=exchange.answer,
            state=state,
            details=exchange.details,
            error=exchange.error,
        )
        if exchange.thumb is not None or exchange.correction:
            store.set_feedback(id, thumb=as_thumb(exchange.thumb), correction=exchange.correction)

    def _name(self, id: str) -> str:
        return self._pictures[id][0] if id in self._pictures else ""

    def _change(self, exchange_id: str, **values: Any) -> None:
        for place, exchange in enumerate(self.exchanges):
            if exchange.id == exchange_id:
                self.exchanges[place] = replace(exchange, **values)
                self._changed.add(exchange_id)


def as_thumb(value: int | None) -> Any:
    """1, -1 or None, whatever number was kept."""
    return None if not value else (1 if value > 0 else -1)
