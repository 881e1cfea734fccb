"""A desk to try cases on: its own store in a temporary folder, the knowledge indexed once.

Nothing is read from or written to the user's conversations, and no webhook is called. The index is
kept in the cache under a hash of the knowledge file, of its pictures and of the embedder, and
copied for every run.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.adapter_files import find_adapter, own_adapters
from assistant.errors import InputError, StoreError
from assistant.settings import Settings, get_settings

if TYPE_CHECKING:
    from assistant.embedder import Embedder
    from assistant.tools.desk import Desk

Report = Callable[[str, float | None], None]
_VERSION = 1
"""Counts up where the same file would be indexed otherwise."""
_KEPT = 4
"""Indexes that stay in the cache."""


@contextmanager
def open_desk(
    knowledge: Path,
    *,
    adapter: str | None = None,
    engine: Any = None,
    settings: Settings | None = None,
    embedder: Embedder | None = None,
    report: Report = lambda message, fraction: None,
) -> Iterator[Desk]:
    """A desk over a knowledge file or folder, gone when the block ends.

    Args:
        knowledge: what `Knowledge.add` takes.
        adapter: name or directory of the adapter whose labels are given; by default the installed
            one whose labels equal the product file's.
        engine: what sees, or a callable that gives it.
        settings: of the user; the desk has them with a data folder of its own.
        embedder: for tests.
        report: is told what is indexed.

    Raises:
        InputError: there is no such file, or nothing in it could be read.
        AdapterError: there is no such adapter.
    """
    from assistant.knowledge import Knowledge
    from assistant.store import Store
    from assistant.tools.desk import Desk, adapter_for_labels

    settings = settings or get_settings()
    chosen = _place(adapter, settings) if adapter else None
    index = _index(knowledge, settings, embedder, report)
    with tempfile.TemporaryDirectory(prefix="sightdesk-cases-") as folder:
        data = Path(folder) / "data"
        shutil.copytree(index, data)
        apart = _apart(settings, data)
        with Store.open(apart) as store:
            known = Knowledge.open(apart, store=store, embedder=embedder)
            if chosen is None and (name := adapter_for_labels(known.labels(), settings)):
                chosen = _place(name, settings)
            yield Desk(engine, store, known, apart, adapter=chosen)


def _apart(settings: Settings, data: Path) -> Settings:
    """The user's settings for a store that is nobody's."""
    return settings.model_copy(
        update={"data_dir": data, "database_url": None, "webhook_url": None, "webhook_secret": None}
    )


def _place(adapter: str, settings: Settings) -> str:
    """Its name, or its directory where the name holds in the user's data folder only."""
    files = find_adapter(adapter, settings)
    return str(files.path) if adapter in own_adapters(settings) else adapter


def _index(knowledge: Path, settings: Settings, embedder: Embedder | None, report: Report) -> Path:
    """The data folder with the knowledge in it, from the cache or made now."""
    from assistant.knowledge import Knowledge
    from assistant.store import Store

    name = getattr(embedder, "name", None) or settings.embedder or ""
    room = settings.cache_dir / "agent-cases"
    place = room / _hash(knowledge, name)
    if place.is_dir():
        os.utime(place)
        return place
    try:
        room.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix="making-", dir=room))
    except OSError as error:
        raise StoreError(
            f"The cache folder {room} cannot be written ({error.strerror}); free or name another."
        ) from error
    try:
        apart = _apart(settings, made)
        with Store.open(apart) as store:
            known = Knowledge.open(apart, store=store, embedder=embedder)
            added = known.add(knowledge, progress=report)
            if known.is_empty:
                trouble = f" ({added.troubles[0].rstrip('.')})" if added.troubles else ""
                raise InputError(f"Nothing in {knowledge} can be read{trouble}; give another file.")
        if not place.is_dir():
            made.rename(place)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    _clear(room, place)
    return place


def _hash(knowledge: Path, embedder: str) -> str:
    """Of every file's content, and of the pictures beside a product file by size and time."""
    digest = hashlib.sha256(f"{_VERSION} {embedder}\n".encode())
    if not knowledge.exists():
        raise InputError(f"There is no {knowledge}; give a file or folder with --knowledge.")
    base = knowledge if knowledge.is_dir() else knowledge.parent
    files = sorted(knowledge.rglob("*")) if knowledge.is_dir() else [knowledge]
    for file in (each for each in files if each.is_file()):
        digest.update(f"{file.relative_to(base)}\n".encode(errors="surrogateescape"))
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    if knowledge.is_file():
        for row, picture in _pictures(knowledge):
            stat = picture.stat() if picture.is_file() else None
            known = f"{stat.st_size} {stat.st_mtime_ns}" if stat else "missing"
            digest.update(f"{row} {known}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


def _pictures(file: Path) -> Iterator[tuple[str, Path]]:
    from adapters.rows import records
    from assistant.errors import DataError

    if file.suffix.lower() not in {".jsonl", ".ndjson"}:
        return
    try:
        for _, record in records(file):
            image = record.get("image")
            if isinstance(image, str) and image and "\0" not in image:
                yield image, file.parent / image
    except DataError:
        return  # the reader of the knowledge says what is wrong with it


def _clear(room: Path, keep: Path) -> None:
    """Only the indexes that were used last stay."""
    indexes = sorted(
        (path for path in room.iterdir() if path.is_dir() and not path.name.startswith("making-")),
        key=lambda path: path.stat().st_mtime,
    )
    for path in indexes[:-_KEPT]:
        if path != keep:
            shutil.rmtree(path, ignore_errors=True)
