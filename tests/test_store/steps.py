"""What most tests of the store do: ask, answer, look at the disk."""

from __future__ import annotations

from pathlib import Path

from assistant.store import Exchange, NewExchange, State, Store


def ask(
    store: Store,
    thread_id: str,
    question: str = "What is this?",
    *,
    after: int | None = None,
    images: tuple[str, ...] = (),
    used: tuple[str, ...] = (),
    state: State = "streaming",
    answer: str = "",
    tenant: str = "",
) -> Exchange:
    new = NewExchange(
        question=question, shown=question, images=images, used=used, state=state, answer=answer
    )
    return store.add_exchange(thread_id, new, after=after, tenant=tenant)


def image_files(store: Store) -> set[str]:
    """Names of all files in the photo folder, but for the mark of its database."""
    found = (path for path in store.settings.data_dir.glob("images*/**/*") if path.is_file())
    return {path.name for path in found if path.name != ".database"}


def files_of(*ids: str) -> set[str]:
    """What `image_files` finds where these pictures are kept."""
    return {f"{id}{ending}" for id in ids for ending in (".webp", ".thumb.webp")}


def database_file(store: Store) -> Path:
    return store.settings.data_dir / "sightdesk.db"
