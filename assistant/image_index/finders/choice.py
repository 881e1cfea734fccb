"""Which finder goes with a store's database."""

from __future__ import annotations

from assistant.image_index.finders.base import Finder
from assistant.store import Store


def finder_for(store: Store, tenant: str) -> Finder:
    """The finder of a tenant's pictures; `Finder.prepare` makes what it needs."""
    if store.database.is_sqlite:
        from assistant.image_index.finders.sqlite import SqliteFinder

        return SqliteFinder(store, tenant)
    from assistant.image_index.finders.postgres import PostgresFinder

    return PostgresFinder(store, tenant)
