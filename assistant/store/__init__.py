"""Conversations, photos, feedback and tickets that survive a restart, in SQLite or Postgres.

    store = Store.open()
    photo = store.put_image(open_image("banana.jpg"), name="banana.jpg")
    thread = store.create_thread()
    asked = NewExchange(question="What is this?", shown="What is this?", images=(photo.id,))
    exchange = store.add_exchange(thread.id, asked, after=None)
    store.set_answer(exchange.id, answer="A banana.", state="done", details={})

Rows are in a database (`models`, `migrations`), photos in files beside it (`files`). Every failure
is a `StoreError` of one sentence (`failures`). Importing it costs no torch.
"""

from assistant.store.core import Store
from assistant.store.keys import SCOPES, ApiKey, KeyLimits
from assistant.store.values import (
    Delivery,
    Exchange,
    NewExchange,
    Reply,
    Said,
    State,
    StoredImage,
    Thread,
    ThreadSummary,
    Ticket,
    TicketKind,
    TicketState,
    TicketSummary,
)

__all__ = [
    "SCOPES",
    "ApiKey",
    "Delivery",
    "Exchange",
    "KeyLimits",
    "NewExchange",
    "Reply",
    "Said",
    "State",
    "Store",
    "StoredImage",
    "Thread",
    "ThreadSummary",
    "Ticket",
    "TicketKind",
    "TicketState",
    "TicketSummary",
]
