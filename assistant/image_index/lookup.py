"""Rows of files as everybody is given them, with statements that are made once."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, bindparam, func, select
from sqlalchemy.orm import Session

from assistant.image_index.keeping import moment
from assistant.image_index.knowing import batches
from assistant.image_index.names import on_disk
from assistant.image_index.quick import quick, time_of
from assistant.image_index.values import IndexedFile
from assistant.store.image_rows import IndexedFileRow, IndexedFolderRow, IndexedImageRow

MOST_OTHERS: Final = 100
"""Files of one picture that are told beside the first."""

_AT_ONCE: Final = 1_000

# Columns of tables rather than of their classes: twice as quick, and it is in every search.
_files, _folders, _images = (
    each.__table__.c for each in (IndexedFileRow, IndexedFolderRow, IndexedImageRow)
)
_SELECTED = (
    select(
        _files.key, _files.image_key, _files.path, _files.size, _files.modified_ns, _files.width,
        _files.height, _files.taken, _folders.id.label("folder"), _folders.path.label("root"),
        _images.image_id, _images.label, _images.coarse_label, _images.caption, _files.folder_key,
    )
    .join(IndexedFolderRow.__table__, _folders.key == _files.folder_key)
    .join(IndexedImageRow.__table__, _images.key == _files.image_key)
)  # fmt: skip
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_BY_PICTURE = (
    "SELECT f.key, f.image_key, f.path, f.size, f.modified_ns, f.width, f.height, f.taken, "
    "d.id, d.path, p.image_id, p.label, p.coarse_label, p.caption FROM indexed_files f "
    "JOIN indexed_folders d ON d.key = f.folder_key JOIN indexed_images p ON p.key = f.image_key "
    "WHERE f.image_key IN {keys} ORDER BY f.key LIMIT :most"
)
_RANKED = (
    select(
        _files.key,
        func.row_number().over(partition_by=_files.image_key, order_by=_files.key).label("place"),
    )
    .where(_files.image_key.in_(_KEYS))
    .subquery()
)
_FIRST_BY_PICTURE = (
    _SELECTED.join(_RANKED, _RANKED.c.key == _files.key)
    .where(_RANKED.c.place <= MOST_OTHERS + 1)
    .order_by(_files.key)
)


def files_of(
    session: Session,
    keys: Sequence[int],
    wanted: Sequence[ColumnElement[bool]] = (),
) -> dict[int, list[IndexedFile]]:
    """The files of pictures by key, in the order in which they came, at most 101 of each.

    Args:
        session: a transaction.
        keys: of pictures.
        wanted: what the first file of each must fulfil; a picture without such a file is left out.
    """
    found: dict[int, list[tuple[int, IndexedFile]]] = defaultdict(list)
    first: dict[int, int] = {}
    for part in batches(keys):
        # Few have copies. Only where there are many is it worth counting those of each.
        most = len(part) + 2 * MOST_OTHERS
        rows = quick(session, _BY_PICTURE, {"keys": part, "most": most})
        if len(rows) == most:
            for row in session.execute(_FIRST_BY_PICTURE, {"keys": part}):
                found[row.image_key].append((row.key, file_of(row)))
        else:
            for key, image, path, size, modified, width, height, taken, folder, root, *said in rows:
                file = IndexedFile(
                    folder, path, root, said[0], size, moment(modified), width, height,
                    time_of(taken), *said[1:],
                )  # fmt: skip
                found[image].append((key, file))
        if wanted:
            files, images = IndexedFileRow, IndexedImageRow
            least = select(files.image_key, func.min(files.key)).join(
                images, images.key == files.image_key
            )
            least = least.where(files.image_key.in_(part), *wanted).group_by(files.image_key)
            first.update((image, key) for image, key in session.execute(least) if image)
    if wanted:
        _put_first(session, found, first)
    return {key: [file for _, file in files[: MOST_OTHERS + 1]] for key, files in found.items()}


def all_files(
    read: Callable[[], AbstractContextManager[Session]], *wanted: ColumnElement[bool]
) -> Iterator[IndexedFile]:
    """Files by folder and path, in parts and transactions of their own: a million need no memory,
    and nobody waits for who reads them slowly."""
    last: tuple[int, str] | None = None
    while True:
        query = _SELECTED.where(*wanted)
        if last is not None:
            after = (_files.folder_key > last[0]) | (
                (_files.folder_key == last[0]) & (_files.path > last[1])
            )
            query = query.where(after)
        with read() as session:
            ordered = query.order_by(_files.folder_key, _files.path).limit(_AT_ONCE)
            found = session.execute(ordered).all()
        yield from map(file_of, found)
        if len(found) < _AT_ONCE:
            return
        last = (found[-1].folder_key, found[-1].path)


def file_of(row: Any) -> IndexedFile:
    """A row of one of these statements."""
    return IndexedFile(
        row.folder, row.path, row.root, row.image_id, row.size, moment(row.modified_ns), row.width,
        row.height, row.taken, row.label, row.coarse_label, row.caption,
    )  # fmt: skip


def image_ids(session: Session, tenant: str, prefix: str, limit: int) -> list[str]:
    """Ids of a tenant's indexed pictures that begin so, in order; needs no embedder."""
    rows = IndexedImageRow
    # "g" comes after all that an id holds.
    mine = (rows.tenant == tenant, rows.image_id >= prefix, rows.image_id < f"{prefix}g")
    query = select(rows.image_id).where(*mine).order_by(rows.image_id).limit(limit)
    return list(session.scalars(query))


def root_path(stored: str) -> Path:
    """A folder's path of the tables, as the system has it."""
    return Path(os.path.normpath(on_disk(stored)))


def _put_first(
    session: Session, found: dict[int, list[tuple[int, IndexedFile]]], first: dict[int, int]
) -> None:
    """Put the file of `first` before the others, and leave out pictures that have none."""
    for image in list(found):
        if image not in first:
            del found[image]
            continue
        files = sorted(found[image], key=lambda each: (each[0] != first[image], each[0]))
        if files[0][0] != first[image]:  # one of very many copies
            row = session.execute(_SELECTED.where(_files.key == first[image])).one()
            files = [(row.key, file_of(row)), *files]
        found[image] = files
